//! `headwater shadow` against the real program: a trial from its start to its end, and who may do what.

use std::process::Command;

use serde_json::{Value, json};

use super::served::{Served, token};
use super::{Ran, headwater, write};

const LOUD: &str = "promote:\n  - { id: at-once, after: now }\nroutes:\n  - { id: all, receivers: [noc] }\n";

fn event(name: &str, ci: &str) -> String {
    format!(r#"{{"name":"{name}","severity":"major","starts_at":"2026-01-05T00:00:00Z","object":{{"name":"{ci}"}}}}"#)
}

/// One person at a terminal.
struct Person<'a> {
    served: &'a Served,
    token: String,
}

impl Person<'_> {
    fn shadow(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_headwater"));
        command.arg("shadow").args(arguments).args(["--server", &self.served.base(), "--lang", "en"]);
        Ran::of(command.env("HEADWATER_TOKEN", &self.token).output().unwrap())
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let (status, text) = self.served.ask(method, path, &self.token, &body.to_string());
        (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{path}: {status} {text}")))
    }

    /// Waits until the trial has decided what was sent.
    fn wait_for(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        self.served.wait(what, || Some(self.ask("GET", "/api/v1/shadow", &json!({})).1).filter(&holds))
    }
}

#[test]
fn a_trial_is_started_read_activated_and_taken_back_from_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let source = token(&data, "source", "zabbix");
    let served = Served::start(&["--data", data.to_str().unwrap()]);
    let li = Person { served: &served, token: token(&data, "analyst", "li") };
    li.shadow(&["report"]).refuses(&["nothing runs beside", "shadow start"]);
    li.shadow(&["start"]).refuses(&["--rules DIR, --models DIR"]);
    let bad = write(folder.path(), "bad/a.yaml", "routes: [{ id: x }]\n");
    let in_folder = |file: &str| std::path::Path::new(file).parent().unwrap().display().to_string();
    li.shadow(&["start", "--rules", &in_folder(&bad)]).refuses(&["422", "a.yaml:1:"]);
    let loud = in_folder(&write(folder.path(), "loud/a.yaml", LOUD));
    li.shadow(&["start", "--rules", &loud, "--reason", "page at once"])
        .does(&["runs beside what is valid from record"]);
    let running = li.wait_for("the trial", |shadow| shadow["running"] == true && shadow["lag"] == 0);
    for n in 0..3 {
        served.send(&source, &li.token, &event("disk-full", &format!("db-{n}")));
    }
    li.wait_for("three incidents more", |shadow| {
        shadow["report"]["fresh"].as_array().is_some_and(|fresh| fresh.len() == 3)
    });
    let out = folder.path().join("result");
    li.shadow(&["report", "--out", out.to_str().unwrap()]).does(&[
        "rules beside what is valid since record",
        "by li",
        "reason: page at once",
        "3 only in b",
        "messages to noc: 0 -> 3",
        "report.html",
    ]);
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains(&format!("href=\"{}/why/e", served.base())), "links lead to the server\n{page}");
    li.shadow(&["report", "--json"]).does(&["\"since_seq\"", "\"report\""]);
    let chinese = Command::new(env!("CARGO_BIN_EXE_headwater"))
        .args(["shadow", "report", "--server", &served.base()])
        .env("HEADWATER_TOKEN", &li.token)
        .output()
        .unwrap();
    Ran::of(chinese).does(&["规则自记录", "每周通知", "个只在 b"]);

    // Another trial than the one that was looked at is not activated.
    li.shadow(&["activate", "--since-seq", "999"]).refuses(&["422", "read its report first"]);
    let since = running["since_seq"].to_string();
    li.shadow(&["activate", "--since-seq", &since, "--reason", "better"]).does(&["rules valid now (record"]);
    li.shadow(&["activate"]).refuses(&["404", "nothing runs beside"]);
    li.shadow(&["rollback", "--reason", "too loud"]).does(&["rules taken back (record"]);
    li.shadow(&["rollback"]).refuses(&["was not activated from a trial"]);
    let (_, rules) = li.ask("GET", "/api/v1/rules", &json!({}));
    assert!(rules["reason"].as_str().unwrap().starts_with("rollback "), "{rules}");
    li.shadow(&["start", "--rules", &loud]).does(&[]);
    li.wait_for("the trial", |shadow| shadow["running"] == true);
    li.shadow(&["end", "--reason", "no better & worse?"]).does(&["the trial has ended"]);
    let (_, audit) = li.ask("GET", "/api/v1/audit", &json!({}));
    assert!(audit["items"][0].to_string().contains("no better & worse?"), "{audit}");
    let nobody = Person { served: &served, token: "hw_wrong".into() };
    nobody.shadow(&["report"]).refuses(&["401"]);
    served.stop();
    headwater(&["replay", data.to_str().unwrap()]).does(&["0 differ"]);
}

#[test]
fn a_second_person_is_asked_for_wherever_rules_change() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (li, wang, operator) =
        (token(&data, "analyst", "li"), token(&data, "analyst", "wang"), token(&data, "operator", "zhao"));
    let served = Served::start(&["--data", data.to_str().unwrap()]);
    let person = |token: &str| Person { served: &served, token: token.to_owned() };
    let (li, wang, operator) = (person(&li), person(&wang), person(&operator));
    let careful = format!("{LOUD}settings: {{ changes: {{ reason: true, second: true }} }}\n");
    assert_eq!(li.ask("PUT", "/api/v1/rules", &json!({ "files": { "a.yaml": careful }, "reason": "careful" })).0, 202);
    let window = json!({ "id": "w", "match": { "source": "zabbix" }, "reason": "quiet",
        "schedule": { "once": { "from": "2026-01-01 00:00", "to": "2099-01-01 00:00" } } });
    let version = |wanted: u64| {
        served.wait("the rules to hold", || {
            (li.ask("GET", "/api/v1/rules", &json!({})).1["version"] == wanted).then_some(())
        });
    };
    version(1);
    // Nobody changes rules alone; a window is asked for, and another person says no.
    let (status, why) = wang.ask("PUT", "/api/v1/rules", &json!({ "files": { "a.yaml": LOUD }, "reason": "loud" }));
    assert!(status == 403 && why.to_string().contains("can be silenced"), "{status} {why}");
    let (status, asked) = operator.ask("POST", "/api/v1/windows", &window);
    assert_eq!((status, &asked["waits"]), (202, &json!(true)), "{asked}");
    // The history is a moment behind.
    served.wait("the proposal to be known", || {
        li.ask("GET", "/api/v1/windows/proposals", &json!({})).1["items"]
            .as_array()
            .filter(|all| !all.is_empty())
            .map(drop)
    });
    let proposal = |what: &str| format!("/api/v1/windows/proposals/{}/{what}", asked["seq"]);
    assert_eq!(operator.ask("POST", &proposal("approve"), &json!({ "reason": "mine" })).0, 403);
    assert_eq!(wang.ask("POST", &proposal("refuse"), &json!({})).0, 202);
    served.wait("the answer to be known", || {
        (li.ask("GET", "/api/v1/windows/proposals", &json!({})).1["items"] == json!([])).then_some(())
    });
    assert_eq!(operator.ask("DELETE", "/api/v1/windows/w?reason=over", &json!({})).0, 404);
    assert_eq!(li.ask("POST", "/api/v1/rules/rollback", &json!({ "reason": "back" })).0, 403);
    assert_eq!(li.ask("PUT", "/api/v1/shadow", &json!({ "files": { "a.yaml": LOUD }, "reason": "try" })).0, 202);
    let running = li.wait_for("the trial", |shadow| shadow["running"] == true);
    let activate = |who: &Person<'_>, body: Value| who.ask("POST", "/api/v1/shadow/activate", &body).0;
    let since = &running["since_seq"];
    assert_eq!(activate(&li, json!({ "reason": "seen", "since_seq": since })), 403);
    assert_eq!(activate(&wang, json!({ "reason": "seen" })), 400, "it does not say which trial was looked at");
    // In the meantime the first person tries something else: that was not looked at.
    let mut other = json!({ "files": { "a.yaml": careful }, "reason": "another" });
    let (status, why) = li.ask("PUT", "/api/v1/shadow", &other);
    assert!(status == 422 && why["errors"][0].as_str().unwrap().contains("the trial of li (try) runs"), "{why}");
    other["in_place_of"] = json!(since.as_u64().unwrap() + 1);
    assert_eq!(li.ask("PUT", "/api/v1/shadow", &other).0, 422, "it names one that does not run");
    other["in_place_of"] = since.clone();
    assert_eq!(li.ask("PUT", "/api/v1/shadow", &other).0, 202);
    let other = li.wait_for("the other trial", |shadow| shadow["since_seq"] != *since);
    assert_eq!(activate(&wang, json!({ "reason": "seen", "since_seq": since })), 422);
    assert_eq!(li.ask("DELETE", "/api/v1/shadow", &json!({})).0, 400, "no reason");
    assert_eq!(activate(&wang, json!({ "reason": "seen", "since_seq": other["since_seq"] })), 202);
    // The same rules again: nothing was put in force, so there is nothing that wang could take back.
    assert_eq!(wang.ask("POST", "/api/v1/shadow/rollback", &json!({ "reason": "back" })).0, 422);
    let stricter = format!("{careful}  # changed\n");
    assert_eq!(li.ask("PUT", "/api/v1/shadow", &json!({ "files": { "a.yaml": stricter }, "reason": "x" })).0, 202);
    let third = li.wait_for("the third trial", |shadow| shadow["since_seq"].as_u64() > other["since_seq"].as_u64());
    assert_eq!(activate(&wang, json!({ "reason": "seen", "since_seq": third["since_seq"] })), 202);
    let back = |who: &Person<'_>, body: Value| who.ask("POST", "/api/v1/shadow/rollback", &body).0;
    version(2);
    assert_eq!(back(&li, json!({})), 400, "no reason");
    assert_eq!(back(&wang, json!({ "reason": "back" })), 403, "who activated it alone");
    assert_eq!(back(&li, json!({ "reason": "back" })), 202);
    served.stop();
}

#[test]
fn of_two_who_start_a_trial_at_once_one_does_and_the_other_hears_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let served = Served::start(&["--data", data.to_str().unwrap()]);
    let people = ["li", "wang"].map(|name| Person { served: &served, token: token(&data, "analyst", name) });
    for round in 0..5 {
        let start = |who: &Person<'_>, reason: &str| {
            who.ask("PUT", "/api/v1/shadow", &json!({ "files": { "a.yaml": LOUD }, "reason": reason }))
        };
        let told = std::thread::scope(|scope| {
            let asked = ["quiet", "loud"].into_iter().zip(&people);
            let asked = asked.map(|(reason, who)| (reason, scope.spawn(move || start(who, reason))));
            asked
                .collect::<Vec<_>>()
                .into_iter()
                .map(|(reason, asked)| (reason, asked.join().unwrap()))
                .collect::<Vec<_>>()
        });
        let (begun, refused) = if told[0].1.0 == 202 { (&told[0], &told[1]) } else { (&told[1], &told[0]) };
        assert_eq!((begun.1.0, refused.1.0), (202, 422), "round {round}: {told:?}");
        let (reason, (_, taken)) = begun;
        let running = people[0].ask("GET", "/api/v1/shadow", &json!({})).1;
        assert_eq!((&running["reason"], &running["since_seq"]), (&json!(reason), &taken["seq"]), "{running}");
        let why = refused.1.1["errors"][0].as_str().unwrap();
        assert!(why.contains(&format!("({reason}) runs since record {}", taken["seq"])), "{why}");
        assert_eq!(people[0].ask("DELETE", "/api/v1/shadow", &json!({})).0, 202);
        people[0].wait_for("its end", |shadow| shadow["running"] == false);
    }
    served.stop();
}

#[test]
fn corrected_incidents_score_what_is_valid_as_it_was_before_and_what_is_tried() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let source = token(&data, "source", "zabbix");
    let served = Served::start(&["--data", data.to_str().unwrap()]);
    let li = Person { served: &served, token: token(&data, "analyst", "li") };
    assert_eq!(li.ask("PUT", "/api/v1/rules", &json!({ "files": { "a.yaml": LOUD } })).0, 202);
    let grouped =
        format!("{LOUD}group:\n  - {{ id: all-disks, match: {{ name: disk-full }}, by: [name], window: 1h }}\n");
    assert_eq!(li.ask("PUT", "/api/v1/shadow", &json!({ "files": { "a.yaml": grouped } })).0, 202);
    li.wait_for("the trial", |shadow| shadow["running"] == true && shadow["lag"] == 0);
    for n in 0..3 {
        served.send(&source, &li.token, &event("disk-full", &format!("db-{n}")));
    }
    let open = served.wait("three incidents", || {
        let (_, found) = li.ask("GET", "/api/v1/incidents", &json!({}));
        let ids = found["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned());
        Some(ids.collect::<Vec<_>>()).filter(|ids| ids.len() == 3)
    });
    for from in &open[1..] {
        let path = format!("/api/v1/incidents/{from}/merge");
        assert_eq!(li.ask("POST", &path, &json!({ "into": open[0] })).0, 202);
    }
    let told = li.wait_for("scores of both", |shadow| shadow["report"]["truth_incidents"] == 1);
    let scores = |run: usize| &told["report"]["figures"][run]["scores"];
    // What is valid told three; that a person made one of them is not its merit. What is tried told one.
    assert_eq!((&scores(0)["found"], &scores(1)["found"]), (&json!(0.0), &json!(1.0)), "{told}");
    assert_eq!(told["report"]["figures"][0]["incidents"], 3, "{told}");
    li.shadow(&["report"]).does(&["precision", "recall", "truth: incidents that people corrected"]);
    // Nobody has said what its root is.
    assert!(!li.shadow(&["report"]).out.contains("AC@"));
    served.stop();

    // The recorded journal says the same, by corrections and by a folder with labels.
    let name = data.display().to_string();
    let rules = write(folder.path(), "grouped/a.yaml", &grouped);
    let rules = std::path::Path::new(&rules).parent().unwrap().display().to_string();
    let (corrected, out) = (folder.path().join("corrected"), folder.path().join("result"));
    let (to, result) = (corrected.display().to_string(), out.display().to_string());
    let compare = |more: &[&str]| {
        let plan =
            ["backtest", "--data", &name, "--rules", &rules, "--against", "live", "--lang", "en", "--out", &result];
        headwater(&[&plan[..], more].concat())
    };
    let found = |run: usize| {
        let report: Value = serde_json::from_slice(&std::fs::read(out.join("report.json")).unwrap()).unwrap();
        report["figures"][run]["scores"]["found"].clone()
    };
    compare(&[]).does(&["truth: incidents that people corrected or confirmed (1 incidents, 0 with a root)"]);
    assert_eq!((found(0), found(1)), (json!(0.0), json!(1.0)));
    headwater(&["feedback", "export", "--data", &name, "--reviewed", "--out", &to]).does(&["\"reviewed\": 1"]);
    compare(&["--truth", &to]).does(&[&format!("truth: {to} (1 incidents, 0 with a root)")]);
    assert_eq!((found(0), found(1)), (json!(0.0), json!(1.0)));
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("与真值相比 · against the truth"), "{page}");
    let nowhere = write(folder.path(), "other/truth_alerts.csv", "alert_id,incident_id\nstranger,1\n");
    let nowhere = std::path::Path::new(&nowhere).parent().unwrap().display().to_string();
    compare(&["--truth", &nowhere]).refuses(&["names no event of this journal"]);
}
