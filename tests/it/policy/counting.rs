//! How often each rule applied is counted exactly, one by one and over any restart (B6-5).

use std::collections::BTreeMap;

use super::World;
use crate::storms::tenant;

const RULES: &str = "
dedup: [{id: port, match: {source: zbx}, labels: [port]}]
enrich: [{id: place, match: {source: zbx}, compose: {where: '{site}'}}]
adjust: [{id: soft, match: {labels.env: test}, severity: warning}]
mute: [{id: fans, match: {name: fan}}, {id: never, match: {name: nothing}}]
inhibit: [{id: down, source: {name: down}, target: {name: slow}, equal: [site]}]
promote: [{id: grave, match: {severity: critical}, after: now}, {id: lasting, match: {name: disk}, after: 30m}]
";

fn counts(world: &World) -> BTreeMap<String, u64> {
    let hits = world.engine.rule_hits(&tenant()).expect("the tenant has a cell");
    hits.hits.iter().map(|(rule, n)| (rule.to_string(), *n)).collect()
}

#[test]
fn req_b6_5_each_use_of_a_rule_is_counted_once() {
    // What each line adds, and the same with a restart before each line.
    let story = [
        ("09:00 zbx fan web_1 major", "fans 1, place 1, port 1"),
        ("09:01 zbx fan web_1 major", "place 1, port 1"),
        ("09:02 prom disk web_2 major env=test", "lasting 1, soft 1"),
        ("09:03 zbx down rack-1 critical", "fallback 1, grave 1, place 1, port 1"),
        ("09:04 zbx slow web_1 minor", "down 1, place 1, port 1"),
        // Whose end it is is found by the rule of identity.
        ("09:05 zbx fan web_1 ok", "port 1"),
        ("09:06 prom other web_2 minor", ""),
    ];
    let (mut calm, mut restarted) = (World::new(&[RULES]), World::new(&[RULES]));
    let mut seen = BTreeMap::new();
    for (line, added) in story {
        calm.play(line);
        restarted.restart();
        restarted.play(line);
        let now = counts(&calm);
        assert_eq!(now, counts(&restarted), "a restart changes no count: {line}");
        let more = |rule: &String, n: u64| n - seen.get(rule).copied().unwrap_or(0);
        let news: Vec<String> = now
            .iter()
            .map(|(rule, n)| (rule, more(rule, *n)))
            .filter(|(_, more)| *more > 0)
            .map(|(rule, more)| format!("{rule} {more}"))
            .collect();
        assert_eq!(news.join(", "), added, "{line}");
        seen = now;
    }
    assert!(!seen.contains_key("never"));
}
