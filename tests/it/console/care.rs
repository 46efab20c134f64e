//! What is done about an incident beside telling people: an action that waits for a yes, service levels that run, and a
//! storm that holds messages back.

use serde_json::{Value, json};

use super::driver::Browser;
use super::served::Served;
use super::{check_quiet, sign_in};

const RULES: &str = "promote: [{ id: at-once, after: now }]
actions:
  - { id: restart, match: { name: Down }, run: restart_service, with: { unit: nginx }, executor: ops, classes: [server], approval: { within: 10m },
      observe_only: false }
service_levels: [{ id: vital, acknowledge: 15m, resolve: 4h }]
settings: { storm_mode: { incidents: 3, within: 1m, calm: 5m, every: 5m } }
routes: [{ id: all, receivers: [room] }]
";

fn event(name: &str, object: &str, severity: &str) -> Value {
    json!({ "name": name, "title": format!("{object} {name}"), "severity": severity, "object": { "name": object }, "starts_at": "2026-01-05T00:00:00Z" })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_waits_for_a_yes_and_a_storm_holds_messages_back() {
    let served = Served::start();
    let (analyst, token) = (served.token("analyst", "chen"), served.token("operator", "li.na"));
    let rules = json!({ "files": { "care.yaml": RULES } });
    served.send(reqwest::Method::PUT, &analyst, "/api/v1/rules", &rules).await;
    served.events(&[event("Down", "host-00007", "critical")]).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.click("table.board .what a").await;
    browser.wait("document.querySelectorAll('.service-levels li.level-running').length === 2").await;
    browser.wait("document.querySelector('.deeds li').innerText.includes('restart_service')").await;
    browser.sees("unit=nginx").await;
    browser.click("[data-act=acknowledge]").await;
    browser.wait("document.querySelectorAll('.service-levels li.level-met').length === 1").await;
    browser.click(".deeds [data-act=approve]").await;
    browser.wait("document.querySelector('dialog').innerText.includes('host-00007')").await;
    browser.click("dialog button[type=submit]").await;
    browser.wait("document.querySelector('.deeds .tag').textContent === 'Requested'").await;
    browser.wait("document.querySelector('.tl-action_approved').innerText.includes('li.na')").await;

    // More incidents than people read: what was told in a summary only is listed, and waits for the end.
    let storm: Vec<Value> = (0..8).map(|n| event(&format!("Lost {n}"), &format!("device-{n}"), "major")).collect();
    served.events(&storm).await;
    browser.go(&format!("{}/storm", served.base)).await;
    browser.wait("document.querySelector('.tile.alarm')").await;
    let held = served.get(&token, "/api/v1/held-back").await;
    let listed = held["items"].as_array().unwrap().iter().filter(|one| one["receiver"] == "room").count();
    assert!(listed > 2, "{held}");
    browser.wait(&format!("document.querySelectorAll('.stack table tbody tr').length >= {listed}")).await;
    browser.sees("device-7").await;
    assert_eq!(browser.read("document.querySelector('[data-act=tell]').disabled").await, true, "the storm goes on");
    check_quiet(&browser, &served.base).await;
}
