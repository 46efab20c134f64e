//! Opsgenie: `users`, `teams` (with `members`), `schedules` (with `rotations`) and `escalations` of its REST API.

use serde_json::Value;

use super::carried::{Carried, Ladder, Layer, Level, Person, Roster, days, hours, moment};
use super::unread::{Known, tell};
use super::{list, text};

/// What is read of its lists, beside names and addresses of pages.
const KNOWN: [Known; 8] = [
    Known { list: "users", fields: &["username", "fullName", "blocked", "verified", "role", "locale"] },
    Known { list: "teams", fields: &["members"] },
    Known { list: "teams/members", fields: &["user", "role"] },
    Known { list: "schedules", fields: &["timezone", "enabled", "rotations", "overrides"] },
    Known {
        list: "schedules/rotations",
        fields: &["startDate", "endDate", "length", "participants", "timeRestriction"],
    },
    Known { list: "schedules/overrides", fields: &["user", "startDate", "endDate", "alias"] },
    Known { list: "escalations", fields: &["rules", "repeat"] },
    Known { list: "escalations/rules", fields: &["condition", "notifyType", "delay", "recipient"] },
];

/// Ways to choose among people of a team or a schedule that have no like here.
const NO_LIKE: [&str; 3] = ["previous", "users", "admins"];

/// Carries an export over.
pub fn carry(export: &Value) -> Carried {
    let mut all = Carried::default();
    for user in list(export, "users") {
        let (name, login) = (text(user, "fullName"), text(user, "username"));
        if user["blocked"].as_bool() == Some(true) {
            all.leave(format!("user {name:?} is blocked"));
            continue;
        }
        let short = login.split('@').next().unwrap_or_default();
        let id = all.id("person", text(user, "id"), if short.is_empty() { name } else { short });
        let mail = if login.contains('@') { login } else { "" };
        all.people.push(Person { id, name: name.into(), mail: mail.into(), ..Person::default() });
    }
    if !all.people.is_empty() {
        all.leave("notification rules of users: write contact plans, see docs/oncall.md");
    }
    for team in list(export, "teams") {
        let name = text(team, "name").to_owned();
        let members = team["members"].as_array().into_iter().flatten();
        let members: Vec<String> =
            members.filter_map(|member| all.known("person", text(&member["user"], "id"))).collect();
        if members.is_empty() {
            all.leave(format!("team {name:?} has no member who is known"));
            continue;
        }
        let id = all.id("team", text(team, "id"), &name);
        all.teams.push((id, name, members));
    }
    for schedule in list(export, "schedules") {
        roster(schedule, &mut all);
    }
    for escalation in list(export, "escalations") {
        ladder(escalation, &mut all);
    }
    tell(export, &KNOWN, &mut all);
    all
}

fn roster(schedule: &Value, all: &mut Carried) {
    let name = text(schedule, "name").to_owned();
    let zone = if text(schedule, "timezone").is_empty() { "UTC" } else { text(schedule, "timezone") };
    let mut roster = Roster {
        id: all.id("roster", text(schedule, "id"), &name),
        note: name.clone(),
        zone: zone.into(),
        ..Roster::default()
    };
    if schedule["enabled"].as_bool() == Some(false) {
        return all.leave(format!("schedule {name:?} is switched off"));
    }
    // The first rotation of the list goes before the others.
    for rotation in schedule["rotations"].as_array().into_iter().flatten().rev() {
        rotation_into(rotation, &mut roster, all);
    }
    for entry in schedule["overrides"].as_array().into_iter().flatten() {
        match all.known("person", text(&entry["user"], "id")) {
            Some(person) => {
                roster.overrides.push((text(entry, "startDate").into(), text(entry, "endDate").into(), person))
            }
            None => all.leave(format!("an override of schedule {name:?} by somebody who is not among the users")),
        }
    }
    if roster.layers.is_empty() {
        return all.leave(format!("schedule {name:?} has no rotation with people"));
    }
    all.rosters.push(roster);
}

fn rotation_into(rotation: &Value, roster: &mut Roster, all: &mut Carried) {
    let name = text(rotation, "name").to_owned();
    let mut people = Vec::new();
    for one in rotation["participants"].as_array().into_iter().flatten() {
        let of_team = || {
            all.teams
                .iter()
                .find(|(id, ..)| Some(id) == all.known("team", text(one, "id")).as_ref())
                .map(|(.., people)| people.clone())
        };
        let turn = match text(one, "type") {
            "user" => all.known("person", text(one, "id")).map(|id| vec![id]),
            "team" => of_team(),
            _ => None,
        };
        match turn {
            Some(turn) => people.push(turn),
            None => all.leave(format!("rotation {name:?}: participant {:?}", text(one, "type"))),
        }
    }
    if people.is_empty() {
        return all.leave(format!("rotation {name:?} has nobody"));
    }
    let n = rotation["length"].as_i64().unwrap_or(1).max(1);
    let every = match text(rotation, "type") {
        "hourly" => format!("{n}h"),
        "daily" => format!("{n}d"),
        _ => format!("{n}w"),
    };
    let (starts, ends) = (moment(text(rotation, "startDate")), text(rotation, "endDate").to_owned());
    let one = Layer { name: name.clone(), people, starts, ends, every, during: String::new() };
    let limits = &rotation["timeRestriction"];
    let all_of = limits["restrictions"].as_array().cloned().unwrap_or_default();
    let restrictions: Vec<Value> =
        if limits["restriction"].is_object() { vec![limits["restriction"].clone()] } else { all_of };
    if restrictions.is_empty() {
        return roster.layers.push(one);
    }
    for limit in restrictions {
        let minute = |hour: &str, min: &str| limit[hour].as_i64().unwrap_or(0) * 60 + limit[min].as_i64().unwrap_or(0);
        let (from, to) = (minute("startHour", "startMin"), minute("endHour", "endMin"));
        let length = if to > from { to - from } else { to + 24 * 60 - from };
        let on = days([text(&limit, "startDay").to_owned()].into_iter().filter(|day| !day.is_empty()));
        let ends_on = days([text(&limit, "endDay").to_owned()].into_iter().filter(|day| !day.is_empty()));
        let Some(at) = hours(from, length) else { continue };
        let during = match (on.first(), ends_on.first()) {
            (None, _) => format!("daily: \"{at}\""),
            (Some(day), end) if end.is_none_or(|end| end == day) || to <= from => {
                format!("weekly: {{ days: [{day}], at: \"{at}\" }}")
            }
            (Some(day), Some(end)) => {
                all.leave(format!(
                    "rotation {name:?}: hours from {day} to {end} became those of single days; look at them"
                ));
                format!("weekly: {{ days: [{}], at: \"{at}\" }}", between(day, end).join(", "))
            }
            (Some(_), None) => continue,
        };
        roster.layers.push(Layer { during, ..one.clone() });
    }
}

/// The days from one to another, both with it.
fn between(from: &str, to: &str) -> Vec<&'static str> {
    let all = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let at = |day: &str| all.iter().position(|one| *one == day).unwrap_or(0);
    let (from, to) = (at(from), at(to));
    let count = (to + 7 - from) % 7;
    (0..=count).map(|n| all[(from + n) % 7]).collect()
}

fn ladder(escalation: &Value, all: &mut Carried) {
    let name = text(escalation, "name").to_owned();
    let mut ladder =
        Ladder { id: all.id("ladder", text(escalation, "id"), &name), note: name.clone(), ..Ladder::default() };
    let repeat = &escalation["repeat"];
    ladder.times = repeat["count"].as_u64().unwrap_or(0);
    for (field, what) in [
        ("waitInterval", "its wait between two rounds became ours"),
        ("resetRecipientStates", "who had seen it is told again in each round"),
        ("closeAlertAfterAll", "nothing is closed because nobody answers"),
    ] {
        let is_set = repeat[field].as_bool().unwrap_or(repeat[field].as_i64().unwrap_or(0) > 0);
        if is_set {
            all.leave(format!("escalation {name:?}: repeat.{field}: {what}"));
        }
    }
    let mut before = 0;
    for rule in escalation["rules"].as_array().into_iter().flatten() {
        ladder.until_close |= text(rule, "condition") == "if-not-closed";
        let minutes = match (rule["delay"]["timeAmount"].as_i64().unwrap_or(0), text(&rule["delay"], "timeUnit")) {
            (n, "hours") => n * 60,
            (n, "days") => n * 24 * 60,
            (n, _) => n,
        };
        if let Some(last) = ladder.levels.last_mut() {
            last.wait_secs = (minutes - before) * 60;
        }
        before = minutes;
        if NO_LIKE.contains(&text(rule, "notifyType")) {
            let what = text(rule, "notifyType");
            all.leave(format!(
                "escalation {name:?}: a step tells {what:?} only; it became whoever has duty or is named"
            ));
        }
        let recipient = &rule["recipient"];
        let (kind, word) = match text(recipient, "type") {
            "schedule" => ("roster", if text(rule, "notifyType") == "next" { "backup: " } else { "roster: " }),
            "team" => ("team", "team: "),
            _ => ("person", "person: "),
        };
        let known = all.known(kind, text(recipient, "id"));
        let is_there =
            kind != "roster" || known.as_ref().is_some_and(|id| all.rosters.iter().any(|roster| roster.id == *id));
        match known.filter(|_| is_there) {
            Some(id) => {
                let round_robin = text(rule, "notifyType") == "random";
                ladder.levels.push(Level {
                    to: vec![format!("{word}{}", Value::from(id))],
                    wait_secs: 600,
                    round_robin,
                });
            }
            None => {
                all.leave(format!("escalation {name:?}: {kind} {:?} is not in the export", text(recipient, "name")))
            }
        }
    }
    if ladder.levels.is_empty() {
        return all.leave(format!("escalation {name:?} reaches nobody who is known"));
    }
    all.ladders.push(ladder);
}
