//! CMDBs that are asked over HTTP, and exports of other systems, each read by its mapping alone.

#![expect(clippy::unwrap_used, reason = "in tests a panic is the message")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use headwater::decode::topology::Mapping;
use headwater::domain::topology::Topology;
use headwater::lab::built_in::read_topology;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::program::{Setup, client};
use crate::storms::project;

fn read(mapping: &str, document: &Value) -> Arc<Topology> {
    let path = project().join("topology/mappings").join(format!("{mapping}.yaml"));
    let mapping = Mapping::parse(mapping, &std::fs::read(path).unwrap()).unwrap_or_else(|error| panic!("{error}"));
    read_topology("export", document.to_string().as_bytes(), Some(&mapping), 1)
        .unwrap_or_else(|error| panic!("{error:#}"))
}

/// "class:name needs class:name" for every relation, in order.
fn relations(topology: &Topology) -> Vec<String> {
    let named = |ci| format!("{}:{}", topology.class(ci).id, topology.name(ci));
    let of =
        |ci| topology.effects(ci).iter().map(|edge| format!("{} > {}", named(ci), named(edge.ci))).collect::<Vec<_>>();
    let mut all: Vec<String> = topology.all().flat_map(of).collect();
    all.sort();
    all
}

fn netbox() -> Value {
    json!({
        "sites": [{"id": 1, "name": "IDC A", "slug": "idc-a", "status": {"value": "active"}}],
        "racks": [{"id": 7, "name": "A-07", "site": {"id": 1, "name": "IDC A"}}],
        "devices": [
            {"id": 11, "name": "esx-1", "role": {"slug": "server"}, "site": {"id": 1, "name": "IDC A"}, "rack": {"id": 7}, "serial": "SN11",
             "primary_ip": {"address": "10.0.0.11/24"}, "tenant": {"slug": "hrss"}, "status": {"value": "active"}, "cluster": {"id": 3}},
            {"id": 12, "name": "sw-1", "role": {"slug": "access-switch"}, "site": {"id": 1, "name": "IDC A"}, "rack": {"id": 7}, "primary_ip": null},
        ],
        "clusters": [{"id": 3, "name": "gov-a"}],
        "virtual_machines": [{"id": 21, "name": "web-1", "cluster": {"id": 3}, "device": {"id": 11}, "primary_ip": {"address": "10.0.1.21/24"}}],
        "cables": [{"id": 1, "a_terminations": [{"object": {"device": {"id": 11}}}], "b_terminations": [{"object": {"device": {"id": 12}}}]}],
    })
}

#[test]
fn netbox_is_read_by_its_mapping() {
    let topology = read("netbox", &netbox());
    let all = relations(&topology);
    for wanted in ["rack:A-07 > server:esx-1", "idc:IDC A > rack:A-07", "server:esx-1 > vm:web-1"] {
        assert!(all.iter().any(|one| one == wanted), "{wanted} of {all:#?}");
    }
    assert!(all.iter().any(|one| one.contains("sw-1") && one.contains("esx-1")), "{all:#?}");
}

#[test]
fn servicenow_veops_and_kubernetes_are_read_by_their_mappings() {
    let servicenow = json!({
        "cis": [{"sys_id": "a", "sys_class_name": "cmdb_ci_linux_server", "name": "db-1", "ip_address": "10.0.0.5", "operational_status": "1"},
                {"sys_id": "b", "sys_class_name": "cmdb_ci_db_mysql_instance", "name": "mysql@db-1"},
                {"sys_id": "c", "sys_class_name": "cmdb_ci_service", "name": "Social security"}],
        "relations": [{"parent": "b", "child": "a", "type.name": "Runs on::Runs"}, {"parent": "c", "child": "b", "type.name": "Depends on::Used by"},
                      {"parent": "c", "child": "a", "type.name": "Managed by::Manages"}],
    });
    assert_eq!(
        relations(&read("servicenow", &servicenow)),
        ["database:mysql@db-1 > biz_service:Social security", "server:db-1 > database:mysql@db-1"]
    );
    let veops = json!({
        "cis": [{"_id": 1, "ci_type": "server", "hostname": "db-1", "private_ip": ["10.0.0.5"]}, {"_id": 2, "ci_type": "mysql", "name": "orders"}],
        "relations": [{"first_ci_id": 1, "second_ci_id": 2, "relation_type": "deploy"}],
    });
    assert_eq!(relations(&read("veops", &veops)), ["server:db-1 > database:orders"]);
    let pod = |name: &str, owner: &str| {
        json!({"kind": "Pod", "metadata": {"name": name, "namespace": "portal", "uid": name, "labels": {"app": "portal"},
        "ownerReferences": [{"kind": "ReplicaSet", "name": owner}]}, "spec": {"nodeName": "node-3"}, "status": {"podIP": "10.244.0.9"}})
    };
    let kubernetes = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"kind": "Node", "metadata": {"name": "node-3"}, "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.33"}]}},
        {"kind": "ReplicaSet", "metadata": {"name": "portal-7d9f", "namespace": "portal"}}, pod("portal-7d9f-x", "portal-7d9f")]});
    let all = relations(&read("kubernetes", &kubernetes));
    assert!(all.iter().any(|one| one == "k8s_node:node-3 > k8s_pod:portal-7d9f-x"), "{all:#?}");
    assert!(
        all.iter().any(|one| one.contains("k8s_workload:portal-7d9f") && one.contains("portal-7d9f-x")),
        "{all:#?}"
    );
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    offset: usize,
}

/// A NetBox that gives one item a page.
async fn serve(refuses: Arc<AtomicBool>) -> String {
    let one = |name: &'static str| {
        get(move |State(refuses): State<Arc<AtomicBool>>, headers: HeaderMap, Query(page): Query<Page>| async move {
            let is_known = headers.get("authorization").is_some_and(|value| value == "Token 0123");
            if !is_known || refuses.load(Ordering::Relaxed) {
                return (StatusCode::FORBIDDEN, Json(json!({"detail": "Invalid token"})));
            }
            let all = netbox()[name].as_array().unwrap().clone();
            let next = (page.offset + 1 < all.len()).then(|| format!("?offset={}", page.offset + 1));
            let results: Vec<Value> = all.into_iter().skip(page.offset).take(1).collect();
            (StatusCode::OK, Json(json!({"count": 1, "next": next, "results": results})))
        })
    };
    let names = ["sites", "racks", "devices", "clusters", "virtual_machines", "cables"];
    let routes =
        names.into_iter().fold(Router::new(), |router, name| router.route(&format!("/api/{name}/"), one(name)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes.with_state(refuses)).await });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cmdb_is_asked_page_by_page_and_what_it_refuses_changes_nothing() {
    let refuses = Arc::new(AtomicBool::new(false));
    let url = serve(refuses.clone()).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("netbox.token"), "0123\n").unwrap();
    let mapping = project().join("topology/mappings/netbox.yaml");
    let lists = ["sites", "racks", "devices", "clusters", "virtual_machines", "cables"];
    let lists: Vec<String> =
        lists.map(|list| format!("{{ list: {list}, url: '{url}/api/{list}/', items: results, next: next }}")).into();
    let config = format!(
        "cmdb:\n  every: 1s\n  mapping: {}\n  token_file: {}\n  token_prefix: 'Token '\n  lists: [{}]\n",
        mapping.display(),
        folder.path().join("netbox.token").display(),
        lists.join(", ")
    );
    let setup = Setup::new(folder.path(), &config);
    let client = client();
    let mut program = setup.start(&[]);
    program.answers(&client).await;
    let whole = |told: &Value| told["cis"] == 6;
    setup.until(&client, "/api/v1/topology", "all pages of the CMDB are in force", whole).await;
    // An event that names only an address finds its CI, whatever mask the CMDB wrote behind it.
    let event = json!({"name": "Down", "severity": "critical", "object": {"ip": "10.0.0.11"}, "starts_at": "2026-01-05T00:00:00Z"});
    assert_eq!(setup.post(&client, "/api/v1/events", &event).await.0, 202);
    let found = |told: &Value| told["items"][0]["ci"]["name"] == "esx-1";
    setup.until(&client, "/api/v1/alerts", "the event finds its CI", found).await;
    refuses.store(true, Ordering::Relaxed);
    while !setup.log().contains("look at address and token") {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(setup.get(&client, "/api/v1/topology").await.unwrap()["cis"], 6, "the topology stays");
    assert!(!setup.log().contains("0123"), "the token is in no log");
    program.stop();
}

/// Waits until what is not well says this, or nothing of a CMDB.
async fn until_told(setup: &Setup, client: &reqwest::Client, wanted: &str) -> String {
    let since = std::time::Instant::now();
    loop {
        let ready = client.get(setup.url("/readyz")).bearer_auth(&setup.token).send().await.unwrap();
        let told = ready.text().await.unwrap();
        let about = if told.contains("the CMDB is not read") { told } else { String::new() };
        if about.contains(wanted) && about.is_empty() == wanted.is_empty() {
            return about;
        }
        assert!(since.elapsed() < std::time::Duration::from_secs(60), "waited in vain for {wanted:?}: {about}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_over_http_that_refuses_goes_on_as_it_was_and_that_is_told() {
    let refuses = Arc::new(AtomicBool::new(false));
    let url = serve(refuses.clone()).await;
    let folder = tempfile::tempdir().unwrap();
    let (token, hand) = (folder.path().join("netbox.token"), folder.path().join("hand.yaml"));
    std::fs::write(&token, "0123\n").unwrap();
    let by_hand =
        |owner: &str| format!("cis: [{{ id: hand-1, class: server, keys: [10.0.0.11], owner_team: {owner} }}]\n");
    std::fs::write(&hand, by_hand("compute")).unwrap();
    let lists = ["sites", "racks", "devices", "clusters", "virtual_machines", "cables"];
    let lists: Vec<String> =
        lists.map(|list| format!("{{ list: {list}, url: '{url}/api/{list}/', items: results, next: next }}")).into();
    let config = format!(
        "cmdb:\n  every: 1s\n  feeds:\n  - {{ name: netbox, mapping: {}, token_file: {}, token_prefix: 'Token ', lists: [{}] }}\n  \
         - {{ name: hand, file: {} }}\n",
        project().join("topology/mappings/netbox.yaml").display(),
        token.display(),
        lists.join(", "),
        hand.display()
    );
    let setup = Setup::new(folder.path(), &config);
    let client = client();
    let mut program = setup.start(&[]);
    program.answers(&client).await;
    // All pages of one feed, and what the other one adds to one of its CIs.
    setup.until(&client, "/api/v1/topology", "both feeds are in force", |told| told["cis"] == 6).await;
    let list = setup.get(&client, "/api/v1/topology/cis?q=10.0.0.11").await.unwrap();
    let path = format!("/api/v1/topology/cis/{}", list["items"][0]["id"].as_str().unwrap().replace('/', "%2F"));
    let owned = |by: &'static str| move |ci: &Value| ci["owner_team"] == by && ci["labels"]["feeds"] == "netbox,hand";
    setup.until(&client, &path, "the merged CI", owned("compute")).await;
    until_told(&setup, &client, "").await;
    refuses.store(true, Ordering::Relaxed);
    let told = until_told(&setup, &client, "cmdb.feeds: netbox").await;
    assert!(told.contains("look at address and token") && !told.contains("0123"), "{told}");
    // The other feed is still listened to, and what this one said last goes on.
    std::fs::write(&hand, by_hand("network")).unwrap();
    setup.until(&client, &path, "what the other feed says now", owned("network")).await;
    assert_eq!(setup.get(&client, "/api/v1/topology").await.unwrap()["cis"], 6);
    refuses.store(false, Ordering::Relaxed);
    until_told(&setup, &client, "").await;
    program.stop();
}
