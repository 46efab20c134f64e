//! Two organisations of one tenant, two areas of one, and two tenants: every answer of the API, whatever it is asked for, says nothing
//! of CIs that the caller may not see. The paths come from the OpenAPI document.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};

use crate::data_service::{PATIENCE, Service, event, standing};

/// Everything that belongs to the other organisation has this in its name.
const FOREIGN: &str = "zeta";
/// Everything of the caller's own has this.
const OWN: &str = "omega";

const ESTATE: &str = "
cis:
  - {id: zeta-pdu, class: pdu, name: zeta 机柜 PDU, keys: {serial: [zeta-serial]}, org: zeta, owner_team: zeta-ops}
  - {id: zeta-host, class: server, name: zeta 主机, keys: {ip: [10.0.0.2]}, org: zeta}
  - {id: zeta-vm, class: vm, name: zeta 云主机, org: zeta}
  - {id: zeta-portal, class: biz_service, name: zeta 门户, org: zeta}
  - {id: omega-host, class: server, name: omega 主机, keys: {ip: [10.0.0.1]}, org: omega}
  - {id: omega-vm, class: vm, name: omega 云主机, org: omega}
relations:
  - {from: zeta-pdu, to: omega-host, type: powers}
  - {from: zeta-pdu, to: zeta-host, type: powers}
  - {from: omega-host, to: omega-vm, type: hosts}
  - {from: zeta-host, to: zeta-vm, type: hosts}
  - {from: omega-vm, to: zeta-portal, type: serves}
";

/// Security devices, and what stands behind one of them.
const AREAS: &str = "
cis:
  - {id: omega-firewall, class: firewall, name: omega 防火墙, keys: {ip: [10.0.0.1]}}
  - {id: omega-waf, class: waf, name: omega WAF}
  - {id: zeta-host, class: server, name: zeta 主机, keys: {ip: [10.0.0.2]}, owner_team: zeta-ops}
  - {id: zeta-vm, class: vm, name: zeta 云主机}
  - {id: zeta-portal, class: biz_service, name: zeta 门户}
  - {id: zeta-rack, class: rack, name: zeta 机柜}
relations:
  - {from: omega-firewall, to: omega-waf, type: protects}
  - {from: omega-waf, to: zeta-portal, type: protects}
  - {from: zeta-host, to: zeta-vm, type: hosts}
";

/// A topology, a silence and a window, all of what is foreign.
async fn prepare(service: &Service, estate: &str) {
    let (found, text) = service.ask(Method::PUT, "analyst", "/api/v1/topology", Some(estate.to_owned())).await;
    assert_eq!(found, 202, "{text}");
    let mute = json!({"matchers": [[{"field": "name", "value": "zetaNoise"}]], "ends_at": "2026-01-06T00:00:00Z",
                      "comment": "zeta"});
    let silence = service.send(Method::POST, "operator", "/api/v1/silences", mute, 202).await;
    service.done("operator", &silence["seq"]).await;
    let window = json!({"id": "zeta-move", "note": "zeta", "match": {"site": "zeta"},
                        "schedule": {"once": {"from": "2026-03-01 22:00", "to": "2026-03-02 06:00"}}});
    service.send(Method::POST, "operator", "/api/v1/windows", window, 202).await;
}

/// One storm over both organisations; people of the whole tenant have their say, too.
async fn storm(service: &Service, hand: &std::sync::atomic::AtomicI64) {
    prepare(service, ESTATE).await;
    let events = json!([
        event("z-1", "zetaPowerLost", "critical", "zeta-pdu", "00:01"),
        event("o-1", "omegaHostDown", "major", "10.0.0.1", "00:05"),
        event("z-2", "zetaHostDown", "major", "10.0.0.2", "00:06"),
        event("o-2", "omegaVmDown", "major", "omega-vm", "00:09"),
        event("z-3", "zetaVmDown", "major", "zeta-vm", "00:10"),
        event("z-4", "zetaNoise", "minor", "zeta-vm", "00:11"),
        {"id": "z-5", "name": "zetaBroken", "severity": "major", "object": {"name": "zeta-vm"}, "starts_at": "zeta"},
    ]);
    service.send(Method::POST, "source", "/api/v1/events", events, 202).await;
    hand.fetch_add(400_000, Ordering::SeqCst);
    let late = json!([event("o-3", "omegaDisk", "warning", "omega-vm", "05:00")]);
    service.send(Method::POST, "source", "/api/v1/events", late, 202).await;
    let started = Instant::now();
    let incident = loop {
        let list = service.get("viewer", "/api/v1/incidents").await;
        let mixed = list["items"].as_array().unwrap().iter().find(|i| i["orgs"].as_array().unwrap().len() == 2);
        if let Some(mixed) = mixed {
            break mixed["id"].as_str().unwrap().to_owned();
        }
        assert!(started.elapsed() < PATIENCE, "no incident of both organisations: {list}");
        hand.fetch_add(1_000, Ordering::SeqCst);
    };
    // The root cause goes away and comes back, by name.
    for ci in ["omega-host", "zeta-pdu"] {
        let order = json!({"verdict": "set", "ci": ci});
        let path = format!("/api/v1/incidents/{incident}/root");
        let taken = service.send(Method::POST, "operator", &path, order, 202).await;
        let end = service.done("operator", &taken["seq"]).await;
        assert_eq!(end["state"], "done", "{end}");
    }
}

/// All ids that a caller of the whole tenant knows, by the kind of path they belong to.
async fn ids(service: &Service) -> BTreeMap<&'static str, Vec<String>> {
    let of = async |path: &str, key: &str| {
        let list = service.get("admin", path).await;
        let items = list["items"].as_array().unwrap_or_else(|| panic!("{path}: {list}"));
        let read = items.iter().map(|item| item[key].as_str().unwrap().to_owned());
        read.collect::<Vec<String>>()
    };
    BTreeMap::from([
        ("incidents", of("/api/v1/incidents?limit=500", "id").await),
        ("alerts", of("/api/v1/alerts?limit=500", "id").await),
        ("events", of("/api/v1/events?limit=500", "event").await),
        ("dead-letters", of("/api/v1/dead-letters", "id").await),
        ("topology", of("/api/v1/topology/cis", "id").await),
        ("silences", of("/api/v1/silences", "id").await),
        ("windows", of("/api/v1/windows", "id").await),
        ("notices", vec!["i0-1-1-default-opened".into()]),
        ("oncall", vec!["duty".into()]),
        ("series", vec!["1ae6fac6e0a6c452".into()]),
    ])
}

/// Questions that a filter could answer by being there or not.
const ASKED: [(&str, &[&str]); 4] = [
    (
        "/api/v1/incidents",
        &[
            "archive=true",
            "q=zeta",
            "q=zeta&archive=true",
            "org=zeta",
            "org=zeta&archive=true",
            "ci=zeta-pdu",
            "ci=zeta-pdu&archive=true",
            "lang=en",
            "q=zeta&limit=1&archive=true",
        ],
    ),
    ("/api/v1/alerts", &["archive=true", "q=zeta", "ci=zeta-pdu", "q=zeta&archive=true"]),
    ("/api/v1/events", &["q=zeta", "name=zetaPowerLost", "limit=1"]),
    ("/api/v1/topology/cis", &["q=zeta", "class=pdu"]),
];

/// Every path that can be read, with every id and question.
fn readable(document: &Value, ids: &BTreeMap<&'static str, Vec<String>>) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (template, methods) in document["paths"].as_object().unwrap() {
        if methods.get("get").is_none() || template == "/api/v1/feed" {
            continue;
        }
        let kind = template.split('/').nth(3).unwrap_or_default();
        // Alertmanager calls one of them otherwise.
        let kind = if kind == "silence" { "silences" } else { kind };
        let files = ["incidents", "alerts", "events"].iter().flat_map(|w| [format!("{w}.csv"), format!("{w}.ndjson")]);
        let values: Vec<(&str, Vec<String>)> = vec![
            ("{id}", ids.get(kind).cloned().unwrap_or_default()),
            ("{file}", files.collect()),
            ("{seq}", (1..40).map(|n| n.to_string()).collect()),
            ("{version}", vec!["0".into(), "1".into()]),
        ];
        let paths = match values.iter().find(|(mark, _)| template.contains(mark)) {
            Some((mark, values)) => values.iter().map(|value| template.replace(mark, value)).collect(),
            None => vec![template.clone()],
        };
        assert!(!paths.is_empty(), "no id for {template}");
        let asked = ASKED.iter().find(|(path, _)| path == template).map_or(&[][..], |(_, asked)| asked);
        for path in paths {
            all.extend(asked.iter().map(|query| (template.clone(), format!("{path}?{query}"))));
            all.push((template.clone(), path));
        }
    }
    all
}

/// What a caller is told where, as the templates of the paths whose answers have the word; panics when one may not.
async fn told(service: &Service, who: &str, paths: &[(String, String)], word: &str) -> BTreeSet<String> {
    let mut templates = BTreeSet::new();
    for (template, path) in paths {
        let (status, text) = service.ask(Method::GET, who, path, None).await;
        assert!(status != 500 && status != 503, "{who} {path}: {text}");
        // A problem may repeat what was asked; it says nothing of what is there.
        if status < 400 && text.to_lowercase().contains(word) {
            templates.insert(template.clone());
        }
    }
    templates
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_names_what_the_caller_may_not_see() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = standing();
    let service = Service::start(folder.path(), &clock).await;
    storm(&service, &hand).await;
    let document = service.get("admin", "/api/v1/openapi.json").await;
    let paths = readable(&document, &ids(&service).await);
    // The walk can fail: whoever may see all is told the name in all these places.
    let whole = told(&service, "admin", &paths, FOREIGN).await;
    for template in [
        "/api/v1/incidents",
        "/api/v1/incidents/{id}",
        "/api/v1/incidents/{id}/graph",
        "/api/v1/incidents/{id}/members",
        "/api/v1/incidents/{id}/timeline",
        "/api/v1/incidents/{id}/why",
        "/api/v1/alerts",
        "/api/v1/alerts/{id}",
        "/api/v1/alerts/{id}/why",
        "/api/v1/events",
        "/api/v1/events/{id}/why",
        "/api/v1/export/{file}",
        "/api/v1/topology/cis",
        "/api/v1/topology/cis/{id}",
        "/api/v1/topology/cis/{id}/impact",
        "/api/v1/topology/cis/{id}/causes",
        "/api/v1/overview",
        "/api/v1/silences",
        "/api/v1/windows",
        "/api/v1/rules",
        "/api/v1/audit",
        "/api/v1/dead-letters",
        "/api/v1/dead-letters/{id}",
    ] {
        assert!(whole.contains(template), "the walk does not reach {template}: {whole:?}");
    }
    assert_eq!(told(&service, "omega", &paths, FOREIGN).await, BTreeSet::new(), "told to another organisation");
    let own = told(&service, "omega", &paths, OWN).await;
    assert!(
        own.contains("/api/v1/incidents/{id}/graph") && own.contains("/api/v1/topology/cis/{id}/impact"),
        "{own:?}"
    );
    for word in [FOREIGN, OWN] {
        assert_eq!(told(&service, "other", &paths, word).await, BTreeSet::new(), "told to another tenant");
    }
    let after = |text: &str| text.to_lowercase();
    assert!(after(&service.hear("admin", "/api/v1/feed?after=0").await).contains(FOREIGN));
    let heard = after(&service.hear("omega", "/api/v1/feed?after=0").await);
    assert!(heard.contains("event: incident") && !heard.contains(FOREIGN), "{heard}");
    assert!(!after(&service.hear("other", "/api/v1/feed?after=0").await).contains("event: incident"));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_root_cause_is_an_anonymous_one() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = standing();
    let service = Service::start(folder.path(), &clock).await;
    storm(&service, &hand).await;
    let list = service.get("omega", "/api/v1/incidents?lang=en").await;
    let mixed = &list["items"][0];
    assert_eq!(mixed["title"], "incident caused outside of your organisations", "{list}");
    assert_eq!(mixed["orgs"], json!(["omega"]));
    assert_eq!(mixed["services"], json!([]), "whose services they are is not the caller's to know");
    let path = format!("/api/v1/incidents/{}", mixed["id"].as_str().unwrap());
    let page = service.get("omega", &path).await;
    let root = &page["candidates"][0];
    assert_eq!(
        (&root["ci"]["outside"], &root["ci"]["name"], &root["evidence"]),
        (&json!(true), &json!(""), &json!([]))
    );
    assert!(root["reason"]["en"].as_str().unwrap().contains("outside"), "{root}");
    assert!(page["candidates"].as_array().unwrap().iter().skip(1).all(|c| c["ci"]["org"] == "omega"), "{page}");
    let steps: Vec<(&str, &str)> = page["path"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (step["cause"]["id"].as_str().unwrap(), step["effect"]["id"].as_str().unwrap()))
        .collect();
    assert_eq!(steps, [("(outside)", "omega-host"), ("omega-host", "omega-vm")]);
    let graph = service.get("omega", &format!("{path}/graph")).await;
    let nodes: Vec<&str> = graph["nodes"].as_array().unwrap().iter().map(|n| n["id"].as_str().unwrap()).collect();
    assert_eq!(nodes, ["(outside)", "omega-host", "omega-vm"]);
    for question in ["q=zeta", "org=zeta", "ci=zeta-pdu"] {
        for archive in ["", "&archive=true"] {
            let found = service.get("omega", &format!("/api/v1/incidents?{question}{archive}")).await;
            assert_eq!(found["items"], json!([]), "{question}{archive}");
        }
    }
    for question in ["q=omega", "org=omega", "ci=omega-host", "q=omega&archive=true", "ci=omega-host&archive=true"] {
        let found = service.get("omega", &format!("/api/v1/incidents?{question}")).await;
        // What `q` looks for is in the title, and that one is hidden.
        let count = if question.starts_with("q=") { 0 } else { 1 };
        assert_eq!(found["items"].as_array().unwrap().len(), count, "{question}: {found}");
    }
    let summary = service.get("omega", "/api/v1/topology").await;
    assert_eq!((&summary["cis"], &summary["edges"]), (&json!(2), &json!(1)));
    for (order, body) in [
        ("root", json!({"verdict": "set", "ci": "zeta-pdu"})),
        ("root", json!({"verdict": "reject", "ci": "zeta-pdu"})),
        ("root", json!({"verdict": "confirm"})),
    ] {
        service.send(Method::POST, "omega", &format!("{path}/{order}"), body, 404).await;
    }
    service
        .send(Method::POST, "omega", &format!("{path}/root"), json!({"verdict": "set", "ci": "omega-host"}), 202)
        .await;
    service.stop().await;
}

/// An attack on a firewall that slows a portal, and a host that fails: the ids of both incidents.
async fn attack(service: &Service, hand: &std::sync::atomic::AtomicI64) -> (String, String) {
    prepare(service, AREAS).await;
    let events = json!([
        event("o-1", "omegaFirewallDown", "critical", "10.0.0.1", "00:01"),
        event("o-2", "omegaWafDown", "major", "omega-waf", "00:03"),
        event("z-1", "zetaPortalSlow", "major", "zeta-portal", "00:06"),
        event("z-2", "zetaHostDown", "critical", "10.0.0.2", "00:06"),
        event("z-3", "zetaVmDown", "major", "zeta-vm", "00:09"),
        event("z-4", "zetaNoise", "minor", "zeta-vm", "00:11"),
        {"id": "z-5", "name": "zetaBroken", "severity": "major", "object": {"name": "zeta-vm"}, "starts_at": "zeta"},
    ]);
    service.send(Method::POST, "source", "/api/v1/events", events, 202).await;
    hand.fetch_add(400_000, Ordering::SeqCst);
    let late = json!([event("o-3", "omegaDisk", "warning", "omega-waf", "05:00")]);
    service.send(Method::POST, "source", "/api/v1/events", late, 202).await;
    let started = Instant::now();
    loop {
        let list = service.get("viewer", "/api/v1/incidents").await;
        let of = |root: &str| {
            let found = list["items"].as_array().unwrap().iter().find(|one| one["root"]["ci"]["id"] == root);
            found.map(|one| one["id"].as_str().unwrap().to_owned())
        };
        if let (Some(attack), Some(fault)) = (of("omega-firewall"), of("zeta-host")) {
            return (attack, fault);
        }
        assert!(started.elapsed() < PATIENCE, "not both incidents: {list}");
        hand.fetch_add(1_000, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_security_team_sees_its_area_alone_and_others_see_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = standing();
    let service = Service::start(folder.path(), &clock).await;
    let (attack, fault) = attack(&service, &hand).await;
    let document = service.get("admin", "/api/v1/openapi.json").await;
    let paths = readable(&document, &ids(&service).await);
    for (who, own, foreign) in [("guard", OWN, FOREIGN), ("unguarded", FOREIGN, OWN)] {
        assert_eq!(told(&service, who, &paths, foreign).await, BTreeSet::new(), "told to {who}");
        let known = told(&service, who, &paths, own).await;
        for template in
            ["incidents/{id}/graph", "alerts/{id}/why", "events/{id}/why", "export/{file}", "topology/cis/{id}"]
        {
            assert!(known.contains(&format!("/api/v1/{template}")), "{who} {template}: {known:?}");
        }
        let heard = service.hear(who, "/api/v1/feed?after=0").await.to_lowercase();
        assert!(heard.contains(own) && !heard.contains(foreign), "{who}: {heard}");
    }
    let page = |id: &str| format!("/api/v1/incidents/{id}");
    for (who, mine, other) in [("guard", &attack, &fault), ("unguarded", &fault, &attack)] {
        assert_eq!(service.get(who, "/api/v1/incidents").await["items"].as_array().unwrap().len(), 1, "{who}");
        assert_eq!(service.ask(Method::GET, who, &page(mine), None).await.0, 200, "{who}");
        assert_eq!(service.ask(Method::GET, who, &page(other), None).await.0, 404, "{who}");
        service.send(Method::POST, who, &format!("{}/acknowledge", page(other)), json!({}), 404).await;
        service.send(Method::POST, who, &format!("{}/acknowledge", page(mine)), json!({}), 202).await;
        assert_eq!(
            service.ask(Method::GET, who, "/api/v1/audit", None).await.0,
            403,
            "{who}: it is the whole tenant's"
        );
    }
    // Whose cause is found elsewhere goes over to those of that area.
    let order = json!({"verdict": "set", "ci": "zeta-portal"});
    let taken = service.send(Method::POST, "operator", &format!("{}/root", page(&attack)), order, 202).await;
    service.done("operator", &taken["seq"]).await;
    assert_eq!(service.ask(Method::GET, "guard", &page(&attack), None).await.0, 404);
    let (_, seen) = service.ask(Method::GET, "unguarded", &page(&attack), None).await;
    assert!(seen.contains("zeta-portal") && !seen.to_lowercase().contains(OWN), "{seen}");
    let heard = service.hear("guard", "/api/v1/feed?after=0").await;
    assert!(heard.contains(&format!(r#"{{"id":"{attack}","gone":true"#)), "{heard}");
    service.stop().await;
}
