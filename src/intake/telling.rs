//! What was found unusual goes into the journal, and what only time shows is looked for. Both go on side by side: neither a
//! stream of news nor a journal that takes nothing delays a look.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::counters::Origins;
use super::senses::{Senses, State};
use super::sink::SinkError;
use crate::decode::{Counts, Rejected};
use crate::domain::event::Event;
use crate::domain::reject::DeadLetter;
use crate::domain::time::Timestamp;
use crate::engine::input::Batch;

/// Events in one journal record.
const RECORD_EVENTS: usize = 500;
/// Events of a tenant that may wait for the journal; of more, only the last one of each alert is told.
const WAITING_MAX: usize = 10_000;
/// Dead letters that may wait; more are counted and not kept.
const LETTERS_MAX: usize = 100;
/// How often silent series are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How often what was learned is written.
const KEEP_EVERY: Duration = Duration::from_secs(300);
/// The pause when the journal has failed.
const PAUSE: Duration = Duration::from_secs(1);

/// What of a tenant waits for the journal.
#[derive(Default)]
pub(super) struct Waiting {
    pub events: Vec<Event>,
    letters: Vec<DeadLetter>,
}

impl Senses {
    /// Tells what is unusual until the future is dropped.
    pub async fn run(self: &Arc<Self>, now: impl Fn() -> Timestamp) {
        tokio::join!(self.look_always(now), self.tell_always());
    }

    /// Looks for what only time shows, and writes down what was learned.
    async fn look_always(self: &Arc<Self>, now: impl Fn() -> Timestamp) {
        let mut looks = interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut kept_at = Instant::now();
        loop {
            looks.tick().await;
            self.sweep(now());
            self.write_apart(now()).await;
            if kept_at.elapsed() >= KEEP_EVERY {
                kept_at = Instant::now();
                self.keep_apart().await;
            }
        }
    }

    /// Tells what waits, whenever there is something.
    async fn tell_always(&self) {
        loop {
            self.wake.notified().await;
            while let Err(wait) = self.tell().await {
                tokio::time::sleep(wait).await;
            }
        }
    }

    fn sweep(&self, now: Timestamp) {
        let mut state = self.state();
        self.score_lines(&mut state, now);
        state.watch.sweep(now, self.idle);
        let told = state.watch.told();
        self.wait(&mut state, told);
    }

    /// Writes what was learned, beside the runtime's threads.
    async fn keep_apart(self: &Arc<Self>) {
        let own = Arc::clone(self);
        match tokio::task::spawn_blocking(move || own.keep()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "what was learned of series is not kept"),
            Err(error) => tracing::error!(%error, "what was learned of series is not kept"),
        }
    }

    /// Writes readings, beside the runtime's threads.
    async fn write_apart(self: &Arc<Self>, now: Timestamp) {
        let own = Arc::clone(self);
        match tokio::task::spawn_blocking(move || own.write_readings(now)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "readings for later training are not kept"),
            Err(error) => tracing::error!(%error, "readings for later training are not kept"),
        }
    }

    /// These events wait to be told.
    pub(super) fn wait(&self, state: &mut State, told: Vec<Event>) {
        if told.is_empty() {
            return;
        }
        for event in told {
            let waiting = state.waiting.entry(event.tenant.clone()).or_default();
            if waiting.events.len() >= WAITING_MAX {
                waiting.keep_last();
            }
            waiting.events.push(event);
        }
        self.wake.notify_one();
    }

    /// Puts what waits into the journal; an error says how long to wait.
    async fn tell(&self) -> Result<(), Duration> {
        while let Some(batch) = self.next() {
            let rejected: Vec<Rejected> =
                batch.rejected.iter().map(|letter| Rejected { index: 0, letter: letter.clone() }).collect();
            let error = match self.sink.accept(batch.clone()).await {
                Ok(_) => {
                    self.counters.kept(&Origins::of(&batch.events), &rejected, &Counts::default());
                    continue;
                }
                Err(error) => error,
            };
            let mut state = self.state();
            let waiting = state.waiting.entry(batch.tenant).or_default();
            waiting.events.splice(0..0, batch.events);
            waiting.letters.splice(0..0, batch.rejected);
            return Err(match error {
                SinkError::TryLater { wait } => wait,
                SinkError::Failed(cause) => {
                    tracing::error!(cause, "anomalies are not kept yet");
                    PAUSE
                }
            });
        }
        Ok(())
    }

    fn next(&self) -> Option<Batch> {
        let mut state = self.state();
        let State { waiting, learning, .. } = &mut *state;
        let tenant = waiting.keys().find(|tenant| !learning.contains(*tenant))?.clone();
        let mut all = waiting.remove(&tenant)?;
        let rest = all.events.split_off(all.events.len().min(RECORD_EVENTS));
        if !rest.is_empty() {
            waiting.insert(tenant.clone(), Waiting { events: rest, letters: Vec::new() });
        }
        let is_empty = all.events.is_empty() && all.letters.is_empty();
        drop(state);
        let batch = Batch { tenant, events: all.events, rejected: all.letters, replay_of: None };
        if is_empty { self.next() } else { Some(batch) }
    }
}

impl Waiting {
    /// One more letter, unless there are too many.
    pub fn note(&mut self, letter: DeadLetter) {
        if self.letters.len() < LETTERS_MAX {
            self.letters.push(letter);
        }
    }

    /// Of each alert, the last event says how it is.
    pub fn keep_last(&mut self) {
        let mut seen = BTreeSet::new();
        let key = |event: &Event| (event.source.clone(), event.name.clone(), event.object.label().to_owned());
        let mut kept: Vec<Event> = std::mem::take(&mut self.events).into_iter().rev().collect();
        kept.retain(|event| seen.insert(key(event)));
        kept.reverse();
        self.events = kept;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::FutureExt as _;
    use futures::future::BoxFuture;

    use super::*;
    use crate::domain::event::ObjectRef;
    use crate::domain::label::Labels;
    use crate::domain::point::Point;
    use crate::domain::reject::Reject;
    use crate::engine::input::Command;
    use crate::intake::counters::IntakeCounters;
    use crate::intake::settings::Settings;
    use crate::intake::sink::{Accepted, Sink};

    const START: i64 = 1_767_225_600_000;

    /// A journal that takes everything, or nothing.
    #[derive(Default)]
    struct List {
        told: Mutex<Vec<String>>,
        is_full: bool,
    }

    impl Sink for List {
        fn accept(&self, batch: Batch) -> BoxFuture<'_, Result<Accepted, SinkError>> {
            let lines = batch.events.iter().map(|event| format!("{:?} {}", event.status, event.name));
            self.told.lock().unwrap().extend(lines);
            let busy = Err(SinkError::TryLater { wait: Duration::from_secs(5) });
            async move { if self.is_full { busy } else { Ok(Accepted { seq: 1, first: 0 }) } }.boxed()
        }

        fn order(&self, _: Command) -> BoxFuture<'_, Result<(), SinkError>> {
            async { Ok(()) }.boxed()
        }
    }

    /// A series with a reading a minute for an hour, and then none for half an hour in which there is other news every twenty
    /// seconds; told: what the journal got of it, and what was written to the daybook.
    async fn half_an_hour_without_readings(is_full: bool) -> (Vec<String>, usize) {
        let list = Arc::new(List { is_full, ..List::default() });
        let mut settings = Settings::default();
        settings.anomalies.kept_series = 10;
        let senses = Arc::new(Senses::new(&settings, list.clone(), Arc::<IntakeCounters>::default()));
        let folder = tempfile::tempdir().unwrap();
        senses.keep_readings(folder.path());
        let (tenant, source) = ("t".into(), "probe".into());
        for minute in 0..60 {
            let at = Timestamp(START + minute * 60_000);
            let point = Point {
                name: "latency".into(),
                object: ObjectRef { name: Some("web".into()), ..ObjectRef::default() },
                labels: Labels::default(),
                value: 10.0 + (minute % 3) as f64,
                at,
                unit: None,
                aspect: None,
                measure: None,
                worse: None,
                is_counter: false,
            };
            senses.take(&tenant, &source, &[point], at);
        }
        let began = Instant::now();
        let now = move || Timestamp(START + 59 * 60_000 + began.elapsed().as_millis() as i64);
        let news = async {
            for _ in 0..90 {
                tokio::time::sleep(Duration::from_secs(20)).await;
                let why = Reject::Malformed("not a number".into());
                let (source, raw, decoder) = (source.clone(), "x".into(), "points".into());
                senses.reject(&tenant, DeadLetter { source, why, raw, decoder, received_at: now() });
            }
        };
        tokio::select! {
            () = news => {}
            () = senses.run(now) => unreachable!("it goes on for ever"),
        }
        let written = std::fs::read_dir(folder.path()).unwrap().count();
        let told = list.told.lock().unwrap().clone();
        (told, written)
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_of_news_delays_no_look() {
        assert_eq!(half_an_hour_without_readings(false).await, (vec!["Firing no-data".to_owned()], 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_journal_that_takes_nothing_delays_no_look() {
        let (told, written) = half_an_hour_without_readings(true).await;
        assert!(told.contains(&"Firing no-data".to_owned()) && written == 1, "{told:?} {written}");
    }
}
