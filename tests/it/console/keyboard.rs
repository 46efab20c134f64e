//! A shift worked without a mouse.

use serde_json::{Value, json};

use super::driver::Browser;
use super::served::Served;
use super::{ROWS, appearance, check_quiet, sign_in};
use crate::storms::project;

const ENTER: &str = "\u{E007}";
const ESCAPE: &str = "\u{E00C}";
const TAB: &str = "\u{E004}";
const SHIFT: &str = "\u{E008}";
const UP: &str = "\u{E013}";
const RIGHT: &str = "\u{E014}";

/// The most steps with Tab on one page.
const STEPS: usize = 90;

/// What answers a click and neither takes the focus, nor lies in something that does, nor has something in it that does.
const MOUSE_ONLY: &str = "(() => {
  const takes = 'a[href], button, input, select, textarea, summary, [tabindex=\"0\"], label';
  const clicked = (one) => one.l && Object.keys(one.l).some((name) => /^(click|pointerdown|mousedown)(true|false)$/.test(name));
  return [...document.querySelectorAll('#app *')].filter((one) => clicked(one) && !one.matches(takes) && !one.closest(takes) && !one.querySelector(takes))
    .filter((one) => !one.matches('.density')).map((one) => one.outerHTML.slice(0, 100));
})()";

/// Whether what has the focus is in sight and shows it; null when nothing has it.
const FOCUSED: &str = "(() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  window.visited ??= new Set();
  const again = window.visited.has(one);
  window.visited.add(one);
  const [style, box] = [getComputedStyle(one), one.getBoundingClientRect()];
  const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  const seen = box.bottom > 0 && box.top < innerHeight && box.width > 0 && box.height > 0;
  return { again, fine: ring && seen, what: one.outerHTML.slice(0, 120) };
})()";

/// What takes the focus and was not come to.
const MISSED: &str = "[...document.querySelectorAll('#app a[href], #app button, #app input, #app select, #app textarea, #app summary, #app [tabindex=\"0\"]')]
  .filter((one) => !one.disabled && one.tabIndex >= 0 && one.checkVisibility() && !(one.type === 'radio' && !one.checked) && !window.visited.has(one)).map((one) => one.outerHTML.slice(0, 120))";

/// Nothing has been fetched for half a second: the page is as it stays.
const STANDS: &str =
    "performance.now() - Math.max(0, ...performance.getEntriesByType('resource').map((one) => one.responseEnd)) > 500";

/// What the console says in a language.
fn words(language: &str) -> Value {
    let file = format!("web/i18n/{}.json", &language[..2]);
    serde_json::from_str(&std::fs::read_to_string(project().join(file)).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_worked_with_the_keyboard_alone() {
    walk("en-US").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_in_chinese_is_worked_with_the_keyboard_alone() {
    walk("zh-CN").await;
}

async fn walk(language: &str) {
    let (served, token, pages) = appearance::stocked().await;
    let browser = Browser::open(language).await;
    browser.screen(1366, 768).await;
    sign_in(&browser, &served.base, &token).await;
    browser.wait(&format!("document.documentElement.lang.startsWith('{}')", &language[..2])).await;
    let mut wrong: Vec<String> = Vec::new();
    for (path, there) in pages {
        browser.go(&format!("{}{path}", served.base)).await;
        browser.wait(&format!("document.querySelector({})", json!(there))).await;
        let mut found = tab_through(&browser, &path).await;
        if !found.is_empty() {
            // What came while the focus was past it already is come to the second time.
            browser.go(&format!("{}{path}", served.base)).await;
            browser.wait(&format!("document.querySelector({})", json!(there))).await;
            browser.wait(STANDS).await;
            found = tab_through(&browser, &path).await;
        }
        wrong.extend(found);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    check_quiet(&browser, &served.base).await;
}

/// Goes through a page by Tab; what cannot be used that way, or not be seen.
async fn tab_through(browser: &Browser, path: &str) -> Vec<String> {
    let list = |found: &Value| {
        found.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let mouse = list(&browser.read(MOUSE_ONLY).await);
    let mut wrong: Vec<String> = mouse.into_iter().map(|one| format!("{path}: for the mouse only: {one}")).collect();
    for _ in 0..STEPS {
        browser.press(TAB).await;
        let at = browser.read(FOCUSED).await;
        // Past the last one the focus leaves the page, or begins anew.
        if at.is_null() || at["again"] == true {
            let missed = list(&browser.read(MISSED).await);
            wrong.extend(missed.into_iter().map(|one| format!("{path}: Tab does not come to {one}")));
            break;
        }
        if at["fine"] == false {
            wrong.push(format!("{path}: out of sight, or without a ring: {}", at["what"]));
        }
    }
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_walked_with_the_arrows() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    served.storm(0..400).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.go(&format!("{}/topology/host-00007", served.base)).await;
    browser.wait("document.querySelector('.canvas[data-drawn]')").await;
    browser.run("document.querySelector('.canvas').focus()").await;
    browser.press(RIGHT).await;
    browser.wait("document.querySelector('.picked b')?.textContent === 'host-00007'").await;
    // Its causes stand below it, what depends on it above.
    browser.press(UP).await;
    browser.wait("document.querySelector('.picked b')?.textContent !== 'host-00007'").await;
    browser.press(ESCAPE).await;
    browser.wait("!document.querySelector('.picked')").await;
    let zoom = "document.querySelector('.canvas')._cyreg.cy.zoom()";
    let before = browser.read(zoom).await.as_f64().unwrap();
    browser.press("-").await;
    browser.wait(&format!("{zoom} < {before}")).await;
    browser.press("0").await;
    browser.wait(&format!("Math.abs({zoom} - {before}) < 0.01")).await;
    // Enter goes to the neighbour.
    browser.press(RIGHT).await;
    browser.press(UP).await;
    browser.press(ENTER).await;
    browser.wait("location.pathname.startsWith('/topology/') && location.pathname !== '/topology/host-00007'").await;
    check_quiet(&browser, &served.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shift_is_worked_with_the_keyboard_alone() {
    work("en-US", "the switch is being replaced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shift_in_chinese_is_worked_with_the_keyboard_alone() {
    work("zh-CN", "正在更换交换机").await;
}

async fn work(language: &str, comment: &str) {
    let words = words(language);
    let served = Served::start();
    let token = served.token("operator", "li.na");
    served.storm(0..800).await;
    let browser = Browser::open(language).await;
    browser.go(&served.base).await;
    // The field for the token has the focus.
    browser.wait("document.activeElement?.name === 'token'").await;
    browser.press(&token).await;
    browser.press(ENTER).await;
    browser.wait(&format!("{ROWS} > 5")).await;

    // Down, open, acknowledge, comment, next, back.
    browser.press("j").await;
    browser.press("j").await;
    let chosen = browser.wait("document.querySelector('tr.chosen')?.dataset.id").await;
    browser.press(ENTER).await;
    browser.wait(&format!("location.pathname === '/incidents/' + {chosen}")).await;
    browser.wait("document.querySelector('[data-act=acknowledge]')").await;
    browser.press("a").await;
    browser.wait("document.querySelector('.head .state-processing')").await;
    browser.press("c").await;
    browser.wait("document.activeElement?.tagName === 'TEXTAREA'").await;
    browser.press(comment).await;
    browser.press(TAB).await;
    browser.press(TAB).await;
    browser.press(ENTER).await;
    browser.wait(&format!("document.querySelector('.tl-commented')?.innerText.includes('{comment}')")).await;
    browser.press("]").await;
    browser.wait(&format!("location.pathname !== '/incidents/' + {chosen} && document.querySelector('.glance')")).await;
    browser.press("[").await;
    browser.wait(&format!("location.pathname === '/incidents/' + {chosen}")).await;
    browser.press("u").await;
    browser.wait(&format!("location.pathname === '/' && {ROWS} > 5")).await;

    // Three are marked and acknowledged at once.
    browser.press("j").await;
    browser.press("x").await;
    browser.press("j").await;
    browser.press("j").await;
    browser.press_with(SHIFT, "X").await;
    browser.wait("document.querySelector('.bulk b')?.textContent.includes('3')").await;
    browser.press("a").await;
    // How many of them: the first one has been acknowledged already.
    let done = words["bulk.done"].as_str().unwrap().split("{n}").next().unwrap();
    let done = json!(done.replace("{what}", words["act.acknowledge"].as_str().unwrap()));
    browser
        .wait(&format!(
            "[...document.querySelectorAll('.toast')].some((toast) => toast.textContent.startsWith({done}))"
        ))
        .await;
    browser.wait("document.querySelectorAll('table.board .state-processing').length >= 3").await;

    // The list of keys, the search, other pages.
    browser.press("?").await;
    browser.wait("document.querySelector('dialog.keylist[open] kbd')").await;
    browser.press(ESCAPE).await;
    browser.wait("!document.querySelector('dialog[open]')").await;
    browser.press("/").await;
    browser.wait("document.activeElement.id === 'search'").await;
    browser.press("nothing is called so").await;
    browser.sees(words["board.empty"].as_str().unwrap()).await;
    browser.press(ESCAPE).await;
    browser.press("gt").await;
    browser.wait("location.pathname === '/topology'").await;
    browser.press("gb").await;
    browser.wait("location.pathname === '/'").await;

    // Whatever has the focus shows it.
    let ring = "(() => { const style = getComputedStyle(document.activeElement); return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2; })()";
    for _ in 0..6 {
        browser.press(TAB).await;
        browser.wait(ring).await;
    }
    check_quiet(&browser, &served.base).await;
}
