//! Grafana OnCall: what its HTTP API gives of `users`, `personal_notification_rules`, `on_call_shifts`, `schedules`,
//! `escalation_chains` and `escalation_policies`.

use serde_json::Value;

use super::carried::{Carried, Ladder, Layer, Level, Person, Roster, days, hours, minute_of_day, moment};
use super::unread::{Known, tell};
use super::{list, text};

/// What is read of its lists, beside names and addresses of pages.
const KNOWN: [Known; 7] = [
    Known { list: "users", fields: &["username", "email", "role", "grafana_id", "is_phone_number_verified"] },
    Known { list: "personal_notification_rules", fields: &["user_id", "position", "duration", "important"] },
    Known {
        list: "on_call_shifts",
        fields: &[
            "time_zone",
            "level",
            "start",
            "rotation_start",
            "duration",
            "frequency",
            "users",
            "rolling_users",
            "start_rotation_from_user_index",
            "interval",
            "until",
            "by_day",
            "by_month",
            "source",
            "schedule",
        ],
    },
    Known { list: "schedules", fields: &["time_zone", "shifts", "ical_url_primary", "on_call_now"] },
    Known { list: "escalation_chains", fields: &[] },
    Known {
        list: "escalation_policies",
        fields: &[
            "escalation_chain_id",
            "position",
            "duration",
            "persons_to_notify",
            "persons_to_notify_next_each_time",
            "notify_on_call_from_schedule",
        ],
    },
    Known { list: "routes", fields: &["routing_regex", "escalation_chain_id", "integration_id", "position"] },
];

/// Carries an export over.
pub fn carry(export: &Value) -> Carried {
    let mut all = Carried::default();
    for user in list(export, "users") {
        let name = if text(user, "name").is_empty() { text(user, "username") } else { text(user, "name") };
        let id = all.id(
            "person",
            text(user, "id"),
            if text(user, "username").is_empty() { name } else { text(user, "username") },
        );
        let contact = contact(export, text(user, "id"), &mut all);
        let person = Person { id, name: name.into(), mail: text(user, "email").into(), mobile: String::new(), contact };
        all.people.push(person);
    }
    for schedule in list(export, "schedules") {
        roster(export, schedule, &mut all);
    }
    for chain in list(export, "escalation_chains") {
        ladder(export, chain, &mut all);
    }
    for route in list(export, "routes") {
        let what = text(route, "routing_regex");
        all.leave(format!("route {what:?}: write a route with `match` and `receivers: [{{ oncall: … }}]`"));
    }
    tell(export, &KNOWN, &mut all);
    all
}

/// A person's steps, in the order of their places; waits add up.
fn contact(export: &Value, user: &str, all: &mut Carried) -> Vec<(i64, &'static str)> {
    let of_user = list(export, "personal_notification_rules").filter(|rule| text(rule, "user_id") == user);
    let (important, mut rules): (Vec<&Value>, Vec<&Value>) =
        of_user.partition(|rule| rule["important"].as_bool().unwrap_or(false));
    if !important.is_empty() {
        let count = important.len();
        all.leave(format!("{count} contact steps for what is important: write a plan with `match: {{ severity: … }}`"));
    }
    rules.sort_by_key(|rule| rule["position"].as_i64());
    let (mut after, mut steps) = (0, Vec::new());
    for rule in rules {
        let way = match text(rule, "type") {
            "wait" => {
                after += rule["duration"].as_i64().unwrap_or(0) / 60;
                continue;
            }
            "notify_by_sms" => "sms",
            "notify_by_phone_call" => "voice",
            "notify_by_email" => "mail",
            "notify_by_slack" | "notify_by_msteams" | "notify_by_telegram" | "notify_by_mattermost" => "chat",
            other => {
                all.leave(format!("a contact step {other:?}: no receiver is like it"));
                continue;
            }
        };
        if after <= 120 {
            steps.push((after, way));
        } else {
            all.leave(format!("a contact step by {way} after {after} minutes: two hours are the most"));
        }
    }
    steps
}

fn roster(export: &Value, schedule: &Value, all: &mut Carried) {
    let (id, name) =
        (all.id("roster", text(schedule, "id"), text(schedule, "name")), text(schedule, "name").to_owned());
    let zone = if text(schedule, "time_zone").is_empty() { "UTC" } else { text(schedule, "time_zone") };
    let mut roster = Roster { id, note: name.clone(), zone: zone.into(), ..Roster::default() };
    if text(schedule, "type") == "ical" {
        all.leave(format!("schedule {name:?} is a calendar: headwater oncall import ical FILE"));
        return;
    }
    let wanted: Vec<&str> = schedule["shifts"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut shifts: Vec<&Value> =
        list(export, "on_call_shifts").filter(|shift| wanted.contains(&text(shift, "id"))).collect();
    // A higher level goes before a lower one, and with us a later layer before an earlier one.
    shifts.sort_by_key(|shift| shift["level"].as_i64());
    for shift in shifts {
        let (name, zone) = (text(shift, "name"), text(shift, "time_zone"));
        if !zone.is_empty() && zone != roster.zone {
            all.leave(format!("shift {name:?}: its zone {zone} became that of its schedule, {}", roster.zone));
        }
        shift_into(shift, &mut roster, all);
    }
    if roster.layers.is_empty() && roster.overrides.is_empty() {
        all.leave(format!("schedule {name:?} has no shift that could be read"));
        return;
    }
    if roster.layers.is_empty() {
        all.leave(format!("schedule {name:?} has single events only: give its roster a layer"));
        return;
    }
    all.rosters.push(roster);
}

fn people(value: &Value, all: &mut Carried) -> Vec<String> {
    let mut known = Vec::new();
    for user in value.as_array().into_iter().flatten().filter_map(Value::as_str) {
        match all.known("person", user) {
            Some(id) => known.push(id),
            None => all.leave(format!("user {user:?} of a shift is not among the users")),
        }
    }
    known
}

/// One time of somebody's: an override.
fn single_into(shift: &Value, roster: &mut Roster, all: &mut Carried) {
    let (name, start) = (text(shift, "name"), text(shift, "start"));
    let seconds = shift["duration"].as_i64().unwrap_or(86_400);
    let from = moment(start);
    let end = chrono::NaiveDateTime::parse_from_str(&from, "%Y-%m-%d %H:%M").ok();
    let Some(end) = end.and_then(|from| from.checked_add_signed(chrono::TimeDelta::seconds(seconds))) else {
        return all.leave(format!("shift {name:?}: its begin {start:?} cannot be read"));
    };
    // Those that are made in the calendar name their people as a rotation of one turn.
    let named = if shift["users"].as_array().is_some_and(|all| !all.is_empty()) {
        &shift["users"]
    } else {
        &shift["rolling_users"][0]
    };
    for person in people(named, all) {
        roster.overrides.push((from.clone(), end.format("%Y-%m-%d %H:%M").to_string(), person));
    }
}

fn shift_into(shift: &Value, roster: &mut Roster, all: &mut Carried) {
    let name = text(shift, "name").to_owned();
    let seconds = shift["duration"].as_i64().unwrap_or(86_400);
    let start = text(shift, "start");
    if matches!(text(shift, "type"), "single_event" | "override") {
        return single_into(shift, roster, all);
    }
    let is_rolling =
        text(shift, "type") == "rolling_users" || shift["rolling_users"].as_array().is_some_and(|all| !all.is_empty());
    let mut turns: Vec<Vec<String>> = if is_rolling {
        shift["rolling_users"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|turn| people(turn, all))
            .filter(|turn| !turn.is_empty())
            .collect()
    } else {
        Some(people(&shift["users"], all)).into_iter().filter(|turn| !turn.is_empty()).collect()
    };
    if turns.is_empty() {
        return all.leave(format!("shift {name:?} names nobody"));
    }
    let first = shift["start_rotation_from_user_index"].as_u64().unwrap_or(0) as usize;
    let count = turns.len();
    turns.rotate_left(first % count);
    let n = shift["interval"].as_i64().unwrap_or(1).max(1);
    let unit = match text(shift, "frequency") {
        "hourly" => "h",
        "daily" => "d",
        "weekly" | "" => "w",
        "monthly" => "mo",
        other => return all.leave(format!("shift {name:?}: frequency {other:?} is not known")),
    };
    let on = days(shift["by_day"].as_array().into_iter().flatten().filter_map(|day| day.as_str().map(str::to_owned)));
    let window = hours(minute_of_day(start), seconds / 60);
    let during = match (window, on.is_empty()) {
        (Some(at), false) => format!("weekly: {{ days: [{}], at: \"{at}\" }}", on.join(", ")),
        (Some(at), true) if seconds < 86_400 && unit != "h" => format!("daily: \"{at}\""),
        (Some(_), true) => String::new(),
        (None, true) => String::new(),
        (None, false) => {
            all.leave(format!("shift {name:?}: windows of more than a day on single weekdays became whole turns"));
            String::new()
        }
    };
    if !shift["by_month"].is_null() && shift["by_month"].as_array().is_none_or(|all| !all.is_empty()) {
        all.leave(format!("shift {name:?}: `by_month` was left out"));
    }
    let begin = if text(shift, "rotation_start").is_empty() { start } else { text(shift, "rotation_start") };
    let (starts, ends) =
        (moment(begin), if text(shift, "until").is_empty() { String::new() } else { moment(text(shift, "until")) });
    roster.layers.push(Layer { name, people: turns, starts, ends, every: format!("{n}{unit}"), during });
}

fn ladder(export: &Value, chain: &Value, all: &mut Carried) {
    let name = text(chain, "name").to_owned();
    let mut ladder = Ladder { id: all.id("ladder", text(chain, "id"), &name), note: name.clone(), ..Ladder::default() };
    let mut steps: Vec<&Value> = list(export, "escalation_policies")
        .filter(|step| text(step, "escalation_chain_id") == text(chain, "id"))
        .collect();
    steps.sort_by_key(|step| step["position"].as_i64());
    for step in steps {
        let persons = |key: &str, all: &mut Carried| -> Vec<String> {
            people(&step[key], all).into_iter().map(|id| format!("person: {}", Value::from(id))).collect()
        };
        let (to, round_robin) = match text(step, "type") {
            "wait" => {
                if let Some(last) = ladder.levels.last_mut() {
                    last.wait_secs += step["duration"].as_i64().unwrap_or(300);
                }
                continue;
            }
            "notify_persons" => (persons("persons_to_notify", all), false),
            "notify_person_next_each_time" => (persons("persons_to_notify_next_each_time", all), true),
            "notify_on_call_from_schedule" => {
                let found = all.rosters.iter().find(|roster| {
                    Some(&roster.id) == all.known("roster", text(step, "notify_on_call_from_schedule")).as_ref()
                });
                (
                    found.map(|roster| format!("roster: {}", Value::from(roster.id.as_str()))).into_iter().collect(),
                    false,
                )
            }
            "repeat_escalation" => {
                ladder.times = 5;
                continue;
            }
            other => {
                all.leave(format!("step {other:?} of chain {name:?}"));
                continue;
            }
        };
        if to.is_empty() {
            all.leave(format!("a step of chain {name:?} reaches nobody who is known"));
            continue;
        }
        ladder.levels.push(Level { to, wait_secs: 0, round_robin });
    }
    if ladder.levels.is_empty() {
        return all.leave(format!("chain {name:?} has no step that tells somebody"));
    }
    all.ladders.push(ladder);
}
