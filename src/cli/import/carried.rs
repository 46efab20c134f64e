//! What an export says of on-call, in our words, and how it is written as rules.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// A person.
#[derive(Clone, Debug, Default)]
pub struct Person {
    pub id: String,
    pub name: String,
    pub mail: String,
    pub mobile: String,
    /// Minutes after the page, and by which way.
    pub contact: Vec<(i64, &'static str)>,
}

/// People who take turns.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    pub name: String,
    pub people: Vec<Vec<String>>,
    /// Local time: `2026-01-05 09:00`.
    pub starts: String,
    pub ends: String,
    pub every: String,
    /// `daily: "09:00-18:00"`, or empty.
    pub during: String,
}

/// Who has duty.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    pub id: String,
    pub note: String,
    pub zone: String,
    pub layers: Vec<Layer>,
    /// From, to, who.
    pub overrides: Vec<(String, String, String)>,
}

/// One level of a policy.
#[derive(Clone, Debug, Default)]
pub struct Level {
    /// `person: li`, `roster: core`, `team: net`.
    pub to: Vec<String>,
    pub wait_secs: i64,
    pub round_robin: bool,
}

/// An escalation policy.
#[derive(Clone, Debug, Default)]
pub struct Ladder {
    pub id: String,
    pub note: String,
    pub levels: Vec<Level>,
    pub times: u64,
    pub until_close: bool,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Carried {
    pub people: Vec<Person>,
    /// Id, name, people.
    pub teams: Vec<(String, String, Vec<String>)>,
    pub rosters: Vec<Roster>,
    pub ladders: Vec<Ladder>,
    /// What could not be carried over, and why.
    pub left: Vec<String>,
    /// Ids of the other system, and ours.
    names: BTreeMap<String, String>,
    taken: BTreeSet<String>,
}

/// A text as YAML takes it anywhere.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl Carried {
    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.people.is_empty() && self.rosters.is_empty() && self.ladders.is_empty()
    }

    /// Whether addresses were found.
    pub fn has_addresses(&self) -> bool {
        self.people.iter().any(|person| !person.mail.is_empty() || !person.mobile.is_empty())
    }

    /// An id of ours for a thing of theirs: made of its name, and no other thing has it.
    pub fn id(&mut self, kind: &str, theirs: &str, name: &str) -> String {
        let key = format!("{kind} {theirs}");
        if let Some(known) = self.names.get(&key) {
            return known.clone();
        }
        let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c.to_ascii_lowercase() } else { '-' };
        let wanted: String = name.trim().chars().take(40).map(plain).collect();
        let wanted = wanted.trim_matches('-').to_owned();
        let wanted = if wanted.is_empty() { format!("{kind}-{}", self.taken.len() + 1) } else { wanted };
        let mut id = wanted.clone();
        let mut n = 2;
        while !self.taken.insert(format!("{kind} {id}")) {
            id = format!("{wanted}-{n}");
            n += 1;
        }
        self.names.insert(key, id.clone());
        id
    }

    /// The id of a thing that was met before.
    pub fn known(&self, kind: &str, theirs: &str) -> Option<String> {
        self.names.get(&format!("{kind} {theirs}")).cloned()
    }

    /// Notes what could not be carried over.
    pub fn leave(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.left.contains(&what) {
            self.left.push(what);
        }
    }

    /// The rule file.
    pub fn rules(&self, fallback: &str) -> String {
        let mut text = String::from("# Imported; look through it, then: headwater check --rules FOLDER\n");
        for left in &self.left {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "# not carried over: {}", left.replace(['\n', '\r'], " "));
        }
        self.write_people(&mut text);
        if !self.rosters.is_empty() {
            text += "\nrosters:\n";
        }
        for roster in &self.rosters {
            let _ = writeln!(
                text,
                "  - id: {}\n    note: {}\n    zone: {}\n    layers:",
                quoted(&roster.id),
                quoted(&roster.note),
                roster.zone
            );
            for layer in &roster.layers {
                let people: Vec<String> = layer.people.iter().map(|turn| turn_text(turn)).collect();
                let _ = write!(
                    text,
                    "      - {{ name: {}, people: [{}], starts: {}",
                    quoted(&layer.name),
                    people.join(", "),
                    quoted(&layer.starts)
                );
                let _ = write!(text, ", every: {}", layer.every);
                if !layer.ends.is_empty() {
                    let _ = write!(text, ", ends: {}", quoted(&layer.ends));
                }
                if !layer.during.is_empty() {
                    let _ = write!(text, ", during: {{ {}, zone: {} }}", layer.during, roster.zone);
                }
                text += " }\n";
            }
            if !roster.overrides.is_empty() {
                text += "    overrides:\n";
            }
            for (from, to, person) in &roster.overrides {
                let _ = writeln!(
                    text,
                    "      - {{ from: {}, to: {}, person: {} }}",
                    quoted(from),
                    quoted(to),
                    quoted(person)
                );
            }
        }
        self.write_ladders(&mut text, fallback);
        text
    }

    fn write_people(&self, text: &mut String) {
        if !self.people.is_empty() {
            *text += "\n# The ways are named mail, sms, voice and chat: receivers of the configuration.\npeople:\n";
        }
        for person in &self.people {
            let mut contact = String::new();
            for (after, way) in &person.contact {
                let after = if *after > 0 { format!(", after: {after}m") } else { String::new() };
                let _ = write!(contact, "{}{{ by: [{way}]{after} }}", if contact.is_empty() { "" } else { ", " });
            }
            let contact = if contact.is_empty() { "{ by: [mail] }".to_owned() } else { contact };
            let _ = writeln!(
                text,
                "  - {{ id: {}, name: {}, contact: [{contact}] }}",
                quoted(&person.id),
                quoted(&person.name)
            );
        }
        if !self.teams.is_empty() {
            *text += "\nteams:\n";
        }
        for (id, name, people) in &self.teams {
            let people: Vec<String> = people.iter().map(|id| quoted(id)).collect();
            let _ =
                writeln!(text, "  - {{ id: {}, name: {}, people: [{}] }}", quoted(id), quoted(name), people.join(", "));
        }
    }

    fn write_ladders(&self, text: &mut String, fallback: &str) {
        if !self.ladders.is_empty() {
            *text += "\nescalations:\n";
        }
        for ladder in &self.ladders {
            let _ = writeln!(text, "  - id: {}\n    note: {}\n    levels:", quoted(&ladder.id), quoted(&ladder.note));
            for level in &ladder.levels {
                let to: Vec<String> = level.to.iter().map(|target| format!("{{ {target} }}")).collect();
                let turns = if level.round_robin { ", round_robin: true" } else { "" };
                let _ = writeln!(
                    text,
                    "      - {{ to: [{}], wait: {}s{turns} }}",
                    to.join(", "),
                    level.wait_secs.clamp(30, 86_400)
                );
            }
            let until = if ladder.until_close { "close" } else { "ack" };
            let _ = writeln!(
                text,
                "    repeat: {{ times: {} }}\n    until: {until}\n    fallback: [{}]",
                ladder.times.min(100),
                quoted(fallback)
            );
        }
    }

    /// The file of contacts.
    pub fn contacts(&self) -> String {
        let mut text = String::new();
        for person in &self.people {
            let pairs = [("mail", &person.mail), ("mobile", &person.mobile)];
            let known: Vec<String> = pairs
                .iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(key, value)| format!("{key}: {}", quoted(value)))
                .collect();
            if !known.is_empty() {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{}: {{ {} }}", quoted(&person.id), known.join(", "));
            }
        }
        text
    }
}

fn turn_text(turn: &[String]) -> String {
    let people: Vec<String> = turn.iter().map(|id| quoted(id)).collect();
    if people.len() == 1 { people.concat() } else { format!("[{}]", people.join(", ")) }
}

/// A local time as rules write it, of `2026-01-05T09:00:00` and the like; with an offset it stays as it is.
pub fn moment(text: &str) -> String {
    let has_offset = text.ends_with('Z') || text.get(19..).is_some_and(|rest| rest.contains(['+', '-']));
    if has_offset { text.to_owned() } else { text.replacen('T', " ", 1).chars().take(16).collect() }
}

/// `from` and a length as hours of a day; none: longer than a day.
pub fn hours(from_minute: i64, minutes: i64) -> Option<String> {
    if !(1..=24 * 60).contains(&minutes) {
        return None;
    }
    let clock = |minute: i64| format!("{:02}:{:02}", minute / 60, minute % 60);
    let to = from_minute + minutes;
    let to = if to == 24 * 60 { "24:00".to_owned() } else { clock(to % (24 * 60)) };
    Some(format!("{}-{to}", clock(from_minute)))
}

/// Minutes since midnight of `…T09:30:00` or `09:30`.
pub fn minute_of_day(text: &str) -> i64 {
    let clock = text.rsplit(['T', ' ']).next().unwrap_or_default();
    let mut parts = clock.split(':').map(|part| part.parse::<i64>().unwrap_or(0));
    parts.next().unwrap_or(0) * 60 + parts.next().unwrap_or(0)
}

/// Days as rules name them, of `MO`, `monday` and the like; others are left out.
pub fn days(names: impl Iterator<Item = String>) -> Vec<&'static str> {
    let all = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    names
        .filter_map(|name| all.into_iter().find(|day| name.len() >= 2 && day.starts_with(&name.to_lowercase()[..2])))
        .collect()
}
