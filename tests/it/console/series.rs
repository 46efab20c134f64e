//! Metrics in the console: a series with what is usual of it, the alerts that came of it, and the same chart where the
//! incident is handled; what a post-mortem and a handover begin from.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

use super::driver::Browser;
use super::served::Served;
use super::{check_quiet, largest, sign_in};

/// Readings of one series that ends far above what is usual: one a minute for so many minutes, up to now.
pub fn readings(object: &str, minutes: i64) -> Vec<Value> {
    const UNUSUAL: i64 = 4;
    let reading = |n: i64| {
        let at = Utc::now() - TimeDelta::minutes(minutes - n);
        // It moves a little, always the same way.
        let usual = 0.2 + 0.01 * ((n * 7) % 5) as f64;
        let value = if n > minutes - UNUSUAL { 9.0 } else { usual };
        json!({ "name": "http_request_duration_seconds", "object": { "name": object }, "labels": { "quantile": "0.99" },
            "value": value, "at": at.to_rfc3339() })
    };
    (1..=minutes).map(reading).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_shows_what_was_usual_and_what_came_of_it() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    served.points(&readings("host-00007", 70)).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.click(".top nav a[href='/topology']").await;
    browser.click(".subnav a[href='/series']").await;
    browser.wait("document.querySelector('table.series-list tbody').innerText.includes('unusual latency')").await;
    browser.click(".filters .switch button:nth-child(2)").await;
    browser.fill("#search", "HOST-00007").await;
    browser.wait("document.querySelectorAll('table.series-list tbody tr').length === 1").await;
    browser.click("table.series-list tbody a").await;

    // The chart has every reading that the API has; the last one is told in words.
    let list = served.get(&token, "/api/v1/series?object=host-00007&object=nobody").await;
    let id = list["items"][0]["id"].as_str().unwrap();
    let series = served.get(&token, &format!("/api/v1/series/{id}")).await;
    let samples = series["samples"].as_array().unwrap();
    browser.wait(&format!("document.querySelector('.series-chart').dataset.drawn === '{}'", samples.len())).await;
    browser.wait("document.querySelectorAll('.series-chart canvas').length === 2").await;
    let last = samples.last().unwrap();
    assert_eq!((last["value"].as_f64(), last["unusual"].as_bool()), (Some(9.0), Some(true)), "{last}");
    assert!(last["expected"].as_f64() < Some(0.3), "what was usual does not follow: {last}");
    browser.wait(&format!("document.querySelector('.series-at.bad').textContent.includes(': 9 ') && document.querySelector('.series-at').textContent.includes('score {}')", last["score"])).await;

    // What came of it leads to the incident, where the same chart stands.
    browser.sees("unusual latency").await;
    browser.click(".relations a[href^='/incidents/']").await;
    browser.wait("document.querySelector('.metric-charts .series-chart[data-drawn]')").await;
    browser.wait(&format!("document.querySelector('.metric-charts h3 a').pathname === '/series/{id}'")).await;
    browser.go(&format!("{}/topology/host-00007", served.base)).await;
    browser.wait("document.querySelector('.metric-charts .series-chart[data-drawn]')").await;
    check_quiet(&browser, &served.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_mortem_and_a_handover_are_read_as_the_api_writes_them() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    served.storm(0..400).await;
    let incident = largest(&served, &token).await;
    let id = incident["id"].as_str().unwrap();
    let said = json!({ "text": "waiting for a *spare* part" });
    served.send(reqwest::Method::POST, &token, &format!("/api/v1/incidents/{id}/comment"), &said).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.go(&format!("{}/incidents/{id}", served.base)).await;
    browser.wait("document.querySelector('.tl-commented')").await;
    super::menu(&browser, "postmortem").await;
    browser.wait("document.querySelector('dialog .prose h2').textContent.startsWith('Post-mortem')").await;
    let root = incident["root"]["ci"]["name"].as_str().unwrap();
    browser
        .wait(&format!(
            "[...document.querySelectorAll('dialog .prose b')].some((one) => one.textContent === {})",
            json!(root)
        ))
        .await;
    browser.wait("[...document.querySelectorAll('dialog .prose li')].some((one) => one.textContent.includes('waiting for a *spare* part'))").await;
    // What people write on it is the API's own text.
    browser.click("dialog .switch button:nth-child(2)").await;
    let draft = browser.read("document.querySelector('dialog textarea').value").await;
    let zone = browser.read("localStorage.getItem('zone') ?? 'Asia/Shanghai'").await;
    let path = format!("/api/v1/incidents/{id}/post-mortem?lang=en&zone={}", zone.as_str().unwrap());
    assert_eq!(draft, served.text_as(&token, &path).await);
    browser.click("dialog footer button").await;

    browser.go(&format!("{}/handover", served.base)).await;
    browser.wait("document.querySelector('.handover .prose h2').textContent === 'Shift handover'").await;
    browser
        .wait(&format!(
            "[...document.querySelectorAll('.prose li a')].some((one) => one.pathname === '/incidents/{id}')"
        ))
        .await;
    browser.wait("document.querySelector('.prose li.deeper').textContent.includes('waiting for a *spare* part')").await;
    browser.click(".page-head .switch button:nth-child(3)").await;
    browser.wait("document.querySelector('.page-head .switch button:nth-child(3)').ariaPressed === 'true' && document.querySelector('.prose li')").await;
    check_quiet(&browser, &served.base).await;
}
