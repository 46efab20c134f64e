//! The live view in Redis, for other programs: follows the view in memory, and makes what is missing, unsound or too old
//! again from it. It decides nothing; losing it costs some seconds of writing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};

use crate::clock::Clock;
use crate::domain::ids::{IncidentId, TenantId};
use crate::domain::time::{Span, Timestamp};
use crate::projection::feed::{Change, FeedItem};
use crate::projection::live::Live;
use crate::projection::shared::{Shown, numbers, shown};
use crate::shared::values::{Least, Listed, META, Older, Row, Values};
use crate::shared::{Away, Shared};

/// How long changes are gathered before they are written together.
const GATHER: Duration = Duration::from_millis(50);
/// How often it is looked whether what is there is right.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_millis(500);
/// Values in one call. A call must not keep Redis busy for long.
const VALUES_AT_ONCE: usize = 50;
const CHECKED_AT_ONCE: usize = 100;
/// Values that are checked in one look; with more, several looks go round.
const CHECKED_MAX: usize = 4_000;
/// So long values stay when nobody looks after them.
const LIVES_SECS: i64 = 3600;
/// The index may have so many members more than it should before it is thrown away instead of read.
const STRANGE_MEMBERS_MAX: usize = 1_000;
/// When values have been ahead of us for so long, nobody has written them who is further than we are.
const AHEAD_MAX: Duration = Duration::from_secs(30);

/// What was done, since the start.
#[derive(Debug, Default)]
pub struct ViewCounts {
    /// Values that were written because something had changed.
    pub written: AtomicU64,
    /// How often a tenant's values were all made again.
    pub rebuilt: AtomicU64,
    /// Single values and members of indexes that were put right.
    pub mended: AtomicU64,
}

/// Who else writes the same values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// Nobody: this is the only instance. What says that it is newer is wrong.
    None,
    /// Instances that follow the same outbox, and may be ahead of us.
    Some,
}

/// What one tenant has in Redis, as far as we have written it.
#[derive(Default)]
struct Written {
    /// The newest outbox record that we have said.
    seq: u64,
    incidents: BTreeMap<IncidentId, Put>,
    /// Since when somebody seems to be ahead of us.
    ahead: Option<Instant>,
    /// Where the next check begins.
    checked: Option<IncidentId>,
}

#[derive(Clone, Copy)]
struct Put {
    seq: u64,
    score: Option<i64>,
    ended_at: Option<Timestamp>,
}

/// Follows the view in memory.
pub struct View {
    live: Arc<Live>,
    shared: Arc<Shared>,
    clock: Clock,
    closed: Span,
    others: Others,
    counts: Arc<ViewCounts>,
    tenants: BTreeMap<TenantId, Written>,
}

impl View {
    /// Begins with nothing written.
    pub fn new(live: Arc<Live>, shared: Arc<Shared>, clock: Clock, others: Others) -> Self {
        let closed = Span::hours(i64::from(shared.settings.view_closed_hours));
        Self { live, shared, clock, closed, others, counts: Arc::default(), tenants: BTreeMap::new() }
    }

    /// Counts where others can see it.
    pub fn counting(self, counts: Arc<ViewCounts>) -> Self {
        Self { counts, ..self }
    }

    /// Follows until the future is dropped or the program stops.
    pub async fn run(mut self) {
        let mut in_use = self.shared.watch();
        let mut why = "the program has started";
        while in_use.wait_for(|is_in_use| *is_in_use).await.is_ok() {
            // From here on nothing is missed: what changes now comes as a change.
            let changes = self.live.feed.subscribe(None).changes;
            why = match self.follow(changes, why).await {
                Ok(Ended::ByTheFeed) => return,
                Ok(Ended::ByTooMuch) => "changes came faster than they were written",
                Err(Away) => "a call to Redis has failed",
            };
            // A single call may have failed: then the breaker is still closed.
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn follow(&mut self, mut changes: Receiver<Arc<FeedItem>>, why: &'static str) -> Result<Ended, Away> {
        for tenant in self.all_tenants() {
            self.rebuild(&tenant, why).await?;
        }
        let mut look_at = Instant::now() + LOOK_EVERY;
        loop {
            match gather(&mut changes, look_at).await {
                Gathered::Changed(changed) => {
                    for (tenant, incidents) in changed {
                        let incidents: Vec<IncidentId> = incidents.into_iter().collect();
                        self.put(&tenant, &incidents, Older::GivesWay).await?;
                        self.counts.written.fetch_add(incidents.len() as u64, Ordering::Relaxed);
                    }
                }
                Gathered::Ended(ended) => return Ok(ended),
            }
            if Instant::now() >= look_at {
                for tenant in self.all_tenants() {
                    self.mend(&tenant).await?;
                    self.put(&tenant, &[], Older::GivesWay).await?;
                }
                look_at = Instant::now() + LOOK_EVERY;
            }
        }
    }

    fn all_tenants(&self) -> Vec<TenantId> {
        self.live.read().tenants().map(|(id, _)| id.clone()).collect()
    }

    fn written(&mut self, tenant: &TenantId) -> &mut Written {
        self.tenants.entry(tenant.clone()).or_default()
    }

    fn values(&self, tenant: &TenantId) -> Values {
        Values::of(&self.shared, tenant.as_str(), LIVES_SECS)
    }

    /// Writes incidents as they are now, and first of all the counts and how far everything is: whoever finds a mark of
    /// our own age or younger need not look for what is older. All of it is taken from the view at one moment, once:
    /// the engine waits for who reads there.
    async fn put(&mut self, tenant: &TenantId, incidents: &[IncidentId], older: Older) -> Result<(), Away> {
        let now = (self.clock)();
        let (seq, shown, numbers) = {
            let state = self.live.read();
            let Some(view) = state.tenant(tenant) else { return Ok(()) };
            let known = incidents.iter().filter_map(|id| view.board.get(*id));
            let shown: Vec<Shown> = known.map(|incident| Shown::new(&incident.view)).collect();
            (view.incidents_seq, shown, numbers(tenant, view, state.stamp, now))
        };
        let values = self.values(tenant);
        let marks = [number(META, numbers.meta), number("counts", numbers.counts)];
        values.put(seq, older, &marks).await?;
        for chunk in shown.chunks(VALUES_AT_ONCE) {
            let rows: Vec<Row> = chunk.iter().map(|shown| row(shown, self.closed, now)).collect();
            values.put(seq, older, &rows).await?;
        }
        let written = self.written(tenant);
        written.seq = written.seq.max(seq);
        for Shown { id, score, ended_at, .. } in shown {
            written.incidents.insert(id, Put { seq, score, ended_at });
        }
        Ok(())
    }

    /// Writes everything of a tenant.
    async fn rebuild(&mut self, tenant: &TenantId, why: &'static str) -> Result<(), Away> {
        let older = self.older();
        self.rebuild_as(tenant, why, older).await?;
        self.mend(tenant).await
    }

    fn older(&self) -> Older {
        match self.others {
            Others::None => Older::Wins,
            Others::Some => Older::GivesWay,
        }
    }

    async fn rebuild_as(&mut self, tenant: &TenantId, why: &'static str, older: Older) -> Result<(), Away> {
        let now = (self.clock)();
        let all = {
            let state = self.live.read();
            state.tenant(tenant).map(|view| shown(view, now, self.closed)).unwrap_or_default()
        };
        *self.written(tenant) = Written::default();
        let ids: Vec<IncidentId> = all.iter().map(|shown| shown.id).collect();
        self.put(tenant, &ids, older).await?;
        self.counts.rebuilt.fetch_add(1, Ordering::Relaxed);
        tracing::info!(%tenant, incidents = ids.len(), why, "the live view in Redis is made again");
        Ok(())
    }

    /// Compares what is there with what should be, and puts it right.
    async fn mend(&mut self, tenant: &TenantId) -> Result<(), Away> {
        let (now, kept) = ((self.clock)(), self.closed.0 - Span::mins(1).0);
        let written = self.written(tenant);
        written.incidents.retain(|_, put| put.ended_at.is_none_or(|at| now.since(at).0 < kept));
        let open = written.incidents.values().filter(|put| put.score.is_some()).count();
        let found = self.values(tenant).look(open + STRANGE_MEMBERS_MAX).await?;
        let written = self.written(tenant);
        let why = match found.seq {
            None => "its mark is missing or unsound",
            Some(seq) if seq < written.seq => "it is older than what was written",
            Some(seq) if seq > written.seq => return self.ahead(tenant).await,
            Some(_) if found.index.is_none() => {
                let seq = written.seq;
                self.values(tenant).unlist(seq, None).await?;
                "its index has strange members"
            }
            Some(_) => {
                written.ahead = None;
                self.mend_index(tenant, &found.index.unwrap_or_default()).await?;
                return self.mend_values(tenant).await;
            }
        };
        let older = self.older();
        self.rebuild_as(tenant, why, older).await
    }

    /// Somebody has written what comes after what we know.
    async fn ahead(&mut self, tenant: &TenantId) -> Result<(), Away> {
        let patience = match self.others {
            Others::None => Duration::ZERO,
            Others::Some => AHEAD_MAX,
        };
        let since = *self.written(tenant).ahead.get_or_insert_with(Instant::now);
        if since.elapsed() < patience {
            return Ok(());
        }
        self.rebuild_as(tenant, "it says that it is newer than the outbox", Older::Wins).await
    }

    async fn mend_index(&mut self, tenant: &TenantId, index: &BTreeMap<String, i64>) -> Result<(), Away> {
        let written = self.written(tenant);
        let (seq, mut strange) = (written.seq, index.clone());
        let mut missing = Vec::new();
        for (id, put) in &written.incidents {
            let listed = strange.remove(&id.to_string());
            match (listed, put.score) {
                (Some(_), None) => missing.push(*id),
                (listed, Some(score)) if listed != Some(score) => missing.push(*id),
                (Some(_), Some(_)) | (None, _) => {}
            }
        }
        let strange: Vec<String> = strange.into_keys().collect();
        if !strange.is_empty() {
            self.values(tenant).unlist(seq, Some(&strange)).await?;
        }
        self.put_right(tenant, &missing, strange.len()).await
    }

    async fn put_right(&mut self, tenant: &TenantId, wrong: &[IncidentId], more: usize) -> Result<(), Away> {
        if !wrong.is_empty() {
            self.put(tenant, wrong, Older::GivesWay).await?;
        }
        if wrong.len() + more > 0 {
            self.counts.mended.fetch_add((wrong.len() + more) as u64, Ordering::Relaxed);
            tracing::warn!(%tenant, values = wrong.len() + more, "values in Redis were wrong and are put right");
        }
        Ok(())
    }

    /// Checks the incidents' values, some of them in each look.
    async fn mend_values(&mut self, tenant: &TenantId) -> Result<(), Away> {
        let written = self.written(tenant);
        let from = written.checked.take();
        let after = written.incidents.iter().filter(|(id, _)| from.is_none_or(|from| **id > from));
        let due: Vec<(IncidentId, Put)> = after.take(CHECKED_MAX).map(|(id, put)| (*id, *put)).collect();
        let is_whole = due.len() < CHECKED_MAX;
        let mut wrong = Vec::new();
        for chunk in due.chunks(CHECKED_AT_ONCE) {
            let least =
                |(id, put): &(IncidentId, Put)| Least { key: key(*id), seq: put.seq, lives_on: put.score.is_some() };
            let least: Vec<Least> = chunk.iter().map(least).collect();
            let places = self.values(tenant).check(&least).await?;
            wrong.extend(places.into_iter().filter_map(|place| chunk.get(place)).map(|(id, _)| *id));
        }
        self.written(tenant).checked = if is_whole { None } else { due.last().map(|(id, _)| *id) };
        self.put_right(tenant, &wrong, 0).await
    }
}

fn key(incident: IncidentId) -> String {
    format!("incident:{incident}")
}

fn row(shown: &Shown, closed: Span, now: Timestamp) -> Row {
    let lives = |at: Timestamp| (closed.as_secs() - now.since(at).as_secs()).max(1);
    Row {
        key: key(shown.id),
        member: shown.id.to_string(),
        listed: shown.score.map_or(Listed::NotAnyMore, Listed::At),
        data: shown.json(),
        lives_secs: shown.ended_at.map_or(LIVES_SECS, lives),
    }
}

fn number(key: &str, data: String) -> Row {
    Row { key: key.to_owned(), member: String::new(), listed: Listed::Never, data, lives_secs: LIVES_SECS }
}

/// Why following ends.
enum Ended {
    /// The program stops.
    ByTheFeed,
    /// More has changed than was kept.
    ByTooMuch,
}

/// What has changed in a while.
enum Gathered {
    Changed(BTreeMap<TenantId, BTreeSet<IncidentId>>),
    Ended(Ended),
}

/// Waits for a change, not longer than until a moment, and for those that come soon after it.
async fn gather(changes: &mut Receiver<Arc<FeedItem>>, until: Instant) -> Gathered {
    let mut changed: BTreeMap<TenantId, BTreeSet<IncidentId>> = BTreeMap::new();
    let mut end = until;
    loop {
        match timeout_at(end, changes.recv()).await {
            Err(_) => return Gathered::Changed(changed),
            Ok(Err(RecvError::Lagged(_))) => return Gathered::Ended(Ended::ByTooMuch),
            Ok(Err(RecvError::Closed)) => return Gathered::Ended(Ended::ByTheFeed),
            Ok(Ok(item)) => match &item.change {
                Change::Incident { incident, .. } => {
                    if changed.is_empty() {
                        end = Instant::now() + GATHER;
                    }
                    changed.entry(item.tenant.clone()).or_default().insert(incident.id);
                }
                Change::Timeline { .. } | Change::Silence { .. } | Change::Command { .. } => {}
            },
        }
    }
}
