//! The tale that the golden files tell: every kind of input and order, and effects of every kind.

use std::sync::Arc;

use headwater::decode::limits::Limits;
use headwater::decode::severity::SeverityMaps;
use headwater::decode::{Body, Context, native};
use headwater::domain::ids::{SourceId, TenantId};
use headwater::domain::incident::IncidentView;
use headwater::domain::time::{Span, Timestamp};
use headwater::engine::effect::{Notice, NoticeKind};
use headwater::engine::input::{Batch, Command, Delivered, DeliveryOutcome, Digest, Input, Order};
use headwater::engine::policy::Policy;
use headwater::engine::policy::place::RuleFile;
use headwater::engine::snapshot::SnapshotError;
use headwater::engine::tuning::Tuning;
use headwater::engine::{Engine, Loaded};
use headwater::journal::digest::digest_of;
use headwater::lab::built_in::{read_topology, shipped_mapping};
use serde_json::json;

pub const TENANT: &str = "city";
pub const PARTITION: u16 = 7;
/// 2026-06-01T00:00:00Z.
const BEGIN: Timestamp = Timestamp(1_780_272_000_000);

/// How the kinds of inputs and orders are written. Adding a variant breaks `word_of`, which stands below.
pub const KINDS: &[&str] = &[
    r#""input":"batch""#,
    r#""input":"command""#,
    r#""input":"topology""#,
    r#""input":"policy""#,
    r#""input":"delivered""#,
    r#""input":"tick""#,
    r#""order":"acknowledge""#,
    r#""order":"unacknowledge""#,
    r#""order":"assign""#,
    r#""order":"comment""#,
    r#""order":"snooze""#,
    r#""order":"wake""#,
    r#""order":"close""#,
    r#""order":"reopen""#,
    r#""order":"merge""#,
    r#""order":"split""#,
    r#""order":"move""#,
    r#""order":"confirm_root""#,
    r#""order":"reject_root""#,
    r#""order":"set_root""#,
    r#""order":"set_severity""#,
    r#""order":"silence""#,
    r#""order":"expire_silence""#,
    r#""order":"resend""#,
    r#""order":"revoke""#,
    r#""order":"approve""#,
    r#""order":"deny""#,
    r#""order":"report_action""#,
    r#""order":"tell_held""#,
    r#""order":"ticket""#,
    r#""order":"for_alert""#,
    r#""order":"end_override""#,
    r#""order":"conclude""#,
    r#""order":"declare_major""#,
    r#""order":"revoke_major""#,
    r#""order":"review""#,
    r#""order":"learn""#,
    r#""order":"unlearn""#,
    r#""order":"verify_address""#,
    r#""order":"revoke_calendar""#,
    r#""order":"noted""#,
    r#""outcome":"unverified""#,
    r#""input":"model""#,
    r#""input":"shadow""#,
    r#""author":"chen.jie""#,
    r#""status":"resolved""#,
    r#""rejected":[{"#,
];

/// How the kinds of effects and verdicts are written.
pub const EFFECTS: &[&str] = &[
    r#""effect":"verdict""#,
    r#""effect":"alert""#,
    r#""effect":"incident""#,
    r#""effect":"timeline""#,
    r#""effect":"notify""#,
    r#""effect":"silence""#,
    r#""effect":"command_done""#,
    r#""verdict":"duplicate""#,
    r#""verdict":"muted""#,
    r#""verdict":"joined""#,
    r#""verdict":"opened""#,
    r#""verdict":"held""#,
    r#""verdict":"resolved""#,
    r#""verdict":"rejected""#,
];

const TOPOLOGY: &str = r#"
cis:
  - {id: ups-1, class: ups, name: UPS 一号, keys: {ip: [10.1.0.1]}, org: facility, site: dc-a, criticality: 1}
  - {id: pdu-1, class: pdu, name: 列头柜 1, org: facility, site: dc-a}
  - {id: srv-1, class: server, name: 社保主机 1, keys: {ip: [10.0.0.1]}, org: hrss, site: dc-a}
  - {id: srv-2, class: server, name: 社保主机 2, keys: {ip: [10.0.0.2]}, org: hrss, site: dc-a}
  - {id: vm-1, class: vm, name: 社保虚机 1, org: hrss}
  - {id: vm-2, class: vm, name: 社保虚机 2, org: hrss}
  - {id: app-1, class: application, name: 社保查询, org: hrss, criticality: 2}
  - {id: sw-9, class: access_switch, name: 交换机 9, org: network}
relations:
  - {from: ups-1, to: pdu-1, type: powers}
  - {from: pdu-1, to: srv-1, type: powers}
  - {from: pdu-1, to: srv-2, type: powers}
  - {from: srv-1, to: vm-1, type: hosts}
  - {from: srv-2, to: vm-2, type: hosts}
  - {from: app-1, to: vm-1, type: depends_on}
"#;

/// One record of the tale.
pub struct Line {
    /// The golden file's name.
    pub name: String,
    pub at: Timestamp,
    pub input: Input,
}

/// The texts that records name.
pub struct Shelf {
    topology: String,
    rules: Vec<RuleFile>,
}

/// A copy of the built-in rules as they were: the shipped ones may change, what was decided by these may not.
fn frozen_rules() -> RuleFile {
    RuleFile { name: "rules.yaml".into(), text: include_str!("../../golden/rules.yaml").into() }
}

impl Default for Shelf {
    fn default() -> Self {
        Self { topology: TOPOLOGY.trim_start().to_owned(), rules: vec![frozen_rules()] }
    }
}

impl Shelf {
    fn rules_text(&self) -> Vec<u8> {
        serde_json::to_vec(&self.rules).unwrap()
    }

    /// All texts, as a store keeps them.
    pub fn texts(&self) -> [Vec<u8>; 2] {
        [self.topology.clone().into_bytes(), self.rules_text()]
    }

    /// What a record names.
    pub fn loaded(&self, input: &Input) -> Loaded {
        match input {
            Input::Topology { version, .. } => {
                let bytes = self.topology.as_bytes();
                Loaded::Topology(read_topology("tale", bytes, Some(shipped_mapping()), *version).unwrap())
            }
            Input::Policy { version, .. } => {
                Loaded::Policy(Arc::new(Policy::compile(*version, &self.rules).expect("rules that compiled once")))
            }
            // A model's text changes with the program: the tale names one and has none.
            Input::Model { .. }
            | Input::MetricModel { .. }
            | Input::Batch(_)
            | Input::Command(_)
            | Input::Shadow { .. }
            | Input::Delivered(_)
            | Input::Tick => Loaded::Nothing,
        }
    }

    /// A state of whatever text it names.
    pub fn thaw(&self, frozen: &[u8]) -> Result<Engine, SnapshotError> {
        let topology = |version, _: &Digest| {
            Some(read_topology("tale", self.topology.as_bytes(), Some(shipped_mapping()), version).unwrap())
        };
        let rules = |version, _: &Digest| Policy::compile(version, &self.rules).ok().map(Arc::new);
        Engine::thaw(frozen, Arc::new(Tuning::default()), topology, rules)
    }
}

/// What an order is called, so that a new one is not forgotten here.
fn word_of(order: &Order) -> &'static str {
    match order {
        Order::Acknowledge { .. } => "acknowledge",
        Order::Resend { .. } => "resend",
        Order::Unacknowledge { .. } => "unacknowledge",
        Order::Assign { .. } => "assign",
        Order::Comment { .. } => "comment",
        Order::Snooze { .. } => "snooze",
        Order::Wake { .. } => "wake",
        Order::Close { .. } => "close",
        Order::Conclude { .. } => "conclude",
        Order::DeclareMajor { .. } => "declare_major",
        Order::RevokeMajor { .. } => "revoke_major",
        Order::Review { .. } => "review",
        Order::Reopen { .. } => "reopen",
        Order::Merge { .. } => "merge",
        Order::Split { .. } => "split",
        Order::Move { .. } => "move",
        Order::ConfirmRoot { .. } => "confirm_root",
        Order::RejectRoot { .. } => "reject_root",
        Order::SetRoot { .. } => "set_root",
        Order::SetSeverity { .. } => "set_severity",
        Order::Silence { .. } => "silence",
        Order::ExpireSilence { .. } => "expire_silence",
        Order::Revoke { .. } => "revoke",
        Order::Override { .. } => "override",
        Order::EndOverride { .. } => "end_override",
        Order::VerifyAddress { .. } => "verify_address",
        Order::RevokeCalendar { .. } => "revoke_calendar",
        Order::Noted { .. } => "noted",
        Order::Approve { .. } => "approve",
        Order::Deny { .. } => "deny",
        Order::ReportAction { .. } => "report_action",
        Order::TellHeld { .. } => "tell_held",
        Order::Ticket { .. } => "ticket",
        Order::Learn { .. } => "learn",
        Order::Unlearn { .. } => "unlearn",
        Order::ForAlert { .. } => "for_alert",
    }
}

/// The tale, from the first record to the last. Models, what runs beside, and revoked corrections came later: their golden
/// records stand beside it.
pub fn tale() -> Vec<Line> {
    let mut lines = Vec::new();
    let mut say = |seconds: i64, what: &str, input: Input| {
        let name = format!("{:02}-{what}.record", lines.len() + 1);
        lines.push(Line { name, at: BEGIN.plus(Span::secs(seconds)), input });
    };
    let shelf = Shelf::default();
    let tenant = TenantId::from(TENANT);
    let digest = digest_of(shelf.topology.as_bytes());
    say(0, "topology", Input::Topology { tenant: tenant.clone(), version: 1, digest, author: "".into() });
    let digest = digest_of(&shelf.rules_text());
    say(1, "rules", Input::Policy { tenant, version: 1, digest, author: "zhang.wei".into(), reason: "".into() });
    say(10, "everything-an-event-can-say", batch(10, &[full_event()]));
    say(12, "a-dead-letter", batch(12, &[json!({"name": "no time"}), event("srv-1", "not-responding", "major", 12)]));
    say(
        20,
        "effects-of-the-fault",
        batch(
            20,
            &[
                event("ups-1", "output-lost", "critical", 15),
                event("srv-2", "not-responding", "major", 18),
                event("vm-1", "not-responding", "major", 19),
                event("vm-2", "not-responding", "major", 20),
            ],
        ),
    );
    say(25, "a-repeat", batch(25, &[event("srv-1", "not-responding", "major", 12)]));
    say(30, "a-lone-warning", batch(30, &[event("sw-9", "port-errors", "warning", 30)]));
    for (seconds, order) in orders() {
        say(seconds, word_of(&order), command(order));
    }
    say(700, "a-silenced-event", batch(700, &[event("srv-1", "disk-slow", "warning", 700)]));
    say(
        720,
        "ends",
        batch(
            720,
            &[
                resolved("ups-1", "output-lost", 715),
                resolved("srv-1", "not-responding", 716),
                resolved("nobody", "not-responding", 717),
            ],
        ),
    );
    for (outcome, name) in [
        (DeliveryOutcome::Accepted, "delivered"),
        (DeliveryOutcome::GaveUp("410 Gone".into()), "not-delivered"),
        (DeliveryOutcome::Folded, "folded"),
    ] {
        say(730, name, result(outcome));
    }
    say(7_000, "time-passes", Input::Tick);
    let resend = Order::Resend { notice: Box::new(notice()) };
    say(7_010, word_of(&resend), command(resend));
    let digest = digest_of(shelf.topology.as_bytes());
    let (tenant, author) = (TenantId::from(TENANT), "chen.jie".into());
    say(7_015, "unaddressed", result(DeliveryOutcome::Unaddressed));
    say(7_020, "topology-by-somebody", Input::Topology { tenant, version: 2, digest, author });
    lines
}

/// A notice that could not be delivered, as it was committed.
fn notice() -> Notice {
    let id = serde_json::from_value(incident(1)).unwrap();
    let view = IncidentView::new(id, TenantId::from(TENANT), "机柜 3 温度过高", BEGIN);
    let (key, kind) = ("i7-1-3-duty-opened".into(), NoticeKind::Opened);
    let (receiver, rule, changes, digest) = ("duty".into(), None, Vec::new(), None);
    let (to, told, runbooks, action, by) = (None, Vec::new(), Vec::new(), None, "".into());
    Notice { key, receiver, kind, at: BEGIN, incident: view, rule, changes, digest, to, told, runbooks, action, by }
}

fn incident(n: u64) -> serde_json::Value {
    json!((u64::from(PARTITION) << 48) + n)
}

/// One order of each kind but `resend`, which needs a whole notice. Ids are those that partition 7 gives; some orders are refused, which is an answer too.
fn orders() -> Vec<(i64, Order)> {
    let silence = json!({
        "id": "s-1", "created_by": "wang.li", "comment": "换硬盘", "starts_at": BEGIN.0,
        "ends_at": BEGIN.plus(Span::mins(30)).0, "matchers": [[{"field": "name", "value": "disk-slow"}]],
    });
    let (first, second, alert) = (incident(1), incident(2), incident(3));
    let all = [
        json!({"order": "acknowledge", "incident": first}),
        json!({"order": "unacknowledge", "incident": first}),
        json!({"order": "assign", "incident": first, "assignee": "li.na"}),
        json!({"order": "comment", "incident": first, "text": "现场已到"}),
        json!({"order": "snooze", "incident": first, "until": BEGIN.plus(Span::mins(8)).0}),
        json!({"order": "wake", "incident": first}),
        json!({"order": "set_severity", "incident": first, "severity": "critical"}),
        json!({"order": "confirm_root", "incident": first}),
        json!({"order": "reject_root", "incident": first, "ci": "ups-1"}),
        json!({"order": "set_root", "incident": first, "ci": "pdu-1"}),
        json!({"order": "split", "incident": first, "alerts": [alert]}),
        json!({"order": "move", "alert": alert, "into": first}),
        json!({"order": "merge", "from": second, "into": first}),
        json!({"order": "close", "incident": first, "note": "恢复"}),
        json!({"order": "reopen", "incident": first}),
        json!({"order": "silence", "silence": silence}),
        json!({"order": "expire_silence", "id": "s-2"}),
    ];
    let order = |(n, order)| (60 + 30 * n as i64, serde_json::from_value(order).unwrap());
    all.into_iter().enumerate().map(order).collect()
}

fn command(order: Order) -> Input {
    let id = format!("c-{}", word_of(&order)).into();
    Input::Command(Command { tenant: TenantId::from(TENANT), actor: "wang.li".into(), id, via: "".into(), order })
}

fn result(outcome: DeliveryOutcome) -> Input {
    Input::Delivered(Delivered {
        tenant: TenantId::from(TENANT),
        incident: serde_json::from_value(incident(1)).unwrap(),
        receiver: "duty".into(),
        key: "i7-1-3-duty-opened".into(),
        outcome,
        attempts: 2,
        person: None,
        ticket: None,
        report: None,
        receipt: None,
    })
}

/// Events as a source sends them, through the decoder.
fn batch(seconds: i64, events: &[serde_json::Value]) -> Input {
    let (tenant, source) = (TenantId::from(TENANT), SourceId::from("bms"));
    let (severities, limits) = (SeverityMaps::default(), Limits::MODEL);
    let received_at = Some(BEGIN.plus(Span::secs(seconds)));
    let context = Context { tenant: &tenant, source: &source, received_at, severities: &severities, limits: &limits };
    let body = serde_json::to_vec(events).unwrap();
    let decoded = native::decode(Body::from(body.as_slice()), &context).unwrap();
    let rejected = decoded.rejected.into_iter().map(|rejected| rejected.letter).collect();
    Input::Batch(Batch { tenant, events: decoded.events, rejected, replay_of: None })
}

fn event(ci: &str, name: &str, severity: &str, seconds: i64) -> serde_json::Value {
    json!({
        "id": format!("{ci}-{name}-{seconds}"), "name": name, "severity": severity, "title": format!("{ci} {name}"),
        "object": {"ci_id": ci}, "starts_at": BEGIN.plus(Span::secs(seconds)).to_string(),
    })
}

fn resolved(ci: &str, name: &str, seconds: i64) -> serde_json::Value {
    let mut event = event(ci, name, "major", seconds);
    event["status"] = "resolved".into();
    event
}

/// An event with every field that our own format has.
fn full_event() -> serde_json::Value {
    json!({
        "id": "full-1", "status": "firing", "severity": "major", "name": "温度过高", "title": "机柜 3 温度过高",
        "description": "进风温度 41 ℃", "object": {"ci_id": "pdu-1", "class": "pdu", "name": "列头柜 1", "ip": "10.0.9.9",
            "keys": {"serial": "X1"}},
        "labels": {"room": "A-2"}, "annotations": {"runbook": "RB-7"},
        "starts_at": "2026-06-01T00:00:05Z", "observed_at": "2026-06-01T00:00:06Z",
        "dedup_key": "bms/温度/3", "event_type": "ENVIRONMENTAL", "probable_cause": "highTemperature",
        "specific_problem": "inlet", "signal": "metric", "side": "endpoint",
        "metric": {"name": "temp", "value": 41.25, "unit": "Cel", "threshold": 35.0, "direction": "above"},
        "trace_id": "0af7651916cd43dd8448eb211c80319c", "links": ["https://bms.example/3"], "org": "facility",
        "proposed_repair": "check the fan",
    })
}
