//! `README.md` and `native.md`: `curl` and our own program, as they stand there.

use super::*;
use crate::alertmanager::tool;
use crate::program::short_token;

#[tokio::test]
async fn curl_sends_our_own_json() {
    let Some(_) = tool("curl") else { return };
    let folder = tempfile::tempdir().unwrap();
    let followed = Followed::start(folder.path(), "{}").await;
    let command = with(&block("native.md", "sh", "curl"), &[("https://headwater.example", &followed.setup.url(""))]);
    let told: Value =
        serde_json::from_str(&shell(folder.path(), &command, &[("TOKEN", &followed.source("native"))])).unwrap();
    assert_eq!(told["accepted"], 1, "{told}");
    assert_eq!(followed.in_state("native", "firing").await["title"], "Disk of db-1 is full");
    followed.stop();
}

#[tokio::test]
async fn a_source_is_registered_and_a_heart_beats() {
    let Some(_) = tool("curl") else { return };
    let folder = tempfile::tempdir().unwrap();
    let followed = Followed::start(folder.path(), "{}").await;
    let here = followed.setup.url("");
    let register = with(&block("README.md", "sh", "-X PUT"), &[("https://headwater.example", &here)]);
    shell(folder.path(), &register, &[("ADMIN", &followed.setup.token)]);
    let listed = followed.setup.get(&followed.client, "/api/v1/sources").await.unwrap();
    let is_it = |one: &&Value| one["id"] == "zabbix-east" && one["owner"] == "network team, 8001";
    assert!(listed["items"].as_array().unwrap().iter().any(|one| is_it(&one)), "{listed}");

    fs::write(folder.path().join("log.txt"), "disk full\n").unwrap();
    let key = short_token(&followed.setup.data, "nightly-backup");
    let beat = with(&block("README.md", "sh", "/fail?"), &[("https://headwater.example", &here)]);
    shell(folder.path(), &beat, &[("KEY", &key)]);
    let failed = |one: &Value| one["state"] == "firing" && one["object"] == "nightly-backup";
    followed.alert("nightly-backup", "the job has failed", failed).await;
    followed.stop();
}

/// From one body to a mapping that is tested and previewed, step by step.
#[tokio::test]
async fn a_source_of_ones_own_is_sketched_tested_and_previewed() {
    let folder = tempfile::tempdir().unwrap();
    let followed = Followed::start(folder.path(), "{}").await;
    fs::create_dir(folder.path().join("mappings")).unwrap();
    let body = |state: &str| {
        let at = if state == "firing" { "2026-01-05T08:00:03Z" } else { "2026-01-05T08:10:03Z" };
        format!(
            r#"{{"alarm": "PumpDown", "status": "{state}", "level": "critical", "device": "pump-1", "time": "{at}", "id": "7-{state}"}}"#
        )
    };
    for (file, state) in [("sample.json", "firing"), ("firing.json", "firing"), ("over.json", "resolved")] {
        fs::write(folder.path().join(file), body(state)).unwrap();
    }
    let url = followed.setup.url("");
    let variables = [
        ("EDITOR", "true"),
        ("HEADWATER_SERVER", url.as_str()),
        ("HEADWATER_LANG", "en"),
        ("HEADWATER_TOKEN", followed.setup.token.as_str()),
    ];
    let told = shell(folder.path(), &block("README.md", "sh", "source sketch"), &variables);
    let sketched = fs::read_to_string(folder.path().join("mappings/scada.yaml")).unwrap();
    assert!(sketched.contains("mapping: scada"), "{sketched}");
    assert!(told.contains("pump-1") && told.contains("opened"), "{told}");
    followed.stop();
}
