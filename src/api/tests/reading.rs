//! Lists, pages, numbers.

use std::sync::Arc;

use serde_json::json;

use super::fixture::{Bench, T0, alert, ci, incident, opening, request, steps};
use crate::api::routes;
use crate::domain::ci::Area;
use crate::domain::incident::Priority;
use crate::domain::severity::Severity;
use crate::domain::time::Span;
use crate::engine::effect::Effect;
use crate::wording::words::IncidentStateWord;

#[tokio::test]
async fn an_incident_is_told_in_both_languages_with_its_evidence() {
    let bench = Bench::stocked();
    let page = bench.get("viewer", "/api/v1/incidents/i0-1?lang=en").await.json();
    assert_eq!(page["severity"], "critical");
    assert_eq!(page["state_label"], "Abnormal");
    assert_eq!(page["url"], "http://hw/incidents/i0-1");
    assert_eq!(page["headline"]["en"], "Probable root cause: core-sw-1; 2 alerts on 2 CIs, 1 service affected");
    assert_eq!(page["candidates"][0]["rank"], 1);
    assert_eq!(page["candidates"][0]["ci"]["id"], "sw-1");
    assert_eq!(page["candidates"][0]["evidence"][0]["points"], 2340);
    assert!(page["candidates"][0]["reason"]["zh"].as_str().unwrap().contains("下游"));
    assert_eq!(page["timeline"][0]["kind"], "opened");
    let zh = bench.get("viewer", "/api/v1/incidents/i0-1").await.json();
    assert_eq!((zh["severity"].as_str(), zh["severity_label"].as_str()), (Some("critical"), Some("紧急")));
}

#[tokio::test]
async fn labels_follow_the_language_that_is_asked_for_and_wire_words_do_not() {
    let bench = Bench::stocked();
    for (asked, label) in [("zh-CN,zh;q=0.9", "紧急"), ("en-GB", "Critical"), ("fr", "紧急")] {
        let mut request = request("GET", "viewer", "/api/v1/incidents/i0-1", None);
        request.headers_mut().insert("accept-language", asked.parse().unwrap());
        let incident = bench.ask(request).await.json();
        assert_eq!(
            (&incident["severity"], &incident["severity_label"]),
            (&"critical".into(), &label.into()),
            "{asked}"
        );
        assert_eq!(incident["state"], "abnormal");
    }
}

#[tokio::test]
async fn a_list_pages_without_gaps_or_repeats_and_filters() {
    let bench = Bench::empty(T0);
    for n in 0..23u64 {
        let at = T0.plus(Span::secs((n / 3) as i64));
        let area = if n % 2 == 0 { Area::Cloud } else { Area::Security };
        let ci = ci(&format!("c{n}"), &format!("Host-{n}"), "server", area, "tax");
        let members = vec![alert(n, "X", if n == 5 { Severity::Critical } else { Severity::Minor }, ci.clone(), at)];
        bench.api.live.apply(&opening(n + 1, incident(n, &ci, &members, at), members));
    }
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page = bench.get("viewer", &format!("/api/v1/incidents?limit=5{after}")).await.json();
        seen.extend(page["items"].as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, (0..23).rev().map(|n| format!("i0-{n}")).collect::<Vec<_>>());
    let count = async |query: &str| {
        bench.get("viewer", &format!("/api/v1/incidents?limit=100&{query}")).await.json()["items"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(count("severity=critical").await, 1);
    assert_eq!(count("severity=critical&severity=minor").await, 23);
    assert_eq!(count("area=cloud").await, 12);
    assert_eq!(count("area=cloud&severity=critical").await, 0);
    assert_eq!(count("ci=c7").await, 1);
    assert_eq!(count("q=hOST-7").await, 1);
    assert_eq!(count("source=zabbix").await, 12);
    assert_eq!(count("state=closed").await, 0);
    assert_eq!(count("until=2026-01-05T00:00:01Z").await, 3);
}

#[tokio::test]
async fn the_most_urgent_come_first_however_old_they_are() {
    let bench = Bench::empty(T0);
    for n in 0..600u64 {
        let at = T0.plus(Span::secs(n as i64));
        let ci = ci(&format!("c{n}"), &format!("Host-{n}"), "server", Area::Facility, "tax");
        let severity = [(3, Severity::Critical), (40, Severity::Major)].into_iter().find(|(of, _)| *of == n);
        let members = vec![alert(n, "X", severity.map_or(Severity::Minor, |(_, s)| s), ci.clone(), at)];
        let mut view = incident(n, &ci, &members, at);
        // The second critical one is snoozed: somebody has seen to it.
        if n == 5 {
            (view.severity, view.priority, view.snoozed_until) = (Severity::Critical, Priority::P1, Some(T0));
        }
        bench.api.live.apply(&opening(n + 1, view, members));
    }
    let page = bench.get("viewer", "/api/v1/incidents?sort=urgent&limit=3").await.json();
    let ids: Vec<&str> = page["items"].as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["i0-3", "i0-40", "i0-599"]);
    assert_eq!(page["next"], serde_json::Value::Null);
    let last = bench.get("viewer", "/api/v1/incidents?sort=urgent&limit=500&severity=critical").await.json();
    assert_eq!(last["items"].as_array().unwrap().last().unwrap()["id"], "i0-5", "awake before snoozed");
    for also in ["archive=true", "after=MS4x"] {
        let refused = bench.get("viewer", &format!("/api/v1/incidents?sort=urgent&{also}")).await;
        assert!(refused.status == 400 && refused.text.contains("sort=urgent"), "{}", refused.text);
    }
    let worst = &bench.get("viewer", "/api/v1/overview").await.json()["worst_by_area"];
    assert_eq!(*worst, serde_json::json!({ "facility": "critical" }));
}

#[tokio::test]
async fn conservation_holds_on_both_sides() {
    let bench = Bench::stocked();
    let live = &bench.api.live;
    live.accept(8, &"a".into(), 4, T0);
    let counts = bench.get("admin", "/api/v1/conservation").await.json();
    assert_eq!(counts["accepted"], 10);
    assert_eq!(counts["dead_lettered"]["malformed"], 1);
    assert_eq!(counts["applied"]["total"], 5);
    assert_eq!((counts["applied"]["opened"].as_u64(), counts["applied"]["held"].as_u64()), (Some(2), Some(2)));
    assert_eq!(counts["pending"], 4);
    assert_eq!(counts["balanced"], true);
    // A record whose events did not all get a verdict shows at once.
    let mut step = super::fixture::steps().remove(3);
    step.journal_seq = 7;
    step.effects = Arc::default();
    live.apply(&step);
    assert_eq!(bench.get("admin", "/api/v1/conservation").await.json()["balanced"], false);
}

#[tokio::test]
async fn the_overview_counts_what_is_open() {
    let overview = Bench::stocked().get("viewer", "/api/v1/overview").await.json();
    assert_eq!(overview["open"], 2);
    assert_eq!(overview["unacknowledged"], 2);
    assert_eq!(overview["by_severity"]["critical"], 1);
    assert_eq!(overview["by_area"]["support"], 1);
    assert_eq!(overview["funnel"]["events"], 6);
    assert_eq!((&overview["quality"]["unparsable"], &overview["quality"]["late"]), (&1.into(), &0.into()));
    assert_eq!(overview["funnel"]["incidents"], 2);
    assert_eq!(overview["funnel"]["compression"], 0.667);
    let sources = &overview["funnel"]["by_source"];
    let sum = |key: &str| sources.as_array().unwrap().iter().map(|one| one[key].as_u64().unwrap()).sum::<u64>();
    // The sixth event could not be read: it is of no source.
    assert_eq!((sum("events"), sum("incidents")), (5, 2), "{sources}");
    assert_eq!(overview["mtta_seconds"], serde_json::Value::Null);
}

#[tokio::test]
async fn the_quality_of_the_topology_says_how_events_found_their_cis() {
    let bench = Bench::stocked();
    let quality = bench.get("viewer", "/api/v1/topology/quality").await.json();
    assert_eq!(quality["orphans"]["count"].as_u64().map(|_| ()), Some(()), "{quality}");
    let lookups = &quality["lookups"];
    assert_eq!((&lookups["resolved"], &lookups["ambiguous"]), (&6.into(), &3.into()), "{lookups}");
    assert_eq!(lookups["coverage"], 0.666, "{lookups}");
    assert_eq!(
        (&lookups["strangers"][0]["object"], &lookups["strangers"][0]["cis"][0]),
        (&"web".into(), &"h-1".into())
    );
    let metrics = bench.get("admin", "/metrics").await.text;
    assert!(metrics.contains("headwater_ci_lookups{word=\"ambiguous\"} 3"), "{metrics}");
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told_by_its_parameter_and_its_shape() {
    let bench = Bench::stocked();
    let answer = bench.get("viewer", "/api/v1/incidents?limit=many").await;
    assert_eq!(answer.status, 400);
    assert!(answer.text.contains("parameter \\\"limit\\\": "), "{}", answer.text);
    let answer = bench.get("admin", "/api/v1/audit?pages=2").await;
    assert!(answer.text.contains("pages") && !answer.text.contains("deserialize"), "{}", answer.text);
    assert_eq!(bench.get("operator", "/api/v1/commands/99999").await.status, 404, "nothing was accepted there");
}

#[tokio::test]
async fn the_document_has_every_route_and_every_type_it_names() {
    let bench = Bench::stocked();
    let document = bench.get("viewer", "/api/v1/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    for entry in routes::table() {
        for (path, item) in &entry.route.1.paths {
            let written = serde_json::to_value(item).unwrap();
            for method in written.as_object().unwrap().keys() {
                assert!(paths[path].get(method).is_some(), "{method} {path} is missing");
            }
        }
    }
    let text = document.to_string();
    for name in text.split("#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(document["components"]["schemas"].get(name).is_some(), "schema {name} is missing");
    }
    // Two types of one name would be told as one of them.
    for (name, schema) in routes::table().into_iter().flat_map(|entry| entry.route.0) {
        let own = serde_json::to_value(&schema).unwrap();
        assert_eq!(own, document["components"]["schemas"][&name], "{name} is the name of another type, too");
    }
    // Words are told as they are sent.
    let words: Vec<&str> = IncidentStateWord::ALL.iter().map(|one| one.word()).collect();
    assert_eq!(document["components"]["schemas"]["IncidentStateWord"]["enum"], json!(words));
}

#[tokio::test]
async fn the_graph_is_layered_stable_and_bounded() {
    let bench = Bench::empty(T0);
    let root = ci("sw", "sw", "switch", Area::Facility, "tax");
    let members: Vec<_> = (0..400u64)
        .map(|n| {
            let ci = ci(&format!("h{n:03}"), &format!("h{n}"), "server", Area::Cloud, "tax");
            alert(n, "Down", Severity::Major, ci, T0)
        })
        .collect();
    let mut view = incident(1, &root, &members, T0);
    view.path = view.path.iter().take(50).cloned().collect();
    bench.api.live.apply(&opening(1, view, members));
    let graph = bench.get("viewer", "/api/v1/incidents/i0-1/graph").await.json();
    let nodes = graph["nodes"].as_array().unwrap();
    assert_eq!((graph["total"].as_u64(), graph["aggregated"].as_bool()), (Some(401), Some(true)));
    assert_eq!(nodes.len(), 301);
    let node = |id: &str| nodes.iter().find(|n| n["id"] == id).unwrap();
    assert_eq!(node("class:server")["count"], 101);
    assert_eq!(node("sw")["is_root"], true);
    assert!(node("sw")["y"].as_i64() > node("h000")["y"].as_i64(), "the facility is below what it carries");
    assert_eq!(graph["edges"].as_array().unwrap().iter().filter(|e| e["kind"] == "spread").count(), 50);
    let places: std::collections::BTreeSet<_> = nodes.iter().map(|n| (n["x"].as_i64(), n["y"].as_i64())).collect();
    assert_eq!(places.len(), nodes.len(), "no two nodes in one place");
    assert_eq!(bench.get("viewer", "/api/v1/incidents/i0-1/graph").await.json(), graph);
}

#[tokio::test]
async fn why_tells_the_verdict_in_both_languages() {
    let bench = Bench::stocked();
    let why = bench.get("viewer", "/api/v1/events/e1.0/why?lang=en").await.json();
    let why = &why["events"][0];
    assert_eq!((why["verdict"].as_str(), why["incident"].as_str()), (Some("opened"), Some("i0-1")));
    assert_eq!(why["text"]["en"], "it opened incident i0-1");
    assert_eq!(why["text"]["zh"], "由此产生故障 i0-1");
    assert_eq!((why["raw"]["name"].as_str(), why["now"]["id"].as_str()), (Some("LinkDown"), Some("a0-1")));
    let why = bench.get("viewer", "/api/v1/alerts/a0-4/why").await.json();
    assert_eq!(why["events"][0]["verdict_label"], "待观察");
    let why = bench.get("viewer", "/api/v1/incidents/i0-1/why").await.json();
    assert_eq!(why["events"].as_array().unwrap().len(), 2);
    assert_eq!(bench.get("viewer", "/api/v1/events/e99.0/why").await.status, 404);
}

#[tokio::test]
async fn an_alert_says_what_its_source_said_of_it() {
    let bench = Bench::stocked();
    let said = &bench.get("viewer", "/api/v1/alerts/a0-1").await.json()["said"];
    assert_eq!(said["links"], serde_json::json!(["https://grafana.example/d/1"]));
    assert_eq!(said["annotations"]["runbook_url"], "https://wiki.example/link-down");
    let words = said["description"].as_str().unwrap();
    assert!(words.starts_with("call ") && !words.contains("13800138000"), "phone numbers are masked: {words}");
}

#[tokio::test]
async fn a_dead_letter_is_told_without_its_secrets_and_tried_again_once() {
    let bench = Bench::stocked();
    let list = bench.get("viewer", "/api/v1/dead-letters?reason=malformed&source=prom").await;
    let item = &list.json()["items"][0];
    assert_eq!((item["id"].as_str(), item["detail"].as_str()), (Some("e6.0"), Some("severity: not a word")));
    assert_eq!(item["raw"], r#"{"severity":5,"contact":"138****5678","token":"***"}"#);
    assert_eq!(
        bench.get("viewer", "/api/v1/dead-letters?reason=too_large").await.json()["items"],
        serde_json::json!([])
    );
    let why = bench.get("viewer", "/api/v1/events/6-0/why?lang=en").await.text;
    assert!(why.contains("malformed: severity: not a word") && !why.contains("13812345678"), "{why}");
    let many = r#"{"ids":["e6.0","e1.0","nonsense"]}"#;
    let answer = bench.post("analyst", "/api/v1/dead-letters/replay", many).await.json();
    assert_eq!((answer["taken"].as_u64(), answer["items"][0]["seq"].as_u64()), (Some(1), Some(7_000)));
    assert!(answer["items"][1]["errors"][0].as_str().unwrap().contains("no such dead letter"), "{answer}");
    // Once the record that it became is committed, it is not tried a second time.
    let mut step = steps().remove(3);
    (step.journal_seq, step.outbox_seq) = (7, 7);
    if let Some(crate::engine::input::Input::Batch(batch)) = step.input.as_mut().map(Arc::make_mut) {
        batch.replay_of = crate::domain::ids::EventRef::parse("e6.0");
    }
    bench.put(step);
    let again = bench.post("analyst", "/api/v1/dead-letters/e6.0/replay", "").await;
    assert_eq!((again.status.as_u16(), again.json()["code"].as_str()), (422, Some("refused")), "{}", again.text);
    let item = bench.get("viewer", "/api/v1/dead-letters/e6.0").await.json();
    assert_eq!(item["replayed_as"], "e7.0");
    assert_eq!(bench.written.1.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn events_are_listed_by_verdict_reason_and_text() {
    let bench = Bench::stocked();
    let ids = async |query: &str| {
        let list = bench.get("viewer", &format!("/api/v1/events?{query}")).await.json();
        let items = list["items"].as_array().unwrap_or_else(|| panic!("{list}"));
        items.iter().map(|i| i["event"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ids("limit=3").await, "e6.0 e5.0 e4.0");
    assert_eq!(ids("after=e4.0").await, "e2.0 e1.1 e1.0");
    assert_eq!(ids("verdict=held&verdict=rejected").await, "e6.0 e5.0 e4.0");
    assert_eq!(ids("reason=lone").await, "e5.0 e4.0");
    assert_eq!(ids("incident=i0-1").await, "e1.1 e1.0");
    assert_eq!(ids("q=hostunr").await, "e1.1");
    assert_eq!(ids("since=2026-01-05T00:01:00Z&until=2026-01-05T00:02:00Z").await, "e2.0");
    for bad in ["alert=7", "incident=x", "after=7", "limit=501", "since=now", "colour=red"] {
        assert_eq!(bench.get("viewer", &format!("/api/v1/events?{bad}")).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn exports_are_whole_and_neutral() {
    let bench = Bench::stocked();
    let csv = bench.get("viewer", "/api/v1/export/events.csv").await;
    assert_eq!(csv.headers["content-disposition"], "attachment; filename=\"headwater-events.csv\"");
    assert_eq!(csv.headers["x-row-cap"], "100000");
    let line = csv.text.lines().nth(6).unwrap();
    assert!(line.starts_with("e1.0,2026-01-05T00:00:00.000Z,prom,LinkDown"), "{}", csv.text);
    let some = bench.get("viewer", "/api/v1/export/events.ndjson?limit=2&until=2026-01-05T00:03:00Z").await.text;
    let events: Vec<serde_json::Value> = some.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.iter().map(|e| e["event"].as_str().unwrap()).collect::<Vec<_>>(), ["e5.0", "e4.0"]);
    for path in ["tokens.csv", "events.exe", "events"] {
        assert_eq!(bench.get("viewer", &format!("/api/v1/export/{path}")).await.status, 404, "{path}");
    }
    assert_eq!(bench.get("viewer", "/api/v1/export/events.csv?limit=100001").await.status, 400);
}

#[tokio::test]
async fn the_history_answers_where_memory_has_forgotten() {
    let bench = Bench::stocked();
    let mut step = steps().remove(0);
    (step.journal_seq, step.outbox_seq) = (60, 60);
    for effect in Arc::make_mut(&mut step.effects) {
        match effect {
            Effect::Incident { incident, joined, .. } => {
                Arc::make_mut(incident).id.0 = 77;
                joined.iter_mut().for_each(|alert| alert.0 += 700);
            }
            Effect::Alert { alert } => Arc::make_mut(alert).id.0 += 700,
            Effect::Timeline { incident, .. } => incident.0 = 77,
            _ => {}
        }
    }
    bench.remember(step);
    let page = bench.get("viewer", "/api/v1/incidents/i0-77").await.json();
    assert_eq!((page["alert_count"].as_u64(), page["timeline"][0]["kind"].as_str()), (Some(2), Some("opened")));
    assert_eq!(bench.get("viewer", "/api/v1/incidents/i0-77/members").await.json()["total"], 2);
    assert_eq!(bench.get("viewer", "/api/v1/incidents/i0-77/timeline").await.json()["items"][0]["kind"], "opened");
    assert_eq!(bench.get("viewer", "/api/v1/alerts/a0-701").await.json()["name"], "LinkDown");
    for path in ["incidents/i0-77", "incidents/i0-77/members", "incidents/i0-77/timeline", "alerts/a0-701"] {
        assert_eq!(bench.get("viewer-civil", &format!("/api/v1/{path}")).await.status, 404, "{path}");
    }
    let found = bench.get("viewer", "/api/v1/incidents?archive=true").await.json();
    assert_eq!(found["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn counts_come_in_buckets() {
    let bench = Bench::stocked();
    let query = "record=alert&by=severity&step=hour&since=2026-01-05T00:00:00Z&until=2026-01-05T01:00:00Z";
    let stats = bench.get("viewer", &format!("/api/v1/stats?{query}")).await.json();
    let all: Vec<_> = stats["buckets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|b| (b["key"].as_str().unwrap(), b["n"].as_u64().unwrap()))
        .collect();
    assert_eq!(all, [("warning", 2), ("minor", 1), ("major", 1), ("critical", 1)]);
    let csv = bench.get("viewer", &format!("/api/v1/stats.csv?{query}")).await.text;
    assert!(csv.contains("2026-01-05T00:00:00.000Z,warning,2\r\n"), "{csv}");
    assert_eq!(bench.get("viewer", "/api/v1/stats?step=minute&since=2020-01-01T00:00:00Z").await.status, 400);
}

#[tokio::test]
async fn health_and_metrics_tell_the_operator() {
    let bench = Bench::stocked();
    assert_eq!(bench.get("", "/livez").await.text, "ok\n");
    let ready = async |token: &str| bench.get(token, "/readyz").await.json();
    let told = |degraded: &str| serde_json::json!({"ready": true, "missing": [], "degraded": [degraded]});
    assert_eq!(ready("viewer").await, told("receiver noc-42 locks us out: 401"));
    for stranger in ["", "source", "viewer-civil"] {
        assert_eq!(ready(stranger).await, told("a receiver locks us out"), "{stranger}");
    }
    let metrics = bench.get("viewer", "/metrics").await.text;
    for line in [
        "headwater_events_accepted_total 6",
        "headwater_incidents_open{word=\"critical\"} 1",
        "headwater_alerts_held 2",
        "headwater_events_quality{word=\"unparsable\"} 1",
        "headwater_tenants_unbalanced 0",
    ] {
        assert!(metrics.contains(line), "{line} is missing in {metrics}");
    }
}

#[tokio::test]
async fn the_topology_is_searched_and_a_refused_one_names_every_fault() {
    let bench = Bench::stocked();
    let ids = async |query: &str| {
        let list = bench.get("viewer", &format!("/api/v1/topology/cis?{query}")).await.json();
        list["items"].as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids("").await, ["sw-1", "h-1", "db-1"]);
    assert_eq!(ids("q=HOST").await, ["h-1"]);
    assert_eq!(ids("class=switch").await, ["sw-1"]);
    let page = bench.get("viewer", "/api/v1/topology/cis?limit=2").await.json();
    assert_eq!(ids(&format!("limit=2&after={}", page["next"].as_str().unwrap())).await, ["db-1"]);
    assert_eq!(bench.get("viewer", "/api/v1/topology/quality").await.json()["orphans"]["count"], 3);
    let answer = bench.ask(super::fixture::request("PUT", "admin", "/api/v1/topology", Some("{}"))).await;
    assert_eq!(answer.status, 422);
    assert_eq!(answer.json()["errors"][0], "topology:1: no CIs");
}

#[tokio::test]
async fn series_of_an_instance_that_is_away_are_not_left_out_in_silence() {
    let bench = Bench::stocked();
    assert_eq!(bench.get("viewer", "/api/v1/series").await.json()["items"], serde_json::json!([]));
    let answer = bench.get("viewer", "/api/v1/series?q=away").await;
    let told = answer.json();
    assert_eq!((answer.status.as_u16(), &told["code"]), (503, &serde_json::json!("try_later")), "{told}");
    assert!(told["detail"].as_str().unwrap().starts_with("instance mine may have it and does not answer"), "{told}");
}

#[tokio::test]
async fn orders_are_audited_with_their_outcome() {
    let bench = Bench::stocked();
    let order = crate::engine::input::Order::Acknowledge { incident: crate::domain::ids::IncidentId(1) };
    let command =
        crate::engine::input::Command { tenant: "a".into(), actor: "li".into(), id: "".into(), via: "".into(), order };
    bench.put(crate::projection::Committed {
        partition: crate::domain::partition::partition_of(&"a".into()),
        journal_seq: 9,
        outbox_seq: 9,
        stamp: T0,
        input: Some(Arc::new(crate::engine::input::Input::Command(command))),
        effects: Arc::new(vec![Effect::CommandDone {
            tenant: "a".into(),
            refused: Some("it is closed".into()),
            again: false,
        }]),
    });
    let item = bench.get("analyst", "/api/v1/audit").await.json()["items"][0].clone();
    assert_eq!((item["actor"].as_str(), item["action"].as_str()), (Some("li"), Some("acknowledge")));
    assert_eq!((item["about"].as_str(), item["refused"].as_str()), (Some("i0-1"), Some("it is closed")));
}
