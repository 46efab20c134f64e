//! A router over made-up effects: two incidents of two organisations, held alerts, five roles.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use futures::future::BoxFuture;
use serde_json::Value;
use tower::ServiceExt;

use crate::api::access::{Authenticate, Caller, Role};
use crate::api::notices::{ReceiverList, UndeliveredNotice};
use crate::api::routes;
use crate::api::state::{Api, Notices, RuleSet, Rules, Settings, Trial, Trouble, WriteError, Writes};
use crate::api::suggestions::{Seen, Suggested};
use crate::api::tests::silent::Silent;
use crate::domain::alert::{AlertState, AlertView};
use crate::domain::ci::{Area, CiRef};
use crate::domain::event::Event;
use crate::domain::few::Few;
use crate::domain::ids::{AlertId, EventRef, IncidentId, SourceId, TenantId};
use crate::domain::incident::*;
use crate::domain::label::Labels;
use crate::domain::partition::partition_of;
use crate::domain::severity::Severity;
use crate::domain::time::{Span, Timestamp};
use crate::domain::topology::draft::{CiDraft, Draft, Place};
use crate::domain::topology::quality::Quality;
use crate::domain::topology::schema::Schema;
use crate::domain::topology::{Attributes, Topology};
use crate::engine::effect::{Effect, Notice};
use crate::engine::identity::{CiLookups, Stranger};
use crate::engine::input::{Batch, By, Command, DeadLetter, Digest, Input};
use crate::engine::policy::Policy;
use crate::engine::policy::place::{Basis, RuleFile};
use crate::engine::policy::rule::RuleHits;
use crate::engine::verdict::{Decision, Reject, Verdict};
use crate::projection::Committed;
use crate::projection::history::History;
use crate::projection::history::retention::Retention;
use crate::projection::history::writer::Writer;
use crate::projection::live::Live;
use crate::projection::scripted::stored;

/// 2026-01-05T00:00:00Z.
pub const T0: Timestamp = Timestamp(1_767_571_200_000);

/// Tokens are `<role>`, `<role>-<org>` or `<role>-<area>` (limited to it) and `other` (an admin of another tenant).
pub struct Tokens;

impl Authenticate for Tokens {
    fn bearer(&self, token: &str) -> Option<Caller> {
        let tenant = if token == "other" { "b" } else { "a" };
        let (word, limit) = token.split_once('-').map_or((token, None), |(word, limit)| (word, Some(limit)));
        let role = if word == "other" { Role::Admin } else { Role::parse(word)? };
        let area = limit.and_then(Area::parse);
        let orgs = limit.filter(|_| area.is_none()).map(|org| [org.into()].into_iter().collect());
        let areas = area.map(|area| [area].into_iter().collect());
        Some(Caller { credential: token.into(), name: token.into(), tenant: tenant.into(), role, orgs, areas })
    }

    fn proven(&self, credential: &str) -> Option<Caller> {
        self.bearer(credential)
    }

    fn seal(&self, credential: &str, text: &str) -> Option<String> {
        Some(format!("{credential} {text}"))
    }
}

/// Remembers what was written and tried again; the sequence is the number of writes.
#[derive(Default)]
pub struct Written(pub Mutex<Vec<Command>>, pub Mutex<Vec<EventRef>>);

impl Writes for Written {
    fn command(&self, command: Command) -> BoxFuture<'static, Result<u64, WriteError>> {
        let mut written = self.0.lock().unwrap();
        written.push(command);
        let seq = 1_000 + written.len() as u64;
        Box::pin(async move { Ok(seq) })
    }

    fn is_recorded(&self, _: TenantId, seq: u64) -> BoxFuture<'static, Result<bool, String>> {
        let newest = 1_000 + self.0.lock().unwrap().len() as u64;
        Box::pin(async move { Ok(seq <= newest) })
    }

    fn topology(
        &self,
        _: TenantId,
        _: Box<str>,
        _: Vec<u8>,
    ) -> BoxFuture<'static, Result<(Option<u64>, Quality), WriteError>> {
        Box::pin(async { Err(WriteError::Refused { errors: vec!["topology:1: no CIs".into()] }) })
    }

    fn kept_topology(&self, version: u64, _: &Digest) -> Result<Option<Arc<Topology>>, String> {
        Ok(Some(topology_of(version, &[("sw-1", "core-sw-0", "switch", "tax"), ("old", "gone", "server", "tax")])))
    }

    fn replay(&self, _: TenantId, of: EventRef, _: DeadLetter) -> BoxFuture<'static, Result<u64, WriteError>> {
        self.1.lock().unwrap().push(of);
        Box::pin(async { Ok(7_000) })
    }
}

/// The rules that are compiled in; takes others without keeping them.
pub struct BuiltIn;

impl Rules for BuiltIn {
    fn policy(&self, _: &TenantId) -> Arc<Policy> {
        Policy::default_rules()
    }

    fn hits(&self, _: &TenantId) -> RuleHits {
        RuleHits::default()
    }

    fn overrides(&self, _: &TenantId) -> Vec<crate::engine::oncall::Override> {
        Vec::new()
    }

    fn lookups(&self, _: &TenantId) -> CiLookups {
        let stranger = Stranger { source: "prom".into(), cis: vec!["h-1".into()], events: 3, last_seen: T0 };
        let strangers = [("web".into(), stranger)].into();
        CiLookups { resolved: 6, unresolved: 0, ambiguous: 3, strangers, unlisted: 0 }
    }

    fn versions(&self, _: &TenantId) -> Vec<RuleSet> {
        vec![RuleSet::default()]
    }

    fn set(&self, _: &TenantId, version: Option<u64>) -> Result<Option<RuleSet>, String> {
        let files = Policy::default_files();
        Ok((version.unwrap_or(0) == 0).then(|| RuleSet { files, ..RuleSet::default() }))
    }

    fn replace(
        &self,
        _: TenantId,
        _: By,
        _: Vec<RuleFile>,
        _: Basis,
    ) -> BoxFuture<'static, Result<(Option<u64>, u64), WriteError>> {
        Box::pin(async { Ok((Some(8_000), 1)) })
    }

    fn trial(&self, _: &TenantId, _: &SourceId, _: &str, _: Option<Vec<RuleFile>>) -> Result<Trial, WriteError> {
        Err(WriteError::Refused { errors: vec!["event: no name".into()] })
    }

    fn test(&self, _: &TenantId, _: Option<Vec<RuleFile>>) -> Result<crate::api::rule_tests::RulesTested, WriteError> {
        Ok(Default::default())
    }

    fn suggest(&self, _: &TenantId, seen: Seen) -> Result<Suggested, WriteError> {
        Ok(Suggested { events: seen.events.len(), ..Suggested::default() })
    }
}

/// Nobody is told; one receiver locks us out.
pub struct Calm;

impl Notices for Calm {
    fn troubles(&self) -> Vec<Trouble> {
        vec![Trouble { kind: "a receiver locks us out", detail: "receiver noc-42 locks us out: 401".into() }]
    }

    fn tells_nobody(&self) -> bool {
        true
    }

    fn receivers(&self, _: &TenantId) -> ReceiverList {
        ReceiverList::default()
    }

    fn undelivered(&self, _: &TenantId, _: usize) -> Vec<UndeliveredNotice> {
        Vec::new()
    }

    fn undelivered_notice(&self, _: &TenantId, _: &str) -> Result<Option<Notice>, String> {
        Ok(None)
    }
}

/// The router with what is behind it.
pub struct Bench {
    _folder: tempfile::TempDir,
    writer: Mutex<Writer>,
    pub router: Router,
    /// Moves the clock.
    pub hand: Arc<AtomicI64>,
    pub api: Arc<Api>,
    pub written: Arc<Written>,
}

/// An answer, read.
pub struct Answer {
    pub status: StatusCode,
    pub headers: axum::http::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {} {}", self.status, self.text))
    }
}

impl Bench {
    /// With the two incidents.
    pub fn stocked() -> Self {
        let bench = Self::empty(T0.plus(Span::mins(10)));
        for step in steps() {
            bench.put(step);
        }
        bench
    }

    /// With nothing, at a time that stands still.
    pub fn empty(now: Timestamp) -> Self {
        let written = Arc::new(Written::default());
        let hand = Arc::new(AtomicI64::new(now.0));
        let shown = hand.clone();
        let folder = tempfile::tempdir().unwrap();
        let (history, writer) = History::open(&folder.path().join("history.db"), Retention::default()).unwrap();
        writer.is_whole();
        let api = Arc::new(Api {
            live: Arc::new(Live::default()),
            history: Arc::new(history),
            auth: Arc::new(Tokens),
            writes: written.clone(),
            rules: Arc::new(BuiltIn),
            topology: Arc::new(|tenant| if tenant.as_str() == "a" { topology() } else { Topology::none() }),
            earlier: Default::default(),
            limits: Default::default(),
            sessions: Default::default(),
            strangers: Default::default(),
            settings: Settings { base_url: "http://hw".into(), ..Settings::default() },
            now: Arc::new(move || Timestamp(shown.load(Ordering::SeqCst))),
            readiness: Arc::new(Vec::new),
            more_metrics: Arc::new(|_| ()),
            notices: Arc::new(Calm),
            explains: Arc::new(Silent),
            trials: Arc::new(Silent),
            credentials: Arc::new(Silent),
            sources: Arc::new(Silent),
            series: Arc::new(Silent),
            views: Default::default(),
        });
        let router = routes::router(api.clone(), Router::new());
        Self { _folder: folder, writer: Mutex::new(writer), router, hand, api, written }
    }

    /// Shows a step in both views.
    pub fn put(&self, step: Committed) {
        self.api.live.apply(&step);
        self.remember(step);
    }

    /// Writes a step into the history only.
    pub fn remember(&self, step: Committed) {
        self.writer.lock().unwrap().write(&[stored(step)], "").unwrap();
    }

    pub async fn send(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.send(request).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), 10_000_000).await.unwrap();
        Answer { status, headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    pub async fn get(&self, token: &str, path: &str) -> Answer {
        self.ask(request("GET", token, path, None)).await
    }

    pub async fn post(&self, token: &str, path: &str, body: &str) -> Answer {
        self.ask(request("POST", token, path, Some(body))).await
    }
}

/// A request with a token (none when empty) and a JSON body.
pub fn request(method: &str, token: &str, path: &str, body: Option<&str>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).header("host", "hw");
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/json").header("content-length", body.len());
    }
    request.body(body.map_or_else(Body::empty, |body| Body::from(body.to_owned()))).unwrap()
}

pub fn ci(id: &str, name: &str, class: &str, area: Area, org: &str) -> CiRef {
    CiRef { id: id.into(), name: name.into(), class: class.into(), area: Some(area), org: Some(org.into()) }
}

pub fn alert(n: u64, name: &str, severity: Severity, ci: CiRef, at: Timestamp) -> AlertView {
    AlertView {
        id: AlertId(n),
        tenant: "a".into(),
        source: if n.is_multiple_of(2) { "zabbix".into() } else { "prom".into() },
        name: name.into(),
        title: format!("{name} on {}", ci.name).into(),
        severity,
        state: AlertState::Firing,
        object: ci.name.as_ref().into(),
        ci: Some(ci.into()),
        labels: Labels::of([("rack", "r-07")]),
        signal: None,
        side: None,
        first_seen: at,
        last_seen: at,
        starts_at: at,
        count: 1,
        muted_by: Few::default(),
        flapping: false,
        incident: None,
        held: false,
    }
}

pub fn evidence(term: EvidenceTerm, points: i32, n: i64, of: i64) -> Evidence {
    Evidence { term, points, n, of, about: "".into() }
}

/// An incident rooted in `root` with these members.
pub fn incident(n: u64, root: &CiRef, members: &[AlertView], at: Timestamp) -> IncidentView {
    let severity = members.iter().map(|a| a.severity).max().unwrap_or_default();
    let mut orgs: Vec<_> = members.iter().filter_map(|a| a.ci.as_ref()?.org.clone()).collect();
    orgs.extend(root.org.clone());
    orgs.sort();
    orgs.dedup();
    let count = members.len() as u32;
    let candidate = |ci: &CiRef, score, inferred| Candidate {
        ci: ci.clone().into(),
        alert: members.iter().find(|a| a.ci.as_deref() == Some(ci)).map(|a| a.id),
        inferred,
        score,
        rejected: false,
        possible: false,
        evidence: vec![
            evidence(EvidenceTerm::Coverage, score * 3, i64::from(count) - 1, count.into()),
            evidence(EvidenceTerm::TimeOrder, score, 4_200, 0),
            evidence(EvidenceTerm::MissingSymptoms, -120, 1, 6),
        ],
    };
    let others = members.iter().filter_map(|a| a.ci.as_deref()).filter(|ci| *ci != root).take(2);
    let mut candidates = vec![candidate(root, 780, members.iter().all(|a| a.ci.as_deref() != Some(root)))];
    candidates.extend(others.enumerate().map(|(i, ci)| candidate(ci, 140 - 60 * i as i32, false)));
    let effects = members.iter().filter_map(|a| a.ci.as_deref()).filter(|ci| *ci != root);
    IncidentView {
        severity,
        priority: if severity == Severity::Critical { Priority::P1 } else { Priority::P3 },
        path: effects
            .map(|ci| PathStep { cause: root.clone().into(), effect: ci.clone().into(), relation: "hosts".into() })
            .collect(),
        candidates: candidates.into(),
        alert_count: count,
        firing_count: count,
        event_count: u64::from(count) * 3,
        ci_count: count,
        area: root.area,
        services: ["一网通办".into()].into(),
        orgs,
        topology_version: 3,
        ruleset_version: 5,

        ..IncidentView::new(
            IncidentId(n),
            "a".into(),
            &format!("{}: {}", root.name, members.first().map_or("", |a| &a.name)),
            at,
        )
    }
}

/// A step that opens an incident: one event and one verdict per member.
pub fn opening(seq: u64, incident: IncidentView, mut members: Vec<AlertView>) -> Committed {
    let at = incident.opened_at;
    let mut effects = Vec::new();
    let mut events = Vec::new();
    let joined: Vec<AlertId> = members.iter().map(|a| a.id).collect();
    for (index, alert) in members.iter_mut().enumerate() {
        alert.incident = Some(incident.id);
        let (id, decision) = (incident.id, Box::<Decision>::default());
        let verdict = match index {
            0 => Verdict::Opened { alert: alert.id, incident: id, decision },
            _ => Verdict::Joined { alert: alert.id, incident: id, decision },
        };
        let mut event = Event::new(alert.tenant.clone(), alert.source.clone(), &alert.name, at);
        event.description = "call 13800138000".into();
        event.links = vec!["https://grafana.example/d/1".into()];
        event.annotations.insert("runbook_url", "https://wiki.example/link-down");
        events.push(event);
        effects.push(Effect::Verdict { index: index as u32, verdict });
        effects.push(Effect::Alert { alert: Arc::new(alert.clone()) });
    }
    let tenant = incident.tenant.clone();
    let entry = TimelineEntry {
        at,
        actor: "headwater".into(),
        kind: TimelineKind::Opened,
        via: "".into(),
        detail: incident.title.clone(),
    };
    let id = incident.id;
    effects.push(Effect::Incident { incident: Arc::new(incident), joined, left: Vec::new() });
    effects.push(Effect::Timeline { tenant: tenant.clone(), incident: id, entry });
    let partition = partition_of(&tenant);
    let input = Some(Arc::new(Input::Batch(Batch { tenant, events, rejected: Vec::new(), replay_of: None })));
    Committed { partition, journal_seq: seq, outbox_seq: seq, stamp: at, input, effects: Arc::new(effects) }
}

/// The CIs of both organisations, without relations.
fn topology() -> Arc<Topology> {
    let cis = [
        ("sw-1", "core-sw-1", "switch", "tax"),
        ("h-1", "host-1", "server", "tax"),
        ("db-1", "civil-db", "database", "civil"),
    ];
    topology_of(2, &cis)
}

fn topology_of(version: u64, cis: &[(&str, &str, &str, &str)]) -> Arc<Topology> {
    let mut draft = Draft::start(Arc::new(Schema::of(Vec::new(), Vec::new())));
    for &(id, name, class, org) in cis {
        let attributes = Attributes { org: Some(org.into()), ..Attributes::default() };
        draft.ci(CiDraft { id, name, class, attributes, ..CiDraft::default() }, Place::default()).unwrap();
    }
    Arc::new(draft.finish(version))
}

/// Incident i1 (org `tax`, switch), i2 (org `civil`, database), a held alert of each.
pub fn steps() -> Vec<Committed> {
    let switch = ci("sw-1", "core-sw-1", "switch", Area::Facility, "tax");
    let host = ci("h-1", "host-1", "server", Area::Cloud, "tax");
    let db = ci("db-1", "civil-db", "database", Area::Support, "civil");
    let first = vec![
        alert(1, "LinkDown", Severity::Critical, switch.clone(), T0),
        alert(2, "HostUnreachable", Severity::Major, host.clone(), T0),
    ];
    let second = vec![alert(3, "SlowQueries", Severity::Minor, db.clone(), T0.plus(Span::mins(1)))];
    let mut steps = vec![
        opening(1, incident(1, &switch, &first, T0), first),
        opening(2, incident(2, &db, &second, T0.plus(Span::mins(1))), second),
    ];
    for (n, ci) in [(4, host), (5, db)] {
        let at = T0.plus(Span::mins(2));
        let mut held = alert(n, "DiskNearlyFull", Severity::Warning, ci, at);
        held.held = true;
        let verdict =
            Verdict::Held { alert: Some(held.id), why: crate::engine::verdict::Hold::Lone, decision: Box::default() };
        let event = Event::new("a".into(), held.source.clone(), &held.name, at);
        steps.push(Committed {
            partition: partition_of(&"a".into()),
            journal_seq: n,
            outbox_seq: n,
            stamp: at,
            input: Some(Arc::new(Input::Batch(Batch {
                tenant: "a".into(),
                events: vec![event],
                rejected: Vec::new(),
                replay_of: None,
            }))),
            effects: Arc::new(vec![Effect::Verdict { index: 0, verdict }, Effect::Alert { alert: Arc::new(held) }]),
        });
    }
    steps.push(unread(6));
    steps
}

/// A record with one event that could not be taken; its text holds what must not be shown.
pub fn unread(seq: u64) -> Committed {
    let letter = DeadLetter {
        source: "prom".into(),
        why: Reject::Malformed("severity: not a word".into()),
        raw: r#"{"severity":5,"contact":"13812345678","token":"abcdef0123"}"#.into(),
        decoder: "native".into(),
        received_at: T0,
    };
    let verdict = Verdict::Rejected { why: letter.why.clone() };
    let batch = Batch { tenant: "a".into(), events: Vec::new(), rejected: vec![letter], replay_of: None };
    Committed {
        partition: partition_of(&"a".into()),
        journal_seq: seq,
        outbox_seq: seq,
        stamp: T0.plus(Span::mins(3)),
        input: Some(Arc::new(Input::Batch(batch))),
        effects: Arc::new(vec![Effect::Verdict { index: 0, verdict }]),
    }
}
