//! A shift worked without a mouse.

use super::driver::Browser;
use super::served::Served;
use super::{ROWS, check_quiet};

const ENTER: &str = "\u{E007}";
const ESCAPE: &str = "\u{E00C}";
const TAB: &str = "\u{E004}";
const SHIFT: &str = "\u{E008}";

#[tokio::test(flavor = "multi_thread")]
async fn a_shift_is_worked_with_the_keyboard_alone() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    served.storm(0..800).await;
    let browser = Browser::open("en-US").await;
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
    browser.press("the switch is being replaced").await;
    browser.press(TAB).await;
    browser.press(TAB).await;
    browser.press(ENTER).await;
    browser.wait("document.querySelector('.tl-commented')?.innerText.includes('being replaced')").await;
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
    browser.wait("[...document.querySelectorAll('.toast')].some((toast) => / done/.test(toast.textContent))").await;
    browser.wait("document.querySelectorAll('table.board .state-processing').length >= 3").await;

    // The list of keys, the search, other pages.
    browser.press("?").await;
    browser.wait("document.querySelector('dialog.keylist[open] kbd')").await;
    browser.press(ESCAPE).await;
    browser.wait("!document.querySelector('dialog[open]')").await;
    browser.press("/").await;
    browser.wait("document.activeElement.id === 'search'").await;
    browser.press("nothing is called so").await;
    browser.sees("No incident matches").await;
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
