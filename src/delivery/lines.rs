//! What people read of an incident, line by line: what and how bad, the probable cause, who is affected, since when, what
//! to do, and then why we think so. Plain text: each channel writes it in its own markup.

use super::acts::Reader;
use super::channels::fit;
use super::message::{Root, Style, severity_label};
use super::{aside, digest, test_page};
use crate::domain::incident::{IncidentView, Priority};
use crate::domain::time::Timestamp;
use crate::engine::calendar::local;
use crate::engine::effect::{Change, Notice, NoticeKind};
use crate::wording::lang::{Lang, Text};
use crate::wording::sentences::{span_en, span_zh};
use crate::wording::titles::titled;
use crate::wording::words::PriorityWord;

/// Sentences of evidence in the text; the message has all of them.
const TEXT_EVIDENCE_MAX: usize = 2;
/// Services that the text names.
pub const TEXT_SERVICES_MAX: usize = 3;
/// What has lasted less is not said to have lasted, in milliseconds.
const LASTING_MS_MIN: i64 = 60_000;

/// The lines of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// How bad it is, what is new, and which incident.
    pub title: String,
    /// What changed, root cause, who is affected, since when, what to do: what short messages keep.
    pub body: Vec<String>,
    /// Why we think so, and who else was told.
    pub more: Vec<String>,
    /// Where the console shows it.
    pub url: Option<String>,
}

impl Lines {
    /// The lines for a notice.
    pub fn of(notice: &Notice, style: &Style<'_>) -> Self {
        if let Some(page) = test_page::of(notice, style) {
            return Self { title: page.first, body: vec![page.rest], ..Self::default() };
        }
        let (incident, lang) = (&notice.incident, style.lang);
        let (severity, priority) = (severity_label(incident.severity), priority_word(incident.priority));
        let (said, name, id) = (said(notice, lang), titled(&incident.title, lang), incident.id);
        let called = match style.acts.reader {
            Reader::Room => aside::called(notice),
            Reader::Person | Reader::Desk => String::new(),
        };
        let major = match (&incident.major, lang) {
            (None, _) => "",
            (Some(_), Lang::Zh) => "重大故障 ",
            (Some(_), Lang::En) => "MAJOR ",
        };
        let title = match lang {
            Lang::Zh => format!("{called}【{major}{priority} {}】{said}：{name}（{id}）", severity.zh),
            Lang::En => format!("{called}[{major}{priority} {}] {said}: {name} ({id})", severity.en),
        };
        let root = Root::of(incident);
        // Of several the list is first: what follows is about the worst of them.
        let mut body = notice.digest.as_ref().map(|digest| digest::lines(digest, style)).unwrap_or_default();
        body.extend(changes_line(&notice.changes, lang));
        body.extend(root.as_ref().map(|root| root_line(root, lang)));
        body.push(reach_line(incident, lang));
        body.push(since_line(notice, style));
        body.extend(found_lines(notice, lang));
        body.extend(aside::to_do(notice, lang, style.time_zone));
        let mut more = evidence_lines(notice.kind, root.as_ref(), lang);
        more.extend(aside::told(&notice.told, lang));
        let url = style.acts.link(notice).or_else(|| link(incident, style));
        let mut lines = Self { title, body, more, url };
        style.templates.apply(notice, style, &mut lines);
        lines
    }

    /// All of it, one below the other.
    pub fn text(&self) -> String {
        let first = std::iter::once(self.title.as_str());
        first.chain(self.rest()).chain(self.url.as_deref()).collect::<Vec<_>>().join("\n")
    }

    /// Everything but title and link, one below the other.
    pub fn rest(&self) -> impl Iterator<Item = &str> {
        self.body.iter().chain(&self.more).map(String::as_str)
    }

    /// What must be known, in so few characters.
    pub fn brief(&self, first: Option<&str>, chars_max: usize) -> String {
        fit::shared(first.into_iter().chain(self.body.iter().map(String::as_str)), chars_max)
    }
}

/// Where the console shows an incident.
pub fn link(incident: &IncidentView, style: &Style<'_>) -> Option<String> {
    (!style.base_url.is_empty()).then(|| format!("{}/incidents/{}", style.base_url, incident.id))
}

/// Why we think that it is the cause; what is over needs no reasons.
fn evidence_lines(kind: NoticeKind, root: Option<&Root<'_>>, lang: Lang) -> Vec<String> {
    let Some(root) = root.filter(|_| !is_over(kind)) else { return Vec::new() };
    let said = |evidence: &Text| match lang {
        Lang::Zh => format!("· {}", evidence.zh),
        Lang::En => format!("- {}", evidence.en),
    };
    root.evidence.iter().take(TEXT_EVIDENCE_MAX).map(said).collect()
}

/// What people found out of what is over.
fn found_lines(notice: &Notice, lang: Lang) -> Vec<String> {
    let Some(said) = notice.incident.conclusion.as_ref().filter(|_| is_over(notice.kind)) else { return Vec::new() };
    let found = &said.findings;
    let lines =
        [("原因", "Cause", &found.cause), ("处理", "Solution", &found.solution), ("影响", "Impact", &found.impact)];
    let said = lines.into_iter().filter(|(.., text)| !text.is_empty());
    said.map(|(zh, en, text)| match lang {
        Lang::Zh => format!("{zh}：{text}"),
        Lang::En => format!("{en}: {text}"),
    })
    .collect()
}

const fn is_over(kind: NoticeKind) -> bool {
    match kind {
        NoticeKind::Recovered | NoticeKind::Closed => true,
        NoticeKind::Opened
        | NoticeKind::Updated
        | NoticeKind::Reminder
        | NoticeKind::Reopened
        | NoticeKind::Merged
        | NoticeKind::Digest
        | NoticeKind::Test
        | NoticeKind::Action => false,
    }
}

/// When it ended, for a message that says so.
pub fn ended(notice: &Notice) -> Option<Timestamp> {
    let incident = &notice.incident;
    is_over(notice.kind).then(|| incident.recovered_at.or(incident.closed_at).unwrap_or(notice.at))
}

/// Since when, and how long it has lasted; of what is over, until when.
fn since_line(notice: &Notice, style: &Style<'_>) -> String {
    let (incident, lang) = (&notice.incident, style.lang);
    let begin = local(style.time_zone, incident.first_alert_at);
    let (since, zone) = (begin.format("%Y-%m-%d %H:%M"), begin.format("%:z"));
    let end = ended(notice);
    let lasted = end.unwrap_or(notice.at).since(incident.first_alert_at).0;
    let until = end.map(|end| {
        let end = local(style.time_zone, end);
        let form = if end.date_naive() == begin.date_naive() { "%H:%M" } else { "%m-%d %H:%M" };
        end.format(form).to_string()
    });
    let mut line = match (lang, until) {
        (Lang::Zh, Some(until)) => {
            let word = if incident.recovered_at.is_some() { "恢复" } else { "关闭" };
            format!("开始：{since}，{word}：{until}（{zone}），历时 {}", span_zh(lasted))
        }
        (Lang::En, Some(until)) => format!("From {since} to {until} ({zone}), {}", span_en(lasted)),
        (Lang::Zh, None) => format!("开始：{since}（{zone}）"),
        (Lang::En, None) => format!("Since {since} ({zone})"),
    };
    if end.is_none() && lasted >= LASTING_MS_MIN {
        line += &match lang {
            Lang::Zh => format!("，已 {}", span_zh(lasted)),
            Lang::En => format!(", {} so far", span_en(lasted)),
        };
    }
    match (lang, incident.merged_into) {
        (_, None) => line,
        (Lang::Zh, Some(into)) => format!("{line}；后续见 {into}"),
        (Lang::En, Some(into)) => format!("{line}; goes on in {into}"),
    }
}

/// Why an update is told; who has it stands in the title.
fn changes_line(changes: &[Change], lang: Lang) -> Option<String> {
    let told = changes.iter().filter(|change| **change != Change::Acknowledged);
    let words: Vec<&str> = told
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
            (Change::Major, Lang::Zh) => "宣布为重大故障",
            (Change::Major, Lang::En) => "declared a major incident",
            (Change::Acknowledged, Lang::Zh) => "已认领",
            (Change::Acknowledged, Lang::En) => "somebody has it",
        })
        .collect();
    match lang {
        _ if words.is_empty() => None,
        Lang::Zh => Some(format!("变化：{}", words.join("、"))),
        Lang::En => Some(format!("Changed: {}", words.join(", "))),
    }
}

/// `P1` to `P4`.
pub fn priority_word(priority: Priority) -> &'static str {
    PriorityWord::from(priority).word()
}

/// What is new, also of a message that stands for several, or that says who has it.
pub fn said(notice: &Notice, lang: Lang) -> String {
    let is_taken = notice.changes.contains(&Change::Acknowledged);
    match (&notice.digest, lang) {
        (None, Lang::Zh) if is_taken => format!("{} 已认领", notice.by),
        (None, Lang::En) if is_taken => format!("{} has it", notice.by),
        (None, _) => news(notice.kind).of(lang).to_owned(),
        (Some(digest), Lang::Zh) => format!("{}，其中最重", digest::headline(digest, lang)),
        (Some(digest), Lang::En) => format!("{}, the worst", digest::headline(digest, lang)),
    }
}

/// What is new.
pub fn news(kind: NoticeKind) -> Text {
    let (zh, en) = match kind {
        NoticeKind::Opened => ("新故障", "New incident"),
        NoticeKind::Updated => ("故障更新", "Update"),
        NoticeKind::Reminder => ("仍未认领", "Still unacknowledged"),
        NoticeKind::Recovered => ("故障恢复", "Recovered"),
        NoticeKind::Reopened => ("故障重现", "Back again"),
        NoticeKind::Digest => ("多起故障，其中最重", "Several at once, the worst"),
        NoticeKind::Action => ("请求处置", "Action requested"),
        NoticeKind::Test => ("测试", "Test"),
        NoticeKind::Closed => ("故障关闭", "Closed"),
        NoticeKind::Merged => ("故障合并", "Merged"),
    };
    Text::new(zh, en)
}

/// The most probable cause, and how sure that is.
pub fn root_line(root: &Root<'_>, lang: Lang) -> String {
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

/// Who is affected, and by how much.
fn reach_line(incident: &IncidentView, lang: Lang) -> String {
    let orgs: Vec<Box<str>> = incident.orgs.iter().map(|org| org.as_str().into()).collect();
    let mut pieces: Vec<String> = Vec::new();
    pieces.extend(listed(Text::new("业务 ", "services "), &incident.services, lang));
    pieces.extend(listed(
        Text::new("有风险（冗余尚在）的业务 ", "at risk, held by redundancy: "),
        &incident.at_risk,
        lang,
    ));
    pieces.extend(listed(Text::new("单位 ", "organisations "), &orgs, lang));
    pieces.push(count(incident, lang));
    match (incident.unseen_count, lang) {
        (0, _) => {}
        (unseen, Lang::Zh) => pieces.push(format!("{unseen} 个对象失去监测，状态未知")),
        (unseen, Lang::En) => pieces.push(format!("not watched, state unknown: {unseen}")),
    }
    match lang {
        Lang::Zh => format!("影响：{}", pieces.join("；")),
        Lang::En => format!("Affected: {}", pieces.join("; ")),
    }
}

/// How many things alert, and whether they still do.
fn count(incident: &IncidentView, lang: Lang) -> String {
    let (cis, alerts, firing) = (incident.ci_count, incident.alert_count, incident.firing_count);
    let still = match (lang, firing) {
        (Lang::Zh, 0) => "均已恢复".to_owned(),
        (Lang::En, 0) => "none firing".to_owned(),
        (Lang::Zh, _) if firing == alerts => "均未恢复".to_owned(),
        (Lang::En, _) if firing == alerts => "all firing".to_owned(),
        (Lang::Zh, _) => format!("{firing} 条未恢复"),
        (Lang::En, _) => format!("{firing} still firing"),
    };
    let plural = |n: u32| if n == 1 { "" } else { "s" };
    match lang {
        Lang::Zh => format!("{cis} 个组件，{alerts} 条告警（{still}）"),
        Lang::En => format!("{cis} component{}, {alerts} alert{} ({still})", plural(cis), plural(alerts)),
    }
}

/// `what one, two and 3 more`; nothing when there are none.
pub fn listed(what: Text, all: &[Box<str>], lang: Lang) -> Option<String> {
    let named: Vec<&str> = all.iter().take(TEXT_SERVICES_MAX).map(AsRef::as_ref).collect();
    let (what, more) = (what.of(lang), all.len() - named.len());
    match (lang, named.len(), more) {
        (_, 0, _) => None,
        (Lang::Zh, _, 0) => Some(format!("{what}{}", named.join("、"))),
        (Lang::Zh, ..) => Some(format!("{what}{} 等 {} 项", named.join("、"), all.len())),
        (Lang::En, _, 0) => Some(format!("{what}{}", named.join(", "))),
        (Lang::En, ..) => Some(format!("{what}{} and {more} more", named.join(", "))),
    }
}
