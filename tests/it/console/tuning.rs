//! The page on which analysts try things: what runs beside, what people's corrections say of it, and rules that end.

use serde_json::{Value, json};

use super::driver::{Browser, client};
use super::served::Served;
use super::{check_quiet, sign_in};

const RULES: &str = "mute:\n  - { id: old, match: { name: x }, owner: li.na, expires: 2026-01-01 }\n\
    promote:\n  - { id: at-once, after: now }\nroutes:\n  - { id: all, receivers: [noc] }\n";

async fn send(served: &Served, token: &str, method: reqwest::Method, path: &str, body: &Value) {
    let request = client().request(method, format!("{}{path}", served.base)).bearer_auth(token).json(body);
    let answer = request.send().await.unwrap();
    let status = answer.status();
    assert!(status.is_success(), "{path}: {status} {}", answer.text().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_analyst_reads_a_trial_and_activates_it_with_a_reason() {
    let served = Served::start();
    let token = served.token("analyst", "li.na");
    send(&served, &token, reqwest::Method::PUT, "/api/v1/rules", &json!({ "files": { "a.yaml": RULES } })).await;
    let tried = format!("{RULES}settings: {{ observation: 10m }}\n");
    let trial = json!({ "files": { "a.yaml": tried }, "reason": "watch longer" });
    send(&served, &token, reqwest::Method::PUT, "/api/v1/shadow", &trial).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.go(&format!("{}/tuning", served.base)).await;
    browser.sees("watch longer").await;
    // A rule that has ended is still shown, and whose it is.
    browser.wait("document.querySelector('.expiring tr').innerText.includes('li.na')").await;
    browser.wait("document.querySelector('.expiring .tag.bad')").await;
    served.storm(0..400).await;
    browser.wait("document.querySelectorAll('svg.course rect').length > 1").await;
    // One look at an incident is enough for scores of both.
    let list = served.get(&token, "/api/v1/incidents?state=abnormal&limit=500").await;
    let rooted = list["items"].as_array().unwrap().iter().find(|one| !one["root"].is_null()).unwrap();
    let path = format!("/api/v1/incidents/{}/root", rooted["id"].as_str().unwrap());
    send(&served, &token, reqwest::Method::POST, &path, &json!({ "verdict": "confirm" })).await;
    browser.wait("document.querySelectorAll('.scores meter').length === 14").await;
    browser.sees("Against 1 incidents that people corrected or confirmed").await;
    browser.click("[data-act=activate]").await;
    browser.fill("dialog input[name=reason]", "seen for a week").await;
    browser.click("dialog button[type=submit]").await;
    browser.wait("document.querySelector('.toast.good')").await;
    browser.sees("Nothing is tried").await;
    let rules = served.get(&token, "/api/v1/rules").await;
    assert!(rules["reason"].as_str().unwrap().ends_with(": seen for a week"), "{rules}");
    assert_eq!(rules["rules"].as_array().unwrap().iter().filter(|rule| rule["expired"] == true).count(), 1, "{rules}");
    check_quiet(&browser, &served.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metric_model_is_tried_put_in_force_and_taken_back() {
    let served = Served::start();
    let token = served.token("analyst", "li.na");
    let shipped = crate::storms::project().join("models/metric/1/model.yaml");
    let own = std::fs::read_to_string(shipped).unwrap().replacen("version: 1\n", "version: 7\n", 1);
    let own = own.replacen("told_from: 1.75", "told_from: 1.9", 1);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.yaml");
    std::fs::write(&file, own).unwrap();
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.go(&format!("{}/models", served.base)).await;
    browser.wait("document.querySelector('.model-health .facts').innerText.includes('comes with the program')").await;
    browser.wait("document.querySelectorAll('.models-metric tbody tr').length === 1").await;
    browser.wait("document.querySelectorAll('.models-correlation tbody tr').length === 1").await;

    browser.fill("input[type=file]", file.to_str().unwrap()).await;
    browser.click("[data-act=model-beside]").await;
    browser.fill("dialog input[name=reason]", "fewer pages").await;
    browser.click("dialog button[type=submit]").await;
    browser.wait("location.pathname === '/tuning'").await;
    browser.sees("a metric model").await;
    // Both judge the same readings, and say so.
    served.points(&super::series::readings("host-00007", 70)).await;
    browser.wait("document.querySelector('.metric-trial')").await;
    browser.click("[data-act=activate]").await;
    browser.fill("dialog input[name=reason]", "quieter").await;
    browser.click("dialog button[type=submit]").await;
    browser.wait("document.querySelector('.toast.good')").await;
    browser.go(&format!("{}/models", served.base)).await;
    browser.wait("document.querySelectorAll('.models-metric tbody tr').length === 2").await;
    browser.wait("document.querySelector('.models-metric tbody tr').innerText.includes('quieter')").await;
    browser.wait("document.querySelector('.model-health .facts dd').textContent === '7'").await;
    assert_eq!(served.get(&token, "/api/v1/models/metric").await["version"], 7);

    browser.click("[data-act=model-back]").await;
    browser.fill("dialog input[name=reason]", "too quiet").await;
    browser.click("dialog button[type=submit]").await;
    browser.wait("document.querySelector('.model-health .facts dd').textContent === '1'").await;
    browser.wait("document.querySelector('.models-metric tbody tr').innerText.includes('too quiet')").await;
    check_quiet(&browser, &served.base).await;
}
