//! Who may connect and what a source may do: TLS with certificates of our own making, users with allow-lists.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use headwater::nats::connect::connect;
use headwater::nats::settings::Settings;
use serde_json::json;
use tokio::runtime::Runtime;

use super::front::{all_decided, event, get, until};
use super::server::{Program, Server, cluster, free_port, routed, settings};
use crate::served::{Request, Served};

/// A folder with an authority, a certificate of the server and one of a client.
fn certificates(folder: &Path) {
    let openssl = |arguments: &str| {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=authority -days 2");
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").unwrap();
    for name in ["server", "client"] {
        openssl(&format!("req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"));
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out {name}.pem -days 2 -extfile names"
        ));
    }
    openssl("req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.pem -subj /CN=other -days 2");
}

/// A configuration of our own: the deployed one and more.
fn conf(folder: &Path, more: &str) -> PathBuf {
    let deployed = std::fs::read_to_string(crate::storms::project().join("deploy/nats/one.conf")).unwrap();
    let file = folder.join("server.conf");
    std::fs::write(&file, format!("{deployed}\n{more}\n")).unwrap();
    file
}

fn outcome(settings: &Settings) -> Result<(), String> {
    Runtime::new().unwrap().block_on(connect(settings)).map(drop).map_err(|error| error.to_string())
}

#[test]
fn tls_asks_for_the_right_authority_and_a_certificate_of_ours() {
    let Some(path) = Program::Recent.path() else { return };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| Some(folder.path().join(name));
    certificates(folder.path());
    let show = |name: &str| folder.path().join(name).display().to_string();
    let tls = format!(
        "tls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\", verify: true }}",
        show("server.pem"),
        show("server.key"),
        show("ca.pem")
    );
    let server = Server::start(&path, &conf(folder.path(), &tls));
    let good = Settings {
        ca_file: at("ca.pem"),
        client_certificate_file: at("client.pem"),
        client_key_file: at("client.key"),
        ..settings(vec![format!("tls://localhost:{}", server.port())])
    };
    assert_eq!(outcome(&good), Ok(()));
    let wrong_authority = Settings { ca_file: at("other.pem"), ..good.clone() };
    assert!(outcome(&wrong_authority).is_err());
    let nobody = Settings { client_certificate_file: None, client_key_file: None, ..good.clone() };
    assert!(outcome(&nobody).is_err());
}

/// The users that are deployed, with passwords and a certificate of ours.
fn deployed_users(folder: &Path) -> String {
    certificates(folder);
    let text = std::fs::read_to_string(crate::storms::project().join("deploy/nats/users.conf")).unwrap();
    let show = |name: &str| format!("\"{}\"", folder.join(name).display());
    text.replace("$HEADWATER_NATS_CERTIFICATE", &show("server.pem"))
        .replace("$HEADWATER_NATS_KEY", &show("server.key"))
        .replace("$HEADWATER_NATS_PASSWORD", "hw-secret")
        .replace("$SHOP_NATS_PASSWORD", "shop-secret")
        .replace("$DESK_NATS_PASSWORD", "desk-secret")
        .replace("$ADMINISTRATOR_NATS_PASSWORD", "administrator-secret")
}

/// The deployed configuration of a cluster, its includes in place.
fn deployed_cluster(folder: &Path) -> PathBuf {
    let users = deployed_users(folder);
    let text = std::fs::read_to_string(crate::storms::project().join("deploy/nats/three.conf")).unwrap();
    let show = |name: &str| format!("\"{}\"", folder.join(name).display());
    let text = text
        .replace("include \"one.conf\"\n", "")
        .replace("include \"users.conf\"", &users)
        .replace("$HEADWATER_NATS_CERTIFICATE", &show("server.pem"))
        .replace("$HEADWATER_NATS_KEY", &show("server.key"))
        .replace("$HEADWATER_NATS_CA", &show("ca.pem"));
    conf(folder, &text)
}

#[test]
fn only_servers_with_our_certificate_join_and_the_cluster_serves_its_users() {
    let Some(path) = Program::Recent.path() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = deployed_cluster(folder.path());
    let servers = cluster(&path, &file);
    until("the three have found each other", || servers.iter().all(|one| one.neighbours().len() == 2).then_some(()));
    // A stranger that knows the way: the same configuration with certificates of another authority.
    let strange = tempfile::tempdir().unwrap();
    let (own, ways) = (format!("nats://127.0.0.1:{}", free_port()), [servers[0].way().to_owned()]);
    let stranger = routed(&path, &deployed_cluster(strange.path()), "n4", &own, &ways);
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "hw-secret\n").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let urls: Vec<String> = servers.iter().map(|one| format!("\"tls://localhost:{}\"", one.port())).collect();
    let text = format!(
        "nats:\n  urls: [{}]\n  replicas: 3\n  user: headwater\n  password_file: {}\n  ca_file: {}\ncluster: {{ on: true, instance: mill }}\n",
        urls.join(", "),
        secret.display(),
        folder.path().join("ca.pem").display()
    );
    let settings = folder.path().join("headwater.yaml");
    std::fs::write(&settings, text).unwrap();
    let (program, token) = Served::start(&["--config", settings.to_str().unwrap()]);
    until("NATS is in use", || program.said().iter().any(|line| line.contains("NATS is in use")).then_some(()));
    Runtime::new().unwrap().block_on(async {
        let shop = async_nats::jetstream::new(client(&servers[2], folder.path(), "shop").await);
        shop.publish("src.default.shop.event", event(1).into()).await.unwrap().await.unwrap();
    });
    assert_eq!(all_decided(&program, &token, 1)["accepted"], 1);
    assert!(stranger.neighbours().is_empty(), "it was let in");
    assert!(servers.iter().all(|one| one.neighbours().len() == 2));
}

/// A client of one of the deployed users.
async fn client(server: &Server, folder: &Path, user: &str) -> async_nats::Client {
    let options = async_nats::ConnectOptions::with_user_and_password(user.into(), format!("{user}-secret"));
    let options = options.add_root_certificates(folder.join("ca.pem")).custom_inbox_prefix(format!("_INBOX.{user}"));
    options.connect(format!("tls://localhost:{}", server.port())).await.unwrap()
}

#[test]
fn the_deployed_users_can_do_what_they_need_and_a_source_nothing_else() {
    let Some(path) = Program::Recent.path() else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&path, &conf(folder.path(), &deployed_users(folder.path())));
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "hw-secret\n").unwrap();
    let ours = Settings {
        user: Some("headwater".into()),
        password_file: Some(secret.clone()),
        ca_file: Some(folder.path().join("ca.pem")),
        ..settings(vec![format!("tls://localhost:{}", server.port())])
    };
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(outcome(&ours).is_err_and(|error| error.contains("chmod 600")));
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(outcome(&ours), Ok(()));
    std::fs::write(&secret, "wrong").unwrap();
    assert!(outcome(&ours).is_err());
    std::fs::write(&secret, "hw-secret").unwrap();
    // An instance among others, which uses every door that it has.
    let text = format!(
        "nats:\n  urls: [\"tls://localhost:{}\"]\n  user: headwater\n  password_file: {}\n  ca_file: {}\n  cmdb: true\n\
         cluster: {{ on: true, instance: mill }}\n\
         rules: rules\n\
         receivers: [{{ id: ops, kind: nats, subject: ops.told, timeout: 2s }}]\n",
        server.port(),
        secret.display(),
        folder.path().join("ca.pem").display()
    );
    let file = folder.path().join("headwater.yaml");
    std::fs::write(&file, text).unwrap();
    let rules = "promote: [{ id: at-once, after: now }]\nroutes: [{ id: all, receivers: [ops] }]\n";
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    std::fs::write(folder.path().join("rules/rules.yaml"), rules).unwrap();
    let (program, token) = Served::start(&["--config", file.to_str().unwrap()]);
    until("NATS is in use", || program.said().iter().any(|line| line.contains("NATS is in use")).then_some(()));
    let points = json!({ "name": "cpu", "object": { "name": "web" }, "value": 0.5, "at": "2026-05-04T10:00:00Z" });
    let posted = program.send(&Request::post("/api/v1/metrics", &token, points.to_string().as_bytes()));
    assert_eq!(posted.status, 202, "{}", posted.text());
    Runtime::new().unwrap().block_on(async {
        let shop = async_nats::jetstream::new(client(&server, folder.path(), "shop").await);
        for (subject, body) in [("event", event(1)), ("metric", points.to_string())] {
            let sent = shop.publish(format!("src.default.shop.{subject}"), body.into()).await.unwrap();
            sent.await.unwrap();
        }
        let desk = client(&server, folder.path(), "desk").await;
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Authorization", format!("Bearer {token}"));
        let asked = desk.request_with_headers("headwater.incidents", headers, "{}".into()).await.unwrap();
        assert!(String::from_utf8_lossy(&asked.payload).contains("items"), "{asked:?}");
        let forbidden = [
            "src.default.other.event",
            "src.other.shop.event",
            "$JS.API.STREAM.PURGE.SRC-default",
            "$JS.API.STREAM.DELETE.SRC-default",
            "$JS.API.STREAM.MSG.GET.SRC-default",
            "$JS.ACK.SRC-default.headwater.1.1.1.1.0",
            "$KV.x.y",
            "hw.journal.1",
            "headwater.order",
        ];
        for subject in forbidden {
            let sent = shop.publish(subject, "{}".into()).await.unwrap();
            let ack = tokio::time::timeout(std::time::Duration::from_secs(2), sent.into_future()).await;
            assert!(!matches!(ack, Ok(Ok(_))), "{subject} was taken");
        }
    });
    let account = all_decided(&program, &token, 1);
    assert_eq!(account["accepted"], 1, "only its own event is there: {account}");
    until("both series are watched", || {
        (program.metrics(&token).get("headwater_series_watched") == Some(&2.0)).then_some(())
    });
    assert_eq!(get(&program, &token, "/api/v1/alerts")["items"].as_array().unwrap().len(), 1);
    let lines = program.send(&Request::post_as("/api/v1/logs?object=web", &token, "text/plain", b"GET /a 200\n"));
    assert_eq!(lines.status, 202, "{}", lines.text());
    Runtime::new().unwrap().block_on(async {
        let shop = async_nats::jetstream::new(client(&server, folder.path(), "shop").await);
        let line = json!({ "host": "web", "message": "GET /b 200" }).to_string();
        shop.publish("src.default.shop.log", line.into()).await.unwrap().await.unwrap();
    });
    // What it may not publish would wait for an answer in vain.
    until("the receiver on a subject is tried", || {
        get(&program, &token, "/api/v1/receivers").to_string().contains("nobody listens").then_some(())
    });
}

#[test]
fn an_nkey_proves_who_we_are() {
    let Some(path) = Program::Recent.path() else { return };
    let folder = tempfile::tempdir().unwrap();
    // The pair that the documentation of NATS shows.
    let users = "authorization { users: [ { nkey: UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4 } ] }";
    let server = Server::start(&path, &conf(folder.path(), users));
    let seed = folder.path().join("seed");
    let ours = Settings { nkey_file: Some(seed.clone()), ..settings(vec![server.url()]) };
    std::fs::write(&seed, "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY\n").unwrap();
    std::fs::set_permissions(&seed, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(outcome(&ours), Ok(()));
    assert!(outcome(&settings(vec![server.url()])).is_err());
}
