//! Every order that an operator may give is a button on the incident's page: pressed in the browser, carried out,
//! and told in the timeline.

use serde_json::{Value, json};

use super::driver::Browser;
use super::served::Served;
use super::{check_quiet, sign_in};

/// The page of one incident, and who works on it.
struct Page<'a> {
    served: &'a Served,
    token: &'a str,
    browser: &'a Browser,
}

impl Page<'_> {
    async fn open(&self, id: &str) {
        self.browser.go(&format!("{}/incidents/{id}", self.served.base)).await;
        self.sees("document.querySelectorAll('.members tbody tr').length > 0").await;
    }

    async fn press(&self, order: &str) {
        if ["severity", "merge", "declare_major", "revoke_major"].contains(&order) {
            return super::menu(self.browser, order).await;
        }
        self.browser.click(&format!("[data-act={order}]")).await;
    }

    /// Presses a button that opens a dialog; it is filled in by the caller, then sent.
    async fn send(&self) {
        self.browser.click("dialog button[type=submit]").await;
        self.sees("!document.querySelector('dialog')").await;
    }

    async fn sees(&self, expression: &str) {
        self.browser.wait(expression).await;
    }

    /// Waits until the timeline tells that this person did it.
    async fn told(&self, kind: &str) {
        let entry = format!("[...document.querySelectorAll('.timeline .tl-{kind}')]");
        self.sees(&format!("{entry}.some((entry) => entry.innerText.includes('li.na'))")).await;
    }

    async fn read(&self, path: &str) -> Value {
        self.served.get(self.token, &format!("/api/v1/{path}")).await
    }

    /// Marks the member in the first row; its alert's id.
    async fn pick(&self) -> String {
        self.browser.click(".members tbody tr:not(.space) .pickone input").await;
        let link =
            self.browser.wait("document.querySelector('.members tbody tr:has(:checked) .whys a').pathname").await;
        link.as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    }
}

/// Two open incidents of several alerts: one with at least two candidates, and another.
async fn two(served: &Served, token: &str) -> (Value, String) {
    let list = served.get(token, "/api/v1/incidents?state=abnormal&progress=triggered&limit=500").await;
    let mut open: Vec<Value> = list["items"].as_array().unwrap().clone();
    open.sort_by_key(|incident| std::cmp::Reverse(incident["alert_count"].as_u64()));
    for incident in &open {
        let id = incident["id"].as_str().unwrap();
        let detail = served.get(token, &format!("/api/v1/incidents/{id}")).await;
        let candidates = detail["candidates"].as_array().unwrap().len();
        if candidates >= 2 && detail["alert_count"].as_u64() >= Some(4) && detail["severity"] != "warning" {
            let other = open.iter().find(|other| other["id"] != incident["id"]).unwrap();
            return (detail, other["id"].as_str().unwrap().to_owned());
        }
    }
    panic!("no incident of four alerts with two candidates: {list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_order_is_a_button_whose_effect_is_seen() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    served.storm(0..800).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.wait("document.querySelectorAll('table.board tr[data-id]').length > 5").await;
    let (incident, other) = two(&served, &token).await;
    let id = incident["id"].as_str().unwrap();
    let page = Page { served: &served, token: &token, browser: &browser };
    page.open(id).await;

    who_has_it(&page).await;
    how_bad_it_is(&page).await;
    which_root(&page, &incident).await;
    which_alerts(&page, id, &other).await;
    its_end(&page).await;
    into_another(&page, id, &other).await;
    check_quiet(&browser, &served.base).await;
}

async fn who_has_it(page: &Page<'_>) {
    page.press("acknowledge").await;
    page.sees("document.querySelector('.head .state-processing')").await;
    page.told("acknowledged").await;
    page.press("unacknowledge").await;
    page.sees("document.querySelector('.head .state-triggered')").await;
    page.told("unacknowledged").await;
    page.press("assign").await;
    page.browser.fill("dialog input[name=assignee]", "wang.wei").await;
    page.send().await;
    page.sees("document.querySelector('.head').innerText.includes('wang.wei')").await;
    page.told("assigned").await;
    page.press("comment").await;
    page.browser.fill("dialog textarea", "the switch is being replaced").await;
    page.send().await;
    page.sees("document.querySelector('.tl-commented').innerText.includes('is being replaced')").await;
    page.told("commented").await;
    page.press("snooze").await;
    page.browser.click("dialog option[value='240']").await;
    page.send().await;
    page.sees("document.querySelector('.head').innerText.includes('snoozed until')").await;
    page.told("snoozed").await;
    page.press("wake").await;
    page.sees("!document.querySelector('.head').innerText.includes('snoozed until')").await;
    page.told("woken").await;
}

async fn how_bad_it_is(page: &Page<'_>) {
    page.press("severity").await;
    page.browser.click("dialog option[value=warning]").await;
    page.send().await;
    page.sees("document.querySelector('article.incident.sev-warning')").await;
    page.told("severity_changed").await;
}

async fn which_root(page: &Page<'_>, incident: &Value) {
    let first = incident["candidates"][0]["ci"]["name"].as_str().unwrap();
    page.press("confirm").await;
    page.sees("document.querySelector('.glance .what .tag.good')").await;
    page.told("root_confirmed").await;
    page.press("reject").await;
    page.sees("document.querySelector('.candidate.rejected')").await;
    let other_root = format!("!document.querySelector('.glance .what .big').innerText.includes({})", json!(first));
    page.sees(&other_root).await;
    page.told("root_rejected").await;
    // What was rejected may be chosen after all.
    page.browser.click(".candidate.rejected .line").await;
    page.press("set").await;
    page.sees(&other_root[1..]).await;
    page.sees("document.querySelector('.glance .what .tag.good') && !document.querySelector('.candidate.rejected')")
        .await;
    page.told("root_changed").await;
}

async fn which_alerts(page: &Page<'_>, id: &str, other: &str) {
    let members = "Number(document.querySelector('#members h2').innerText.match(/[(]([0-9]+)[)]/)[1])";
    let before = page.browser.wait(members).await.as_u64().unwrap();
    let alert = page.pick().await;
    page.press("split").await;
    page.sees(&format!("{members} === {}", before - 1)).await;
    page.told("split").await;
    let own = page.read(&format!("alerts/{alert}")).await["incident"].clone();
    assert!(own.is_string() && own != id, "the alert has an incident of its own: {own}");

    let alert = page.pick().await;
    page.press("move").await;
    page.browser.click(&format!("dialog option[value='{other}']")).await;
    page.send().await;
    page.sees(&format!("{members} === {}", before - 2)).await;
    assert_eq!(page.read(&format!("alerts/{alert}")).await["incident"], other);
    page.open(other).await;
    page.told("moved").await;
    page.open(id).await;
}

async fn its_end(page: &Page<'_>) {
    page.press("close").await;
    page.browser.fill("dialog textarea[name=solution]", "switch replaced").await;
    page.browser.fill("dialog textarea[name=text]", "all is well").await;
    page.send().await;
    page.sees("document.querySelector('.head .state-closed')").await;
    page.sees("document.querySelector('.tl-closed').innerText.includes('all is well')").await;
    page.told("closed").await;
    page.sees("document.querySelector('.tl-concluded').innerText.includes('switch replaced')").await;
    page.told("concluded").await;
    page.press("conclude").await;
    page.browser.fill("dialog textarea[name=cause]", "a fan").await;
    page.send().await;
    page.sees("document.querySelector('.panel.conclusion').innerText.includes('a fan')").await;
    page.press("reopen").await;
    page.sees("!document.querySelector('.head .state-closed')").await;
    page.told("reopened").await;
    for (order, kind) in [("declare_major", "major_declared"), ("revoke_major", "major_revoked")] {
        page.press(order).await;
        page.send().await;
        page.told(kind).await;
    }
}

async fn into_another(page: &Page<'_>, id: &str, other: &str) {
    // Everything that was done is there, in its order, with who did it.
    let timeline = page.read(&format!("incidents/{id}/timeline?limit=500")).await;
    let by_hand = timeline["items"].as_array().unwrap().iter().filter(|entry| entry["actor"] == "li.na");
    let kinds: Vec<&str> = by_hand.map(|entry| entry["kind"].as_str().unwrap()).collect();
    let done = [
        "acknowledged",
        "unacknowledged",
        "assigned",
        "commented",
        "snoozed",
        "woken",
        "severity_changed",
        "root_confirmed",
        "root_rejected",
        "root_changed",
        "split",
        "concluded",
        "closed",
        "concluded",
        "reopened",
        "major_declared",
        "major_revoked",
    ];
    assert_eq!(kinds, done);

    page.press("merge").await;
    page.browser.click(&format!("dialog option[value='{other}']")).await;
    page.send().await;
    page.browser.click("p.notice a").await;
    page.sees(&format!("location.pathname === '/incidents/{other}'")).await;
    page.told("merged").await;
    page.sees(&format!("document.querySelector('.tl-merged').innerText.includes('{id}')")).await;
}
