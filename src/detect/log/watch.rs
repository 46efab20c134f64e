//! Lines become readings: how many lines of each template an object writes a minute. A template that was never seen, after a
//! program has been listened to for long, is told.

use std::collections::{BTreeMap, VecDeque};

use sha2::{Digest as _, Sha256};

use super::templates::{Read, TemplateId, Templates};
use crate::domain::event::{Event, EventType, ObjectRef, Signal, Status};
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::label::Labels;
use crate::domain::line::LogLine;
use crate::domain::point::{Aspect, Measure, Point, Worse};
use crate::domain::severity::Severity;
use crate::domain::time::{Span, Timestamp};
use crate::domain::title;

/// The metric's name.
pub const LINES: &str = "log_lines_per_minute";
/// The alert's name.
pub const FRESH: &str = "new-log-template";
/// Programs of all sources; lines of further ones are counted together, under no program.
const PROGRAMS_MAX: usize = 500;
/// Objects and templates of a program that are counted each by itself.
const PAIRS_MAX: usize = 2_000;
/// A program's templates are known when so many lines came in so long a time.
const KNOWN_LINES: u64 = 500;
const KNOWN_AFTER: Span = Span::mins(30);
/// New templates of a program that are told within an hour.
const TOLD_MAX: usize = 20;
const HOUR: Span = Span::hours(1);
/// So long after the last new template of an object its alert ends.
const ENDS_AFTER: Span = Span::mins(30);
/// A count that was zero for so many minutes is forgotten.
const IDLE_MINUTES: u16 = 720;
const MINUTE: Span = Span::mins(1);
/// Minutes that are made up for at most: a longer pause is no series of zeros.
const MISSED_MAX: i64 = 120;
/// Characters of a template in a label.
const LABEL_CHARS: usize = 120;
/// Characters of a line in an event.
const LINE_CHARS: usize = 500;
/// Words of lines that tell of trouble.
const TROUBLE: [&str; 12] = [
    "error",
    "fail",
    "fatal",
    "panic",
    "exception",
    "refused",
    "denied",
    "timeout",
    "timed out",
    "corrupt",
    "错误",
    "失败",
];

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Counted,
    /// It is of a template that was never seen, and that is told.
    Fresh,
    /// There are too many templates: it counts with all lines of its object only.
    Other,
}

type Whose = (TenantId, SourceId);

/// The programs of all sources.
#[derive(Debug)]
pub struct Logs {
    templates_max: usize,
    pub(super) programs: BTreeMap<(Whose, Box<str>), Program>,
    minute: Option<i64>,
    /// Objects whose alert stands, and when a new template came last.
    standing: BTreeMap<(Whose, Box<str>), (ObjectRef, Timestamp)>,
    told: Vec<Event>,
}

/// What is known of a program.
#[derive(Debug)]
pub(super) struct Program {
    pub templates: Templates,
    pub first: Timestamp,
    pub lines: u64,
    counts: BTreeMap<(Box<str>, TemplateId), Count>,
    /// When new templates were told lately.
    told: VecDeque<Timestamp>,
}

#[derive(Debug)]
struct Count {
    object: ObjectRef,
    now: u32,
    idle: u16,
}

impl Program {
    pub fn of(templates: Templates, first: Timestamp, lines: u64) -> Self {
        Self { templates, first, lines, counts: BTreeMap::new(), told: VecDeque::new() }
    }

    fn is_known(&self, now: Timestamp) -> bool {
        self.lines >= KNOWN_LINES && now.since(self.first) >= KNOWN_AFTER
    }

    fn tells(&mut self, now: Timestamp) -> bool {
        while self.told.front().is_some_and(|at| now.since(*at) >= HOUR) {
            self.told.pop_front();
        }
        let has_room = self.told.len() < TOLD_MAX;
        if has_room {
            self.told.push_back(now);
        }
        has_room
    }

    fn count(&mut self, object: &ObjectRef, id: TemplateId) {
        let key = (Box::<str>::from(object.label()), id);
        let has_room = self.counts.len() < PAIRS_MAX;
        match self.counts.get_mut(&key) {
            Some(count) => count.now = count.now.saturating_add(1),
            None if has_room => _ = self.counts.insert(key, Count { object: object.clone(), now: 1, idle: 0 }),
            None => {}
        }
    }
}

impl Logs {
    /// Learns at most so many templates of each program.
    pub fn new(templates_max: usize) -> Self {
        let (programs, standing) = (BTreeMap::new(), BTreeMap::new());
        Self { templates_max, programs, minute: None, standing, told: Vec::new() }
    }

    /// Takes a line that came at `now`.
    pub fn take(&mut self, tenant: &TenantId, source: &SourceId, line: &LogLine, now: Timestamp) -> Taken {
        let whose = (tenant.clone(), source.clone());
        let mut key = (whose, line.program.clone());
        if !self.programs.contains_key(&key) && self.programs.len() >= PROGRAMS_MAX {
            key.1 = "".into();
        }
        let max = self.templates_max;
        let program = self.programs.entry(key).or_insert_with(|| Program::of(Templates::new(max), now, 0));
        program.lines += 1;
        let object = if line.object.keys_in_order().all(str::is_empty) { named(source) } else { line.object.clone() };
        match program.templates.take(&line.text) {
            Read::Known(id) => {
                program.count(&object, id);
                Taken::Counted
            }
            Read::Fresh(id) => {
                program.count(&object, id);
                if !program.is_known(now) || !program.tells(now) {
                    return Taken::Counted;
                }
                let template = program.templates.get(id).text;
                self.told.push(fresh((tenant, source), &object, line, &template, now));
                let standing = ((tenant.clone(), source.clone()), object.label().into());
                self.standing.insert(standing, (object, now));
                Taken::Fresh
            }
            Read::Refused => Taken::Other,
        }
    }

    /// The readings of the minutes that have ended by now; what did not come is a zero.
    pub fn due(&mut self, now: Timestamp) -> Vec<(TenantId, SourceId, Point)> {
        let minute = now.0.div_euclid(MINUTE.0);
        let Some(last) = self.minute.replace(minute).filter(|last| *last < minute) else { return Vec::new() };
        let mut points = Vec::new();
        for ended in last.max(minute - MISSED_MAX)..minute {
            let at = Timestamp((ended + 1) * MINUTE.0);
            for (((tenant, source), name), program) in &mut self.programs {
                let Program { counts, templates, .. } = program;
                counts.retain(|(_, id), count| {
                    let value = f64::from(std::mem::take(&mut count.now));
                    count.idle = if value > 0.0 { 0 } else { count.idle.saturating_add(1) };
                    let template = templates.get(*id).text;
                    let point = reading(&count.object, name, &template, value, at);
                    points.push((tenant.clone(), source.clone(), point));
                    count.idle < IDLE_MINUTES
                });
            }
        }
        self.end(now);
        points
    }

    /// Ends alerts of objects that wrote nothing new for long.
    fn end(&mut self, now: Timestamp) {
        let told = &mut self.told;
        self.standing.retain(|((tenant, source), _), (object, last)| {
            let stands = now.since(*last) < ENDS_AFTER;
            if !stands {
                let mut event = bare((tenant, source), object, now);
                event.status = Status::Resolved;
                event.id = format!("{}-ended", event.id).into();
                event.description = "半小时内没有新的日志模板 / nothing new was written for half an hour".into();
                told.push(event);
            }
            stands
        });
    }

    /// An alert of ours that stands from before: it ends when nothing new comes.
    pub fn stood_before(&mut self, tenant: &TenantId, source: &SourceId, object: &str, now: Timestamp) {
        let of = ObjectRef { name: Some(object.to_owned()), ..ObjectRef::default() };
        // What came since counts.
        self.standing.entry(((tenant.clone(), source.clone()), object.into())).or_insert((of, now));
    }

    /// The events that are to be told.
    pub fn told(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.told)
    }

    /// Forgets the programs of sources: somebody else listens.
    pub fn forget(&mut self, is_gone: impl Fn(&TenantId, &SourceId) -> bool) {
        self.programs.retain(|((tenant, source), _), _| !is_gone(tenant, source));
        self.standing.retain(|((tenant, source), _), _| !is_gone(tenant, source));
    }

    /// How many templates are known.
    pub fn templates(&self) -> usize {
        self.programs.values().map(|program| program.templates.learned()).sum()
    }

    /// How many templates each program may have.
    pub(super) const fn templates_max(&self) -> usize {
        self.templates_max
    }
}

fn named(source: &SourceId) -> ObjectRef {
    ObjectRef { name: Some(source.as_str().to_owned()), ..ObjectRef::default() }
}

fn is_trouble(text: &str) -> bool {
    let text = text.to_lowercase();
    TROUBLE.iter().any(|word| text.contains(word))
}

fn cut(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

fn reading(object: &ObjectRef, program: &str, template: &str, value: f64, at: Timestamp) -> Point {
    let template = cut(template, LABEL_CHARS);
    let labels = [("program", program), ("template", &*template)];
    Point {
        name: LINES.into(),
        object: object.clone(),
        labels: Labels::of(labels.into_iter().filter(|(_, value)| !value.is_empty())),
        value,
        at,
        unit: None,
        aspect: Some(if is_trouble(&template) { Aspect::Errors } else { Aspect::Traffic }),
        measure: Some(Measure::Count),
        worse: Some(Worse::Up),
        is_counter: false,
    }
}

fn bare((tenant, source): (&TenantId, &SourceId), object: &ObjectRef, at: Timestamp) -> Event {
    let mut event = Event::new(tenant.clone(), source.clone(), FRESH, at);
    event.object = object.clone();
    event.title = title::FRESH_LINE.kept().into();
    event.severity = Severity::Warning;
    (event.signal, event.event_type) = (Some(Signal::Log), Some(EventType::ProcessingError));
    let object = hex::encode(&Sha256::digest(object.label().as_bytes())[..8]);
    event.id = format!("{object}-{FRESH}-{}", at.0).into();
    event
}

fn fresh(whose: (&TenantId, &SourceId), object: &ObjectRef, line: &LogLine, template: &str, at: Timestamp) -> Event {
    let mut event = bare(whose, object, at);
    let of_template = hex::encode(&Sha256::digest(template.as_bytes())[..4]);
    event.id = format!("{}-{of_template}", event.id).into();
    event.status = Status::Firing;
    if is_trouble(template) {
        event.severity = Severity::Minor;
    }
    event.description = cut(&line.text, LINE_CHARS).into();
    let template = cut(template, LABEL_CHARS);
    let labels = [("program", &*line.program), ("template", &*template)];
    event.annotations = Labels::of(labels.into_iter().filter(|(_, value)| !value.is_empty()));
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: i64 = 1_767_225_600_000;

    fn line(text: &str) -> LogLine {
        let object = ObjectRef { name: Some("db-1".into()), ..ObjectRef::default() };
        LogLine { object, program: "postgres".into(), text: text.into() }
    }

    fn at(secs: i64) -> Timestamp {
        Timestamp(T0 + secs * 1000)
    }

    /// An hour of a program that writes two kinds of line, six a minute.
    fn listened() -> Logs {
        let mut logs = Logs::new(100);
        for n in 0..720 {
            let text = if n % 3 == 0 { "checkpoint complete" } else { "connection received from client" };
            logs.due(at(n * 5));
            assert_eq!(logs.take(&"t".into(), &"s".into(), &line(text), at(n * 5)), Taken::Counted);
        }
        assert_eq!(logs.told(), []);
        logs
    }

    #[test]
    fn lines_of_a_minute_are_a_reading_per_template() {
        let mut logs = listened();
        let told = |points: Vec<(TenantId, SourceId, Point)>| -> Vec<(String, f64, Option<Aspect>)> {
            let one = |(_, _, point): (_, _, Point)| {
                (point.labels.get("template").unwrap_or_default().to_owned(), point.value, point.aspect)
            };
            points.into_iter().map(one).collect()
        };
        let traffic = Some(Aspect::Traffic);
        let both =
            |a, b| [("checkpoint complete".into(), a, traffic), ("connection received from client".into(), b, traffic)];
        assert_eq!(told(logs.due(at(3600))), both(4.0, 8.0));
        logs.take(&"t".into(), &"s".into(), &line("checkpoint complete"), at(3601));
        assert_eq!(told(logs.due(at(3660))), both(1.0, 0.0));
        assert_eq!(told(logs.due(at(3670))), []);
    }

    #[test]
    fn a_template_that_was_never_seen_is_told_once_and_ends() {
        let mut logs = listened();
        let odd = line("could not write block: disk failure");
        let (tenant, source) = ("t".into(), "s".into());
        assert_eq!(logs.take(&tenant, &source, &odd, at(3601)), Taken::Fresh);
        assert_eq!(logs.take(&tenant, &source, &odd, at(3602)), Taken::Counted);
        let told = logs.told();
        let event = &told[0];
        assert_eq!(
            (told.len(), &*event.name, event.severity, event.status),
            (1, FRESH, Severity::Minor, Status::Firing)
        );
        assert_eq!((event.object.label(), &*event.description), ("db-1", "could not write block: disk failure"));
        logs.due(at(3601 + 1799));
        assert_eq!(logs.told(), []);
        logs.due(at(3601 + 1860));
        let ended = logs.told();
        assert_eq!((ended.len(), ended[0].status, ended[0].object.label()), (1, Status::Resolved, "db-1"));
    }

    #[test]
    fn a_young_program_tells_nothing_and_a_wild_one_little() {
        let mut logs = Logs::new(1000);
        let (tenant, source) = ("t".into(), "s".into());
        assert_eq!(logs.take(&tenant, &source, &line("anything at all"), at(0)), Taken::Counted);
        let mut logs = listened();
        let name =
            |n: u32| char::from(b'A' + (n % 26) as u8).to_string() + &char::from(b'A' + (n / 26) as u8).to_string();
        let fresh = (0..60u32)
            .filter(|n| {
                let text = format!("{} Began {} Thing {}", name(*n), name(n + 7), name(n * 3 % 600));
                logs.take(&tenant, &source, &line(&text), at(3600 + i64::from(*n))) == Taken::Fresh
            })
            .count();
        assert_eq!((fresh, logs.told().len()), (TOLD_MAX, TOLD_MAX));
        let bound = (0..500u32).any(|n| {
            let text = format!("{} Xray {}{} Ended {}", name(n), name(n + 3), name(n + 5), name(n * 11 % 600));
            logs.take(&tenant, &source, &line(&text), at(3700)) == Taken::Other
        });
        assert!(bound && logs.templates() <= 100, "{}", logs.templates());
    }
}
