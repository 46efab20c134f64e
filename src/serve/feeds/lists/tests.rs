//! CMDBs that count their pages, each as its documentation says.

use std::collections::BTreeMap;

use axum::extract::Query;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use super::*;

type Parameters = Query<BTreeMap<String, String>>;

/// Items of every list, and of a page.
const ALL: usize = 5;
const PAGE: usize = 2;

fn items(from: usize) -> Vec<Value> {
    (from..ALL.min(from + PAGE)).map(|n| json!({ "id": n })).collect()
}

fn number(parameters: &BTreeMap<String, String>, name: &str) -> usize {
    parameters.get(name).and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// BlueKing CMDB: a POST, whose body says where the page starts.
async fn blueking(Json(asked): Json<Value>) -> Json<Value> {
    assert_eq!(asked["fields"], json!(["bk_host_id"]), "the rest of the body stays: {asked}");
    let start = asked["page"]["start"].as_u64().unwrap_or_default() as usize;
    Json(json!({ "result": true, "code": 0, "data": { "count": ALL, "info": items(start) } }))
}

/// ServiceNow's Table API: the next page stands in a header.
async fn servicenow(Query(asked): Parameters) -> impl IntoResponse {
    let offset = number(&asked, "sysparm_offset");
    let link = format!(
        "</now?sysparm_limit=2&sysparm_offset=0>;rel=\"first\",</now?sysparm_limit=2&sysparm_offset={}>;rel=\"next\"",
        offset + PAGE
    );
    let mut headers = HeaderMap::new();
    if offset + PAGE < ALL {
        headers.insert(LINK, link.parse().unwrap());
    }
    (headers, Json(json!({ "result": items(offset) })))
}

/// veops CMDB: pages are counted from 1; `total` is what the page holds.
async fn veops(Query(asked): Parameters) -> Json<Value> {
    let found = items((number(&asked, "page").max(1) - 1) * PAGE);
    Json(json!({ "numfound": ALL, "total": found.len(), "page": 1, "result": found }))
}

/// Kubernetes: each answer says what to give back for the next page.
async fn kubernetes(Query(asked): Parameters) -> Json<Value> {
    let from = number(&asked, "continue");
    let next = if from + PAGE < ALL { (from + PAGE).to_string() } else { String::new() };
    Json(json!({ "kind": "PodList", "metadata": { "continue": next }, "items": items(from) }))
}

/// One that knows no pages.
async fn deaf() -> Json<Value> {
    Json(json!({ "results": items(0) }))
}

async fn address() -> String {
    let routes = Router::new()
        .route("/bk", post(blueking))
        .route("/now", get(servicenow))
        .route("/veops", get(veops))
        .route("/pods", get(kubernetes))
        .route("/deaf", get(deaf));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    format!("http://{address}")
}

/// How many items came, or why none did.
async fn asked(list: Value) -> Result<usize, String> {
    let list: ListSettings = serde_json::from_value(list).unwrap();
    let settings =
        json!({ "every": "1h", "token_header": "authorization", "token_prefix": "", "lists": [], "feeds": [] });
    let settings: Settings = serde_json::from_value(settings).unwrap();
    let lists = Lists::new(&settings, &[list], None).map_err(|error| format!("{error:#}"))?;
    let document = lists.document().await.map_err(|error| format!("{error:#}"))?;
    let document: Value = serde_json::from_slice(&document).unwrap();
    let ids: Vec<u64> = document["x"].as_array().unwrap().iter().map(|item| item["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, (0..ids.len() as u64).collect::<Vec<_>>(), "each once and in order");
    Ok(ids.len())
}

#[tokio::test]
async fn all_pages_come_however_a_cmdb_counts_them() {
    let url = address().await;
    let body = json!({ "fields": ["bk_host_id"], "page": { "start": 0, "limit": PAGE } });
    let page = json!({ "at": "page.start", "from_item": 0 });
    let blueking = json!({ "list": "x", "url": format!("{url}/bk"), "body": body, "items": "data.info", "page": page });
    assert_eq!(asked(blueking).await, Ok(ALL));
    let servicenow = json!({ "list": "x", "url": format!("{url}/now?sysparm_limit=2"), "items": "result" });
    assert_eq!(asked(servicenow).await, Ok(ALL));
    let page = json!({ "at": "page", "from_page": 1 });
    let veops = json!({ "list": "x", "url": format!("{url}/veops?count=2"), "items": "result", "page": page });
    assert_eq!(asked(veops).await, Ok(ALL));
    let page = json!({ "at": "continue", "copies": "metadata.continue" });
    let pods = json!({ "list": "x", "url": format!("{url}/pods?limit=2"), "items": "items", "page": page });
    assert_eq!(asked(pods).await, Ok(ALL));
}

#[tokio::test]
async fn a_part_is_never_taken_for_the_whole() {
    let url = address().await;
    let refused = async |list: Value| asked(list).await.unwrap_err();
    let first = json!({ "list": "x", "url": format!("{url}/veops"), "items": "result" });
    assert!(refused(first).await.contains("2 of 5 items came: set `next` or `page`"));
    let page = json!({ "at": "offset", "from_item": 0 });
    let deaf = json!({ "list": "x", "url": format!("{url}/deaf"), "items": "results", "page": page });
    assert!(refused(deaf).await.contains("page 2 is the page before it: look at `page.at`"));
    let both = json!({ "list": "x", "url": url, "page": { "at": "p", "from_item": 0, "from_page": 1 } });
    assert!(refused(both).await.contains("one of from_item, from_page and copies"));
}
