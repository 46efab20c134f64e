//! Budgets of messages that cost money: what is more is held back, listed and told on order; people are reached by the next way.

use headwater::engine::policy::Policy;
use headwater::engine::policy::place::RuleFile;

use crate::table::by;

const RULES: &str = "
promote: [{ id: at-once, after: now }]
settings:
  observation: 1m
  reopen_gap: 10m
  budgets: [{ id: phones, receivers: [sms, voice], hour: 2, day: 3 }]
people: [{ id: li, name: Li, contact: [{ by: [sms] }, { by: [chat], after: 5m }] }]
escalations: [{ id: core, levels: [{ to: [{ person: li }], wait: 30m }], fallback: [room], repeat: { times: 0 } }]
routes: [{ id: all, receivers: [{ oncall: core }] }]
";

#[test]
fn what_a_budget_has_no_room_for_is_held_back_and_the_next_way_is_taken_at_once() {
    by(RULES).tells(
        "00:00 a Down major
         01:00 b Down major
         02:00 c Down major
         02:01 end
         03:00 d Down critical
         60:00 e Down major
         60:01 end",
        "00:00 sms/li opened 1
         01:00 sms/li opened 2
         02:00 (failed: sms/li: budget phones is used up, held back) 3
         02:00 chat/li opened 3
         03:00 sms/li opened 4
         05:00 chat/li opened 1
         06:00 chat/li opened 2
         08:00 chat/li opened 4
         30:00 room opened 1
         31:00 room opened 2
         32:00 room opened 3
         33:00 room opened 4
         60:00 (failed: sms/li: budget phones is used up, held back) 5
         60:00 chat/li opened 5",
    );
}

const SYSTEM: &str = "
promote: [{ id: at-once, after: now }]
settings: { observation: 1m, reopen_gap: 10m, budgets: [{ id: pd, receivers: [pagerduty], hour: 1, unless: none }] }
routes: [{ id: all, receivers: [pagerduty] }]
";

#[test]
fn what_is_held_back_is_told_on_order_and_ends_always_pass() {
    by(SYSTEM).tells(
        "00:00 a Down critical
         01:00 b Down critical
         02:00 a Down resolved
         05:00 tell-held
         61:00 tell-held
         62:00 tell-held",
        "00:00 pagerduty opened 1
         01:00 (failed: pagerduty: budget pd is used up, held back) 2
         03:00 pagerduty recovered 1
         05:00 (failed: pagerduty: budget pd is used up, held back) 2
         13:00 pagerduty closed 1
         61:00 pagerduty opened 2
         refused: nothing is held back for it",
    );
}

#[test]
fn faults_of_budgets_are_told_with_their_place_and_the_remedy() {
    let check = |text: &str, part: &str| {
        let rules = format!("settings: {{ budgets: [{text}] }}\nroutes: [{{ id: all, receivers: [x] }}]");
        let error = Policy::compile(1, &[RuleFile { name: "r.yaml".into(), text: rules }]).unwrap_err().remove(0);
        let told = error.to_string();
        assert!(told.contains(part) && told.starts_with("r.yaml:"), "{told}");
    };
    check("{ id: a, receivers: [x] }", "write hour: 60");
    check("{ id: a, receivers: [x], hour: 0 }", "write hour: 60");
    check("{ id: a, receivers: [], hour: 1 }", "name its receivers");
    check("{ id: a, receivers: [x], hour: 1 }, { id: a, receivers: [y], hour: 1 }", "each budget once");
}
