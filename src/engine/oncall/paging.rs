//! Paging: runs escalations, inside `step`.

use super::ladder::{Ladder, Level, Repeat, Target, Until};
use super::page::{Escalation, Page, PutOff};
use super::people::Person;
use crate::domain::ids::{PersonId, ReceiverId, RuleId};
use crate::domain::incident::{IncidentState, IncidentView, TimelineKind};
use crate::domain::severity::Severity;
use crate::domain::time::{Span, Timestamp};
use crate::engine::audience::Awake;
use crate::engine::cell::Cell;
use crate::engine::deadlines::Due;
use crate::engine::effect::{Addressee, Change, Notice, NoticeKind};
use crate::engine::input::Delivered;
use crate::engine::slab::Place;
use crate::engine::storm::Handed;

/// What becomes of an incident, for those who were told of it.
pub struct News {
    pub kind: NoticeKind,
    pub changes: Vec<Change>,
}

impl Cell {
    /// A route's word for a policy: begins its escalation, or lets those who were told know what became of it.
    pub fn page(&mut self, all: &mut Vec<Escalation>, policy: &str, rule: &RuleId, news: News, view: &IncidentView) {
        let now = self.now;
        match news.kind {
            NoticeKind::Opened | NoticeKind::Reopened => {
                let Some(ladder) = self.policy.on_call.escalation(policy).map(|rule| rule.ladder()) else { return };
                let fresh = Escalation::begin(policy.into(), rule.clone(), ladder, news.kind, now);
                match all.iter_mut().find(|one| *one.policy == *policy) {
                    Some(old) => *old = fresh,
                    None => all.push(fresh),
                }
            }
            NoticeKind::Updated | NoticeKind::Merged | NoticeKind::Recovered | NoticeKind::Closed => {
                let Some(at) = all.iter().position(|one| *one.policy == *policy) else { return };
                let mut one = all.remove(at);
                self.tell_paged(&mut one, &news, view);
                all.insert(at, one);
            }
            // A policy has pauses of its own.
            NoticeKind::Reminder | NoticeKind::Digest | NoticeKind::Action | NoticeKind::Test => {}
        }
    }

    /// Tells those who were told before what became of it, each by the quietest way and not in their quiet hours.
    fn tell_paged(&mut self, one: &mut Escalation, news: &News, view: &IncidentView) {
        let is_end = view.state != IncidentState::Abnormal;
        if one.is_over {
            return;
        }
        for page in one.told() {
            match self.sleeps_through(&page, news.kind, view) {
                Some(until) => one.put_off(&page, PutOff { kind: news.kind, until }),
                None => {
                    let page = self.quietest(one, &page);
                    self.send_page(one, &page, news, view);
                }
            }
        }
        if is_end {
            one.is_over = true;
            one.stop();
        } else if news.changes.contains(&Change::Severity) && !one.is_paused {
            self.widen(one, view);
        }
    }

    /// Until when somebody is left alone with news: the end of an incident wakes nobody, however bad it was.
    fn sleeps_through(&self, page: &Page, kind: NoticeKind, view: &IncidentView) -> Option<Timestamp> {
        let person = self.policy.on_call.person(page.person.as_ref()?)?;
        let until = match kind {
            NoticeKind::Recovered | NoticeKind::Closed => person.quiet_until(self.now),
            NoticeKind::Updated => person.sleeps_until(view.severity, self.now),
            // One that goes on in another one is not kept until the morning.
            NoticeKind::Merged
            | NoticeKind::Opened
            | NoticeKind::Reopened
            | NoticeKind::Reminder
            | NoticeKind::Digest
            | NoticeKind::Action
            | NoticeKind::Test => None,
        };
        until.filter(|until| until.since(self.now) < self.policy.settings.retention)
    }

    /// The page by which somebody hears what became of it: of the ways that told them the one that the plan asks for
    /// first, least severe and soonest. What rings for critical things only does not ring for news while the plan has
    /// another way.
    fn quietest(&self, one: &Escalation, page: &Page) -> Page {
        let rules = &self.policy.on_call;
        let Some(person) = page.person.as_ref().and_then(|person| rules.person(person)) else { return page.clone() };
        let steps = rules.steps(person);
        let loudness = |receiver: &ReceiverId| {
            let taking = steps.iter().filter(|step| step.by.contains(receiver));
            taking.map(|step| (step.severity, step.after)).min().unwrap_or((Severity::Critical, Span::hours(24)))
        };
        let told = one.pages.iter().filter(|told| told.person == page.person && told.told_at.is_some());
        let mut quietest = told.min_by_key(|told| loudness(&told.receiver)).unwrap_or(page).clone();
        if loudness(&quietest.receiver).0 == Severity::Critical {
            let calm = steps.iter().filter(|step| step.severity < Severity::Critical);
            let other = calm.min_by_key(|step| (step.severity, step.after)).and_then(|step| step.by.first());
            quietest.receiver = other.unwrap_or(&quietest.receiver).clone();
        }
        quietest
    }

    /// Quiet hours are over: what became of it meanwhile is told.
    fn tell_put_off(&mut self, one: &mut Escalation, view: &IncidentView) {
        for page in one.wake(self.now) {
            let Some(PutOff { kind, .. }) = page.put_off else { continue };
            let page = self.quietest(one, &page);
            self.send_page(one, &page, &News { kind, changes: Vec::new() }, view);
        }
    }

    /// Somebody has it: the others who were paged hear who, unless they sleep.
    fn tell_taken(&mut self, one: &mut Escalation, actor: &str, view: &IncidentView) {
        if view.state != IncidentState::Abnormal || one.is_over {
            return;
        }
        for page in one.told() {
            let Some(person) = page.person.as_ref().and_then(|person| self.policy.on_call.person(person)) else {
                continue;
            };
            if person.id.id.as_str() == actor || person.quiet_until(self.now).is_some() {
                continue;
            }
            let page = self.quietest(one, &page);
            self.send_page(one, &page, &News { kind: NoticeKind::Updated, changes: vec![Change::Acknowledged] }, view);
        }
    }

    /// Somebody has acknowledged: those whose policy asks for it are told.
    pub fn note_taken(&mut self, place: Place, actor: &str) {
        let Some(incident) = self.groups.get_mut(place).and_then(|g| g.incident.as_mut()) else { return };
        for one in incident.audience.escalations.iter_mut().filter(|one| one.ladder.tell_acknowledged) {
            one.taken_by = Some(actor.into());
        }
    }

    /// It is more severe: ways that were not taken before are.
    fn widen(&mut self, one: &mut Escalation, view: &IncidentView) {
        let told: Vec<(PersonId, u32)> =
            one.pages.iter().filter_map(|page| Some((page.person.clone()?, page.level))).collect();
        for (person, level) in told {
            for (receiver, due) in self.ways(&person, view, Span::hours(24)) {
                let is_known = |page: &Page| page.person.as_ref() == Some(&person) && page.receiver == receiver;
                if !one.pages.iter().any(is_known) {
                    one.ask(Some(&person), &receiver, level, due);
                }
            }
        }
    }

    /// Tells whoever is due, level by level.
    pub fn climb(&mut self, all: &mut [Escalation], view: &IncidentView, awake: Awake) {
        let now = self.now;
        for one in all.iter_mut() {
            self.tell_put_off(one, view);
            if let Some(actor) = one.taken_by.take() {
                self.tell_taken(one, &actor, view);
            }
            if one.is_over {
                continue;
            }
            if !one.goes_on(awake) {
                if view.state == IncidentState::Abnormal {
                    one.pause();
                }
                continue;
            }
            if one.is_paused {
                one.begin_again(now);
            }
            while one.due.is_some_and(|due| due <= now) {
                self.tell_level(one, view);
            }
            let due: Vec<Page> =
                one.pages.iter().filter(|page| page.due.is_some_and(|due| due <= now)).cloned().collect();
            for page in due {
                let kind = if page.told_at.is_some() { NoticeKind::Reminder } else { one.news };
                self.send_page(one, &page, &News { kind, changes: Vec::new() }, view);
            }
        }
    }

    /// Asks for the pages of the level that is due; past the last one, for those of the fallback.
    fn tell_level(&mut self, one: &mut Escalation, view: &IncidentView) {
        let now = self.now;
        let Some(level) = one.ladder.levels.get(one.level).cloned() else {
            one.due = None;
            self.fall_back(one, view, "nobody has acknowledged");
            return;
        };
        let number = one.level as u32 + 1;
        let within = if one.is_assignment() { Span(0) } else { Span::hours(24) };
        let turn = format!("{}/{number}", one.policy);
        let people = self.people_of(&level, turn.into());
        let mut told: Vec<Box<str>> = Vec::new();
        for person in &people {
            let ways = self.ways(person, view, within);
            if !ways.is_empty() {
                told.push(person.as_str().into());
            }
            for (receiver, due) in ways {
                one.ask(Some(person), &receiver, number, due);
            }
        }
        for target in &level.to {
            if let Target::Receiver(receiver) = target {
                told.push(receiver.as_str().into());
                one.ask(None, receiver, number, now);
            }
        }
        if told.is_empty() {
            if !one.has_fallen_back {
                one.has_fallen_back = true;
                self.fall_back(one, view, "nobody is on call");
            }
        } else if !one.is_assignment() {
            let said = format!("{} {number}/{}: {}", one.policy, one.ladder.levels.len(), told.join(", "));
            self.note(view.id, "headwater", TimelineKind::Escalated, said);
        }
        one.step_up(!told.is_empty(), now);
        if one.is_assignment() {
            one.due = None;
        }
    }

    fn fall_back(&mut self, one: &mut Escalation, view: &IncidentView, why: &str) {
        if one.is_assignment() {
            return;
        }
        let said = format!("{} {}: {why}", one.policy, one.level + 1);
        self.note(view.id, "headwater", TimelineKind::NobodyAnswered, said);
        for receiver in one.ladder.fallback.clone() {
            one.ask(None, &receiver, 0, self.now);
        }
    }

    /// The people of a level; one of them where they take turns.
    fn people_of(&mut self, level: &Level, turn: Box<str>) -> Vec<PersonId> {
        let policy = self.policy.clone();
        let rules = &policy.on_call;
        let mut people: Vec<PersonId> = Vec::new();
        for target in &level.to {
            let more = match target {
                Target::Person(person) => vec![person.clone()],
                Target::Team(team) => rules.team(team).map(|team| team.people.clone()).unwrap_or_default(),
                Target::Roster(roster) => {
                    rules.roster(roster).map(|r| r.duty(self.now, &self.on_call.overrides).people).unwrap_or_default()
                }
                Target::Backup(roster) => {
                    rules.roster(roster).map(|r| r.duty(self.now, &self.on_call.overrides).backup).unwrap_or_default()
                }
                Target::Receiver(_) => Vec::new(),
            };
            for person in more {
                if rules.person(&person).is_some() && !people.contains(&person) {
                    people.push(person);
                }
            }
        }
        if !level.round_robin || people.len() < 2 {
            return people;
        }
        let mine = self.on_call.turn(turn, people.len());
        vec![people.swap_remove(mine)]
    }

    /// By which ways a person is told of an incident, and when: those of the plan that fit, not before the person's
    /// quiet hours end.
    fn ways(&self, person: &PersonId, view: &IncidentView, within: Span) -> Vec<(ReceiverId, Timestamp)> {
        let rules = &self.policy.on_call;
        let Some(person): Option<&Person> = rules.person(person) else { return Vec::new() };
        let wakes = person.sleeps_until(view.severity, self.now).unwrap_or(self.now);
        let mut ways: Vec<(ReceiverId, Timestamp)> = Vec::new();
        for step in rules.steps(person) {
            if step.after > within || !step.fits(view.severity, self.now) {
                continue;
            }
            let due = self.now.plus(step.after).max(wakes);
            for receiver in &step.by {
                match ways.iter_mut().find(|(known, _)| known == receiver) {
                    Some((_, before)) => *before = (*before).min(due),
                    None => ways.push((receiver.clone(), due)),
                }
            }
        }
        ways
    }

    fn send_page(&mut self, one: &mut Escalation, page: &Page, news: &News, view: &IncidentView) {
        let now = self.now;
        let told = self.told_of(one, page);
        let same = |mine: &&mut Page| mine.person == page.person && mine.receiver == page.receiver;
        if let Some(mine) = one.pages.iter_mut().find(same) {
            (mine.due, mine.told_at) = (None, Some(now));
        }
        let to = page.person.as_ref().map(|person| {
            let name = self.policy.on_call.called(person).into();
            let verified = self.on_call.prints_of(person);
            Box::new(Addressee {
                person: person.clone(),
                name,
                policy: one.policy.clone(),
                level: page.level,
                verified,
            })
        });
        let is_taken = news.changes.contains(&Change::Acknowledged);
        let by = view.acknowledged_by.as_deref().filter(|_| is_taken).unwrap_or_default();
        let by = self.policy.on_call.called(&PersonId::from(by)).into();
        let handed = self.hand_out(Box::new(Notice {
            key: "".into(),
            receiver: page.receiver.clone(),
            kind: news.kind,
            at: now,
            incident: view.clone(),
            rule: Some(one.rule.clone()),
            changes: news.changes.clone(),
            digest: None,
            to,
            told,
            runbooks: self.runbooks_of(view),
            action: None,
            by,
        }));
        // Whoever is not reached by this way is reached by the next one, a moment later; news alone hurry nobody.
        let asks = matches!(news.kind, NoticeKind::Opened | NoticeKind::Reopened | NoticeKind::Reminder);
        if let (Handed::Kept, Some(person)) = (handed, &page.person) {
            if let Some(mine) = one.pages.iter_mut().find(same) {
                mine.told_at = page.told_at;
            }
            if !asks {
                return;
            }
            one.hurry(person, now);
            if let Some(group) = self.by_incident.get(&view.id).copied() {
                self.deadlines.set(now, Due::Tell(group));
            }
        }
    }

    /// Who else was told by the same policy, as messages call them.
    fn told_of(&self, one: &Escalation, page: &Page) -> Vec<Box<str>> {
        let mut told: Vec<Box<str>> = Vec::new();
        for other in one.told() {
            let name: Box<str> = match &other.person {
                Some(person) if page.person.as_ref() == Some(person) => continue,
                Some(person) => self.policy.on_call.called(person).into(),
                None if other.receiver == page.receiver => continue,
                None => other.receiver.as_str().into(),
            };
            if !told.contains(&name) {
                told.push(name);
            }
        }
        told
    }

    /// Somebody was assigned: if it is one of the people, they are told, unless they did it themselves.
    pub fn page_assignee(&mut self, place: Place, assignee: &str, actor: &str) {
        let person = PersonId::from(assignee);
        if assignee == actor || self.policy.on_call.person(&person).is_none() {
            return;
        }
        let now = self.now;
        let Some(incident) = self.groups.get_mut(place).and_then(|g| g.incident.as_mut()) else { return };
        let level = Level { to: vec![Target::Person(person)], wait: Span::mins(10), round_robin: false };
        let repeat = Repeat { times: 0, ..Repeat::default() };
        let (until, fallback, tell_acknowledged) = (Until::Close, Vec::new(), false);
        let ladder = Ladder { levels: vec![level], repeat, until, fallback, tell_acknowledged };
        let fresh = Escalation::begin("".into(), RuleId::from(""), ladder, NoticeKind::Opened, now);
        let all = &mut incident.audience.escalations;
        match all.iter_mut().find(|one| one.is_assignment()) {
            Some(old) => {
                let told = std::mem::replace(old, fresh);
                old.absorb(told);
            }
            None => all.push(fresh),
        }
        self.moment.groups.insert(place);
    }

    /// A page did not arrive: the next way, or the next level, is tried at once. That may be heard a day after the receiver took it:
    /// then it counts only while nothing else has been told since.
    pub fn page_failed(&mut self, delivered: &Delivered, person: &PersonId) {
        let Some(place) = self.by_incident.get(&delivered.incident).copied() else { return };
        let now = self.now;
        let Some(incident) = self.groups.get_mut(place).and_then(|g| g.incident.as_mut()) else { return };
        let told_at = delivered.receipt.as_ref().and_then(|receipt| receipt.told_at);
        let counts = |one: &Escalation| told_at.is_none_or(|at| one.rests_on(person, &delivered.receiver, at));
        for one in incident.audience.escalations.iter_mut().filter(|one| counts(one)) {
            one.hurry(person, now);
            self.moment.groups.insert(place);
        }
    }
}
