//! Every page in both languages, light and dark, on a notebook and on a phone: nothing is complained about, every word is
//! translated, nothing runs out of the screen, and text stands out from what is behind it as WCAG AA asks.

use serde_json::{Value, json};

use super::driver::Browser;
use super::served::Served;
use super::{check_quiet, largest, sign_in};

/// Finds text whose contrast to its background is below WCAG AA, in the page itself. What is disabled, hidden or drawn over
/// a picture is left out.
const FAINT: &str = r#"(() => {
  const parse = (text) => { const m = text.match(/[\d.]+/g)?.map(Number) ?? [0, 0, 0, 0]; return text.startsWith("color(srgb") ? [m[0] * 255, m[1] * 255, m[2] * 255, m[3] ?? 1] : [m[0], m[1], m[2], m[3] ?? 1]; };
  const light = ([r, g, b]) => [r, g, b].map((v) => { const s = v / 255; return s <= 0.03928 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4; }).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const over = (top, under) => top.slice(0, 3).map((v, i) => v * top[3] + under[i] * (1 - top[3]));
  const behind = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) {
      const style = getComputedStyle(one);
      if (style.backgroundImage !== "none") return null;
      const color = parse(style.backgroundColor);
      if (color[3] > 0) layers.push(color);
      if (color[3] === 1) break;
    }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const bad = [];
  const walk = document.createTreeWalker(document.getElementById("app"), NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || element.closest(".unseen, :disabled, .canvas, option, title, .skip")) continue;
    const box = element.getBoundingClientRect();
    if (!box.width || !box.height || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const style = getComputedStyle(element);
    let faded = false;
    for (let one = element; one; one = one.parentElement) faded ||= Number(getComputedStyle(one).opacity) < 1;
    const under = behind(element);
    if (!under || faded) continue;
    const front = over(parse(style.color), under);
    const [a, b] = [light(front), light(under)].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < (large ? 3 : 4.5)) bad.push(`${contrast.toFixed(2)} ${element.className || element.tagName}: ${node.textContent.trim().slice(0, 40)}`);
  }
  return [...new Set(bad)];
})()"#;

const RULES: &str = "service_levels:\n  - { id: vital, match: { priority: P1 }, acknowledge: 15m, resolve: 4h }\n\
    runbooks:\n  - { id: power, title: 掉电处置手册, match: { name: like Power* }, url: \"https://wiki.example/power\" }\n";

/// Finds controls that a screen reader has no name for.
const NAMELESS: &str = r#"[...document.querySelectorAll('#app button, #app a[href], #app input, #app select, #app textarea')]
  .filter((one) => !one.closest('.unseen') && one.type !== 'hidden' && !one.getAttribute('aria-hidden'))
  .filter((one) => !(one.textContent.trim() || one.getAttribute('aria-label') || one.title || one.labels?.length || one.placeholder))
  .map((one) => one.outerHTML.slice(0, 120))"#;

/// Keys that are shown instead of words.
fn untranslated(language: &str) -> String {
    let file = crate::storms::project().join(format!("web/i18n/{language}.json"));
    let words: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let starts: std::collections::BTreeSet<&str> =
        words.as_object().unwrap().keys().filter_map(|key| Some(key.split_once('.')?.0)).collect();
    let starts: Vec<&str> = starts.into_iter().filter(|start| start.len() > 2).collect();
    format!(
        "(document.body.innerText.match(/(?<![\\w.\\/-])(?:{})(?:\\.[a-z_]+)+(?![\\w-])/g) ?? [])",
        starts.join("|")
    )
}

fn list(found: &Value) -> Vec<String> {
    found.as_array().unwrap().iter().map(|one| one.as_str().unwrap_or_default().to_owned()).collect()
}

/// Pages with what tells that they are there.
fn pages(incident: &str, alert: &str) -> Vec<(String, &'static str)> {
    let fixed = [
        ("/", "table.board tr[data-id]"),
        ("/alerts", "table.alerts tbody tr"),
        ("/wall", ".w-list li"),
        ("/silences", ".page-head"),
        ("/windows", ".calendar"),
        ("/oncall", ".panel"),
        ("/deliveries", ".panel"),
        ("/storm", ".tile"),
        ("/topology", "table.cis tbody tr"),
        ("/topology/host-00007", ".canvas[data-drawn]"),
        ("/series", "table.series-list tbody tr"),
        ("/handover", ".prose li"),
        ("/rules", "table.rules tbody tr"),
        ("/suggestions", ".note"),
        ("/tuning", ".panel"),
        ("/models", ".models-metric tbody tr"),
        ("/reports", ".figure b"),
        ("/numbers", ".chart rect"),
        ("/knowledge", ".page-head"),
        ("/system", ".metrics tr"),
        ("/sources", "table.sources tbody tr"),
        ("/dead-letters", ".letters li"),
        ("/audit", ".page-head"),
        ("/tokens", "table.plain tbody tr"),
    ];
    let mut all: Vec<(String, &str)> = fixed.into_iter().map(|(path, there)| (path.to_owned(), there)).collect();
    all.push((format!("/incidents/{incident}"), ".canvas[data-drawn]"));
    all.push((format!("/why/{alert}"), ".page-head:has(.unusual) + .stack .checks li"));
    all
}

/// A program that has something for every page, an admin's token, and the pages with what tells that they are there.
pub async fn stocked() -> (Served, String, Vec<(String, &'static str)>) {
    let served = Served::start();
    let token = served.token("admin", "chen");
    served.storm(0..600).await;
    let event = |at: &str| json!({ "name": "x", "severity": "major", "object": { "name": "a" }, "starts_at": at });
    served.events(&[event("2026-01-05T00:00:00Z"), event("no time")]).await;
    served.points(&super::series::readings("host-00007", 70)).await;
    let series = served.get(&token, "/api/v1/series?limit=1").await["items"][0]["id"].clone();
    let incident = largest(&served, &token).await;
    let id = incident["id"].as_str().unwrap();
    let members = served.get(&token, &format!("/api/v1/incidents/{id}/members?limit=1")).await;
    let alert = members["items"][0]["id"].as_str().unwrap();
    // Rules of every kind, so that each one's words are looked at.
    let mut files = served.get(&token, "/api/v1/rules").await["files"].clone();
    files["more.yaml"] = json!(RULES);
    served.send(reqwest::Method::PUT, &token, "/api/v1/rules", &json!({ "files": files, "reason": "words" })).await;
    let one_series = (format!("/series/{}", series.as_str().unwrap()), ".series-chart[data-drawn]");
    let pages = pages(id, alert).into_iter().chain([one_series]).collect();
    (served, token, pages)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_well_made_in_both_languages_light_and_dark() {
    let (served, token, pages) = stocked().await;
    let browser = Browser::open("en-US").await;
    browser.screen(1366, 768).await;
    sign_in(&browser, &served.base, &token).await;
    let mut wrong = Vec::new();
    for (language, theme) in [("zh", "dark"), ("en", "light"), ("zh", "light"), ("en", "dark")] {
        browser
            .run(&format!("localStorage.setItem('lang', '{language}'); localStorage.setItem('theme', '{theme}')"))
            .await;
        let keys = untranslated(language);
        for (path, there) in &pages {
            browser.go(&format!("{}{path}", served.base)).await;
            browser.wait(&format!("document.querySelector({})", json!(there))).await;
            let place = format!("{path} {language} {theme}");
            for (what, expression) in [("faint", FAINT), ("nameless", NAMELESS), ("untranslated", &keys)] {
                wrong.extend(
                    list(&browser.read(expression).await).into_iter().map(|one| format!("{place}: {what}: {one}")),
                );
            }
            let over = browser.read("document.documentElement.scrollWidth - innerWidth").await.as_i64().unwrap();
            if over > 0 {
                wrong.push(format!("{place}: {over} px wider than the screen"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    check_quiet(&browser, &served.base).await;
}

/// What a finger presses and that is smaller than one: 44 pixels either way.
const SMALL: &str = r#"[...document.querySelectorAll('#app button, #app select, #app summary, #app nav a, #app input:not([type=checkbox], [aria-hidden])')]
  .filter((one) => one.checkVisibility({ visibilityProperty: true })).map((one) => [one, one.getBoundingClientRect()])
  .filter(([, box]) => box.width > 0 && (box.width < 43.5 || box.height < 43.5)).map(([one, box]) => `${Math.round(box.width)}×${Math.round(box.height)} ${one.outerHTML.slice(0, 90)}`)"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_whoever_is_on_call_fit_a_phone_and_a_finger() {
    let (served, token, pages) = stocked().await;
    let browser = Browser::open("zh-CN").await;
    sign_in(&browser, &served.base, &token).await;
    let mut wrong: Vec<String> = Vec::new();
    let called = ["/incidents/", "/oncall", "/silences", "/windows", "/handover", "/deliveries", "/storm"];
    for (width, height) in [(360, 800), (390, 844)] {
        browser.screen(width, height).await;
        for (path, there) in pages.iter().filter(|(path, _)| called.iter().any(|one| path.starts_with(one))) {
            browser.go(&format!("{}{path}", served.base)).await;
            browser.wait(&format!("document.querySelector({})", json!(there))).await;
            let small = list(&browser.read(SMALL).await);
            wrong.extend(small.into_iter().map(|one| format!("{path} at {width}: too small for a finger: {one}")));
            if browser.read("document.documentElement.scrollWidth > innerWidth").await == true {
                wrong.push(format!("{path}: wider than {width} pixels"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    check_quiet(&browser, &served.base).await;
}

/// Texts that are cut off.
const CUT: &str = "((all) => all.filter((one) => one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 1).map((one) => one.textContent))";

#[tokio::test(flavor = "multi_thread")]
async fn on_a_phone_lists_show_whole_titles() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    served.storm(0..400).await;
    let title = "云管平台到政务外网汇聚交换机的双上联链路同时中断，跨区访问全部失败，请检查传输";
    let object = json!({ "name": "dci-uplink-1" });
    let starts_at = chrono::Utc::now().to_rfc3339();
    let down = json!({ "name": "UplinksDown", "severity": "critical", "title": title, "object": object, "starts_at": starts_at });
    served.events(&[down]).await;
    let browser = Browser::open("zh-CN").await;
    browser.screen(390, 844).await;
    sign_in(&browser, &served.base, &token).await;
    let titles = "[...document.querySelectorAll('table.board .what a')]";
    browser.wait(&format!("{titles}.some((one) => one.textContent.includes('{title}'))")).await;
    assert_eq!(browser.read(&format!("{CUT}({titles})")).await, json!([]));
    assert_eq!(browser.read("document.documentElement.scrollWidth > innerWidth").await, false, "wider than a phone");
    browser.go(&format!("{}/alerts?show=all", served.base)).await;
    let titles = "[...document.querySelectorAll('table.alerts .what span')]";
    browser.wait(&format!("{titles}.length > 10")).await;
    assert_eq!(browser.read(&format!("{CUT}({titles})")).await, json!([]));
    check_quiet(&browser, &served.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_a_handover_and_an_incident_are_fit_for_paper() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    served.storm(0..400).await;
    let browser = Browser::open("zh-CN").await;
    sign_in(&browser, &served.base, &token).await;
    browser.run("localStorage.setItem('theme', 'dark')").await;
    browser.paper().await;
    let incident = format!("/incidents/{}", largest(&served, &token).await["id"].as_str().unwrap());
    for (path, there) in [("/reports", ".bars li"), ("/handover", ".prose li"), (&*incident, ".canvas[data-drawn]")] {
        browser.go(&format!("{}{path}", served.base)).await;
        browser.wait(&format!("document.querySelector('{there}')")).await;
        let looks = browser
            .read("[getComputedStyle(document.documentElement).backgroundColor, document.documentElement.scrollWidth <= innerWidth]")
            .await;
        assert_eq!(looks, json!(["rgb(255, 255, 255)", true]), "{path}");
        let pressed = "[...document.querySelectorAll('nav, button:not(.line), input, select')].filter((one) => one.checkVisibility()).map((one) => one.outerHTML.slice(0, 90))";
        assert_eq!(browser.read(pressed).await, json!([]), "{path}: nobody presses paper");
        let cut = format!(
            "{CUT}([...document.querySelectorAll('.bars span, .scroll, td')].filter((one) => one.checkVisibility()))"
        );
        assert_eq!(browser.read(&cut).await, json!([]), "{path}");
    }
    check_quiet(&browser, &served.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_phone_an_incident_is_read_and_acknowledged() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    served.storm(0..400).await;
    let browser = Browser::open("zh-CN").await;
    browser.screen(390, 844).await;
    sign_in(&browser, &served.base, &token).await;
    let incident = largest(&served, &token).await;
    browser.go(&format!("{}/incidents/{}", served.base, incident["id"].as_str().unwrap())).await;
    browser.wait("document.querySelector('.glance .what .big')").await;
    assert_eq!(browser.read("document.documentElement.scrollWidth > innerWidth").await, false, "wider than a phone");
    let button = "document.querySelector('[data-act=acknowledge]').getBoundingClientRect()";
    assert!(
        browser.read(&format!("{button}.bottom < innerHeight && {button}.height >= 32")).await == true,
        "the button is in reach"
    );
    for language in ["en", "zh"] {
        browser.run(&format!("localStorage.setItem('lang', '{language}'); location.reload()")).await;
        browser.wait(&format!("document.documentElement.lang.startsWith('{language}')")).await;
        browser.click(".more-acts summary").await;
        let inside = "[...document.querySelectorAll('.more-acts[open] > div button')].map((one) => one.getBoundingClientRect()).map((box) => box.width > 0 && box.left >= 0 && box.right <= innerWidth)";
        let inside = browser.wait(&format!("((all) => all.length > 3 && all)({inside})")).await;
        assert!(inside.as_array().unwrap().iter().all(|one| one == true), "behind \"More\" in {language}: {inside}");
    }
    browser.click(".more-acts summary").await;
    browser.click("[data-act=acknowledge]").await;
    browser.wait("document.querySelector('.head .state-processing')").await;
    check_quiet(&browser, &served.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_moves_once_the_board_is_shown() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    served.storm(0..400).await;
    let browser = Browser::open("en-US").await;
    browser.screen(1366, 768).await;
    sign_in(&browser, &served.base, &token).await;
    // Layout shifts are counted from the document's first moment.
    browser.go(&served.base).await;
    browser.wait("document.querySelectorAll('table.board tr[data-id]').length > 3").await;
    browser
        .run("window.shifted = 0; new PerformanceObserver((list) => { for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifted += one.value; }).observe({ type: 'layout-shift', buffered: true });")
        .await;
    browser.wait("document.querySelector('.live')").await;
    let shifted = browser.read("window.shifted").await.as_f64().unwrap();
    assert!(shifted < 0.1, "the page moved by {shifted} while it came");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_names_its_root_above_the_fold_and_says_classes_in_words() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    served.storm(0..800).await;
    let browser = Browser::open("en-US").await;
    browser.screen(1366, 768).await;
    sign_in(&browser, &served.base, &token).await;
    let page = served.get(&token, "/api/v1/incidents?sort=urgent&limit=100").await;
    let items = page["items"].as_array().unwrap();
    let id = |one: &Value| one["id"].as_str().unwrap().to_owned();
    // A silent root is named with its class, in the language's words.
    let plain = |one: &&Value| {
        one["title"]
            == format!(
                "{} ({})",
                one["root"]["ci"]["name"].as_str().unwrap_or(""),
                one["root"]["ci"]["class"].as_str().unwrap_or("")
            )
    };
    let silent = items.iter().find(plain).expect("a silent root");
    browser.wait(&format!("document.querySelector(\"tr[data-id='{}'] .what a\")", id(silent))).await;
    let words = served.get(&token, "/api/v1/vocabulary").await;
    let class = words["classes"][silent["root"]["ci"]["class"].as_str().unwrap()]["en"].as_str().unwrap();
    let title = format!("{} ({class})", silent["root"]["ci"]["name"].as_str().unwrap());
    browser
        .wait(&format!(
            "document.querySelector(\"tr[data-id='{}'] .what a\").textContent === {}",
            id(silent),
            json!(title)
        ))
        .await;
    // A root that alerts says first what it told.
    let loud = items
        .iter()
        .find(|one| one["root"]["inferred"] == false && one["title"].as_str().unwrap().contains(": "))
        .unwrap();
    let symptom = loud["title"].as_str().unwrap().split_once(": ").unwrap().1;
    browser
        .wait(&format!(
            "document.querySelector(\"tr[data-id='{}'] .root small\").textContent.startsWith({})",
            id(loud),
            json!(symptom)
        ))
        .await;

    browser.go(&format!("{}/incidents/{}", served.base, id(silent))).await;
    browser.wait(&format!("document.querySelector('.head h1')?.textContent === {}", json!(title))).await;
    let above = "document.querySelector('.rootcause .candidate .line').getBoundingClientRect().bottom < innerHeight";
    browser.wait(above).await;
    // The orders stand beside the title, in one row; what is seldom wanted is behind one of them.
    let rows = "new Set([...document.querySelectorAll('.head .actions > *')].map((one) => Math.round(one.getBoundingClientRect().top))).size";
    assert_eq!(browser.read(rows).await, 1);
    let beside = "document.querySelector('.head .actions').getBoundingClientRect().top < document.querySelector('.head .title').getBoundingClientRect().bottom";
    assert_eq!(browser.read(beside).await, true);

    // The wall cuts no word of its own, and its funnel is as wide as its numbers.
    browser.screen(1920, 1080).await;
    browser.go(&format!("{}/wall", served.base)).await;
    browser.wait("document.querySelectorAll('.w-layers strong, .w-site').length > 0 && document.querySelectorAll('.w-bar').length === 3").await;
    let cut = "[...document.querySelectorAll('.w-layers strong, .w-area h3, .w-step i')].filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.textContent)";
    assert_eq!(list(&browser.read(cut).await), Vec::<String>::new());
    let overview = served.get(&token, "/api/v1/overview").await;
    let share = overview["funnel"]["alerts"].as_f64().unwrap() / overview["funnel"]["events"].as_f64().unwrap() * 100.0;
    browser
        .wait(&format!("Math.abs(document.querySelectorAll('.w-bar')[1].width.baseVal.value - {share}) < 1.5"))
        .await;
    check_quiet(&browser, &served.base).await;
}
