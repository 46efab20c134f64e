//! Inhibition with Alertmanager's semantics (A5-09), trust of sources, recency.

use super::{check, check_all, shown};

const RULE: &str = "
inhibit:
- id: down
  source: {name: down}
  target: {severity: '< critical'}
  equal: [site]
";

#[test]
fn req_a5_09_a_source_mutes_targets_that_agree_and_frees_them_when_it_ends() {
    check(
        RULE,
        "
        09:00 zbx slow web_1 major   -> held lone
        09:01 zbx down rack-1 critical -> opened; slow@web 1 by down(a0-2); incident
        09:02 zbx cpu web_1 major    -> muted down(a0-2); cpu@web 1 by down(a0-2)
        09:03 zbx cpu web_2 major    -> held lone
        09:10 zbx down rack-1 ok     -> resolved; incident; slow@web 1 free; cpu@web 1 free; incident
        ",
    );
}

#[test]
fn req_a5_09_a_missing_field_is_empty_and_empty_equals_empty() {
    check(
        RULE,
        "
        09:00 zbx down ghost-1 critical -> opened; incident
        09:01 zbx cpu ghost-2 major     -> muted down(a0-1); cpu@ghost-2 by down(a0-1)
        09:02 zbx cpu web_1 major       -> held lone
        ",
    );
}

#[test]
fn req_a5_09_an_alert_on_both_sides_is_not_inhibited_by_its_like() {
    check(
        "inhibit: [{id: same, source: {labels.tier: core}, target: {labels.tier: core}, equal: [site]},
                   {id: edge, source: {labels.tier: core}, target: {labels.tier: edge}, equal: [site]}]",
        "
        09:00 zbx a web_1 critical tier=core -> opened; incident
        09:01 zbx b rack-1 critical tier=core -> opened; incident
        09:02 zbx c web_1 critical tier=edge -> muted edge(a0-1); c@web 1 by edge(a0-1)
        ",
    );
}

#[test]
fn req_a5_09_the_source_must_be_active_and_may_have_to_be_recent() {
    check(
        "inhibit: [{id: down, source: {name: down}, target: {name: cpu}, recent: 10m}]",
        "
        09:00 zbx down web_1 critical -> opened; incident
        09:01 zbx cpu web_2 critical  -> muted down(a0-1); cpu@web 2 by down(a0-1)
        09:05 zbx down web_1 critical -> duplicate still_firing
        09:12 tick                    ->
        09:15 tick                    -> cpu@web 2 free; incident
        09:20 zbx down web_1 critical -> joined; cpu@web 2 by down(a0-1)
        09:31 zbx down web_1 ok       -> resolved; cpu@web 2 free
        ",
    );
}

#[test]
fn one_source_of_several_is_enough_and_the_first_stays_named() {
    check(
        "inhibit: [{id: down, source: {name: down}, target: {name: cpu}}]",
        "
        09:00 zbx down rack-1 critical -> opened; incident
        09:01 zbx cpu tax critical     -> muted down(a0-1); cpu@tax by down(a0-1)
        09:02 zbx down rack-2 critical -> opened; incident
        09:03 zbx down rack-1 ok       -> resolved
        09:04 zbx down rack-2 ok       -> resolved; cpu@tax free; incident
        ",
    );
}

#[test]
fn a_muted_source_still_inhibits() {
    check(
        "inhibit: [{id: down, source: {name: down}, target: {name: cpu}}]",
        "
        09:00 silence s1 name=down for=1h ->
        09:01 zbx down rack-1 critical -> muted silence s1; down@rack-1 by silence s1
        09:02 zbx cpu web_2 critical   -> muted down(a0-1); cpu@web 2 by down(a0-1)
        ",
    );
}

#[test]
fn a_source_that_is_trusted_less_cannot_inhibit() {
    let world = check(
        "
trust: {lab: 1, zbx: 7}
inhibit: [{id: down, source: {name: down}, target: {name: cpu}}]
",
        "
        09:00 lab down rack-1 critical -> opened; incident
        09:01 zbx cpu web_2 critical   -> opened; incident
        09:02 lab cpu tax critical     -> muted down(a0-1); cpu@tax by down(a0-1)
        09:03 zbx cpu vm-1 critical    -> joined
        ",
    );
    let checks = shown(&world.decision());
    assert_eq!(checks[0], "mute down no {\"why\":\"less_trusted\",\"source\":1,\"needed\":7}", "{checks:#?}");
}

#[test]
fn inhibition_may_mute_only_notices() {
    check(
        "inhibit: [{id: down, effect: notice, source: {name: down}, target: {name: cpu}}]",
        "
        09:00 zbx down rack-1 critical -> opened; incident
        09:01 zbx cpu web_2 critical   -> opened; cpu@web 2 by down(a0-1); incident
        ",
    );
}

#[test]
fn rules_that_go_take_their_inhibition_along() {
    check_all(
        &["inhibit: [{id: down, source: {name: down}, target: {name: cpu}}]", "mute: []"],
        "
        09:00 zbx down rack-1 critical -> opened; incident
        09:01 zbx cpu web_2 critical   -> muted down(a0-1); cpu@web 2 by down(a0-1)
        09:02 rules 2                  -> cpu@web 2 free; incident
        09:03 rules 1                  -> cpu@web 2 by down(a0-1)
        ",
    );
}
