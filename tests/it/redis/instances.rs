//! Two instances that share Redis: who is signed in, and how fast a source may send.

use std::path::Path;

use super::faults::{conserved, until_away};
use super::server::Redis;
use super::view::{event, post_all, served, until_equal};
use crate::nats::front::until;
use crate::nats::server::{Program, Server};
use crate::served::{Answer, Request, Served};

/// Two instances that know the same credentials.
fn two(redis: &Redis, more: &str) -> (Served, Served, String) {
    let (first, token) = served(&redis.url(), more);
    let (second, _) = served(&redis.url(), more);
    know(&first, &second, &token);
    (first, second, token)
}

/// Copies the credentials, as an operator does; the second one follows its file. It first notes there that its own was
/// made, which would take the place of a copy made at that moment.
fn know(first: &Served, second: &Served, token: &str) {
    let file = |served: &Served| served.folder.path().join("tokens.json");
    until("its own credential is noted", || {
        (!std::fs::read_to_string(file(second)).unwrap().contains("to_note")).then_some(())
    });
    std::fs::copy(file(first), file(second)).unwrap();
    until("the other's credentials are known", || {
        (second.send(&Request::get("/api/v1/overview", token)).status == 200).then_some(())
    });
}

/// A request of a browser.
fn browse(served: &Served, method: &str, path: &str, cookie: &str, body: &str) -> Answer {
    let mut headers = vec![("origin", "http://headwater".to_owned()), ("content-length", body.len().to_string())];
    if !body.is_empty() {
        headers.push(("content-type", "application/json".to_owned()));
    }
    if !cookie.is_empty() {
        headers.push(("cookie", format!("headwater={cookie}")));
    }
    served.send(&Request { method, path, headers, body: body.as_bytes() })
}

/// Signs in; gives the cookie.
fn sign_in(served: &Served, token: &str) -> String {
    let answer = browse(served, "POST", "/api/v1/session", "", &format!("{{\"token\":\"{token}\"}}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let cookie = answer.headers["set-cookie"].strip_prefix("headwater=").unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

fn is_in(served: &Served, cookie: &str) -> bool {
    match browse(served, "GET", "/api/v1/session", cookie, "").status {
        200 => true,
        401 => false,
        other => panic!("{other}"),
    }
}

fn until_in(served: &Served, cookie: &str, signed_in: bool) {
    until("the session is as it should be", || (is_in(served, cookie) == signed_in).then_some(()));
}

#[test]
fn who_signs_in_at_one_instance_is_in_at_all_until_signing_out_at_any() {
    let Some(redis) = Redis::start(&[]) else { return };
    let (first, second, token) = two(&redis, "");
    until_away(&first, &token, false);
    until_away(&second, &token, false);
    let cookie = sign_in(&first, &token);
    until_in(&second, &cookie, true);
    assert_eq!(browse(&second, "DELETE", "/api/v1/session", &cookie, "").status, 204);
    assert!(!is_in(&second, &cookie));
    until_in(&first, &cookie, false);
    assert!(!is_in(&second, &cookie), "out is out");
    // What Redis forgets the instances tell it again.
    let cookie = sign_in(&first, &token);
    until_in(&second, &cookie, true);
    redis.say(&["FLUSHALL"]);
    until("it is there again", || redis.keys().iter().any(|key| key.contains("{sessions}")).then_some(()));
    let (third, _) = served(&redis.url(), "");
    know(&first, &third, &token);
    until_in(&third, &cookie, true);
    // The cookie is nowhere in Redis.
    assert!(redis.keys().iter().all(|key| !key.contains(&cookie)));
}

#[test]
fn sessions_go_on_without_redis_and_an_end_is_told_when_it_returns() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    let (first, second, token) = two(&redis, "");
    until_away(&first, &token, false);
    let cookie = sign_in(&first, &token);
    until_in(&second, &cookie, true);
    redis.kill();
    until_away(&first, &token, true);
    until_away(&second, &token, true);
    assert!(is_in(&first, &cookie) && is_in(&second, &cookie));
    let local = sign_in(&second, &token);
    assert!(is_in(&second, &local) && !is_in(&first, &local));
    assert_eq!(browse(&first, "DELETE", "/api/v1/session", &cookie, "").status, 204);
    assert!(!is_in(&first, &cookie));
    redis.run();
    until_away(&first, &token, false);
    until_away(&second, &token, false);
    until_in(&first, &local, true);
    until_in(&second, &cookie, false);
    assert!(!is_in(&first, &cookie), "what has ended here is not opened again by others");
}

#[test]
fn sessions_that_somebody_puts_into_redis_open_nothing() {
    let Some(redis) = Redis::start(&[]) else { return };
    let (first, second, token) = two(&redis, "");
    until_away(&first, &token, false);
    let cookie = sign_in(&first, &token);
    until_in(&second, &cookie, true);
    let key = redis.keys().into_iter().find(|key| key.contains("{sessions}")).unwrap();
    let sound = redis.text(&key).unwrap();
    // A cookie of the attacker's own, with the content of a sound session, of nonsense, and of other kinds.
    let forged = "0123456789abcdef0123456789abcdef";
    let hash = {
        use sha2::Digest as _;
        hex::encode(sha2::Sha256::digest(forged.as_bytes()))
    };
    let place = format!("headwater:v1:{{sessions}}:{hash}");
    for content in [sound.as_str(), "{}", "nonsense", "", &"x".repeat(100_000)] {
        redis.say(&["SET", &place, content]);
        assert!(!is_in(&first, forged) && !is_in(&second, forged), "{content:.100}");
    }
    for words in [vec!["RPUSH", &place, "x"], vec!["HSET", &place, "credential", "x"]] {
        redis.say(&["DEL", &place]);
        redis.say(&words);
        assert!(!is_in(&first, forged));
    }
    // A sound one that was changed is put right by who knows it.
    redis.say(&["SET", &key, &sound.replace("\"since\":1", "\"since\":9")]);
    until("it is put right", || redis.text(&key)?.contains("\"since\":1").then_some(()));
    assert!(is_in(&first, &cookie) && is_in(&second, &cookie));
}

#[test]
fn sign_ins_are_counted_for_all_instances() {
    let Some(redis) = Redis::start(&[]) else { return };
    let (first, second, token) = two(&redis, "");
    until_away(&first, &token, false);
    until_away(&second, &token, false);
    let refused = |served: &Served| browse(served, "POST", "/api/v1/session", "", "{\"token\":\"no\"}").status;
    let mut answers: Vec<u16> = (0..75).map(|_| refused(&first)).collect();
    answers.extend((0..75).map(|_| refused(&second)));
    let looked_at = answers.iter().filter(|status| **status == 401).count();
    let too_many = answers.iter().filter(|status| **status == 429).count();
    // Two come free in a second.
    assert!((120..140).contains(&looked_at) && looked_at + too_many == 150, "{looked_at} {too_many}");
}

fn accepted(served: &Served, token: &str, numbers: std::ops::Range<usize>) -> usize {
    let sent = numbers.map(|n| {
        let body = event(n, "critical", "firing");
        let answer = served.send(&Request::post("/api/v1/events", token, body.as_bytes()));
        match answer.status {
            202 => true,
            429 => {
                assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
                false
            }
            other => panic!("{other} {}", answer.text()),
        }
    });
    sent.filter(|is_taken| *is_taken).count()
}

#[test]
fn a_source_s_rate_is_one_for_all_instances_and_a_part_without_redis() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    let (first, second, token) = two(&redis, "intake:\n  rate: { requests_per_minute: 40 }\n");
    for instance in [&first, &second] {
        until_away(instance, &token, false);
        until("both are known", || (instance.metrics(&token)["headwater_redis_instances"] == 2.0).then_some(()));
    }
    let taken = accepted(&first, &token, 0..30) + accepted(&second, &token, 100..130);
    // One comes free every one and a half seconds.
    assert!((40..=55).contains(&taken), "{taken} of 60 at 40 a minute");
    // Somebody writes nonsense where the count is: it counts as nothing.
    let key = redis.keys().into_iter().find(|key| key.contains("{rates:default:boss}")).unwrap();
    for content in ["nan", "inf", "-1", "99999999999999999999", "x"] {
        redis.say(&["SET", &key, content]);
        let answer = first.send(&Request::get("/readyz", &token));
        assert_eq!(answer.status, 200);
    }
    redis.say(&["DEL", &key]);
    redis.say(&["RPUSH", &key, "x"]);
    assert!(accepted(&second, &token, 200..205) >= 1);
    redis.kill();
    until_away(&first, &token, true);
    let alone = accepted(&first, &token, 300..340);
    assert!(alone <= 24, "{alone} of 40 with half of 40 a minute");
}

/// An instance of a cluster whose journal is on NATS.
fn member(name: &str, nats: &str, redis: &Redis, folder: &Path) -> (Served, String) {
    let file = folder.join(format!("{name}.yaml"));
    let text = format!(
        "durability: process\nnats: {{ urls: [{nats}], intake: false, publish: false }}\n\
         cluster: {{ on: true, instance: {name} }}\nredis: {{ urls: [{}] }}\n",
        redis.url()
    );
    std::fs::write(&file, text).unwrap();
    Served::start(&["--config", file.to_str().unwrap()])
}

#[test]
fn instances_of_a_cluster_write_one_view_and_whoever_is_left_keeps_it() {
    let Some(redis) = Redis::start(&[]) else { return };
    let Some(path) = Program::Recent.path() else { return };
    let (server, folder) = (Server::start(&path, "one.conf".as_ref()), tempfile::tempdir().unwrap());
    let (first, token) = member("one", &server.url(), &redis, folder.path());
    let (second, _) = member("two", &server.url(), &redis, folder.path());
    know(&first, &second, &token);
    post_all(&first, &token, 0..20, "firing");
    post_all(&second, &token, 20..40, "firing");
    for instance in [&first, &second] {
        until_equal(&redis, instance, &token);
    }
    redis.say(&["FLUSHALL"]);
    post_all(&second, &token, 0..5, "resolved");
    for instance in [&first, &second] {
        until_equal(&redis, instance, &token);
    }
    let cookie = sign_in(&first, &token);
    until_in(&second, &cookie, true);
    // kill -9.
    drop(first);
    redis.say(&["FLUSHALL"]);
    post_all(&second, &token, 5..10, "resolved");
    conserved(&second, &token, 50);
    until_equal(&redis, &second, &token);
    until_in(&second, &cookie, true);
}

#[test]
fn a_signed_delivery_is_taken_once_by_all_instances_together() {
    use base64::Engine as _;
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let Some(mut redis) = Redis::start(&[]) else { return };
    let (first, second, token) = two(&redis, "");
    let secret = "0123456789abcdef0123456789abcdef";
    for served in [&first, &second] {
        until_away(served, &token, false);
        let body = format!("{{\"secret\":\"{secret}\"}}");
        let put = Request { method: "PUT", ..Request::post("/api/v1/sources/forge", &token, body.as_bytes()) };
        assert_eq!(served.send(&put).status, 204);
    }
    let body =
        std::fs::read_to_string(crate::storms::project().join("tests/golden/decode/github/firing.json")).unwrap();
    let send = |served: &Served, id: &str| {
        let secs = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().to_string();
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{id}.{secs}.{body}").as_bytes());
        let seal = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("content-length", body.len().to_string()),
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", secs),
            ("webhook-signature", format!("v1,{seal}")),
        ];
        let path = "/api/v1/sources/forge/ingest/github";
        let answer = served.send(&Request { method: "POST", path, headers, body: body.as_bytes() });
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer.text().contains("repeated")
    };
    assert!(!send(&first, "m1"));
    assert!(send(&first, "m1") && send(&second, "m1"), "taken once");
    assert!(!send(&second, "m2"));
    // What somebody writes there keeps nothing out, and what they take away lets nothing in twice where it was taken.
    for key in redis.keys().iter().filter(|key| key.contains("{once:")) {
        redis.say(&["SET", key, "forged"]);
    }
    assert!(send(&first, "m1") && !send(&first, "m2"), "each knows its own; a forged entry is none");
    redis.kill();
    until_away(&second, &token, true);
    assert!(!send(&second, "m3") && send(&second, "m3"), "it goes on without Redis");
}
