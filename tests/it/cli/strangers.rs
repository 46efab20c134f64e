//! Whoever asks without a valid credential too often is told to wait, by address; whoever has one is not.

use std::io::Write as _;

use super::write;
use crate::served::{Answer, Request, Served};

#[test]
fn one_address_without_a_credential_is_told_to_wait_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let config = write(folder.path(), "hw.yaml", "strangers: { per_minute: 5, proxies: [127.0.0.1] }\n");
    let (served, boss) = Served::start(&["--config", &config]);
    let from = |mut request: Request<'_>, address: &str| {
        request.headers.push(("x-forwarded-for", address.to_owned()));
        served.send(&request)
    };
    let (one, other) = ("198.51.100.7", "198.51.100.8");
    let event = br#"{"name":"power-lost","starts_at":"2026-01-05T00:00:00Z","object":{"name":"pdu"}}"#;
    let sign_in = || Request::post("/api/v1/session", "nobody", br#"{"token":"hw_0"}"#);
    // API, intake and sign-in are counted together.
    for n in 0..5 {
        let answer = match n {
            0..3 => from(Request::get("/api/v1/incidents", "hw_0"), one),
            3 => from(Request::post("/api/v1/events", "hw_0", event), one),
            _ => from(sign_in(), one),
        };
        assert_eq!((answer.status, answer.problem().as_str()), (401, "unauthorized"), "{n}: {answer:?}");
    }
    for request in
        [Request::get("/api/v1/incidents", "hw_0"), Request::post("/api/v1/events", "hw_0", event), sign_in()]
    {
        let answer = from(request, one);
        assert_eq!((answer.status, answer.problem().as_str()), (429, "too_many"), "{answer:?}");
        let wait: u64 = answer.headers["retry-after"].parse().unwrap();
        assert!((1..=13).contains(&wait), "a fifth of a minute: {wait}");
    }
    // A body is not waited for, and what the client itself writes into the header does not help.
    let mut stream = served.connect();
    let head = "POST /api/v1/events HTTP/1.1\r\nhost: hw\r\nauthorization: Bearer hw_0\r\ncontent-length: 1000000\r\n\
                x-forwarded-for: 203.0.113.9, 198.51.100.7\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(Answer::read(&mut stream).expect("an answer before the body").status, 429);
    // Another address, those with a credential, and what is open to all go on.
    assert_eq!(from(Request::get("/api/v1/incidents", "hw_0"), other).status, 401);
    assert_eq!(from(Request::get("/api/v1/incidents", &boss), one).status, 200);
    assert_eq!(from(Request::post("/api/v1/events", &boss, event), one).status, 202);
    assert_eq!(from(Request { headers: Vec::new(), ..Request::get("/livez", "") }, one).status, 200);
    let told = served.metrics(&boss);
    let counts = ["headwater_strangers_answered_total", "headwater_strangers_refused_total"].map(|name| told[name]);
    assert_eq!(counts, [6.0, 4.0]);
}
