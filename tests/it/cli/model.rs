//! `headwater model`: a model is learned from labelled history, judged, and refused when it was touched.

use std::path::Path;

use super::{Ran, headwater, shipped};

fn on_storms(arguments: &[&str], storms: &[&str]) -> Ran {
    let mapping = shipped("rules/mappings/stormgen.yaml");
    let mut all: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    all.extend(["--mapping".to_owned(), mapping]);
    for storm in storms {
        all.extend(["--history".to_owned(), shipped(&format!("tests/storms/{storm}"))]);
    }
    headwater(&all)
}

fn train(out: &Path) -> String {
    let out = out.display().to_string();
    on_storms(&["model", "train", "correlation", "--rounds", "1", "--out", &out], &["hard"]).does(&[
        "link",
        "kin",
        "lone",
        "version 7",
    ]);
    std::fs::read_to_string(Path::new(&out).join("correlation/7/model.yaml")).expect("written")
}

#[test]
fn what_is_learned_twice_is_the_same_and_what_was_touched_is_refused() {
    let (one, two) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let model = train(one.path());
    assert_eq!(model, train(two.path()), "the same history and seed give the same model");
    assert!(model.contains("version: 7") && model.contains("learned:"), "{model}");
    let models = one.path().display().to_string();
    headwater(&["model", "list", "--models", &models]).does(&["correlation 7"]);
    headwater(&["model", "card", "--models", &models]).does(&["## Trained on", "| hard |", "AUC", "中文"]);
    let path = one.path().join("correlation/7/model.yaml");
    std::fs::write(&path, model.replacen("      margin: ", "      margin: 1", 1)).expect("written");
    headwater(&["model", "list", "--models", &models]).does(&["refused", "digest"]);
    on_storms(&["model", "evaluate", "--models", &models], &["medium"]).refuses(&["has digest", "sha256sum"]);
}

#[test]
fn delays_alone_are_learned_and_the_questions_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().display().to_string();
    on_storms(&["model", "train", "correlation", "--delays", "--out", &out], &["hard", "medium"]).does(&["version 7"]);
    let read = |path: &Path| std::fs::read_to_string(path).expect("a model");
    let texts = [folder.path().join("correlation/7/model.yaml"), shipped("models/correlation/6/model.yaml").into()];
    let parts = |text: &str| {
        let text = &text[text.find("delays:").expect("delays")..];
        text.split_once("learned:").map(|(delays, learned)| (delays.to_owned(), learned.to_owned())).expect("learned")
    };
    let [(own, mine), (known, theirs)] = texts.map(|path| parts(&read(&path)));
    assert_eq!(mine, theirs, "the questions stay");
    assert_ne!(own, known, "the delays are those of this history");
    headwater(&["model", "card", "--models", &out]).does(&["## Delays", "| seen |", "中文"]);
}

#[test]
fn an_evaluation_tells_scores_and_what_went_wrong() {
    let told = on_storms(&["model", "evaluate", "--without", "kin"], &["medium"]);
    told.does(&["F1i", "medium", "fragments", "nobody's"]);
    on_storms(&["model", "evaluate", "--after", "0", "--after", "90"], &["medium"]).does(&["after 0 s", "after 90 s"]);
    on_storms(&["model", "evaluate", "--without", "kins"], &["medium"])
        .refuses(&["kins", "link, kin, stranger, tell, lone"]);
    let bare = tempfile::tempdir().expect("a folder").path().display().to_string();
    headwater(&["model", "evaluate", "--mapping", "m", "--history", &bare])
        .refuses(&["truth_alerts.csv", "docs/models.md"]);
}
