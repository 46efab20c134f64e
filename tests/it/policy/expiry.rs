//! Rules that expire: from their moment on the set holds without them, at that moment and not at the next event.

use headwater::domain::time::Timestamp;
use headwater::engine::policy::Policy;
use headwater::engine::policy::place::{LintKind, RuleFile};

use super::{FALLBACK, check, check_all, compiled};
use crate::storms::tenant;

#[test]
fn a_mute_rule_lets_go_at_the_moment_it_expires() {
    let rules = "mute: [{id: m, match: {name: disk}, owner: li.na, expires: 2026-06-01 10:00}]";
    let world = check(
        rules,
        "
        09:00 zbx disk web_1 major    -> muted rule m; disk@web 1 by rule m
        09:59:59 tick                 ->
        10:00 tick                    -> disk@web 1 free; incident
        10:01 zbx disk web_2 critical -> opened; incident
        ",
    );
    let hits = world.engine.rule_hits(&tenant()).unwrap();
    assert_eq!(hits.hits.get(&"m".into()), Some(&1), "what it did is remembered");
    assert_eq!(world.engine.next_due(), world.engine.next_due().filter(|at| *at > world.engine.now()));
}

#[test]
fn nobody_has_to_be_there_at_that_moment() {
    let world = check(
        "mute: [{id: m, match: {name: disk}, expires: '2026-06-01T10:00:00+08:00'}]",
        "
        09:00 zbx disk web_1 major -> muted rule m; disk@web 1 by rule m
        12:00 zbx cpu web_2 minor  -> held lone; disk@web 1 free; incident
        ",
    );
    let opened = world.incidents_opened_at();
    assert_eq!(opened, [Timestamp::parse("2026-06-01T10:00:00+08:00").unwrap()], "as if somebody had been");
}

#[test]
fn every_kind_of_rule_expires() {
    check(
        "
dedup: [{id: ports, labels: [port], expires: 2026-06-01 10:00}]
enrich: [{id: env, match: {name: disk}, compose: {env: prod}, expires: 2026-06-01 10:00}]
adjust: [{id: up, match: {labels.env: prod}, severity: critical, expires: 2026-06-01 10:00}]
maintenance: [{id: work, match: {name: work}, schedule: {daily: '00:00-24:00'}, expires: 2026-06-01 10:00}]
",
        "
        09:00 zbx disk web_1 major port=1 -> opened; incident
        09:00 zbx disk web_1 major port=2 -> joined
        09:00 zbx work web_2 critical     -> muted window work; work@web 2 by window work
        10:00 tick                        -> work@web 2 free; incident
        10:01 zbx disk web_2 major        -> held lone
        10:02 zbx disk web_2 major port=1 -> duplicate still_firing
        10:03 zbx disk web_2 major port=2 -> duplicate still_firing
        ",
    );
}

#[test]
fn rules_that_had_expired_when_they_were_put_do_not_hold() {
    check_all(
        &[
            "",
            "mute: [{id: old, match: {name: disk}, expires: 2026-06-01}, {id: m, match: {name: cpu}, expires: 2026-06-02}]",
        ],
        "
        06-01 09:00 rules 2             ->
        06-01 09:01 zbx disk web_1 critical -> opened; incident
        06-01 09:02 zbx cpu web_2 critical  -> muted rule m; cpu@web 2 by rule m
        06-01 23:59:59 tick                 ->
        06-02 00:00 tick                    -> cpu@web 2 free; incident
        ",
    );
}

fn errors(text: &str) -> String {
    let file = RuleFile { name: "a.yaml".into(), text: text.to_owned() };
    let errors = Policy::compile(1, &[file]).expect_err("it should be refused");
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_cannot_expire_is_refused_with_a_remedy() {
    let forever = errors("routes: [{id: all, receivers: [noc], expires: 2026-06-01}]\n");
    assert!(forever.contains("without `match` and `expires`"), "{forever}");
    let someday = errors(&format!("mute: [{{id: m, match: {{name: x}}, expires: someday}}]{FALLBACK}"));
    assert!(someday.contains("a.yaml:1:") && someday.contains("write 2026-03-01 22:00"), "{someday}");
}

#[test]
fn a_rule_that_ends_soon_or_has_ended_is_told() {
    let policy = compiled(1, "mute: [{id: m, match: {name: x}, owner: li.na, expires: 2026-06-20}]");
    let at = |text: &str| {
        let lints = policy.lint(Timestamp::parse(text).unwrap());
        lints.into_iter().map(|lint| (lint.kind, lint.what)).collect::<Vec<_>>()
    };
    assert_eq!(at("2026-06-01T00:00:00Z"), []);
    assert!(matches!(&at("2026-06-10T00:00:00Z")[..], [(LintKind::Expires, what)] if what.contains("li.na")));
    assert!(matches!(&at("2026-06-19T16:00:00Z")[..], [(LintKind::Expired, what)] if what.contains("does not hold")));
}
