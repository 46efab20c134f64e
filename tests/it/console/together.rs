//! Two operators at once, and an operator whose line is cut while things happen.

use serde_json::json;

use super::driver::Browser;
use super::served::Served;
use super::{ROWS, check_quiet, largest, sign_in};
use crate::nats::proxy::Proxy;

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_see_each_other_and_the_second_is_told() {
    let served = Served::start();
    let (li, wang) = (served.token("operator", "li.na"), served.token("operator", "wang.wei"));
    served.storm(0..400).await;
    let (first, second) = (Browser::open("en-US").await, Browser::open("zh-CN").await);
    sign_in(&first, &served.base, &li).await;
    sign_in(&second, &served.base, &wang).await;
    let incident = largest(&served, &li).await;
    let id = incident["id"].as_str().unwrap();
    for browser in [&first, &second] {
        browser.go(&format!("{}/incidents/{id}", served.base)).await;
        browser.wait("document.querySelector('[data-act=acknowledge]')").await;
    }
    // What one does, the other sees without doing anything.
    first.click("[data-act=acknowledge]").await;
    second.wait("document.querySelector('.head .state-processing')").await;
    second.wait("document.querySelector('.head').innerText.includes('li.na')").await;
    second.click("[data-act=assign]").await;
    second.fill("dialog input[name=assignee]", "wang.wei").await;
    second.click("dialog button[type=submit]").await;
    first.wait("document.querySelector('.head').innerText.includes('wang.wei')").await;

    // Both close it at the same moment: one does, and the other is told what has become of it.
    for browser in [&first, &second] {
        browser.click("[data-act=close]").await;
        browser.wait("document.querySelector('dialog button[type=submit]')").await;
    }
    tokio::join!(first.click("dialog button[type=submit]"), second.click("dialog button[type=submit]"));
    for browser in [&first, &second] {
        browser.wait("document.querySelector('.head .state-closed')").await;
        browser.wait("document.querySelector('.toast.good, .toast.bad')").await;
    }
    let timeline = served.get(&li, &format!("/api/v1/incidents/{id}/timeline?limit=500")).await;
    let closed = timeline["items"].as_array().unwrap().iter().filter(|entry| entry["kind"] == "closed").count();
    assert_eq!(closed, 1, "{timeline}");
    check_quiet(&first, &served.base).await;
    check_quiet(&second, &served.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_feed_says_so_and_misses_nothing() {
    let served = Served::start();
    let line = Proxy::start(served.port());
    let base = format!("http://127.0.0.1:{}", line.port);
    let token = served.token("operator", "li.na");
    served.storm(0..300).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &base, &token).await;
    browser.wait(&format!("{ROWS} > 0")).await;
    browser.run("window.sameDocument = true").await;

    // Cut, with nothing behind the line; the storm goes on meanwhile, and an incident is handled elsewhere.
    line.lead_to(1);
    browser.wait("document.querySelector('.feedbar')").await;
    browser.sees("Connection lost").await;
    served.storm(300..1000).await;
    let incident = largest(&served, &token).await;
    let id = incident["id"].as_str().unwrap();
    served.send(reqwest::Method::POST, &token, &format!("/api/v1/incidents/{id}/acknowledge"), &json!({})).await;
    line.lead_to(served.port());
    browser.wait("!document.querySelector('.feedbar') && !document.querySelector('.live.lost')").await;

    // The board is what the API says, without having been loaded again.
    let list = served.get(&token, "/api/v1/incidents?state=abnormal&state=recovering&state=recovered&limit=500").await;
    let ids: Vec<&str> = list["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    let shown = format!(
        "JSON.stringify([...document.querySelectorAll('tr[data-id]')].map((row) => row.dataset.id).sort()) === JSON.stringify({}.sort())",
        json!(ids)
    );
    browser.wait(&shown).await;
    browser.wait(&format!("document.querySelector('tr[data-id=\"{id}\"] .state-processing')")).await;
    assert_eq!(browser.read("window.sameDocument").await, true, "the page was loaded again");

    // A short cut is no news, and costs nothing.
    line.cut();
    served.storm(1000..1200).await;
    let events = served.get(&token, "/api/v1/overview").await["funnel"]["events"].as_u64().unwrap();
    browser.wait(&format!("Number(document.querySelector('.steps b').textContent.replace(',', '')) >= {events}")).await;
    assert_eq!(browser.read("document.querySelector('.feedbar')").await, serde_json::Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tabs_of_one_browser_are_all_live() {
    const TABS: usize = 9;
    let served = Served::start();
    let token = served.token("operator", "li.na");
    served.storm(0..200).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    // Over plain HTTP a browser opens six connections to a host: nine tabs with a feed each would leave none.
    for _ in 1..TABS {
        browser.tab().await;
        browser.go(&served.base).await;
        browser.wait(&format!("{ROWS} > 0")).await;
        browser.wait("document.querySelector('.live') && !document.querySelector('.live.lost')").await;
    }
    served.storm(200..400).await;
    let events = served.get(&token, "/api/v1/overview").await["funnel"]["events"].as_u64().unwrap();
    browser.wait(&format!("Number(document.querySelector('.steps b').textContent.replace(',', '')) >= {events}")).await;
    browser.go(&format!("{}/audit", served.base)).await;
    browser.sees("Who ordered what").await;
}
