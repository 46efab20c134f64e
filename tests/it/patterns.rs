//! Grouping rules and correlation patterns: what becomes one incident, what is promoted, what is raised.

use crate::table::by;

const BY_CLUSTER: &str = "group: [{ id: cluster, by: [labels.cluster], window: 10m }]";

#[test]
fn alerts_that_agree_join_within_a_window_from_the_first() {
    by(BY_CLUSTER).groups(
        "00:00 a Slow minor cluster=x
         01:00 b Slow minor cluster=x
         02:00 c Slow minor cluster=y
         09:59 d Slow warning cluster=x
         10:01 e Slow minor cluster=x
         20:00 end",
        "1 -: a/Slow, b/Slow, d/Slow
         held: c/Slow, e/Slow",
    );
}

#[test]
fn a_sliding_window_counts_from_the_last_alert() {
    by("group: [{ id: cluster, by: [labels.cluster], window: 10m, counts_from: last }]").groups(
        "00:00 a Slow minor cluster=x
         09:00 b Slow minor cluster=x
         18:00 c Slow minor cluster=x
         28:01 d Slow minor cluster=x
         40:00 end",
        "1 -: a/Slow, b/Slow, c/Slow
         held: d/Slow",
    );
}

#[test]
fn empty_equals_empty_unless_the_rule_is_strict() {
    let story = "
        00:00 a Slow minor
        01:00 b Slow minor
        20:00 end";
    by(BY_CLUSTER).groups(story, "1 -: a/Slow, b/Slow");
    by("group: [{ id: cluster, by: [labels.cluster], window: 10m, strict: true }]")
        .groups(story, "held: a/Slow, b/Slow");
}

#[test]
fn the_first_grouping_rule_that_applies_decides() {
    let rules = "
group:
  - { id: apps, match: { name: Slow }, by: [labels.app], window: 1h, strict: true }
  - { id: rest, by: [labels.app, labels.zone], window: 1h }";
    by(rules).groups(
        "00:00 a Slow minor app=one zone=1
         00:10 b Slow minor app=one zone=2
         00:20 c Down minor app=one zone=1
         00:30 d Down minor app=one zone=1
         01:00 end",
        "1 -: a/Slow, b/Slow
         2 -: c/Down, d/Down",
    );
}

#[test]
fn a_closed_incident_takes_no_more() {
    by(BY_CLUSTER).groups(
        "00:00 a Slow minor cluster=x
         01:00 b Slow minor cluster=x
         02:00 close 1
         03:00 c Slow minor cluster=x
         04:00 d Slow minor cluster=x
         05:00 end",
        "1 -: a/Slow, b/Slow
         2 -: c/Slow, d/Slow",
    );
}

const POWER: &str = "
cis:
- {id: pdu-1, class: pdu, name: pdu-1}
- {id: pdu-2, class: pdu, name: pdu-2}
- {id: server-1, class: server, name: server-1}
- {id: server-2, class: server, name: server-2}
relations:
- {from: pdu-1, to: server-1, type: powers}
- {from: pdu-2, to: server-2, type: powers}";

#[test]
fn a_rule_may_mean_known_cis_too_and_statistics_never_undo_it() {
    let story = "
        00:00 server-1 Unreachable critical cluster=x
        00:30 server-2 Unreachable critical cluster=x
        00:40 pdu-2 OutputLost critical cluster=y
        20:00 end";
    by(BY_CLUSTER)
        .on(POWER)
        .groups(story, "1 server-1: server-1/Unreachable\n2 pdu-2: server-2/Unreachable, pdu-2/OutputLost");
    by("group: [{ id: cluster, by: [labels.cluster], window: 10m, known_cis: true }]").on(POWER).groups(
        story,
        "1 server-1: server-1/Unreachable, server-2/Unreachable
         2 pdu-2: pdu-2/OutputLost",
    );
}

#[test]
fn what_a_person_moved_stays_where_it_is() {
    by(BY_CLUSTER).groups(
        "00:00 a Slow major cluster=x
         01:00 b Slow major cluster=x
         02:00 z Other critical cluster=z
         03:00 move 2 2
         04:00 c Slow major cluster=x
         09:00 split 1 4
         09:30 d Slow major cluster=x
         60:00 end",
        "1 -: a/Slow, d/Slow
         2 -: b/Slow, z/Other
         3 -: c/Slow",
    );
}

#[test]
fn single_promotes_what_would_be_held() {
    by("correlate: [{ id: vital, type: single, of: [{ match: { name: Breach } }], effect: promote }]").groups(
        "00:00 a Breach minor
         00:10 b Slow minor
         10:00 end",
        "1 -: a/Breach
         held: b/Slow",
    );
}

const FAILED_LOGINS: &str = "
correlate:
  - id: logins
    type: threshold
    by: [labels.user]
    of: [{ match: { name: LoginFailed } }]
    count: 3
    within: 1m
    effect: { join: {} }";

#[test]
fn a_threshold_joins_what_comes_within_its_window() {
    by(FAILED_LOGINS).groups(
        "00:00 a LoginFailed minor user=u
         00:50 b LoginFailed minor user=u
         01:01 c LoginFailed minor user=u
         01:02 x LoginFailed minor user=v
         01:10 d LoginFailed minor user=u
         01:20 e LoginFailed minor user=u
         05:00 f LoginFailed minor user=u
         10:00 end",
        "1 -: b/LoginFailed, c/LoginFailed, d/LoginFailed, e/LoginFailed
         held: a/LoginFailed, x/LoginFailed, f/LoginFailed",
    );
}

#[test]
fn below_the_threshold_an_alert_says_so() {
    by(FAILED_LOGINS).verdicts(
        "00:00 a LoginFailed minor user=u
         00:10 b LoginFailed minor user=u
         00:20 other Slow minor
         00:30 c LoginFailed minor user=u",
        "held (BelowThreshold)
         held (BelowThreshold)
         held (Lone)
         opened",
    );
}

#[test]
fn a_threshold_can_count_values_or_repeats() {
    let rules = |more: &str| {
        format!(
            "correlate: [{{ id: r, type: threshold, of: [{{ match: {{ name: E }} }}], count: 2, within: 1m, {more}, effect: promote }}]"
        )
    };
    let story = "
        00:00 a E minor port=1
        00:10 b E minor port=1
        00:50 c E minor port=2
        10:00 end";
    by(&rules("distinct: labels.port")).groups(story, "1 -: a/E\n2 -: b/E\n3 -: c/E");
    by(&rules("distinct: labels.zone")).groups(story, "held: a/E, b/E, c/E");
    let again = "
        00:00 a E minor
        00:30 a E minor
        10:00 end";
    by(&rules("repeats: true")).groups(again, "1 -: a/E");
    by(&rules("repeats: false")).groups(again, "held: a/E");
}

const FAILOVER: &str = "
correlate:
  - id: failover
    type: pair
    by: [labels.pair]
    of:
      - { as: down, match: { name: PrimaryDown } }
      - { as: takes, match: { name: TookOver } }
    within: 2m
    effect: { join: { root: down } }";

#[test]
fn a_pair_joins_the_second_with_the_first_and_what_came_between() {
    let estate = "
cis:
- {id: db-1, class: database, name: db-1}
- {id: db-2, class: database, name: db-2}
- {id: db-3, class: database, name: db-3}";
    by(FAILOVER).on(estate).groups(
        "00:00 db-2 TookOver minor pair=p
         00:10 db-1 PrimaryDown minor pair=p
         00:20 db-3 PrimaryDown minor pair=p
         00:50 db-2 Slow minor pair=p
         01:00 db-2 TookOver minor pair=p
         05:00 end",
        "held: db-2/TookOver, db-1/PrimaryDown, db-3/PrimaryDown, db-2/Slow",
    );
    by(FAILOVER).on(estate).groups(
        "00:10 db-1 PrimaryDown minor pair=p
         00:20 db-3 PrimaryDown minor pair=p
         01:00 db-2 TookOver minor pair=p
         05:00 end",
        "1 db-1: db-1/PrimaryDown, db-3/PrimaryDown, db-2/TookOver",
    );
    by(FAILOVER).on(estate).groups(
        "00:10 db-1 PrimaryDown minor pair=p
         02:11 db-2 TookOver minor pair=p
         05:00 end",
        "held: db-1/PrimaryDown, db-2/TookOver",
    );
}

#[test]
fn a_pair_with_window_hits_when_nothing_heals_it() {
    let rules = "
correlate:
  - id: not-back
    type: pair_with_window
    by: [object]
    of: [{ match: { name: Restart } }, { match: { name: Started } }]
    within: 5m
    effect: { raise: { name: NotBack, title: '{object} did not come back', severity: critical, object: '{object}' } }";
    by(rules).groups(
        "00:00 a Restart warning
         00:10 b Restart warning
         00:20 c Restart warning
         01:00 b Started warning
         02:00 c Restart resolved
         05:01 end",
        "1 -: a/NotBack
         held: a/Restart, b/Restart, c/Restart, b/Started",
    );
}

#[test]
fn a_sequence_needs_its_order_and_its_window() {
    let rules = "
correlate:
  - id: fall
    type: sequence
    of: [{ match: { name: A } }, { match: { name: B } }, { match: { name: C } }]
    within: 1m
    effect: { join: {} }";
    by(rules).groups(
        "00:00 x A minor
         00:10 y C minor
         00:20 z B minor
         00:55 w C minor
         10:00 end",
        "1 -: x/A, z/B, w/C
         held: y/C",
    );
    by(rules).groups(
        "00:00 x A minor
         00:20 z B minor
         01:01 w C minor
         10:00 end",
        "held: x/A, z/B, w/C",
    );
}

#[test]
fn a_group_takes_all_conditions_in_any_order() {
    let rules = "
correlate:
  - id: room
    type: group
    by: [labels.room]
    of: [{ match: { name: Hot }, count: 2 }, { match: { name: FanStopped } }]
    within: 2m
    effect: { join: {} }";
    by(rules).groups(
        "00:00 a Hot minor room=r
         00:10 f FanStopped minor room=r
         00:20 g FanStopped minor room=r
         00:30 z Hot minor room=s
         01:00 b Hot minor room=r
         01:30 c Hot minor room=r
         10:00 end",
        "1 -: a/Hot, f/FanStopped, g/FanStopped, b/Hot, c/Hot
         held: z/Hot",
    );
}

const HEARTBEAT: &str = "
correlate:
  - id: silent
    type: absence
    by: [object]
    of: [{ match: { name: Heartbeat } }]
    within: 2m
    effect: { raise: { name: NoHeartbeat, title: '{object} is silent', severity: critical, object: '{object}' } }";

#[test]
fn absence_raises_an_alert_that_ends_with_the_next_sign_of_life() {
    by(HEARTBEAT).tells(
        "00:00 a Heartbeat warning
         01:00 a Heartbeat warning
         02:30 a Heartbeat warning
         06:00 a Heartbeat warning
         07:30 a Heartbeat warning
         09:00 a Heartbeat warning
         10:30 a Heartbeat warning
         12:00 end",
        "04:30 team opened 1
         11:00 team recovered 1",
    );
}

#[test]
fn a_muted_sign_of_life_counts() {
    let rules = format!("mute: [{{ id: beats, match: {{ name: Heartbeat }} }}]\n{HEARTBEAT}");
    by(&rules).tells(
        "00:00 a Heartbeat warning
         01:00 a Heartbeat warning
         04:00 end",
        "03:00 team opened 1",
    );
}

const BRUTE_FORCE: &str = "
correlate:
  - id: brute
    type: threshold
    by: [labels.user]
    of: [{ match: { name: LoginFailed } }]
    count: 2
    within: 1m
    effect: { raise: { name: BruteForce, title: 'attack on {labels.user}', severity: critical, object: 'user {labels.user}' } }
  - id: again
    type: single
    of: [{ match: { name: BruteForce } }]
    effect: { raise: { name: Recursion, title: never, severity: critical } }
  - id: with-others
    type: group
    by: [labels.user]
    of: [{ match: { name: BruteForce } }, { match: { name: DataLeaves } }]
    within: 5m
    effect: { join: {} }";

#[test]
fn a_raised_alert_takes_part_in_everything_but_in_rules_that_raise() {
    by(BRUTE_FORCE).groups(
        "00:00 a LoginFailed minor user=u
         00:10 b LoginFailed minor user=u
         00:20 c LoginFailed minor user=u
         02:00 d DataLeaves major user=u
         10:00 end",
        "1 -: user u/BruteForce, d/DataLeaves
         held: a/LoginFailed, b/LoginFailed, c/LoginFailed",
    );
}

#[test]
fn a_raised_alert_ends_with_the_last_alert_it_came_from() {
    by(BRUTE_FORCE).tells(
        "00:00 a LoginFailed minor user=u
         00:10 b LoginFailed minor user=u
         01:00 a LoginFailed resolved
         02:00 b LoginFailed resolved
         10:00 end",
        "00:10 team opened 1
         07:00 team recovered 1",
    );
}

#[test]
fn what_rules_that_are_gone_had_begun_is_dropped() {
    by(FAILED_LOGINS).or("other", "").groups(
        "00:00 a LoginFailed minor user=u
         00:10 b LoginFailed minor user=u
         00:15 rules other
         00:18 rules
         00:20 c LoginFailed minor user=u
         10:00 end",
        "held: a/LoginFailed, b/LoginFailed, c/LoginFailed",
    );
    by(HEARTBEAT).or("other", "").tells(
        "00:00 a Heartbeat warning
         01:00 rules other
         09:00 end",
        "",
    );
}

#[test]
fn the_evidence_names_the_rule() {
    let effects = by(FAILED_LOGINS).play(
        "00:00 a LoginFailed minor user=u
         00:10 b LoginFailed minor user=u
         00:20 c LoginFailed minor user=u",
    );
    let text = serde_json::to_string(&effects).unwrap();
    assert!(text.contains(r#""term":"rule","points":0,"n":1,"of":0,"about":"logins""#), "{text}");
}
