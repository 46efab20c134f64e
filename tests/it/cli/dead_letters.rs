//! `headwater dead-letters` against the real program: listed with place and remedy, tried again when the mapping is right.

use std::process::Command;

use super::served::{Served, token};
use super::{Ran, write};

const WRONG: &str =
    "mapping: lift\nevent:\n  name: what\n  severity: grade\n  object: { name: car }\n  status: state\n";

/// A mapping that knows the words of the lifts.
fn right() -> String {
    WRONG.replace("status: state", "status: { path: state, map: { stuck: firing, moves: resolved } }")
}

#[test]
fn what_a_mapping_could_not_read_is_listed_and_taken_when_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (source, li) = (token(&data, "source", "lifts"), token(&data, "analyst", "li"));
    let mapping = write(folder.path(), "mappings/lift.yaml", WRONG);
    let mappings = folder.path().join("mappings");
    let served = Served::start(&["--data", data.to_str().unwrap(), "--mappings", mappings.to_str().unwrap()]);
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_headwater"));
        command.arg("dead-letters").args(arguments).args(["--server", &served.base()]).env("HEADWATER_LANG", "en");
        Ran::of(command.env("HEADWATER_TOKEN", &li).output().unwrap())
    };
    served.wait("the past can be asked", || run(&["list"]).out.contains("no dead letters").then_some(()));
    for car in ["a", "b"] {
        let body = format!(r#"{{"what":"Stuck","state":"stuck","grade":"major","car":"{car}"}}"#);
        served.ask("POST", "/api/v1/ingest/lift", &source, &body);
    }
    let listed = served.wait("two dead letters", || {
        let ran = run(&["list", "--json"]);
        (ran.out.lines().count() == 2).then_some(ran)
    });
    listed.does(&["\\\"car\\\":\\\"a\\\"", "status is"]);
    run(&["list", "--limit", "1", "--source", "lifts"]).does(&["lifts  malformed", "let the mapping make firing"]);
    run(&["list", "--limit", "1", "--lang", "zh"]).does(&["lifts  格式错误(malformed)", "请在映射中把它转换为 firing"]);
    run(&["list", "--source", "pumps"]).does(&["no dead letters"]);
    run(&["replay"]).refuses(&["name dead letters by their ids", "--all"]);
    run(&["replay", "--all"]).refuses(&["status is", "0 of 2 were taken"]);
    std::fs::write(&mapping, right()).unwrap();
    let taken = served.wait("the mapping is read again", || {
        let ran = run(&["replay", "--all"]);
        (ran.code == 0).then_some(ran)
    });
    taken.does(&["2 of 2 were taken"]);
    served.wait("both became events", || (run(&["list"]).out.matches(" -> e").count() == 2).then_some(()));
    run(&["replay", "--all"]).does(&["0 of 0 were taken"]);
}
