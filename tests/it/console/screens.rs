//! Pictures of every page and of the tour for `docs/screens`, drawn anew with `just screens` (`HEADWATER_SCREENS=1`). Look at
//! each one before it is committed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use super::driver::Browser;
use super::served::Served;
use super::{largest, sign_in, tickets};
use crate::storms::project;

const NOTEBOOK: (u32, u32) = (1366, 768);
const WALL: (u32, u32) = (1920, 1080);
const PHONE: (u32, u32) = (390, 844);
/// A reader sees what it is about; the folder stays small.
const QUALITY: u32 = 62;

/// Whether pictures are asked for.
fn asked() -> bool {
    std::env::var_os("HEADWATER_SCREENS").is_some()
}

/// Draws what the browser shows.
async fn draw(browser: &Browser, name: &str) {
    // Colours that fade in, and numbers that flash, come to rest.
    browser.timed("setTimeout(arguments[0], 1200)").await;
    let picture = browser.picture(QUALITY).await;
    let file = project().join(format!("docs/screens/{name}.webp"));
    std::fs::write(file, STANDARD.decode(picture).unwrap()).unwrap();
}

async fn look(browser: &Browser, language: &str, theme: &str, (width, height): (u32, u32)) {
    browser.screen(width, height).await;
    browser.run(&format!("localStorage.setItem('lang', '{language}'); localStorage.setItem('theme', '{theme}')")).await;
}

/// What people, duties and routes there are.
const RULES: &str = r#"
contact_plans: [{ id: default, steps: [{ by: [sms] }] }]
people: [{ id: zhao, name: 赵敏 }, { id: qian, name: 钱进 }, { id: sun, name: 孙立 }]
rosters:
  - { id: core, zone: Asia/Shanghai, layers: [{ name: always, people: [zhao, qian, sun], starts: "2026-01-05 08:00", every: 3d }] }
  - { id: database, zone: Asia/Shanghai, layers: [{ name: week, people: [qian, sun], starts: "2026-01-05 09:00", every: 1w }] }
escalations: [{ id: core, levels: [{ to: [{ roster: core }], wait: 10m }, { to: [{ backup: core }], wait: 10m }], fallback: [itsm] }]
service_levels: [{ id: vital, match: { priority: P1 }, acknowledge: 15m, resolve: 4h }]
runbooks: [{ id: power, title: 掉电处置手册, match: { name: like Power* }, url: "https://wiki.example/power", steps: [先看市电, 再看 UPS] }]
routes: [{ id: all, receivers: [itsm, sms, { oncall: core }] }]
"#;

/// A program in which a shift has worked: its token and the incident that was worked on.
async fn worked() -> (Served, String, String) {
    let at =
        tickets::system((1..400).map(|n| (format!("CHG-{n:04}"), format!("https://itsm.example/{n}"))).collect()).await;
    let served = Served::start_with(&tickets::settings(at, &["itsm", "sms"]));
    let token = served.token("admin", "wang.fang");
    let mut files = served.get(&token, "/api/v1/rules").await["files"].clone();
    for text in files.as_object_mut().unwrap().values_mut() {
        let own = text.as_str().unwrap().split("\nroutes:").next().unwrap().to_owned();
        *text = json!(own);
    }
    files["estate.yaml"] = json!(RULES);
    served.send(Method::PUT, &token, "/api/v1/rules", &json!({ "files": files, "reason": "值班与工单" })).await;
    served.storm(0..902).await;
    served.points(&super::series::readings("host-00007")).await;
    let bad = json!({ "name": "x", "severity": "major", "object": { "name": "a" }, "starts_at": "no time" });
    served.events(&[bad, json!({ "name": "Fan is slow", "severity": "warning", "object": { "name": "fan-1" }, "starts_at": "2026-01-05T00:00:00Z" })]).await;
    let incident = largest(&served, &token).await["id"].as_str().unwrap().to_owned();
    let order = async |word: &str, body: Value| {
        served.send(Method::POST, &token, &format!("/api/v1/incidents/{incident}/{word}"), &body).await;
    };
    order("acknowledge", json!({})).await;
    order("comment", json!({ "text": "PDU 已断电，现场在换备用回路" })).await;
    let night = json!({ "weekly": { "days": ["sat", "sun"], "at": "22:00-06:00" }, "zone": "Asia/Shanghai" });
    let window = json!({ "id": "mw-power", "note": "更换 PDU", "match": { "ci": "host-00007" }, "schedule": night, "reason": "更换 PDU" });
    served.send(Method::POST, &token, "/api/v1/windows", &window).await;
    let until = (chrono::Utc::now() + chrono::Duration::hours(8)).to_rfc3339();
    let silence = json!({ "matchers": [[{ "field": "ci", "value": "host-00009" }]], "ends_at": until, "comment": "已知：风扇待更换" });
    served.send(Method::POST, &token, "/api/v1/silences", &silence).await;
    let shadow = json!({ "files": served.get(&token, "/api/v1/rules").await["files"], "reason": "夜间少打扰" });
    served.send(Method::PUT, &token, "/api/v1/shadow", &shadow).await;
    (served, token, incident)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_drawn_for_the_documentation() {
    if !asked() {
        return;
    }
    let (served, token, incident) = worked().await;
    let members = served.get(&token, &format!("/api/v1/incidents/{incident}/members?limit=3")).await;
    let alert = members["items"][1]["id"].as_str().unwrap().to_owned();
    let series = served.get(&token, "/api/v1/series?limit=1").await["items"][0]["id"].as_str().unwrap().to_owned();
    let browser = Browser::open("zh-CN").await;
    browser.screen(NOTEBOOK.0, NOTEBOOK.1).await;
    sign_in(&browser, &served.base, &token).await;
    let incident = format!("/incidents/{incident}");
    let (why, series) = (format!("/why/{alert}"), format!("/series/{series}"));
    let rows = "document.querySelectorAll('tr[data-id]').length > 5";
    let graph = "document.querySelector('.canvas[data-drawn]')";
    let wall = "document.querySelectorAll('.w-list li').length > 3 && document.querySelector('.w-bar')";
    let panel = "document.querySelector('.panel')";
    let table = "document.querySelector('table.plain tbody tr, table.cis tbody tr, table.rules tbody tr, table.sources tbody tr')";
    let (zh, en, dark, light) = ("zh", "en", "dark", "light");
    let pages = [
        ("board", "/", rows, zh, dark, NOTEBOOK),
        ("board-light", "/", rows, en, light, NOTEBOOK),
        ("incident", &incident, graph, zh, dark, NOTEBOOK),
        ("incident-light", &incident, graph, en, light, NOTEBOOK),
        ("alerts", "/alerts?show=all", "document.querySelector('table.alerts tbody tr')", en, dark, NOTEBOOK),
        ("why", &why, "document.querySelector('.checks li')", en, light, NOTEBOOK),
        ("topology", "/topology", table, zh, light, NOTEBOOK),
        ("ci", "/topology/host-00007", graph, zh, dark, NOTEBOOK),
        ("series", "/series", "document.querySelector('table.series-list tbody tr')", en, dark, NOTEBOOK),
        ("series-one", &series, "document.querySelector('.series-chart[data-drawn]')", zh, light, NOTEBOOK),
        ("silences", "/silences", table, zh, dark, NOTEBOOK),
        ("windows", "/windows", "document.querySelector('.cal-row')", zh, light, NOTEBOOK),
        ("oncall", "/oncall", "document.querySelector('.shifts rect')", zh, dark, NOTEBOOK),
        ("handover", "/handover", "document.querySelector('.prose li')", en, light, NOTEBOOK),
        ("deliveries", "/deliveries", table, zh, light, NOTEBOOK),
        ("storm", "/storm", "document.querySelector('.tile')", en, dark, NOTEBOOK),
        ("rules", "/rules", table, zh, dark, NOTEBOOK),
        ("suggestions", "/suggestions", "document.querySelector('.note')", en, light, NOTEBOOK),
        ("tuning", "/tuning", panel, en, light, NOTEBOOK),
        ("models", "/models", "document.querySelector('.models-metric tbody tr')", zh, light, NOTEBOOK),
        ("reports", "/reports", "document.querySelector('.figure b')", en, light, NOTEBOOK),
        ("numbers", "/numbers", "document.querySelector('.chart rect')", zh, dark, NOTEBOOK),
        ("system", "/system", "document.querySelector('.metrics tr')", zh, light, NOTEBOOK),
        ("sources", "/sources", table, en, dark, NOTEBOOK),
        ("dead-letters", "/dead-letters", "document.querySelector('.letters li')", zh, dark, NOTEBOOK),
        ("audit", "/audit", table, en, light, NOTEBOOK),
        ("tokens", "/tokens", table, zh, light, NOTEBOOK),
        ("wall", "/wall", wall, zh, dark, WALL),
        ("wall-light", "/wall", wall, en, light, WALL),
        ("phone", &incident, "document.querySelector('.glance .what .big')", zh, dark, PHONE),
        ("phone-oncall", "/oncall", "document.querySelector('.shifts rect')", zh, light, PHONE),
    ];
    for (name, path, there, language, theme, screen) in pages {
        look(&browser, language, theme, screen).await;
        browser.go(&format!("{}{path}", served.base)).await;
        browser.wait(there).await;
        draw(&browser, name).await;
    }
}

/// The demo, which ends with the test.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the demo; it and its link for signing in, once everything has been sent.
fn demo() -> (Demo, String) {
    let mut process = Command::new(env!("CARGO_BIN_EXE_headwater"))
        .args(["demo", "--stay", "--listen", "127.0.0.1:0"])
        .env("LC_ALL", "C.UTF-8")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    let link = lines
        .by_ref()
        .find_map(|line| Some(format!("http{}", line.split_once("http")?.1.split_whitespace().next()?)))
        .unwrap();
    lines.by_ref().find(|line| line.contains("root cause right for")).unwrap();
    std::thread::spawn(move || lines.for_each(drop));
    (Demo(process), link)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tour_is_walked_and_drawn() {
    if !asked() {
        return;
    }
    let (_demo, link) = demo();
    let base = link.split("/login").next().unwrap().to_owned();
    let browser = Browser::open("zh-CN").await;
    browser.go(&base).await;
    browser.wait("document.querySelector('.login')").await;
    look(&browser, "zh", "light", NOTEBOOK).await;
    browser.go(&link).await;
    browser.wait("document.querySelector('.login button[type=submit]:not(:disabled)')").await;
    draw(&browser, "tour-1-sign-in").await;
    browser.click(".login button[type=submit]").await;
    browser.wait("document.querySelectorAll('tr[data-id]').length > 3").await;
    draw(&browser, "tour-2-board").await;
    browser.click("table.board .what a").await;
    browser.wait("document.querySelector('.canvas[data-drawn]')").await;
    draw(&browser, "tour-3-incident").await;
    handled(&browser).await;
    closed(&browser).await;
    let why = browser.wait("document.querySelector('.members tbody tr:nth-child(2) .whys a').pathname").await;
    browser.go(&format!("{base}{}", why.as_str().unwrap())).await;
    browser.wait("document.querySelector('.checks, .story')").await;
    draw(&browser, "tour-8-why").await;
    browser.go(&format!("{base}/handover")).await;
    browser.wait("document.querySelector('.prose li')").await;
    draw(&browser, "tour-11-handover").await;
    look(&browser, "zh", "dark", WALL).await;
    browser.go(&format!("{base}/wall")).await;
    browser.wait("document.querySelectorAll('.w-list li').length > 2 && document.querySelector('.w-bar')").await;
    draw(&browser, "tour-9-wall").await;
}

async fn handled(browser: &Browser) {
    browser.click("[data-act=acknowledge]").await;
    browser.wait("document.querySelector('.head .state-processing')").await;
    browser.click("[data-act=confirm]").await;
    browser.wait("document.querySelector('.tl-root_confirmed')").await;
    browser.fill("form.write input", "根因设备已隔离，正切换到备机").await;
    browser.click("form.write button").await;
    browser.wait("document.querySelector('.tl-commented') && !document.querySelector('.toast')").await;
    browser.run("document.querySelector('.timeline').scrollIntoView({ block: 'center' })").await;
    draw(browser, "tour-4-handled").await;
    browser.run("scrollTo(0, 0)").await;
    browser.click("[data-act=silence]").await;
    browser.wait("document.querySelector('dialog select')").await;
    draw(browser, "tour-5-silence").await;
    browser.click("dialog footer button[type=button]").await;
}

async fn closed(browser: &Browser) {
    browser.click("[data-act=close]").await;
    browser.fill("dialog textarea", "已切换到备机，业务恢复；主机待更换内存").await;
    draw(browser, "tour-6-close").await;
    browser.click("dialog button[type=submit]").await;
    browser.wait("document.querySelector('.head .state-closed')").await;
    draw(browser, "tour-7-closed").await;
    browser.click("[data-act=postmortem]").await;
    browser.wait("document.querySelector('dialog .prose li')").await;
    draw(browser, "tour-10-post-mortem").await;
    browser.press("\u{E00C}").await;
    browser.wait("!document.querySelector('dialog[open]')").await;
}
