//! Relations that the CMDB lacks: alerts still find their cause, and are told why.

use headwater::domain::incident::EvidenceTerm;
use headwater::engine::effect::Effect;
use headwater::engine::verdict::{Stage, Verdict};

use crate::table::{Table, by};

/// Four servers with ten virtual machines each; of `vm-39` the CMDB does not know where it runs.
fn estate() -> Table {
    let mut cis = String::from("cis:\n");
    let mut relations = String::from("relations:\n");
    for server in 0..4 {
        cis += &format!("- {{id: server-{server}, class: server, site: dc-a}}\n");
    }
    for vm in 0..40 {
        cis += &format!("- {{id: vm-{vm}, class: vm, site: dc-a}}\n");
        if vm != 39 {
            relations += &format!("- {{from: server-{}, type: hosts, to: vm-{vm}}}\n", vm / 10);
        }
    }
    by("").on(&(cis + &relations))
}

const STORY: &str = "
    00:00 server-3 Broken critical
    00:05 vm-30 Unreachable critical
    00:06 vm-31 Unreachable critical
    00:08 vm-39 Unreachable critical
    20:00 end";

#[test]
fn an_alert_joins_across_a_relation_that_only_its_ci_lacks() {
    estate().groups(STORY, "1 server-3: server-3/Broken, vm-30/Unreachable, vm-31/Unreachable, vm-39/Unreachable");
}

#[test]
fn it_is_told_that_the_relation_is_missing_and_among_how_many_the_cause_is() {
    let told = estate().play(STORY);
    let missing: Vec<(i64, Box<str>)> = told
        .iter()
        .filter_map(|effect| match effect {
            Effect::Verdict { verdict: Verdict::Joined { decision, .. }, .. } => Some(decision),
            _ => None,
        })
        .flat_map(|decision| decision.checks.iter().filter(|check| check.stage == Stage::Correlate))
        .filter_map(|check| {
            let lacks = check.evidence.iter().find(|e| e.term == EvidenceTerm::MissingRelation)?;
            Some((lacks.n, check.about.clone()))
        })
        .collect();
    assert_eq!(missing, [(4, "server-3".into())]);
}

#[test]
fn what_fails_elsewhere_or_much_earlier_is_not_taken_for_the_cause() {
    estate().groups(
        "00:00 server-3 Broken critical
         00:05 vm-30 Unreachable critical
         25:00 vm-39 Unreachable critical
         50:00 end",
        "1 server-3: server-3/Broken, vm-30/Unreachable
         2 vm-39: vm-39/Unreachable",
    );
}
