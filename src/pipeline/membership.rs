//! Who is there: each instance tells the others once a second that it lives, and all of them work out from that whose turn
//! each partition is. A wrong guess costs a refused commit, never a wrong decision: the outbox is what decides.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::{HeaderMap, Subscriber};
use futures::StreamExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::health::Health;
use super::lease::{Duty, Lease};
use super::turns::assigned;
use crate::domain::time::Span;
use crate::journal::jetstream::stream_name;
use crate::nats::NatsError;
use crate::nats::connect::Nats;
use crate::nats::publish::{Outgoing, PublishError, publish};
use crate::nats::settings::is_token;
use crate::nats::streams::{Keeping, Stored, Wanted, Which, ask, ensure, subjects};

/// How often an instance says that it lives.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// Silence after which the others take an instance for dead.
const DEAD_AFTER: Duration = Duration::from_secs(5);
/// How long an instance trusts that the others take it for alive: less, so that it stops before another one begins.
const TRUSTED_FOR: Duration = Duration::from_secs(4);

/// What an instance does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Takes events in, over HTTP and NATS.
    Intake,
    /// Decides.
    Engine,
    /// Tells receivers.
    Delivery,
    /// Serves API and console.
    Api,
}

/// The section `cluster` of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ClusterSettings")]
pub struct Settings {
    /// Whether the journal is on the NATS servers.
    pub on: bool,
    /// This instance's name; empty: the host's.
    pub instance: String,
    /// Begins the names of streams and subjects.
    pub prefix: String,
    pub roles: BTreeSet<Role>,
}

impl Settings {
    /// Whether this instance has a role; one that is alone has all.
    pub fn has(&self, role: Role) -> bool {
        !self.on || self.roles.contains(&role)
    }

    /// What cannot be as it is: key, what is wrong, what to write.
    pub fn faults(&self) -> Vec<(String, String, &'static str)> {
        let mut faults = Vec::new();
        if self.on && self.roles.is_empty() {
            let remedy = "name some of intake, engine, delivery, api";
            faults.push(("cluster.roles".into(), "this instance would do nothing".into(), remedy));
        }
        if !is_token(&self.prefix) {
            let what = format!("{:?} cannot begin a subject", self.prefix);
            faults.push(("cluster.prefix".into(), what, "use letters, digits, `-` and `_`"));
        }
        if !self.instance.is_empty() && !is_token(&self.instance) {
            let what = format!("{:?} cannot be part of a subject", self.instance);
            faults.push(("cluster.instance".into(), what, "use letters, digits, `-` and `_`"));
        }
        faults
    }

    /// This instance's name.
    pub fn name(&self) -> String {
        if !self.instance.is_empty() {
            return self.instance.clone();
        }
        let host = rustix::system::uname();
        let host = host.nodename().to_string_lossy().replace(|c: char| !is_token(&c.to_string()), "-");
        if host.is_empty() { "headwater".to_owned() } else { host }
    }
}

/// What an instance says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Beat {
    instance: String,
    /// Tells two apart that have the same name.
    mark: String,
    roles: BTreeSet<Role>,
    /// It takes its leave with `false`.
    is_here: bool,
}

/// Somebody else as it was seen last.
struct Seen {
    seq: u64,
    at: Instant,
    is_late: bool,
}

/// Why this instance cannot take part.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    #[error("another instance named {0:?} is running; set cluster.instance to a name of its own")]
    NameTaken(String),
    #[error(transparent)]
    Nats(#[from] NatsError),
}

/// This instance among the others.
pub struct Membership {
    nats: Nats,
    stream: String,
    prefix: String,
    beat: Beat,
    /// Where our last beat stands.
    seq: u64,
    seen: BTreeMap<String, Seen>,
    lease: Arc<Lease>,
    health: Arc<Health>,
}

/// Takes an instance's leave.
pub struct Leave {
    told: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Leave {
    /// Tells the others at once that they may take over.
    pub async fn leave(self) {
        // When the task has ended, nobody needs to be told.
        let _ = self.told.send(true);
        if timeout(DEAD_AFTER, self.task).await.is_err() {
            tracing::warn!("the others were not told that this instance leaves: they notice in a few seconds");
        }
    }
}

impl Membership {
    /// Takes a name that nobody else has. `mark` is the same at every start of this instance.
    ///
    /// # Errors
    /// When somebody else has the name, or NATS is away.
    pub async fn join(
        nats: Nats,
        settings: &Settings,
        replicas: usize,
        mark: String,
        lease: Arc<Lease>,
    ) -> Result<Self, MembershipError> {
        let stream = stream_name(&settings.prefix, "instances");
        let subjects = vec![format!("{}.instance.*", settings.prefix)];
        ensure(&nats, &Wanted { name: stream.clone(), subjects, keeping: Keeping::Newest, replicas }).await?;
        let beat = Beat { instance: settings.name(), mark, roles: settings.roles.clone(), is_here: true };
        let (prefix, seen, health) = (settings.prefix.clone(), BTreeMap::new(), Arc::default());
        let mut membership = Self { nats, stream, prefix, beat, seq: 0, seen, lease, health };
        membership.take_name().await?;
        Ok(membership)
    }

    fn subject(&self, of: &str) -> String {
        format!("{}.instance.{of}", self.prefix)
    }

    fn nudge(&self) -> String {
        format!("{}.nudge", self.prefix)
    }

    /// Waits until nobody else uses the name.
    async fn take_name(&mut self) -> Result<(), MembershipError> {
        let subject = self.subject(&self.beat.instance);
        let mut first: Option<(u64, Instant)> = None;
        loop {
            let Some((stored, beat)) = self.last(&subject).await? else { return Ok(()) };
            self.seq = stored.seq;
            if beat.is_none_or(|beat| beat.mark == self.beat.mark || !beat.is_here) {
                return Ok(());
            }
            match first {
                None => first = Some((stored.seq, Instant::now())),
                Some((seq, _)) if seq != stored.seq => {
                    return Err(MembershipError::NameTaken(self.beat.instance.clone()));
                }
                Some((_, at)) if at.elapsed() > DEAD_AFTER => return Ok(()),
                Some(_) => {}
            }
            sleep(BEAT_EVERY / 2).await;
        }
    }

    /// The last beat under a subject; one that cannot be read is nobody's.
    async fn last(&self, subject: &str) -> Result<Option<(Stored, Option<Beat>)>, NatsError> {
        let last = ask(&self.nats, &self.stream, Which::Last(subject)).await?;
        Ok(last.map(|stored| {
            let beat = serde_json::from_slice(&stored.body).ok();
            (stored, beat)
        }))
    }

    /// Takes part from now on, until the leave is taken.
    ///
    /// # Errors
    /// When NATS is away.
    pub async fn start(mut self, health: Arc<Health>) -> Result<Leave, MembershipError> {
        let nudges = self.nats.client.subscribe(self.nudge()).await.map_err(NatsError::away)?;
        self.health = health;
        let (told, stop) = watch::channel(false);
        let task = tokio::spawn(self.run(nudges, stop));
        Ok(Leave { told, task })
    }

    async fn run(mut self, mut nudges: Subscriber, mut stop: watch::Receiver<bool>) {
        let mut is_failing = false;
        // Whoever cannot decide any more must not stand in the way of others.
        while !*stop.borrow() && self.health.failure().is_none() {
            let began = Instant::now();
            // An answer that comes too late is none: what it says was true before.
            let outcome = timeout(TRUSTED_FOR, self.take_part(began))
                .await
                .unwrap_or_else(|_| Err(MembershipError::Nats(NatsError::away("no answer in time"))));
            match outcome {
                Ok(()) if std::mem::take(&mut is_failing) => tracing::info!("the others hear of this instance again"),
                Ok(()) => {}
                Err(error) => {
                    if matches!(error, MembershipError::NameTaken(_)) {
                        self.lease.end();
                    }
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::warn!(%error, "the others do not hear of this instance, trying again");
                    }
                }
            }
            tokio::select! {
                () = sleep(BEAT_EVERY.saturating_sub(began.elapsed())) => {}
                _ = nudges.next() => {}
                _ = stop.changed() => {}
            }
        }
        self.lease.end();
        self.beat.is_here = false;
        if let Err(error) = self.tell().await {
            tracing::warn!(%error, "the others were not told that this instance leaves: they notice in a few seconds");
        }
        self.wake_others().await;
    }

    async fn wake_others(&self) {
        // Without it they look within a second.
        let _ = self.nats.client.publish(self.nudge(), bytes::Bytes::new()).await;
        let _ = self.nats.client.flush().await;
    }

    /// Tells that this instance lives, and looks who else does.
    async fn take_part(&mut self, began: Instant) -> Result<(), MembershipError> {
        let is_new = !self.lease.is_valid();
        self.tell().await?;
        let beats = self.look().await?;
        let with = |role: Role| beats.iter().filter(move |beat| beat.roles.contains(&role));
        let names = |role: Role| with(role).map(|beat| beat.instance.as_str()).collect::<BTreeSet<_>>();
        let me = self.beat.instance.as_str();
        let of = |role: Role| assigned(&names(role), me);
        let duty = Duty { decides: of(Role::Engine), sends: of(Role::Delivery), watches: of(Role::Intake) };
        // In this order: nobody may take a duty of before for today's.
        self.lease.assign(duty);
        self.lease.renew(began, TRUSTED_FOR);
        self.health.note_instances(beats.iter().map(|beat| beat.instance.clone()).collect());
        if is_new {
            self.wake_others().await;
        }
        Ok(())
    }

    async fn tell(&mut self) -> Result<(), MembershipError> {
        let subject = self.subject(&self.beat.instance);
        loop {
            let body = serde_json::to_vec(&self.beat).expect("a beat has text keys only");
            let headers = HeaderMap::new();
            let message = Outgoing { subject: subject.clone(), headers, body: body.into(), behind: Some(self.seq) };
            match publish(&self.nats, &self.stream, message).await {
                Ok(seq) => {
                    self.seq = seq;
                    return Ok(());
                }
                Err(PublishError::WentOn) => {}
                Err(error) => return Err(NatsError::away(error).into()),
            }
            // Our own beat of which no answer came, or somebody else with our name.
            let last = self.last(&subject).await?;
            self.seq = last.as_ref().map_or(0, |(stored, _)| stored.seq);
            if last.and_then(|(_, beat)| beat).is_some_and(|beat| beat.mark != self.beat.mark && beat.is_here) {
                return Err(MembershipError::NameTaken(self.beat.instance.clone()));
            }
        }
    }

    /// Everyone who lives. Somebody who is seen for the first time is judged by the server's clock, everybody else by
    /// ours.
    async fn look(&mut self) -> Result<Vec<Beat>, NatsError> {
        let all = subjects(&self.nats, &self.stream, &self.subject("*")).await?;
        let mut beats = Vec::with_capacity(all.len());
        let mut mine = None;
        for subject in all {
            let Some((stored, Some(beat))) = self.last(&subject).await? else { continue };
            if beat.instance == self.beat.instance {
                mine = Some(stored.stamp);
            }
            beats.push((stored, beat));
        }
        let now = mine.ok_or_else(|| NatsError::away("our own beat is not there"))?;
        // It was written a moment ago.
        self.health.note_clock(crate::clock::machine()().since(now));
        let dead_after = Span(DEAD_AFTER.as_millis() as i64);
        let mut alive = Vec::new();
        for (stored, beat) in beats {
            let fresh = Seen { seq: stored.seq, at: Instant::now(), is_late: false };
            let seen = self.seen.entry(beat.instance.clone()).or_insert_with(|| Seen {
                is_late: now.since(stored.stamp) > dead_after,
                seq: stored.seq,
                ..fresh
            });
            if seen.seq != stored.seq {
                *seen = Seen { seq: stored.seq, at: Instant::now(), is_late: false };
            }
            let is_me = beat.instance == self.beat.instance;
            if beat.is_here && (is_me || (!seen.is_late && seen.at.elapsed() < DEAD_AFTER)) {
                alive.push(beat);
            }
        }
        Ok(alive)
    }
}
