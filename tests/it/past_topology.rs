//! The CMDB as it was at an incident's time, after it has changed and the program was started again.

use serde_json::{Value, json};

use crate::served::{Request, Served};

const THEN: &str = "cis:
- {id: srv-1, class: server, name: host 1}
- {id: srv-2, class: server, name: host 2}
- {id: vm-1, class: vm, name: shop}
relations:
- {from: srv-1, to: vm-1, type: hosts}
";

fn ask(served: &Served, token: &str, path: &str) -> (u16, Value) {
    let answer = served.send(&Request::get(path, token));
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

/// Asks until the answer fits.
fn until(served: &Served, token: &str, path: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let since = std::time::Instant::now();
    loop {
        let (_, told) = ask(served, token, path);
        if fits(&told) {
            return told;
        }
        assert!(since.elapsed() < std::time::Duration::from_secs(60), "waited in vain for {path}: {told}");
        std::thread::yield_now();
    }
}

fn put_topology(served: &Served, token: &str, text: &str) {
    let mut request = Request::post("/api/v1/topology", token, text.as_bytes());
    request.method = "PUT";
    let answer = served.send(&request);
    assert_eq!(answer.status, 202, "{}", answer.text());
}

fn tell(served: &Served, token: &str, status: &str) {
    let now = headwater::clock::machine()();
    let event = |ci: &str, name: &str| {
        json!({ "name": name, "status": status, "severity": "critical",
                                           "object": { "ci_id": ci }, "starts_at": now.to_string() })
    };
    let body = json!([event("srv-1", "host down"), event("vm-1", "vm down")]).to_string();
    let answer = served.send(&Request::post("/api/v1/events", token, body.as_bytes()));
    assert_eq!(answer.status, 202, "{}", answer.text());
}

/// Which CIs the picture joins, cause before effect.
fn joined(graph: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let edges = graph["edges"].as_array().cloned().unwrap_or_default();
    edges.iter().map(|edge| (text(&edge["source"]), text(&edge["target"]))).collect()
}

#[test]
fn an_incident_is_drawn_on_the_cmdb_of_its_time_also_after_a_restart() {
    let (served, token) = Served::start(&[]);
    put_topology(&served, &token, THEN);
    until(&served, &token, "/api/v1/topology", |told| told["version"] == 1);
    tell(&served, &token, "firing");
    let list = until(&served, &token, "/api/v1/incidents", |told| told["items"][0]["alert_count"] == 2);
    let id = list["items"][0]["id"].as_str().unwrap().to_owned();
    let graph_path = format!("/api/v1/incidents/{id}/graph");
    let was = until(&served, &token, &graph_path, |graph| !joined(graph).is_empty());
    assert_eq!(
        (&was["topology"], joined(&was)),
        (&json!({ "version": 1, "current": 1 }), vec![("srv-1".into(), "vm-1".into())])
    );
    let order = format!("/api/v1/incidents/{id}/close");
    let closed = served.send(&Request::post(&order, &token, b"{\"text\":\"mended\"}"));
    assert_eq!(closed.status, 202, "{}", closed.text());
    let ended = until(&served, &token, &format!("/api/v1/incidents/{id}"), |told| told["closed_at"].is_string());
    // The machine moves, and its old host is taken down.
    let now = THEN.replace("- {id: srv-1, class: server, name: host 1}\n", "").replace("srv-1", "srv-2");
    put_topology(&served, &token, &now);
    until(&served, &token, "/api/v1/topology", |told| told["version"] == 2);
    let served = served.again(&[]);
    until(&served, &token, "/api/v1/topology", |told| told["version"] == 2);
    // Until the history has been read again, it says to try later.
    let graph = until(&served, &token, &graph_path, |graph| graph["topology"].is_object());
    assert_eq!((&graph["topology"], joined(&graph)), (&json!({ "version": 1, "current": 2 }), joined(&was)), "{graph}");
    let (_, today) = ask(&served, &token, &format!("{graph_path}?topology=now"));
    assert_eq!(today["topology"], json!({ "version": 2, "current": 2 }));
    assert_eq!(ask(&served, &token, "/api/v1/topology/cis/srv-1").0, 404, "it is gone today");
    let at = ended["closed_at"].as_str().unwrap();
    let (status, ci) = ask(&served, &token, &format!("/api/v1/topology/cis/srv-1?at={at}"));
    assert_eq!(
        (status, ci["version"].as_u64(), ci["effects"][0]["ci"]["id"].as_str()),
        (200, Some(1), Some("vm-1")),
        "{ci}"
    );
}
