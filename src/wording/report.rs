//! Reports in Markdown: what a post-mortem begins from, and what one shift hands to the next.

use std::fmt::Write as _;

use chrono_tz::Tz;

use super::lang::{Lang, Text};
use super::mask::mask;
use super::sentences::evidence;
use super::titles::{own_titled, titled};
use super::words::{IncidentStateWord, PriorityWord, SeverityWord, TimelineWord};
use crate::domain::alert::AlertView;
use crate::domain::ending::Finding;
use crate::domain::incident::{IncidentState, IncidentView, TimelineEntry, TimelineKind};
use crate::domain::time::{Span, Timestamp};
use crate::engine::calendar::local;

/// Lines of a timeline in a report.
const LINES_MAX: usize = 300;
/// Steps of a path, and alerts, that are written out.
const STEPS_MAX: usize = 40;
pub const ALERTS_MAX: usize = 40;

/// How a report is written.
#[derive(Clone, Copy, Debug)]
pub struct Reported {
    pub lang: Lang,
    pub zone: Tz,
}

impl Reported {
    fn say(self, zh: &'static str, en: &'static str) -> &'static str {
        match self.lang {
            Lang::Zh => zh,
            Lang::En => en,
        }
    }

    fn time(self, at: Timestamp) -> String {
        local(self.zone, at).format("%Y-%m-%d %H:%M:%S").to_string()
    }

    fn lasted(self, span: Span) -> String {
        let minutes = span.as_secs().max(0) / 60;
        match self.lang {
            Lang::Zh => format!("{} 小时 {} 分", minutes / 60, minutes % 60),
            Lang::En => format!("{} h {} min", minutes / 60, minutes % 60),
        }
    }

    fn head(self, view: &IncidentView) -> String {
        let (severity, state) =
            (SeverityWord::from(view.severity).label(self.lang), IncidentStateWord::from(view.state).label(self.lang));
        let priority = PriorityWord::from(view.priority).word();
        format!("{} · {priority} {severity} · {state} · {}", view.id, plain(&titled(&view.title, self.lang)))
    }
}

/// What an alert says is no markup.
fn plain(text: &str) -> String {
    let text = mask(text);
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '~' => safe.extend(['\\', letter]),
            letter if letter.is_control() => safe.push(' '),
            letter => safe.push(letter),
        }
    }
    safe
}

/// What a post-mortem is drafted from.
pub struct Known<'a> {
    pub view: &'a IncidentView,
    pub timeline: &'a [TimelineEntry],
    /// Its first members.
    pub alerts: &'a [AlertView],
}

/// The draft of a post-mortem: what is known, with room for what people must say.
pub fn post_mortem(of: &Known<'_>, by: Reported) -> String {
    let view = of.view;
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ =
        writeln!(text, "# {}: {}\n", by.say("复盘(草稿)", "Post-mortem (draft)"), plain(&titled(&view.title, by.lang)));
    let _ = writeln!(text, "## {}\n", by.say("摘要", "Summary"));
    let ended = view.recovered_at.or(view.closed_at);
    let line = |name: &str, value: String, text: &mut String| {
        let _ = writeln!(text, "* {name}: {value}");
    };
    line(by.say("故障", "Incident"), by.head(view), &mut text);
    line(by.say("开始", "Began"), by.time(view.first_alert_at), &mut text);
    line(by.say("发现", "Detected"), by.time(view.opened_at), &mut text);
    if let Some(at) = view.acknowledged_at {
        let who = view.acknowledged_by.as_deref().unwrap_or_default();
        let after = by.lasted(at.since(view.opened_at));
        line(by.say("认领", "Acknowledged"), format!("{} ({after}) {}", by.time(at), plain(who)), &mut text);
    }
    if let Some(at) = ended {
        let lasted = by.lasted(at.since(view.first_alert_at));
        line(by.say("恢复", "Recovered"), format!("{} ({lasted})", by.time(at)), &mut text);
    }
    line(by.say("告警 / 对象", "Alerts / CIs"), format!("{} / {}", view.alert_count, view.ci_count), &mut text);
    let services: Vec<String> = view.services.iter().map(|service| plain(service)).collect();
    let nothing = by.say("未知", "not known").to_owned();
    line(by.say("受影响业务", "Services"), if services.is_empty() { nothing } else { services.join(", ") }, &mut text);
    for ticket in view.tickets.iter() {
        line(by.say("工单", "Ticket"), format!("{} {}", plain(&ticket.number), ticket.url), &mut text);
    }
    let _ = writeln!(text, "\n## {}\n", by.say("根因", "Root cause"));
    match view.candidates.first() {
        Some(best) => {
            let confirmed = if view.root_confirmed { by.say("(已确认)", " (confirmed)") } else { "" };
            let _ = writeln!(text, "**{}** ({}%){confirmed}\n", plain(&best.ci.name), (best.score + 5) / 10);
            for one in &best.evidence {
                let _ = writeln!(text, "* {}", plain(evidence(one, &best.ci.name).of(by.lang)));
            }
        }
        None => drop(writeln!(text, "{}", by.say("未知。", "Not known."))),
    }
    for change in view.changes.iter() {
        let _ = writeln!(
            text,
            "* {}: {} {} ({})",
            by.say("变更", "Change"),
            by.time(change.at),
            plain(&change.title),
            plain(&change.ci.name)
        );
    }
    text += &path(view, by);
    text += &found_out(view, by);
    let _ = writeln!(text, "\n## {}\n", by.say("时间线", "Timeline"));
    for entry in of.timeline.iter().take(LINES_MAX) {
        text += &entry_line(entry, by);
    }
    text += &members(of, by);
    text
}

/// What people must say, with what they have said already.
fn found_out(view: &IncidentView, by: Reported) -> String {
    let said = |finding| view.conclusion.as_ref().map(|said| said.findings.of(finding)).unwrap_or_default();
    let mut text = String::new();
    for (zh, en, known) in [
        ("影响", "Impact", said(Finding::Impact)),
        ("处置", "Resolution", said(Finding::Solution)),
        ("为什么会发生", "Why it happened", said(Finding::Cause)),
        ("改进措施(负责人、期限)", "Actions (owner, due)", ""),
    ] {
        let known = if known.is_empty() { by.say("(待填写)", "(to be written)").to_owned() } else { plain(known) };
        let _ = writeln!(text, "\n## {}\n\n{known}", by.say(zh, en));
    }
    text
}

/// From what broke to what it took along; empty where nothing is known.
fn path(view: &IncidentView, by: Reported) -> String {
    let mut text = String::new();
    if !view.path.is_empty() {
        let _ = writeln!(text, "\n## {}\n", by.say("传播路径", "Propagation path"));
    }
    for step in view.path.iter().take(STEPS_MAX) {
        let _ = writeln!(text, "* {} → {}", plain(&step.cause.name), plain(&step.effect.name));
    }
    text + &left_out(view.path.len(), STEPS_MAX, by)
}

fn members(of: &Known<'_>, by: Reported) -> String {
    let mut text = format!("\n## {} ({})\n\n", by.say("告警", "Alerts"), of.view.alert_count);
    for alert in of.alerts.iter().take(ALERTS_MAX) {
        let what = if alert.title.is_empty() { &alert.name } else { &alert.title };
        let object = alert.ci.as_ref().map_or(&*alert.object, |ci| &*ci.name);
        let severity = SeverityWord::from(alert.severity).label(by.lang);
        let _ = writeln!(
            text,
            "* {} {}: {} ({severity}, ×{})",
            by.time(alert.first_seen),
            plain(object),
            plain(&own_titled(what, by.lang)),
            alert.count
        );
    }
    text + &left_out(of.view.alert_count as usize, ALERTS_MAX, by)
}

/// Says how many lines are not written out.
fn left_out(all: usize, most: usize, by: Reported) -> String {
    match all.saturating_sub(most) {
        0 => String::new(),
        rest => match by.lang {
            Lang::Zh => format!("* … 另有 {rest} 条\n"),
            Lang::En => format!("* … {rest} more\n"),
        },
    }
}

fn entry_line(entry: &TimelineEntry, by: Reported) -> String {
    let label = TimelineWord::from(entry.kind).label(by.lang);
    let via = if entry.via.is_empty() { String::new() } else { format!(" ({})", plain(&entry.via)) };
    let detail = if entry.detail.is_empty() { String::new() } else { format!(": {}", plain(&entry.detail)) };
    format!("* {} {} {label}{via}{detail}\n", by.time(entry.at), plain(&entry.actor))
}

/// An incident of a shift, with what people wrote since it began.
pub struct Handed<'a> {
    pub view: &'a IncidentView,
    pub said: Vec<&'a TimelineEntry>,
}

/// What one shift hands to the next.
pub struct Handover<'a> {
    pub since: Timestamp,
    pub now: Timestamp,
    /// Of each roster: its name and who has duty.
    pub duty: Vec<String>,
    pub open: Vec<Handed<'a>>,
    /// Ended within the shift.
    pub ended: Vec<&'a IncidentView>,
    pub held: u64,
    /// Silences that hold: what they are for, until when, who made them.
    pub silences: Vec<(String, Timestamp, String)>,
    /// What was changed within the shift, newest first: of the program and its rules by people, of the estate by releases.
    pub changed: Vec<Changed>,
}

/// Something that was changed.
pub struct Changed {
    pub at: Timestamp,
    pub who: String,
    pub what: Text,
    /// The version, roster or CI.
    pub about: String,
}

/// Orders that change how incidents are made and told, as the audit calls them, and as people do.
pub const CHANGES: [(&str, &str, &str); 14] = [
    ("rules", "更换规则", "changed the rules"),
    ("topology", "更换拓扑", "changed the topology"),
    ("model", "更换模型", "changed the model"),
    ("metric_model", "更换指标模型", "changed the metric model"),
    ("shadow", "开始试运行", "began a trial"),
    ("shadow_ended", "结束试运行", "ended a trial"),
    ("override", "调班", "made an override"),
    ("end_override", "结束调班", "ended an override"),
    ("revoke_calendar", "作废日历订阅地址", "revoked calendar addresses"),
    ("source_put", "登记或修改告警源", "registered or changed a source"),
    ("source_removed", "移除告警源", "removed a source"),
    ("window_approved", "批准维护窗口", "approved a window"),
    ("silence", "静默", "silenced"),
    ("expire_silence", "结束静默", "ended a silence"),
];

/// Writes the handover.
pub fn handover(of: &Handover<'_>, by: Reported) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "# {}\n", by.say("交接班报告", "Shift handover"));
    let _ = writeln!(text, "{} — {}\n", by.time(of.since), by.time(of.now));
    let _ = writeln!(text, "## {}\n", by.say("当前值班", "On duty now"));
    if of.duty.is_empty() {
        let _ = writeln!(text, "{}", by.say("没有值班表", "There is no roster"));
    }
    for duty in &of.duty {
        let _ = writeln!(text, "* {}", plain(duty));
    }
    let _ = writeln!(text, "\n## {} ({})\n", by.say("未关闭的故障", "Open incidents"), of.open.len());
    for one in &of.open {
        let view = one.view;
        let mut more = Vec::new();
        more.push(format!("{} {}", by.say("已持续", "for"), by.lasted(of.now.since(view.opened_at))));
        match (&view.acknowledged_by, &view.assignee) {
            (_, Some(assignee)) => more.push(format!("{} {}", by.say("负责人", "assigned to"), plain(assignee))),
            (Some(who), None) => more.push(format!("{} {}", by.say("认领人", "acknowledged by"), plain(who))),
            (None, None) => more.push(by.say("无人认领", "nobody has it").to_owned()),
        }
        if let Some(until) = view.snoozed_until {
            more.push(format!("{} {}", by.say("暂缓至", "snoozed until"), by.time(until)));
        }
        let _ = writeln!(text, "* {} ({})", by.head(view), more.join(by.say("，", ", ")));
        for entry in &one.said {
            let _ = write!(text, "  {}", entry_line(entry, by));
        }
    }
    let _ = writeln!(text, "\n## {} ({})\n", by.say("本班结束的故障", "Ended in this shift"), of.ended.len());
    for view in &of.ended {
        let _ = writeln!(text, "* {}", by.head(view));
    }
    let _ = writeln!(text, "\n## {}\n", by.say("暂挂与静默", "Held and muted"));
    let _ = writeln!(text, "* {}: {}", by.say("暂挂告警", "Held alerts"), of.held);
    for (what, until, who) in &of.silences {
        let _ = writeln!(
            text,
            "* {}: {} ({} {}, {})",
            by.say("静默", "Silence"),
            plain(what),
            by.say("至", "until"),
            by.time(*until),
            plain(who)
        );
    }
    let _ = writeln!(text, "\n## {} ({})\n", by.say("本班的变更", "What changed"), of.changed.len());
    for one in of.changed.iter().take(LINES_MAX) {
        let about = if one.about.is_empty() { String::new() } else { format!(" {}", plain(&one.about)) };
        let _ = writeln!(text, "* {} {} {}{about}", by.time(one.at), plain(&one.who), one.what.of(by.lang));
    }
    text + &left_out(of.changed.len(), LINES_MAX, by)
}

/// Whether a person wrote it.
pub fn is_said(entry: &TimelineEntry) -> bool {
    entry.kind == TimelineKind::Commented && !entry.detail.is_empty()
}

/// Whether an incident is to be handed over.
pub const fn is_open(state: IncidentState) -> bool {
    match state {
        IncidentState::Abnormal | IncidentState::Recovering => true,
        IncidentState::Recovered | IncidentState::Closed | IncidentState::Merged => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_duty_stands_in_a_line_for_each_roster() {
        let duty = vec!["network: 王丽".to_owned(), "core: *Li*".to_owned()];
        let (open, ended, silences, changed) = Default::default();
        let of = Handover { since: Timestamp(0), now: Timestamp(0), duty, open, ended, held: 0, silences, changed };
        let text = handover(&of, Reported { lang: Lang::En, zone: Tz::UTC });
        assert!(
            text.contains("## On duty now\n\n* network: 王丽\n* core: \\*Li\\*\n\n## Open incidents (0)"),
            "{text}"
        );
    }
}
