//! Several feeds about one estate: merged by keys, with precedence, and every CI says who said what.

use std::sync::Arc;

use headwater::decode::topology::feeds::{Feed, join, split};
use headwater::domain::topology::{CiIx, Topology};
use headwater::lab::built_in::read_topology;
use serde_json::Value;

use crate::program::{Setup, client};

const NETBOX: &str = "cis:
  - {id: nb-1, class: server, name: web-1, keys: {ip: [10.0.0.1], serial: X1}, site: dc-a}
  - {id: nb-2, class: switch, name: sw-1, keys: {ip: [10.0.0.9]}}
relations:
  - {from: nb-2, to: nb-1, type: connects}
";
const HAND: &str = "cis:
  - {id: 'host:web', class: server, name: 社保前端, keys: {ip: [10.0.0.1]}, site: room-7, owner_team: cloud, labels: {tier: gold}}
  - {id: app-1, class: app_service, name: 社保}
relations:
  - {from: 'host:web', to: app-1, type: hosts}
  - {from: X1, to: app-1, type: hosts}
";

fn read(feeds: &[Feed<'_>]) -> Result<Arc<Topology>, String> {
    let text = join(feeds);
    assert_eq!(split(&text).unwrap().unwrap(), feeds);
    read_topology("cmdb", &text, None, 1).map_err(|error| format!("{error:#}"))
}

fn feed<'a>(name: &'a str, text: &'a str) -> Feed<'a> {
    Feed { name, mapping: b"", text: text.as_bytes() }
}

#[test]
fn what_two_feeds_know_is_one_ci_and_says_who_said_what() {
    let topology = read(&[feed("netbox", NETBOX), feed("hand", HAND)]).unwrap();
    assert_eq!(topology.len(), 3);
    let web = topology.find("nb-1").unwrap();
    for key in ["web-1", "10.0.0.1", "X1", "host:web", "社保前端"] {
        assert_eq!(topology.resolve(key).one(), Some(web), "{key}");
    }
    let of = topology.attributes(web);
    assert_eq!((of.site.as_deref(), of.owner_team.as_deref()), (Some("dc-a"), Some("cloud")));
    let label = |key: &str| of.labels.get(key).map(|value| value.to_string());
    assert_eq!(
        ["feeds", "feed.owner_team", "feed.site", "tier"].map(label),
        [Some("netbox,hand".into()), Some("hand".into()), None, Some("gold".into())]
    );
    let app = topology.find("app-1").unwrap();
    assert_eq!(topology.attributes(app).labels.get("feeds").map(|value| &**value), Some("hand"));
    // One relation, though it was said by an id of the second feed and by a key of the first.
    assert_eq!(topology.notes().repeated, 1);
    let causes: Vec<CiIx> = topology.causes(app).iter().map(|edge| edge.ci).collect();
    assert_eq!(causes, [web]);
    let turned = read(&[feed("hand", HAND), feed("netbox", NETBOX)]).unwrap();
    let web = turned.resolve("X1").one().unwrap();
    assert_eq!((turned.id(web).as_str(), turned.attributes(web).site.as_deref()), ("host:web", Some("room-7")));
}

#[test]
fn a_key_of_several_is_no_key_and_cis_of_one_feed_are_never_one() {
    let twins =
        "cis: [{id: a, class: server, keys: {ip: [10.0.0.5]}}, {id: b, class: server, keys: {ip: [10.0.0.5]}}]\n";
    let other = "cis: [{id: c, class: server, keys: {ip: [10.0.0.5]}}, {id: a, class: server, env: prod}]\n";
    let topology = read(&[feed("one", twins), feed("two", other)]).unwrap();
    assert_eq!(topology.len(), 3);
    assert_eq!(topology.attributes(topology.find("a").unwrap()).env.as_deref(), Some("prod"));
}

#[test]
fn errors_name_the_feed_and_a_text_that_was_cut_is_refused() {
    let bad = read(&[feed("netbox", NETBOX), feed("hand", "cis: [{class: server}]\n")]).unwrap_err();
    assert!(bad.starts_with("hand:1: "), "{bad}");
    let none = read(&[feed("netbox", "cis: []\n")]).unwrap_err();
    assert!(none.contains("empty: true"), "{none}");
    let whole = join(&[feed("netbox", NETBOX), feed("hand", HAND)]);
    (20..whole.len()).for_each(|end| assert!(split(&whole[..end]).unwrap().is_err(), "{end}"));
    assert_eq!(split(NETBOX.as_bytes()), None);
}

#[tokio::test]
async fn two_files_are_one_topology_and_a_feed_that_fails_goes_on_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one.yaml"), folder.path().join("two.yaml"));
    std::fs::write(&one, NETBOX).unwrap();
    std::fs::write(&two, HAND).unwrap();
    let config = format!(
        "cmdb:\n  every: 1s\n  feeds:\n  - {{ name: netbox, file: {} }}\n  - {{ name: hand, file: {} }}\n",
        one.display(),
        two.display()
    );
    let setup = Setup::new(folder.path(), &config);
    let client = client();
    let mut program = setup.start(&[]);
    program.answers(&client).await;
    let path = "/api/v1/topology/cis/nb-1";
    setup.until(&client, "/api/v1/topology", "both feeds", |told| told["cis"] == 3).await;
    let is_merged = |ci: &Value| ci.to_string().contains("netbox,hand");
    let ci = setup.until(&client, path, "the merged CI", is_merged).await;
    assert!(ci.to_string().contains("feed.owner_team"), "{ci}");
    // One of them is gone, the other says something else: both are in force.
    std::fs::remove_file(&two).unwrap();
    std::fs::write(&one, NETBOX.replace("dc-a", "dc-b")).unwrap();
    let moved = setup.until(&client, path, "the other site", |ci| ci.to_string().contains("dc-b")).await;
    assert!(is_merged(&moved), "what the other feed said last goes on: {moved}");
    program.stop();
}
