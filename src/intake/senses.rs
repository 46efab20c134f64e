//! Points become anomaly events here: they are scored as they come, and only what is unusual goes into the journal, like any
//! other event. What is known of series is in memory, and in a file for the next start of this instance. It may be lost: then,
//! or when another instance takes a source over, it is learned anew, from the points that the stream still has.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use futures::future::BoxFuture;
use tokio::sync::Notify;

use super::counters::IntakeCounters;
use super::daybook::Daybook;
use super::handing::Hands;
use super::settings::{Anomalies, Settings};
use super::sink::{Sink, SinkError};
use super::telling::Waiting;
use crate::detect::anomaly::Kind;
use crate::detect::envelope::Unread;
use crate::detect::log::watch::{FRESH, Logs};
use crate::detect::pace::Pace;
use crate::detect::rates::{Ended, Rates, Told};
use crate::detect::watch::{Limits, Taken, Watch};
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::line::LogLine;
use crate::domain::point::Point;
use crate::domain::reject::DeadLetter;
use crate::domain::series::{SeriesChart, SeriesQuery, SeriesView};
use crate::domain::time::{Span, Timestamp};
use crate::domain::title::FRESH_LINE;
use crate::engine::memory::OWN_SOURCE;
use crate::private;

/// The way of points that come over HTTP, where others may be the ones who watch their series.
pub trait Road: Send + Sync {
    /// Returns once the points are kept for whoever watches them.
    fn send(
        &self,
        tenant: &TenantId,
        source: &SourceId,
        points: Vec<Point>,
    ) -> BoxFuture<'static, Result<(), SinkError>>;
    /// The same for log lines.
    fn send_lines(
        &self,
        tenant: &TenantId,
        source: &SourceId,
        lines: Vec<LogLine>,
    ) -> BoxFuture<'static, Result<(), SinkError>>;
}

/// Watches series and tells what is unusual.
pub struct Senses {
    state: Mutex<State>,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) counters: Arc<IntakeCounters>,
    pub(super) idle: Span,
    pub(super) wake: Notify,
    /// Set once, where several instances share the work.
    road: OnceLock<OnceLock<Arc<dyn Road>>>,
    /// The file with what was learned.
    memory: OnceLock<PathBuf>,
    watches_rates: bool,
    /// What scoring a point may cost; 0: anything.
    pub(super) point_us_max: u32,
    /// Where readings are kept, to make models from.
    daybook: OnceLock<Daybook>,
    kept_days: u16,
}

pub(super) struct State {
    pub watch: Watch,
    pub pace: Pace,
    pub logs: Logs,
    /// Tenants whose model cannot be used, and why.
    pub faults: BTreeMap<TenantId, String>,
    pub waiting: BTreeMap<TenantId, Waiting>,
    /// Tenants whose kept points are being read again: of them, nothing is told before that is done.
    pub learning: BTreeSet<TenantId>,
    rates: Rates,
    pub hands: Hands,
}

/// Where points of HTTP go.
pub enum Way<'a> {
    /// Their series are watched here.
    Here,
    Road(&'a Arc<dyn Road>),
    /// There is none at present.
    Closed,
}

impl Senses {
    /// Watches as many series as the settings allow.
    pub fn new(settings: &Settings, sink: Arc<dyn Sink>, counters: Arc<IntakeCounters>) -> Self {
        let Anomalies { trigger, told_from, silent_gaps, alert_rates, kept_series, .. } = settings.anomalies;
        let limits = Limits { series_max: settings.series_max, trigger, told_from, silent_gaps, kept_series };
        let state = State {
            watch: Watch::new(limits),
            pace: Pace::default(),
            logs: Logs::new(settings.log_templates_max),
            faults: BTreeMap::new(),
            waiting: BTreeMap::new(),
            learning: BTreeSet::new(),
            rates: Rates::new(OWN_SOURCE),
            hands: Hands::default(),
        };
        let idle = Span::secs(i64::from(settings.series_idle_secs));
        Self {
            state: Mutex::new(state),
            sink,
            counters,
            idle,
            wake: Notify::new(),
            road: OnceLock::new(),
            memory: OnceLock::new(),
            watches_rates: alert_rates,
            point_us_max: settings.anomalies.point_us_max,
            daybook: OnceLock::new(),
            kept_days: settings.anomalies.kept_days,
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many series are watched.
    pub fn series(&self) -> usize {
        self.state().watch.series()
    }

    /// From now on points of HTTP are sent on, as soon as there is a road.
    pub fn share(&self) {
        // Whoever comes second says the same.
        let _ = self.road.set(OnceLock::new());
    }

    /// The road, where points are sent on.
    pub fn lead(&self, road: Arc<dyn Road>) {
        if let Some(place) = self.road.get() {
            // The first one goes on for as long as the program does.
            let _ = place.set(road);
        }
    }

    /// Where points of HTTP go.
    pub fn way(&self) -> Way<'_> {
        match self.road.get().map(OnceLock::get) {
            None => Way::Here,
            Some(Some(road)) => Way::Road(road),
            Some(None) => Way::Closed,
        }
    }

    /// Whether an alert of this name and title is one of ours: monitors have a `no-data` of their own, which ours must not end.
    pub fn tells(alert: &str, title: &str) -> bool {
        let is_line = || alert == FRESH && FRESH_LINE.before(title).is_some_and(str::is_empty);
        is_line() || Kind::named(alert).is_some_and(|kind| kind.titles(title))
    }

    /// An alert of ours that stands when a source begins to be watched here: its end is told when it is over.
    pub fn stood_before(&self, tenant: &TenantId, source: &SourceId, (alert, object): (&str, &str), now: Timestamp) {
        let mut state = self.state();
        if alert == FRESH {
            state.logs.stood_before(tenant, source, object, now);
        } else {
            state.watch.stood_before((tenant.clone(), source.clone()), (alert, object), now);
        }
    }

    /// Takes up what was learned of series and of log lines before the last stop, and keeps it from now on: in this file, and in
    /// one beside it. A file that cannot be read is left aside: all is learned anew.
    pub fn remember(&self, file: &Path, now: Timestamp) {
        // Only the first call counts: there is one folder.
        let _ = self.memory.set(file.to_owned());
        recall(file, "series", |bytes| {
            let State { watch, rates, .. } = &mut *self.state();
            let known = watch.recall(bytes, now)?;
            watch.tell_rates(rates);
            Ok(known)
        });
        recall(&beside(file), "log templates", |bytes| self.state().logs.recall(bytes));
    }

    /// Keeps readings of a sample of series in this folder from now on.
    pub fn keep_readings(&self, folder: &Path) {
        // Only the first call counts: there is one folder.
        let _ = self.daybook.set(Daybook::of(folder, self.kept_days));
    }

    /// Writes the readings that were kept since the last time. Blocks.
    ///
    /// # Errors
    /// When the folder cannot be written; those readings are lost.
    pub fn write_readings(&self, now: Timestamp) -> std::io::Result<()> {
        let (lines, lost) = self.state().watch.lines();
        if lost > 0 {
            tracing::warn!(lost, "readings for later training came faster than they are written");
        }
        self.daybook.get().map_or(Ok(()), |book| book.write(&lines, now))
    }

    /// Writes what was learned, where that is kept. Blocks.
    ///
    /// # Errors
    /// When the file cannot be written; the one before stays.
    pub fn keep(&self) -> std::io::Result<()> {
        let Some(file) = self.memory.get() else { return Ok(()) };
        let (series, lines) = {
            let state = self.state();
            (state.watch.keep(), state.logs.keep())
        };
        write_whole(file, &series)?;
        write_whole(&beside(file), &lines)
    }

    /// A tenant's series that are asked for, and how many there are.
    pub fn shown(&self, tenant: &TenantId, query: &SeriesQuery) -> (Vec<SeriesView>, usize) {
        self.state().watch.shown(tenant, query)
    }

    /// A series and its last readings.
    pub fn chart(&self, tenant: &TenantId, id: &str) -> Option<SeriesChart> {
        self.state().watch.chart(tenant, id)
    }

    /// Whether the rates of alerts are watched.
    pub const fn watches_rates(&self) -> bool {
        self.watches_rates
    }

    /// A minute of events of others has ended: how many there were becomes readings of those sources that are watched here.
    pub fn close_minute(&self, ended: &Ended, is_mine: impl Fn(&TenantId, &SourceId) -> bool, now: Timestamp) {
        let mut state = self.state();
        let Told { readings, left } = state.rates.close(ended);
        for (tenant, source, point) in readings.iter().filter(|(tenant, source, _)| is_mine(tenant, source)) {
            state.watch.take(tenant, source, point, now);
        }
        left.iter().for_each(|one| state.watch.leave(one));
        let told = state.watch.told();
        self.wait(&mut state, told);
    }

    /// Scores points that came at `now`; returns the places of those that would begin one series too many.
    pub fn take(&self, tenant: &TenantId, source: &SourceId, points: &[Point], now: Timestamp) -> Vec<usize> {
        let mut refused = Vec::new();
        let mut state = self.state();
        let began = Instant::now();
        for (place, point) in points.iter().enumerate() {
            let taken = state.watch.take(tenant, source, point, now);
            self.counters.point(taken);
            if taken == Taken::Refused {
                refused.push(place);
            }
        }
        let spent = began.elapsed();
        let told = state.watch.told();
        self.wait(&mut state, told);
        drop(state);
        self.keep_pace(points.len(), spent, now);
        refused
    }

    /// Points that could not be read, as one dead letter.
    pub fn reject(&self, tenant: &TenantId, letter: DeadLetter) {
        let mut state = self.state();
        if state.learning.contains(tenant) {
            return;
        }
        state.waiting.entry(tenant.clone()).or_default().note(letter);
        drop(state);
        self.wake.notify_one();
    }

    /// Forgets the series, templates and alerts of sources that somebody else watches from now on.
    pub fn give_away(&self, is_gone: impl Fn(&TenantId, &SourceId) -> bool) {
        let mut state = self.state();
        let State { watch, logs, hands, waiting, learning, .. } = &mut *state;
        hands.pack(watch, &is_gone);
        watch.forget(&is_gone);
        logs.forget(&is_gone);
        // Nothing that is half known may be told.
        for (_, waiting) in waiting.iter_mut().filter(|(tenant, _)| learning.contains(*tenant)) {
            waiting.events.retain(|event| !is_gone(&event.tenant, &event.source));
        }
    }

    /// Sources of a tenant begin to be watched whose kept points are still to be read: until then nothing is told of it.
    pub fn begin(&self, tenant: &TenantId) {
        self.state().learning.insert(tenant.clone());
    }

    /// The kept points of a tenant have been read: what of it is unusual is told now, and the last end of everything else.
    pub fn caught_up(&self, tenant: &TenantId) {
        let mut state = self.state();
        state.learning.remove(tenant);
        if let Some(waiting) = state.waiting.get_mut(tenant) {
            waiting.keep_last();
        }
        drop(state);
        self.wake.notify_one();
    }
}

/// Where templates of log lines are kept, beside the series.
fn beside(file: &Path) -> PathBuf {
    file.with_file_name("lines.bin")
}

fn recall(file: &Path, what: &str, take: impl FnOnce(&[u8]) -> Result<usize, Unread>) {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        Err(error) => {
            tracing::warn!(file = %file.display(), %error, "what was learned is not read");
            return;
        }
    };
    match take(&bytes) {
        Ok(count) => tracing::info!(count, what, "what was learned is known again"),
        Err(error) => {
            let aside = file.with_extension("refused");
            tracing::warn!(file = %file.display(), %error, what, "learned anew; the file is moved to *.refused");
            if let Err(error) = std::fs::rename(file, &aside) {
                tracing::warn!(file = %aside.display(), %error, "the file could not be moved");
            }
        }
    }
}

fn write_whole(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let unfinished = file.with_extension("part");
    let mut out = private::options().truncate(true).open(&unfinished)?;
    out.write_all(bytes)?;
    out.sync_all()?;
    std::fs::rename(unfinished, file)
}
