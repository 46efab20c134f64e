//! The console in a real browser against the real program: signing in, a storm arriving, an incident being handled,
//! both languages, hostile text, a restart and long lists.

mod appearance;
mod asking;
mod buttons;
mod care;
mod density;
mod desk;
mod driver;
mod ending;
mod graphs;
mod hostile;
mod hours;
mod invited;
mod keyboard;
mod many;
mod modules;
mod screens;
mod series;
mod served;
mod shift;
mod sound;
mod storm;
mod tickets;
mod together;
mod trying;
mod tuning;
mod types;
mod wall;
mod zones;

use serde_json::{Value, json};

use driver::Browser;
use served::Served;

/// Rows on the board.
const ROWS: &str = "document.querySelectorAll('table.board tr[data-id]').length";

/// Signs in by typing the token, as a person does.
async fn sign_in(browser: &Browser, base: &str, token: &str) {
    browser.go(base).await;
    browser.fill(".login input[name=token]", token).await;
    browser.click(".login button[type=submit]").await;
    browser.wait("document.querySelector('.strip .tile')").await;
}

/// Presses a button of an incident that stands behind the one called *More*.
async fn menu(browser: &Browser, order: &str) {
    browser.click(".more-acts summary").await;
    browser.click(&format!(".more-acts [data-act={order}]")).await;
}

/// Nothing was complained about, and nobody else was asked for anything.
async fn check_quiet(browser: &Browser, base: &str) {
    // Before signing in, the page asks who it is and is told: nobody.
    let expected = |line: &&String| line.contains("/api/v1/session") && line.contains("401");
    let complaints: Vec<String> = browser.complaints().await.into_iter().filter(|l| !expected(&l)).collect();
    assert!(complaints.is_empty(), "the browser complains:\n{}", complaints.join("\n"));
    let own = |url: &&String| url.starts_with(base) || url.starts_with("data:") || url.starts_with("chrome");
    let foreign: Vec<String> = browser.requests().await.into_iter().filter(|url| !own(&url)).collect();
    assert!(foreign.is_empty(), "asked elsewhere: {foreign:?}");
}

/// The open incident with the most alerts that has a root cause and is not acknowledged.
async fn largest(served: &Served, token: &str) -> Value {
    // What was accepted is decided a moment later.
    loop {
        let page = served.get(token, "/api/v1/incidents?state=abnormal&progress=triggered&limit=500").await;
        let items = page["items"].as_array().unwrap().iter().filter(|i| !i["root"].is_null());
        let pending = served.get(token, "/api/v1/conservation").await["pending"] != 0;
        if let Some(found) = items.max_by_key(|i| i["alert_count"].as_u64()).filter(|_| !pending) {
            return found.clone();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_works_a_storm_in_the_console() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.sees("All calm").await;
    // Without a receiver the board says so, and the manual says what to do.
    browser.sees("Nobody is told: no receiver is configured.").await;
    let manual = browser.read("document.querySelector('.notice.nobody a').pathname").await;
    let manual = served.text(manual.as_str().unwrap()).await;
    assert!(manual.contains("\nRoutes in the rules name receivers;"), "{manual}");

    // The board fills while it is looked at.
    browser.read("window.sameDocument = true").await;
    served.storm(0..800).await;
    browser.wait(&format!("{ROWS} > 5")).await;
    browser.wait("Number(document.querySelector('.steps b').textContent) > 700").await;
    assert_eq!(browser.read("window.sameDocument").await, true, "the page was loaded again");

    // What the page says is what the API says.
    let incident = largest(&served, &token).await;
    let id = incident["id"].as_str().unwrap();
    browser.click(&format!("tr[data-id='{id}'] .what a")).await;
    browser.wait("location.pathname.startsWith('/incidents/')").await;
    let root = incident["root"]["ci"]["name"].as_str().unwrap();
    browser.wait(&format!("document.querySelector('.glance .what').innerText.includes({})", json!(root))).await;
    let detail = served.get(&token, &format!("/api/v1/incidents/{id}")).await;
    for term in detail["candidates"][0]["evidence"].as_array().unwrap() {
        browser.sees(term["text"]["en"].as_str().unwrap()).await;
    }
    browser.wait("document.querySelectorAll('.glance .why li').length > 0").await;
    browser.wait("document.querySelectorAll('.candidate').length > 0").await;
    browser.wait("Number(document.querySelector('.canvas').dataset.nodes) > 1").await;
    browser.wait("document.querySelectorAll('.canvas canvas').length > 0").await;
    browser.wait("document.querySelectorAll('.members tbody tr').length > 1").await;

    // An order is carried out, told, and stays.
    browser.click("[data-act=acknowledge]").await;
    browser.wait("document.querySelector('.toast.good')").await;
    browser.wait("document.querySelector('.head .state-processing')").await;
    browser.wait("document.querySelector('.timeline .tl-acknowledged').innerText.includes('li.na')").await;
    browser.click("[data-act=comment]").await;
    browser.fill("dialog textarea", "switch is being replaced").await;
    browser.click("dialog button[type=submit]").await;
    browser.wait("document.querySelector('.timeline .tl-commented').innerText.includes('being replaced')").await;

    // The other language, at once and after a reload.
    browser.click(".top .lang").await;
    browser.sees("传播路径").await;
    browser.sees(detail["candidates"][0]["evidence"][0]["text"]["zh"].as_str().unwrap()).await;
    browser.go(&format!("{}/incidents/{id}", served.base)).await;
    browser.sees("处理中").await;
    browser.wait("document.documentElement.lang === 'zh-CN'").await;
    check_quiet(&browser, &served.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_language_follows_the_browser_and_keys_work() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    served.storm(0..400).await;
    let browser = Browser::open("zh-CN").await;
    sign_in(&browser, &served.base, &token).await;
    browser.wait(&format!("{ROWS} > 1")).await;
    browser.sees("待认领").await;
    browser.sees("没有人会收到通知：尚未配置接收方。").await;
    browser.press("j").await;
    let chosen = browser.wait("document.querySelector('tr.chosen')?.dataset.id").await;
    browser.press("a").await;
    browser.wait("document.querySelector('tr.chosen .state-processing')").await;
    browser.press("\u{E007}").await;
    browser.wait(&format!("location.pathname === '/incidents/' + {chosen}")).await;
    browser.wait("document.querySelector('.glance')").await;
    browser.press("u").await;
    browser.wait(&format!("location.pathname === '/' && {ROWS} > 1")).await;
    browser.press("/").await;
    browser.wait("document.activeElement.id === 'search'").await;
    browser.press("nothing is called so").await;
    browser.sees("没有符合条件的故障").await;
    check_quiet(&browser, &served.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_is_offered_nothing_to_do() {
    let served = Served::start();
    served.storm(0..400).await;
    let viewer = served.token("viewer", "wall");
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &viewer).await;
    browser.wait(&format!("{ROWS} > 1")).await;
    browser.click("table.board .what a").await;
    browser.sees("Read only").await;
    browser.wait("document.querySelectorAll('.members tbody tr').length > 0").await;
    assert_eq!(browser.read("document.querySelectorAll('[data-act]').length").await, 0);
    check_quiet(&browser, &served.base).await;
}

/// Text that would do harm where it is taken for markup.
const HOSTILE: [&str; 6] = [
    "<script>window.hit=1</script>",
    "<img src=x onerror=window.hit=2>",
    "\"><svg onload=window.hit=3>",
    "javascript:window.hit=4",
    "${window.hit=5}{{constructor.constructor('window.hit=6')()}}",
    "</textarea><iframe srcdoc='<script>parent.hit=7</script>'>",
];

#[tokio::test(flavor = "multi_thread")]
async fn hostile_text_stays_text() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    let events: Vec<Value> = HOSTILE
        .iter()
        .enumerate()
        .map(|(n, text)| {
            json!({ "name": format!("n{n} {text}"), "title": format!("t{n} {text}"), "severity": "critical",
                "description": text, "object": { "name": format!("o{n} {text}") }, "starts_at": "2026-01-05T00:00:00Z",
                "labels": { "l": text }, "annotations": { "a": text } })
        })
        .collect();
    served.events(&events).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.wait(&format!("{ROWS} >= {}", HOSTILE.len())).await;
    for (n, text) in HOSTILE.iter().enumerate() {
        browser.sees(&format!("t{n} {text}")).await;
    }
    browser.click("table.board .what a").await;
    browser.wait("document.querySelector('.glance')").await;
    browser.click("[data-act=comment]").await;
    browser.fill("dialog textarea", HOSTILE[1]).await;
    browser.click("dialog button[type=submit]").await;
    browser.wait(&format!("document.querySelector('.tl-commented').innerText.includes({})", json!(HOSTILE[1]))).await;
    browser
        .go(&format!("{}/alerts?show=all&q={}", served.base, "%3Cimg%20src%3Dx%20onerror%3Dwindow.hit%3D8%3E"))
        .await;
    browser.wait("document.querySelector('.empty, table.alerts')").await;
    browser.go(&format!("{}/alerts?show=firing", served.base)).await;
    for (n, text) in HOSTILE.iter().enumerate() {
        browser.sees(&format!("n{n} {text}")).await;
    }
    browser.go(&format!("{}/incidents/%3Cscript%3E", served.base)).await;
    browser.sees("There is no such incident").await;
    assert_eq!(browser.read("window.hit ?? null").await, Value::Null);
    let injected =
        "document.querySelectorAll('#app script, #app iframe, #app img[src=x], #app [onload], #app [onerror]').length";
    assert_eq!(browser.read(injected).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_is_silenced_and_the_silence_is_ended() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    served.storm(0..400).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.wait(&format!("{ROWS} > 1")).await;
    let incident = largest(&served, &token).await;
    browser.go(&format!("{}/incidents/{}", served.base, incident["id"].as_str().unwrap())).await;
    browser.click("[data-act=silence]").await;
    browser.wait("document.querySelector('dialog input[name=comment]').value.length > 3").await;
    browser.click("dialog button[type=submit]").await;
    browser.wait("document.querySelector('.toast.good')").await;
    browser.click(".top nav a[href='/silences']").await;
    browser.wait("document.querySelectorAll('.matchers .chip').length > 0").await;
    browser.sees("li.na").await;
    browser.click("table.plain tbody button").await;
    browser.sees("No silence is active").await;
    check_quiet(&browser, &served.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_tells_what_the_api_tells() {
    let served = Served::start();
    let token = served.token("analyst", "chen");
    served.storm(0..400).await;
    let bad = json!({ "name": "x", "severity": "major", "object": { "name": "a" }, "starts_at": "no time" });
    served.events(&[lone(1), bad]).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.wait(&format!("{ROWS} > 1")).await;

    // From an alert to its story.
    browser.click(".top nav a[href='/alerts']").await;
    browser.click("table.alerts .whys a").await;
    browser.wait("document.querySelector('.verdict')").await;
    browser.wait("document.querySelectorAll('.checks li').length > 0").await;

    // From a search to a CI and what its failure reaches.
    browser.click(".top nav a[href='/topology']").await;
    browser.fill("#search", "host-00007").await;
    browser.wait("document.querySelectorAll('table.cis tbody tr').length === 1").await;
    browser.click("table.cis tbody a").await;
    browser.wait("document.querySelectorAll('.scroll.short tbody tr').length > 5").await;
    let reach = served.get(&token, "/api/v1/topology/cis/host-00007/impact").await;
    browser.sees(&format!("Impact of its failure ({})", reach["items"].as_array().unwrap().len())).await;

    // What could not be taken is there with its reason, and may be tried again.
    browser.click(".top nav a[href='/system']").await;
    browser.click(".subnav a[href='/dead-letters']").await;
    browser.wait("document.querySelector('.letters li').innerText.includes('no time')").await;
    browser.wait("document.querySelector('[data-act=replay]')").await;

    // Both sides of the law.
    browser.click(".top nav a[href='/reports']").await;
    browser.click(".subnav a[href='/numbers']").await;
    browser.sees("balanced").await;
    browser.wait("document.querySelectorAll('.chart rect.k-all').length > 0").await;
    browser.wait("document.querySelectorAll('.bars li').length > 3").await;
    check_quiet(&browser, &served.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_comes_back_after_a_restart() {
    let mut served = Served::start();
    let token = served.token("operator", "li.na");
    served.storm(0..200).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.wait(&format!("{ROWS} > 0")).await;
    browser.read("window.sameDocument = true").await;
    let before = browser.read("document.querySelector('.steps b').textContent").await;

    served.down();
    browser.wait("document.querySelector('.feedbar')").await;
    browser.sees("Connection lost").await;
    assert!(browser.read(ROWS).await.as_u64() > Some(0), "what was known is still shown");

    // The session survives: nobody has to sign in again, and nothing is missing.
    served.up();
    served.storm(200..800).await;
    browser.wait("document.querySelector('.live') && !document.querySelector('.feedbar') && !document.querySelector('.live.lost')").await;
    browser.wait(&format!("document.querySelector('.steps b').textContent !== {before}")).await;
    browser.wait(&format!("{ROWS} > 5")).await;
    assert_eq!(browser.read("window.sameDocument").await, true, "the page was loaded again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_ends_the_session_and_says_so() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    served.revoke("li.na");
    browser.sees("Your session has ended").await;
    browser.fill(".login input[name=token]", &token).await;
    browser.click(".login button[type=submit]").await;
    browser.sees("unknown, expired or revoked").await;
}

/// Lone alerts of little weight are held.
fn lone(n: usize) -> Value {
    json!({ "name": format!("Fan {n} is slow"), "title": format!("fan {n} turns slowly"), "severity": "warning",
        "object": { "name": format!("fan-{n}") }, "starts_at": "2026-01-05T00:00:00Z" })
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_held_alerts_do_not_freeze_the_page() {
    const MANY: usize = 10_000;
    let served = Served::start();
    let token = served.token("operator", "li.na");
    served.events(&(0..MANY).map(lone).collect::<Vec<_>>()).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.wait("[...document.querySelectorAll('.strip .value')].some((tile) => tile.textContent === '10,000')").await;
    browser.read("window.slowest = 0").await;
    browser
        .read("new PerformanceObserver((list) => { for (const task of list.getEntries()) window.slowest = Math.max(window.slowest, task.duration); }).observe({ type: 'longtask' })")
        .await;
    browser.click(".top nav a[href='/alerts']").await;
    browser.click(".switch button:nth-child(2)").await;
    browser.wait("document.querySelector('table.alerts')?.getAttribute('aria-rowcount') === '10000'").await;
    let rows = "document.querySelectorAll('table.alerts tbody tr:not(.space)').length";
    assert!(browser.read(rows).await.as_u64() < Some(200), "only the rows in sight are in the page");
    browser.read("scrollTo(0, document.documentElement.scrollHeight)").await;
    browser.wait("[...document.querySelectorAll('table.alerts .what small')].some((name) => name.textContent === 'Fan 0 is slow')").await;
    assert!(browser.read(rows).await.as_u64() < Some(200), "only the rows in sight are in the page");
    let slowest = browser.read("window.slowest").await.as_f64().unwrap();
    assert!(slowest < 5_000.0, "the page stood still for {slowest} ms");
    check_quiet(&browser, &served.base).await;
}
