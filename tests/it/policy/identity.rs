//! What makes two events one alert (A5-05), which CI they speak of, and events that come late or twice.

use headwater::engine::identity::CiLookups;

use super::{World, check};
use crate::storms::tenant;

#[test]
fn req_a5_05_rules_say_which_labels_are_identity_and_a_source_s_own_key_wins() {
    check(
        "dedup: [{id: ports, match: {source: zbx}, labels: [port]}]",
        "
        09:00 zbx link web_1 minor port=1 env=a       -> held lone
        09:01 zbx link web_1 minor port=1 env=b       -> duplicate still_firing
        09:02 zbx link web_1 minor port=2             -> held lone
        09:03 zbx link web_1 minor port=3 key=k       -> held lone
        09:04 zbx link web_1 minor port=4 key=k       -> duplicate still_firing
        09:05 prom link web_1 minor port=1            -> held lone
        09:05 prom link web_1 minor port=2            -> duplicate still_firing
        09:06 zbx link web_1 ok port=2                -> resolved
        ",
    );
}

#[test]
fn a_mapping_s_identity_holds_where_no_rule_says_otherwise() {
    check(
        "dedup: [{id: none, match: {source: zbx}}]",
        "
        09:00 prom link web_1 minor identity=a -> held lone
        09:01 prom link web_1 minor identity=b -> held lone
        09:02 zbx link web_1 minor identity=a  -> held lone
        09:03 zbx link web_1 minor identity=b  -> duplicate still_firing
        ",
    );
}

#[test]
fn a_rule_may_remember_event_ids_for_longer() {
    check(
        "dedup: [{id: slow, match: {source: batch}, window: 12h}]",
        "
        09:00 batch a web_1 minor id=1                -> held lone
        15:00 batch a web_1 minor id=1 starts=14:59   -> duplicate conflict
        15:01 zbx b web_1 minor id=1                  -> held lone
        ",
    );
}

#[test]
fn too_many_different_windows_are_refused() {
    let rules: String = (1..=9).map(|n| format!("- {{id: r{n}, match: {{source: s{n}}}, window: {n}m}}\n")).collect();
    let file = headwater::engine::policy::place::RuleFile {
        name: "r.yaml".into(),
        text: format!("dedup:\n{rules}routes: [{{id: all, receivers: [default]}}]\n"),
    };
    let errors = headwater::engine::policy::Policy::compile(1, &[file]).expect_err("refused");
    assert!(errors[0].to_string().contains("at most 8 different windows"), "{errors:?}");
}

fn lookups(world: &World) -> CiLookups {
    world.engine.ci_lookups(&tenant()).expect("counted").clone()
}

#[test]
fn a_ci_is_found_by_several_keys_and_what_is_not_found_is_counted() {
    let world = check(
        "",
        "
        09:00 zbx a twin minor ip=10.0.1.1        -> held lone
        09:01 zbx a any minor ci=vm-1             -> duplicate still_firing
        09:02 zbx b twin minor ip=10.0.1.99       -> held lone
        09:03 zbx c stranger minor                -> held lone
        09:04 zbx c stranger minor                -> duplicate still_firing
        ",
    );
    let lookups = lookups(&world);
    assert_eq!((lookups.resolved, lookups.ambiguous, lookups.unresolved), (2, 1, 2));
    let cis: Vec<&str> = lookups.strangers["twin"].cis.iter().map(|ci| ci.as_str()).collect();
    assert_eq!(cis, ["vm-1", "vm-2"]);
    assert_eq!((lookups.strangers["stranger"].events, lookups.strangers.len()), (2, 2));
}

#[test]
fn req_a5_04_full_and_partial_duplicates() {
    let world = check(
        "",
        "
        09:00 zbx a web_1 minor id=1 starts=09:00          -> held lone
        09:01 zbx a web_1 minor id=1 starts=09:00          -> duplicate same_event
        09:02 zbx a web_1 minor id=2 starts=09:00          -> duplicate still_firing
        09:03 zbx b web_2 minor starts=09:00               -> held lone
        09:04 zbx b web_2 minor starts=09:00               -> duplicate same_event
        09:05 zbx b web_2 minor starts=09:00 title=other   -> duplicate still_firing
        09:06 zbx b web_2 minor starts=09:00 note=other    -> duplicate still_firing
        09:07 zbx b web_2 ok starts=09:07                  -> resolved
        09:08 zbx b web_2 ok starts=09:07                  -> duplicate same_event
        ",
    );
    let counts: Vec<u64> = world.alerts.values().map(|alert| alert.count).collect();
    assert_eq!(counts, [1, 5], "as of the last time that more than the count changed");
}

#[test]
fn an_alert_that_was_there_before_its_ci_is_the_same_alert_afterwards() {
    let world = check(
        "mute: [{id: servers, match: {class: server}}]",
        "
        09:00 zbx a box-9 major  -> held lone
        09:01 add srv-9 box-9    -> a@box-9 by rule servers
        09:02 zbx a box-9 major  -> duplicate still_firing
        09:03 zbx a box-9 ok     -> resolved
        09:10 tick               ->
        ",
    );
    let ci = world.alerts.values().next().and_then(|alert| alert.ci.as_ref()).map(|ci| ci.id.to_string());
    assert_eq!((world.alerts.len(), ci.as_deref()), (1, Some("srv-9")));
}

#[test]
fn late_events_and_ends_before_their_start_change_nothing() {
    check(
        "mute: [{id: gone, effect: drop, match: {labels.env: test}}]",
        "
        09:00 zbx a web_1 ok starts=08:59            -> resolved
        09:01 zbx a web_1 major starts=08:50         -> duplicate late
        09:02 zbx b web_1 major starts=09:02         -> held lone
        09:05 zbx b web_1 ok starts=09:05            -> resolved
        09:06 zbx b web_1 major starts=09:02         -> duplicate late
        09:07 zbx c web_1 major env=test             -> dropped rule gone
        09:08 zbx c web_1 ok starts=09:08            -> resolved
        09:09 zbx c web_1 major starts=09:07         -> duplicate late
        ",
    );
}
