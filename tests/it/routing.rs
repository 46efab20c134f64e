//! Routes and notices: who is told what, when, and never twice.

use headwater::domain::incident::TimelineKind;
use headwater::engine::effect::Effect;

use crate::table::{by, clock};

const SMS_AFTER_A_MINUTE: &str = "
routes:
  - { id: night, match: { severity: critical }, receivers: [sms], delay: 1m, continue: true }
  - { id: fallback, receivers: [team] }";

#[test]
fn an_incident_is_told_when_it_opens_recovers_and_closes() {
    by("").tells(
        "00:00 db-1 Down critical
         01:00 db-1 Down resolved
         60:00 end",
        "00:00 team opened 1
         06:00 team recovered 1
         46:00 team closed 1",
    );
}

#[test]
fn the_first_route_wins_unless_it_goes_on() {
    let rules = "
routes:
  - { id: databases, match: { object: like db-* }, receivers: [dba, board], continue: true }
  - { id: vital, match: { priority: P1 }, receivers: [sms] }
  - { id: web, match: { object: like web-* }, receivers: [web, board] }
  - { id: fallback, receivers: [team] }";
    by(rules).tells(
        "00:00 db-1 Down critical
         00:01 other Slow major
         00:02 web-1 Slow major
         20:00 end",
        "00:00 dba opened 1
         00:00 board opened 1
         00:00 team opened 1
         05:01 team opened 2
         05:02 web opened 3
         05:02 board opened 3",
    );
}

#[test]
fn what_recovers_within_the_delay_tells_nobody_of_that_route() {
    by(SMS_AFTER_A_MINUTE).tells(
        "00:00 db-1 Down critical
         00:20 db-1 Down resolved
         60:00 end",
        "00:00 team opened 1
         05:20 team recovered 1
         45:20 team closed 1",
    );
    by(SMS_AFTER_A_MINUTE).tells(
        "00:00 db-1 Down critical
         01:20 db-1 Down resolved
         10:00 end",
        "00:00 team opened 1
         01:00 sms opened 1
         06:20 sms recovered 1
         06:20 team recovered 1",
    );
}

#[test]
fn who_was_not_told_of_the_opening_is_not_told_of_the_end() {
    by("routes: [{ id: all, receivers: [team], delay: 30m }]").tells(
        "00:00 db-1 Down critical
         10:00 close 1
         90:00 end",
        "",
    );
}

#[test]
fn an_incident_that_comes_back_within_the_observation_goes_on() {
    by(SMS_AFTER_A_MINUTE).tells(
        "00:00 db-1 Down critical
         00:20 db-1 Down resolved
         03:00 db-1 Down critical
         20:00 end",
        "00:00 team opened 1
         03:00 sms opened 1",
    );
}

#[test]
fn a_reopened_incident_is_told_as_such_after_the_delay() {
    by(SMS_AFTER_A_MINUTE).tells(
        "00:00 db-1 Down critical
         02:00 db-1 Down resolved
         10:00 db-1 Down critical
         10:30 db-1 Down resolved
         20:00 db-1 Down critical
         30:00 close 1
         31:00 reopen 1
         40:00 end",
        "00:00 team opened 1
         01:00 sms opened 1
         07:00 sms recovered 1
         07:00 team recovered 1
         10:00 team reopened 1
         15:30 team recovered 1
         20:00 team reopened 1
         21:00 sms reopened 1
         30:00 sms closed 1
         30:00 team closed 1
         31:00 team reopened 1
         32:00 sms reopened 1",
    );
}

#[test]
fn more_severe_is_told_at_once_and_less_severe_is_not() {
    by("").tells(
        "00:00 db-1 Lag major
         06:00 db-1 Lag critical
         07:00 db-1 Lag critical
         20:00 end",
        "05:00 team opened 1
         06:00 team updated 1 (severity)",
    );
}

#[test]
fn a_severity_set_by_hand_stands_and_says_who_set_it() {
    let effects = by("").play(
        "00:00 db-1 Lag major
         06:00 severity 1 minor
         07:00 db-1 Lag critical
         08:00 severity 1 critical
         09:00 db-1 Lag resolved
         20:00 end",
    );
    let mut severities: Vec<(String, &str)> = Vec::new();
    let mut entries = Vec::new();
    for effect in &effects {
        match effect {
            Effect::Incident { incident, .. }
                if severities.last().is_none_or(|l| l.1 != incident.severity.as_str()) =>
            {
                severities.push((clock(incident.updated_at), incident.severity.as_str()));
            }
            Effect::Timeline { entry, .. } if entry.kind == TimelineKind::SeverityChanged => {
                entries.push(format!("{} {} {}", clock(entry.at), entry.actor, entry.detail));
            }
            _ => {}
        }
    }
    let severities: Vec<String> = severities.into_iter().map(|(at, word)| format!("{at} {word}")).collect();
    assert_eq!(severities, ["05:00 major", "06:00 minor", "08:00 critical"], "no event changes what a person set");
    assert_eq!(entries, ["06:00 wang.li minor", "08:00 wang.li critical"]);
    by("").tells(
        "00:00 db-1 Lag major
         06:00 severity 1 critical
         20:00 end",
        "05:00 team opened 1
         06:00 team updated 1 (severity)",
    );
}

#[test]
fn it_is_told_again_until_somebody_has_it() {
    by("routes: [{ id: all, receivers: [team], repeat: 10m }]").tells(
        "00:00 db-1 Down critical
         25:00 ack 1
         60:00 unack 1
         75:00 snooze 1 100:00
         112:00 db-1 Down resolved
         200:00 end",
        "00:00 team opened 1
         10:00 team reminder 1
         20:00 team reminder 1
         60:00 team reminder 1
         70:00 team reminder 1
         100:00 team reminder 1
         110:00 team reminder 1
         117:00 team recovered 1
         157:00 team closed 1",
    );
}

#[test]
fn observe_only_records_and_tells_nobody() {
    let rules = "
routes:
  - { id: trial, receivers: [pager], observe_only: true, continue: true }
  - { id: fallback, receivers: [team] }";
    by(rules).tells(
        "00:00 db-1 Down critical
         01:00 db-1 Down resolved
         10:00 end",
        "00:00 (would tell: pager opened) 1
         00:00 team opened 1
         06:00 (would tell: pager recovered) 1
         06:00 team recovered 1",
    );
    by("settings: { observe_only: true }").tells(
        "00:00 db-1 Down critical
         10:00 end",
        "00:00 (would tell: team opened) 1",
    );
}

#[test]
fn when_the_trial_is_over_what_is_open_is_told() {
    by("settings: { observe_only: true }").or("live", "").tells(
        "00:00 db-1 Down critical
         00:30 db-2 Down critical
         01:00 db-2 Down resolved
         10:00 rules live
         20:00 db-1 Down resolved
         30:00 end",
        "00:00 (would tell: team opened) 1
         00:30 (would tell: team opened) 2
         06:00 (would tell: team recovered) 2
         10:00 team opened 1
         25:00 team recovered 1",
    );
}

#[test]
fn an_incident_of_muted_alerts_tells_nobody_until_one_is_heard() {
    by("").tells(
        "00:00 silence db-1 30:00
         01:00 db-1 Down critical
         60:00 end",
        "30:00 team opened 1",
    );
    by("routes: [{ id: all, receivers: [team], delay: 5m }]").tells(
        "00:00 db-1 Down critical
         02:00 silence db-1 30:00
         40:00 db-1 Down resolved
         50:00 end",
        "30:00 team opened 1
         45:00 team recovered 1",
    );
}

#[test]
fn merged_incidents_are_told_once_to_each_receiver() {
    let rules = "
routes:
  - { id: one, match: { object: db-1 }, receivers: [dba, both] }
  - { id: two, match: { object: web-1 }, receivers: [web, both] }
  - { id: fallback, receivers: [team] }";
    by(rules).tells(
        "00:00 db-1 Down critical
         01:00 web-1 Down critical
         05:00 merge 2 1
         06:00 db-1 Down resolved
         06:00 web-1 Down resolved
         20:00 end",
        "00:00 dba opened 1
         00:00 both opened 1
         01:00 web opened 2
         01:00 both opened 2
         05:00 web merged 2
         05:00 both merged 2
         05:00 dba merged 1 (merged)
         11:00 dba recovered 1
         11:00 both recovered 1
         11:00 web recovered 1",
    );
}

#[test]
fn a_receiver_that_is_told_too_much_gets_one_digest() {
    let story: String = (0..6).map(|n| format!("00:0{n} db-{n} Down critical\n")).collect();
    by("settings: { flow: { messages: 2, within: 60s } }").tells(
        &format!(
            "{story}
             01:30 db-0 Down resolved
             20:00 end"
        ),
        "00:00 team opened 1
         00:01 team opened 2
         01:00 team digest 3 of 4: 3 opened, 4 opened, 5 opened, 6 opened
         06:30 team recovered 1",
    );
}

#[test]
fn storms_are_marked_at_each_threshold() {
    let story: String = (0..8).map(|n| format!("00:0{n} host-{n} Down critical cluster=a\n")).collect();
    by("settings: { storm: [3, 5] }").tells(
        &format!(
            "{story}
             00:10 merge 2 1\n 00:11 merge 3 1\n 00:12 merge 4 1\n 00:13 merge 5 1\n 00:14 merge 6 1
             01:00 end"
        ),
        "00:00 team opened 1
         00:01 team opened 2
         00:02 team opened 3
         00:03 team opened 4
         00:04 team opened 5
         00:05 team opened 6
         00:06 team opened 7
         00:07 team opened 8
         00:10 team merged 2
         00:11 team merged 3
         00:11 (storm: 3) 1
         00:11 team updated 1 (storm)
         00:12 team merged 4
         00:13 team merged 5
         00:13 (storm: 5) 1
         00:13 team updated 1 (storm)
         00:14 team merged 6",
    );
}

#[test]
fn what_could_not_be_delivered_is_in_the_timeline() {
    by("").tells(
        "00:00 db-1 Down critical
         10:00 gave-up team 1
         10:01 end",
        "00:00 team opened 1
         10:00 (failed: team: answered 500) 1",
    );
}

#[test]
fn who_waits_by_a_route_that_is_gone_is_asked_for_again() {
    let slow = "routes: [{ id: slow, receivers: [old], delay: 30m }]";
    by(slow).or("quick", "routes: [{ id: quick, receivers: [on-call], delay: 10m }]").tells(
        "00:00 db-1 Down critical
         20:00 rules quick
         60:00 end",
        "20:00 on-call opened 1",
    );
}

#[test]
fn a_route_is_open_at_its_hours_only() {
    let rules = "
routes:
  - { id: night, receivers: [night], during: { daily: '20:00-08:00' } }
  - { id: fallback, receivers: [team] }";
    // The story begins at 08:00 in Shanghai.
    by(rules).tells(
        "00:00 db-1 Down critical
         780:00 db-2 Down critical",
        "00:00 team opened 1
         780:00 night opened 2",
    );
}

#[test]
fn in_a_key_period_the_same_incident_is_more_urgent() {
    let rules = "
key_periods:
  - { id: congress, schedule: { daily: '20:00-08:00' } }
routes:
  - { id: urgent, match: { priority: P2 }, receivers: [sms] }
  - { id: fallback, receivers: [team] }";
    // The story begins at 08:00 in Shanghai; a critical alert on what no CMDB knows is P3.
    by(rules).tells(
        "00:00 db-1 Down critical
         780:00 db-2 Down critical",
        "00:00 team opened 1
         780:00 sms opened 2",
    );
}

const RACK: &str = "
cis:
- {id: ups-1, class: ups, name: UPS 1}
- {id: pdu-1, class: pdu, name: PDU 1, site: room-1}
- {id: server-1, class: server, name: Server 1, site: room-1}
relations:
- {from: ups-1, to: pdu-1, type: powers}
- {from: pdu-1, to: server-1, type: powers}";

#[test]
fn the_root_causes_ci_decides_the_route() {
    let rules = "
routes:
  - { id: power, match: { area: facility, class: pdu, site: room-1 }, receivers: [facility] }
  - { id: fallback, receivers: [team] }";
    let story = "
        00:00 pdu-1 OutputLost critical
        00:20 server-1 Unreachable critical
        01:00 end";
    by(rules).on(RACK).tells(story, "00:00 facility opened 1");
    by(rules).on(RACK).groups(story, "1 pdu-1: pdu-1/OutputLost, server-1/Unreachable");
}

#[test]
fn a_root_that_changes_again_and_again_is_told_once_an_interval() {
    let estate = "
cis:
- {id: server-1, class: server}
- {id: vm-1, class: vm}
relations:
- {from: server-1, type: hosts, to: vm-1}
";
    by("settings: { update_interval: 2m }").on(estate).tells(
        "00:00 vm-1 Down critical
         00:10 root 1 server-1
         00:20 root 1 vm-1
         00:30 root 1 server-1
         03:00 root 1 vm-1
         10:00 end",
        "00:00 team opened 1
         02:00 team updated 1 (root)
         04:00 team updated 1 (root)",
    );
}
