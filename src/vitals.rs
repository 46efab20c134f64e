//! Signs of life: the program watches itself and tells what is wrong with it in the log, and as an ordinary event of
//! source `headwater` through its own journal, so that rules and routes treat it like any other alert. An address
//! outside is asked every minute while all is well; when that stops, somebody outside notices.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::clock::Clock;
use crate::config::Config;
use crate::domain::event::{Event, ObjectRef, Status};
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::partition::partition_of;
use crate::domain::severity::Severity;
use crate::domain::spans::{self, SpanText};
use crate::domain::time::{Span, Timestamp};
use crate::engine::input::{Batch, Input};
use crate::engine::memory::OWN_SOURCE;
use crate::pipeline::Pipeline;
use crate::reload::Refused;
use crate::serve::series::Judging;
use progress::Progress;
use told::Told;

pub mod alarm;
pub mod heartbeat;
mod progress;
mod told;

/// Over which time the share of rejected events is taken, and of how many events at least.
const SHARE_OVER: Span = Span::mins(5);
const SHARE_EVENTS_MIN: u64 = 20;
/// Over which time dead letters are counted.
const GROWTH_OVER: Span = Span::hours(1);

/// When something counts as wrong.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "VitalsSettings")]
pub struct Settings {
    /// Between two looks.
    #[serde(deserialize_with = "spans::span")]
    #[schemars(with = "SpanText")]
    pub every: Span,
    /// Of the events of the last five minutes.
    pub rejected_percent_max: u8,
    /// Dead letters of the last hour, few as they may be beside all events.
    pub dead_letters_hour_max: u64,
    pub disk_free_mib_min: u64,
    /// Is asked every minute while all is well.
    pub heartbeat_url: Option<String>,
    /// Is told at once what is wrong, past everything that may be what is wrong.
    pub alarm_url: Option<String>,
}

/// What can be wrong with the program itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sign {
    /// Too many events are rejected.
    RejectedShare,
    /// Dead letters become more and more: somebody has to look at them.
    DeadLetters,
    /// Accepted events and verdicts do not add up.
    Imbalance,
    /// The disk of the data folder fills up.
    DiskLow,
    /// A decision came out otherwise when it was made again.
    Diverged,
    /// The engine stands still.
    EngineHalted,
    /// Rules, topology or mappings on disk are refused.
    FilesRefused,
    /// A tenant has more alerts than it may have: further ones are refused.
    AlertsFull,
    /// NATS is configured and away.
    NatsAway,
    /// The other instances do not hear of this one.
    Unheard,
    /// A receiver locks us out.
    ReceiverLocked,
    /// Metric series are judged without their model.
    ModelDegraded,
    /// Readings are not any more what the metric model was made from, or it is old.
    ModelDrifted,
}

impl Sign {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::RejectedShare,
        Self::DeadLetters,
        Self::Imbalance,
        Self::DiskLow,
        Self::Diverged,
        Self::EngineHalted,
        Self::FilesRefused,
        Self::AlertsFull,
        Self::NatsAway,
        Self::Unheard,
        Self::ReceiverLocked,
        Self::ModelDegraded,
        Self::ModelDrifted,
    ];

    /// The word in events, metrics and the runbook.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RejectedShare => "rejected-share",
            Self::DeadLetters => "dead-letters-grow",
            Self::Imbalance => "conservation-imbalance",
            Self::DiskLow => "disk-low",
            Self::Diverged => "decision-diverged",
            Self::EngineHalted => "engine-halted",
            Self::FilesRefused => "files-refused",
            Self::AlertsFull => "alerts-full",
            Self::NatsAway => "nats-away",
            Self::Unheard => "unheard",
            Self::ReceiverLocked => "receiver-locked",
            Self::ModelDegraded => "model-degraded",
            Self::ModelDrifted => "model-drifted",
        }
    }

    /// Whether it is about a connection, which may come back by itself.
    const fn is_outside(self) -> bool {
        match self {
            Self::NatsAway | Self::Unheard => true,
            Self::RejectedShare
            | Self::DeadLetters
            | Self::Imbalance
            | Self::DiskLow
            | Self::Diverged
            | Self::EngineHalted
            | Self::FilesRefused
            | Self::AlertsFull
            | Self::ReceiverLocked
            | Self::ModelDegraded
            | Self::ModelDrifted => false,
        }
    }

    const fn severity(self) -> Severity {
        match self {
            Self::Imbalance | Self::Diverged | Self::EngineHalted | Self::Unheard => Severity::Critical,
            Self::RejectedShare
            | Self::DeadLetters
            | Self::DiskLow
            | Self::FilesRefused
            | Self::AlertsFull
            | Self::NatsAway
            | Self::ReceiverLocked
            | Self::ModelDegraded => Severity::Major,
            Self::ModelDrifted => Severity::Minor,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::RejectedShare => "Headwater rejects many events / 大量事件被拒收",
            Self::DeadLetters => "Headwater's dead letters become more / 死信持续增加",
            Self::Imbalance => "Headwater's event counts do not add up / 事件收支不平衡",
            Self::DiskLow => "Headwater's disk fills up / 磁盘空间不足",
            Self::Diverged => "A decision came out otherwise when made again / 重放决策不一致",
            Self::EngineHalted => "Headwater's engine or journal stands still / 引擎或日志已停止",
            Self::NatsAway => "NATS is away: events there wait / NATS 不可用,其中的事件在等待",
            Self::Unheard => "The other instances do not hear of this one / 其他实例收不到本实例的消息",
            Self::ReceiverLocked => "A receiver locks Headwater out / 接收方拒绝访问",
            Self::ModelDegraded => "Metric series are judged without their model / 指标模型不可用,仅按近几小时判断",
            Self::ModelDrifted => "The metric model no longer fits: make a new one / 指标模型已漂移或陈旧,请重训",
            Self::AlertsFull => {
                "A tenant has too many alerts, further ones are refused / 告警数量达到上限,新告警被拒收"
            }
            Self::FilesRefused => "Files on disk are refused, the old ones stay / 磁盘上的配置被拒绝,旧配置仍生效",
        }
    }
}

/// What is wrong now.
#[derive(Debug, Default)]
pub struct Vitals(Mutex<BTreeMap<Sign, String>>);

impl Vitals {
    /// Whether somebody outside may believe that alerts come in, are decided and told.
    pub fn is_alive(&self) -> bool {
        let wrong = self.0.lock().expect("nobody panics while holding it");
        !wrong.contains_key(&Sign::EngineHalted) && !wrong.contains_key(&Sign::Unheard)
    }

    /// Each sign that holds, with its figures.
    pub fn now(&self) -> BTreeMap<Sign, String> {
        self.0.lock().expect("nobody panics while holding it").clone()
    }
}

/// The task that looks.
pub struct Watch {
    settings: Settings,
    tenant: TenantId,
    data: PathBuf,
    pipeline: Arc<Pipeline>,
    refused: Arc<Refused>,
    judging: Arc<Judging>,
    clock: Clock,
    vitals: Arc<Vitals>,
}

impl Watch {
    /// Sets it up.
    pub fn new(config: &Config, pipeline: Arc<Pipeline>, refused: Arc<Refused>, judging: Arc<Judging>) -> Self {
        let Config { vitals: settings, tenant, data, .. } = config.clone();
        let clock = pipeline.clock.clone();
        Self { settings, tenant, data, pipeline, refused, judging, clock, vitals: Arc::default() }
    }

    /// What is found.
    pub fn vitals(&self) -> Arc<Vitals> {
        self.vitals.clone()
    }

    /// Looks for as long as the program runs.
    pub async fn run(self) {
        let every = Duration::from_millis(self.settings.every.0.unsigned_abs());
        let mut counts: VecDeque<(Timestamp, u64, u64)> = VecDeque::new();
        let mut told = Told::default();
        let mut before: Option<String> = None;
        let mut was_outside = BTreeSet::new();
        let mut progress = Progress::default();
        loop {
            tokio::time::sleep(every).await;
            let now = (self.clock)();
            let mut found = self.look(now, &mut counts);
            let waits_since = self.pipeline.live.read().waits_since();
            if let Some(still) = progress.look(now, waits_since) {
                let figures = format!("nothing is decided for {} seconds, although records wait", still.0 / 1000);
                found.entry(Sign::EngineHalted).or_insert(figures);
            }
            // Counts may be caught between the door and the verdict: only what stays as it is counts.
            let imbalance = found.get(&Sign::Imbalance).cloned();
            if imbalance != before {
                found.remove(&Sign::Imbalance);
            }
            before = imbalance;
            // A connection that comes back by itself is nobody's concern: what is outside must hold for two looks.
            let is_outside: BTreeSet<Sign> = found.keys().copied().filter(|sign| sign.is_outside()).collect();
            found.retain(|sign, _| !sign.is_outside() || was_outside.contains(sign));
            was_outside = is_outside;
            // First: telling it by the journal may take as long as what is wrong lasts.
            self.vitals.0.lock().expect("nobody panics while holding it").clone_from(&found);
            self.tell(now, &found, &mut told).await;
        }
    }

    fn look(&self, now: Timestamp, counts: &mut VecDeque<(Timestamp, u64, u64)>) -> BTreeMap<Sign, String> {
        let mut found = BTreeMap::new();
        let (mut accepted, mut rejected, mut imbalance) = (0, 0, None);
        for (tenant, view) in self.pipeline.live.read().tenants() {
            let counted = &view.conservation;
            accepted += counted.accepted;
            rejected += counted.dead_lettered.values().sum::<u64>();
            if !counted.holds() {
                imbalance =
                    Some(format!("tenant {tenant}: accepted {}, found {}", counted.accepted, counted.accounted()));
            }
        }
        if let Some(figures) = imbalance {
            found.insert(Sign::Imbalance, figures);
        }
        counts.push_back((now, accepted, rejected));
        while counts.front().is_some_and(|(at, ..)| *at < now.minus(GROWTH_OVER)) {
            counts.pop_front();
        }
        let since = |over: Span| {
            let (_, accepted_then, rejected_then) = counts.iter().find(|(at, ..)| *at >= now.minus(over))?;
            Some((accepted - accepted_then.min(&accepted), rejected - rejected_then.min(&rejected)))
        };
        if let Some((_, bad)) = since(GROWTH_OVER).filter(|(_, bad)| *bad > self.settings.dead_letters_hour_max) {
            found.insert(Sign::DeadLetters, format!("{bad} dead letters in an hour"));
        }
        let most = u64::from(self.settings.rejected_percent_max);
        let is_much = |(events, bad): &(u64, u64)| *events >= SHARE_EVENTS_MIN && *bad * 100 > *events * most;
        if let Some((events, bad)) = since(SHARE_OVER).filter(is_much) {
            found.insert(Sign::RejectedShare, format!("{bad} of {events} events in five minutes"));
        }
        if let Ok(room) = rustix::fs::statvfs(&self.data) {
            let free_mib = room.f_bavail.saturating_mul(room.f_frsize) / (1024 * 1024);
            if free_mib < self.settings.disk_free_mib_min || self.pipeline.log.is_full() {
                found.insert(Sign::DiskLow, format!("{free_mib} MiB are free at {}", self.data.display()));
            }
        }
        let diverged = self.pipeline.health().diverged.load(Ordering::Relaxed);
        if diverged > 0 {
            found.insert(Sign::Diverged, format!("{diverged} decisions since the start"));
        }
        let journal = || self.pipeline.log.halted().map(|why| format!("the journal has stopped: {why}"));
        if let Some(why) = self.pipeline.health().failure().or_else(journal) {
            found.insert(Sign::EngineHalted, why);
        }
        self.look_outside(&mut found);
        self.look_at_models(&mut found);
        if let Some((tenant, counted)) = self.pipeline.all_counted().iter().find(|(_, counted)| counted.is_full()) {
            let (alerts, refused) = (counted.memory.alerts, counted.memory.refused);
            found.insert(Sign::AlertsFull, format!("tenant {tenant}: {alerts} alerts, {refused} events refused"));
        }
        let refused = self.refused.now();
        if let Some(why) = refused.values().next() {
            let kinds: Vec<&str> = refused.keys().map(|kind| kind.as_str()).collect();
            let first = why.lines().next().unwrap_or_default();
            found.insert(Sign::FilesRefused, format!("{}: {first}", kinds.join(", ")));
        }
        found
    }

    /// Whether metric series are judged as they should be.
    fn look_at_models(&self, found: &mut BTreeMap<Sign, String>) {
        if let Some(trouble) = self.judging.troubles().into_iter().next() {
            found.insert(Sign::ModelDegraded, trouble.detail);
        }
        for tenant in self.judging.tenants() {
            let known = self.judging.health(&tenant);
            let until = known.trained_until.unwrap_or_default();
            if let Some(drift) = known.drift.filter(|_| known.has_drifted) {
                let why = format!(
                    "tenant {tenant}: index {drift:.2} over {} readings; headwater model health",
                    known.readings
                );
                found.insert(Sign::ModelDrifted, why);
            } else if known.is_stale {
                found.insert(
                    Sign::ModelDrifted,
                    format!("tenant {tenant}: its series ended {until}; headwater model retrain"),
                );
            }
        }
    }

    /// What others do to it.
    fn look_outside(&self, found: &mut BTreeMap<Sign, String>) {
        if let Some(why) = self.pipeline.health().nats() {
            found.insert(Sign::NatsAway, why);
        }
        if !self.pipeline.lease.is_valid() {
            found.insert(Sign::Unheard, "it decides and sends nothing; look at its connection to NATS".to_owned());
        }
        let states = self.pipeline.courier.delivery().map(|delivery| delivery.states()).unwrap_or_default();
        let locked = states.into_iter().find_map(|(receiver, state)| Some((receiver, state.locked_out?)));
        if let Some((receiver, why)) = locked {
            found.insert(Sign::ReceiverLocked, format!("receiver {receiver}: {why}"));
        }
    }

    /// Logs what is new or over, and sends it through the journal; what that does not take goes with the next look.
    async fn tell(&self, now: Timestamp, found: &BTreeMap<Sign, String>, told: &mut Told) {
        for sign in told.look(now, found) {
            match found.get(&sign) {
                Some(figures) => tracing::error!(sign = sign.as_str(), figures, "headwater itself is not well"),
                None => tracing::info!(sign = sign.as_str(), "headwater itself is well again"),
            }
        }
        for sign in Sign::ALL {
            self.pipeline.health().note_sign(sign.as_str(), found.contains_key(&sign), 0);
        }
        let owed = told.owed();
        if owed.is_empty() {
            return;
        }
        let figures = |sign: &Sign| found.get(sign).map_or("", String::as_str);
        let events = owed.iter().map(|(sign, status)| self.event(*sign, *status, figures(sign), now)).collect();
        let batch = Batch { tenant: self.tenant.clone(), events, rejected: Vec::new(), replay_of: None };
        if let Err(error) = self.pipeline.log.append(partition_of(&self.tenant), Input::Batch(batch)).await {
            tracing::warn!(%error, "what is wrong is in the log only, until the journal takes it");
            return;
        }
        told.written();
        for (sign, _) in owed.iter().filter(|(_, status)| *status == Status::Firing) {
            self.pipeline.health().note_sign(sign.as_str(), true, 1);
        }
    }

    fn event(&self, sign: Sign, status: Status, figures: &str, now: Timestamp) -> Event {
        let mut event = Event::new(self.tenant.clone(), SourceId::from(OWN_SOURCE), sign.as_str(), now);
        event.severity = sign.severity();
        event.status = status;
        event.title = sign.title().into();
        event.description = figures.into();
        event.object = ObjectRef { name: Some(OWN_SOURCE.into()), ..ObjectRef::default() };
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heartbeat_is_silent_while_nothing_can_be_decided_or_told() {
        let alive = |sign: Sign| {
            let vitals = Vitals::default();
            vitals.0.lock().unwrap().insert(sign, String::new());
            vitals.is_alive()
        };
        let silent: Vec<Sign> = Sign::ALL.into_iter().filter(|sign| !alive(*sign)).collect();
        assert_eq!(silent, [Sign::EngineHalted, Sign::Unheard]);
        assert!(Vitals::default().is_alive());
    }
}
