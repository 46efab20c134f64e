//! Who may connect and what a source may do: TLS with certificates of our own making, users with allow-lists.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use headwater::nats::connect::connect;
use headwater::nats::settings::Settings;
use tokio::runtime::Runtime;

use super::server::{Program, Server, settings};

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

/// The example of the guide: a user that may send as one source.
const USERS: &str = r#"
authorization { users: [
  { user: headwater, password: hw-secret },
  { user: shop, password: shop-secret, permissions: {
      publish: ["src.default.shop.event", "src.default.shop.change"], subscribe: ["_INBOX.shop.>"] } }
] }
"#;

#[test]
fn a_source_sends_as_itself_and_can_do_nothing_else() {
    let Some(path) = Program::Recent.path() else { return };
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&path, &conf(folder.path(), USERS));
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "hw-secret\n").unwrap();
    let ours = Settings {
        user: Some("headwater".into()),
        password_file: Some(secret.clone()),
        ..settings(vec![server.url()])
    };
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(outcome(&ours).is_err_and(|error| error.contains("chmod 600")));
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(outcome(&ours), Ok(()));
    std::fs::write(&secret, "wrong").unwrap();
    assert!(outcome(&ours).is_err());
    std::fs::write(&secret, "hw-secret").unwrap();
    Runtime::new().unwrap().block_on(async {
        let nats = connect(&ours).await.unwrap();
        let config = async_nats::jetstream::stream::Config {
            name: "SRC-default".into(),
            subjects: vec!["src.default.*.event".into()],
            ..Default::default()
        };
        nats.jetstream.create_stream(config).await.unwrap();
        let options = async_nats::ConnectOptions::with_user_and_password("shop".into(), "shop-secret".into());
        let shop = options.custom_inbox_prefix("_INBOX.shop").connect(server.url()).await.unwrap();
        let jetstream = async_nats::jetstream::new(shop);
        jetstream.publish("src.default.shop.event", "{}".into()).await.unwrap().await.unwrap();
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
            let sent = jetstream.publish(subject, "{}".into()).await.unwrap();
            let ack = tokio::time::timeout(std::time::Duration::from_secs(2), sent.into_future()).await;
            assert!(!matches!(ack, Ok(Ok(_))), "{subject} was taken");
        }
        let info = nats.jetstream.get_stream("SRC-default").await.unwrap().cached_info().clone();
        assert_eq!(info.state.messages, 1, "only its own event is there");
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
