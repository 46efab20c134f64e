//! On call, as tables that a person can check: who has duty through changes of the clock, holidays and leap days; who is
//! paged when, by which way; what follows when nobody answers.

use std::fmt::Write as _;
use std::sync::Arc;

use headwater::domain::event::{Event, Status};
use headwater::domain::ids::IncidentId;
use headwater::domain::incident::TimelineKind;
use headwater::domain::severity::Severity;
use headwater::domain::time::{Span, Timestamp};
use headwater::engine::calendar::local;
use headwater::engine::effect::{Effect, Notice, NoticeKind};
use headwater::engine::input::{Batch, Command, Delivered, DeliveryOutcome, Digest, Input, Order, Receipt};
use headwater::engine::oncall::{Override, table};
use headwater::engine::policy::Policy;
use headwater::engine::policy::place::RuleFile;
use headwater::engine::tuning::Tuning;
use headwater::engine::{Engine, Loaded};

use crate::storms::{project, tenant};
use crate::table::{by, policy};

/// The calendar that is shipped, and rosters by it.
const DUTY: &str = concat!(include_str!("../../rules/calendars/cn-2026.yaml"), include_str!("../oncall/duty.yaml"));

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap_or_else(|| panic!("{text}"))
}

/// Compares with a kept table; `UPDATE_EXPECT=1` writes it anew.
fn same_as(file: &str, got: &str) {
    let path = project().join("tests/oncall").join(file);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, got).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(kept == got, "{file} is otherwise now:\n{got}");
}

/// The shifts of a roster, one a line.
fn shifts(roster: &str, from: &str, days: i64) -> String {
    let policy = policy(1, DUTY);
    let roster = policy.on_call.roster(roster).unwrap_or_else(|| panic!("{roster}"));
    let from = at(from);
    let all = roster.shifts(from, from.plus(Span::hours(24 * days)), &[]);
    all.iter().fold(String::new(), |text, shift| text + &table::line(roster, shift) + "\n")
}

#[test]
fn duty_through_a_month_with_holidays_and_worked_weekends() {
    same_as("duty-2026-10-core.txt", &shifts("core", "2026-09-17T16:00:00Z", 35));
    same_as("duty-2026-02-core.txt", &shifts("core", "2026-02-12T16:00:00Z", 21));
}

#[test]
fn duty_through_every_holiday_of_a_year() {
    let around = [
        ("元旦", "2025-12-30T16:00:00Z", 6),
        ("清明节", "2026-04-02T16:00:00Z", 5),
        ("劳动节", "2026-04-29T16:00:00Z", 11),
        ("端午节", "2026-06-17T16:00:00Z", 5),
        ("中秋节", "2026-09-23T16:00:00Z", 5),
    ];
    let text = around.map(|(name, from, days)| format!("# {name}\n{}", shifts("core", from, days)));
    same_as("duty-2026-holidays.txt", &text.join("\n"));
}

#[test]
fn duty_through_changes_of_the_clock_and_a_leap_day() {
    same_as("duty-2026-03-berlin.txt", &shifts("berlin", "2026-03-15T00:00:00Z", 31));
    same_as("duty-2026-10-halves.txt", &shifts("halves", "2026-10-23T00:00:00Z", 5));
    same_as("duty-2028-monthly.txt", &shifts("monthly", "2027-12-31T00:00:00Z", 160));
    same_as("duty-nights.txt", &shifts("nights", "2028-02-27T00:00:00Z", 4));
}

#[test]
fn every_minute_is_somebodys_and_a_shift_says_the_same_as_the_moment() {
    let policy = policy(1, DUTY);
    for (name, from) in [
        ("core", "2026-09-28T00:00:00Z"),
        ("berlin", "2026-03-27T00:00:00Z"),
        ("berlin", "2026-10-24T00:00:00Z"),
        ("halves", "2026-10-24T00:00:00Z"),
        ("monthly", "2028-02-27T00:00:00Z"),
        ("nights", "2028-02-27T00:00:00Z"),
        ("gappy", "2026-01-08T00:00:00Z"),
    ] {
        let roster = policy.on_call.roster(name).unwrap();
        let from = at(from);
        let to = from.plus(Span::hours(24 * 12));
        let shifts = roster.shifts(from, to, &[]);
        assert!(shifts.windows(2).all(|pair| pair[0].to == pair[1].from), "{name}: shifts follow one another");
        assert_eq!((shifts[0].from, shifts[shifts.len() - 1].to), (from, to), "{name}");
        for minutes in 0..12 * 24 * 60 {
            let at = from.plus(Span::mins(minutes));
            let shift = shifts.iter().find(|shift| shift.from <= at && at < shift.to).unwrap();
            assert_eq!(roster.duty(at, &[]).people, shift.duty.people, "{name} at {at}");
        }
    }
}

#[test]
fn gaps_are_found_and_meant_ones_are_not_told() {
    let policy = policy(1, DUTY);
    let gaps = |roster: &str| {
        let from = at("2026-01-08T00:00:00Z");
        policy.on_call.roster(roster).unwrap().gaps(from, from.plus(Span::hours(24 * 7)), &[])
    };
    let expected = (at("2026-01-09T16:00:00Z"), at("2026-01-11T16:00:00Z"));
    assert_eq!(gaps("gappy"), [expected], "nobody from Saturday 00:00 to Monday 00:00 in Shanghai");
    assert!(gaps("nights").is_empty() && gaps("core").is_empty());
}

/// An engine under test by the rules above.
struct Desk {
    engine: Engine,
    policy: Arc<Policy>,
    now: Timestamp,
    /// Incidents in the order of opening.
    opened: Vec<IncidentId>,
}

impl Desk {
    fn at(from: Timestamp) -> Self {
        let policy = policy(1, DUTY);
        let mut engine = Engine::empty(0, Arc::new(Tuning::default()));
        let (digest, author, reason) = (Digest("d".into()), "li".into(), "".into());
        let input = Input::Policy { tenant: tenant(), version: 1, digest, author, reason };
        engine.step(from, &input, Loaded::Policy(policy.clone()));
        Self { engine, policy, now: from, opened: Vec::new() }
    }

    fn step(&mut self, at: Timestamp, input: &Input) -> Vec<Effect> {
        self.now = at;
        // Takeover by another instance at any moment changes nothing.
        let policy = self.policy.clone();
        let thawed =
            Engine::thaw(&self.engine.freeze(), Arc::new(Tuning::default()), |_, _| None, |_, _| Some(policy.clone()));
        self.engine = thawed.unwrap();
        let effects = self.engine.step(at, input, Loaded::Nothing);
        for effect in &effects {
            if let Effect::Incident { incident, .. } = effect
                && !self.opened.contains(&incident.id)
            {
                self.opened.push(incident.id);
            }
        }
        effects
    }

    fn event(&mut self, at: Timestamp, object: &str, severity: Option<Severity>) -> Vec<Effect> {
        let mut event = Event::new(tenant(), "probe".into(), &format!("PowerDown {object}"), at);
        event.object.name = Some(object.into());
        match severity {
            Some(severity) => event.severity = severity,
            None => event.status = Status::Resolved,
        }
        let batch = Batch { tenant: tenant(), events: vec![event], rejected: Vec::new(), replay_of: None };
        self.step(at, &Input::Batch(batch))
    }

    fn order(&mut self, at: Timestamp, order: Order) -> Vec<Effect> {
        self.step(
            at,
            &Input::Command(Command { tenant: tenant(), actor: "li".into(), id: "".into(), via: "".into(), order }),
        )
    }

    fn last(&self) -> IncidentId {
        *self.opened.last().expect("an incident has opened")
    }
}

fn notices(effects: &[Effect]) -> Vec<&Notice> {
    let found = effects.iter().filter_map(|effect| match effect {
        Effect::Notify { notice } => Some(&**notice),
        _ => None,
    });
    found.collect()
}

/// One incident at each of these moments: who is paged within 22 minutes while nobody answers.
fn month((zone, objects): (&str, &str), from: &str, count: i64, every: Span, severity: Severity) -> String {
    let zone: chrono_tz::Tz = zone.parse().unwrap();
    let from = at(from);
    let mut desk = Desk::at(from.minus(Span::mins(1)));
    let mut text = String::new();
    for n in 0..count {
        let begin = from.plus(Span(every.0 * n));
        let mut effects = desk.event(begin, &format!("{objects}-{n}"), Some(severity));
        for minutes in 1..=22 {
            effects.extend(desk.step(begin.plus(Span::mins(minutes)), &Input::Tick));
        }
        let incident = desk.last();
        desk.order(begin.plus(Span::mins(23)), Order::Close { incident, note: "".into(), findings: None });
        let paged = notices(&effects).into_iter().filter(|notice| notice.receiver.as_str() != "board");
        let told: Vec<String> =
            paged.map(|notice| format!("+{}m {}", notice.at.since(begin).as_secs() / 60, notice.whom())).collect();
        let _ = writeln!(text, "{}  {}", local(zone, begin).format("%Y-%m-%d %a %H:%M"), told.join(", "));
    }
    text
}

#[test]
fn who_is_paged_through_a_month_as_a_table() {
    let shanghai = ("Asia/Shanghai", "db");
    let table = month(shanghai, "2026-09-28T00:30:00Z", 62, Span::hours(13), Severity::Critical);
    same_as("paged-2026-10-critical.txt", &table);
    let table = month(shanghai, "2026-02-12T00:30:00Z", 40, Span::hours(11), Severity::Major);
    same_as("paged-2026-02-major.txt", &table);
}

#[test]
fn who_is_paged_through_changes_of_the_clock_and_a_leap_day_as_a_table() {
    let berlin = ("Europe/Berlin", "de");
    // The night in which 02:30 is none, the handover after it, and the night in which it is twice.
    let spring = month(berlin, "2026-03-28T21:30:00Z", 40, Span::mins(60), Severity::Critical);
    let autumn = month(berlin, "2026-10-24T21:30:00Z", 40, Span::mins(60), Severity::Critical);
    same_as("paged-2026-berlin.txt", &format!("# 2026-03-29\n{spring}\n# 2026-10-25\n{autumn}"));
    let leap = month(("Asia/Shanghai", "db"), "2028-02-27T16:30:00Z", 12, Span::hours(7), Severity::Critical);
    same_as("paged-2028-leap-day.txt", &leap);
}

/// One critical incident a night at a time, with its end half an hour later: who hears of the end when, and by which way.
fn endings(objects: &str, from: &str, count: i64, every: Span) -> String {
    let zone: chrono_tz::Tz = "Asia/Shanghai".parse().unwrap();
    let from = at(from);
    let mut desk = Desk::at(from.minus(Span::mins(1)));
    let mut text = String::new();
    for n in 0..count {
        let begin = from.plus(Span(every.0 * n));
        let object = format!("{objects}-{n}");
        let mut effects = desk.event(begin, &object, Some(Severity::Critical));
        for minute in 1..30 {
            effects.extend(desk.step(begin.plus(Span::mins(minute)), &Input::Tick));
        }
        effects.extend(desk.event(begin.plus(Span::mins(30)), &object, None));
        for quarter in 3..48 {
            effects.extend(desk.step(begin.plus(Span::mins(15 * quarter)), &Input::Tick));
        }
        let clock = |at: Timestamp| local(zone, at).format("%H:%M").to_string();
        let personal = notices(&effects).into_iter().filter(|notice| notice.to.is_some());
        let (ends, pages): (Vec<&Notice>, Vec<&Notice>) =
            personal.partition(|notice| notice.kind != NoticeKind::Opened);
        let said = |all: &[&Notice]| {
            let each = all.iter().map(|notice| format!("{} {}", clock(notice.at), notice.whom()));
            each.collect::<Vec<_>>().join(", ")
        };
        let day = local(zone, begin).format("%Y-%m-%d %a %H:%M");
        let _ = writeln!(text, "{day}  paged {}  ended {}", said(&pages), said(&ends));
    }
    text
}

#[test]
fn the_end_of_a_night_s_incident_wakes_nobody() {
    let network = endings("sw", "2026-10-12T16:10:00Z", 6, Span::hours(23));
    let core = endings("db", "2026-10-12T16:10:00Z", 3, Span::hours(24));
    same_as("ended-at-night.txt", &format!("{network}{core}"));
    let told = |line: &str| line.split_once("ended ").unwrap().1.to_owned();
    assert!(network.lines().chain(core.lines()).all(|line| !told(line).contains("voice")), "{network}{core}");
    let han: Vec<String> = network.lines().filter(|line| line.contains("/han")).map(told).collect();
    assert!(!han.is_empty() && han.iter().any(|end| end.contains("07:00")), "Han sleeps until seven: {network}");
}

/// What is told of one incident, with timeline entries that matter, minutes after its begin.
fn told(begin: Timestamp, effects: &[Effect]) -> Vec<String> {
    let minute = |at: Timestamp| format!("{}:{:02}", at.since(begin).as_secs() / 60, at.since(begin).as_secs() % 60);
    let mut lines = Vec::new();
    for effect in effects {
        match effect {
            Effect::Notify { notice } if notice.receiver.as_str() != "board" => {
                lines.push(format!("{} {} {}", minute(notice.at), notice.whom(), notice.kind.as_str()));
            }
            Effect::Timeline { entry, .. }
                if matches!(entry.kind, TimelineKind::Escalated | TimelineKind::NobodyAnswered) =>
            {
                lines.push(format!("{} ({})", minute(entry.at), entry.detail));
            }
            _ => {}
        }
    }
    lines
}

/// What happens to the incident at a minute.
type Due = (i64, fn(IncidentId) -> Input);

/// Plays orders at minutes after the begin of one incident, with a tick every 30 seconds.
fn play(begin: &str, object: &str, severity: Severity, until_mins: i64, orders: &[Due]) -> Vec<String> {
    let begin = at(begin);
    let mut desk = Desk::at(begin.minus(Span::mins(1)));
    let mut effects = desk.event(begin, object, Some(severity));
    // A major alert is held for five minutes first.
    while desk.opened.is_empty() {
        let next = desk.now.plus(Span::secs(30));
        effects.extend(desk.step(next, &Input::Tick));
    }
    let incident = desk.last();
    let mut at = desk.now;
    while at < begin.plus(Span::mins(until_mins)) {
        at = at.plus(Span::secs(30));
        effects.extend(desk.step(at, &Input::Tick));
        for (minute, order) in orders {
            if at == begin.plus(Span::mins(*minute)) {
                effects.extend(desk.step(at, &order(incident)));
            }
        }
    }
    told(begin, &effects)
}

fn command(order: Order) -> Input {
    Input::Command(Command { tenant: tenant(), actor: "li".into(), id: "".into(), via: "".into(), order })
}

fn ack(incident: IncidentId) -> Input {
    command(Order::Acknowledge { incident })
}

fn unack(incident: IncidentId) -> Input {
    command(Order::Unacknowledge { incident })
}

fn close(incident: IncidentId) -> Input {
    command(Order::Close { incident, note: "".into(), findings: None })
}

fn assign_to_zhao(incident: IncidentId) -> Input {
    command(Order::Assign { incident, assignee: "zhao".into() })
}

fn sms_fails(incident: IncidentId) -> Input {
    Input::Delivered(Delivered {
        tenant: tenant(),
        incident,
        receiver: "chat".into(),
        key: "".into(),
        outcome: DeliveryOutcome::GaveUp("no such user".into()),
        attempts: 1,
        person: Some("han".into()),
        ticket: None,
        report: None,
        receipt: None,
    })
}

fn check(got: &[String], expected: &str) {
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(got, expected, "\n{}", got.join("\n"));
}

/// A Tuesday at 10:00 in Shanghai; by the workday layer Han has duty.
const TUESDAY: &str = "2026-01-06T02:00:00Z";

#[test]
fn nobody_answers_and_all_levels_are_told_again_after_growing_pauses() {
    let got = play(TUESDAY, "db-1", Severity::Critical, 120, &[]);
    check(
        &got,
        "0:00 (core 1/3: han)
         0:00 chat/han opened
         3:00 sms/han opened
         5:00 voice/han opened
         10:00 (core 2/3: wang, room)
         10:00 chat/wang opened
         10:00 room opened
         13:00 sms/wang opened
         15:00 voice/wang opened
         20:00 (core 3/3: boss)
         20:00 voice/boss opened
         20:00 sms/boss opened
         55:00 (core 1/3: han)
         55:00 chat/han reminder
         58:00 sms/han reminder
         60:00 voice/han reminder
         65:00 (core 2/3: wang, room)
         65:00 chat/wang reminder
         65:00 room reminder
         68:00 sms/wang reminder
         70:00 voice/wang reminder
         75:00 (core 3/3: boss)
         75:00 voice/boss reminder
         75:00 sms/boss reminder
         90:00 (core 4: nobody has acknowledged)
         90:00 room reminder",
    );
}

#[test]
fn an_acknowledgement_ends_it_and_those_who_were_told_hear_of_the_end() {
    let got = play(TUESDAY, "db-1", Severity::Critical, 60, &[(4, ack), (30, close)]);
    check(
        &got,
        "0:00 (core 1/3: han)
         0:00 chat/han opened
         3:00 sms/han opened
         30:00 chat/han closed",
    );
    let got = play(TUESDAY, "db-1", Severity::Critical, 21, &[(1, ack), (9, unack)]);
    check(
        &got,
        "0:00 (core 1/3: han)
         0:00 chat/han opened
         9:00 (core 1/3: han)
         9:00 chat/han reminder
         12:00 sms/han opened
         14:00 voice/han opened
         19:00 (core 2/3: wang, room)
         19:00 chat/wang opened
         19:00 room opened",
    );
}

#[test]
fn who_is_assigned_is_told_although_somebody_has_acknowledged() {
    let got = play(TUESDAY, "db-1", Severity::Critical, 20, &[(1, ack), (2, assign_to_zhao)]);
    check(
        &got,
        "0:00 (core 1/3: han)
         0:00 chat/han opened
         2:00 chat/zhao opened",
    );
}

#[test]
fn what_does_not_arrive_is_tried_by_the_next_way_at_once() {
    let got = play(TUESDAY, "db-1", Severity::Critical, 9, &[(1, sms_fails)]);
    check(
        &got,
        "0:00 (core 1/3: han)
         0:00 chat/han opened
         1:00 sms/han opened
         5:00 voice/han opened",
    );
}

/// The telephone company says of Han's first message, which it had taken at a minute, that it did not arrive.
fn lost(incident: IncidentId, told_at_mins: i64) -> Input {
    let Input::Delivered(failed) = sms_fails(incident) else { panic!("a delivery") };
    let told_at = Some(at(TUESDAY).plus(Span::mins(told_at_mins)));
    let receipt = Receipt { to: "138***00".into(), said: "1A2B".into(), told_at };
    Input::Delivered(Delivered { receipt: Some(Box::new(receipt)), ..failed })
}

#[test]
fn what_is_heard_late_of_a_message_counts_while_nothing_was_told_since() {
    let play = |orders: &[Due]| play(TUESDAY, "db-1", Severity::Critical, 21, orders);
    assert_eq!(play(&[(1, |incident| lost(incident, 0))]), play(&[(1, sms_fails)]), "it waits for an answer");
    // The next level has been told.
    let late = play(&[(11, |incident| lost(incident, 0))]);
    assert_eq!(late, play(&[]));
    assert_ne!(late, play(&[(11, sms_fails)]));
    // It was acknowledged, and is nobody's again: what it was told of then is not what waits now.
    let again: [Due; 2] = [(1, ack), (9, unack)];
    let late = play(&[again[0], again[1], (10, |incident| lost(incident, 0))]);
    assert_eq!(late, play(&again));
    let now = play(&[again[0], again[1], (10, |incident| lost(incident, 9))]);
    assert_eq!(now, play(&[again[0], again[1], (10, sms_fails)]));
    assert_ne!(now, late);
}

#[test]
fn turns_go_round_and_an_empty_roster_falls_back_at_once() {
    let begin = at(TUESDAY);
    let mut desk = Desk::at(begin.minus(Span::mins(1)));
    let mut who = Vec::new();
    for n in 0..5 {
        let effects = desk.event(begin.plus(Span::mins(n)), &format!("sw-{n}"), Some(Severity::Critical));
        let opened = notices(&effects).into_iter().filter(|notice| notice.receiver.as_str() == "chat");
        who.extend(opened.map(Notice::whom));
    }
    assert_eq!(who, ["chat/li", "chat/han", "chat/wang", "chat/li", "chat/han"]);
    // A Saturday: the roster of weekdays has nobody.
    let got = play("2026-01-10T02:00:00Z", "app-1", Severity::Critical, 20, &[]);
    check(
        &got,
        "0:00 (weekdays 1: nobody is on call)
         0:00 (weekdays 2/2: boss)
         0:00 room opened
         0:00 voice/boss opened
         0:00 sms/boss opened
         10:00 (weekdays 3: nobody has acknowledged)
         10:00 room reminder",
    );
}

#[test]
fn a_sleeper_is_woken_by_critical_only() {
    // Han has the workday's turn but it is night: by the night layer Wang has duty, so Han is assigned by hand.
    fn assign_han(incident: IncidentId) -> Input {
        command(Order::Assign { incident, assignee: "han".into() })
    }
    let night = "2026-01-06T15:30:00Z";
    let got = play(night, "lab-1", Severity::Critical, 30, &[(1, assign_han)]);
    check(&got, "0:00 chat opened\n1:00 sms/han opened");
    // 23:30 in Shanghai; the incident opens five minutes later, and what is major waits until 07:00.
    let got = play(night, "lab-1", Severity::Major, 500, &[(6, assign_han)]);
    check(&got, "5:00 chat opened\n450:00 sms/han opened");
}

#[test]
fn an_override_of_a_person_takes_the_page_and_is_taken_back() {
    let begin = at(TUESDAY);
    let mut desk = Desk::at(begin.minus(Span::mins(1)));
    let made = |roster: &str, person: &str, of: Option<&str>| Order::Override {
        made: Box::new(Override {
            id: 0,
            roster: roster.into(),
            from: begin,
            to: begin.plus(Span::hours(8)),
            person: person.into(),
            of: of.map(Into::into),
            by: "somebody else".into(),
            note: "".into(),
        }),
    };
    let refused = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::CommandDone { refused, .. } => Some(refused.clone()),
            _ => None,
        })
    };
    assert!(refused(&desk.order(begin, made("nowhere", "zhao", None))).unwrap().is_some());
    assert!(refused(&desk.order(begin, made("core", "nobody", None))).unwrap().is_some());
    assert!(refused(&desk.order(begin, made("core", "zhao", Some("li")))).unwrap().is_none());
    let who = |desk: &mut Desk, object: &str| {
        let effects = desk.event(desk.now.plus(Span::secs(1)), object, Some(Severity::Critical));
        notices(&effects).iter().map(|notice| notice.whom()).find(|whom| whom != "board").unwrap()
    };
    assert_eq!(who(&mut desk, "db-1"), "chat/han", "a swap for somebody who has no duty changes nothing");
    assert!(refused(&desk.order(desk.now, made("core", "zhao", Some("han")))).unwrap().is_none());
    assert_eq!(who(&mut desk, "db-2"), "chat/zhao");
    assert_eq!(desk.engine.overrides(&tenant())[0].by.as_ref(), "li", "who made it is who ordered it");
    assert!(refused(&desk.order(desk.now, Order::EndOverride { id: 2 })).unwrap().is_none());
    assert_eq!(who(&mut desk, "db-3"), "chat/han");
    assert!(refused(&desk.order(desk.now, Order::EndOverride { id: 2 })).unwrap().is_some(), "it is over");
}

#[test]
fn a_person_gets_ten_pages_in_ten_minutes_and_then_a_digest() {
    let begin = at(TUESDAY);
    let mut desk = Desk::at(begin.minus(Span::mins(1)));
    let mut effects = Vec::new();
    for n in 0..14 {
        effects.extend(desk.event(begin.plus(Span::secs(n)), &format!("db-{n}"), Some(Severity::Critical)));
    }
    for secs in 1..=40 {
        effects.extend(desk.step(begin.plus(Span::secs(15 * secs)), &Input::Tick));
    }
    let han: Vec<&Notice> =
        notices(&effects).into_iter().filter(|n| n.to.as_ref().is_some_and(|to| to.person.as_str() == "han")).collect();
    assert_eq!(han.iter().filter(|notice| notice.kind == NoticeKind::Opened).count(), 10);
    let digest = han.iter().find(|notice| notice.kind == NoticeKind::Digest).expect("a digest");
    assert_eq!(digest.at, begin.plus(Span::mins(10)));
    assert!(digest.digest.as_ref().unwrap().messages >= 4);
}

#[test]
fn pages_name_who_else_was_told_and_what_to_do() {
    let begin = at(TUESDAY);
    let mut desk = Desk::at(begin.minus(Span::mins(1)));
    let mut effects = desk.event(begin, "db-1", Some(Severity::Critical));
    effects.extend(desk.step(begin.plus(Span::mins(10)), &Input::Tick));
    let page = notices(&effects).into_iter().find(|notice| notice.whom() == "chat/wang").expect("the backup is paged");
    assert_eq!(page.told, [Box::from("韩梅")], "by name");
    let to = page.to.as_ref().unwrap();
    assert_eq!((&*to.name, &*to.policy, to.level), ("王芳", "core", 2));
    assert_eq!((&*page.runbooks[0].title, &*page.runbooks[0].url), ("掉电处置手册", "https://wiki.example/power"));
    assert!(page.key.ends_with("-chat-opened-wang"), "{}", page.key);
}

#[test]
fn a_policy_is_kept_as_it_was_when_it_began() {
    let other = DUTY
        .replace("{ to: [{ backup: core }, { receiver: room }], wait: 10m }", "{ to: [{ person: anna }], wait: 10m }");
    by(DUTY).or("other", &other).tells(
        "120:00 db-1 Down critical
         121:00 rules other
         131:00 end",
        "120:00 board opened 1
         120:00 chat/wang opened 1
         123:00 sms/wang opened 1
         125:00 voice/wang opened 1
         130:00 chat/li opened 1
         130:00 room opened 1",
    );
}

#[test]
fn routes_ask_for_the_size_of_an_incident() {
    let rules = "
routes:
  - { id: wide, match: { alert_count: '>= 3' }, receivers: [boss], continue: true }
  - { id: sure, when: 'confidence >= 50', receivers: [ticket], continue: true }
  - { id: fallback, receivers: [team] }
group: [{ id: all, by: [source], window: 1h }]";
    by(rules).tells(
        "00:00 a Down critical
         01:00 b Down critical
         02:00 c Down critical
         03:00 end",
        "00:00 team opened 1
         02:00 boss opened 1",
    );
}

/// Each fault of a rule file, and where it is told.
#[test]
fn faults_are_told_with_their_place_and_the_remedy() {
    let check = |from: &str, to: &str, expected: &str| {
        assert!(DUTY.contains(from), "{from}");
        let files = [RuleFile { name: "duty.yaml".into(), text: DUTY.replace(from, to) }];
        let errors = Policy::compile(1, &files).expect_err(to);
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|line| line.contains(expected)), "{to}:\n{}\nlacks {expected}", told.join("\n"));
        assert!(
            told.iter().all(|line| line.starts_with("duty.yaml:") && !line.starts_with("duty.yaml:0:")),
            "{told:?}"
        );
    };
    check("{ oncall: network }", "{ oncall: netwrok }", "there is no escalation policy \"netwrok\"; define it");
    check("[{ person: boss }], wait: 15m", "[{ person: bos }], wait: 15m", "core: there is no person \"bos\"");
    check("{ roster: core }], wait", "{ roster: cor }], wait", "core: there is no roster \"cor\"");
    check("{ team: network }", "{ team: n }", "network: there is no team \"n\"");
    check("[li, han, wang], starts", "[li, hann, wang], starts", "core: there is no person \"hann\"");
    check("id: ben, name: Ben", "id: anna, name: Ben", "person anna stands twice");
    check("every: 12h", "every: 12x", "is no length of a turn; write 12h, 1d, 1w, 1mo, workday or holiday");
    check(
        "zone: Europe/Berlin\n    layers:\n      - { name: half",
        "zone: Berlin\n    layers:\n      - { name: half",
        "is no time zone",
    );
    check("every: holiday, calendar: cn", "every: holiday, calendar: xx", "there is no calendar \"xx\"");
    check("steps:\n      - { during", "steps:\n      - { durin", "unknown field `durin`");
    check("id: default\n", "id: standard\n", "li cannot be reached: there is no contact plan \"default\"");
    check("repeat: { times: 0 }\n    fallback: [room]", "repeat: { times: 0 }", "missing field `fallback`");
    check(
        "repeat: { times: 0 }\n    fallback: [room]",
        "repeat: { times: 0 }\n    fallback: []",
        "a fallback tells somebody",
    );
    check("wait: 15m", "wait: 1s", "30");
    check("unless: critical", "unless: cricital", "cricital");
}
