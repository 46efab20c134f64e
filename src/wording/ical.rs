//! Shifts as an iCalendar file (RFC 5545): lines of at most 75 bytes, ended by CR LF.

use crate::domain::ids::PersonId;
use crate::domain::time::Timestamp;
use crate::engine::oncall::roster::Shift;

/// The longest line in bytes, without its end (RFC 5545, 3.1).
const LINE_BYTES_MAX: usize = 75;

/// A calendar of the shifts that somebody has.
pub fn calendar(roster: &str, shifts: &[Shift], now: Timestamp, called: &dyn Fn(&PersonId) -> String) -> String {
    let mut text = String::new();
    let mut line = |content: &str| fold(content, &mut text);
    for head in ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Headwater//On call//EN", "CALSCALE:GREGORIAN"] {
        line(head);
    }
    line(&format!("X-WR-CALNAME:{}", escaped(roster)));
    for shift in shifts.iter().filter(|shift| !shift.duty.people.is_empty()) {
        let people: Vec<String> = shift.duty.people.iter().map(called).collect();
        line("BEGIN:VEVENT");
        line(&format!("UID:{}-{}@headwater", escaped(roster), utc(shift.from)));
        line(&format!("DTSTAMP:{}", utc(now)));
        line(&format!("DTSTART:{}", utc(shift.from)));
        line(&format!("DTEND:{}", utc(shift.to)));
        line(&format!("SUMMARY:{}", escaped(&format!("{roster}: {}", people.join(", ")))));
        if !shift.duty.layer.is_empty() {
            line(&format!("DESCRIPTION:{}", escaped(&shift.duty.layer)));
        }
        line("END:VEVENT");
    }
    line("END:VCALENDAR");
    text
}

fn utc(at: Timestamp) -> String {
    at.to_utc().format("%Y%m%dT%H%M%SZ").to_string()
}

/// A text value (RFC 5545, 3.3.11).
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' | ';' | ',' => safe.extend(['\\', letter]),
            '\n' => safe.push_str("\\n"),
            letter if letter.is_control() => {}
            letter => safe.push(letter),
        }
    }
    safe
}

/// Writes a line, cut where it is too long and never inside a character; what follows begins with a space.
fn fold(content: &str, text: &mut String) {
    let mut room = LINE_BYTES_MAX;
    for letter in content.chars() {
        if letter.len_utf8() > room {
            text.push_str("\r\n ");
            room = LINE_BYTES_MAX - 1;
        }
        text.push(letter);
        room -= letter.len_utf8();
    }
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::oncall::roster::Duty;

    #[test]
    fn long_lines_are_folded_between_characters_and_signs_are_escaped() {
        let at = |text| Timestamp::parse(text).unwrap();
        let duty = Duty { people: vec!["li".into()], layer: "夜班,周末;\n二线".into(), ..Duty::default() };
        let shift = Shift { from: at("2026-02-28T16:00:00Z"), to: at("2026-03-01T16:00:00Z"), duty };
        let called = |_: &PersonId| "李雷".repeat(20);
        let text = calendar("核心", &[shift], at("2026-01-01T00:00:00Z"), &called);
        assert!(text.lines().all(|line| line.len() <= LINE_BYTES_MAX), "{text}");
        assert!(text.contains("DESCRIPTION:夜班\\,周末\\;\\n二线\r\n"), "{text}");
        assert!(text.contains("DTSTART:20260228T160000Z\r\n") && text.ends_with("END:VCALENDAR\r\n"));
        let unfolded = text.replace("\r\n ", "");
        assert!(unfolded.contains(&format!("SUMMARY:核心: {}", "李雷".repeat(20))), "{text}");
    }
}
