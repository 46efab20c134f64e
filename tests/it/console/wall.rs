//! The wall screen: everything on one screen at 1080p and 4K, readable from afar, live, and loud when it is old.

use super::driver::Browser;
use super::served::Served;
use super::{check_quiet, sign_in};
use crate::nats::proxy::Proxy;

#[tokio::test(flavor = "multi_thread")]
async fn the_wall_fits_is_live_and_says_when_it_is_old() {
    let served = Served::start();
    let line = Proxy::start(served.port());
    let base = format!("http://127.0.0.1:{}", line.port);
    let token = served.token("viewer", "wall");
    let browser = Browser::open("zh-CN").await;
    browser.screen(1920, 1080).await;
    sign_in(&browser, &base, &token).await;
    browser.go(&format!("{base}/wall")).await;
    browser.sees("一切正常").await;
    served.storm(0..800).await;

    // What it says is what the API says.
    browser.wait("document.querySelectorAll('.w-list li').length > 3").await;
    let settled = async || {
        let overview = served.get(&token, "/api/v1/overview").await;
        let n = |value: &serde_json::Value| value.as_u64().unwrap().to_string();
        (n(&overview["open"]), n(&overview["by_severity"]["critical"]), n(&overview["funnel"]["events"]))
    };
    let (open, critical, events) = settled().await;
    browser.wait(&format!("document.querySelector('.w-total b').textContent === '{open}'")).await;
    browser.wait(&format!("document.querySelector('.w-sev.s-critical b').textContent === '{critical}'")).await;
    browser.wait(&format!("document.querySelector('.w-step b').textContent.replace(',', '') === '{events}'")).await;
    let estate = served.get(&token, "/api/v1/topology/health").await;
    let hot = estate["hot"][0]["ci"]["name"].as_str().unwrap();
    browser.wait(&format!("document.querySelector('.w-hot strong')?.textContent === '{hot}'")).await;

    for (width, height) in [(1920, 1080), (3840, 2160)] {
        browser.screen(width, height).await;
        browser.wait(&format!("innerWidth === {width}")).await;
        let fits = "document.documentElement.scrollHeight <= innerHeight && document.documentElement.scrollWidth <= innerWidth";
        assert_eq!(browser.read(fits).await, true, "{width}×{height} scrolls");
        let inside = "[...document.querySelectorAll('.wall > *')].every((part) => { const box = part.getBoundingClientRect(); return box.bottom <= innerHeight + 1 && box.right <= innerWidth + 1 && box.height > 0; })";
        assert_eq!(browser.read(inside).await, true, "{width}×{height}: a part is cut off");
        // The smallest text is a seventieth of the screen's height, the counts a twelfth.
        let smallest = "Math.min(...[...document.querySelectorAll('.wall b, .wall strong, .wall i, .wall small, .wall time')].filter((one) => one.textContent.trim() && one.getBoundingClientRect().height).map((one) => parseFloat(getComputedStyle(one).fontSize))) / innerHeight";
        let smallest = browser.read(smallest).await.as_f64().unwrap();
        assert!(smallest > 1.0 / 80.0, "{width}×{height}: text of {:.1} px", smallest * f64::from(height));
        let count = browser
            .read("parseFloat(getComputedStyle(document.querySelector('.w-total b')).fontSize) / innerHeight")
            .await;
        assert!(count.as_f64() > Some(1.0 / 14.0), "{count}");
    }

    // A line that is cut is said across the screen, and comes back by itself.
    line.lead_to(1);
    browser.wait("document.querySelector('.w-stale')").await;
    browser.wait("document.querySelector('.wall.old')").await;
    line.lead_to(served.port());
    browser.wait("!document.querySelector('.w-stale')").await;
    // What failed while the line was cut is complained about by the browser itself.
    drop(browser.complaints().await);
    served.storm(800..1000).await;
    let (open, ..) = settled().await;
    browser.wait(&format!("document.querySelector('.w-total b').textContent === '{open}'")).await;
    check_quiet(&browser, &base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wall_signs_in_again_until_its_token_ends() {
    let served = Served::start();
    let token = served.token("viewer", "wall");
    let browser = Browser::open("en-US").await;
    browser.go(&format!("{}/wall", served.base)).await;
    browser.fill(".login input[name=token]", &token).await;
    browser.click(".login button[type=submit]").await;
    browser.wait("document.querySelector('.w-total')").await;
    browser.run("window.sameDocument = true").await;
    // The session ends, as it does after half an hour in which nobody touches the wall.
    browser.timed("const done = arguments[arguments.length - 1]; fetch('/api/v1/session', { method: 'DELETE' }).then(() => done(true))").await;
    browser.timed("const done = arguments[arguments.length - 1]; const look = () => fetch('/api/v1/session').then((answer) => (answer.ok ? done(true) : setTimeout(look, 200))); look()").await;
    served.storm(0..200).await;
    browser.wait("document.querySelectorAll('.w-list li').length > 0").await;
    assert_eq!(browser.read("window.sameDocument").await, true, "the page was loaded again");
    served.revoke("wall");
    browser.wait("document.querySelector('.login')").await;
}
