//! What is heard: new and risen critical incidents, a screen that cannot be trusted, and that a browser which lets nothing
//! out yet says so.

use reqwest::Method;
use serde_json::json;

use super::driver::Browser;
use super::served::Served;
use super::{check_quiet, sign_in};

/// Counts tones that begin while the browser lets them out.
const COUNTED: &str = "window.sounded = 0; window.soundedAt = 0;
    const start = OscillatorNode.prototype.start;
    OscillatorNode.prototype.start = function (...at) {
      if (this.context.state === 'running') { window.sounded += 1; window.soundedAt = Date.now(); }
      return start.apply(this, at);
    };";

/// Pulses say that something waits to be decided for `window.waits` milliseconds.
const STALLED: &str = "delete window.SharedWorker;
    const Real = window.EventSource;
    window.EventSource = class extends Real {
      addEventListener(kind, listener) {
        super.addEventListener(kind, kind !== 'pulse' ? listener : (event) => {
          const data = JSON.parse(event.data);
          if (window.waits) data.waits_since = new Date(Date.parse(data.now) - window.waits).toISOString();
          listener({ data: JSON.stringify(data), lastEventId: event.lastEventId });
        });
      }
    };";

/// Two sounds are at least a moment apart.
const MAY_SOUND_AGAIN: &str = "Date.now() - window.soundedAt > 1600";

fn down(object: &str) -> serde_json::Value {
    json!({ "name": "Down", "title": format!("{object} is down"), "severity": "critical", "object": { "name": object },
        "starts_at": "2026-01-05T00:00:00Z" })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wall_that_may_not_sound_yet_says_so_and_sounds_after_a_click() {
    let served = Served::start();
    let (operator, viewer) = (served.token("operator", "li.na"), served.token("viewer", "wall"));
    let (event, minor) = (down("db-1"), json!({ "severity": "minor" }));
    served.events(&[event]).await;
    let browser = Browser::open("en-US").await;
    browser.before(COUNTED).await;
    sign_in(&browser, &served.base, &viewer).await;
    let id = browser.wait("document.querySelector('table.board tr[data-id]')?.dataset.id").await;
    let severity = format!("/api/v1/incidents/{}/severity", id.as_str().unwrap());
    served.send(Method::POST, &operator, &severity, &minor).await;
    browser.wait("document.querySelector('table.board .sev-minor')").await;
    browser.run("localStorage.setItem('notice', 'sound')").await;

    // Loaded anew, as after a power cut: nobody has touched it, and what was there before is no news.
    let opened = served.get(&operator, "/api/v1/incidents").await["items"][0]["opened_at"].clone();
    browser.wait(&format!("Date.now() - Date.parse({opened}) > 6000")).await;
    browser.go(&format!("{}/wall", served.base)).await;
    browser.wait("document.querySelector('.w-mute')?.textContent.includes('Click anywhere')").await;
    served.events(&[down("db-2")]).await;
    browser.wait("document.querySelector('#announcer').textContent.includes('db-2')").await;
    assert_eq!(browser.read("window.sounded").await, 0);
    browser.click(".w-total").await;
    browser.wait("window.sounded === 2 && !document.querySelector('.w-mute')").await;

    // One that was there before becomes critical.
    browser.wait(MAY_SOUND_AGAIN).await;
    served.send(Method::POST, &operator, &severity, &json!({ "severity": "critical" })).await;
    browser.wait("document.querySelector('#announcer').textContent.includes('is critical now')").await;
    browser.wait("window.sounded === 4").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bell_says_what_it_does_and_is_mute_until_somebody_is_there() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    let browser = Browser::open("en-US").await;
    browser.before(COUNTED).await;
    sign_in(&browser, &served.base, &token).await;
    // Chosen by a click: heard at once.
    browser.wait("document.querySelector('.bell-off')").await;
    browser.click(".bell").await;
    browser.wait("document.querySelector('.bell-sound') && window.sounded === 2").await;
    browser.go(&format!("{}/alerts", served.base)).await;
    browser.wait("document.querySelector('.bell-mute').title.includes('Click anywhere')").await;
    browser.press("x").await;
    browser.wait("document.querySelector('.bell-sound')").await;
    // Told on every page, with the way to it; what is the same is told once.
    served.events(&[down("db-1"), down("db-1")]).await;
    browser.wait("document.querySelector('.toast.bad a')?.textContent === 'Open'").await;
    browser.wait("window.sounded === 2").await;
    assert_eq!(browser.read("document.querySelectorAll('.toast.bad').length").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_stands_still_and_a_silent_source_are_seen_and_heard() {
    let served = Served::start();
    let token = served.token("admin", "chen");
    served.events(&[down("db-1")]).await;
    let browser = Browser::open("en-US").await;
    browser.before(COUNTED).await;
    browser.before(STALLED).await;
    browser.screen(1920, 1080).await;
    sign_in(&browser, &served.base, &token).await;
    browser.wait("document.querySelector('.live')?.textContent === 'Live'").await;
    browser.run("window.waits = 90000; localStorage.setItem('notice', 'sound')").await;
    browser.wait("document.querySelector('.live.lost')").await;
    browser.wait("document.querySelector('.feedbar').textContent.includes('to be decided')").await;
    browser.run("window.waits = 0").await;
    browser.wait("!document.querySelector('.feedbar') && !document.querySelector('.live.lost')").await;

    browser.go(&format!("{}/wall", served.base)).await;
    browser.wait("document.querySelector('.w-health li')").await;
    browser.click(".w-total").await;
    browser.wait("!document.querySelector('.w-mute')").await;
    browser.run("window.sounded = 0; window.waits = 90000").await;
    browser.wait("document.querySelector('.wall.old .w-stale')?.textContent.includes('1m 3')").await;
    browser.wait("window.sounded === 2").await;
    browser.run("window.waits = 0").await;
    browser.wait("!document.querySelector('.w-stale')").await;

    // A source that was promised and does not come.
    browser.wait(MAY_SOUND_AGAIN).await;
    browser.run("window.sounded = 0").await;
    let expected = json!({ "kind": "monitors", "expected": { "every_secs": 5 } });
    served.send(Method::PUT, &token, "/api/v1/sources/monitors", &expected).await;
    browser.wait("document.querySelector('.w-health li.late .w-dot.late')").await;
    browser.wait("document.querySelector('.w-silent.w-bad')?.textContent.includes('monitors')").await;
    browser.wait("window.sounded === 2").await;
    let colour = "getComputedStyle(document.querySelector('.w-health li.late strong')).color === getComputedStyle(document.querySelector('.w-bad')).color";
    assert_eq!(browser.read(colour).await, true);
    check_quiet(&browser, &served.base).await;
}
