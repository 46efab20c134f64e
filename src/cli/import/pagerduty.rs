//! PagerDuty: `users` (with `contact_methods` and `notification_rules`), `teams`, `schedules` (with `schedule_layers`) and
//! `escalation_policies` of its REST API.

use serde_json::Value;

use super::carried::{Carried, Ladder, Layer, Level, Person, Roster, hours, minute_of_day, moment};
use super::unread::{Known, tell};
use super::{list, text};

/// Minutes of a day, and the days of a week as rules name them.
const DAY: i64 = 24 * 60;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// What is read of its lists, beside names and addresses of pages.
const KNOWN: [Known; 8] = [
    Known {
        list: "users",
        fields: &["email", "contact_methods", "notification_rules", "color", "role", "invitation_sent", "locale"],
    },
    Known { list: "users/contact_methods", fields: &["address", "country_code", "label", "enabled"] },
    Known { list: "users/notification_rules", fields: &["start_delay_in_minutes", "contact_method", "urgency"] },
    Known {
        list: "schedules",
        // Who has duty follows from the layers; its users and policies stand in their own lists.
        fields: &[
            "time_zone",
            "schedule_layers",
            "overrides",
            "overrides_subschedule",
            "final_schedule",
            "users",
            "escalation_policies",
            "http_cal_url",
            "web_cal_url",
        ],
    },
    Known {
        list: "schedules/schedule_layers",
        fields: &[
            "start",
            "end",
            "users",
            "restrictions",
            "rotation_virtual_start",
            "rotation_turn_length_seconds",
            "rendered_schedule_entries",
            "rendered_coverage_percentage",
        ],
    },
    Known { list: "escalation_policies", fields: &["escalation_rules", "num_loops"] },
    Known {
        list: "escalation_policies/escalation_rules",
        fields: &["escalation_delay_in_minutes", "targets", "escalation_rule_assignment_strategy"],
    },
    Known { list: "services", fields: &[] },
];

/// Carries an export over.
pub fn carry(export: &Value) -> Carried {
    let mut all = Carried::default();
    for user in list(export, "users") {
        let name = text(user, "name").to_owned();
        let id = all.id(
            "person",
            text(user, "id"),
            text(user, "email").split('@').next().filter(|id| !id.is_empty()).unwrap_or(&name),
        );
        let phone = user["contact_methods"].as_array().into_iter().flatten();
        let phone =
            phone.filter(|one| matches!(text(one, "type"), "sms_contact_method" | "phone_contact_method")).map(|one| {
                match one["country_code"].as_i64() {
                    Some(code) => format!("+{code}{}", text(one, "address")),
                    None => text(one, "address").to_owned(),
                }
            });
        let mobile = phone.into_iter().next().unwrap_or_default();
        let contact = contact(user, &mut all);
        all.people.push(Person { id, name, mail: text(user, "email").into(), mobile, contact });
    }
    for schedule in list(export, "schedules") {
        roster(schedule, &mut all);
    }
    for policy in list(export, "escalation_policies") {
        ladder(policy, &mut all);
    }
    let services = list(export, "services").count();
    if services > 0 {
        all.leave(format!("services: {services}; routes of the rules say what goes to which policy"));
    }
    tell(export, &KNOWN, &mut all);
    all
}

fn contact(user: &Value, all: &mut Carried) -> Vec<(i64, &'static str)> {
    let mut steps = Vec::new();
    for rule in user["notification_rules"].as_array().into_iter().flatten() {
        if text(rule, "urgency") == "low" {
            all.leave("a contact step for low urgency: write a plan with `match: { severity: … }`");
            continue;
        }
        let way = match text(&rule["contact_method"], "type").trim_end_matches("_reference") {
            "sms_contact_method" => "sms",
            "phone_contact_method" => "voice",
            "email_contact_method" => "mail",
            "push_notification_contact_method" => "chat",
            other => {
                all.leave(format!("a contact step {other:?}"));
                continue;
            }
        };
        steps.push((rule["start_delay_in_minutes"].as_i64().unwrap_or(0).clamp(0, 120), way));
    }
    steps.sort_unstable();
    steps
}

fn roster(schedule: &Value, all: &mut Carried) {
    let name = text(schedule, "name").to_owned();
    let zone = if text(schedule, "time_zone").is_empty() { "UTC" } else { text(schedule, "time_zone") };
    let mut roster = Roster {
        id: all.id("roster", text(schedule, "id"), &name),
        note: name.clone(),
        zone: zone.into(),
        ..Roster::default()
    };
    // The first layer of the list is the last one of all: it goes before the others.
    for layer in schedule["schedule_layers"].as_array().into_iter().flatten().rev() {
        layers_of(layer, &mut roster, all);
    }
    // As an answer of its own, or rendered into the schedule for the time that was asked for.
    let rendered = &schedule["overrides_subschedule"]["rendered_schedule_entries"];
    let overrides = [&schedule["overrides"], rendered].into_iter().filter_map(Value::as_array).flatten();
    for entry in overrides {
        match all.known("person", text(&entry["user"], "id")) {
            Some(person) => roster.overrides.push((text(entry, "start").into(), text(entry, "end").into(), person)),
            None => all.leave(format!("an override of schedule {name:?} by a user who is not among the users")),
        }
    }
    if roster.layers.is_empty() {
        return all.leave(format!("schedule {name:?} has no layer with people"));
    }
    all.rosters.push(roster);
}

fn layers_of(layer: &Value, roster: &mut Roster, all: &mut Carried) {
    let name = text(layer, "name").to_owned();
    let mut people = Vec::new();
    for user in layer["users"].as_array().into_iter().flatten() {
        match all.known("person", text(&user["user"], "id")) {
            Some(id) => people.push(vec![id]),
            None => all.leave(format!("layer {name:?}: {:?} is not among the users", text(&user["user"], "summary"))),
        }
    }
    if people.is_empty() {
        return all.leave(format!("layer {name:?} has nobody"));
    }
    let seconds = layer["rotation_turn_length_seconds"].as_i64().unwrap_or(604_800);
    let every = match seconds {
        s if s > 0 && s % 86_400 == 0 => format!("{}d", s / 86_400),
        s if s > 0 && s % 3_600 == 0 => format!("{}h", s / 3_600),
        s => return all.leave(format!("layer {name:?}: turns of {s} seconds; ours are of whole hours")),
    };
    let begin = if text(layer, "rotation_virtual_start").is_empty() {
        text(layer, "start")
    } else {
        text(layer, "rotation_virtual_start")
    };
    let one = Layer {
        name: name.clone(),
        people,
        starts: moment(begin),
        ends: text(layer, "end").into(),
        every,
        during: String::new(),
    };
    let restrictions: Vec<&Value> = layer["restrictions"].as_array().into_iter().flatten().collect();
    if restrictions.is_empty() {
        return roster.layers.push(one);
    }
    for restriction in restrictions {
        let mut minutes = restriction["duration_seconds"].as_i64().unwrap_or(0) / 60;
        let mut from = minute_of_day(text(restriction, "start_time_of_day"));
        let Some(first) = restriction["start_day_of_week"].as_u64().filter(|day| (1..=7).contains(day)) else {
            match hours(from, minutes) {
                Some(at) => roster.layers.push(Layer { during: format!("daily: \"{at}\""), ..one.clone() }),
                None => all.leave(format!("layer {name:?}: a window of {minutes} minutes each day")),
            }
            continue;
        };
        // Ours end within a day: a longer window is one for each day that it touches.
        let mut day = first as usize - 1;
        minutes = minutes.min(7 * DAY);
        while minutes > 0 {
            let piece = minutes.min(DAY - from);
            if let Some(at) = hours(from, piece) {
                let during = format!("weekly: {{ days: [{}], at: \"{at}\" }}", DAYS[day % 7]);
                roster.layers.push(Layer { during, ..one.clone() });
            }
            (minutes, from, day) = (minutes - piece, 0, day + 1);
        }
    }
}

fn ladder(policy: &Value, all: &mut Carried) {
    let name = text(policy, "name").to_owned();
    let mut ladder =
        Ladder { id: all.id("ladder", text(policy, "id"), &name), note: name.clone(), ..Ladder::default() };
    ladder.times = policy["num_loops"].as_u64().unwrap_or(0);
    for rule in policy["escalation_rules"].as_array().into_iter().flatten() {
        let mut to = Vec::new();
        for target in rule["targets"].as_array().into_iter().flatten() {
            let (kind, word) =
                if text(target, "type").starts_with("schedule") { ("roster", "roster") } else { ("person", "person") };
            let known = all.known(kind, text(target, "id"));
            let is_there =
                kind == "person" || known.as_ref().is_some_and(|id| all.rosters.iter().any(|roster| roster.id == *id));
            match known.filter(|_| is_there) {
                Some(id) => to.push(format!("{word}: {}", Value::from(id))),
                None => {
                    all.leave(format!("policy {name:?}: target {:?} is not in the export", text(target, "summary")))
                }
            }
        }
        if !to.is_empty() {
            let wait_secs = rule["escalation_delay_in_minutes"].as_i64().unwrap_or(30) * 60;
            let round_robin = text(&rule["escalation_rule_assignment_strategy"], "type") == "round_robin";
            ladder.levels.push(Level { to, wait_secs, round_robin });
        }
    }
    if ladder.levels.is_empty() {
        return all.leave(format!("policy {name:?} reaches nobody who is known"));
    }
    all.ladders.push(ladder);
}
