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
use crate::domain::alert::{AlertState, AlertView};
use crate::domain::event::{Event, ObjectRef, Status};
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::partition::partition_of;
use crate::domain::sign::Sign;
use crate::domain::spans::{self, SpanText};
use crate::domain::time::{Span, Timestamp};
use crate::engine::input::{Batch, Input};
use crate::engine::memory::OWN_SOURCE;
use crate::nats::watched::Trouble;
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
    /// How long the oldest accepted event may wait for its decision.
    #[serde(deserialize_with = "spans::span")]
    #[schemars(with = "SpanText")]
    pub behind_max: Span,
    /// How long a receiver may take none of the notices that wait for it.
    #[serde(deserialize_with = "spans::span")]
    #[schemars(with = "SpanText")]
    pub notices_wait_max: Span,
    /// How far our clock and that of the servers with the journal may differ.
    #[serde(deserialize_with = "spans::span")]
    #[schemars(with = "SpanText")]
    pub clock_off_max: Span,
    /// Is asked every minute while all is well.
    pub heartbeat_url: Option<String>,
    /// Is told at once what is wrong, past everything that may be what is wrong.
    pub alarm_url: Option<String>,
}

impl Settings {
    /// Between two looks.
    pub fn pause(&self) -> Duration {
        Duration::from_millis(self.every.0.unsigned_abs())
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
    /// Whether nobody else tells of the same signs.
    is_alone: bool,
}

impl Watch {
    /// Sets it up.
    pub fn new(config: &Config, pipeline: Arc<Pipeline>, refused: Arc<Refused>, judging: Arc<Judging>) -> Self {
        let Config { vitals: settings, tenant, data, .. } = config.clone();
        let (clock, is_alone) = (pipeline.clock.clone(), !config.cluster.on);
        Self { settings, tenant, data, pipeline, refused, judging, clock, vitals: Arc::default(), is_alone }
    }

    /// What is found.
    pub fn vitals(&self) -> Arc<Vitals> {
        self.vitals.clone()
    }

    /// Looks for as long as the program runs.
    pub async fn run(self) {
        let every = self.settings.pause();
        let mut counts: VecDeque<(Timestamp, u64, u64)> = VecDeque::new();
        let mut told = Told::of_before(self.stand());
        let mut before: Option<String> = None;
        let mut was_outside = BTreeSet::new();
        let mut progress = Progress::default();
        loop {
            tokio::time::sleep(every).await;
            let now = (self.clock)();
            let mut found = self.look(now, &mut counts);
            let waits_since = self.pipeline.live.read().waits_since();
            let behind = progress::behind(now, waits_since, self.settings.behind_max);
            found.extend(behind.map(|figures| (Sign::EngineBehind, figures)));
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

    /// What was told before the last stop and stands.
    fn stand(&self) -> Vec<Sign> {
        let state = self.pipeline.live.read();
        let Some(view) = state.tenant(&self.tenant) else { return Vec::new() };
        let is_ours = |view: &AlertView| view.state == AlertState::Firing && view.source.as_str() == OWN_SOURCE;
        let ours = view.alerts.iter().filter(|row| is_ours(&row.view));
        let names: BTreeSet<&str> = ours.map(|row| &*row.view.name).collect();
        let stands = |sign: &Sign| self.is_alone && names.contains(sign.as_str());
        Sign::ALL.into_iter().filter(stands).collect()
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
        self.look_outside(now, &mut found);
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
                let readings = known.readings;
                let why = format!(
                    "租户 {tenant}：{readings} 个读数的漂移指数 {drift:.2}，见 headwater model health / \
                     tenant {tenant}: index {drift:.2} over {readings} readings; headwater model health",
                );
                found.insert(Sign::ModelDrifted, why);
            } else if known.is_stale {
                let why = format!(
                    "租户 {tenant}：训练所用序列止于 {until}，请执行 headwater model retrain metric / \
                     tenant {tenant}: its series ended {until}; headwater model retrain metric"
                );
                found.insert(Sign::ModelDrifted, why);
            }
        }
    }

    /// What others do to it.
    fn look_outside(&self, now: Timestamp, found: &mut BTreeMap<Sign, String>) {
        if let Some(why) = self.pipeline.health().nats() {
            found.insert(Sign::NatsAway, why);
        }
        if !self.pipeline.lease.is_valid() {
            found.insert(Sign::Unheard, "it decides and sends nothing; look at its connection to NATS".to_owned());
        }
        if let Some(why) = self.pipeline.health().redis() {
            found.insert(Sign::RedisAway, why);
        }
        let off = self.pipeline.health().clock_off();
        if off.0.abs() > self.settings.clock_off_max.0 {
            let side = if off.0 > 0 { "before" } else { "behind" };
            let figures = format!("ours is {} ms {side} that of the servers with the journal", off.0.abs());
            found.insert(Sign::ClockOff, figures);
        }
        let Trouble { unsafe_settings, fills_up } = self.pipeline.health().streams();
        found.extend(unsafe_settings.map(|why| (Sign::StreamUnsafe, why)));
        found.extend(fills_up.map(|why| (Sign::StreamFills, why)));
        let states = self.pipeline.courier.delivery().map(|delivery| delivery.states()).unwrap_or_default();
        for (receiver, state) in states {
            if let Some(why) = state.locked_out {
                found.entry(Sign::ReceiverLocked).or_insert(format!("receiver {receiver}: {why}"));
            }
            let Some(since) = state.fails_since.filter(|since| now.since(*since) > self.settings.notices_wait_max)
            else {
                continue;
            };
            let (waiting, why) = (state.waiting, state.last_failure.unwrap_or_default());
            let figures = format!("receiver {receiver} fails since {since}, {waiting} wait: {why}");
            found.entry(Sign::NoticesWait).or_insert(figures);
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
        event.title = sign.title().kept().into();
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
