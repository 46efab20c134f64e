//! Actions by executors, service levels and storms of incidents, as stories in virtual time, with a restart before each line.

use headwater::engine::policy::Policy;
use headwater::engine::policy::place::RuleFile;

use crate::table::{Table, by};

/// Two hosts of which one carries much, and a switch.
const ESTATE: &str = "
classes:
  - { id: host, layer: 1 }
  - { id: switch, layer: 1 }
  - { id: app, layer: 5 }
cis:
  - { id: web-1, class: host }
  - { id: web-2, class: host }
  - { id: big-1, class: host }
  - { id: sw-1, class: switch }
  - { id: a-1, class: app }
  - { id: a-2, class: app }
  - { id: a-3, class: app }
relations:
  - { type: runs_on, from: a-1, to: big-1 }
  - { type: runs_on, from: a-2, to: big-1 }
  - { type: runs_on, from: a-3, to: big-1 }
";

const RULES: &str = "
promote: [{ id: at-once, after: now }]
settings: { observation: 1m, reopen_gap: 10m }
actions:
  - { id: restart, match: { name: Down }, run: restart, with: { unit: nginx }, executor: ansible, classes: [host], approval: none,
      answer: 5m, cool_down: 30m, hour_max: 2, blast_max: 2, escalate: [boss], observe_only: false }
";

fn restarts() -> Table {
    by(RULES).on(ESTATE)
}

fn asked() -> Table {
    by(&RULES.replace("approval: none", "approval: { within: 10m }")).on(ESTATE)
}

#[test]
fn an_executor_is_asked_and_its_word_is_in_the_timeline() {
    restarts().tells(
        "00:00 web-1 Down critical
         00:05 answer 1 i0-1.1 ansible taken
         01:00 report 1 i0-1.1 done nginx runs
         01:01 report 1 i0-1.1 failed
         09:00 web-2 Down critical
         09:01 report 2 i0-2.1 partial one of two",
        "00:00 ansible is asked for restart on web-1 (i0-1.1)
         00:00 team opened 1
         00:05 (reported: i0-1.1 restart restart: taken) 1
         01:00 (reported: i0-1.1 restart restart: done nginx runs) 1
         refused: the action has ended already
         09:00 ansible is asked for restart on web-2 (i0-2.1)
         09:00 team opened 2
         09:01 (action failed: i0-2.1 restart restart: partial one of two) 2
         09:01 team updated 2 (actionfailed)
         09:01 boss opened 2",
    );
}

#[test]
fn a_failure_and_silence_are_told_to_those_who_know_and_to_whom_the_rule_names() {
    restarts().tells(
        "00:00 web-1 Down critical
         01:00 report 1 i0-1.1 failed unit not found",
        "00:00 ansible is asked for restart on web-1 (i0-1.1)
         00:00 team opened 1
         01:00 (action failed: i0-1.1 restart restart: unit not found) 1
         01:00 team updated 1 (actionfailed)
         01:00 boss opened 1",
    );
    restarts().tells(
        "00:00 web-1 Down critical
         05:30 end
         06:00 report 1 i0-1.1 done",
        "00:00 ansible is asked for restart on web-1 (i0-1.1)
         00:00 team opened 1
         05:00 (action failed: i0-1.1 restart restart: silent) 1
         05:00 team updated 1 (actionfailed)
         05:00 boss opened 1
         06:00 (reported: i0-1.1 restart restart: done) 1",
    );
    restarts().tells(
        "00:00 web-1 Down critical
         00:30 lost 1 i0-1.1 ansible",
        "00:00 ansible is asked for restart on web-1 (i0-1.1)
         00:00 team opened 1
         00:30 (failed: ansible: no connection) 1
         00:30 (action failed: i0-1.1 restart restart: no connection) 1
         00:30 team updated 1 (actionfailed)
         00:30 boss opened 1",
    );
}

#[test]
fn a_person_approves_in_time_or_nothing_is_done() {
    asked().tells(
        "00:00 web-1 Down critical
         03:00 approve 1
         03:10 answer 1 i0-1.1 ansible done",
        "00:00 (asked: i0-1.1 restart restart) 1
         00:00 team opened 1
         03:00 (approved: i0-1.1 restart restart) 1
         03:00 ansible is asked for restart on web-1 (i0-1.1)
         03:10 (reported: i0-1.1 restart restart: done) 1",
    );
    asked().tells(
        "00:00 web-1 Down critical
         03:00 deny 1
         20:00 end",
        "00:00 (asked: i0-1.1 restart restart) 1
         00:00 team opened 1
         03:00 (denied: i0-1.1 restart restart) 1",
    );
    asked().tells(
        "00:00 web-1 Down critical
         20:00 approve 1",
        "00:00 (asked: i0-1.1 restart restart) 1
         00:00 team opened 1
         10:00 (action failed: i0-1.1 restart restart: lapsed) 1
         10:00 team updated 1 (actionfailed)
         10:00 boss opened 1
         refused: no action of this incident waits for an approval",
    );
    asked().tells(
        "00:00 web-1 Down critical
         02:00 web-1 Down resolved
         30:00 end",
        "00:00 (asked: i0-1.1 restart restart) 1
         00:00 team opened 1
         03:00 (held back: i0-1.1 restart restart: dropped) 1
         03:00 team recovered 1
         13:00 team closed 1",
    );
}

#[test]
fn a_fault_that_comes_back_is_not_acted_on_again_and_again() {
    restarts().tells(
        "00:00 web-1 Down critical
         00:10 answer 1 i0-1.1 ansible done
         01:00 web-1 Down resolved
         03:00 web-1 Down critical
         10:00 end",
        "00:00 ansible is asked for restart on web-1 (i0-1.1)
         00:00 team opened 1
         00:10 (reported: i0-1.1 restart restart: done) 1
         02:00 team recovered 1
         03:00 (held back: i0-1.2 restart restart: cool_down 2026-06-01T00:30:00.000Z) 1
         03:00 team reopened 1",
    );
    // A person may say yes all the same; on other CIs it is done twice in an hour.
    restarts().tells(
        "00:00 web-1 Down critical
         00:01 answer 1 i0-1.1 ansible done
         10:00 web-2 Down critical
         10:01 answer 2 i0-2.1 ansible done
         20:00 big-1 Down critical
         21:00 approve 3",
        "00:00 ansible is asked for restart on web-1 (i0-1.1)
         00:00 team opened 1
         00:01 (reported: i0-1.1 restart restart: done) 1
         10:00 ansible is asked for restart on web-2 (i0-2.1)
         10:00 team opened 2
         10:01 (reported: i0-2.1 restart restart: done) 2
         20:00 (held back: i0-3.1 restart restart: hour_max 2) 3
         20:00 team opened 3
         21:00 (approved: i0-3.1 restart restart) 3
         21:00 ansible is asked for restart on big-1 (i0-3.1)",
    );
}

/// What runs on a host is moved away when the host is lost, at most two things; the host itself is left alone.
const MOVES: &str = "
promote: [{ id: at-once, after: now }]
settings: { observation: 1m, reopen_gap: 10m }
actions:
  - { id: move, match: { severity: '>= major' }, target: { members: { name: 'Down' }, most: 2 }, run: move, executor: ansible, classes: [app], approval: none,
      cool_down: 30m, hour_max: 3, blast_max: 2, observe_only: false }
";

#[test]
fn members_that_match_are_acted_on_each_once_and_no_more_than_the_rule_says() {
    by(MOVES).on(ESTATE).tells(
        "00:00 big-1 Down critical
         00:05 a-1 Down major
         00:06 a-2 Slow major
         00:07 a-3 Down major
         00:08 answer 1 i0-1.1 ansible done
         00:30 a-2 Down major
         01:00 a-1 Down critical",
        "00:00 team opened 1
         00:05 ansible is asked for move on a-1 (i0-1.1)
         00:07 ansible is asked for move on a-3 (i0-1.2)
         00:08 (reported: i0-1.1 move move: done) 1",
    );
    // Nothing of an allowed class, nothing that matches: nothing is done.
    by(&MOVES.replace("classes: [app]", "classes: [switch]")).on(ESTATE).tells(
        "00:00 big-1 Down critical
         00:05 a-1 Down major",
        "00:00 team opened 1",
    );
}

#[test]
fn what_begins_at_once_counts_for_the_cap_at_once_and_what_is_muted_is_left_alone() {
    // All wait for a minute; then the second is one too many for the hour.
    by(&MOVES.replace("hour_max: 3", "hour_max: 1, wait: 1m")).on(ESTATE).tells(
        "00:00 big-1 Down critical
         00:05 a-1 Down major
         00:07 a-3 Down major
         01:30 end",
        "00:00 team opened 1
         01:00 (held back: i0-1.2 move move: hour_max 1) 1
         01:00 ansible is asked for move on a-1 (i0-1.1)
         01:00 team updated 1 (approval)",
    );
    by(MOVES).on(ESTATE).tells(
        "00:00 silence a-1 30:00
         00:01 big-1 Down critical
         00:05 a-1 Down major
         00:07 a-3 Down major
         05:00 end",
        "00:01 team opened 1
         00:07 ansible is asked for move on a-3 (i0-1.1)",
    );
}

#[test]
fn what_much_hangs_on_what_is_of_another_class_and_what_is_tried_out_is_left_alone() {
    restarts().tells(
        "00:00 big-1 Down critical",
        "00:00 (held back: i0-1.1 restart restart: blast_max 3>2) 1
         00:00 team opened 1",
    );
    restarts().tells("00:00 sw-1 Down critical", "00:00 team opened 1");
    by(&RULES.replace(", observe_only: false", "")).on(ESTATE).tells(
        "00:00 web-1 Down critical",
        "00:00 (held back: i0-1.1 restart restart: observe_only) 1
         00:00 team opened 1",
    );
    // Not at once, and not while work is planned.
    by(&RULES.replace("hour_max: 2", "wait: 2m")).on(ESTATE).tells(
        "00:00 web-1 Down critical
         00:30 web-2 Down critical
         01:00 web-2 Down resolved
         02:30 end",
        "00:00 team opened 1
         00:30 team opened 2
         02:00 ansible is asked for restart on web-1 (i0-1.1)
         02:00 team recovered 2",
    );
    restarts().tells(
        "00:00 silence web-1 30:00
         00:01 web-1 Down critical
         05:00 end",
        "",
    );
}

#[test]
fn a_report_finds_its_action_after_a_merge() {
    restarts().tells(
        "00:00 web-1 Down critical
         01:00 web-2 Down critical
         02:00 merge 2 1
         03:00 report 2 i0-2.1 done",
        "00:00 ansible is asked for restart on web-1 (i0-1.1)
         00:00 team opened 1
         01:00 ansible is asked for restart on web-2 (i0-2.1)
         01:00 team opened 2
         02:00 team merged 2
         03:00 (reported: i0-2.1 restart restart: done) 1",
    );
}

const LEVELS: &str = "
promote: [{ id: at-once, after: now }]
settings: { observation: 1m }
service_levels:
  - { id: vital, match: { severity: critical }, acknowledge: 10m, resolve: 60m, warn: 50, escalate: [boss] }
  - { id: office, acknowledge: 2h, warn: 50, hours: { daily: \"09:00-17:00\" } }
";

#[test]
fn who_does_not_acknowledge_or_resolve_in_time_is_told_of() {
    by(LEVELS).tells(
        "00:00 db-1 Down critical
         20:00 ack 1
         65:00 end",
        "00:00 team opened 1
         05:00 (near: acknowledge vital) 1
         05:00 team updated 1 (levelnear)
         10:00 (missed: acknowledge vital) 1
         10:00 team updated 1 (levelbreached)
         10:00 boss opened 1
         30:00 (near: resolve vital) 1
         30:00 team updated 1 (levelnear)
         30:00 boss updated 1 (levelnear)
         60:00 (missed: resolve vital) 1
         60:00 team updated 1 (levelbreached)
         60:00 boss updated 1 (levelbreached)",
    );
    // While it is snoozed they stand still.
    by(LEVELS).tells(
        "00:00 db-1 Down critical
         02:00 snooze 1 22:00
         31:00 end",
        "00:00 team opened 1
         25:00 (near: acknowledge vital) 1
         25:00 team updated 1 (levelnear)
         30:00 (missed: acknowledge vital) 1
         30:00 team updated 1 (levelbreached)
         30:00 boss opened 1",
    );
    // What recovers in time is met, and the next spell has its own clocks.
    by(LEVELS).tells(
        "00:00 db-1 Down critical
         04:00 ack 1
         20:00 db-1 Down resolved
         25:00 db-1 Down critical
         26:00 ack 1
         56:00 end",
        "00:00 team opened 1
         21:00 team recovered 1
         25:00 team reopened 1
         55:00 (near: resolve vital) 1
         55:00 team updated 1 (levelnear)",
    );
}

#[test]
fn clocks_stand_still_outside_their_hours() {
    // It begins at 08:00 in Shanghai, the hours at 09:00: near at 10:00, missed at 11:00.
    by(LEVELS).tells(
        "00:00 db-1 Down major
         200:00 end",
        "00:00 team opened 1
         120:00 (near: acknowledge office) 1
         120:00 team updated 1 (levelnear)
         180:00 (missed: acknowledge office) 1
         180:00 team updated 1 (levelbreached)",
    );
    // Begun at 16:30, half an hour before the end: missed at 10:30 the next day.
    by(LEVELS).tells(
        "510:00 db-1 Down major
         1591:00 end",
        "510:00 team opened 1
         1530:00 (near: acknowledge office) 1
         1530:00 team updated 1 (levelnear)
         1590:00 (missed: acknowledge office) 1
         1590:00 team updated 1 (levelbreached)",
    );
    // More severe is more urgent, counted from the same begin.
    by(LEVELS).tells(
        "00:00 db-1 Down major
         08:00 severity 1 critical
         11:00 end",
        "00:00 team opened 1
         08:00 (near: acknowledge vital) 1
         08:00 team updated 1 (severity, levelnear)
         10:00 (missed: acknowledge vital) 1
         10:00 team updated 1 (levelbreached)
         10:00 boss opened 1",
    );
}

const STORM: &str = "
promote: [{ id: at-once, after: now }]
settings: { observation: 0s, storm_mode: { incidents: 4, within: 1m, calm: 3m, every: 2m, apart: [jira] } }
routes: [{ id: all, receivers: [team, jira] }]
";

#[test]
fn a_storm_is_told_as_summaries_and_ends_by_itself() {
    let begin: String = (0..6).map(|n| format!("00:0{n} db-{n} Down major\n")).collect();
    by(STORM).tells(
        &format!(
            "{begin}
             00:30 db-7 Down critical
             01:00 db-1 Down resolved
             10:00 db-8 Down major"
        ),
        "00:00 team opened 1
         00:00 jira opened 1
         00:01 team opened 2
         00:01 jira opened 2
         00:02 team opened 3
         00:02 jira opened 3
         00:03 team opened 4
         00:03 jira opened 4
         00:04 jira opened 5
         00:05 jira opened 6
         00:14 team digest 5 storm of 6 of 2: 5 opened, 6 opened
         00:30 team opened 7
         00:30 jira opened 7
         01:00 jira recovered 2
         02:14 team digest 2 storm of 7 of 1: 2 recovered
         03:30 team digest 2 storm of 7, over of 0:
         10:00 team opened 8
         10:00 jira opened 8",
    );
}

#[test]
fn what_a_storm_held_back_is_told_after_it_on_order() {
    let begin: String = (0..7).map(|n| format!("00:0{n} db-{n} Down major\n")).collect();
    by(&STORM.replace("receivers: [team, jira]", "receivers: [team]")).tells(
        &format!(
            "{begin}
             00:08 tell-held
             00:09 db-6 Down resolved
             10:00 tell-held team
             10:01 tell-held"
        ),
        "00:00 team opened 1
         00:01 team opened 2
         00:02 team opened 3
         00:03 team opened 4
         refused: the storm goes on: what is held back can be told when it is over
         00:14 team digest 5 storm of 7 of 4: 5 opened, 6 opened, 7 recovered
         03:06 team digest 5 storm of 7, over of 0:
         10:00 team opened 5
         10:00 team opened 6
         refused: nothing is held back for it",
    );
}

#[test]
fn what_one_storm_held_back_is_still_listed_after_the_next() {
    // Each of a type of its own: they are no kin.
    let one = |at: &str, n: u32, of: u32| format!("{at}:0{n} db-{of} Lost{of} major\n");
    let storm = |at: &str, from: u32| (0..6).map(|n| one(at, n, from + n)).collect::<String>();
    by(&STORM.replace("receivers: [team, jira]", "receivers: [team]")).tells(
        &format!("{}{}30:00 tell-held", storm("00", 10), storm("20", 20)),
        "00:00 team opened 1
         00:01 team opened 2
         00:02 team opened 3
         00:03 team opened 4
         00:14 team digest 5 storm of 6 of 2: 5 opened, 6 opened
         03:05 team digest 5 storm of 6, over of 0:
         20:00 team opened 7
         20:01 team opened 8
         20:02 team opened 9
         20:03 team opened 10
         20:14 team digest 11 storm of 6 of 2: 11 opened, 12 opened
         23:05 team digest 11 storm of 6, over of 0:
         30:00 team opened 5
         30:00 team opened 6
         30:00 team opened 11
         30:00 team opened 12",
    );
}

#[test]
fn faults_of_rules_are_told_with_their_place_and_the_remedy() {
    let check = |rules: &str, expected: &str| {
        let text = format!("{rules}\nroutes: [{{ id: all, receivers: [team] }}]\n");
        let errors = Policy::compile(1, &[RuleFile { name: "care.yaml".into(), text }]).expect_err(rules);
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|line| line.contains(expected)), "{rules}:\n{}", told.join("\n"));
        assert!(told.iter().all(|line| line.starts_with("care.yaml:") && !line.contains(":0:")), "{told:?}");
    };
    let action = |more: &str| format!("actions:\n  - {{ id: a, run: restart, executor: ops, classes: [host]{more} }}");
    check(&action(""), "missing field `approval`");
    check(&action(", approval: yes-please"), "write none or { within: 15m }");
    check(&action(", approval: none, cool_down: 1s"), "60s to 604800s");
    check(&action(", approval: none, escalate: [{ oncall: nobody }]"), "there is no escalation policy \"nobody\"");
    check(
        &action(", approval: none, during: { calendar: { name: x, days: workday, at: \"09:00-17:00\" } }"),
        "no calendar \"x\"",
    );
    check(
        &action(", approval: none").replace("executor: ops", "executor: \"oncall:core\""),
        "oncall:core is no executor",
    );
    check("service_levels: [{ id: a }]", "service level a has no limit; write acknowledge: 15m");
    check("service_levels: [{ id: a, resolve: 1s }]", "is out of range");
    check(
        "people: [{ id: li, contact: [{ by: [sms] }] }]\n\
         escalations: [{ id: core, levels: [{ to: [{ person: li }] }], fallback: [room] }]\n\
         service_levels: [{ id: a, resolve: 1h, escalate: [{ oncall: core }] }]",
        "write `until: close` in that policy",
    );
    check("settings: { storm_mode: { incidents: 1 } }", "write 2 to 10000");
    check("settings: { storm_mode: { incidents: 20, unless: bad } }", "write critical, major, minor, warning or none");
}
