//! Enrichment by rule (A5-03), what the CI brings, severities by rule, and the record of all that.

use std::collections::BTreeMap;

use super::{World, check, shown};

fn labels(world: &World) -> BTreeMap<String, String> {
    let alert = world.alerts.values().next_back().expect("an alert");
    alert.labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

fn check_labels(rules: &str, event: &str, wanted: &[(&str, &str)]) -> World {
    let world = check(rules, &format!("09:00 {event} -> held lone"));
    let wanted: BTreeMap<String, String> = wanted.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    assert_eq!(labels(&world), wanted, "{rules}");
    world
}

#[test]
fn req_a5_03_labels_are_extracted_composed_mapped_and_deleted_in_order() {
    check_labels(
        "
enrich:
- id: port
  extract: {from: title, pattern: 'port (?<port>[0-9]+)'}
- id: place
  compose: {where: '{site}/{labels.port}'}
- id: kind
  map: {from: labels.port, to: kind, table: {'443': web, '5432': db}, default: other}
- id: clean
  match: {labels.kind: web}
  delete: [raw]
",
        "zbx slow web_1 minor title=port_443_slow raw=x",
        &[("port", "443"), ("where", "dc-a/443"), ("kind", "web")],
    );
}

#[test]
fn req_a5_03_what_is_there_stays_unless_a_rule_overwrites() {
    let world = check_labels(
        "enrich: [{id: kept, compose: {env: other}}, {id: set, overwrite: true, compose: {tier: '{owner}'}}]",
        "zbx slow web_1 minor env=prod tier=x",
        &[("env", "prod"), ("tier", "compute")],
    );
    let checks = shown(&world.decision());
    assert_eq!(
        checks[..2],
        ["enrich kept no env {\"why\":\"label_there\",\"label\":\"env\"}", "enrich set yes tier"],
        "{checks:#?}"
    );
}

#[test]
fn what_a_rule_does_not_find_is_recorded() {
    let world = check_labels(
        "enrich: [{id: port, match: {source: zbx}, extract: {from: title, pattern: 'port (?<port>[0-9]+)'}}]",
        "zbx slow web_1 minor title=none",
        &[],
    );
    assert_eq!(shown(&world.decision())[0], "enrich port no {\"why\":\"nothing_found\",\"field\":\"title\"}");
}

#[test]
fn enrichment_is_no_identity_but_later_stages_see_it() {
    check(
        "
enrich: [{id: env, compose: {env: '{labels.stage}'}}]
mute: [{id: test, match: {labels.env: test}}]
",
        "
        09:00 zbx slow web_1 minor stage=test -> muted rule test; slow@web 1 by rule test
        09:01 zbx slow web_1 minor stage=prod -> duplicate still_firing
        ",
    );
}

#[test]
fn what_the_ci_brings_is_seen_by_rules() {
    check(
        "
mute:
- {id: owner, match: {labels.case: '1', owner: compute, org: finance, criticality: '1', site: dc-a, class: server}}
- {id: ip, match: {labels.case: '2', object.ip: within 10.0.0.0/8}}
- {id: text, match: {labels.case: '3', description: '~ .*planned.*'}}
- {id: expression, when: \"labels.case == '4' && criticality == 1\", match: {labels.case: '4'}}
",
        "
        09:00 zbx a web_1 minor case=1 -> muted rule owner; a@web 1 by rule owner
        09:01 zbx b x minor ip=10.0.0.2 case=2 -> muted rule ip; b@x by rule ip
        09:02 zbx c web_2 minor description=a_planned_test case=3 -> muted rule text; c@web 2 by rule text
        09:03 zbx d web_1 minor case=4 -> muted rule expression; d@web 1 by rule expression
        09:04 state server-2 maintenance -> b@x by ci state + rule ip; c@web 2 by ci state + rule text
        09:05 state server-2 running -> b@x by rule ip; c@web 2 by rule text
        ",
    );
}

#[test]
fn severities_are_set_and_shifted_by_rule_and_recorded() {
    let world = check(
        "adjust: [{id: vital, match: {criticality: '1'}, severity: '+1'}, {id: test, match: {labels.env: test}, severity: warning}]",
        "
        09:00 zbx a web_2 critical env=test -> held lone
        09:01 zbx b web_1 major             -> opened; incident
        09:02 zbx a web_2 critical env=test -> duplicate still_firing
        09:03 zbx a web_2 ok env=test       -> resolved
        09:04 zbx c web_1 minor             -> joined
        ",
    );
    assert_eq!(shown(&world.decision())[0], "enrich vital yes severity 3/4");
    let hits = world.engine.rule_hits(&crate::storms::tenant()).expect("counted");
    assert_eq!(hits.hits.get(&"vital".into()), Some(&2));
}
