//! What is done to credentials on the command line is in the audit of the service that runs beside, or is started next.

use serde_json::Value;

use super::headwater;
use super::served::{Served, token};

/// Entries of an action, newest first: actor, what it is about, and the whole entry.
fn entries(served: &Served, reader: &str, action: &str) -> Vec<(String, String, String)> {
    let (status, body) = served.ask("GET", "/api/v1/audit", reader, "");
    if status != 200 {
        // The history opens beside.
        return Vec::new();
    }
    let audit: Value = serde_json::from_str(&body).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let items = audit["items"].as_array().unwrap().iter().filter(|one| one["action"] == action);
    items.map(|one| (text(&one["actor"]), text(&one["about"]), one.to_string())).collect()
}

#[test]
fn who_made_and_ended_a_credential_on_the_command_line_is_in_the_audit_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let boss = token(&data, "admin", "boss");
    let served = Served::start(&["--data", data.to_str().unwrap()]);
    let until = |served: &Served, action: &str, wanted: &[&str]| {
        served.wait(&format!("{action} of {wanted:?}"), || {
            let found = entries(served, &boss, action);
            let about: Vec<&str> = found.iter().map(|(_, about, _)| about.as_str()).collect();
            (about == wanted).then_some(found)
        })
    };
    // The one that was made before the first start.
    let (actor, _, _) = until(&served, "token_made", &["boss"]).remove(0);
    assert!(actor.starts_with("cli:") && actor.len() > 4, "{actor}");
    // One that is made and ended beside the running service.
    let secret = token(&data, "operator", "guest");
    let (_, _, entry) = until(&served, "token_made", &["guest", "boss"]).remove(0);
    let (id, rest) = (&secret[3..15], &secret[16..]);
    assert!(entry.contains("operator") && !entry.contains(rest), "{entry}");
    headwater(&["token", "revoke", "--data", data.to_str().unwrap(), id]).does(&[]);
    until(&served, "token_ended", &["guest"]);
    // Nothing is noted twice, and the file is as it was before.
    served.wait("the file without notes", || {
        (!std::fs::read_to_string(data.join("tokens.json")).unwrap().contains("to_note")).then_some(())
    });
    served.stop();
    let served = Served::start(&["--data", data.to_str().unwrap()]);
    token(&data, "viewer", "last");
    until(&served, "token_made", &["last", "guest", "boss"]);
    until(&served, "token_ended", &["guest"]);
    served.stop();
}
