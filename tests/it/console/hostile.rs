//! Two hundred hostile texts in every field that is stored, looked at on every page: nothing of them runs, nothing becomes
//! an element, and the policy would have stopped it anyway.

use serde_json::{Value, json};

use super::driver::Browser;
use super::served::Served;
use super::sign_in;

/// What would run: each sets `window.hit`.
const RUNS: [&str; 20] = [
    "<script>window.hit=1</script>",
    "<img src=x onerror=window.hit=1>",
    "<svg onload=window.hit=1>",
    "<svg/onload=window.hit=1>",
    "<iframe srcdoc='<script>parent.hit=1</script>'>",
    "<body onload=window.hit=1>",
    "<details open ontoggle=window.hit=1>x</details>",
    "<input autofocus onfocus=window.hit=1>",
    "<video><source onerror=window.hit=1></video>",
    "<marquee onstart=window.hit=1>x</marquee>",
    "<a href=\"javascript:window.hit=1\">x</a>",
    "<object data='javascript:window.hit=1'>",
    "<math><mtext></table><img src=x onerror=window.hit=1></mtext></math>",
    "<style>@import 'javascript:window.hit=1'</style>",
    "<link rel=stylesheet href='javascript:window.hit=1'>",
    "<meta http-equiv=refresh content='0;url=javascript:window.hit=1'>",
    "<form action=javascript:window.hit=1><button autofocus>x</button></form>",
    "<template><script>window.hit=1</script></template>",
    "{{constructor.constructor('window.hit=1')()}}${window.hit=1}",
    "javascript:window.hit=1",
];
/// How it tries to get out of where it stands.
const ESCAPES: [&str; 10] =
    ["", "\">", "'>", "</textarea>", "</title>", "</script>", "-->", "]]>", "\\\"};window.hit=1;//", "%3C\u{feff}"];

fn payloads() -> Vec<String> {
    RUNS.iter().flat_map(|run| ESCAPES.iter().map(move |escape| format!("{escape}{run}"))).collect()
}

/// The estate with hostile names, classes, sites, teams and departments.
fn cmdb(payloads: &[String]) -> Value {
    let ci = |(n, text): (usize, &String)| {
        json!({ "id": format!("ci-{n} {text}"), "class": if n.is_multiple_of(3) { "server" } else { "virtual_machine" }, "name": format!("n{n} {text}"),
            "site": text, "owner_team": text, "org": text, "keys": [format!("k{n}")] })
    };
    json!({ "cis": payloads.iter().enumerate().map(ci).collect::<Vec<_>>() })
}

fn event((n, text): (usize, &String)) -> Value {
    json!({ "id": format!("id-{n} {text}"), "name": format!("a{n} {text}"), "title": format!("t{n} {text}"), "severity": "critical", "description": text,
        "object": { "name": format!("k{n}") }, "starts_at": "2026-01-05T00:00:00Z",
        "labels": { "l": text }, "annotations": { "a": text } })
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_hostile_texts_in_every_field_run_nowhere() {
    let payloads = payloads();
    assert_eq!(payloads.len(), 200);
    let served = Served::start();
    let token = served.token("admin", "chen");
    served.send(reqwest::Method::PUT, &token, "/api/v1/topology", &cmdb(&payloads)).await;
    served.events(&payloads.iter().enumerate().map(event).collect::<Vec<_>>()).await;
    // What cannot be taken, beside one that can.
    let dead = payloads
        .iter()
        .map(|text| json!({ "name": text, "severity": text, "object": { "name": text }, "starts_at": text }));
    served.events(&dead.take(20).chain([event((0, &payloads[0]))]).collect::<Vec<_>>()).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.wait("document.querySelectorAll('table.board tr[data-id]').length > 20").await;

    // What people write.
    let list = served.get(&token, "/api/v1/incidents?limit=500").await;
    let ids: Vec<String> =
        list["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    let tomorrow = (chrono::Utc::now() + chrono::Duration::days(1)).to_rfc3339();
    let (post, put) = (reqwest::Method::POST, reqwest::Method::PUT);
    for (n, text) in payloads.iter().enumerate() {
        let path = format!("/api/v1/incidents/{}/comment", ids[n % ids.len()]);
        served.send(post.clone(), &token, &path, &json!({ "text": text })).await;
    }
    for (n, text) in payloads.iter().take(40).enumerate() {
        let path = format!("/api/v1/incidents/{}/assign", ids[n % ids.len()]);
        served.send(post.clone(), &token, &path, &json!({ "assignee": text })).await;
        let silence = json!({ "matchers": [[{ "field": "ci", "value": text }]], "ends_at": tomorrow, "comment": text });
        served.send(post.clone(), &token, "/api/v1/silences", &silence).await;
    }
    for (n, text) in payloads.iter().take(40).enumerate() {
        let view = json!({ "name": text.chars().take(60).collect::<String>(), "query": text, "shared": true });
        assert_eq!(served.status(post.clone(), &token, "/api/v1/views", &view).await, 204, "{text}");
        let said = json!({ "says": "false_alarm", "about": ids[n % ids.len()], "note": text });
        served.send(post.clone(), &token, "/api/v1/feedback", &said).await;
        let said = json!({ "says": "missed", "about": text, "note": text });
        served.send(post.clone(), &token, "/api/v1/feedback", &said).await;
    }
    let point = |text: &String| json!({ "name": text, "object": { "name": text }, "labels": { "l": text }, "value": 1.0, "at": chrono::Utc::now().to_rfc3339() });
    served.points(&payloads.iter().take(40).map(point).collect::<Vec<_>>()).await;
    let rules = served.get(&token, "/api/v1/rules").await;
    let mut files = rules["files"].clone();
    let window = |(n, text): (usize, &String)| {
        json!({ "id": format!("w{n}"), "note": text, "match": { "name": format!("x{n}") },
            "schedule": { "once": { "from": "2098-01-01 00:00", "to": "2098-01-02 00:00" }, "zone": "UTC" } })
    };
    let windows: Vec<Value> = payloads.iter().take(40).enumerate().map(window).collect();
    let mutes: Vec<Value> = payloads
        .iter()
        .enumerate()
        .map(|(n, text)| json!({ "id": format!("m{n}"), "match": { "name": format!("x{n}") }, "owner": text }))
        .collect();
    files["hostile.yaml"] = json!(serde_json::to_string(&json!({ "maintenance": windows, "mute": mutes })).unwrap());
    served.send(put, &token, "/api/v1/rules", &json!({ "files": files, "reason": payloads[0] })).await;

    let alerts = served.get(&token, "/api/v1/alerts?limit=1").await;
    let alert = alerts["items"][0]["id"].as_str().unwrap();
    let some_ci = format!("/topology/{}", url_part(&format!("ci-3 {}", payloads[3])));
    let pages = [
        "/",
        "/alerts?show=all",
        "/wall",
        "/silences",
        "/windows",
        "/oncall",
        "/handover",
        "/deliveries",
        "/storm",
        "/series",
        "/topology",
        &some_ci,
        "/rules",
        "/suggestions",
        "/tuning",
        "/reports",
        "/numbers",
        "/system",
        "/dead-letters",
        "/audit",
        "/tokens",
        &format!("/why/{alert}"),
        &format!("/incidents/{}", ids[0]),
        &format!("/incidents/{}", ids[7]),
        &format!("/?q={}", url_part(&payloads[1])),
        &format!("/topology?q={}", url_part(&payloads[1])),
    ];
    for page in pages {
        browser.go(&format!("{}{page}", served.base)).await;
        browser.wait("document.querySelector('main') && !document.querySelector('.coming')").await;
        browser.wait("document.querySelector('main').innerText.length > 40").await;
        // What is folded is looked at, too.
        browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })").await;
        assert_eq!(browser.read("window.hit ?? null").await, Value::Null, "{page}: it ran");
        let injected = "[...document.querySelectorAll('#app script, #app iframe, #app object, #app embed, #app link, #app meta, #app style, #app base, #app video, #app marquee, #app template, #app math, #app img:not([src=\"/assets/icon.svg\"]), #app a[href^=\"javascript\" i]')].map((one) => one.outerHTML.slice(0, 90))";
        assert_eq!(browser.read(injected).await, json!([]), "{page}: it became an element");
        let listening = "[...document.querySelectorAll('#app *')].filter((one) => [...one.attributes].some((attribute) => attribute.name.startsWith('on'))).length";
        assert_eq!(browser.read(listening).await, 0, "{page}: it became an attribute");
    }
    // A report that is read as a page has it as text, too.
    browser.go(&format!("{}/incidents/{}", served.base, ids[0])).await;
    super::menu(&browser, "postmortem").await;
    browser.wait("document.querySelectorAll('dialog .prose li').length > 4").await;
    assert_eq!(browser.read("document.querySelectorAll('.prose script, .prose img, .prose iframe').length").await, 0);
    // The picture has the names as text.
    browser.go(&format!("{}/incidents/{}", served.base, ids[3])).await;
    browser.wait("document.querySelector('.canvas[data-drawn], .graph .empty')").await;
    assert_eq!(browser.read("window.hit ?? null").await, Value::Null);
    // Nothing even tried: the browser would have complained of what the policy stops.
    let stopped: Vec<String> =
        browser.complaints().await.into_iter().filter(|line| line.contains("Content Security Policy")).collect();
    assert!(stopped.is_empty(), "{}", stopped.join("\n"));
}

fn url_part(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
