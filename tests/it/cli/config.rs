//! Configuration: defaults, file, variables, flags; and `headwater check`.

use std::process::Command;

use headwater::config::{self, Flags, layers::Layers};

use super::{Ran, headwater, shipped, write};

fn check_with(variable: (&str, &str), arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headwater"));
    Ran::of(command.arg("check").args(arguments).env(variable.0, variable.1).output().unwrap())
}

#[test]
fn the_default_file_says_every_setting() {
    headwater(&["config"]).does(&["intake:", "数据目录", "durability: power"]);
    let loaded = config::load(None, Flags::default()).unwrap();
    assert_eq!(loaded.config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(loaded.config.intake, headwater::intake::settings::Settings::default());
    assert_eq!(loaded.config.log, config::Log::default());
    // Every setting has a sentence above it, in both languages.
    let text = config::DEFAULTS.1;
    let mut sentence = String::new();
    for line in text.lines().skip_while(|line| !line.starts_with("data:")) {
        let line = line.trim();
        if let Some(words) = line.strip_prefix('#') {
            sentence.push_str(words);
        } else if !line.is_empty() {
            let is_section = line.ends_with(':');
            let has_both = sentence.chars().any(|c| c.is_ascii_lowercase()) && sentence.chars().any(|c| c > '\u{4e00}');
            assert!(
                is_section || has_both || line.starts_with("data:"),
                "no sentence in both languages above {line:?}"
            );
            sentence.clear();
        }
    }
}

#[test]
fn unknown_keys_and_bad_values_are_told_with_place_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(
        folder.path(),
        "hw.yaml",
        "lissten: 127.0.0.1:1\nintake:\n  events_max: many\n  rates:\n    zabbix: { events_per_sekond: 5 }\ndrain: 5\nlog: { format: xml, level: info }\n",
    );
    headwater(&["check", "--config", &file]).refuses(&[
        &format!("{file}:1:1: unknown setting `lissten`; remove it or write one of: data, listen"),
        &format!("{file}:3:3: `events_max`: found string \"many\", expected"),
        &format!("{file}:5:15: unknown setting `events_per_sekond`"),
        &format!("{file}:6:1: `drain`:"),
        &format!("{file}:7:8: `format`: \"xml\" is not known; write one of: text, json"),
        "5 errors",
    ]);
    let broken = write(folder.path(), "broken.yaml", "data: [\n");
    headwater(&["serve", "--config", &broken]).refuses(&["broken.yaml:", "config/default.yaml shows every setting"]);
    headwater(&["check", "--config", "/nowhere/at/all.yaml"]).refuses(&["/nowhere/at/all.yaml", "readable file"]);
    check_with(("HEADWATER__INTAKE__EVENTS_MAXX", "5"), &[])
        .refuses(&["HEADWATER__INTAKE__EVENTS_MAXX: unknown setting `events_maxx`"]);
    check_with(("HEADWATER__LISTEN", "here"), &[]).refuses(&["HEADWATER__LISTEN: `listen`"]);
}

#[test]
fn later_layers_win_and_paths_start_from_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file =
        write(folder.path(), "etc/hw.yaml", "data: ../data\nlisten: 127.0.0.1:7000\nintake: { events_max: 10 }\n");
    let flags = Flags { listen: Some("127.0.0.1:7001".parse().unwrap()), ..Flags::default() };
    let config = config::load(Some(file.as_ref()), flags).unwrap().config;
    assert_eq!(config.data, folder.path().join("etc/../data"));
    assert_eq!(config.listen.port(), 7001);
    assert_eq!((config.intake.events_max, config.intake.gzip_ratio_max), (10, 20));
}

#[test]
fn a_value_of_a_list_is_told_with_its_place() {
    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the errors are looked at")]
    struct Outer {
        many: Vec<std::collections::BTreeMap<String, u8>>,
    }
    let defaults = "many: []\n";
    let layers = Layers::default().file("d.yaml".as_ref(), defaults).unwrap();
    let layers = layers.file("f.yaml".as_ref(), "many:\n  - { a: 1 }\n  - { a: 300 }\n").unwrap();
    let errors = layers.read::<Outer>().unwrap_err();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].place, "f.yaml:3:7", "{errors:?}");
}

#[test]
fn dangerous_pairs_are_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let file =
        write(folder.path(), "hw.yaml", "listen: 0.0.0.0:8080\ndurability: process\nconsole: { open_metrics: true }\n");
    let told = headwater(&["check", "--config", &file]);
    told.does(&[
        &format!("warning: {file}:2:1: accepted alerts of other machines are lost"),
        "everybody who reaches the address can read /metrics",
        "the console's cookie goes over plain HTTP",
        "0 errors, 3 warnings",
    ]);
    headwater(&["check", "--config", &file, "--strict"]).refuses(&["3 warnings"]);
}

#[test]
fn an_open_address_without_tokens_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display().to_string();
    headwater(&["serve", "--data", &data, "--listen", "0.0.0.0:0"]).refuses(&["no token in", "headwater token create"]);
}

#[test]
fn rules_mappings_and_topology_are_checked_without_starting() {
    let (rules, topology) = (shipped("rules"), shipped("tests/scenarios/s11-a-release-breaks-a-service/topology.yaml"));
    headwater(&["check", "--rules", &rules, "--topology", &topology, "--strict"]).does(&["0 errors, 0 warnings"]);
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "rules/a.yaml",
        "mute:\n  - { id: a, match: { source: x } }\n  - { id: a, match: { source: y } }\n",
    );
    write(folder.path(), "rules/b.yaml", "promote:\n  - { id: p, after: 5 }\n");
    write(folder.path(), "rules/mappings/m.yaml", "mapping: m\nevnt: {}\n");
    write(folder.path(), "rules/tests/t.test.yaml", "tests:\n  - { name: t, stebs: [] }\n");
    let bad = write(folder.path(), "t.yaml", "cis:\n- { id: a, klass: server, name: a }\n");
    let rules = folder.path().join("rules").display().to_string();
    headwater(&["check", "--rules", &rules, "--topology", &bad]).refuses(&[
        &format!("{rules}/a.yaml:3:"),
        "rename one of them",
        &format!("{rules}/b.yaml:2:"),
        "no fallback route",
        &format!("{rules}/mappings/m.yaml:2:"),
        &format!("{rules}/tests/t.test.yaml:2:"),
        &format!("{bad}:2"),
    ]);
}

#[test]
fn a_folder_of_metric_models_starts_from_the_file_that_names_it_and_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let config = write(folder.path(), "etc/hw.yaml", "intake: { anomalies: { models: own } }\n");
    let meant = folder.path().join("etc/own/metric");
    headwater(&["check", "--config", &config]).refuses(&["intake.anomalies.models", &meant.display().to_string()]);
    for name in ["model.yaml", "card.md", "SHA256SUMS"] {
        let text = std::fs::read_to_string(shipped(&format!("models/metric/1/{name}"))).unwrap();
        write(folder.path(), &format!("etc/own/metric/1/{name}"), &text);
    }
    headwater(&["check", "--config", &config]).does(&["etc/own: metric model 1"]);
}

#[test]
fn rules_that_were_not_meant_are_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "a.yaml",
        "routes:\n  - { id: all, receivers: [x] }\n  - { id: late, match: { source: a }, receivers: [y] }\n\
         adjust:\n  - { id: never, match: { severity: major, source: [b] , name: n}, severity: minor }\n  - { id: twice, match: { severity: major, source: [b], name: n }, severity: major }\n",
    );
    let rules = folder.path().display().to_string();
    headwater(&["check", "--rules", &rules]).does(&[
        &format!("warning: {rules}/a.yaml:3:"),
        "rule late: never applies: all before it takes everything",
        "rule twice:",
        "0 errors, 2 warnings",
    ]);
    headwater(&["check", "--rules", &rules, "--strict"]).refuses(&["2 warnings"]);
}

#[test]
fn rules_that_say_the_same_or_the_opposite_or_are_over_are_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"mute:
  - { id: night, match: { name: Backup }, during: { daily: "22:00-06:00" } }
  - { id: night-again, match: { name: Backup }, during: { daily: "22:00-06:00" } }
  - { id: night-drop, match: { name: Backup }, during: { daily: "22:00-06:00" }, effect: drop }
  - { id: day, match: { name: Backup }, during: { daily: "06:00-22:00" } }
maintenance:
  - id: gone
    match: { site: north }
    schedule: { once: { from: "2020-03-01 22:00", to: "2020-03-02 06:00" } }
  - id: to-come
    match: { site: north }
    schedule: { once: { from: "2190-03-01 22:00", to: "2190-03-02 06:00" } }
inhibit:
  - { id: down, source: { name: A }, target: { name: B }, equal: [site] }
  - { id: up, source: { name: B }, target: { name: A }, equal: [site] }
routes:
  - { id: all, receivers: [x] }
"#;
    write(folder.path(), "a.yaml", text);
    let rules = folder.path().display().to_string();
    headwater(&["check", "--rules", &rules]).does(&[
        &format!("warning: {rules}/a.yaml:3:"),
        "rule night-again: says the same as night; remove one",
        "rule night-drop: says otherwise than night under the same condition",
        "rule gone: its time is over",
        "rule up: says the opposite of down",
        "0 errors, 4 warnings",
    ]);
}

#[test]
fn errors_of_several_kinds_are_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"settings: { observation: 40d, reopen_gap: 40m, retention: 10m }
mute:
  - id: a
    match: { name: Backup }
    effect: nothing
    colour: red
  - id: b
    match: { name: Backup }
    during: { daily: "22:00-06:00", zone: Mars/X }
  - { id: c, match: { name: Backup }, effect: never, shape: round }
routes:
  - { id: fallback, receivers: [x], speed: 3 }
"#;
    write(folder.path(), "a.yaml", text);
    let rules = folder.path().display().to_string();
    let told = headwater(&["check", "--rules", &rules]);
    told.refuses(&["Mars/X", "nothing", "colour", "never", "shape", "speed", "out of range", "a.yaml:5:", "a.yaml:6:"]);
    assert!(!told.out.contains("no fallback route"), "the fallback could not be read, and that is told:\n{}", told.out);
    write(
        folder.path(),
        "a.yaml",
        "settings: { reopen_gap: 40m, retention: 10m }\nroutes:\n  - { id: all, receivers: [x] }\n",
    );
    headwater(&["check", "--rules", &rules]).refuses(&["retention 600s is shorter than reopen_gap 2400s", "1 errors"]);
}
