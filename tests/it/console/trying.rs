//! Buttons with which something is tried, made or told again: each one pressed, and what came of it read from the API.

use std::net::{SocketAddr, TcpListener};

use reqwest::Method;
use serde_json::{Value, json};

use super::driver::Browser;
use super::served::Served;
use super::{check_quiet, largest, sign_in};
use crate::receiver::{Receiver, SECRET};

/// One draft of a rule, whatever the recorded alerts give reason for.
const DRAFT: &str = "const ask = window.fetch;
    window.fetch = (path, options) => (String(path).includes('/api/v1/suggestions')
      ? Promise.resolve(new Response(JSON.stringify({ events: 10, episodes: 2, drafts_dropped: 0, pairs: [], missing_relations: [], silent_relations: [],
          drafts: [{ id: 'hush', file: '00-0-hush.yaml', reason: 'noise', because: { zh: '噪声', en: 'it is noise' }, yaml: 'mute:\\n  - { id: hush, match: { name: Noise } }' }] }))) : ask(path, options));";

/// Gives the reason that a dialog asks for, and sends it.
async fn because(browser: &Browser, reason: &str) {
    browser.wait("document.querySelector('dialog input[name=reason]')").await;
    browser.run(&format!("const field = document.querySelector('dialog input[name=reason]'); field.value = {}; field.dispatchEvent(new Event('input', {{ bubbles: true }}));", json!(reason))).await;
    browser.click("dialog button[type=submit]").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suggestion_and_an_edit_are_tried_beside_and_their_cost_is_counted() {
    let served = Served::start();
    let token = served.token("analyst", "chen");
    served.storm(0..400).await;
    let browser = Browser::open("en-US").await;
    browser.before(DRAFT).await;
    sign_in(&browser, &served.base, &token).await;
    browser.go(&format!("{}/suggestions", served.base)).await;
    browser.click("[data-act=try]").await;
    because(&browser, "less noise").await;
    browser.wait("location.pathname === '/tuning'").await;
    browser.sees("less noise").await;
    let shadow = served.get(&token, "/api/v1/shadow").await;
    assert_eq!((&shadow["running"], &shadow["reason"]), (&json!(true), &json!("less noise")), "{shadow}");

    browser.go(&format!("{}/rules", served.base)).await;
    browser.click("table.rules tbody tr .linkish").await;
    browser.wait("document.querySelector('.editor textarea').value.length > 20").await;
    browser.run("const area = document.querySelector('.editor textarea'); area.value += '\\n# tried\\n'; area.dispatchEvent(new Event('input', { bubbles: true }));").await;
    browser.click("[data-act=cost]").await;
    browser.wait("[...document.querySelectorAll('table.plain td')].some((one) => one.textContent === '400' || Number(one.textContent.replaceAll(',', '')) > 10) && document.querySelector('th.tried')").await;
    // What came when, by what is in force and by what is asked about, as two charts.
    browser.wait("[...document.querySelectorAll('svg.course')].length === 2 && document.querySelectorAll('svg.course rect.tried').length > 0").await;
    browser.run("scrollTo(0, 0)").await;
    browser.click("[data-act=beside]").await;
    // Only one runs: whose it is is said before it ends.
    browser.wait("document.querySelector('dialog')?.innerText.includes('The trial of chen') && document.querySelector('dialog').innerText.includes('less noise')").await;
    because(&browser, "only a remark").await;
    browser.wait("document.querySelector('.toast.good')").await;
    browser.go(&format!("{}/tuning", served.base)).await;
    browser.sees("only a remark").await;
    assert_eq!(served.get(&token, "/api/v1/shadow").await["reason"], "only a remark");
    check_quiet(&browser, &served.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metric_model_is_made_again_or_it_is_said_why_not() {
    let served = Served::start();
    let token = served.token("analyst", "chen");
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.go(&format!("{}/models", served.base)).await;
    browser.click("[data-act=retrain]").await;
    browser.wait("document.querySelector('dialog button[type=submit]')").await;
    browser.click("dialog button[type=submit]").await;
    // There are no readings to learn from.
    browser.wait("document.querySelector('.toast.bad')?.textContent.includes('did not work')").await;
    drop(browser.complaints().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_shows_the_neighbours_of_a_node_and_hides_them_again() {
    let served = Served::start();
    let token = served.token("viewer", "li.na");
    served.storm(0..800).await;
    let incident = largest(&served, &token).await;
    let (id, root) = (incident["id"].as_str().unwrap(), incident["root"]["ci"]["id"].as_str().unwrap());
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.go(&format!("{}/incidents/{id}", served.base)).await;
    let drawn = "Number(document.querySelector('.canvas').dataset.drawn)";
    let before = browser.wait(&format!("{drawn} > 1 && {drawn}")).await.as_u64().unwrap();
    browser
        .run(&format!("document.querySelector('.canvas')._cyreg.cy.getElementById({}).emit('tap')", json!(root)))
        .await;
    browser.click("[data-expand]").await;
    browser.wait(&format!("{drawn} > {before}")).await;
    let wide = served.get(&token, &format!("/api/v1/incidents/{id}/graph?nodes=56&expand={root}")).await;
    browser.wait(&format!("{drawn} === {}", wide["nodes"].as_array().unwrap().len())).await;
    browser
        .run("[...document.querySelectorAll('.graph button')].find((one) => one.textContent === 'Collapse').click()")
        .await;
    browser.wait(&format!("{drawn} === {before}")).await;

    // By keys alone: it stays picked while its neighbours come, and who drops it once too often stays on the page.
    browser.run("document.querySelector('.canvas').focus()").await;
    browser.press("\u{E014}").await;
    browser.wait("document.querySelector('.picked')").await;
    browser.press("\u{E007}").await;
    browser.wait(&format!("{drawn} > {before}")).await;
    let picked = format!("document.querySelector('.canvas')._cyreg.cy.$('node:selected')[0].id() === {}", json!(root));
    assert_eq!(browser.read(&picked).await, true);
    browser.press("\u{E00C}\u{E00C}").await;
    browser.wait("!document.querySelector('.picked')").await;
    assert_eq!(browser.read("location.pathname").await, format!("/incidents/{id}"));
    check_quiet(&browser, &served.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_arrive_or_was_held_back_is_told_after_all() {
    // Nobody listens there at first.
    let address: SocketAddr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let served = Served::start_with(&format!(
        "receivers:\n- {{ id: room, url: \"http://{address}/hook\", secret: {SECRET}, allow_private: true }}\n\
         delivery: {{ give_up_after: 1s, retry_first: 1s }}\n"
    ));
    let token = served.token("analyst", "chen");
    let rules = |more: &str| json!({ "files": { "a.yaml": format!("promote: [{{ id: at-once, after: now }}]\nroutes: [{{ id: all, receivers: [room] }}]\n{more}") }, "reason": "test" });
    served.send(Method::PUT, &token, "/api/v1/rules", &rules("")).await;
    served.events(&[super::storm::lone(0)]).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.go(&format!("{}/deliveries", served.base)).await;
    browser.wait("document.querySelector('[data-act=resend]')").await;
    let receiver = Receiver::at(address).await;
    browser.click("[data-act=resend]").await;
    browser.wait("document.querySelector('.toast.good')").await;
    receiver.wait_for("the notice", |seen| !seen.is_empty()).await;
    browser.wait("!document.querySelector('[data-act=resend]')").await;

    let storm = "settings: { storm_mode: { incidents: 3, within: 1m, calm: 6h, every: 1m, unless: none } }\n";
    served.send(Method::PUT, &token, "/api/v1/rules", &rules(storm)).await;
    served.events(&(1..12).map(super::storm::lone).collect::<Vec<_>>()).await;
    browser.go(&format!("{}/storm", served.base)).await;
    browser.wait("document.querySelectorAll('table.plain tbody tr').length > 3").await;
    assert_eq!(
        browser.read("document.querySelector('[data-act=tell-all]').disabled").await,
        true,
        "not while it storms"
    );
    // Without the setting the storm is over, and everything may be told.
    served.send(Method::PUT, &token, "/api/v1/rules", &rules("")).await;
    let held = served.get(&token, "/api/v1/held-back").await["items"].as_array().unwrap().len();
    browser.wait("!document.querySelector('[data-act=tell-all]').disabled").await;
    let before = receiver.seen().len();
    browser.click("[data-act=tell-all]").await;
    browser.wait("document.querySelector('.toast.good')").await;
    browser.wait("!document.querySelector('[data-act=tell-all]')").await;
    receiver.wait_for("what was held back", |seen| seen.len() >= before + held).await;
    drop(browser.complaints().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_is_searched_by_the_server() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    served.events(&(0..30).map(super::storm::lone).collect::<Vec<_>>()).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.wait("document.querySelectorAll('table.board tr[data-id]').length === 30").await;
    let id = browser.read("[...document.querySelectorAll('table.board tr[data-id]')].find((one) => one.innerText.includes('service 17 ')).dataset.id").await;
    let close = format!("/api/v1/incidents/{}/close", id.as_str().unwrap());
    served.send(Method::POST, &token, &close, &json!({ "text": "moved away" })).await;
    browser.wait("document.querySelectorAll('table.board tr[data-id]').length === 29").await;
    browser.click(".filters .switch button:nth-child(3)").await;
    browser.fill("#search", "service 17 ").await;
    browser.wait(&format!("document.querySelectorAll('table.board tr[data-id]').length === 1 && document.querySelector('table.board tr[data-id]').dataset.id === {id}")).await;
    browser.wait("document.querySelector('table.board .state-closed')").await;
    let asked = browser.requests().await;
    assert!(asked.iter().any(|url| url.contains("archive=true") && url.contains("service")), "{asked:?}");
    check_quiet(&browser, &served.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_in_the_cmdb_since_an_earlier_version_is_listed() {
    let served = Served::start();
    let token = served.token("admin", "chen");
    let estate = |name: &str, more: &[Value]| {
        let mut cis = vec![
            json!({ "id": "pdu-1", "class": "pdu", "name": "PDU 1" }),
            json!({ "id": "host-1", "class": "server", "name": name }),
        ];
        cis.extend(more.iter().cloned());
        json!({ "cis": cis, "relations": [{ "from": "pdu-1", "to": "host-1", "type": "powers" }] })
    };
    served.send(Method::PUT, &token, "/api/v1/topology", &estate("web one", &[])).await;
    let added = json!({ "id": "host-2", "class": "server", "name": "web two" });
    served.send(Method::PUT, &token, "/api/v1/topology", &estate("web first", &[added])).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.go(&format!("{}/topology", served.base)).await;
    let list = "[...document.querySelectorAll('details')].map((one) => one.innerText).join('\\n')";
    browser
        .wait(&format!("{list}.includes('web two') && {list}.includes('web one') && {list}.includes('web first')"))
        .await;
    // Since the one before that, nearly everything has gone.
    let versions = served.get(&token, "/api/v1/topology/versions").await;
    let first = versions["items"].as_array().unwrap().last().unwrap()["version"].clone();
    let diff = served.get(&token, &format!("/api/v1/topology/diff?from={first}")).await;
    let gone = diff["removed"]["count"].as_u64().unwrap();
    assert!(gone > 100, "{diff}");
    browser.run(&format!("const field = [...document.querySelectorAll('select')].find((one) => [...one.options].some((option) => option.value === '{first}')); field.value = '{first}'; field.dispatchEvent(new Event('change', {{ bubbles: true }}));")).await;
    browser.wait(&format!("[...document.querySelectorAll('summary b')].some((one) => one.textContent.replaceAll(',', '') === '{gone}')")).await;
    check_quiet(&browser, &served.base).await;
}
