//! Redis with users of few rights, and with TLS.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::faults::{conserved, until_away};
use super::server::{Redis, Said};
use super::view::{post_all, served, until_equal};
use crate::nats::front::{get, until};
use crate::nats::server::free_port;
use crate::served::PROGRAM;
use crate::storms::project;

fn secret(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// A server with the users that are deployed, and one more for the test.
fn with_users(folder: &Path) -> Option<Redis> {
    let users = std::fs::read_to_string(project().join("deploy/redis/users.acl")).unwrap();
    let users = users.replace("CHANGE-THIS-TOO", "read-only").replace("CHANGE-THIS", "s3cret");
    let file = folder.join("users.acl");
    std::fs::write(&file, users + "user test on >test ~* &* +@all\n").unwrap();
    let conf = std::fs::read_to_string(project().join("deploy/redis/redis.conf")).unwrap();
    let port = free_port();
    let conf = conf.replace("6379", &port.to_string()).replace("/etc/headwater/users.acl", file.to_str().unwrap());
    let path = folder.join("redis.conf");
    std::fs::write(&path, conf).unwrap();
    let mut redis = Redis::at(port, &[])?.with_file(path, &[]).known_as("test", "test");
    redis.run();
    Some(redis)
}

#[test]
fn the_user_that_is_deployed_has_the_rights_that_are_needed_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let Some(redis) = with_users(folder.path()) else { return };
    let password = secret(folder.path(), "password", "s3cret\n");
    let more = format!(
        "  user: headwater\n  password_file: {}\nintake:\n  rate: {{ events_per_second: 1000 }}\n",
        password.display()
    );
    let (served, token) = served(&redis.url(), &more);
    post_all(&served, &token, 0..10, "firing");
    until_equal(&redis, &served, &token);
    redis.say(&["ZADD", "headwater:v1:{default}:open", "1", "bogus"]);
    redis.say(&["FLUSHALL"]);
    until_equal(&redis, &served, &token);
    let metrics = served.metrics(&token);
    assert_eq!((metrics["headwater_redis_away"], metrics["headwater_redis_calls_total{word=\"failed\"}"]), (0.0, 0.0));
    conserved(&served, &token, 10);
    // Who may only read can read what is meant for others, and nothing else.
    let reader = |words: &[&str]| redis.say_as("dashboard", "read-only", words);
    assert!(matches!(reader(&["GET", "headwater:v1:{default}:counts"]), Said::Text(_)));
    assert!(matches!(reader(&["ZREVRANGE", "headwater:v1:{default}:open", "0", "-1"]), Said::Many(_)));
    for words in [
        &["GET", "headwater:v1:{sessions}:x"][..],
        &["SET", "headwater:v1:{default}:counts", "x"],
        &["KEYS", "*"],
        &["FLUSHALL"],
    ] {
        assert!(matches!(reader(words), Said::Wrong(why) if why.contains("NOPERM")), "{words:?}");
    }
    let ours = |words: &[&str]| redis.say_as("headwater", "s3cret", words);
    for words in [&["FLUSHALL"][..], &["CONFIG", "GET", "*"], &["SET", "other", "x"], &["KEYS", "*"]] {
        assert!(matches!(ours(words), Said::Wrong(why) if why.contains("NOPERM")), "{words:?}");
    }
}

#[test]
fn a_wrong_password_and_missing_rights_are_told_and_stop_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(redis) = with_users(folder.path()) else { return };
    let password = secret(folder.path(), "password", "wr0ng-0ne");
    let more = format!("  user: headwater\n  password_file: {}\n", password.display());
    let (served, token) = served(&redis.url(), &more);
    let told = |word: &str| {
        until(word, || get(&served, &token, "/readyz")["degraded"].to_string().contains(word).then_some(()));
    };
    until_away(&served, &token, true);
    told("uthentication");
    post_all(&served, &token, 0..5, "firing");
    conserved(&served, &token, 5);
    let said = served.said().join("\n");
    assert!(said.contains("Redis is away") && !said.contains("wr0ng-0ne"), "{said}");
    // The right one is read when it is there.
    secret(folder.path(), "password", "s3cret");
    until_away(&served, &token, false);
    until_equal(&redis, &served, &token);
    redis.say(&["ACL", "SETUSER", "headwater", "-zadd"]);
    told("can't run this command");
    post_all(&served, &token, 5..10, "firing");
    conserved(&served, &token, 10);
    redis.say(&["ACL", "SETUSER", "headwater", "+zadd"]);
    until_away(&served, &token, false);
    until_equal(&redis, &served, &token);
}

#[test]
fn settings_that_are_wrong_are_told_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("headwater.yaml");
    let text = "redis:\n  urls: [redis://me:s3cret@127.0.0.1]\n  user: headwater\n  answer_ms_max: 0\n";
    std::fs::write(&file, text).unwrap();
    let output = Command::new(PROGRAM).args(["check", "--config", file.to_str().unwrap()]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    for expected in [
        "headwater.yaml:2:10: a user or password stands in the address; use user and password_file",
        "a user without a password; name the file",
        "headwater.yaml:4:3: is not between 10 and 5000; write 100",
    ] {
        assert!(told.contains(expected), "{expected:?} is not in: {told}");
    }
    assert!(!output.status.success() && !told.contains("s3cret"), "{told}");
    // Another machine without TLS, and a password that others can read.
    std::fs::write(&file, "redis:\n  urls: [redis://10.0.0.7]\n").unwrap();
    let output = Command::new(PROGRAM).args(["check", "--config", file.to_str().unwrap()]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("10.0.0.7 is another machine and has no TLS; write rediss://host:6379"), "{told}");
    let Some(redis) = Redis::start(&[]) else { return };
    let open = folder.path().join("open");
    std::fs::write(&open, "s3cret").unwrap();
    let (served, token) = served(&redis.url(), &format!("  password_file: {}\n", open.display()));
    until("it is told", || {
        get(&served, &token, "/readyz")["degraded"]
            .to_string()
            .contains("can be read by others: chmod 600")
            .then_some(())
    });
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An authority, and a certificate for this machine.
fn certificates(folder: &Path) {
    openssl(folder, "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=authority -days 2");
    openssl(folder, "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost");
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").unwrap();
    let sign =
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt -days 2 -extfile names";
    openssl(folder, sign);
}

#[test]
fn with_tls_only_a_server_with_the_right_certificate_is_talked_to() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let other = tempfile::tempdir().unwrap();
    certificates(other.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let port = free_port();
    let arguments = [
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &path("server.crt"),
        "--tls-key-file",
        &path("server.key"),
        "--tls-ca-cert-file",
        &path("ca.crt"),
        "--tls-auth-clients",
        "yes",
    ];
    let Some(redis) = Redis::start(&arguments) else { return };
    let own = |authority: &str| {
        let key = secret(folder.path(), "client.key", &std::fs::read_to_string(path("server.key")).unwrap());
        let (certificate, key) = (path("server.crt"), key.display().to_string());
        format!("  ca_file: {authority}\n  client_certificate_file: {certificate}\n  client_key_file: {key}\n")
    };
    let (good, token) = served(&format!("rediss://localhost:{port}"), &own(&path("ca.crt")));
    post_all(&good, &token, 0..5, "firing");
    until_equal(&redis, &good, &token);
    drop(good);
    let (bad, token) =
        served(&format!("rediss://localhost:{port}"), &own(&other.path().join("ca.crt").display().to_string()));
    until_away(&bad, &token, true);
    let (unproven, token) = served(&format!("rediss://localhost:{port}"), &format!("  ca_file: {}\n", path("ca.crt")));
    until_away(&unproven, &token, true);
    post_all(&unproven, &token, 0..5, "firing");
    conserved(&unproven, &token, 5);
}
