//! Incidents that need not be: many lone alerts of one type, and what is left when the reason of one went elsewhere.

use headwater::domain::incident::IncidentState;
use headwater::engine::effect::Effect;

use crate::table::{Table, by};

#[test]
fn of_many_lone_alerts_of_one_type_the_third_goes_into_the_first_ones_incident() {
    by("").groups(
        "00:00 db-1 BackupFailed major
         01:00 db-2 BackupFailed major
         02:00 db-3 BackupFailed major
         03:00 web-1 DiskFull major
         04:00 db-4 BackupFailed major
         20:00 end",
        "1 -: db-1/BackupFailed, db-3/BackupFailed, db-4/BackupFailed
         2 -: db-2/BackupFailed
         3 -: web-1/DiskFull",
    );
}

#[test]
fn what_the_rules_tell_at_once_is_told_by_itself() {
    by("promote: [{ id: all, after: now }]").groups(
        "00:00 db-1 BackupFailed major
         01:00 db-2 BackupFailed major
         02:00 db-3 BackupFailed major",
        "1 -: db-1/BackupFailed
         2 -: db-2/BackupFailed
         3 -: db-3/BackupFailed",
    );
}

#[test]
fn a_critical_alert_is_always_told_by_itself() {
    by("").groups(
        "00:00 db-1 Down critical
         01:00 db-2 Down critical
         02:00 db-3 Down critical
         20:00 end",
        "1 -: db-1/Down
         2 -: db-2/Down
         3 -: db-3/Down",
    );
}

#[test]
fn an_incident_that_is_closed_takes_nothing_in() {
    by("").groups(
        "00:00 db-1 BackupFailed major
         01:00 db-2 BackupFailed major
         10:00 close 1
         11:00 db-3 BackupFailed major
         30:00 db-4 BackupFailed major
         50:00 end",
        "1 -: db-1/BackupFailed
         2 -: db-2/BackupFailed
         3 -: db-3/BackupFailed, db-4/BackupFailed",
    );
}

#[test]
fn one_that_a_person_takes_out_stands_for_itself() {
    by("").groups(
        "00:00 db-1 BackupFailed major
         01:00 db-2 BackupFailed major
         02:00 db-3 BackupFailed major
         03:00 db-4 BackupFailed major
         10:00 split 1 3
         11:00 db-5 BackupFailed major
         20:00 split 1 4
         21:00 move 3 1
         22:00 split 1 3
         30:00 end",
        "1 -: db-1/BackupFailed, db-5/BackupFailed
         2 -: db-2/BackupFailed
         4 -: db-4/BackupFailed
         5 -: db-3/BackupFailed",
    );
}

#[test]
fn what_stays_behind_a_cause_and_its_effects_goes_on_without_them() {
    let estate = "\
cis:
- {id: server-1, class: server}
- {id: vm-1, class: vm}
- {id: db-1, class: database}
relations:
- {from: server-1, type: hosts, to: vm-1}
- {from: vm-1, type: hosts, to: db-1}
";
    // The cause and what hangs on it directly leave; below them something stays.
    by("").on(estate).groups(
        "00:00 server-1 Broken critical
         00:20 vm-1 Down critical
         00:40 db-1 NoAnswer critical
         30:00 split 1 1 2
         31:00 end",
        "1 db-1: db-1/NoAnswer
         2 server-1: server-1/Broken, vm-1/Down",
    );
}

/// Two servers either of which can run the same virtual machines.
fn pair() -> Table {
    let mut estate = String::from("cis:\n- {id: server-1, class: server}\n- {id: server-2, class: server}\n");
    let mut relations = String::from("relations:\n");
    for vm in 1..=3 {
        estate += &format!("- {{id: vm-{vm}, class: vm}}\n");
        for server in 1..=2 {
            relations += &format!("- {{from: server-{server}, type: hosts, to: vm-{vm}}}\n");
        }
    }
    by("").on(&(estate + &relations))
}

/// What server-1 shows is taken for the cause until it is known what happened to server-2.
const LATE: &str = "
    00:00 server-1 Warm warning
    00:30 vm-1 Slow major
    01:30 server-2 Broken critical starts=00:26
    03:00 end";

fn ends(effects: &[Effect]) -> Vec<(u64, IncidentState, Option<u64>)> {
    let mut ends: Vec<(u64, IncidentState, Option<u64>)> = Vec::new();
    for effect in effects {
        if let Effect::Incident { incident, .. } = effect {
            ends.retain(|(id, ..)| *id != incident.id.0);
            ends.push((incident.id.0, incident.state, incident.merged_into.map(|into| into.0)));
        }
    }
    ends.sort_unstable_by_key(|(id, ..)| *id);
    ends
}

#[test]
fn an_incident_whose_reason_is_part_of_another_one_goes_on_there() {
    let estate = pair();
    estate.groups(LATE, "1 server-1: server-1/Warm\n2 server-2: vm-1/Slow, server-2/Broken");
    let later = format!("{LATE}\n20:00 end");
    estate.groups(&later, "2 server-2: vm-1/Slow, server-2/Broken\nheld: server-1/Warm");
    estate.tells(&later, "00:30 team opened 1\n01:30 team opened 2\n12:30 team merged 1");
    let told = ends(&estate.play(&later));
    assert_eq!(told, [(1, IncidentState::Merged, Some(2)), (2, IncidentState::Abnormal, None)]);
}

#[test]
fn what_somebody_works_on_or_would_be_told_anyway_stays() {
    let estate = pair();
    for reason in ["04:00 ack 1", "04:00 severity 1 major", "04:00 server-1 Warm critical"] {
        let told = ends(&estate.play(&format!("{LATE}\n{reason}\n20:00 end")));
        assert_eq!(told[0].1, IncidentState::Abnormal, "{reason}: {told:?}");
    }
    let split = "00:00 server-1 Warm warning\n00:30 vm-1 Slow major\n01:00 split 1 2\n20:00 end";
    let told = ends(&estate.play(split));
    assert_eq!(told.iter().map(|end| end.1).collect::<Vec<_>>(), [IncidentState::Abnormal; 2], "{told:?}");
}

/// A switch that says nothing itself, and what hangs on it.
fn rack() -> Table {
    let mut estate = String::from("cis:\n- {id: switch, class: access_switch}\n");
    let mut relations = String::from("relations:\n");
    for server in 1..=7 {
        estate += &format!("- {{id: server-{server}, class: server}}\n");
        relations += &format!("- {{from: switch, type: connects, to: server-{server}}}\n");
    }
    by("").on(&(estate + &relations))
}

#[test]
fn effects_of_a_silent_cause_are_weighed_together_though_one_of_them_alone_would_go_elsewhere() {
    // When it is looked at again, the incident is the oldest one's, and the next one, had it stood alone for a moment, would
    // have gone into that of its type, and what all hang on with it.
    rack().groups(
        "00:00 db-1 BackupFailed major
         00:30 db-2 BackupFailed major
         10:00 server-1 Slow warning
         10:05 server-2 BackupFailed major
         14:00 server-3 Dead major starts=10:10
         20:00 end",
        "1 -: db-1/BackupFailed
         2 -: db-2/BackupFailed
         3 switch: server-1/Slow, server-2/BackupFailed, server-3/Dead",
    );
}
