//! Alerts of which their source says how long its word holds.

use crate::table::by;

#[test]
fn what_is_not_said_again_is_over_at_its_time() {
    by("").tells(
        "00:00 db-1 Down critical until=04:00
         30:00 end",
        "00:00 team opened 1
         04:00 (unheard: probe) 1
         09:00 team recovered 1",
    );
}

#[test]
fn every_word_makes_it_longer_and_the_same_words_afterwards_are_news() {
    by("").tells(
        "00:00 db-1 Down critical until=04:00
         03:00 db-1 Down critical starts=00:00 until=07:00
         06:00 db-1 Down critical starts=00:00 until=10:00
         12:00 db-1 Down critical starts=00:00 until=16:00
         60:00 end",
        "00:00 team opened 1
         10:00 (unheard: probe) 1
         16:00 (unheard: probe) 1
         21:00 team recovered 1",
    );
}

#[test]
fn its_end_and_a_word_that_names_no_time_come_before_the_timer() {
    by("").tells(
        "00:00 db-1 Down critical until=04:00
         01:00 db-1 Down resolved
         30:00 end",
        "00:00 team opened 1
         06:00 team recovered 1",
    );
    by("").tells(
        "00:00 db-1 Down critical until=04:00
         01:00 db-1 Down critical starts=00:00
         60:00 end",
        "00:00 team opened 1",
    );
}

#[test]
fn the_newest_word_counts_also_when_it_is_shorter() {
    by("").tells(
        "00:00 db-1 Down critical until=20:00
         01:00 db-1 Down critical starts=00:00 until=10:00
         02:00 db-1 Down critical starts=00:00 until=03:00
         40:00 end",
        "00:00 team opened 1
         03:00 (unheard: probe) 1
         08:00 team recovered 1",
    );
}

#[test]
fn a_second_observer_whose_alert_began_earlier_keeps_it_alive() {
    by("").tells(
        "01:00 db-1 Down critical until=05:00
         02:00 db-1 Down critical starts=00:30 until=09:00
         03:00 db-1 Down critical starts=00:30 until=04:00
         40:00 end",
        "01:00 team opened 1
         09:00 (unheard: probe) 1
         14:00 team recovered 1",
    );
}

#[test]
fn other_alerts_of_the_incident_go_on() {
    let rules = "
correlate:
  - id: room
    type: group
    by: [labels.room]
    of: [{ match: { name: Hot } }, { match: { name: FanStopped } }]
    within: 2m
    effect: { join: {} }";
    by(rules).tells(
        "00:00 a Hot minor room=r until=04:00
         00:10 b FanStopped minor room=r until=30:00
         60:00 end",
        "00:10 team opened 1
         30:00 (unheard: probe) 1
         35:00 team recovered 1",
    );
}
