//! Silences, mute rules, maintenance windows, the CI's state, flapping: effects, expiry, restoration (A5-07, A5-08).

use super::{World, check, check_all, shown};
use crate::storms::tenant;

#[test]
fn req_a5_08_a_silence_keeps_alerts_out_and_lets_them_go_at_its_end() {
    let world = check(
        "",
        "
        09:00 silence s1 name=disk for=30m ->
        09:01 zbx disk web_1 major         -> muted silence s1; disk@web 1 by silence s1
        09:02 zbx cpu web_2 major          -> held lone
        09:10 tick                         -> incident
        09:29 zbx disk web_1 major         -> muted silence s1
        09:31 tick                         -> disk@web 1 free; incident
        09:40 tick                         ->
        ",
    );
    assert_eq!(world.notices(), ["opened web 2: cpu", "opened web 1: disk"], "each once");
}

#[test]
fn a_resolution_goes_through_every_mute() {
    check(
        "mute: [{id: all, effect: drop, match: {name: noise}}, {id: kept, match: {name: disk}}]",
        "
        09:00 zbx noise web_1 major -> dropped rule all
        09:01 zbx noise web_1 ok    -> resolved
        09:02 zbx disk web_1 major  -> muted rule kept; disk@web 1 by rule kept
        09:03 zbx disk web_1 ok     -> resolved
        ",
    );
}

#[test]
fn a_muted_alert_that_resolves_and_fires_again_is_judged_anew() {
    check(
        "",
        "
        09:00 silence s1 name=disk for=10m ->
        09:01 zbx disk web_1 major   -> muted silence s1; disk@web 1 by silence s1
        09:05 zbx disk web_1 ok      -> resolved
        09:20 zbx disk web_1 major   -> held lone; disk@web 1 free
        09:30 tick                   -> incident
        ",
    );
}

#[test]
fn the_three_effects() {
    let world = check(
        "
mute:
- {id: quiet, effect: notice, match: {labels.effect: quiet}}
- {id: kept, match: {labels.effect: kept}}
- {id: gone, effect: drop, match: {labels.effect: gone}}
",
        "
        09:00 zbx a web_1 critical effect=quiet -> opened; a@web 1 by rule quiet; incident
        09:01 zbx b web_2 critical effect=kept  -> muted rule kept; b@web 2 by rule kept
        09:02 zbx c web_2 critical effect=gone  -> dropped rule gone
        09:20 tick                              ->
        ",
    );
    assert_eq!(world.notices(), [""; 0], "an incident is there, but nobody is told");
}

#[test]
fn a_silence_may_mute_only_notices_or_drop() {
    let world = check(
        "",
        "
        09:00 silence s1 name=a for=1h effect=notice -> 
        09:00 silence s2 name=b for=1h effect=drop   ->
        09:01 zbx a web_1 critical -> opened; a@web 1 by silence s1; incident
        09:02 zbx b web_2 critical -> dropped silence s2
        09:03 expire s1 -> a@web 1 free
        09:04 expire s2 ->
        09:05 zbx b web_2 critical -> opened; incident
        09:06 expire s9 -> refused: no such silence
        ",
    );
    assert_eq!(world.notices(), ["opened web 1: a", "opened web 2: b"]);
}

#[test]
fn an_alert_that_was_there_before_the_window_is_muted_and_restored() {
    check(
        "maintenance: [{id: work, match: {site: dc-a}, schedule: {once: {from: '2026-06-01 10:00', to: '2026-06-01 11:00'}}}]",
        "
        09:58 zbx disk web_1 major -> held lone
        10:00 tick                 -> disk@web 1 by window work
        10:30 tick                 ->
        11:00 tick                 -> disk@web 1 free; incident
        12:00 tick                 ->
        ",
    );
}

#[test]
fn a_window_over_a_rack_means_all_that_is_in_it() {
    check(
        "maintenance: [{id: work, subtree: [rack-1], schedule: {once: {from: '2026-06-01 10:00', to: '2026-06-01 11:00'}}}]",
        "
        10:01 zbx a rack-1 critical -> muted window work; a@rack-1 by window work
        10:02 zbx b web_1 critical  -> muted window work; b@web 1 by window work
        10:03 zbx c tax critical    -> muted window work; c@tax by window work
        10:04 zbx d web_2 critical  -> opened; incident
        10:05 zbx e unknown critical -> opened; incident
        ",
    );
}

#[test]
fn the_cmdb_mutes_what_is_in_maintenance() {
    check(
        "",
        "
        10:00 zbx a web_1 major          -> held lone
        10:01 state server-1 maintenance -> a@web 1 by ci state
        10:02 zbx b web_1 major          -> muted ci state; b@web 1 by ci state
        10:30 state server-1 running     -> a@web 1 free; b@web 1 free; incident
        ",
    );
}

#[test]
fn who_mutes_most_is_named_first() {
    check(
        "mute: [{id: kept, match: {name: a}}]",
        "
        09:00 silence s1 name=a for=10m effect=notice ->
        09:01 zbx a web_1 critical -> muted rule kept; a@web 1 by rule kept + silence s1
        09:10 tick                 -> a@web 1 by rule kept
        ",
    );
}

#[test]
fn another_set_of_rules_mutes_and_frees() {
    let world = check_all(
        &[
            "mute: [{id: one, match: {name: a}}, {id: two, match: {name: b}}]",
            "mute: [{id: two, match: {name: [b, c]}}]",
        ],
        "
        09:00 zbx a web_1 critical -> muted rule one; a@web 1 by rule one
        09:01 zbx b web_2 critical -> muted rule two; b@web 2 by rule two
        09:02 zbx c tax critical   -> opened; incident
        09:03 rules 2              -> a@web 1 free; c@tax by rule two; incident
        ",
    );
    let hits = world.engine.rule_hits(&crate::storms::tenant()).expect("counted");
    let of = |rule: &str| hits.hits.get(&rule.into()).copied();
    assert_eq!((of("one"), of("two")), (None, Some(2)), "counts stay with rules that stay");
    assert_eq!(hits.last.get(&"two".into()).copied(), Some(super::moment("06-01", "09:03")));
}

#[test]
fn a_worse_severity_leaves_a_rule_for_mild_ones() {
    check(
        "mute: [{id: mild, match: {severity: '< major'}}]",
        "
        09:00 zbx a web_1 minor    -> muted rule mild; a@web 1 by rule mild
        09:01 zbx a web_1 critical -> duplicate still_firing; a@web 1 free; incident
        ",
    );
}

#[test]
fn the_record_says_who_was_looked_at_and_why_not() {
    let world = check(
        "
mute:
- {id: night, match: {name: a}, during: {daily: '22:00-06:00'}}
- {id: mild, match: {severity: '< major', source: zbx}}
- {id: other, when: \"labels.env == 'test'\"}
maintenance:
- {id: rack, subtree: [rack-2], schedule: {daily: '00:00-24:00'}}
",
        "09:00 zbx a web_1 critical -> opened; incident",
    );
    let checks = shown(&world.decision());
    assert_eq!(
        checks[..4],
        [
            "mute rack no {\"why\":\"elsewhere\"}",
            "mute night no {\"why\":\"closed\",\"opens_at\":1780322400000}",
            "mute mild no {\"why\":\"field\",\"asks\":\"severity < \\\"major\\\"\",\"value\":\"critical\"}",
            "mute other no {\"why\":\"expression\",\"failed\":true}",
        ],
        "{checks:#?}"
    );
}

const FLIPS: &str = "
    09:00 zbx link web_1 major -> held lone
    09:02 zbx link web_1 ok    -> resolved
    09:04 zbx link web_1 major -> held lone
    09:06 zbx link web_1 ok    -> resolved
";

#[test]
fn req_a5_07_four_changes_in_an_hour_are_marked() {
    check("settings: {flapping: {mode: off}}", &format!("{FLIPS} 09:08 zbx link web_1 major -> held lone"));
    check(
        "",
        &format!(
            "{FLIPS}
            09:08 zbx link web_1 major -> held lone; link@web 1 flaps
            09:30 tick -> incident
            10:02 tick -> link@web 1 calm
            "
        ),
    );
}

#[test]
fn req_a5_07_a_flapping_alert_may_be_muted_for_a_while() {
    check(
        "settings: {flapping: {mode: mute, mute_for: 30m}}",
        &format!(
            "{FLIPS}
            09:08 zbx link web_1 major -> held lone; link@web 1 by flapping; link@web 1 flaps
            09:20 tick -> incident
            09:38 tick -> link@web 1 free
            10:02 tick -> link@web 1 calm
            "
        ),
    );
}

#[test]
fn a_rule_counts_once_for_each_alert_that_it_begins_to_mute() {
    let rules = "
mute:
- {id: noisy, match: {name: disk}}
- {id: shift, match: {name: disk}, during: {daily: '09:00-10:00'}}
maintenance:
- {id: move, match: {site: dc-a}, schedule: {daily: '09:00-09:30'}}
";
    let mut world = World::new(&[rules]);
    let mut counts = |line: &str| {
        world.play(line);
        let hits = &world.engine.rule_hits(&tenant()).expect("the tenant has a cell").hits;
        ["noisy", "shift", "move"].map(|id| hits.get(&id.into()).copied().unwrap_or(0))
    };
    assert_eq!(counts("09:00 zbx disk web_1 major"), [1, 1, 1]);
    assert_eq!(counts("09:01 zbx disk web_1 major"), [1, 1, 1], "a repeat is not muted anew");
    assert_eq!(counts("09:31 tick"), [1, 1, 1], "a window ended, the others go on");
    assert_eq!(counts("10:01 tick"), [1, 1, 1], "another ended");
    assert_eq!(counts("10:02 zbx disk web_2 major"), [2, 1, 1]);
    assert_eq!(counts("06-02 09:05 tick"), [2, 3, 2], "windows that open mute what fires");
}
