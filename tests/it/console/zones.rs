//! Times are read and shown in the zone that the viewer has chosen, wherever the browser's machine is.

use reqwest::Method;
use serde_json::{Value, json};

use super::driver::Browser;
use super::served::Served;
use super::{check_quiet, sign_in};

const ROSTER: &str = "contact_plans:\n  - { id: default, steps: [{ by: [sms] }] }\npeople:\n  - { id: li, name: 李雷 }\nrosters:\n  - id: core\n    zone: UTC\n    layers:\n      - { name: always, people: [li], starts: \"2026-01-05 00:00\", every: 1d }\n";

/// Writes into a field over what is there.
async fn write(browser: &Browser, selector: &str, text: &str) {
    browser.wait(&format!("document.querySelector({})", json!(selector))).await;
    browser.run(&format!("const field = document.querySelector({}); field.value = {}; field.dispatchEvent(new Event('input', {{ bubbles: true }}));", json!(selector), json!(text))).await;
}

/// The spans that were asked for at an address since the last look.
async fn asked(browser: &Browser, path: &str, key: &str) -> Vec<String> {
    let mut found = Vec::new();
    while found.is_empty() {
        for url in browser.requests().await.iter().filter(|url| url.contains(path)) {
            let url = reqwest::Url::parse(url).unwrap();
            found.extend(url.query_pairs().filter(|(name, _)| name == key).map(|(_, value)| value.into_owned()));
        }
        tokio::task::yield_now().await;
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_entered_is_meant_in_the_zone_that_is_shown() {
    let served = Served::start();
    let token = served.token("analyst", "chen");
    let mut files = served.get(&token, "/api/v1/rules").await["files"].clone();
    files["oncall.yaml"] = json!(ROSTER);
    served.send(Method::PUT, &token, "/api/v1/rules", &json!({ "files": files, "reason": "on call" })).await;
    // The machine is in New York; the screen shows Beijing's time, as it does until another zone is chosen.
    let browser = Browser::open("zh-CN").await;
    browser.zone("America/New_York").await;
    sign_in(&browser, &served.base, &token).await;

    browser.go(&format!("{}/windows", served.base)).await;
    browser.click("[data-act=window]").await;
    browser.wait("document.querySelector('dialog').innerText.includes('(UTC+8)')").await;
    assert_eq!(browser.read("document.querySelectorAll('input[type=date]:not([aria-hidden]), input[type=datetime-local]:not([aria-hidden])').length").await, 0);
    browser
        .wait("/^20\\d\\d-\\d\\d-\\d\\d \\d\\d:\\d\\d$/.test(document.querySelector('dialog input[name=from]').value)")
        .await;
    write(&browser, "dialog input[name=value]", "host-00007").await;
    write(&browser, "dialog input[name=note]", "replace the power supply").await;
    // What is no moment is not taken.
    write(&browser, "dialog input[name=from]", "2030-02-30 08:00").await;
    browser.wait("document.querySelector('dialog input[name=from]').ariaInvalid === 'true' && document.querySelector('dialog button[type=submit]').disabled").await;
    write(&browser, "dialog input[name=from]", "2030-12-01 08:00").await;
    write(&browser, "dialog input[name=to]", "2030-12-01 10:30").await;
    browser.click("dialog button[type=submit]").await;
    browser.wait("document.querySelector('table.plain tbody')?.innerText.includes('2030')").await;
    let window = served.get(&token, "/api/v1/windows").await["items"][0].clone();
    assert_eq!(window["starts_at"], "2030-12-01T00:00:00.000Z", "{window}");
    let file = served.get(&token, "/api/v1/rules").await["files"][window["file"].as_str().unwrap()].clone();
    let rule = file.as_str().unwrap();
    assert!(rule.contains("2030-12-01 10:30") && rule.contains("Asia/Shanghai"), "{rule}");
    browser.wait("document.querySelector('table.plain tbody').innerText.includes('08:00:00')").await;

    // Calendars begin when the day does where the viewer looks, and show where in it one is.
    let midnight = "new Intl.DateTimeFormat('zh-CN', { timeZone: 'Asia/Shanghai', month: '2-digit', day: '2-digit' }).format(new Date())";
    browser.wait(&format!("document.querySelector('.cal-ticks span').textContent === {midnight}")).await;
    browser.wait("document.querySelector('.legend .now')").await;
    browser.go(&format!("{}/oncall", served.base)).await;
    browser.wait(&format!("document.querySelector('.cal-ticks span').textContent === {midnight}")).await;
    let share = "(Date.now() + 8 * 3600000) % 86400000 / 86400000 / 14 * 1000";
    browser
        .wait(&format!("Math.abs(Number(document.querySelector('.shifts .now').getAttribute('x')) - {share}) < 1"))
        .await;
    browser.click(".duty button").await;
    write(&browser, "dialog input[name=person]", "li").await;
    write(&browser, "dialog input[name=from]", "2030-07-01 00:00").await;
    write(&browser, "dialog input[name=to]", "2030-07-02 00:00").await;
    browser.click("dialog button[type=submit]").await;
    browser.wait("document.querySelector('table.plain tbody')?.innerText.includes('2030')").await;
    let overrides: Value = served.get(&token, "/api/v1/oncall/overrides").await;
    assert_eq!(overrides["items"][0]["from"], "2030-06-30T16:00:00.000Z", "{overrides}");

    browser.go(&format!("{}/reports", served.base)).await;
    write(&browser, "input[name=since]", "2026-11-02").await;
    browser.requests().await;
    write(&browser, "input[name=until]", "2026-11-08").await;
    assert_eq!(asked(&browser, "/api/v1/reports?", "since").await, ["2026-11-01T16:00:00.000Z"]);
    browser.wait("document.querySelector('a[download]').href.includes('2026-11-08T16')").await;
    browser.go(&format!("{}/?state=history", served.base)).await;
    browser.wait("document.querySelector('input[name=since]')").await;
    browser.requests().await;
    write(&browser, "input[name=since]", "2026-11-02").await;
    assert_eq!(asked(&browser, "/api/v1/incidents?", "since").await, ["2026-11-01T16:00:00.000Z"]);

    // Another zone, with a summer time, on the same pages.
    browser.run("localStorage.setItem('zone', 'browser')").await;
    browser.go(&format!("{}/?state=history", served.base)).await;
    browser.wait("document.querySelector('input[name=since]')").await;
    browser.requests().await;
    write(&browser, "input[name=since]", "2026-07-02").await;
    assert_eq!(asked(&browser, "/api/v1/incidents?", "since").await, ["2026-07-02T04:00:00.000Z"]);
    check_quiet(&browser, &served.base).await;
}
