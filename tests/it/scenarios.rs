//! The golden scenarios in `tests/scenarios` (see the README there): each once in English and once in Chinese.
//!
//! `story.yaml` says in words and in checked expectations what must hold; `expected.txt` is all that an operator
//! would be told. `UPDATE_EXPECT=1` rewrites `expected.txt` only, so it cannot bless a broken expectation.

use std::path::Path;
use std::sync::Arc;

use headwater::decode::limits::Limits;
use headwater::decode::severity::SeverityMaps;
use headwater::decode::{Body, Context, native};
use headwater::domain::ids::{SourceId, TenantId};
use headwater::domain::mute::Silence;
use headwater::domain::time::{Span, Timestamp};
use headwater::domain::topology::Topology;
use headwater::engine::effect::Effect;
use headwater::engine::input::{Batch, Command, Digest, Input, Order};
use headwater::engine::policy::Policy;
use headwater::engine::policy::place::RuleFile;
use headwater::engine::tuning::Tuning;
use headwater::engine::{Engine, Loaded};
use headwater::lab::built_in::read_topology;
use serde_json::{Value, json};

use crate::storms::{bytes, project, tenant};

mod expect;
mod ranks;
mod repeat;
mod told;

use expect::Story;
use repeat::{expanded, span, text};
use told::Told;

/// 2026-06-01T00:00:00Z: when every story begins.
const BEGIN: Timestamp = Timestamp(1_780_272_000_000);
/// How long a story is watched after its last line, unless it says so itself.
const WATCHED: Span = Span::mins(15);

const LANGUAGES: [&str; 2] = ["en", "zh"];

/// One input with its time; a topology comes along with its input.
struct Step {
    at: Timestamp,
    input: Input,
    topology: Option<Arc<Topology>>,
    policy: Option<Arc<Policy>>,
}

fn yaml(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("readable");
    serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The topology's lists in one language, repeats written out.
fn estate(folder: &Path, language: &str) -> Value {
    let file = yaml(&folder.join("topology.yaml"));
    let list = |key: &str| -> Vec<Value> {
        file[key].as_array().into_iter().flatten().flat_map(|entry| expanded(entry, language)).map(|(_, v)| v).collect()
    };
    json!({"cis": list("cis"), "relations": list("relations")})
}

fn compiled(estate: &Value, version: u64) -> Arc<Topology> {
    let text = estate.to_string();
    let topology = read_topology("topology.yaml", text.as_bytes(), None, version).unwrap();
    assert!(!topology.is_empty(), "topology.yaml: no CI in it");
    topology
}

/// The journal's lines in one language, repeats written out, in order of time.
fn steps(folder: &Path, language: &str) -> Vec<Step> {
    let mut estate = estate(folder, language);
    let first = compiled(&estate, 1);
    let mut steps = vec![topology_step(BEGIN, 1, first)];
    steps.extend(rules(folder).map(policy_step));
    let mut lines: Vec<(Timestamp, Value)> = Vec::new();
    for (number, line) in std::fs::read_to_string(folder.join("journal.jsonl")).unwrap().lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("journal.jsonl:{}: {e}", number + 1));
        for (nth, line) in expanded(&line, language) {
            let late = Span((line["every"].as_f64().unwrap_or(0.0) * 1000.0) as i64 * nth);
            lines.push((BEGIN.plus(span(text(&line, "at"))).plus(late), line));
        }
    }
    lines.sort_by_key(|(at, _)| *at);
    let mut version = 1;
    for (at, line) in lines {
        if let Some(state) = line["state"].as_str() {
            version += 1;
            let ci = find(&mut estate, text(&line, "ci"));
            ci["state"] = state.into();
            steps.push(topology_step(at, version, compiled(&estate, version)));
            continue;
        }
        let input = if line["silence"].is_object() { silence(at, &line) } else { event(at, &line, &mut estate) };
        steps.push(Step { at, input, topology: None, policy: None });
    }
    steps
}

fn topology_step(at: Timestamp, version: u64, topology: Arc<Topology>) -> Step {
    let input =
        Input::Topology { tenant: tenant(), version, digest: Digest(version.to_string().into()), author: "".into() };
    Step { at, input, topology: Some(topology), policy: None }
}

/// The story's own rules, when it has some.
fn rules(folder: &Path) -> Option<Arc<Policy>> {
    let text = std::fs::read_to_string(folder.join("rules.yaml")).ok()?;
    let policy = Policy::compile(1, &[RuleFile { name: "rules.yaml".into(), text }]);
    Some(Arc::new(policy.unwrap_or_else(|errors| panic!("{}: {errors:?}", folder.display()))))
}

fn policy_step(policy: Arc<Policy>) -> Step {
    let input = Input::Policy {
        tenant: tenant(),
        version: 1,
        digest: Digest("rules".into()),
        author: "li.na".into(),
        reason: "".into(),
    };
    Step { at: BEGIN, input, topology: None, policy: Some(policy) }
}

fn find<'e>(estate: &'e mut Value, ci: &str) -> &'e mut Value {
    let cis = estate["cis"].as_array_mut().expect("a list");
    cis.iter_mut().find(|c| c["id"] == ci).unwrap_or_else(|| panic!("journal.jsonl: topology.yaml has no CI {ci:?}"))
}

/// `"silence": {"id": …, "for": "01:00:00", "matchers": […]}`, beginning at the line's time.
fn silence(at: Timestamp, line: &Value) -> Input {
    let written = &line["silence"];
    let silence: Silence = serde_json::from_value(json!({
        "id": text(written, "id"), "matchers": written["matchers"], "created_by": "wang.li", "comment": "",
        "starts_at": at.0, "ends_at": at.plus(span(text(written, "for"))).0,
    }))
    .expect("a silence");
    let order = Order::Silence { silence };
    Input::Command(Command { tenant: tenant(), actor: "wang.li".into(), id: "".into(), via: "".into(), order })
}

/// An event as its source would send it in our own format, through the decoder. The object goes by its name in the
/// story's language, so that names are looked up in both.
fn event(at: Timestamp, line: &Value, estate: &mut Value) -> Input {
    let (tenant, source) = (tenant(), SourceId::from(line["source"].as_str().unwrap_or("monitor")));
    let body = match line["raw"].as_str() {
        Some(raw) => raw.to_owned(),
        None => body(at, line, estate).to_string(),
    };
    decoded(&tenant, &source, at, &body)
}

fn body(at: Timestamp, line: &Value, estate: &mut Value) -> Value {
    let object = match line["ci"].as_str() {
        Some(ci) => json!({"name": text(find(estate, ci), "name")}),
        None => line["object"].clone(),
    };
    let shown = object["name"].as_str().unwrap_or("").to_owned();
    let starts = line["starts"].as_str().map_or(at, |starts| BEGIN.plus(span(starts)));
    let name = text(line, "name");
    let title = line["title"].as_str().map_or_else(|| format!("{shown}: {name}"), str::to_owned);
    let mut body = json!({"name": name, "title": title, "object": object, "starts_at": starts.to_string()});
    for (ours, theirs) in [
        ("severity", "severity"),
        ("status", "status"),
        ("id", "id"),
        ("key", "dedup_key"),
        ("cause", "probable_cause"),
        ("type", "event_type"),
        ("labels", "labels"),
    ] {
        if !line[ours].is_null() {
            body[theirs] = line[ours].clone();
        }
    }
    body
}

fn decoded(tenant: &TenantId, source: &SourceId, at: Timestamp, body: &str) -> Input {
    let (severities, limits) = (SeverityMaps::default(), Limits::MODEL);
    let context = Context { tenant, source, received_at: Some(at), severities: &severities, limits: &limits };
    let decoded = native::decode(Body::from(body.as_bytes()), &context).expect("a body that can be read");
    let rejected = decoded.rejected.into_iter().map(|r| r.letter).collect();
    Input::Batch(Batch { tenant: tenant.clone(), events: decoded.events, rejected, replay_of: None })
}

/// Plays a story; with `restart` the engine is frozen and thawed after half of it.
fn play(steps: &[Step], until: Timestamp, restart: bool) -> Vec<Effect> {
    let mut engine = Engine::empty(0, Arc::new(Tuning::default()));
    let mut effects = Vec::new();
    for (i, step) in steps.iter().enumerate() {
        if restart && i == steps.len() / 2 {
            let (topology, policy) = (engine.topology(&tenant()), engine.policy(&tenant()));
            let tuning = Arc::new(Tuning::default());
            engine =
                Engine::thaw(&engine.freeze(), tuning, |_, _| topology.clone(), |_, _| Some(policy.clone())).unwrap();
        }
        let loaded = match (&step.topology, &step.policy) {
            (Some(topology), _) => Loaded::Topology(topology.clone()),
            (None, Some(policy)) => Loaded::Policy(policy.clone()),
            (None, None) => Loaded::Nothing,
        };
        let told = engine.step(step.at, &step.input, loaded);
        if let Input::Batch(batch) = &step.input {
            let verdicts = told.iter().filter(|e| matches!(e, Effect::Verdict { .. })).count();
            assert_eq!(verdicts, batch.events.len() + batch.rejected.len(), "one verdict for each event");
        }
        effects.extend(told);
    }
    effects.extend(engine.step(until, &Input::Tick, Loaded::Nothing));
    effects
}

/// Plays a story in both languages; returns what is wrong.
fn tell(folder: &Path) -> Vec<String> {
    let story: Story = serde_json::from_value(yaml(&folder.join("story.yaml"))).expect("story.yaml");
    let (mut wrong, mut shown, mut outcomes) = (Vec::new(), String::new(), Vec::new());
    for language in LANGUAGES {
        let steps = steps(folder, language);
        let last = steps.last().expect("a story").at;
        let until = story.until.as_deref().map_or(last.plus(WATCHED), |until| BEGIN.plus(span(until)));
        let effects = play(&steps, until, false);
        if bytes(&effects) != bytes(&play(&steps, until, true)) {
            wrong.push(format!("[{language}] a restart half-way changes what is told"));
        }
        let told = Told { in_chinese: language == "zh", ..Told::of(&effects) };
        wrong.extend(story.expect.check(&told).into_iter().map(|w| format!("[{language}] {w}")));
        shown.push_str(&format!("[{language}]\n{told}"));
        outcomes.push(told.without_texts());
    }
    if outcomes[0] != outcomes[1] {
        wrong.push(format!("the languages differ:\n{}\n{}", outcomes[0], outcomes[1]));
    }
    let file = folder.join("expected.txt");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&file, &shown).expect("written");
    } else if std::fs::read_to_string(&file).unwrap_or_default() != shown {
        wrong.push(format!("told otherwise than expected.txt (UPDATE_EXPECT=1 rewrites it):\n{shown}"));
    }
    wrong
}

fn judge(folder: &str) {
    let wrong = tell(&project().join("tests/scenarios").join(folder));
    assert!(wrong.is_empty(), "{folder}:\n{}", wrong.join("\n"));
}

macro_rules! scenarios {
    ($($name:ident $folder:literal)*) => {
        const FOLDERS: &[&str] = &[$($folder),*];
        $(#[test] fn $name() {
            judge($folder);
        })*
    };
}

scenarios! {
    s01_both_feeds_fail "s01-both-feeds-fail"
    s01_mains_fail "s01-mains-fail"
    s02_one_ups_of_two_fails "s02-one-ups-of-two-fails"
    s03_cooling_fails_slowly "s03-cooling-fails-slowly"
    s04_switch_down_and_an_old_disk_alert "s04-switch-down-and-an-old-disk-alert"
    s05_the_cause_reports_last "s05-the-cause-reports-last"
    s06_pods_move_and_change_names "s06-pods-move-and-change-names"
    s07_identity_service_down "s07-identity-service-down"
    s08_two_faults_in_one_minute "s08-two-faults-in-one-minute"
    s09_facility_gateway_offline "s09-facility-gateway-offline"
    s10_database_fails_over "s10-database-fails-over"
    s11_a_release_breaks_a_service "s11-a-release-breaks-a-service"
    s12_denial_of_service "s12-denial-of-service"
    s13_certificate_expires "s13-certificate-expires"
    s14_a_link_flaps "s14-a-link-flaps"
    s15_planned_work_on_a_rack "s15-planned-work-on-a-rack"
    s15_planned_work_by_rule "s15-planned-work-by-rule"
    s16_a_storm_of_twelve_faults "s16-a-storm-of-twelve-faults"
    s17_province_to_city_link_down "s17-province-to-city-link-down"
    s18_a_dead_pdu_without_a_sensor "s18-a-dead-pdu-without-a-sensor"
    s19_out_of_order "s19-out-of-order"
    s20_a_cycle "s20-a-cycle"
    s21_two_faults_under_one_core "s21-two-faults-under-one-core"
    s22_a_silent_switch_and_what_runs_behind_it "s22-a-silent-switch-and-what-runs-behind-it"
    s23_the_host_reports_after_its_machines "s23-the-host-reports-after-its-machines"
    s24_one_feed_of_two "s24-one-feed-of-two"
    s25_a_relation_that_the_cmdb_lacks "s25-a-relation-that-the-cmdb-lacks"
    s26_a_relation_that_is_wrong "s26-a-relation-that-is-wrong"
    s27_a_flapping_fan_in_a_storm "s27-a-flapping-fan-in-a-storm"
    s28_clocks_a_minute_apart "s28-clocks-a-minute-apart"
    s29_strangers_joined_by_rule "s29-strangers-joined-by-rule"
    s30_strangers_stay_apart "s30-strangers-stay-apart"
    s31_an_old_alert_upstream "s31-an-old-alert-upstream"
    s32_a_cause_that_reports_last "s32-a-cause-that-reports-last"
    s33_the_same_switch_again "s33-the-same-switch-again"
    s34_one_effect_accuses_nobody "s34-one-effect-accuses-nobody"
    s35_the_peer_sees_the_failure "s35-the-peer-sees-the-failure"
    s36_a_certificate_expires_during_an_outage "s36-a-certificate-expires-during-an-outage"
    s37_two_monitors_see_one_failure "s37-two-monitors-see-one-failure"
    s38_half_of_the_alerts_are_lost "s38-half-of-the-alerts-are-lost"
    s39_the_cause_is_over_first "s39-the-cause-is-over-first"
    s40_slow_cooling_and_a_quick_switch "s40-slow-cooling-and-a-quick-switch"
    c5_a_crypto_device_is_down "c5-crypto-device-down"
    c5_a_flood_of_guesses "c5-brute-force-flood"
    c1_water_smoke_and_a_door "c1-water-smoke-and-a-door"
    c2_a_zone_is_lost "c2-a-zone-is-lost"
    c2_a_host_and_its_machines "c2-a-host-and-its-machines"
    c2_slow_storage_under_many_hosts "c2-slow-storage-under-many-hosts"
    c3_a_shared_service_hits_departments "c3-a-shared-service-hits-departments"
    c4_a_licence_runs_out "c4-a-licence-runs-out"
    c5_a_device_fails_and_is_attacked "c5-a-device-fails-and-is-attacked"
}

#[test]
fn every_folder_is_played() {
    let mut folders: Vec<String> = std::fs::read_dir(project().join("tests/scenarios"))
        .unwrap()
        .map(|e| e.unwrap())
        .filter(|e| e.path().is_dir())
        .map(|e| e.file_name().into_string().unwrap())
        .collect();
    folders.sort();
    let mut played: Vec<&str> = FOLDERS.to_vec();
    played.sort_unstable();
    assert_eq!(folders, played);
}
