//! How incidents end: what must be said, major ones and their review, post-mortems, and what is known of earlier ones.

use headwater::engine::policy::Policy;
use headwater::engine::policy::place::RuleFile;
use serde_json::{Value, json};

use crate::program::{Setup, client};
use crate::table::by;

const ASKING: &str = "
promote: [{ id: at-once, after: now }]
settings:
  observation: 1m
  reopen_gap: 10m
  closing: { needs: [cause, solution], from: P3, categories: [power, network] }
";

#[test]
fn whoever_closes_an_incident_says_what_the_rules_ask_for() {
    by(ASKING).tells(
        "00:00 a Down critical
         01:00 close 1
         01:10 close 1 cause=fuse
         01:20 close 1 cause=fuse solution=replaced category=weather
         01:30 conclude 1 cause=fuse category=power
         01:40 close 1 solution=replaced
         02:00 conclude 1 impact=none",
        "00:00 team opened 1
         refused: `cause` is missing: the rules ask for what caused it (settings.closing)
         refused: `solution` is missing: the rules ask for what ended it (settings.closing)
         refused: `category` is none of those that the rules have (settings.closing.categories)
         01:30 (concluded: fuse) 1
         01:40 (concluded: replaced) 1
         01:40 team closed 1
         02:00 (concluded: none) 1",
    );
    // What is less urgent than asked, and what closes by itself, needs nothing.
    by(ASKING).tells("00:00 a Noise warning\n01:00 close 1", "00:00 team opened 1\n01:00 team closed 1");
    by(ASKING).tells(
        "00:00 a Down critical\n01:00 a Down resolved\n13:00 end",
        "00:00 team opened 1\n02:00 team recovered 1\n12:00 team closed 1",
    );
}

const MAJOR: &str = "
promote: [{ id: at-once, after: now }]
settings: { observation: 1m, reopen_gap: 10m }
major_incidents:
  - { id: vital, match: { name: Fire }, receivers: [boss] }
  - { id: said, by_hand: true, receivers: [duty-lead] }
";

#[test]
fn a_major_incident_is_told_to_whom_its_rules_name_and_stays_open_until_it_is_reviewed() {
    // By rule; it recovers, and waits for its review.
    by(MAJOR).tells(
        "00:00 a Fire critical
         01:00 a Fire resolved
         20:00 end
         21:00 close 1
         22:00 review 1 draft
         23:00 review 1 published",
        "00:00 (major: vital) 1
         00:00 team opened 1
         00:00 boss opened 1
         00:00 duty-lead opened 1
         02:00 team recovered 1
         02:00 boss recovered 1
         02:00 duty-lead recovered 1
         refused: a major incident closes once its post-mortem is published
         22:00 (review: draft) 1
         23:00 (review: published) 1
         23:00 team closed 1
         23:00 boss closed 1
         23:00 duty-lead closed 1",
    );
    // What is published stays so while somebody writes on it.
    by(MAJOR).tells(
        "00:00 a Fire critical
         05:00 review 1 published
         06:00 review 1 draft
         07:00 close 1",
        "00:00 (major: vital) 1
         00:00 team opened 1
         00:00 boss opened 1
         00:00 duty-lead opened 1
         05:00 (review: published) 1
         06:00 (review: draft) 1
         07:00 team closed 1
         07:00 boss closed 1
         07:00 duty-lead closed 1",
    );
    // By hand: who knows of it hears that it is one.
    by(MAJOR).tells(
        "00:00 a Down critical
         05:00 major 1
         05:10 major 1
         06:00 no-major 1
         06:10 no-major 1
         07:00 close 1",
        "00:00 team opened 1
         05:00 (major: ) 1
         05:00 team updated 1 (major)
         05:00 duty-lead opened 1
         refused: it is a major incident already
         06:00 (no major: ) 1
         refused: it is no major incident
         07:00 team closed 1
         07:00 duty-lead closed 1",
    );
    // A person has the last word over rules; where nobody asks for a review none is waited for.
    by(MAJOR).tells(
        "00:00 a Fire critical\n01:00 no-major 1\n02:00 severity 1 major\n03:00 close 1",
        "00:00 (major: vital) 1
         00:00 team opened 1
         00:00 boss opened 1
         00:00 duty-lead opened 1
         01:00 (no major: ) 1
         03:00 team closed 1
         03:00 boss closed 1
         03:00 duty-lead closed 1",
    );
    by(&MAJOR.replace("reopen_gap: 10m", "reopen_gap: 10m, closing: { review: false }")).tells(
        "00:00 a Fire critical\n03:00 close 1",
        "00:00 (major: vital) 1
         00:00 team opened 1
         00:00 boss opened 1
         00:00 duty-lead opened 1
         03:00 team closed 1
         03:00 boss closed 1
         03:00 duty-lead closed 1",
    );
}

#[test]
fn faults_of_rules_for_the_end_are_told_with_their_place_and_the_remedy() {
    let check = |text: &str, part: &str| {
        let rules = format!("{text}\nroutes: [{{ id: all, receivers: [x] }}]");
        let error = Policy::compile(1, &[RuleFile { name: "r.yaml".into(), text: rules }]).unwrap_err().remove(0);
        let told = error.to_string();
        assert!(told.contains(part) && told.starts_with("r.yaml:"), "{told}");
    };
    check("settings: { closing: { needs: [blame] } }", "unknown variant `blame`");
    check("settings: { closing: { categories: [\"\"] } }", "shorten the list");
    check("major_incidents: [{ id: a, match: { no_such: x } }]", "no_such");
    check(
        "people: [{ id: li, name: x }]
escalations: [{ id: core, levels: [{ to: [{ person: li }] }], fallback: [x] }]
contact_plans: [{ id: default, steps: [{ by: [x] }] }]
major_incidents: [{ id: a, by_hand: true, receivers: [{ oncall: core }] }]",
        "tells nobody of an incident that somebody has acknowledged",
    );
}

const RULES: &str = "
promote: [{ id: at-once, after: now }]
settings: { closing: { needs: [cause, solution] } }
routes: [{ id: all, receivers: [nobody] }]
";

/// A program with one rule set; opens incidents, orders, and waits for their ends.
struct Scene {
    setup: Setup,
    client: reqwest::Client,
    _program: crate::program::Program,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("rules")).unwrap();
        std::fs::write(folder.path().join("rules/rules.yaml"), RULES).unwrap();
        let setup = Setup::new(folder.path(), "rules: rules\ndurability: process\n");
        let (mut program, client) = (setup.start(&[]), client());
        program.answers(&client).await;
        Self { setup, client, _program: program, _folder: folder }
    }

    async fn incident(&self, object: &str) -> String {
        let event = json!({ "id": object, "name": "Lost input", "severity": "critical", "title": "pdu lost its input",
            "object": { "name": object }, "starts_at": "2026-06-01T00:00:00Z" });
        let (status, told) = self.setup.post(&self.client, "/api/v1/events", &event).await;
        assert!(status == 202 || status == 200, "{status} {told}");
        let q = format!("/api/v1/incidents?q={object}");
        let found = self.setup.until(&self.client, &q, "an incident", |told| told["items"][0]["id"].is_string()).await;
        found["items"][0]["id"].as_str().unwrap().to_owned()
    }

    /// Orders something; what became of it: nothing when it was done, else why not.
    async fn order(&self, path: &str, body: &Value) -> String {
        let (status, told) = self.setup.post(&self.client, path, body).await;
        assert_eq!(status, 202, "{told}");
        self.ended(&told).await
    }

    async fn ended(&self, taken: &Value) -> String {
        let path = format!("/api/v1/commands/{}", taken["seq"]);
        let end = self.setup.until(&self.client, &path, "an end", |told| told["state"] != "pending").await;
        end["reason"].as_str().unwrap_or_default().to_owned()
    }

    async fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.client.put(self.setup.url(path)).bearer_auth(&self.setup.token).json(body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    async fn text(&self, path: &str) -> (u16, String, String) {
        let answer = self.client.get(self.setup.url(path)).bearer_auth(&self.setup.token).send().await.unwrap();
        let tag = answer.headers().get("etag").map(|tag| tag.to_str().unwrap().trim_matches('"').to_owned());
        (answer.status().as_u16(), tag.unwrap_or_default(), answer.text().await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_found_out_is_kept_taken_along_brought_and_offered_the_next_time() {
    let scene = Scene::set().await;
    let rules = scene.setup.get(&scene.client, "/api/v1/closing").await.unwrap();
    assert_eq!(rules["needs"], json!(["cause", "solution"]));
    let first = scene.incident("pdu-1").await;
    let close = format!("/api/v1/incidents/{first}/close");
    assert!(scene.order(&close, &json!({})).await.contains("`cause` is missing"));
    let said = json!({ "cause": "breaker 3 tripped", "solution": "load moved to feed B", "category": "power" });
    assert_eq!(scene.order(&close, &said).await, "");
    let path = format!("/api/v1/incidents/{first}");
    let kept = scene.setup.until(&scene.client, &path, "it is closed", |told| told["state"] == "closed").await;
    assert_eq!(
        (&kept["conclusion"]["cause"], &kept["conclusion"]["by"]),
        (&json!("breaker 3 tripped"), &json!("boss"))
    );
    // What is added later takes nothing away, and is found.
    assert_eq!(scene.order(&format!("{path}/conclude"), &json!({ "impact": "one rack" })).await, "");
    let q = "/api/v1/incidents?archive=true&q=feed%20b";
    let found = scene
        .setup
        .until(&scene.client, q, "it is found", |told| told["items"][0]["conclusion"]["impact"].is_string())
        .await;
    assert_eq!(
        (&found["items"][0]["id"], &found["items"][0]["conclusion"]["category"]),
        (&json!(first), &json!("power"))
    );
    // The next one like it is told how the last one was solved, and what others know.
    let (status, told) = scene
        .setup
        .post(&scene.client, "/api/v1/knowledge", &json!({ "entries": [{ "id": "i0-1", "title": "x", "cause": "y" }] }))
        .await;
    assert!(status == 422 && told["errors"][0].as_str().unwrap().contains("is the name of an incident"), "{told}");
    let brought =
        json!({ "entries": [{ "id": "kb-7", "title": "pdu lost its input", "solution": "ask the utility first" }] });
    assert_eq!(scene.order("/api/v1/knowledge", &brought).await, "");
    let second = scene.incident("pdu-2").await;
    // Without a CMDB the titles are all that they have in common.
    let similar = format!("/api/v1/incidents/{second}/similar?alike=250");
    let known =
        scene.setup.until(&scene.client, &similar, "both are offered", |told| told["knowledge"][0].is_object()).await;
    assert_eq!(
        (&known["items"][0]["id"], &known["items"][0]["conclusion"]["solution"]),
        (&json!(first), &json!("load moved to feed B"))
    );
    assert_eq!(known["knowledge"][0]["id"], "kb-7");
    // As a file it can be taken along, and brought back as it is.
    let (status, _, yaml) = scene.text("/api/v1/knowledge-file?format=yaml").await;
    assert!(status == 200 && yaml.contains("load moved to feed B") && yaml.contains("ask the utility first"), "{yaml}");
    let request = scene.client.post(scene.setup.url("/api/v1/knowledge")).bearer_auth(&scene.setup.token).body(yaml);
    let taken: Value = request.header("content-type", "application/yaml").send().await.unwrap().json().await.unwrap();
    assert_eq!(scene.ended(&taken).await, "");
    let list = "/api/v1/knowledge?q=FEED%20B";
    let found = scene.setup.until(&scene.client, list, "the copy is there", |told| told["items"][1].is_object()).await;
    let ids: Vec<&str> = found["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&format!("brought-{first}"), &first]);
    let drop = scene.client.delete(scene.setup.url("/api/v1/knowledge/kb-7")).bearer_auth(&scene.setup.token).send();
    assert_eq!(drop.await.unwrap().status(), 202);
    scene
        .setup
        .until(&scene.client, "/api/v1/knowledge?q=utility", "it is gone", |told| {
            told["items"].as_array().unwrap().is_empty()
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_mortem_is_drafted_kept_published_and_lets_a_major_incident_close() {
    let scene = Scene::set().await;
    let incident = scene.incident("ups-1").await;
    let (path, own) = (format!("/api/v1/incidents/{incident}/post-mortem"), format!("/api/v1/incidents/{incident}"));
    assert_eq!(scene.order(&format!("{own}/declare_major"), &json!({ "text": "the whole hall" })).await, "");
    let said = json!({ "cause": "battery", "solution": "bypass" });
    let refused = scene.order(&format!("{own}/close"), &said).await;
    assert!(refused.contains("once its post-mortem is published"), "{refused}");
    let (status, version, draft) = scene.text(&path).await;
    assert!(status == 200 && version == "0" && draft.starts_with("# "), "{status} {version} {draft}");
    let (status, taken) =
        scene.put(&path, &json!({ "text": format!("{draft}\nour words"), "state": "draft", "version": 0 })).await;
    assert_eq!(status, 202, "{taken}");
    assert_eq!(scene.ended(&taken).await, "");
    // Two who write at a time do not overwrite each other.
    let (status, told) = scene.put(&path, &json!({ "text": "mine", "state": "published", "version": 0 })).await;
    assert_eq!((status, &told["code"]), (412, &json!("changed")));
    let (_, version, text) = scene.text(&path).await;
    assert!(text.ends_with("our words") && version.parse::<u64>().unwrap() > 0, "{version}");
    let (_, taken) = scene
        .put(
            &path,
            &json!({ "text": "# What we learned", "state": "published", "version": version.parse::<u64>().unwrap() }),
        )
        .await;
    assert_eq!(scene.ended(&taken).await, "");
    let versions = scene
        .setup
        .until(&scene.client, &format!("{path}/versions"), "both are kept", |told| told["items"][1].is_object())
        .await;
    let states: Vec<&str> =
        versions["items"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["published", "draft"]);
    let (_, _, old) = scene.text(&format!("{path}?version={version}")).await;
    assert!(old.ends_with("our words"), "{old}");
    assert!(scene.text(&format!("{path}?fresh=true")).await.2.starts_with("# "));
    let listed = scene.setup.get(&scene.client, "/api/v1/post-mortems?state=published").await.unwrap();
    assert_eq!((&listed["items"][0]["incident"], &listed["items"][0]["author"]), (&json!(incident), &json!("boss")));
    let seen =
        scene.setup.until(&scene.client, &own, "it is reviewed", |told| told["major"]["review"] == "published").await;
    assert_eq!(seen["major"]["by"], "boss");
    // Somebody writes on: what is published stays so, and is listed as such.
    let newest = listed["items"][0]["version"].as_u64().unwrap();
    let more = json!({ "text": "# What we learned, and more", "state": "draft", "version": newest });
    let (_, taken) = scene.put(&path, &more).await;
    assert_eq!(scene.ended(&taken).await, "");
    let drafts = "/api/v1/post-mortems?state=draft";
    scene.setup.until(&scene.client, drafts, "the draft is kept", |told| told["items"][0].is_object()).await;
    assert_eq!(scene.setup.get(&scene.client, "/api/v1/post-mortems?state=published").await.unwrap(), listed);
    assert_eq!(scene.setup.get(&scene.client, &own).await.unwrap()["major"]["review"], "published");
    assert_eq!(scene.order(&format!("{own}/close"), &said).await, "");
    // A draft says what was found out.
    scene.setup.until(&scene.client, &own, "it is closed", |told| told["conclusion"]["cause"] == "battery").await;
    let fresh = scene.text(&format!("{path}?fresh=true&lang=en")).await.2;
    assert!(
        fresh.contains("## Resolution\n\nbypass\n") && fresh.contains("## Why it happened\n\nbattery\n"),
        "{fresh}"
    );
}
