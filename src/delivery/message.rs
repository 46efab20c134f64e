//! What another program reads: the incident's header, its root cause with the evidence, and a text for people.

use std::borrow::Cow;
use std::cmp::Reverse;

use chrono_tz::Tz;
use serde::Serialize;

use super::acts::Acts;
use super::lines::{Lines, link};
use super::template::Templates;
use crate::domain::ci::CiRef;
use crate::domain::ending::Findings;
use crate::domain::incident::{Candidate, IncidentState, IncidentView, Priority, Progress};
use crate::domain::severity::Severity;
use crate::domain::time::Timestamp;
use crate::engine::effect::{Addressee, Change, DigestLine, Notice, RunbookLink, StormNews};
use crate::wording::lang::{Lang, Text};
use crate::wording::sentences::{evidence, headline};
use crate::wording::titles::{both, own_titled};
use crate::wording::words::SeverityWord;

/// How a message is written for one receiver.
#[derive(Clone, Copy, Debug)]
pub struct Style<'a> {
    pub lang: Lang,
    pub time_zone: Tz,
    /// Where the console shows incidents, without a slash at its end; empty: no link.
    pub base_url: &'a str,
    /// How its reader acts.
    pub acts: &'a Acts,
    /// Texts of one's own.
    pub templates: &'a Templates,
}

/// The message as it is sent.
#[derive(Serialize)]
pub struct Message<'a> {
    r#type: String,
    timestamp: String,
    data: Payload<'a>,
}

#[derive(Serialize)]
struct Payload<'a> {
    /// For people, in the receiver's language.
    text: String,
    headline: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    incident: Header<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    root_cause: Option<Root<'a>>,
    /// Why an update is told.
    #[serde(skip_serializing_if = "<[Change]>::is_empty")]
    changes: &'a [Change],
    /// The route that named the receiver.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    /// Who is meant, when the receiver is a way to many people.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a Addressee>,
    /// Who else was told.
    #[serde(skip_serializing_if = "<[Box<str>]>::is_empty")]
    told: &'a [Box<str>],
    #[serde(skip_serializing_if = "<[RunbookLink]>::is_empty")]
    runbooks: &'a [RunbookLink],
    /// What came too fast and is told here at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Digest<'a>>,
}

#[derive(Serialize)]
struct Digest<'a> {
    messages: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    storm: Option<Storm>,
    lines: Vec<Line<'a>>,
}

/// The storm of incidents that held them back.
#[derive(Serialize)]
struct Storm {
    since: String,
    incidents: u32,
    over: bool,
}

impl Storm {
    fn of(storm: StormNews) -> Self {
        Self { since: storm.since.to_string(), incidents: storm.incidents, over: storm.is_over }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    incident: String,
    version: u32,
    r#type: String,
    severity: &'static str,
    priority: Priority,
    /// In the receiver's language.
    title: Cow<'a, str>,
    /// In each language, where the program titles it itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    titles: Option<Text>,
}

impl<'a> Line<'a> {
    fn of(line: &'a DigestLine, lang: Lang) -> Self {
        Self {
            incident: line.incident.to_string(),
            version: line.version,
            r#type: format!("incident.{}", line.kind.as_str()),
            severity: line.severity.as_str(),
            priority: line.priority,
            title: own_titled(&line.title, lang),
            titles: both(&line.title),
        }
    }
}

/// The incident's header. Ids are texts and times are RFC 3339, as in the API.
#[derive(Serialize)]
struct Header<'a> {
    id: String,
    tenant: &'a str,
    version: u32,
    /// In the receiver's language.
    title: Cow<'a, str>,
    /// In each language, where the program titles it itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    titles: Option<Text>,
    state: IncidentState,
    progress: Progress,
    severity: &'static str,
    severity_label: Text,
    priority: Priority,
    alert_count: u32,
    firing_count: u32,
    event_count: u64,
    ci_count: u32,
    area: Option<&'static str>,
    services: &'a [Box<str>],
    at_risk: &'a [Box<str>],
    unseen_count: u32,
    /// It is handled as a major incident.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    major: bool,
    /// What people found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    findings: Option<&'a Findings>,
    orgs: Vec<&'a str>,
    first_alert_at: String,
    opened_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignee: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovered_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    merged_into: Option<String>,
}

/// The most probable root cause.
#[derive(Serialize)]
pub struct Root<'a> {
    pub ci: &'a CiRef,
    /// The CI has no alert of its own.
    pub inferred: bool,
    /// A person has confirmed it.
    pub confirmed: bool,
    /// Its alert tells of an attack or a violation: that the others come from it is possible, not proven.
    pub possible: bool,
    /// How likely it is, in percent.
    pub percent: i32,
    pub evidence: Vec<Text>,
}

impl<'a> Message<'a> {
    /// Writes the message for a notice.
    pub fn of(notice: &'a Notice, style: &Style<'_>) -> Self {
        let incident = &notice.incident;
        let url = link(incident, style);
        let text = Lines::of(notice, style).text();
        Self {
            r#type: format!("incident.{}", notice.kind.as_str()),
            timestamp: notice.at.to_string(),
            data: Payload {
                text,
                headline: headline(incident),
                url,
                incident: Header::of(incident, style.lang),
                root_cause: Root::of(incident),
                changes: &notice.changes,
                rule: notice.rule.as_ref().map(|rule| rule.as_str()),
                to: notice.to.as_deref(),
                told: &notice.told,
                runbooks: &notice.runbooks,
                digest: notice.digest.as_ref().map(|digest| Digest {
                    messages: digest.messages,
                    storm: digest.storm.map(Storm::of),
                    lines: digest.lines.iter().map(|line| Line::of(line, style.lang)).collect(),
                }),
            },
        }
    }
}

impl<'a> Root<'a> {
    /// That of an incident, if one is known.
    pub fn of(incident: &'a IncidentView) -> Option<Self> {
        let candidate = incident.candidates.first()?;
        Some(Self {
            ci: &candidate.ci,
            inferred: candidate.inferred,
            confirmed: incident.root_confirmed,
            possible: candidate.possible,
            percent: percent(candidate),
            evidence: evidence_of(candidate),
        })
    }
}

impl<'a> Header<'a> {
    fn of(incident: &'a IncidentView, lang: Lang) -> Self {
        let at = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            id: incident.id.to_string(),
            tenant: incident.tenant.as_str(),
            version: incident.version,
            title: own_titled(&incident.title, lang),
            titles: both(&incident.title),
            state: incident.state,
            progress: incident.progress,
            severity: incident.severity.as_str(),
            severity_label: severity_label(incident.severity),
            priority: incident.priority,
            alert_count: incident.alert_count,
            firing_count: incident.firing_count,
            event_count: incident.event_count,
            ci_count: incident.ci_count,
            area: incident.area.map(crate::domain::ci::Area::as_str),
            services: &incident.services,
            at_risk: &incident.at_risk,
            unseen_count: incident.unseen_count,
            major: incident.major.is_some(),
            findings: incident.conclusion.as_deref().map(|said| &said.findings),
            orgs: incident.orgs.iter().map(|org| org.as_str()).collect(),
            first_alert_at: incident.first_alert_at.to_string(),
            opened_at: incident.opened_at.to_string(),
            updated_at: incident.updated_at.to_string(),
            acknowledged_at: at(incident.acknowledged_at),
            acknowledged_by: incident.acknowledged_by.as_deref(),
            assignee: incident.assignee.as_deref(),
            recovered_at: at(incident.recovered_at),
            closed_at: at(incident.closed_at),
            merged_into: incident.merged_into.map(|id| id.to_string()),
        }
    }
}

/// The evidence for a candidate, the strongest first.
fn evidence_of(candidate: &Candidate) -> Vec<Text> {
    let mut strongest: Vec<_> = candidate.evidence.iter().collect();
    strongest.sort_by_key(|evidence| Reverse(evidence.points));
    strongest.into_iter().map(|one| evidence(one, &candidate.ci.name)).collect()
}

/// How bad, as people read it.
pub fn severity_label(severity: Severity) -> Text {
    let word = SeverityWord::from(severity);
    Text::new(word.label(Lang::Zh), word.label(Lang::En))
}

fn percent(candidate: &Candidate) -> i32 {
    candidate.score / 10
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::template::example;
    use crate::domain::title;

    #[test]
    fn a_title_of_the_programs_own_is_told_in_the_receivers_language_with_both_beside_it() {
        let (acts, templates) = (Acts::default(), Templates::default());
        let told = |title: &str, lang| {
            let mut notice = example();
            notice.incident.title = title.into();
            let style = Style { lang, time_zone: chrono_tz::UTC, base_url: "", acts: &acts, templates: &templates };
            let message = serde_json::to_value(Message::of(&notice, &style)).unwrap();
            message["data"]["incident"].clone()
        };
        let own = format!("web-1 {}", title::TRAFFIC.kept());
        let both = serde_json::json!({ "zh": "web-1 流量异常", "en": "web-1 unusual traffic" });
        for (lang, expected) in [(Lang::Zh, "web-1 流量异常"), (Lang::En, "web-1 unusual traffic")] {
            let incident = told(&own, lang);
            assert_eq!(incident["title"], expected);
            assert_eq!(incident["titles"], both);
        }
        let incident = told("机房掉电", Lang::En);
        assert_eq!(incident["title"], "机房掉电");
        assert_eq!(incident.get("titles"), None, "somebody else's words are the same in both");
    }
}
