//! A ticket system of one's own at the other end, and a ticket ordered from an incident's page.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::{StatusCode, Uri};
use axum::{Json, Router};
use reqwest::Method;
use serde_json::json;

use super::driver::Browser;
use super::served::Served;
use super::{ROWS, check_quiet, sign_in};

/// Answers each request with the next of these numbers and addresses; what is asked under `refuses` is refused with them.
pub async fn system(answers: Vec<(String, String)>) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (turn, answers) = (Arc::new(AtomicUsize::new(0)), Arc::new(answers));
    let answer = move |uri: Uri| {
        let (number, url) = answers[turn.fetch_add(1, Ordering::Relaxed) % answers.len()].clone();
        let status = if uri.path().contains("refuses") { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        async move { (status, Json(json!({ "id": "1", "number": number, "url": url, "message": number }))) }
    };
    let app = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// Settings with receivers that file there, each under its name.
pub fn settings(at: SocketAddr, receivers: &[&str]) -> String {
    let receiver = |id: &&str| {
        json!({ "id": id, "kind": "rest_ticket", "server": format!("http://{at}"), "allow_private": true, "rate": 60_000,
            "open": { "path": id, "body": { "title": "{{ title }}" } }, "number": "/number", "url": "/url" })
    };
    let delivery = json!({ "retry_first": "1s", "retry_max": "1s", "give_up_after": "1s" });
    json!({ "receivers": receivers.iter().map(receiver).collect::<Vec<_>>(), "delivery": delivery }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_ordered_from_the_incident_and_its_number_leads_there() {
    let at = system(vec![("CHG-42".into(), "https://itsm.example/CHG-42".into())]).await;
    let served = Served::start_with(&settings(at, &["itsm", "room"]));
    let analyst = served.token("analyst", "chen");
    let rules = "promote: [{ id: at-once, after: now }]\nroutes: [{ id: cooling, match: { name: Cooling }, receivers: [itsm] }, { id: rest, receivers: [room] }]";
    let rules = json!({ "files": { "a.yaml": rules }, "reason": "test" });
    served.send(Method::PUT, &analyst, "/api/v1/rules", &rules).await;
    served.events(&[super::storm::lone(0)]).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &served.token("operator", "li.na")).await;
    browser.wait(&format!("{ROWS} > 0")).await;
    browser.click("table.board .what a").await;
    super::menu(&browser, "ticket").await;
    browser.sees("One ticket is opened there").await;
    browser.click("dialog button[type=submit]").await;
    browser.wait("document.querySelector('.tl-ticket_ordered')?.innerText.includes('li.na')").await;
    browser.wait("document.querySelector('.tl-ticket_filed')?.innerText.includes('CHG-42')").await;
    browser.wait("document.querySelectorAll('.head a.ticket').length === 2 && document.querySelector('.head a.ticket').href === 'https://itsm.example/CHG-42'").await;
    // Where there is one, no second one is offered.
    browser.wait("!document.querySelector('[data-act=ticket]')").await;
    check_quiet(&browser, &served.base).await;
}
