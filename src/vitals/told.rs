//! What the journal has been told of each sign. A sign counts as told once its event is on record: what could not be
//! written is owed, and goes with the next look.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::event::Status;
use crate::domain::sign::Sign;
use crate::domain::time::{Span, Timestamp};

/// An event that still holds is told again after this time, so that its alert does not expire.
const TELL_AGAIN: Span = Span::hours(1);

/// The account.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// When each sign that holds was said last, in log and event.
    said: BTreeMap<Sign, Timestamp>,
    owed: BTreeSet<Sign>,
}

impl Told {
    /// What was told before the last stop: it is said again at the first look, or its end is. What one look does not prove is left
    /// to be told anew; its alert stands until then, or expires.
    pub fn of_before(stands: impl IntoIterator<Item = Sign>) -> Self {
        let proved = stands.into_iter().filter(|sign| sign.is_proved_at_once());
        let said = proved.map(|sign| (sign, Timestamp(i64::MIN))).collect();
        Self { said, owed: BTreeSet::new() }
    }

    /// Takes in what is wrong now. Returns what is new or over, or is to be said again, for the log.
    pub fn look(&mut self, now: Timestamp, found: &BTreeMap<Sign, String>) -> Vec<Sign> {
        let mut changes = Vec::new();
        for sign in Sign::ALL {
            let at = self.said.get(&sign).copied();
            if !found.contains_key(&sign) {
                if self.said.remove(&sign).is_some() {
                    changes.push(sign);
                }
            } else if at.is_none_or(|at| now >= at.plus(TELL_AGAIN)) {
                self.said.insert(sign, now);
                changes.push(sign);
            }
        }
        self.owed.extend(&changes);
        changes
    }

    /// What is to be written into the journal, as it is now.
    pub fn owed(&self) -> Vec<(Sign, Status)> {
        let state = |sign: &Sign| if self.said.contains_key(sign) { Status::Firing } else { Status::Resolved };
        self.owed.iter().map(|sign| (*sign, state(sign))).collect()
    }

    /// All of it is on record.
    pub fn written(&mut self) {
        self.owed.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_on_record_is_owed_until_it_is() {
        let found = BTreeMap::from([(Sign::DiskLow, "1 MiB".to_owned())]);
        let (mut told, at) = (Told::default(), |secs: i64| Timestamp(secs * 1000));
        assert_eq!(told.look(at(0), &found), [Sign::DiskLow]);
        // The journal did not take it: said once in the log, and still to be written.
        assert_eq!(told.look(at(10), &found), []);
        assert_eq!(told.owed(), [(Sign::DiskLow, Status::Firing)]);
        told.written();
        assert_eq!((told.look(at(20), &found), told.owed()), (vec![], vec![]));
        assert_eq!(told.look(at(3600), &found), [Sign::DiskLow]);
        assert_eq!(told.look(at(3610), &BTreeMap::new()), [Sign::DiskLow]);
        assert_eq!(told.owed(), [(Sign::DiskLow, Status::Resolved)], "only how it ended");
    }

    #[test]
    fn what_stood_before_the_last_stop_is_said_again_or_over() {
        let found = BTreeMap::from([(Sign::DiskLow, "1 MiB".to_owned())]);
        let mut told = Told::of_before([Sign::DiskLow, Sign::ModelDrifted]);
        assert_eq!(told.look(Timestamp(0), &found), [Sign::DiskLow, Sign::ModelDrifted]);
        assert_eq!(told.owed(), [(Sign::DiskLow, Status::Firing), (Sign::ModelDrifted, Status::Resolved)]);
    }

    #[test]
    fn what_one_look_does_not_prove_is_not_over_because_the_program_was_started() {
        let mut told = Told::of_before(Sign::ALL);
        let over = told.look(Timestamp(0), &BTreeMap::new());
        let proved = [Sign::DiskLow, Sign::FilesRefused, Sign::AlertsFull, Sign::ModelDegraded, Sign::ModelDrifted];
        assert_eq!(over, proved);
    }
}
