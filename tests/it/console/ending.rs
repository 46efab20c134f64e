//! How an incident ends in the browser: declared a major one, reviewed, closed with what was found out, and known the next time.

use serde_json::{Value, json};

use super::driver::Browser;
use super::served::Served;
use super::{ROWS, check_quiet, menu, sign_in};

const RULES: &str = "promote: [{ id: at-once, after: now }]
settings: { closing: { needs: [cause, solution], categories: [电力, 网络] } }
routes: [{ id: all, receivers: [room] }]
";

fn down(object: &str) -> Value {
    json!({ "name": "Down", "title": format!("{object} is down"), "severity": "critical", "object": { "name": object },
        "starts_at": "2026-01-05T00:00:00Z" })
}

/// The text of the first line of the timeline of a kind.
fn line(kind: &str) -> String {
    format!("(document.querySelector('.tl-{kind}')?.innerText ?? '')")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_major_incident_is_reviewed_closed_with_its_cause_and_known_the_next_time() {
    let served = Served::start();
    let (analyst, token) = (served.token("analyst", "chen"), served.token("operator", "li.na"));
    served.send(reqwest::Method::PUT, &analyst, "/api/v1/rules", &json!({ "files": { "a.yaml": RULES } })).await;
    served.events(&[down("host-00007")]).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.wait(&format!("{ROWS} === 1")).await;
    browser.click("table.board .what a").await;
    browser.wait("document.querySelector('.members tbody tr')").await;
    menu(&browser, "declare_major").await;
    browser.fill("dialog textarea[name=text]", "all of the province").await;
    browser.click("dialog button[type=submit]").await;
    browser.wait(&format!("{}.includes('all of the province')", line("major_declared"))).await;
    browser.wait("document.querySelector('.major-notice')?.innerText.includes('no post-mortem yet')").await;
    let id = browser.read("location.pathname.split('/').pop()").await;

    // What stands in the dialog is drafted, written on, kept, and published.
    browser.click(".major-notice button").await;
    browser.wait("document.querySelector('dialog .prose h2')").await;
    browser.click("dialog .switch button:nth-child(2)").await;
    browser.fill("dialog textarea", "\n\nWhat we learned: two feeds").await;
    browser.click("dialog [data-pm=draft]").await;
    browser.wait("document.querySelector('dialog [data-state=draft]')?.innerText.includes('li.na')").await;
    browser.click("dialog [data-pm=published]").await;
    browser.wait("document.querySelector('dialog [data-state=published]')").await;
    let text = served.text_as(&token, &format!("/api/v1/incidents/{}/post-mortem", id.as_str().unwrap())).await;
    assert!(text.contains("What we learned: two feeds"), "{text}");
    browser.click("dialog footer button").await;
    browser.wait("document.querySelector('.major-notice')?.innerText.includes('is published')").await;
    for (page, mark) in [("/", "table.board .tag.major"), ("/wall", ".w-list .tag.major")] {
        browser.go(&format!("{}{page}", served.base)).await;
        browser.wait(&format!("document.querySelector('{mark}')?.innerText === 'Major incident'")).await;
    }

    // Without what the rules ask for the dialog does not let anybody close it.
    browser.go(&format!("{}/incidents/{}", served.base, id.as_str().unwrap())).await;
    browser.wait("document.querySelector('.members tbody tr')").await;
    browser.click("[data-act=close]").await;
    browser.fill("dialog textarea[name=cause]", "breaker 3 tripped").await;
    browser.wait("document.querySelector('dialog button[type=submit]').disabled").await;
    browser.fill("dialog textarea[name=solution]", "load moved to feed B").await;
    browser.click("dialog select[name=category] option[value=电力]").await;
    browser.click("dialog button[type=submit]").await;
    browser.wait("document.querySelector('.head .state-closed')").await;
    browser.wait("document.querySelector('.panel.conclusion')?.innerText.includes('load moved to feed B')").await;

    // The next one like it quotes it, and so does the page of what is known.
    served.events(&[down("host-00040")]).await;
    browser.go(&served.base).await;
    browser.wait(&format!("{ROWS} === 1")).await;
    browser.click("table.board .what a").await;
    browser.wait("document.querySelector('.panel.similar')?.innerText.includes('load moved to feed B')").await;
    browser.go(&format!("{}/knowledge", served.base)).await;
    browser.wait("document.querySelector('.panel.knowledge')?.innerText.includes('breaker 3 tripped')").await;
    browser.wait("document.querySelector('.panel.post-mortems .tag.good')?.innerText === 'Published'").await;
    browser.fill("#search", "nothing like it").await;
    browser.sees("Nothing yet").await;
    check_quiet(&browser, &served.base).await;
}
