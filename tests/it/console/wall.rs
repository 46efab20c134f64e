//! The wall screen: everything on one screen at 1080p and 4K, readable from afar, live, and loud when it is old.

use reqwest::Method;
use serde_json::{Value, json};

use super::driver::Browser;
use super::served::Served;
use super::{check_quiet, largest, sign_in};
use crate::nats::proxy::Proxy;

#[tokio::test(flavor = "multi_thread")]
async fn the_wall_fits_is_live_and_says_when_it_is_old() {
    let served = Served::start();
    let line = Proxy::start(served.port());
    let base = format!("http://127.0.0.1:{}", line.port);
    let token = served.token("viewer", "wall");
    let browser = Browser::open("zh-CN").await;
    browser.screen(1920, 1080).await;
    sign_in(&browser, &base, &token).await;
    browser.go(&format!("{base}/wall")).await;
    browser.sees("一切正常").await;
    served.storm(0..800).await;

    // What it says is what the API says.
    browser.wait("document.querySelectorAll('.w-list li').length > 3").await;
    let settled = async || {
        let overview = served.get(&token, "/api/v1/overview").await;
        let n = |value: &serde_json::Value| value.as_u64().unwrap().to_string();
        (n(&overview["open"]), n(&overview["by_severity"]["critical"]), n(&overview["funnel"]["events"]))
    };
    let (open, critical, events) = settled().await;
    browser.wait(&format!("document.querySelector('.w-total b').textContent === '{open}'")).await;
    browser.wait(&format!("document.querySelector('.w-sev.s-critical b').textContent === '{critical}'")).await;
    browser.wait(&format!("document.querySelector('.w-step b').textContent.replace(',', '') === '{events}'")).await;
    let estate = served.get(&token, "/api/v1/topology/health").await;
    let hot = estate["hot"][0]["ci"]["name"].as_str().unwrap();
    browser.wait(&format!("document.querySelector('.w-hot strong')?.textContent === '{hot}'")).await;

    for (width, height) in [(1920, 1080), (3840, 2160)] {
        browser.screen(width, height).await;
        browser.wait(&format!("innerWidth === {width}")).await;
        let fits = "document.documentElement.scrollHeight <= innerHeight && document.documentElement.scrollWidth <= innerWidth";
        assert_eq!(browser.read(fits).await, true, "{width}×{height} scrolls");
        let inside = "[...document.querySelectorAll('.wall > *')].every((part) => { const box = part.getBoundingClientRect(); return box.bottom <= innerHeight + 1 && box.right <= innerWidth + 1 && box.height > 0; })";
        assert_eq!(browser.read(inside).await, true, "{width}×{height}: a part is cut off");
        // The smallest text is a seventieth of the screen's height, the counts a twelfth.
        let smallest = "Math.min(...[...document.querySelectorAll('.wall b, .wall strong, .wall i, .wall small, .wall time')].filter((one) => one.textContent.trim() && one.getBoundingClientRect().height).map((one) => parseFloat(getComputedStyle(one).fontSize))) / innerHeight";
        let smallest = browser.read(smallest).await.as_f64().unwrap();
        assert!(smallest > 1.0 / 80.0, "{width}×{height}: text of {:.1} px", smallest * f64::from(height));
        let count = browser
            .read("parseFloat(getComputedStyle(document.querySelector('.w-total b')).fontSize) / innerHeight")
            .await;
        assert!(count.as_f64() > Some(1.0 / 14.0), "{count}");
    }

    // A line that is cut is said across the screen, and comes back by itself.
    line.lead_to(1);
    browser.wait("document.querySelector('.w-stale')").await;
    browser.wait("document.querySelector('.wall.old')").await;
    line.lead_to(served.port());
    browser.wait("!document.querySelector('.w-stale')").await;
    // What failed while the line was cut is complained about by the browser itself.
    drop(browser.complaints().await);
    served.storm(800..1000).await;
    let (open, ..) = settled().await;
    browser.wait(&format!("document.querySelector('.w-total b').textContent === '{open}'")).await;
    check_quiet(&browser, &base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wall_signs_in_again_until_its_token_ends() {
    let served = Served::start();
    let token = served.token("viewer", "wall");
    let browser = Browser::open("en-US").await;
    browser.go(&format!("{}/wall", served.base)).await;
    browser.fill(".login input[name=token]", &token).await;
    browser.click(".login button[type=submit]").await;
    browser.wait("document.querySelector('.w-total')").await;
    browser.run("window.sameDocument = true").await;
    // The session ends, as it does after half an hour in which nobody touches the wall.
    browser.timed("const done = arguments[arguments.length - 1]; fetch('/api/v1/session', { method: 'DELETE' }).then(() => done(true))").await;
    browser.timed("const done = arguments[arguments.length - 1]; const look = () => fetch('/api/v1/session').then((answer) => (answer.ok ? done(true) : setTimeout(look, 200))); look()").await;
    served.storm(0..200).await;
    browser.wait("document.querySelectorAll('.w-list li').length > 0").await;
    assert_eq!(browser.read("window.sameDocument").await, true, "the page was loaded again");
    served.revoke("wall");
    browser.wait("document.querySelector('.login')").await;
}

/// Answers of a path fail while `window.failing` names it.
const FAILING: &str = "const ask = window.fetch;
    window.fetch = (path, options) => (window.failing && String(path).includes(window.failing)
      ? Promise.resolve(new Response(JSON.stringify({ detail: 'out of order' }), { status: 500 })) : ask(path, options));";

/// The order of severities, as the wall's areas show them, from the API's answers.
fn worst<'a>(one: &'a Value, other: &'a Value) -> &'a str {
    let words = ["cleared", "indeterminate", "warning", "minor", "major", "critical"];
    let place = |value: &Value| words.iter().position(|word| value == word).unwrap_or(0);
    words[place(one).max(place(other))]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_area_is_as_bad_as_its_incidents_and_its_alerts() {
    let served = Served::start();
    let (token, viewer) = (served.token("operator", "li.na"), served.token("viewer", "wall"));
    let browser = Browser::open("en-US").await;
    browser.screen(1920, 1080).await;
    sign_in(&browser, &served.base, &viewer).await;
    browser.go(&format!("{}/wall", served.base)).await;
    // Without an incident, but with alerts, nothing is well.
    let area = served.get(&token, "/api/v1/topology/cis/host-00007").await["area"].clone();
    let shows = async |area: &str, state: &str| {
        browser.wait(&format!("document.querySelector('.w-area[data-area={area}].s-{state} .sev-{state}')")).await;
    };
    shows(area.as_str().unwrap(), "cleared").await;
    let odd = json!({ "name": "Odd", "severity": "major", "object": { "name": "host-00007" }, "starts_at": "2026-01-05T00:00:00Z" });
    served.events(&[odd]).await;
    shows(area.as_str().unwrap(), "major").await;
    assert_eq!(served.get(&token, "/api/v1/overview").await["by_area"][area.as_str().unwrap()], 0);

    // An incident that is worse than whatever alerts in its area, as a silent cause of others' alerts may be.
    served.storm(0..800).await;
    let incident = largest(&served, &token).await;
    let path = format!("/api/v1/incidents/{}/severity", incident["id"].as_str().unwrap());
    served.send(Method::POST, &token, &path, &json!({ "severity": "critical" })).await;
    shows(incident["area"].as_str().unwrap(), "critical").await;
    // Each of the five is as bad as the API says.
    let overview = served.get(&token, "/api/v1/overview").await;
    let estate = served.get(&token, "/api/v1/topology/health").await;
    for health in estate["areas"].as_array().unwrap() {
        let area = health["area"].as_str().unwrap();
        shows(area, worst(&overview["worst_by_area"][area], &health["worst"])).await;
    }
    check_quiet(&browser, &served.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_more_than_five_hundred_the_wall_shows_the_most_urgent_however_old_they_are() {
    let served = Served::start();
    let token = served.token("viewer", "wall");
    served.storm(0..400).await;
    served.events(&(0..520).map(super::storm::lone).collect::<Vec<_>>()).await;
    let browser = Browser::open("en-US").await;
    browser.screen(1920, 1080).await;
    sign_in(&browser, &served.base, &token).await;
    browser.go(&format!("{}/wall", served.base)).await;
    let open = loop {
        let overview = served.get(&token, "/api/v1/overview").await;
        if overview["open"].as_u64() > Some(520) && served.get(&token, "/api/v1/conservation").await["pending"] == 0 {
            break overview["open"].as_u64().unwrap();
        }
        tokio::task::yield_now().await;
    };
    let urgent = served
        .get(&token, "/api/v1/incidents?state=abnormal&state=recovering&state=recovered&sort=urgent&limit=8")
        .await;
    let ids: Vec<&str> = urgent["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    let newest =
        served.get(&token, "/api/v1/incidents?state=abnormal&state=recovering&state=recovered&limit=500").await;
    assert!(!newest["items"].as_array().unwrap().iter().any(|one| one["id"] == ids[0]), "it is none of the newest");
    let shown = "JSON.stringify([...document.querySelectorAll('.w-list li')].map((one) => one.dataset.id))";
    browser.wait(&format!("{shown} === {}", json!(json!(ids).to_string()))).await;
    browser.wait(&format!("document.querySelector('.w-more').textContent.startsWith('{} more')", open - 8)).await;
    check_quiet(&browser, &served.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_said_on_the_wall_and_on_the_board() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    served.storm(0..200).await;
    let browser = Browser::open("en-US").await;
    browser.before(FAILING).await;
    browser.screen(1920, 1080).await;
    sign_in(&browser, &served.base, &token).await;
    let fails = async |path: &str| browser.run(&format!("window.failing = '{path}'")).await;
    fails("/overview").await;
    browser.wait("document.querySelector('.notice.nobody')?.textContent.includes('out of order')").await;
    browser.go(&format!("{}/wall", served.base)).await;
    browser.wait("document.querySelector('.w-total')").await;
    for (path, name) in
        [("/overview", "numbers"), ("/topology/health", "Health by layer"), ("/api/v1/sources", "Sources")]
    {
        fails(path).await;
        let said = "document.querySelector('.w-unread')?.textContent";
        browser.wait(&format!("{said}.includes('{name}') && {said}.includes('out of order')")).await;
        fails("").await;
        browser.wait("!document.querySelector('.w-unread')").await;
    }
    check_quiet(&browser, &served.base).await;
}
