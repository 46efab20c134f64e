//! Pictures of every page and of the tour for `docs/screens`, drawn anew with `just screens` (`HEADWATER_SCREENS=1`). Look at
//! each one before it is committed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::driver::Browser;
use super::shift::worked;
use super::sign_in;
use crate::storms::project;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

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
    browser.hide_scrollbars().await;
    browser.screen(width, height).await;
    browser.run(&format!("localStorage.setItem('lang', '{language}'); localStorage.setItem('theme', '{theme}')")).await;
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
    // What runs beside has decided what came, and differs.
    let trial = "document.querySelector('th.tried') && document.querySelectorAll('svg.course rect.tried').length > 0";
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
        ("tuning", "/tuning", trial, en, light, NOTEBOOK),
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
    browser.fill("dialog textarea[name=solution]", "已切换到备机，业务恢复；主机待更换内存").await;
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
