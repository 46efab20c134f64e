//! The largest picture that the console offers: an incident of 2,000 CIs. Each is drawn where the server puts it, and the
//! page does not grow with them. `just graph` measures how fast that is (`HEADWATER_FIGURES=1`).

use serde_json::{Value, json};

use super::driver::Browser;
use super::served::Served;
use super::{check_quiet, sign_in};

/// The most that the server draws, and what the incident consists of.
const NODES: usize = 2_000;
const HOSTS: usize = 399;
/// Frames of one movement.
const FRAMES: usize = 60;
/// Elements that a panel with a picture may consist of, whatever it draws.
const ELEMENTS_MAX: u64 = 120;

/// A switch, hosts behind it, and machines on those.
fn estate() -> Value {
    let ci =
        |class: &str, n: usize| json!({ "id": format!("{class}-{n}"), "class": class, "name": format!("{class}-{n}") });
    let machines = NODES - 1 - HOSTS;
    let mut cis = vec![ci("access_switch", 0)];
    cis.extend((0..HOSTS).map(|n| ci("server", n)));
    cis.extend((0..machines).map(|n| ci("vm", n)));
    let relation = |from: String, kind: &str, to: String| json!({ "from": from, "type": kind, "to": to });
    let mut relations: Vec<Value> =
        (0..HOSTS).map(|n| relation("access_switch-0".into(), "uplinks", format!("server-{n}"))).collect();
    relations.extend((0..machines).map(|n| relation(format!("vm-{n}"), "runs_on", format!("server-{}", n % HOSTS))));
    json!({ "cis": cis, "relations": relations })
}

/// The switch goes down, and everything behind it is unreachable.
fn outage() -> Vec<Value> {
    let alert = |name: &str, severity: &str, object: String| {
        json!({ "name": name, "title": format!("{object}: {name}"), "severity": severity,
        "object": { "name": object }, "starts_at": "2026-01-05T00:00:00Z" })
    };
    let mut events = vec![alert("Switch is down", "critical", "access_switch-0".into())];
    events.extend((0..HOSTS).map(|n| alert("Host is unreachable", "major", format!("server-{n}"))));
    events.extend((0..NODES - 1 - HOSTS).map(|n| alert("VM is unreachable", "minor", format!("vm-{n}"))));
    events
}

/// The incident's page with its picture as small as it is at first.
async fn opened() -> (Served, Browser) {
    let served = Served::start();
    let token = served.token("admin", "chen");
    served.send(reqwest::Method::PUT, &token, "/api/v1/topology", &estate()).await;
    served.events(&outage()).await;
    let incident = loop {
        let list = served.get(&token, "/api/v1/incidents?limit=500").await;
        let all = list["items"].as_array().unwrap();
        let whole = all.iter().find(|one| one["alert_count"].as_u64() >= Some(NODES as u64));
        if let Some(incident) = whole {
            break incident["id"].as_str().unwrap().to_owned();
        }
        tokio::task::yield_now().await;
    };
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.go(&format!("{}/incidents/{incident}", served.base)).await;
    browser.wait("document.querySelector('.canvas[data-drawn]')").await;
    (served, browser)
}

const ALL: &str = "[data-all]";
const DRAWN: &str = "document.querySelector('.canvas').dataset.drawn";

/// Where each node is drawn and where the server puts it: those that differ, and how many there are.
const PLACED: &str = "const done = arguments[arguments.length - 1];
    const drawing = document.querySelector('.canvas')._cyreg.cy;
    const id = location.pathname.split('/').pop();
    fetch(`/api/v1/incidents/${id}/graph?nodes=2000&topology=then`).then((answer) => answer.json()).then((graph) => {
      const at = (node) => drawing.getElementById(node.id).position();
      const near = (a, b) => Math.abs(a - b) < 0.01;
      const astray = graph.nodes.filter((node) => !near(at(node)?.x, node.x) || !near(at(node)?.y, node.y));
      const layer = (node) => graph.layers.filter((one) => node.y >= one.top && node.y <= one.bottom).length;
      done({ nodes: graph.nodes.length, edges: drawing.edges().length - graph.edges.length, astray: astray.length,
        layers: graph.layers.length, between: graph.nodes.filter((node) => layer(node) !== 1).length });
    });";

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_cis_of_one_incident_are_drawn_where_the_server_puts_them() {
    let (served, browser) = opened().await;
    let few = browser.read(DRAWN).await.as_str().unwrap().parse::<usize>().unwrap();
    assert!(few < 100, "{few} are drawn before all are asked for");
    let elements = "document.querySelectorAll('.graph *').length";
    let before = browser.read(elements).await.as_u64().unwrap();
    browser.click(ALL).await;
    browser.wait(&format!("{DRAWN} === '{NODES}'")).await;
    let placed = browser.timed(PLACED).await;
    let wanted = json!({ "nodes": NODES, "edges": 0, "astray": 0, "layers": 2, "between": 0 });
    assert_eq!(placed, wanted);
    // They are painted, not elements: the page is what it was.
    let after = browser.read(elements).await.as_u64().unwrap();
    assert!(after < ELEMENTS_MAX && after <= before + 5, "{before} elements became {after}");
    // It is moved with the keyboard, and what is picked is told in words.
    browser.run("document.querySelector('.canvas').focus()").await;
    let seen = "JSON.stringify(document.querySelector('.canvas')._cyreg.cy.extent())";
    let whole = browser.read(seen).await;
    browser.press("\u{E015}").await;
    browser.wait("document.querySelector('.picked')?.innerText.includes('access_switch-0')").await;
    // What is picked stays in sight, however near one goes.
    browser.press("++++++++").await;
    browser.wait(&format!("{seen} !== {}", json!(whole))).await;
    let in_sight = "(() => { const drawing = document.querySelector('.canvas')._cyreg.cy; const [at, seen] = [drawing.$('node:selected').position(), drawing.extent()]; return at.x > seen.x1 && at.x < seen.x2 && at.y > seen.y1 && at.y < seen.y2; })()";
    assert_eq!(browser.read(in_sight).await, true);
    check_quiet(&browser, &served.base).await;
}

/// How long the frames of a movement take: the page draws, then the next step is made.
fn moving(step: &str) -> String {
    format!(
        "const done = arguments[arguments.length - 1];
         const drawing = document.querySelector('.canvas')._cyreg.cy;
         const times = [];
         let before = 0;
         const frame = (at) => {{
           if (before) times.push(at - before);
           before = at;
           const n = times.length;
           if (n >= {FRAMES}) {{ times.sort((a, b) => a - b); done([times[{FRAMES} / 2], times[Math.floor({FRAMES} * 0.95)]]); return; }}
           {step};
           requestAnimationFrame(frame);
         }};
         requestAnimationFrame(frame);"
    )
}

/// From the press until the picture is there and painted.
const SHOWN: &str = "const done = arguments[arguments.length - 1];
    const began = performance.now();
    new MutationObserver((_, watch) => {
      if (document.querySelector('.canvas').dataset.drawn !== '2000') return;
      watch.disconnect();
      requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began)));
    }).observe(document.querySelector('.canvas'), { attributes: true });
    document.querySelector('[data-all]').click();";

#[tokio::test(flavor = "multi_thread")]
async fn how_fast_two_thousand_nodes_are_is_measured() {
    if std::env::var_os("HEADWATER_FIGURES").is_none() {
        return;
    }
    let (_served, browser) = opened().await;
    let (heap, pages) = (browser.collected().await, browser.renderer_bytes());
    let first = browser.timed(SHOWN).await.as_f64().unwrap();
    println!("{NODES} nodes are painted {first:.0} ms after they were asked for");
    for (what, step) in [
        ("moved", "drawing.panBy({ x: n % 2 ? 9 : -7, y: 4 })"),
        ("zoomed", "drawing.zoom(drawing.zoom() * (n % 2 ? 1.08 : 0.95))"),
    ] {
        let times = browser.timed(&moving(step)).await;
        let ms = |n: usize| times[n].as_f64().unwrap();
        println!("a frame while they are {what}: {:.0} ms (median), {:.0} ms (95 %)", ms(0), ms(1));
    }
    let mib = 1024.0 * 1024.0;
    let (more, all) =
        ((browser.collected().await - heap) / mib, (browser.renderer_bytes() as f64 - pages as f64) / mib);
    println!("they take {more:.1} MiB of the page's heap, {all:.1} MiB of the process that draws it");
}
