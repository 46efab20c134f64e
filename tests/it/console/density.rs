//! A part of an incident's time: chosen with the pointer or with buttons, and told below it.

use super::driver::Browser;
use super::served::Served;
use super::{ROWS, check_quiet, largest, sign_in};

const ENDS: &str = "[...document.querySelectorAll('.tl-ends > time')].map((one) => one.textContent).join()";
const ENTRIES: &str = "document.querySelectorAll('.timeline li').length";

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_the_time_is_chosen_and_all_of_it_again() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    served.storm(0..400).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.wait(&format!("{ROWS} > 1")).await;
    let incident = largest(&served, &token).await;
    browser.go(&format!("{}/incidents/{}", served.base, incident["id"].as_str().unwrap())).await;
    browser.wait(&format!("document.querySelector('.density .k-critical, .density .k-major') && {ENTRIES} > 0")).await;
    let (all, entries) = (browser.read(ENDS).await, browser.read(ENTRIES).await.as_u64().unwrap());
    assert!(browser.read("document.querySelector('[data-zoom=all]')").await.is_null());

    // The middle of the picture has none of what came at once, at its beginning.
    browser.drag(".density", 0.3, 0.6).await;
    browser.wait(&format!("document.querySelector('[data-zoom=all]') && {ENDS} !== {all}")).await;
    browser.wait(&format!("{ENTRIES} < {entries} && !document.querySelector('.density rect[class^=k-]')")).await;
    // As far back as it goes, they are there again.
    browser.wait("(() => { const one = document.querySelector('[data-zoom=earlier]'); if (one.disabled) return true; one.click(); return false; })()").await;
    browser.wait("document.querySelector('.density rect[class^=k-]')").await;
    browser.click("[data-zoom=all]").await;
    browser.wait(&format!("!document.querySelector('[data-zoom=all]') && {ENTRIES} === {entries}")).await;
    // The same with buttons.
    browser.click("[data-zoom=in]").await;
    browser.wait(&format!("{ENDS} !== {all}")).await;
    browser.click("[data-zoom=out]").await;
    browser.wait(&format!("{ENDS} === {all}")).await;
    check_quiet(&browser, &served.base).await;
}
