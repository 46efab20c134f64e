//! What a receiver reads: the incident's header, its root cause with the evidence, and a text for a phone.

use std::cmp::Reverse;

use chrono_tz::Tz;
use serde::Serialize;

use super::acts::Acts;
use super::aside;
use super::digest;
use super::template::Templates;
use crate::domain::ci::CiRef;
use crate::domain::incident::{Candidate, IncidentState, IncidentView, Priority, Progress};
use crate::domain::severity::Severity;
use crate::domain::time::Timestamp;
use crate::engine::calendar::local;
use crate::engine::effect::{Addressee, Change, DigestLine, Notice, NoticeKind, RunbookLink, StormNews};
use crate::wording::lang::{Lang, Text};
use crate::wording::sentences::{evidence, headline};
use crate::wording::words::{PriorityWord, SeverityWord};

/// Sentences of evidence in the text; the message has all of them.
const TEXT_EVIDENCE_MAX: usize = 2;
/// Services that the text names.
const TEXT_SERVICES_MAX: usize = 3;

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
    /// Where the person who is meant acts without signing in.
    #[serde(skip_serializing_if = "Option::is_none")]
    act_url: Option<String>,
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
    title: &'a str,
}

impl<'a> Line<'a> {
    fn of(line: &'a DigestLine) -> Self {
        Self {
            incident: line.incident.to_string(),
            version: line.version,
            r#type: format!("incident.{}", line.kind.as_str()),
            severity: line.severity.as_str(),
            priority: line.priority,
            title: &line.title,
        }
    }
}

/// The incident's header. Ids are texts and times are RFC 3339, as in the API.
#[derive(Serialize)]
struct Header<'a> {
    id: String,
    tenant: &'a str,
    version: u32,
    title: &'a str,
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

#[derive(Serialize)]
struct Root<'a> {
    ci: &'a CiRef,
    /// The CI has no alert of its own.
    inferred: bool,
    /// A person has confirmed it.
    confirmed: bool,
    /// Its alert tells of an attack or a violation: that the others come from it is possible, not proven.
    possible: bool,
    /// How likely it is, in percent.
    percent: i32,
    evidence: Vec<Text>,
}

impl<'a> Message<'a> {
    /// Writes the message for a notice.
    pub fn of(notice: &'a Notice, style: &Style<'_>) -> Self {
        let incident = &notice.incident;
        let url = link(incident, style);
        let root_cause = Root::of(incident);
        let text = Lines::written(notice, root_cause.as_ref(), style).text();
        Self {
            r#type: format!("incident.{}", notice.kind.as_str()),
            timestamp: notice.at.to_string(),
            data: Payload {
                text,
                headline: headline(incident),
                url,
                act_url: style.acts.link(notice),
                incident: Header::of(incident),
                root_cause,
                changes: &notice.changes,
                rule: notice.rule.as_ref().map(|rule| rule.as_str()),
                to: notice.to.as_deref(),
                told: &notice.told,
                runbooks: &notice.runbooks,
                digest: notice.digest.as_ref().map(|digest| Digest {
                    messages: digest.messages,
                    storm: digest.storm.map(Storm::of),
                    lines: digest.lines.iter().map(Line::of).collect(),
                }),
            },
        }
    }
}

impl<'a> Root<'a> {
    fn of(incident: &'a IncidentView) -> Option<Self> {
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
    fn of(incident: &'a IncidentView) -> Self {
        let at = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            id: incident.id.to_string(),
            tenant: incident.tenant.as_str(),
            version: incident.version,
            title: &incident.title,
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

fn severity_label(severity: Severity) -> Text {
    let word = SeverityWord::from(severity);
    Text::new(word.label(Lang::Zh), word.label(Lang::En))
}

fn percent(candidate: &Candidate) -> i32 {
    candidate.score / 10
}

/// Where the console shows an incident.
fn link(incident: &IncidentView, style: &Style<'_>) -> Option<String> {
    (!style.base_url.is_empty()).then(|| format!("{}/incidents/{}", style.base_url, incident.id))
}

/// What a tired person understands on a phone: what and how bad, why, who is hit, since when, where to look. Plain text:
/// each channel writes it in its own markup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines {
    /// How bad it is, what is new, and which incident.
    pub title: String,
    /// What changed, root cause and evidence, who is hit, since when.
    pub body: Vec<String>,
    /// Where the console shows it.
    pub url: Option<String>,
    /// Further incidents of a digest.
    pub others: Vec<String>,
}

impl Lines {
    /// The text for a notice.
    pub fn of(notice: &Notice, style: &Style<'_>) -> Self {
        Self::written(notice, Root::of(&notice.incident).as_ref(), style)
    }

    fn written(notice: &Notice, root: Option<&Root<'_>>, style: &Style<'_>) -> Self {
        let (incident, lang) = (&notice.incident, style.lang);
        let (severity, priority) = (severity_label(incident.severity), priority_word(incident.priority));
        let (said, name, id) = (news(notice.kind), &incident.title, incident.id);
        let called = aside::called(notice);
        let title = match lang {
            Lang::Zh => format!("{called}【{priority} {}】{}：{name}（{id}）", severity.zh, said.zh),
            Lang::En => format!("{called}[{priority} {}] {}: {name} ({id})", severity.en, said.en),
        };
        let mut body: Vec<String> = changes_line(&notice.changes, lang).into_iter().collect();
        if let Some(root) = root {
            body.push(root_line(root, lang));
            body.extend(root.evidence.iter().take(TEXT_EVIDENCE_MAX).map(|evidence| match lang {
                Lang::Zh => format!("· {}", evidence.zh),
                Lang::En => format!("- {}", evidence.en),
            }));
        }
        body.push(reach_line(incident, lang));
        body.push(since_line(incident, style));
        body.extend(aside::lines(notice, lang, style.time_zone));
        let others = notice.digest.as_ref().map(|digest| digest::lines(digest, style)).unwrap_or_default();
        let url = style.acts.link(notice).or_else(|| link(incident, style));
        let mut lines = Self { title, body, url, others };
        style.templates.apply(notice, style, &mut lines);
        lines
    }

    /// All of it, one below the other.
    pub fn text(&self) -> String {
        let first = std::iter::once(&self.title);
        let all = first.chain(&self.body).chain(&self.url).chain(&self.others);
        all.map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// Everything but title and link, one below the other.
    pub fn rest(&self) -> impl Iterator<Item = &str> {
        self.body.iter().chain(&self.others).map(String::as_str)
    }
}

/// In one line for a short message: what and how bad, the probable cause, how much is hit.
pub fn short(notice: &Notice, style: &Style<'_>) -> String {
    let lines = Lines::of(notice, style);
    let (incident, lang) = (&notice.incident, style.lang);
    let cause = Root::of(incident).map(|root| root_line(&root, lang));
    let (separator, reach) = match lang {
        Lang::Zh => ("；", format!("{} 条告警", incident.alert_count)),
        Lang::En => ("; ", format!("alerts: {}", incident.alert_count)),
    };
    let parts = [Some(lines.title), cause, Some(reach), style.acts.answer(notice, lang), lines.url];
    parts.into_iter().flatten().collect::<Vec<_>>().join(separator)
}

/// The same without any name of a machine, an address or a service, for networks that must not carry them.
pub fn nameless(notice: &Notice, style: &Style<'_>) -> String {
    let incident = &notice.incident;
    let (severity, priority) = (severity_label(incident.severity), priority_word(incident.priority));
    let (said, id, count) = (news(notice.kind), incident.id, incident.alert_count);
    let answer = style.acts.answer(notice, style.lang);
    match style.lang {
        Lang::Zh => {
            let answer = answer.map_or_else(String::new, |answer| format!("，{answer}"));
            format!("【{priority} {}】{}：故障 {id}，{count} 条告警，详情请登录平台查看{answer}", severity.zh, said.zh)
        }
        Lang::En => {
            let answer = answer.map_or_else(String::new, |answer| format!("; {answer}"));
            format!("[{priority} {}] {}: incident {id}, alerts: {count}; see the console{answer}", severity.en, said.en)
        }
    }
}

fn since_line(incident: &IncidentView, style: &Style<'_>) -> String {
    let since = local(style.time_zone, incident.opened_at).format("%Y-%m-%d %H:%M:%S %:z");
    match (style.lang, incident.merged_into) {
        (Lang::Zh, None) => format!("开始：{since}"),
        (Lang::En, None) => format!("Since {since}"),
        (Lang::Zh, Some(into)) => format!("开始：{since}；后续见 {into}"),
        (Lang::En, Some(into)) => format!("Since {since}; goes on in {into}"),
    }
}

/// Why an update is told.
fn changes_line(changes: &[Change], lang: Lang) -> Option<String> {
    let words: Vec<&str> = changes
        .iter()
        .map(|change| match (change, lang) {
            (Change::Severity, Lang::Zh) => "级别升高",
            (Change::Severity, Lang::En) => "more severe",
            (Change::Priority, Lang::Zh) => "优先级提高",
            (Change::Priority, Lang::En) => "higher priority",
            (Change::Storm, Lang::Zh) => "告警风暴",
            (Change::Storm, Lang::En) => "alert storm",
            (Change::Root, Lang::Zh) => "根因变更",
            (Change::Root, Lang::En) => "another root cause",
            (Change::Merged, Lang::Zh) => "并入其他故障",
            (Change::Merged, Lang::En) => "another incident became part of it",
            (Change::Approval, Lang::Zh) => "自动处置待批准",
            (Change::Approval, Lang::En) => "an action waits for approval",
            (Change::ActionFailed, Lang::Zh) => "自动处置未成功",
            (Change::ActionFailed, Lang::En) => "an action came to nothing",
            (Change::LevelNear, Lang::Zh) => "时限将到",
            (Change::LevelNear, Lang::En) => "a service level is about to be missed",
            (Change::LevelBreached, Lang::Zh) => "超出时限",
            (Change::LevelBreached, Lang::En) => "a service level is missed",
        })
        .collect();
    match lang {
        _ if words.is_empty() => None,
        Lang::Zh => Some(format!("变化：{}", words.join("、"))),
        Lang::En => Some(format!("Changed: {}", words.join(", "))),
    }
}

pub fn priority_word(priority: Priority) -> &'static str {
    PriorityWord::from(priority).word()
}

pub fn news(kind: NoticeKind) -> Text {
    let (zh, en) = match kind {
        NoticeKind::Opened => ("新故障", "New incident"),
        NoticeKind::Updated => ("故障更新", "Update"),
        NoticeKind::Reminder => ("仍未认领", "Still unacknowledged"),
        NoticeKind::Recovered => ("故障恢复", "Recovered"),
        NoticeKind::Reopened => ("故障重现", "Back again"),
        NoticeKind::Digest => ("多起故障，其中最重", "Several at once, the worst"),
        NoticeKind::Action => ("请求处置", "Action requested"),
        NoticeKind::Closed => ("故障关闭", "Closed"),
        NoticeKind::Merged => ("故障合并", "Merged"),
    };
    Text::new(zh, en)
}

fn root_line(root: &Root<'_>, lang: Lang) -> String {
    let (name, percent) = (&root.ci.name, root.percent);
    if root.possible && !root.confirmed {
        return match lang {
            Lang::Zh => format!("可能原因（安全事件，{percent}%）：{name}"),
            Lang::En => format!("Possible cause (a security event, {percent}%): {name}"),
        };
    }
    match (lang, root.confirmed, root.inferred) {
        (Lang::Zh, true, _) => format!("根因（已确认）：{name}"),
        (Lang::Zh, false, true) => format!("根因（推断，自身无告警，{percent}%）：{name}"),
        (Lang::Zh, false, false) => format!("疑似根因（{percent}%）：{name}"),
        (Lang::En, true, _) => format!("Root cause (confirmed): {name}"),
        (Lang::En, false, true) => format!("Root cause (inferred, no alert of its own, {percent}%): {name}"),
        (Lang::En, false, false) => format!("Probable root cause ({percent}%): {name}"),
    }
}

fn reach_line(incident: &IncidentView, lang: Lang) -> String {
    let (cis, alerts, firing) = (incident.ci_count, incident.alert_count, incident.firing_count);
    let mut line = match lang {
        Lang::Zh => format!("影响：{cis} 个配置项，{alerts} 条告警（{firing} 条未恢复）"),
        Lang::En => format!("Hit: CIs {cis}, alerts {alerts} (still firing: {firing})"),
    };
    line += &listed(Text::new("业务", "services"), &incident.services, lang);
    line += &listed(Text::new("有风险（冗余尚在）的业务", "at risk, held by redundancy"), &incident.at_risk, lang);
    let orgs: Vec<Box<str>> = incident.orgs.iter().map(|org| org.as_str().into()).collect();
    line += &listed(Text::new("单位", "organisations"), &orgs, lang);
    match (incident.unseen_count, lang) {
        (0, _) => {}
        (unseen, Lang::Zh) => line += &format!("；{unseen} 个对象失去监测，状态未知"),
        (unseen, Lang::En) => line += &format!("; not watched, state unknown: {unseen}"),
    }
    line
}

/// `; what: one, two and 3 more`; nothing when there are none.
fn listed(what: Text, all: &[Box<str>], lang: Lang) -> String {
    let named: Vec<&str> = all.iter().take(TEXT_SERVICES_MAX).map(AsRef::as_ref).collect();
    let (what, more) = (what.of(lang), all.len() - named.len());
    match (lang, named.len(), more) {
        (_, 0, _) => String::new(),
        (Lang::Zh, _, 0) => format!("；{what}：{}", named.join("、")),
        (Lang::Zh, ..) => format!("；{what}：{} 等 {} 项", named.join("、"), all.len()),
        (Lang::En, _, 0) => format!("; {what}: {}", named.join(", ")),
        (Lang::En, ..) => format!("; {what}: {} and {more} more", named.join(", ")),
    }
}
