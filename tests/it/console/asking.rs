//! Why something is where it is, and why something else did not happen: the answers of the engine, on the screen.

use serde_json::json;

use super::driver::Browser;
use super::served::Served;
use super::{check_quiet, largest, sign_in};

#[tokio::test(flavor = "multi_thread")]
async fn the_story_of_an_alert_begins_with_why_it_is_in_its_incident() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    served.storm(0..800).await;
    let incident = largest(&served, &token).await;
    let id = incident["id"].as_str().unwrap();
    let members = served.get(&token, &format!("/api/v1/incidents/{id}/members?limit=500")).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    let (mut joined, mut repeated) = (0, 0);
    for alert in members["items"].as_array().unwrap().iter().take(12) {
        let alert = alert["id"].as_str().unwrap();
        let story = served.get(&token, &format!("/api/v1/why-not?alert={alert}&path=true")).await;
        let because = story["reasons"][1]["en"].as_str().unwrap();
        if !because.starts_with("it is in there because of") {
            continue;
        }
        joined += 1;
        browser.go(&format!("{}/why/{alert}", served.base)).await;
        browser.wait(&format!("document.querySelector('.story .lead a')?.textContent === '{id}'")).await;
        browser.wait(&format!("document.querySelector('.story').innerText.includes({})", json!(because))).await;
        // A silent cause has been inferred: no link to it was weighed.
        let weighed = story["path"].as_array().unwrap().iter().filter(|link| link["evidence"] != json!([])).count();
        browser.wait(&format!("document.querySelectorAll('.story .weighed .sum').length === {weighed}")).await;
        // Its records: a repeat says that it is one, an incident is named once, and no stage twice.
        let why = served.get(&token, &format!("/api/v1/alerts/{alert}/why")).await;
        let records = why["events"].as_array().unwrap();
        browser.wait(&format!("document.querySelectorAll('.verdict .tag.strong').length === {}", records.len())).await;
        let text = browser.read("document.querySelector('.stack').innerText").await;
        let text = text.as_str().unwrap();
        assert!(!text.contains("No step was recorded") && !text.contains(&format!("{id} {id}")), "{text}");
        assert!(
            !text.contains("Correlation: does not apply") && !text.contains("did not match Correlation\n"),
            "{text}"
        );
        if records.iter().any(|one| one["verdict"] == "duplicate") {
            repeated += 1;
            assert!(text.contains("A repeat is counted"), "{text}");
        }
        if repeated > 0 {
            break;
        }
    }
    assert!(joined > 0, "no member was joined by another one");
    check_quiet(&browser, &served.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn why_not_is_asked_and_answered_on_the_page() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    served.storm(0..800).await;
    let incident = largest(&served, &token).await;
    let id = incident["id"].as_str().unwrap();
    let list = served.get(&token, "/api/v1/incidents?state=abnormal&limit=500").await;
    let other = list["items"].as_array().unwrap().iter().find(|one| one["id"] != id).unwrap()["id"].as_str().unwrap();
    let members = served.get(&token, &format!("/api/v1/incidents/{other}/members?limit=1")).await;
    let foreign = members["items"][0]["id"].as_str().unwrap();
    let detail = served.get(&token, &format!("/api/v1/incidents/{id}")).await;
    let second = detail["candidates"][1]["ci"]["id"].as_str().unwrap();
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.go(&format!("{}/incidents/{id}", served.base)).await;
    let answer = async |query: &str| {
        let found = served.get(&token, &format!("/api/v1/why-not?{query}")).await;
        found["reasons"][0]["en"].as_str().unwrap().to_owned()
    };
    // Word for word, but for moments: they are told in the zone that is shown.
    let sees = async |reason: &str| {
        let words = format!("{}.split(/\\d{{4}}-\\d\\d-\\d\\dT[\\d:.]+Z/)", json!(reason));
        let told = "document.querySelector('.whynot .reasons li').textContent";
        browser.wait(&format!("{words}.every((part) => {told}.includes(part)) && !/\\dT\\d/.test({told})")).await;
    };
    // Why an alert of another incident is not in this one, why the second candidate is not the root, and who was told.
    browser.fill(".whynot input[name=alert]", foreign).await;
    browser.click("[data-ask=alert]").await;
    sees(&answer(&format!("incident={id}&alert={foreign}")).await).await;
    browser.fill(".whynot input[name=ci]", second).await;
    browser.click("[data-ask=ci]").await;
    sees(&answer(&format!("incident={id}&ci={second}")).await).await;
    browser.wait("document.querySelector('.whynot .weighed .sum')").await;
    browser.click("[data-ask=told]").await;
    sees(&answer(&format!("incident={id}")).await).await;
    // What is no id is said, not swallowed.
    browser.fill(".whynot input[name=ci]", "-nowhere").await;
    browser.click("[data-ask=ci]").await;
    browser.wait("document.querySelector('.whynot .reasons li, .whynot p.dim')?.textContent.includes('nowhere')").await;
    browser.go(&format!("{}/why/{foreign}", served.base)).await;
    browser.click("[data-ask=told]").await;
    sees(&answer(&format!("alert={foreign}")).await).await;
    check_quiet(&browser, &served.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_source_said_of_an_alert_stands_on_its_page() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    let event = json!({
        "name": "DiskFull", "severity": "major", "object": { "name": "db-9" }, "starts_at": "2026-01-05T00:00:00Z",
        "description": "/data holds 97 % of 2 TiB", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "links": ["https://grafana.example/d/disk"], "proposed_repair": "extend the volume",
        "annotations": { "runbook_url": "https://wiki.example/disk", "note": "javascript:alert(1)" },
        "metric": { "name": "disk.used", "value": 97.25, "unit": "%", "threshold": 90.0 }
    });
    served.events(std::slice::from_ref(&event)).await;
    let alert = loop {
        let list = served.get(&token, "/api/v1/alerts?q=DiskFull").await;
        if let Some(id) = list["items"][0]["id"].as_str() {
            break id.to_owned();
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.go(&format!("{}/why/{alert}", served.base)).await;
    browser.wait("document.querySelector('.said')").await;
    let text = browser.read("document.querySelector('.said').innerText").await;
    for wanted in
        ["/data holds 97 % of 2 TiB", "disk.used = 97.25 % (threshold 90)", "extend the volume", "4bf92f3577b3"]
    {
        assert!(text.as_str().unwrap().contains(wanted), "{wanted}: {text}");
    }
    let links = browser.read("[...document.querySelectorAll('.said a')].map((one) => one.href).join(' ')").await;
    assert_eq!(links, "https://wiki.example/disk https://grafana.example/d/disk");
    check_quiet(&browser, &served.base).await;
}
