//! What is refused at the start, and what the refusal says.

use std::time::Duration;

use async_nats::jetstream::stream::Config;
use headwater::journal::Durability;
use headwater::journal::jetstream::{JetStreamStore, OpenOptions};
use headwater::nats::connect::connect;
use tokio::runtime::Runtime;

use super::cluster::{Instance, settled};
use super::front::until;
use super::server::{Program, Server, settings};

fn options(durability: Durability, monitor_urls: Vec<String>) -> OpenOptions {
    OpenOptions { prefix: "hw".into(), replicas: 1, durability, monitor_urls }
}

fn refusal(
    server: &Server,
    options: &OpenOptions,
    before: impl AsyncFnOnce(&async_nats::jetstream::Context),
) -> String {
    Runtime::new().unwrap().block_on(async {
        let nats = connect(&settings(vec![server.url()])).await.unwrap();
        before(&nats.jetstream).await;
        JetStreamStore::open(nats, options).await.map(drop).map_or_else(|error| error.to_string(), |()| String::new())
    })
}

#[test]
fn a_stream_that_could_lose_messages_is_refused_with_its_settings() {
    for program in [Program::Recent, Program::Floor] {
        let Some(path) = program.path() else { continue };
        let server = Server::start(&path, "one.conf".as_ref());
        let made = refusal(&server, &options(Durability::Process, Vec::new()), async |jetstream| {
            let config = Config {
                name: "HW_JOURNAL".into(),
                subjects: vec!["hw.journal.*".into()],
                max_age: Duration::from_secs(3600),
                allow_rollup: true,
                allow_direct: true,
                ..Config::default()
            };
            jetstream.create_stream(config).await.unwrap();
        });
        for setting in ["max_age", "allow_rollup_hdrs", "allow_direct", "duplicate_window", "deny_delete"] {
            assert!(made.contains(&format!("stream HW_JOURNAL, setting {setting}: ")), "{setting} in {made}");
        }
        assert_eq!(made.lines().count(), 5, "{made}");
    }
}

#[test]
fn power_is_believed_only_with_proof() {
    let Some(path) = Program::Recent.path() else { return };
    let lazy = Server::start(&path, "one.conf".as_ref());
    let without = refusal(&lazy, &options(Durability::Power, Vec::new()), async |_| {});
    assert!(without.contains("nats.monitor_urls") && without.contains("durability: process"), "{without}");
    let asked = refusal(&lazy, &options(Durability::Power, vec![lazy.monitor_url()]), async |_| {});
    assert!(asked.contains("sync_interval: always"), "{asked}");
    let always = Server::start(&path, "power.conf".as_ref());
    assert_eq!(refusal(&always, &options(Durability::Power, vec![always.monitor_url()]), async |_| {}), "");
    let few =
        OpenOptions { replicas: 3, ..options(Durability::Power, vec![always.monitor_url(), always.monitor_url()]) };
    let few = refusal(&always, &few, async |_| {});
    assert!(few.contains("proof from 3 servers, 1 were asked"), "{few}");
}

/// The journal's stream with other settings; gives those it had.
fn change(server: &Server, with: impl FnOnce(&mut Config, u64)) {
    Runtime::new().unwrap().block_on(async {
        let nats = connect(&settings(vec![server.url()])).await.unwrap();
        let stream = nats.jetstream.get_stream("HW_JOURNAL").await.unwrap();
        let info = stream.cached_info();
        let mut config = info.config.clone();
        with(&mut config, info.state.bytes);
        nats.jetstream.update_stream(config).await.unwrap();
    });
}

#[test]
fn a_stream_that_somebody_changes_or_fills_while_it_is_used_is_told() {
    let Some(path) = Program::Recent.path() else { return };
    let server = Server::start(&path, "one.conf".as_ref());
    let more = "  prefix: hw\nvitals: { every: 1s, disk_free_mib_min: 0 }\n";
    let instance = Instance::by("a", &[server.url()], more).start_with(&[]);
    settled(std::slice::from_ref(&instance));
    let says = |what: &str| {
        let said = || instance.served().said().into_iter().find(|line| line.contains(what));
        until(what, said)
    };
    change(&server, |config, _| config.max_age = Duration::from_secs(3600));
    let told = says("not well sign=\"stream-unsafe\"");
    assert!(told.contains("stream HW_JOURNAL, setting max_age"), "{told}");
    change(&server, |config, _| config.max_age = Duration::ZERO);
    says("well again sign=\"stream-unsafe\"");
    // Room for a few records more than there are.
    change(&server, |config, bytes| config.max_bytes = bytes as i64 * 10 / 9);
    let told = says("not well sign=\"stream-fills\"");
    assert!(told.contains("stream HW_JOURNAL has ") && told.contains("max_bytes"), "{told}");
    change(&server, |config, _| config.max_bytes = -1);
    says("well again sign=\"stream-fills\"");
}
