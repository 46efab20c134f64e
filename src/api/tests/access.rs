//! Who may do what, and what does not exist for whom.

use axum::http::StatusCode;

use super::fixture::{Bench, request};
use crate::api::access::{Open, Role};
use crate::api::routes;

fn example_id(path: &str) -> &'static str {
    match path.split('/').nth(3) {
        Some("alerts") => "a0-1",
        Some("events" | "dead-letters") => "e1.0",
        Some(_) | None => "i0-1",
    }
}

/// Method, path with example ids, and who may: from the table itself.
fn every_route() -> Vec<(&'static str, String, Open)> {
    let mut all = Vec::new();
    for entry in routes::table() {
        for (path, item) in &entry.route.1.paths {
            let path = path
                .replace("{order}", "acknowledge")
                .replace("{seq}", "7")
                .replace("{file}", "events.csv")
                .replace("{version}", "0")
                .replace("{token}", "x")
                .replace("{id}", example_id(path));
            let methods = [
                ("GET", item.get.is_some()),
                ("POST", item.post.is_some()),
                ("PUT", item.put.is_some()),
                ("DELETE", item.delete.is_some()),
            ];
            for (method, _) in methods.into_iter().filter(|(_, has)| *has) {
                all.push((method, path.clone(), entry.open));
            }
        }
    }
    all
}

#[tokio::test]
async fn every_role_gets_exactly_the_routes_of_the_table() {
    let bench = Bench::stocked();
    for (method, path, open) in every_route() {
        let body = (method != "GET").then_some("{}");
        let status = |token: &'static str| {
            let request = request(method, token, &path, body);
            let bench = &bench;
            async move { bench.send(request).await.status() }
        };
        if open != Open::Public {
            assert_eq!(status("").await, StatusCode::UNAUTHORIZED, "{method} {path} without a credential");
        }
        assert_eq!(status("forged").await, StatusCode::UNAUTHORIZED, "{method} {path} with a forged token");
        for role in Role::ALL {
            let denied = matches!(status(role.as_str()).await, StatusCode::UNAUTHORIZED);
            assert!(!denied, "{method} {path} does not know {role:?}");
            let forbidden = status(role.as_str()).await == StatusCode::FORBIDDEN;
            assert_eq!(forbidden, !open.allows(role), "{method} {path} for {role:?}");
        }
    }
}

#[tokio::test]
async fn the_matrix_is_what_was_agreed() {
    let only = |open: Open| -> String {
        match open {
            Open::Public => "public".into(),
            Open::To(roles) => roles.iter().map(|r| r.as_str()).collect::<Vec<_>>().join(" "),
        }
    };
    for (method, path, open) in every_route() {
        let agreed = match (method, path.as_str()) {
            (_, path) if path.starts_with("/api/v1/tokens") => "admin",
            (_, "/api/v1/views") => "viewer operator analyst admin",
            ("POST", "/api/v1/session") | ("GET", "/livez" | "/readyz" | "/-/healthy" | "/-/ready") => "public",
            ("GET", path) if path.starts_with("/api/v1/oncall/calendars/") => "public",
            ("PUT" | "DELETE", path) if path.starts_with("/api/v1/sources/") => "admin",
            ("POST", "/api/v1/sources/preview" | "/api/v1/sources/sketch") => "analyst admin",
            ("GET", path) if path.ends_with("/payloads") => "analyst admin",
            ("PUT", "/api/v1/topology" | "/api/v1/rules" | "/api/v1/models")
            | ("POST", "/api/v1/feedback/7/revoke")
            | ("GET", "/api/v1/audit" | "/api/v1/suggestions" | "/api/v1/rules/latency") => "analyst admin",
            ("POST", path) if path.starts_with("/api/v1/rules/") || path.starts_with("/api/v1/models/") => {
                "analyst admin"
            }
            ("POST" | "DELETE", path) if path.starts_with("/api/v1/knowledge") => "analyst admin",
            (_, path) if path.starts_with("/api/v1/shadow") && method != "GET" => "analyst admin",
            ("POST", "/api/v1/dead-letters/e1.0/replay" | "/api/v1/dead-letters/replay") => "analyst admin",
            ("GET", _) | ("DELETE", "/api/v1/session") => "viewer operator analyst admin",
            _ => "operator analyst admin",
        };
        assert_eq!(only(open), agreed, "{method} {path}");
    }
}

#[tokio::test]
async fn what_is_foreign_does_not_exist() {
    let bench = Bench::stocked();
    let check = async |token: &str, path: &str, status: u16| {
        let answer = bench.get(token, path).await;
        assert_eq!(answer.status.as_u16(), status, "{token} {path}: {}", answer.text);
    };
    for path in [
        "/api/v1/incidents/i0-1",
        "/api/v1/incidents/i0-1/members",
        "/api/v1/incidents/i0-1/graph",
        "/api/v1/incidents/i0-1/timeline",
        "/api/v1/incidents/i0-1/why",
        "/api/v1/alerts/a0-1",
        "/api/v1/alerts/a0-1/why",
        "/api/v1/events/e1.0/why",
        "/api/v1/events/1-0/why",
        "/api/v1/topology/cis/sw-1",
        "/api/v1/topology/cis/sw-1/impact",
        "/api/v1/topology/cis/sw-1/causes",
    ] {
        check("viewer", path, 200).await;
        check("viewer-tax", path, 200).await;
        check("viewer-civil", path, 404).await;
        check("other", path, 404).await;
    }
    check("viewer-civil", "/api/v1/incidents/i0-2", 200).await;
    for path in [
        "conservation",
        "stats",
        "stats.csv",
        "dead-letters",
        "dead-letters/e6.0",
        "topology/quality",
        "rules",
        "rules/versions",
        "rules/versions/0",
        "windows",
    ] {
        check("viewer-civil", &format!("/api/v1/{path}"), 403).await;
    }
    check("analyst-civil", "/api/v1/audit", 403).await;
    check("viewer", "/api/v1/dead-letters/e6.0", 200).await;
    for path in ["/api/v1/dead-letters/e6.0", "/api/v1/events/e6.0/why"] {
        check("other", path, 404).await;
    }
    check("viewer-civil", "/api/v1/events/e6.0/why", 404).await;
    let ids = async |token: &str, path: &str| {
        let list = bench.get(token, path).await.json();
        list["items"].as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids("viewer", "/api/v1/incidents").await, ["i0-2", "i0-1"]);
    assert_eq!(ids("viewer-tax", "/api/v1/incidents").await, ["i0-1"]);
    assert_eq!(ids("viewer-tax", "/api/v1/incidents?org=civil").await, [""; 0]);
    assert_eq!(ids("other", "/api/v1/incidents").await, [""; 0]);
    assert_eq!(ids("viewer-civil", "/api/v1/alerts/held").await, ["a0-5"]);
    let overview = bench.get("viewer-civil", "/api/v1/overview").await.json();
    assert_eq!((overview["open"].as_u64(), overview["alerts_held"].as_u64()), (Some(1), Some(1)));
    assert!(overview.get("funnel").is_none() && overview.get("quality").is_none());
}

#[tokio::test]
async fn lists_and_exports_hold_only_what_the_caller_sees() {
    let bench = Bench::stocked();
    let count = async |token: &str, path: &str| {
        let answer = bench.get(token, path).await;
        assert_eq!(answer.status.as_u16(), 200, "{token} {path}: {}", answer.text);
        match answer.headers["content-type"].to_str().unwrap() {
            "application/json" => answer.json()["items"].as_array().unwrap().len(),
            "text/csv; charset=utf-8" => answer.text.lines().count() - 1,
            _ => answer.text.lines().count(),
        }
    };
    for (path, all, tax, civil) in [
        ("/api/v1/incidents", 2, 1, 1),
        ("/api/v1/incidents?archive=true", 2, 1, 1),
        ("/api/v1/alerts", 5, 3, 2),
        ("/api/v1/alerts?archive=true", 5, 3, 2),
        ("/api/v1/events", 6, 3, 2),
        ("/api/v1/topology/cis", 3, 2, 1),
        ("/api/v1/export/incidents.csv", 2, 1, 1),
        ("/api/v1/export/incidents.ndjson", 2, 1, 1),
        ("/api/v1/export/alerts.csv", 5, 3, 2),
        ("/api/v1/export/alerts.ndjson", 5, 3, 2),
        ("/api/v1/export/events.csv", 6, 3, 2),
        ("/api/v1/export/events.ndjson", 6, 3, 2),
    ] {
        for (token, n) in [("viewer", all), ("viewer-tax", tax), ("viewer-civil", civil), ("viewer-health", 0)] {
            assert_eq!(count(token, path).await, n, "{token} {path}");
        }
        assert_eq!(count("other", path).await, 0, "another tenant's {path}");
    }
}

#[tokio::test]
async fn an_area_limits_what_is_seen_as_an_organisation_does() {
    let bench = Bench::stocked();
    let ids = async |token: &str, path: &str, key: &str| {
        let answer = bench.get(token, path).await;
        assert_eq!(answer.status.as_u16(), 200, "{token} {path}: {}", answer.text);
        let list = answer.json();
        list["items"].as_array().unwrap().iter().map(|i| i[key].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for archive in ["", "?archive=true"] {
        let (incidents, alerts) = (format!("/api/v1/incidents{archive}"), format!("/api/v1/alerts{archive}"));
        assert_eq!(ids("viewer-facility", &incidents, "id").await, ["i0-1"]);
        assert_eq!(ids("viewer-support", &incidents, "id").await, ["i0-2"]);
        assert_eq!(ids("viewer-security", &incidents, "id").await, [""; 0]);
        assert_eq!(ids("viewer-facility", &alerts, "id").await, ["a0-1"]);
        assert_eq!(ids("viewer-support", &alerts, "id").await, ["a0-5", "a0-3"]);
        assert_eq!(ids("viewer-security", &alerts, "id").await, [""; 0]);
    }
    assert_eq!(ids("viewer-support", "/api/v1/events", "event").await, ["e5.0", "e2.0"]);
    for file in ["incidents.csv", "alerts.csv", "events.csv"] {
        let told = bench.get("viewer-security", &format!("/api/v1/export/{file}")).await.text;
        assert_eq!(told.lines().count(), 1, "{file}: {told}");
    }
    // The host behind the switch is of another area: it is counted among what is hidden.
    let members = bench.get("viewer-facility", "/api/v1/incidents/i0-1/members").await.json();
    assert_eq!((members["items"].as_array().unwrap().len(), &members["hidden"]), (1, &1.into()), "{members}");
    for (token, path) in [
        ("viewer-facility", "/api/v1/incidents/i0-2"),
        ("viewer-facility", "/api/v1/alerts/a0-2"),
        ("viewer-facility", "/api/v1/alerts/a0-2/why"),
        ("viewer-facility", "/api/v1/events/e2.0/why"),
        ("viewer-facility", "/api/v1/events/e6.0/why"),
        ("viewer-support", "/api/v1/incidents/i0-1/why"),
        ("viewer-support", "/api/v1/incidents/i0-1/timeline"),
    ] {
        assert_eq!(bench.get(token, path).await.status.as_u16(), 404, "{token} {path}");
    }
    assert_eq!(bench.post("operator-support", "/api/v1/incidents/i0-1/close", "{}").await.status, 404);
    assert_eq!(bench.get("analyst-security", "/api/v1/audit").await.status, 403);
    let overview = bench.get("viewer-support", "/api/v1/overview").await.json();
    assert_eq!((&overview["open"], &overview["alerts_held"]), (&1.into(), &1.into()), "{overview}");
    assert!(overview.get("funnel").is_none(), "{overview}");
}

#[tokio::test]
async fn orders_reach_only_what_the_caller_sees() {
    let bench = Bench::stocked();
    let check = async |token: &str, path: &str, body: &str, status: u16| {
        let answer = bench.post(token, path, body).await;
        assert_eq!(answer.status.as_u16(), status, "{token} {path} {body}: {}", answer.text);
    };
    check("operator-civil", "/api/v1/incidents/i0-1/close", "{}", 404).await;
    check("operator-civil", "/api/v1/incidents/i0-2/merge", r#"{"into":"i0-1"}"#, 404).await;
    check("operator-civil", "/api/v1/incidents/i0-2/split", r#"{"alerts":["a0-1"]}"#, 404).await;
    check("operator", "/api/v1/incidents/i0-2/merge", r#"{"into":"i0-1"}"#, 202).await;
    check("operator", "/api/v1/incidents/i0-1/explode", "{}", 404).await;
    check("operator", "/api/v1/incidents/i0-1/snooze", r#"{"until":"soon"}"#, 400).await;
    check("operator", "/api/v1/incidents/i0-1/assign", r#"{"assignee":"li","tenant":"b"}"#, 400).await;
    let written = bench.written.0.lock().unwrap();
    assert_eq!(written.len(), 1);
    assert_eq!((written[0].tenant.as_str(), &*written[0].actor), ("a", "operator"));
}

#[tokio::test]
async fn a_session_works_like_its_token_until_it_ends() {
    let bench = Bench::stocked();
    let sign_in = |origin: &str, token: &str| {
        let mut request = request("POST", "", "/api/v1/session", Some(&format!(r#"{{"token":"{token}"}}"#)));
        request.headers_mut().insert("origin", origin.parse().unwrap());
        request
    };
    assert_eq!(bench.send(sign_in("http://evil", "operator")).await.status(), 403);
    assert_eq!(bench.send(sign_in("http://hw", "wrong")).await.status(), 401);
    assert_eq!(bench.send(sign_in("http://hw", "source")).await.status(), 403);
    let answer = bench.ask(sign_in("http://hw", "operator")).await;
    let cookie = answer.headers["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
    let pair = cookie.split(';').next().unwrap().to_owned();
    let with_cookie = async |method: &str, path: &str, origin: Option<&str>| {
        let mut request = request(method, "", path, (method == "POST").then_some("{}"));
        request.headers_mut().insert("cookie", pair.parse().unwrap());
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        bench.send(request).await.status().as_u16()
    };
    let order = "/api/v1/incidents/i0-1/acknowledge";
    assert_eq!(with_cookie("GET", "/api/v1/incidents", None).await, 200);
    assert_eq!(with_cookie("POST", order, None).await, 403);
    assert_eq!(with_cookie("POST", order, Some("http://evil")).await, 403);
    assert_eq!(with_cookie("POST", order, Some("http://hw")).await, 202);
    assert_eq!(with_cookie("DELETE", "/api/v1/session", Some("http://hw")).await, 204);
    assert_eq!(with_cookie("GET", "/api/v1/incidents", None).await, 401);
}

#[tokio::test]
async fn every_answer_is_shielded_and_every_error_is_a_problem() {
    let bench = Bench::stocked();
    for (token, path, status) in [
        ("viewer", "/api/v1/incidents", 200),
        ("viewer", "/api/v1/incidents?limit=0", 400),
        ("viewer", "/api/v1/incidents?secret=1", 400),
        ("viewer", "/api/v1/incidents/nonsense", 404),
        ("viewer", "/api/v1/nowhere", 404),
        ("", "/api/v1/incidents", 401),
    ] {
        let answer = bench.get(token, path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.text);
        assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
        assert!(answer.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
        if status >= 400 {
            assert_eq!(answer.headers["content-type"], "application/problem+json", "{path}");
            let id = answer.headers["x-request-id"].to_str().unwrap();
            assert_eq!(answer.json()["instance"], format!("urn:headwater:request:{id}"));
        }
    }
    let wrong_method = bench.ask(request("PATCH", "viewer", "/api/v1/incidents", None)).await;
    assert_eq!((wrong_method.status.as_u16(), wrong_method.json()["code"].as_str()), (405, Some("method_not_allowed")));
}

#[tokio::test]
async fn a_limited_caller_silences_only_its_own() {
    let bench = Bench::stocked();
    let body = |matchers: &str| format!(r#"{{"matchers":{matchers},"ends_at":"2026-01-05T02:00:00Z"}}"#);
    let named = r#"[[{"field":"name","value":"LinkDown"}]]"#;
    assert_eq!(bench.post("viewer", "/api/v1/silences", &body(named)).await.status, 403);
    for bad in ["[]", "[[]]", r#"[[{"field":"name","op":"regex","value":"("}]]"#] {
        assert_eq!(bench.post("operator", "/api/v1/silences", &body(bad)).await.status, 400, "{bad}");
    }
    assert_eq!(bench.post("operator-civil", "/api/v1/silences", &body(named)).await.status, 202);
    let silence = match &bench.written.0.lock().unwrap()[0].order {
        crate::engine::input::Order::Silence { silence } => silence.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(silence.matchers.0[0][1].text().value, "civil", "pinned to its organisations");
    assert_eq!(bench.post("operator-security", "/api/v1/silences", &body(named)).await.status, 202);
    let guarded = match &bench.written.0.lock().unwrap()[1].order {
        crate::engine::input::Order::Silence { silence } => silence.matchers.0[0][1].text().clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!((&*guarded.field, &*guarded.value), ("area", "security"), "pinned to its areas");
    let id = silence.id.to_string();
    let effect = crate::engine::effect::Effect::Silence { tenant: "a".into(), silence };
    bench.put(crate::projection::Committed {
        partition: crate::domain::partition::partition_of(&"a".into()),
        journal_seq: 50,
        outbox_seq: 50,
        stamp: super::fixture::T0,
        input: None,
        effects: std::sync::Arc::new(vec![effect]),
    });
    for (token, seen) in
        [("operator", 1), ("operator-civil", 1), ("operator-tax", 0), ("operator-security", 0), ("other", 0)]
    {
        let list = bench.get(token, "/api/v1/silences").await.json();
        assert_eq!(list["items"].as_array().unwrap().len(), seen, "{token}");
        let end = bench.ask(request("DELETE", token, &format!("/api/v1/silences/{id}"), None)).await;
        assert_eq!(end.status.as_u16(), if seen == 1 { 202 } else { 404 }, "{token}");
    }
}
