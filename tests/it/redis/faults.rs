//! Redis in trouble, under load. After each fault Redis says what the API says, and nobody was told anything twice.

use serde_json::{Value, json};

use super::server::{Redis, Said};
use super::view::{difference, event, open, post, post_all, served, until_equal, value};
use crate::nats::front::{get, until};
use crate::nats::proxy::Proxy;
use crate::nats::server::free_port;
use crate::receiver::{Receiver, SECRET};
use crate::running::number;
use crate::served::{Request, Served};

fn is_away(served: &Served, token: &str) -> bool {
    get(served, token, "/readyz")["degraded"].to_string().contains("Redis is away")
}

/// Waits until it notices, and until it is over.
pub fn until_away(served: &Served, token: &str, away: bool) {
    until(if away { "it notices" } else { "it is over" }, || (is_away(served, token) == away).then_some(()));
    let metric = served.metrics(token)["headwater_redis_away"];
    assert_eq!(metric, f64::from(u8::from(away)), "the metric says the same");
}

/// All events that were sent are decided, and none was lost or repeated.
pub fn conserved(served: &Served, token: &str, sent: u64) {
    let account = served.conservation(token, sent);
    assert_eq!((&account["accepted"], &account["balanced"]), (&json!(sent), &json!(true)), "{account}");
    assert_eq!((&account["pending"], &account["duplicate"]), (&json!(0), &json!(0)), "{account}");
}

#[test]
fn after_flushall_under_load_the_view_is_made_again() {
    let Some(redis) = Redis::start(&[]) else { return };
    let (served, token) = served(&redis.url(), "");
    for round in 0..10 {
        post_all(&served, &token, round * 30..round * 30 + 30, "firing");
        assert_eq!(redis.say(&["FLUSHALL"]), Said::Text("OK".into()));
    }
    conserved(&served, &token, 300);
    until_equal(&redis, &served, &token);
    let rebuilt = || served.metrics(&token)["headwater_redis_view_rebuilt_total"];
    let before = rebuilt();
    assert_eq!(redis.say(&["FLUSHALL"]), Said::Text("OK".into()));
    until("it is made again", || (rebuilt() > before).then_some(()));
    until_equal(&redis, &served, &token);
    let said = served.said().join("\n");
    assert!(said.contains("its mark is missing"), "{said}");
    conserved(&served, &token, 300);
}

#[test]
fn without_redis_everything_goes_on_and_it_is_taken_up_when_it_comes() {
    let Some(mut redis) = Redis::at(free_port(), &[]) else { return };
    let (served, token) = served(&redis.url(), "");
    until_away(&served, &token, true);
    post_all(&served, &token, 0..20, "firing");
    conserved(&served, &token, 20);
    assert_eq!(open(&served, &token).len(), 20);
    redis.run();
    until_away(&served, &token, false);
    until_equal(&redis, &served, &token);
    for round in 1..4 {
        redis.kill();
        let since = std::time::Instant::now();
        until_away(&served, &token, true);
        let took = since.elapsed();
        assert!(took < std::time::Duration::from_secs(5), "seen after {took:?}");
        post_all(&served, &token, round * 20..round * 20 + 20, "firing");
        conserved(&served, &token, round as u64 * 20 + 20);
        redis.run();
        until_away(&served, &token, false);
        until_equal(&redis, &served, &token);
    }
    assert!(served.metrics(&token)["headwater_redis_lost_total"] >= 3.0);
}

#[test]
fn that_redis_is_away_is_told_when_it_stays_away() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    let (served, token) = served(&redis.url(), "vitals: { every: 1s, disk_free_mib_min: 0 }\n");
    until_away(&served, &token, false);
    redis.kill();
    let says = |what: &str| until(what, || served.said().into_iter().find(|line| line.contains(what)));
    says("not well sign=\"redis-away\"");
    redis.run();
    says("well again sign=\"redis-away\"");
    let alert = until("its alert has ended", || {
        let list = get(&served, &token, "/api/v1/alerts?state=resolved&limit=50");
        list["items"].as_array().unwrap().iter().find(|alert| alert["name"] == "redis-away").cloned()
    });
    assert_eq!(alert["severity"], "minor", "{alert}");
}

#[test]
fn a_silent_redis_delays_nothing() {
    let Some(redis) = Redis::start(&[]) else { return };
    let proxy = Proxy::start(redis.port);
    let (served, token) = served(&format!("redis://127.0.0.1:{}", proxy.port), "");
    post_all(&served, &token, 0..10, "firing");
    until_equal(&redis, &served, &token);
    proxy.hold();
    until_away(&served, &token, true);
    let since = std::time::Instant::now();
    for n in 10..40 {
        post(&served, &token, &event(n, "critical", "firing"));
    }
    conserved(&served, &token, 40);
    let took = since.elapsed();
    assert!(took < std::time::Duration::from_secs(20), "{took:?} for 30 events");
    proxy.release();
    until_away(&served, &token, false);
    until_equal(&redis, &served, &token);
    // The server itself stops answering for a while.
    assert_eq!(redis.say(&["CLIENT", "PAUSE", "3000", "ALL"]), Said::Text("OK".into()));
    until_away(&served, &token, true);
    post_all(&served, &token, 40..50, "firing");
    conserved(&served, &token, 50);
    until_away(&served, &token, false);
    proxy.cut();
    until_equal(&redis, &served, &token);
}

#[test]
fn a_redis_that_takes_nothing_is_told_from_one_that_does() {
    let Some(redis) = Redis::start(&["--enable-protected-configs", "yes"]) else { return };
    let (served, token) = served(&redis.url(), "");
    post_all(&served, &token, 0..10, "firing");
    until_equal(&redis, &served, &token);
    let set = |key: &str, value: &str| assert_eq!(redis.say(&["CONFIG", "SET", key, value]), Said::Text("OK".into()));
    let why = |word: &str| {
        until(word, || get(&served, &token, "/readyz")["degraded"].to_string().contains(word).then_some(()));
    };
    // Out of memory.
    set("maxmemory", "1");
    why("OOM");
    post_all(&served, &token, 10..20, "firing");
    conserved(&served, &token, 20);
    set("maxmemory", "0");
    until_away(&served, &token, false);
    until_equal(&redis, &served, &token);
    // A replica.
    assert_eq!(redis.say(&["REPLICAOF", "127.0.0.1", "1"]), Said::Text("OK".into()));
    why("READONLY");
    post_all(&served, &token, 20..30, "firing");
    conserved(&served, &token, 30);
    assert_eq!(redis.say(&["REPLICAOF", "NO", "ONE"]), Said::Text("OK".into()));
    until_away(&served, &token, false);
    until_equal(&redis, &served, &token);
    // It cannot save, and refuses to write.
    set("dir", "/proc");
    set("save", "1 1");
    assert_eq!(redis.say(&["SET", "dirty", "1"]), Said::Text("OK".into()));
    why("MISCONF");
    post_all(&served, &token, 30..40, "firing");
    conserved(&served, &token, 40);
    set("save", "");
    set("stop-writes-on-bgsave-error", "no");
    until_away(&served, &token, false);
    until_equal(&redis, &served, &token);
}

#[test]
fn poisoned_values_of_every_kind_are_put_right() {
    let Some(redis) = Redis::start(&[]) else { return };
    let (served, token) = served(&redis.url(), "");
    post_all(&served, &token, 0..12, "firing");
    let index = "headwater:v1:{default}:open";
    until("they are shown", || (redis.members(index).len() == 12).then_some(()));
    until_equal(&redis, &served, &token);
    let incident = |n: usize| format!("headwater:v1:{{default}}:incident:{}", redis.members(index)[n]);
    let sound = redis.text(&incident(0)).unwrap();
    let poison: [(String, Vec<String>); 12] = [
        (incident(0), vec!["SET".into(), "\u{0}\u{1}nonsense".into()]),
        (incident(1), vec!["RPUSH".into(), "a".into(), "b".into()]),
        (incident(2), vec!["HSET".into(), "schema".into(), "1".into()]),
        (incident(3), vec!["SET".into(), "x".repeat(2_000_000)]),
        (incident(4), vec!["SET".into(), sound.replace("critical", "cleared")]),
        (incident(5), vec!["SET".into(), sound.replace("\"schema\":1", "\"schema\":9")]),
        (incident(6), vec!["SET".into(), String::new()]),
        (incident(7), vec!["DEL".into()]),
        ("headwater:v1:{default}:meta".into(), vec!["SADD".into(), "x".into()]),
        ("headwater:v1:{default}:counts".into(), vec!["ZADD".into(), "1".into(), "x".into()]),
        ("headwater:v1:{all}:instances".into(), vec!["SET".into(), "x".into()]),
        ("headwater:v1:{default}:meta".into(), vec!["SET".into(), sound.replace("\"seq\":", "\"seq\":9")]),
    ];
    for (key, words) in &poison {
        let mut said = vec![words[0].as_str(), key];
        said.extend(words[1..].iter().map(String::as_str));
        if words[0] != "SET" {
            redis.say(&["DEL", key]);
        }
        assert!(!matches!(redis.say(&said), Said::Wrong(_)), "{key}");
        until_equal(&redis, &served, &token);
        until("its form is right again", || {
            let is_ours = key.contains("{default}");
            let is_sound = redis.say(&["TYPE", key]) == Said::Text("string".into()) && value_is_sound(&redis, key);
            (!is_ours || is_sound).then_some(())
        });
    }
    for words in [
        vec!["SET", index, "x"],
        vec!["DEL", index],
        vec!["ZADD", index, "1", "bogus"],
        vec!["ZADD", index, "99999999999999999", "bogus", "nan", "x"],
        vec!["ZREMRANGEBYRANK", index, "0", "4"],
    ] {
        redis.say(&words);
        until_equal(&redis, &served, &token);
    }
    let many = "for i = 1, 50000 do redis.call('ZADD', KEYS[1], i, 'bogus' .. i) end return 1";
    redis.say(&["EVAL", many, "1", index]);
    until_equal(&redis, &served, &token);
    assert!(served.metrics(&token)["headwater_redis_view_mended_total"] >= 8.0);
    conserved(&served, &token, 12);
    let said = served.said().join("\n");
    assert!(said.contains("are put right"), "{said}");
}

#[test]
fn a_failover_that_loses_what_was_written_is_noticed() {
    let Some(old) = Redis::start(&[]) else { return };
    let old_port = old.port.to_string();
    let Some(new) = Redis::start(&["--replicaof", "127.0.0.1", &old_port]) else { return };
    let proxy = Proxy::start(old.port);
    let (served, token) = served(&format!("redis://127.0.0.1:{}", proxy.port), "");
    post_all(&served, &token, 0..20, "firing");
    until_equal(&old, &served, &token);
    until_equal(&new, &served, &token);
    assert_eq!(new.say(&["REPLICAOF", "NO", "ONE"]), Said::Text("OK".into()));
    // The old master goes on for a while; what it takes is lost.
    post_all(&served, &token, 0..10, "resolved");
    post_all(&served, &token, 20..40, "firing");
    until_equal(&old, &served, &token);
    assert!(difference(&new, &served, &token).is_some(), "the new master is behind");
    proxy.lead_to(new.port);
    until_equal(&new, &served, &token);
    conserved(&served, &token, 50);
}

#[test]
fn no_notice_is_told_twice_whatever_becomes_of_redis() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let receiver = runtime.block_on(Receiver::willing());
    let more = format!(
        "receivers:\n- {{ id: default, url: \"{}\", secret: {SECRET}, allow_private: true, rate: 100000 }}\n",
        receiver.url()
    );
    let (served, token) = served(&redis.url(), &more);
    let rounds = number("HEADWATER_REDIS_ROUNDS", 8) as usize;
    for round in 0..rounds {
        let first = round * 10;
        post_all(&served, &token, first..first + 10, "firing");
        match round % 4 {
            0 => drop(redis.say(&["FLUSHALL"])),
            1 => {
                redis.kill();
                redis.run();
            }
            2 => drop(redis.say(&["CLIENT", "PAUSE", "700", "ALL"])),
            _ => drop(redis.say(&["CONFIG", "SET", "maxmemory", "1"])),
        }
        post_all(&served, &token, first..first + 5, "resolved");
        redis.say(&["CONFIG", "SET", "maxmemory", "0"]);
    }
    conserved(&served, &token, rounds as u64 * 15);
    until_equal(&redis, &served, &token);
    until("all are told", || get(&served, &token, "/api/v1/receivers")["pending"].as_u64().filter(|n| *n == 0));
    let seen = receiver.seen();
    let keys: std::collections::BTreeSet<&str> = seen.iter().map(|seen| seen.key.as_str()).collect();
    assert_eq!(keys.len(), seen.len(), "each notice came once");
    assert!(seen.len() >= rounds, "{} notices", seen.len());
    let metrics = served.metrics(&token);
    let (lost, failed) = ("headwater_redis_lost_total", "headwater_redis_calls_total{word=\"failed\"}");
    eprintln!(
        "{rounds} faults, {} notices, Redis lost {} times, {} calls failed",
        seen.len(),
        metrics[lost],
        metrics[failed]
    );
}

fn value_is_sound(redis: &Redis, key: &str) -> bool {
    let Some(text) = redis.text(key) else { return false };
    serde_json::from_str::<Value>(&text).is_ok() && text.starts_with("{\"schema\":1,") && value(redis, key).is_some()
}

#[test]
fn a_view_from_another_life_of_the_outbox_does_not_stay() {
    let Some(redis) = Redis::start(&[]) else { return };
    let (first, token) = served(&redis.url(), "");
    post_all(&first, &token, 0..40, "firing");
    until_equal(&redis, &first, &token);
    drop(first);
    let (second, token) = served(&redis.url(), "");
    post_all(&second, &token, 100..103, "firing");
    until_equal(&redis, &second, &token);
    let answer = second.send(&Request::get("/api/v1/overview", &token));
    assert_eq!(answer.status, 200);
}
