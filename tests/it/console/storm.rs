//! The console under load: an operator works while ten thousand events arrive, ten thousand open incidents are filtered,
//! and what a first look costs.

use std::time::Instant;

use serde_json::{Value, json};

use super::driver::Browser;
use super::served::Served;
use super::{ROWS, check_quiet, sign_in};

const EVENTS: usize = 10_000;
const OPEN: usize = 10_000;
/// The budget of a first look, bytes over the line.
const FIRST_BYTES_MAX: f64 = 300.0 * 1024.0;

/// When something was seen first, in milliseconds after the page was asked for.
const PAINTED: &str = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0";

/// Bytes over the line of everything so far.
const WHOLE: &str = "performance.getEntriesByType('navigation').concat(performance.getEntriesByType('resource')).filter((one) => !one.name.includes('/feed')).reduce((sum, one) => sum + one.transferSize, 0)";

/// Bytes over the line of what was asked for before the second page of incidents was.
const FIRST_VIEW: &str = "(() => {
  const all = performance.getEntriesByType('navigation').concat(performance.getEntriesByType('resource')).filter((one) => !one.name.includes('/feed'));
  const rest = Math.min(...all.filter((one) => one.name.includes('/api/v1/incidents?') && one.name.includes('after=')).map((one) => one.startTime));
  return all.filter((one) => one.startTime < rest).reduce((sum, one) => sum + one.transferSize, 0);
})()";

/// A storm: many objects, each with its own condition, which comes again and again.
fn repeated(n: usize) -> Value {
    json!({ "name": format!("Link {} is down", n % 60), "title": format!("uplink {} is down", n % 60), "severity": if n.is_multiple_of(7) { "critical" } else { "major" },
        "object": { "name": format!("switch-{}", n % 60) }, "starts_at": "2026-01-05T00:00:00Z", "id": format!("storm-{n}") })
}

/// A lone critical alert of an object that the CMDB does not know: an incident of its own.
pub fn lone(n: usize) -> Value {
    json!({ "name": format!("Service {n} is down"), "title": format!("service {n} is down"), "severity": "critical",
        "object": { "name": format!("service-{n}") }, "starts_at": "2026-01-05T00:00:00Z" })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_works_while_ten_thousand_events_arrive() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    served.storm(0..800).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.wait(&format!("{ROWS} > 5")).await;
    let before = served.get(&token, "/api/v1/overview").await["funnel"]["events"].as_u64().unwrap();
    let events: Vec<Value> = (0..EVENTS).map(repeated).collect();
    let (storm, work) = (served.events(&events), work(&served, &browser, &token));
    tokio::join!(storm, work);

    // In the end the screen says what the API says.
    let overview = served.get(&token, "/api/v1/overview").await;
    let seen = overview["funnel"]["events"].as_u64().unwrap();
    assert_eq!(seen, before + EVENTS as u64);
    browser.go(&served.base).await;
    browser.wait(&format!("document.querySelector('.steps b').textContent.replaceAll(',', '') === '{seen}'")).await;
    let open = overview["open"].as_u64().unwrap();
    browser.wait(&format!("document.querySelector('table.board').getAttribute('aria-rowcount') === '{open}'")).await;
    let law = served.get(&token, "/api/v1/conservation").await;
    assert_eq!(law["balanced"], true, "{law}");
    check_quiet(&browser, &served.base).await;
}

/// Acknowledges, merges and splits through the console.
async fn work(served: &Served, browser: &Browser, token: &str) {
    let list = served.get(token, "/api/v1/incidents?state=abnormal&limit=500").await;
    let mut items: Vec<Value> = list["items"].as_array().unwrap().clone();
    items.sort_by_key(|one| std::cmp::Reverse(one["alert_count"].as_u64()));
    let id = |n: usize| items[n]["id"].as_str().unwrap().to_owned();
    let (large, other) = (id(0), id(1));
    browser.go(&format!("{}/incidents/{large}", served.base)).await;
    browser.click("[data-act=acknowledge]").await;
    browser
        .wait("document.querySelector('.head .state-processing, .head .state-recovering, .head .state-recovered')")
        .await;
    browser.wait("document.querySelectorAll('.members tbody tr').length > 1").await;
    browser.click(".members tbody tr:not(.space) .pickone input").await;
    browser.click("[data-act=split]").await;
    browser.wait("document.querySelector('.tl-split')?.innerText.includes('li.na')").await;
    browser.go(&format!("{}/incidents/{other}", served.base)).await;
    super::menu(browser, "merge").await;
    browser.click(&format!("dialog option[value='{large}']")).await;
    browser.click("dialog button[type=submit]").await;
    browser.wait("document.querySelector('.notice a')?.textContent").await;
}

/// How long the board takes to answer a change of its filter, until it is drawn, in milliseconds.
const TIMED: &str = "const done = arguments[arguments.length - 1];
  const settle = (act) => new Promise((resolve) => { const began = performance.now(); act(); requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - began))); });
  const type = (text) => settle(() => { const field = document.getElementById('search'); field.value = text; field.dispatchEvent(new Event('input', { bubbles: true })); });
  const choose = (word) => settle(() => { const field = [...document.querySelectorAll('.filters select')].find((one) => [...one.options].some((option) => option.value === 'critical')); field.value = word; field.dispatchEvent(new Event('change', { bubbles: true })); });
  (async () => { const times = []; for (let round = 0; round < 5; round += 1) { for (const text of ['service 99', 'service 1234', '', 'switch']) times.push(await type(text)); await type(''); for (const word of ['critical', 'major', '']) times.push(await choose(word)); } done(times); })();";

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_open_incidents_are_filtered_at_once() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    served.events(&(0..OPEN).map(lone).collect::<Vec<_>>()).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser
        .wait(&format!("Number(document.querySelector('.strip .all').textContent.replaceAll(',', '')) === {OPEN}"))
        .await;
    browser.wait(&format!("document.querySelector('table.board').getAttribute('aria-rowcount') === '{OPEN}'")).await;
    assert!(browser.read(ROWS).await.as_u64() < Some(200), "only the rows in sight are in the page");
    let times = browser.timed(TIMED).await;
    let times: Vec<f64> = times.as_array().unwrap().iter().map(|one| one.as_f64().unwrap()).collect();
    let mut sorted = times.clone();
    sorted.sort_by(f64::total_cmp);
    // A loaded machine with a debug build; `docs/console.md` has what a calm one takes.
    assert!(sorted[sorted.len() / 2] < 1_000.0, "filters take {times:?} ms");
    let of = |per_cent: usize| sorted[(sorted.len() - 1) * per_cent / 100].round();
    eprintln!("a filter of {OPEN} is drawn after {} ms (median), {} (90 %), {} (most)", of(50), of(90), of(100));
    browser.fill("#search", "service 9999 ").await;
    browser.wait("document.querySelector('table.board').getAttribute('aria-rowcount') === '1'").await;
    browser.run("document.getElementById('search').blur(); scrollTo(0, 0)").await;
    // A browser that has seen nothing yet: what it gets until the first rows show, and only then the rest.
    browser.forget().await;
    browser.go(&served.base).await;
    browser.wait(&format!("{ROWS} > 5")).await;
    let (rows, painted) = (browser.read("performance.now()").await, browser.read(PAINTED).await);
    browser.wait(&format!("document.querySelector('table.board')?.getAttribute('aria-rowcount') === '{OPEN}'")).await;
    let all = browser.read("performance.now()").await;
    eprintln!("painted after {painted} ms, rows after {rows} at most, all {OPEN} after {all} at most");
    let first = browser.read(FIRST_VIEW).await.as_f64().unwrap();
    assert!(first > 10_000.0 && first < FIRST_BYTES_MAX, "a first look at {OPEN} incidents transfers {first} bytes");
    let whole = browser.read(WHOLE).await;
    eprintln!("{first} bytes until the rows show, {whole} when all are there");
    browser.run("scrollTo(0, document.documentElement.scrollHeight)").await;
    browser.wait("[...document.querySelectorAll('table.board .what a')].some((one) => one.textContent.includes('service 0 ') || one.textContent.endsWith('service 0 is down'))").await;

    // A new one is on the screen within a second or so of being sent.
    browser.run("scrollTo(0, 0)").await;
    let began = Instant::now();
    served.events(&[json!({ "name": "New", "title": "entirely new", "severity": "critical", "object": { "name": "brand-new" }, "starts_at": "2026-01-05T00:00:00Z" })]).await;
    browser.sees("entirely new").await;
    let shown = began.elapsed();
    assert!(shown.as_millis() < 10_000, "a new incident came to the screen after {shown:?}");
    eprintln!("a new incident is on the screen {shown:?} after it was sent");
    let heap = browser.read("performance.memory.usedJSHeapSize").await.as_f64().unwrap();
    assert!(heap < 200.0 * 1024.0 * 1024.0, "the page holds {heap} bytes");
    eprintln!("the page holds {heap} bytes");
    check_quiet(&browser, &served.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_look_is_small_and_leaves_the_graph_for_later() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    served.storm(0..400).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    // A browser that has seen nothing yet, but is signed in.
    browser.forget().await;
    browser.go(&served.base).await;
    browser.wait(&format!("{ROWS} > 3")).await;
    let bytes = browser.read(WHOLE).await.as_f64().unwrap();
    assert!(bytes > 10_000.0 && bytes < FIRST_BYTES_MAX, "a first look transfers {bytes} bytes");
    let graph = "performance.getEntriesByType('resource').some((one) => one.name.includes('cytoscape'))";
    assert_eq!(browser.read(graph).await, false, "the graph library is loaded when it is needed");
    let painted = browser.read(PAINTED).await.as_f64().unwrap();
    assert!(painted < 10_000.0, "the first paint came after {painted} ms");
}
