//! What came out, and whether it is what a test asks for.

use std::fmt::Write as _;

use regex::Regex;
use serde_json::Value;

use super::file::{WantIncident, WantMessage, WantVerdict};
use crate::domain::incident::{IncidentState, IncidentView};
use crate::engine::effect::Notice;
use crate::engine::verdict::Verdict;

/// A verdict in one line.
pub fn verdict_line(verdict: &Verdict) -> String {
    let (why, by) = reasons(verdict);
    let mut line = verdict.word().to_owned();
    for (name, words) in [("why", why), ("by", by)] {
        if !words.is_empty() {
            // Writing to a string cannot fail.
            let _ = write!(line, ", {name} {}", words.join(" "));
        }
    }
    line
}

/// The words of a verdict's reasons: `why` and `by`.
fn reasons(verdict: &Verdict) -> (Vec<String>, Vec<String>) {
    let value = serde_json::to_value(verdict).unwrap_or_default();
    let words = |key: &str| {
        let mut found = Vec::new();
        texts(value.get(key), &mut found);
        found
    };
    (words("why"), words("by"))
}

fn texts(value: Option<&Value>, found: &mut Vec<String>) {
    match value {
        Some(Value::String(text)) => found.push(text.clone()),
        Some(Value::Array(items)) => items.iter().for_each(|item| texts(Some(item), found)),
        Some(Value::Object(members)) => members.values().for_each(|member| texts(Some(member), found)),
        Some(Value::Null | Value::Bool(_) | Value::Number(_)) | None => {}
    }
}

impl WantVerdict {
    /// Whether a verdict is this.
    pub fn is(&self, verdict: &Verdict) -> bool {
        let (why, by) = reasons(verdict);
        self.verdict.as_ref().is_none_or(|word| word == verdict.word())
            && self.why.as_ref().is_none_or(|word| why.contains(word))
            && self.by.as_ref().is_none_or(|word| by.contains(word))
    }
}

/// Whether an incident is open, or recovered and still watched.
pub fn stands(incident: &IncidentView) -> bool {
    ![IncidentState::Closed, IncidentState::Merged].contains(&incident.state)
}

/// The word of a fieldless enum.
fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

/// An incident in one line.
pub fn incident_line(incident: &IncidentView) -> String {
    let root = incident.candidates.first();
    format!(
        "{{ title: {:?}, severity: {}, priority: {}, state: {}, root: {}, inferred: {}, alerts: {}, firing: {}, cis: {} }}",
        incident.title,
        incident.severity.as_str(),
        word(&incident.priority),
        word(&incident.state),
        root.map_or("none", |candidate| candidate.ci.id.as_str()),
        root.is_some_and(|candidate| candidate.inferred),
        incident.alert_count,
        incident.firing_count,
        incident.ci_count,
    )
}

impl WantIncident {
    /// Whether an incident is this.
    pub fn is(&self, incident: &IncidentView) -> bool {
        let root = incident.candidates.first();
        let is_root = |id: &String| root.is_some_and(|candidate| alike(id, candidate.ci.id.as_str()));
        self.title.as_ref().is_none_or(|title| alike(title, &incident.title))
            && self.severity.is_none_or(|severity| severity == incident.severity)
            && self.priority.as_ref().is_none_or(|p| *p == word(&incident.priority))
            && self.state.as_ref().is_none_or(|state| *state == word(&incident.state))
            && self.root.as_ref().is_none_or(is_root)
            && self.inferred.is_none_or(|inferred| root.is_some_and(|candidate| candidate.inferred == inferred))
            && self.alerts.is_none_or(|count| count == incident.alert_count)
            && self.firing.is_none_or(|count| count == incident.firing_count)
            && self.cis.is_none_or(|count| count == incident.ci_count)
    }
}

/// A message in one line.
pub fn message_line(notice: &Notice) -> String {
    let (receiver, kind) = (&notice.receiver, notice.kind.as_str());
    format!("{{ receiver: {receiver}, kind: {kind}, incident: {} }}", incident_line(&notice.incident))
}

impl WantMessage {
    /// Whether a message is this.
    pub fn is(&self, notice: &Notice) -> bool {
        self.receiver.as_ref().is_none_or(|receiver| receiver == notice.receiver.as_str())
            && self.kind.as_ref().is_none_or(|kind| kind == notice.kind.as_str())
            && self.incident.as_ref().is_none_or(|incident| incident.is(&notice.incident))
    }
}

/// Whether a text is the wanted one; `*` stands for anything.
fn alike(wanted: &str, text: &str) -> bool {
    let pattern = regex::escape(wanted).replace(r"\*", ".*");
    wanted == text || Regex::new(&format!(r"\A(?s:{pattern})\z")).is_ok_and(|regex| regex.is_match(text))
}

/// Pairs what is wanted with what there is, each once; gives the numbers of what was left over on both sides.
pub fn pair<W, T>(wanted: &[W], there: &[T], is: impl Fn(&W, &T) -> bool) -> (Vec<usize>, Vec<usize>) {
    let mut of_there: Vec<Option<usize>> = vec![None; there.len()];
    let mut missing = Vec::new();
    for number in 0..wanted.len() {
        let mut tried = vec![false; there.len()];
        if !place(number, wanted, there, &is, &mut of_there, &mut tried) {
            missing.push(number);
        }
    }
    let surplus = (0..there.len()).filter(|number| of_there[*number].is_none()).collect();
    (missing, surplus)
}

/// Finds a partner for `number`, moving earlier ones where that helps.
fn place<W, T>(
    number: usize,
    wanted: &[W],
    there: &[T],
    is: &impl Fn(&W, &T) -> bool,
    of_there: &mut [Option<usize>],
    tried: &mut [bool],
) -> bool {
    for candidate in 0..there.len() {
        if tried[candidate] || !is(&wanted[number], &there[candidate]) {
            continue;
        }
        tried[candidate] = true;
        let is_free = match of_there[candidate] {
            None => true,
            Some(other) => place(other, wanted, there, is, of_there, tried),
        };
        if is_free {
            of_there[candidate] = Some(number);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::pair;

    #[test]
    fn a_vague_wish_does_not_take_the_partner_of_a_precise_one() {
        let is = |wanted: &&str, there: &&str| *wanted == "*" || wanted == there;
        let check = |wanted: &[&str], there: &[&str], left: (Vec<usize>, Vec<usize>)| {
            assert_eq!(pair(wanted, there, is), left, "{wanted:?} {there:?}");
        };
        check(&["*", "a"], &["a", "b"], (vec![], vec![]));
        check(&["*", "a"], &["b", "c"], (vec![1], vec![1]));
        check(&["a"], &[], (vec![0], vec![]));
        check(&[], &["a"], (vec![], vec![0]));
    }
}
