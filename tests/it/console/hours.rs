//! A board that is looked at for long: what the page holds after hours of storm. `HEADWATER_STORM_SECONDS=3600` is the hour of
//! `docs/console.md`; by itself the test takes half a minute.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::driver::Browser;
use super::served::Served;
use super::storm::lone;
use super::{ROWS, check_quiet, sign_in};

const SECONDS: u64 = 25;
/// Open incidents on the board.
const OPEN: usize = 10_000;
/// Events a second, and the objects that they are about, each of which fires and ends in turn.
const EACH_SECOND: usize = 100;
const OBJECTS: usize = 500;
const MIB: f64 = 1024.0 * 1024.0;
/// What the page may hold, bytes.
const HEAP_MAX: f64 = 200.0 * MIB;

fn event(n: usize) -> Value {
    let status = if (n / OBJECTS).is_multiple_of(2) { "firing" } else { "resolved" };
    json!({ "name": "Link is down", "title": format!("uplink {} is down", n % OBJECTS), "severity": "major", "status": status,
        "object": { "name": format!("switch-{}", n % OBJECTS) }, "starts_at": chrono::Utc::now().to_rfc3339() })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_board_holds_no_more_after_a_storm_than_before() {
    let seconds = std::env::var("HEADWATER_STORM_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SECONDS);
    let served = Served::start();
    let token = served.token("operator", "li.na");
    served.events(&(0..OPEN).map(lone).collect::<Vec<_>>()).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.wait(&format!("document.querySelector('table.board').getAttribute('aria-rowcount') === '{OPEN}'")).await;
    let (began, mut sent, mut looked) = (Instant::now(), 0, 0);
    let (mut heaps, mut renderers) = (Vec::new(), Vec::new());
    while began.elapsed() < Duration::from_secs(seconds) {
        served.events(&(sent..sent + EACH_SECOND).map(event).collect::<Vec<_>>()).await;
        sent += EACH_SECOND;
        if looked * 60 <= began.elapsed().as_secs() || looked == 0 {
            looked += 1;
            // Without anybody at it a session ends.
            browser.press("Shift").await;
            heaps.push(browser.read("performance.memory.usedJSHeapSize").await.as_f64().unwrap() / MIB);
            renderers.push(browser.renderer_bytes() as f64 / MIB);
        }
        let next = Duration::from_secs_f64(sent as f64 / EACH_SECOND as f64);
        tokio::time::sleep(next.saturating_sub(began.elapsed())).await;
    }
    let kept = browser.collected().await / MIB;
    let most = |all: &[f64]| all.iter().copied().fold(0.0, f64::max);
    println!(
        "{sent} events in {seconds} s: heap at most {:.0} MiB, {kept:.0} MiB when collected; renderer {:.0} MiB at first, {:.0} at most",
        most(&heaps),
        renderers[0],
        most(&renderers)
    );
    assert!(most(&heaps) * MIB < HEAP_MAX, "the page holds {heaps:?} MiB");
    // The screen went on: it shows what the API says.
    let open = served.get(&token, "/api/v1/overview").await["open"].as_u64().unwrap();
    browser.wait(&format!("Math.abs(Number(document.querySelector('table.board').getAttribute('aria-rowcount')) - {open}) <= {OBJECTS}")).await;
    assert!(browser.read(ROWS).await.as_u64() < Some(200), "only the rows in sight are in the page");
    check_quiet(&browser, &served.base).await;
}
