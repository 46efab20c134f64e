//! Rosters as people read them: one shift a line, in the roster's own zone.

use super::roster::{Roster, Shift};
use crate::domain::ids::PersonId;
use crate::domain::time::Timestamp;
use crate::engine::calendar::local;

/// What stands where nobody has duty.
pub const NOBODY: &str = "-";

/// The names of people, or a dash.
pub fn names<'a>(people: &'a [PersonId], called: &dyn Fn(&'a PersonId) -> &'a str) -> String {
    if people.is_empty() {
        return NOBODY.to_owned();
    }
    people.iter().map(called).collect::<Vec<_>>().join("+")
}

/// Date, day of the week and time in the roster's zone.
pub fn stamp(roster: &Roster, at: Timestamp) -> String {
    local(roster.zone, at).format("%Y-%m-%d %a %H:%M %:z").to_string()
}

/// One shift: from, until, who, whose turn is next, by what.
pub fn line(roster: &Roster, shift: &Shift) -> String {
    let plain = |person| PersonId::as_str(person);
    let people = names(&shift.duty.people, &plain);
    let backup = match shift.duty.backup.as_slice() {
        [] => String::new(),
        backup => format!("  (then {})", names(backup, &plain)),
    };
    let by = match (shift.duty.is_override, &*shift.duty.layer) {
        (true, _) => "  [override]".to_owned(),
        (false, "") => String::new(),
        (false, layer) => format!("  [{layer}]"),
    };
    let (from, to) = (stamp(roster, shift.from), stamp(roster, shift.to));
    format!("{from} .. {to}  {people}{backup}{by}")
}
