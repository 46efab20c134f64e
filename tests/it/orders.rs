//! What people may order in which state of an incident, and what an alert's later events change.

use headwater::domain::incident::{EvidenceTerm, IncidentState, IncidentView};
use headwater::engine::effect::Effect;

use crate::table::by;

/// Stories that leave incident 1 in each state.
const STATES: [(&str, &str); 4] = [
    ("abnormal", "00:00 db-1 Down critical"),
    ("recovering", "00:00 db-1 Down critical\n02:00 db-1 Down resolved"),
    ("recovered", "00:00 db-1 Down critical\n02:00 db-1 Down resolved\n08:00 end"),
    ("closed", "00:00 db-1 Down critical\n08:00 close 1"),
];

/// Each order, and in which of these states it is carried out.
const ORDERS: [(&str, [bool; 4]); 8] = [
    ("ack 1", [true, true, true, false]),
    ("unack 1", [true, true, true, false]),
    ("snooze 1 30:00", [true, true, true, false]),
    ("snooze 1 05:00", [false, false, false, false]),
    ("severity 1 minor", [true, true, true, false]),
    ("severity 1 cleared", [false, false, false, false]),
    ("close 1", [true, true, true, false]),
    ("reopen 1", [false, true, true, true]),
];

fn refusals(effects: &[Effect]) -> Vec<Option<&str>> {
    let done = effects.iter().filter_map(|effect| match effect {
        Effect::CommandDone { refused, .. } => Some(refused.as_deref()),
        _ => None,
    });
    done.collect()
}

/// An incident as it was told last.
fn last(effects: &[Effect], id: u64) -> IncidentView {
    let mut views = effects.iter().rev().filter_map(|effect| match effect {
        Effect::Incident { incident, .. } if incident.id.0 == id => Some(incident),
        _ => None,
    });
    (**views.next().unwrap()).clone()
}

/// Only the worst go to the ticket system by themselves.
const TICKETS: &str = "promote: [{ id: at-once, after: now }]
routes:
  - { id: all, receivers: [team], continue: true }
  - { id: worst, match: { severity: critical }, receivers: [jira] }";

#[test]
fn a_ticket_is_ordered_once_where_no_route_files_it_and_goes_with_the_incident() {
    let story = "00:00 db-1 Down major
        00:05 ticket 1 nobody
        00:06 ticket 1 jira
        00:07 ticket 1 jira
        08:00 close 1
        08:01 ticket 1 jira";
    by(TICKETS).tells(
        story,
        "00:00 team opened 1
         refused: no rule names this receiver: name it in a route, though it fits nothing
         00:06 jira opened 1
         refused: this receiver has been told: its ticket is there, or on its way
         08:00 team closed 1
         08:00 jira closed 1
         refused: the incident is closed: reopen it first",
    );
    let effects = by(TICKETS).play(story);
    let refused: Vec<bool> = refusals(&effects).iter().map(Option::is_some).collect();
    assert_eq!(refused, [true, false, true, false, true]);
}

#[test]
fn an_order_that_makes_no_sense_in_a_state_is_refused_with_the_reason() {
    for (n, (state, story)) in STATES.iter().enumerate() {
        for (order, allowed) in ORDERS {
            let before = last(&by("").play(story), 1);
            assert_eq!(format!("{:?}", before.state).to_lowercase(), *state);
            let effects = by("").play(&format!("{story}\n10:00 {order}"));
            let refused = refusals(&effects).pop().unwrap();
            assert_eq!(refused.is_none(), allowed[n], "{order} on an incident that is {state}: {refused:?}");
            if refused.is_some() {
                let after = last(&effects, 1);
                let same = (before.progress, before.severity, before.snoozed_until, before.acknowledged_at);
                assert_eq!(
                    (after.progress, after.severity, after.snoozed_until, after.acknowledged_at),
                    same,
                    "{order}"
                );
            }
        }
    }
}

#[test]
fn a_snooze_ends_with_the_incident_it_was_for() {
    let effects = by("").play("00:00 db-1 Down critical\n01:00 snooze 1 90:00\n02:00 close 1\n03:00 reopen 1");
    let incident = last(&effects, 1);
    assert_eq!((incident.state, incident.snoozed_until), (IncidentState::Abnormal, None));
}

#[test]
fn the_first_who_acknowledges_is_the_one_who_did() {
    let effects = by("").play("00:00 db-1 Down critical\n01:00 ack 1\n02:00 ack 1");
    let first = last(&by("").play("00:00 db-1 Down critical\n01:00 ack 1"), 1);
    assert_eq!(last(&effects, 1).acknowledged_at, first.acknowledged_at);
    assert_eq!(refusals(&effects), [None, None]);
}

#[test]
fn an_incident_that_survives_a_merge_keeps_its_own_start_and_what_was_done_with_both() {
    let story = "00:00 db-1 Down critical
         20:00 web-9 Slow critical
         21:00 ack 1
         22:00 merge 1 2";
    let effects = by("").play(story);
    let (first, survivor) = (last(&by("").play("00:00 db-1 Down critical\n21:00 ack 1"), 1), last(&effects, 2));
    assert_eq!(last(&effects, 1).state, IncidentState::Merged);
    assert_eq!(survivor.opened_at.since(first.opened_at).as_secs(), 20 * 60, "when it was opened does not change");
    assert_eq!(survivor.first_alert_at, first.first_alert_at);
    assert_eq!((survivor.acknowledged_at, survivor.acknowledged_by), (first.acknowledged_at, first.acknowledged_by));
}

#[test]
fn behind_the_reopen_gap_the_same_alert_is_another_incident() {
    let rules = "settings: { observation: 1m, reopen_gap: 5m }";
    let story = "00:00 db-1 Down critical\n01:00 db-1 Down resolved\n20:00 end\n21:00 db-1 Down critical\n30:00 end";
    let effects = by(rules).play(story);
    assert_eq!(last(&effects, 1).state, IncidentState::Closed);
    assert_eq!(last(&effects, 2).state, IncidentState::Abnormal);
    let soon = story.replace("20:00 end\n21:00", "04:00 end\n05:00");
    assert_eq!(last(&by(rules).play(&soon), 1).state, IncidentState::Abnormal, "within the gap it goes on");
}

const ESTATE: &str = "
cis:
- {id: server-1, class: server}
- {id: vm-1, class: vm}
relations:
- {from: server-1, type: hosts, to: vm-1}
";

/// What is said of a change before the fault, of the likeliest cause.
fn change(effects: &[Effect]) -> Option<(i32, i64, String)> {
    let incident = last(effects, 1);
    let mut terms = incident.candidates[0].evidence.iter();
    let found = terms.find(|evidence| evidence.term == EvidenceTerm::RecentChange)?;
    Some((found.points, found.n, found.about.to_string()))
}

#[test]
fn a_change_counts_from_when_it_was_made_on_the_cause_and_on_what_that_stands_on() {
    let story = |object: &str| {
        format!(
            "00:30 vm-1 Down critical starts=00:30\n00:40 {object} release-7 change starts=00:10\n01:00 vm-1 Slow critical\n02:00 end"
        )
    };
    let table = by("").on(ESTATE);
    let (own, above) = (change(&table.play(&story("vm-1"))), change(&table.play(&story("server-1"))));
    let (own, above) = (own.expect("on itself"), above.expect("on its server"));
    assert_eq!((own.1, own.2.as_str()), (20_000, "release-7"), "it was made 20 s before, however late it is told");
    assert_eq!((above.1, above.2.as_str()), (20_000, "server-1: release-7"));
    assert!(0 < above.0 && above.0 < own.0, "{} {}", above.0, own.0);
    assert_eq!(last(&table.play(&story("server-1")), 1).changes.len(), 1);
    assert_eq!(change(&table.play(&story("elsewhere"))), None);
}

#[test]
fn what_fired_when_an_incident_was_closed_does_not_open_it_again() {
    let story = "
        00:00 db-1 Down critical
        00:10 db-1 Slow major
        00:20 db-1 Late major
        01:00 close 1
        02:00 db-1 Late resolved
        20:00 end";
    assert_eq!(last(&by("").play(story), 1).state, IncidentState::Closed);
    let again = format!("{story}\n21:00 db-1 Late major");
    assert_eq!(last(&by("").play(&again), 1).state, IncidentState::Abnormal);
}

#[test]
fn a_source_orders_for_the_incident_that_its_alert_is_in() {
    let down = "00:00 db-1 Down critical source=pd key=d1";
    let play = |rest: &str| by("").play(&format!("{down}\n{rest}"));
    let effects = play("01:00 source pd d1 ack\n02:00 source pd d1 seen");
    let incident = last(&effects, 1);
    assert_eq!((refusals(&effects), incident.acknowledged_by.as_deref()), (vec![None, None], Some("wang.li")));
    assert_eq!(last(&play("01:00 source pd d1 ack\n02:00 source pd d1 unack"), 1).acknowledged_at, None);
    // Another source's, another key's, an alert's that is held, and one of an incident that is closed.
    let (unknown, held) = (Some("no alert of this key"), Some("it is in no incident"));
    let minor = "00:10 web-1 Slow minor source=pd key=d2";
    for (rest, why) in [
        ("01:00 source other d1 ack", unknown),
        ("01:00 source pd d9 ack", unknown),
        (&*format!("{minor}\n01:00 source pd d2 ack"), held),
        ("01:00 close 1\n02:00 source pd d1 ack", Some("reopen it first")),
    ] {
        let effects = play(rest);
        let refused = refusals(&effects).pop().unwrap().unwrap_or_default();
        assert!(refused.contains(why.unwrap()) && last(&effects, 1).acknowledged_at.is_none(), "{rest}: {refused}");
    }
    // It goes with the alert into the incident that takes it.
    let other = "00:20 web-9 Down critical";
    let effects = play(&format!("{other}\n01:00 merge 1 2\n02:00 source pd d1 ack"));
    assert_eq!(refusals(&effects), [None, None]);
    assert!(last(&effects, 2).acknowledged_at.is_some());
}

/// The likeliest cause, whether a person confirmed it, and how sure the engine is.
fn root(effects: &[Effect]) -> (String, bool, i32) {
    let incident = last(effects, 1);
    let first = &incident.candidates[0];
    (first.ci.id.to_string(), incident.root_confirmed, first.score)
}

#[test]
fn what_a_person_takes_for_the_cause_is_the_cause_also_without_an_alert_there() {
    let table = by("").on(ESTATE);
    let story = "00:30 vm-1 Down critical\n01:00 root 1 server-1\n02:00 vm-1 Slow critical\n03:00 end";
    let effects = table.play(story);
    let (ci, confirmed, score) = root(&effects);
    assert_eq!((ci.as_str(), confirmed), ("server-1", true));
    assert!(score > 900, "{score}");
    let first = last(&effects, 1).candidates[0].clone();
    assert!(first.inferred && first.alert.is_none());
    assert!(first.evidence.iter().any(|term| term.term == EvidenceTerm::Person && term.points > 0));
    assert_eq!(root(&table.play(&format!("{story}\n04:00 no-root 1 server-1"))).0, "vm-1");
}

/// Two applications on one database.
const SHARED: &str = "
cis:
- {id: db-1, class: database}
- {id: app-1, class: application}
- {id: app-2, class: application}
relations:
- {from: app-1, type: depends_on, to: db-1}
- {from: app-2, type: depends_on, to: db-1}
";

#[test]
fn a_confirmed_cause_stays_when_a_likelier_one_comes() {
    let table = by("").on(SHARED);
    let story = "00:10 app-1 Errors critical\n00:20 end\nCONFIRM\n00:25 app-2 Logins critical\n01:40 db-1 Down critical starts=00:00\n05:00 end";
    let late = table.play(&story.replace("CONFIRM\n", ""));
    assert_eq!(root(&late).0, "db-1", "the late cause is found");
    let (ci, confirmed, _) = root(&table.play(&story.replace("CONFIRM", "00:22 confirm 1")));
    assert_eq!((ci.as_str(), confirmed), ("app-1", true));
}

#[test]
fn what_is_said_of_the_order_in_time_is_what_was_measured() {
    let table = by("").on(SHARED);
    let terms = |story: &str, ci: &str| {
        let incident = last(&table.play(story), 1);
        let candidate = incident.candidates.iter().find(|candidate| candidate.ci.id.as_str() == ci).unwrap();
        candidate.evidence.clone()
    };
    let lead = |story: &str, ci: &str| {
        terms(story, ci).iter().find(|term| term.term == EvidenceTerm::TimeOrder).map(|term| term.n)
    };
    let story =
        "00:10 app-1 Errors critical\n00:25 app-2 Logins critical\n01:40 db-1 Down critical starts=BEGIN\n05:00 end";
    let (first, late) = (&story.replace("BEGIN", "00:00"), &story.replace("BEGIN", "00:12"));
    let leads = |story: &str| ["db-1", "app-1", "app-2"].map(|ci| lead(story, ci));
    assert_eq!(leads(first), [Some(10_000), Some(-10_000), Some(-25_000)]);
    assert_eq!(leads(late), [Some(-2_000), Some(2_000), Some(-15_000)]);
    assert_eq!(lead("00:30 db-1 Down critical\n02:00 end", "db-1"), None, "there is nothing to compare it with");
    let explained = |ci: &str| terms(first, ci).iter().any(|term| term.term == EvidenceTerm::Explained);
    assert!(explained("app-1") && !explained("db-1"));
}

#[test]
fn a_change_that_is_told_late_ranks_the_causes_again() {
    let table = by("").on(ESTATE);
    let story = "00:30 vm-1 Down critical\n00:40 end\n01:00 vm-1 release-7 change starts=00:10\n01:10 ack 1\n02:00 end";
    assert_eq!(change(&table.play(story)).map(|(_, before, _)| before), Some(20_000));
}
