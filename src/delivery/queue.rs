//! What waits for one receiver: a line per incident, each sent one at a time and in order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::Attempt;
use super::schedule::Pauses;
use super::settings::Settings;
use crate::domain::action::ActionReport;
use crate::domain::ids::{IncidentId, PersonId};
use crate::domain::incident::{Priority, TicketRef};
use crate::engine::effect::Notice;

/// A notice and what has been tried.
#[derive(Debug)]
pub struct Waiting {
    /// The notice.
    pub notice: Notice,
    /// Attempts that were begun.
    pub attempts: u32,
    refusals: u32,
    pauses: Pauses,
    /// Where it is, in a ticket system.
    pub ticket: Option<TicketRef>,
    /// What an executor has answered.
    pub report: Option<Box<ActionReport>>,
    /// What the receiver says of it.
    pub said: String,
}

/// Whose versions go one after the other: an incident's for one person, or for the receiver as a whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineId {
    /// The incident.
    pub incident: IncidentId,
    /// Who is meant.
    pub person: Option<PersonId>,
}

impl LineId {
    /// The line of a notice.
    pub fn of(notice: &Notice) -> Self {
        Self { incident: notice.incident.id, person: notice.to.as_ref().map(|to| to.person.clone()) }
    }
}

/// The notices of one incident. The first one is sent next, or is on its way.
#[derive(Debug, Default)]
struct Line {
    notices: VecDeque<Waiting>,
    is_under_way: bool,
    /// The last one has ended, but that is not on record yet: after a crash it would be sent again, and must not
    /// come behind a newer version.
    is_held: bool,
    /// As what it stands among those that may be sent at once.
    ready_as: Option<(Urgency, Instant)>,
}

/// What goes first where there is a crowd: the incident's priority, and people before rooms.
type Urgency = (Priority, bool);

fn urgency(notice: &Notice) -> Urgency {
    (notice.incident.priority, notice.to.is_none())
}

/// How a notice left the queue.
#[derive(Debug)]
pub enum Left {
    /// The receiver has it.
    Accepted(Waiting),
    /// It was given up.
    GaveUp(Waiting, String),
    /// A newer version goes in its place.
    Folded(Waiting),
}

/// Everything that waits for one receiver.
#[derive(Debug)]
pub struct Queue {
    settings: Settings,
    lines: BTreeMap<LineId, Line>,
    /// When the first notice of a line that is not under way may be sent.
    due: BTreeSet<(Instant, LineId)>,
    /// Lines whose first notice may be sent at once, the most urgent one first.
    ready: BTreeSet<(Urgency, Instant, LineId)>,
    under_way: usize,
    len: usize,
    /// Nothing is sent before this moment, and then one notice first.
    locked_until: Option<Instant>,
    /// Nothing is sent before this moment: the receiver takes only so many in a while.
    paced_until: Option<Instant>,
}

impl Queue {
    /// An empty queue.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            lines: BTreeMap::new(),
            due: BTreeSet::new(),
            ready: BTreeSet::new(),
            under_way: 0,
            len: 0,
            locked_until: None,
            paced_until: None,
        }
    }

    /// Notices in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Adds a notice. Gives back what leaves for it: an older version that need not be sent any more, or the
    /// notice itself when too many wait.
    pub fn push(&mut self, notice: Notice, now: Instant) -> Option<Left> {
        let id = LineId::of(&notice);
        let pauses = Pauses::new(&self.settings);
        let waiting =
            Waiting { notice, attempts: 0, refusals: 0, pauses, ticket: None, report: None, said: String::new() };
        let line = self.lines.entry(id.clone()).or_default();
        let newest = line.notices.back().map(|last| last.notice.incident.version);
        if waiting.notice.digest.is_none() && newest.is_some_and(|newest| newest > waiting.notice.incident.version) {
            // Told again on a person's order, while something newer is on its way.
            return Some(Left::Folded(waiting));
        }
        let movable = usize::from(line.is_under_way);
        let last = line.notices.len().checked_sub(1).filter(|last| *last >= movable);
        if let Some(last) = last
            && line.notices[last].notice.kind.may_be_folded()
        {
            // The newer version takes the place; the line's next attempt comes when it would have come, and the
            // pauses go on growing: a receiver's trouble is not over because of a change.
            let mut older = std::mem::replace(&mut line.notices[last], waiting);
            std::mem::swap(&mut older.pauses, &mut line.notices[last].pauses);
            if last == 0
                && let Some((was, at)) = line.ready_as
            {
                let is = urgency(&line.notices[0].notice);
                line.ready_as = Some((is, at));
                self.ready.remove(&(was, at, id.clone()));
                self.ready.insert((is, at, id));
            }
            return Some(Left::Folded(older));
        }
        if self.len >= self.settings.waiting_max {
            if line.notices.is_empty() && !line.is_held {
                self.lines.remove(&id);
            }
            return Some(Left::GaveUp(waiting, "too many notices wait for this receiver".into()));
        }
        if line.notices.is_empty() && !line.is_held {
            self.due.insert((now, id));
        }
        line.notices.push_back(waiting);
        self.len += 1;
        None
    }

    /// Takes the next notice that may be sent now; it stays in the queue until `settle`.
    pub fn take_due(&mut self, now: Instant) -> Option<Notice> {
        let most = if self.locked_until.is_some() { 1 } else { self.settings.concurrency_max };
        let is_early = |until: Option<Instant>| until.is_some_and(|until| now < until);
        if self.under_way >= most || is_early(self.locked_until) || is_early(self.paced_until) {
            return None;
        }
        self.make_ready(now);
        let (_, _, id) = self.ready.pop_first()?;
        let line = self.lines.get_mut(&id).expect("an incident that is due has a line");
        let first = line.notices.front_mut().expect("a line has a notice");
        (line.is_under_way, line.ready_as) = (true, None);
        first.attempts += 1;
        self.under_way += 1;
        self.paced_until = self.settings.pace.map(|pace| now + pace);
        Some(first.notice.clone())
    }

    /// Puts lines whose time has come among those that may be sent at once.
    fn make_ready(&mut self, now: Instant) {
        while self.due.first().is_some_and(|(at, _)| *at <= now)
            && let Some((at, id)) = self.due.pop_first()
        {
            let line = self.lines.get_mut(&id).expect("an incident that is due has a line");
            let first = line.notices.front().expect("a line that is due has a notice");
            let urgency = urgency(&first.notice);
            line.ready_as = Some((urgency, at));
            self.ready.insert((urgency, at, id));
        }
    }

    /// When `take_due` may have something next; `None` when only an end or a new notice changes that.
    pub fn next_due(&self) -> Option<Instant> {
        if self.under_way >= self.settings.concurrency_max || (self.locked_until.is_some() && self.under_way > 0) {
            return None;
        }
        let ready = self.ready.first().map(|(_, at, _)| at);
        let at = ready.into_iter().chain(self.due.first().map(|(at, _)| at)).min()?;
        [self.locked_until, self.paced_until].into_iter().flatten().chain([*at]).max()
    }

    /// Learns how the attempt for an incident ended. `is_old` says that its notice is past its time. When the notice
    /// leaves the queue, the next one of its incident waits for `release`.
    pub fn settle(&mut self, id: &LineId, attempt: Attempt, is_old: bool, now: Instant) -> Option<Left> {
        self.under_way -= 1;
        let line = self.lines.get_mut(id).expect("an incident under way has a line");
        line.is_under_way = false;
        let first = line.notices.front_mut().expect("a line has a notice");
        let locked_out = matches!(attempt, Attempt::LockedOut { .. });
        self.locked_until = locked_out.then(|| now + self.settings.locked_out_pause);
        let again = match attempt {
            Attempt::Accepted => Err(None),
            Attempt::Noted { said } => {
                first.said = said;
                Err(None)
            }
            Attempt::Filed { ticket } => {
                first.ticket = Some(*ticket);
                Err(None)
            }
            Attempt::Answered { report } => {
                first.report = Some(report);
                Err(None)
            }
            Attempt::TryLater { why, .. } | Attempt::Refused { why } | Attempt::LockedOut { why } if is_old => {
                Err(Some(why))
            }
            Attempt::TryLater { wait, .. } => Ok(first.pauses.next(wait)),
            Attempt::Refused { why } => {
                first.refusals += 1;
                let is_last = first.refusals > self.settings.refused_retries;
                if is_last { Err(Some(why)) } else { Ok(first.pauses.next(None)) }
            }
            Attempt::LockedOut { .. } => Ok(Duration::ZERO),
        };
        let failure = match again {
            Ok(pause) => {
                self.wait(id.clone(), now + pause);
                return self.fold(id);
            }
            Err(failure) => failure,
        };
        let left = line.notices.pop_front().expect("a line has a notice");
        self.len -= 1;
        line.is_held = true;
        Some(match failure {
            None => Left::Accepted(left),
            Some(why) => Left::GaveUp(left, why),
        })
    }

    /// A notice that was taken is not to be sent: the next one of its incident waits for `release`.
    pub fn pass_over(&mut self, id: &LineId) {
        self.under_way -= 1;
        let line = self.lines.get_mut(id).expect("an incident under way has a line");
        line.notices.pop_front().expect("a line has a notice");
        (line.is_under_way, line.is_held) = (false, true);
        (self.len, self.paced_until) = (self.len - 1, None);
    }

    /// How the last notice of an incident ended is on record: the next one may be sent.
    pub fn release(&mut self, id: &LineId, now: Instant) {
        let line = self.lines.get_mut(id).expect("a line that is held is kept");
        line.is_held = false;
        if line.notices.is_empty() {
            self.lines.remove(id);
        } else {
            self.wait(id.clone(), now);
        }
    }

    fn wait(&mut self, id: LineId, until: Instant) {
        self.due.insert((until, id));
    }

    /// After a failure the first notice of a line need not be sent any more when a newer one waits behind it.
    fn fold(&mut self, id: &LineId) -> Option<Left> {
        let line = self.lines.get_mut(id)?;
        let first = line.notices.front()?;
        if line.notices.len() < 2 || !first.notice.kind.may_be_folded() {
            return None;
        }
        let mut older = line.notices.pop_front()?;
        self.len -= 1;
        if let Some(newer) = line.notices.front_mut() {
            std::mem::swap(&mut older.pauses, &mut newer.pauses);
        }
        Some(Left::Folded(older))
    }

    /// Whether the receiver has locked us out.
    pub fn is_locked_out(&self) -> bool {
        self.locked_until.is_some()
    }

    /// The notice of an incident that is under way or next.
    pub fn first(&self, id: &LineId) -> Option<&Waiting> {
        self.lines.get(id)?.notices.front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::tests::notice;
    use crate::engine::effect::{Addressee, NoticeKind};

    fn queue() -> (Queue, Instant) {
        (Queue::new(Settings::default()), Instant::now())
    }

    fn later(why: &str) -> Attempt {
        Attempt::TryLater { why: why.into(), wait: None }
    }

    fn line(incident: u64) -> LineId {
        LineId { incident: IncidentId(incident), person: None }
    }

    #[test]
    fn what_is_urgent_goes_before_what_came_earlier_and_people_before_rooms() {
        let now = Instant::now();
        let mut queue = Queue::new(Settings { concurrency_max: 1, ..Settings::default() });
        let of = |incident, priority, person: Option<&str>| {
            let mut one = notice(incident, 1, NoticeKind::Updated);
            one.incident.priority = priority;
            one.to = person.map(|person| {
                Box::new(Addressee {
                    person: person.into(),
                    name: person.into(),
                    policy: "".into(),
                    level: 1,
                    verified: Vec::new(),
                })
            });
            one
        };
        for incident in 1..=3 {
            queue.push(of(incident, Priority::P4, None), now);
        }
        queue.push(of(4, Priority::P1, None), now);
        queue.push(of(4, Priority::P1, Some("li")), now);
        // What is on its way is not overtaken; who waits and becomes worse is.
        let mut order = Vec::new();
        for round in 0..5 {
            let next = queue.take_due(now).unwrap();
            order.push(next.whom().replace("hook", &next.incident.id.0.to_string()));
            queue.settle(&LineId::of(&next), Attempt::Accepted, false, now);
            queue.release(&LineId::of(&next), now);
            if round == 2 {
                let mut worse = of(3, Priority::P1, None);
                worse.incident.version = 2;
                assert!(matches!(queue.push(worse, now), Some(Left::Folded(_))));
            }
        }
        assert_eq!(order, ["4/li", "4", "1", "3", "2"]);
        assert_eq!((queue.len(), queue.next_due()), (0, None));
    }

    #[test]
    fn versions_go_one_at_a_time_and_those_between_are_folded() {
        let (mut queue, now) = queue();
        let id = line(1);
        assert!(queue.push(notice(1, 1, NoticeKind::Opened), now).is_none());
        assert_eq!(queue.take_due(now).map(|n| n.incident.version), Some(1));
        assert!(queue.push(notice(1, 2, NoticeKind::Updated), now).is_none());
        assert!(queue.take_due(now).is_none());
        let folded = queue.push(notice(1, 3, NoticeKind::Updated), now);
        assert!(matches!(folded, Some(Left::Folded(old)) if old.notice.incident.version == 2));
        // The opening is tried again although something newer waits.
        assert!(queue.settle(&id, later("busy"), false, now).is_none());
        assert!(queue.take_due(now).is_none());
        let now = queue.next_due().unwrap();
        assert_eq!(queue.take_due(now).map(|n| n.incident.version), Some(1));
        let left = queue.settle(&id, Attempt::Accepted, false, now);
        assert!(matches!(left, Some(Left::Accepted(opened)) if opened.attempts == 2));
        // The newer version waits until the end of the older one is on record.
        assert!(queue.take_due(now).is_none());
        queue.release(&id, now);
        assert_eq!(queue.take_due(now).map(|n| n.incident.version), Some(3));
        assert!(queue.push(notice(1, 4, NoticeKind::Recovered), now).is_none());
        // An update that failed gives way to the newer one.
        let left = queue.settle(&id, later("busy"), false, now);
        assert!(matches!(left, Some(Left::Folded(old)) if old.notice.incident.version == 3));
        let now = queue.next_due().unwrap();
        assert_eq!(queue.take_due(now).map(|n| n.incident.version), Some(4));
        assert!(matches!(queue.settle(&id, Attempt::Accepted, false, now), Some(Left::Accepted(_))));
        assert!(queue.push(notice(1, 5, NoticeKind::Updated), now).is_none() && queue.take_due(now).is_none());
        queue.release(&id, now);
        assert_eq!(queue.take_due(now).map(|n| n.incident.version), Some(5));
        queue.settle(&id, Attempt::Accepted, false, now);
        queue.release(&id, now);
        assert_eq!((queue.len(), queue.next_due(), queue.lines.len()), (0, None, 0));
    }

    #[test]
    fn a_lock_out_stops_everything_and_one_notice_tries() {
        let (mut queue, now) = queue();
        for incident in 1..=3 {
            queue.push(notice(incident, 1, NoticeKind::Opened), now);
        }
        let first = queue.take_due(now).unwrap();
        let locked_out = Attempt::LockedOut { why: "401".into() };
        assert!(queue.settle(&LineId::of(&first), locked_out, false, now).is_none());
        assert!(queue.is_locked_out() && queue.take_due(now).is_none());
        let now = queue.next_due().unwrap();
        let probe = queue.take_due(now).unwrap();
        assert!(queue.take_due(now).is_none() && queue.next_due().is_none());
        queue.settle(&LineId::of(&probe), Attempt::Accepted, false, now);
        assert!(!queue.is_locked_out());
        assert!(queue.take_due(now).is_some() && queue.take_due(now).is_some());
    }

    #[test]
    fn what_is_refused_twice_or_too_old_is_given_up() {
        let (mut queue, now) = queue();
        queue.push(notice(1, 1, NoticeKind::Opened), now);
        queue.push(notice(2, 1, NoticeKind::Opened), now);
        let refused = || Attempt::Refused { why: "422".into() };
        let (one, two) = (line(1), line(2));
        assert_eq!(LineId::of(&queue.take_due(now).unwrap()), one);
        assert_eq!(LineId::of(&queue.take_due(now).unwrap()), two);
        assert!(queue.settle(&one, refused(), false, now).is_none());
        assert!(matches!(queue.settle(&two, later("503"), true, now), Some(Left::GaveUp(_, why)) if why == "503"));
        let now = queue.next_due().unwrap();
        assert_eq!(LineId::of(&queue.take_due(now).unwrap()), one);
        assert!(matches!(queue.settle(&one, refused(), false, now), Some(Left::GaveUp(_, why)) if why == "422"));
    }

    #[test]
    fn a_receiver_is_told_no_faster_than_it_may_be() {
        let now = Instant::now();
        let pace = Duration::from_millis(100);
        let mut queue = Queue::new(Settings { pace: Some(pace), ..Settings::default() });
        queue.push(notice(1, 1, NoticeKind::Opened), now);
        queue.push(notice(2, 1, NoticeKind::Opened), now);
        assert!(queue.take_due(now).is_some() && queue.take_due(now).is_none());
        assert_eq!(queue.next_due(), Some(now + pace));
        assert!(queue.take_due(now + pace).is_some());
    }

    #[test]
    fn a_storm_leaves_two_notices_per_incident() {
        let (mut queue, now) = queue();
        for version in 1..=1_000 {
            for incident in 1..=20 {
                let kind = if version == 1 { NoticeKind::Opened } else { NoticeKind::Updated };
                queue.push(notice(incident, version, kind), now);
            }
        }
        assert_eq!(queue.len(), 40);
    }
}
