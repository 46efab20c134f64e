//! Priority from impact × urgency.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::incident::Priority;
use crate::domain::severity::Severity;

/// A grade of impact or urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    Low,
    Medium,
    High,
}

/// From which value on (for criticality: up to which value) something has medium or high impact; `None` = never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Steps {
    pub medium: Option<u32>,
    pub high: Option<u32>,
}

impl Steps {
    const fn at(medium: u32, high: u32) -> Self {
        Self { medium: Some(medium), high: Some(high) }
    }

    /// The grade of a value of which more is worse.
    fn grade_up(self, value: u32) -> Grade {
        self.grade(|step| value >= step)
    }

    /// The grade of a value of which less is worse.
    fn grade_down(self, value: u32) -> Grade {
        self.grade(|step| value <= step)
    }

    fn grade(self, reaches: impl Fn(u32) -> bool) -> Grade {
        if self.high.is_some_and(&reaches) {
            Grade::High
        } else if self.medium.is_some_and(reaches) {
            Grade::Medium
        } else {
            Grade::Low
        }
    }
}

/// What makes an incident's impact; the highest grade counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Impact {
    /// The most critical CI among members and services: 1 (most critical) to 5.
    pub criticality: Steps,
    /// The highest 等保 level among them, 1 to 5.
    pub protection_level: Steps,
    /// How many business services lie downstream.
    pub services: Steps,
}

impl Default for Impact {
    fn default() -> Self {
        Self { criticality: Steps::at(3, 1), protection_level: Steps::at(2, 3), services: Steps::at(1, 5) }
    }
}

/// The matrix: `matrix[impact][urgency]`.
type Matrix = [[Priority; 3]; 3];

/// How a priority is found.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Priorities {
    #[serde(deserialize_with = "urgencies")]
    #[schemars(with = "BTreeMap<Severity, Grade>")]
    pub urgency: [Grade; 6],
    pub impact: Impact,
    #[serde(deserialize_with = "matrix")]
    #[schemars(with = "BTreeMap<Grade, BTreeMap<Grade, Priority>>")]
    pub matrix: Matrix,
    /// In a key period (重保) every priority is one step higher.
    pub key_period_raises: bool,
}

/// Urgency of cleared, indeterminate, warning, minor, major, critical.
const URGENCY: [Grade; 6] = [Grade::Low, Grade::Low, Grade::Low, Grade::Medium, Grade::High, Grade::High];

impl Default for Priorities {
    fn default() -> Self {
        use Priority::{P1, P2, P3, P4};
        Self {
            urgency: URGENCY,
            impact: Impact::default(),
            matrix: [[P4, P4, P3], [P4, P3, P2], [P3, P2, P1]],
            key_period_raises: true,
        }
    }
}

/// What an incident reaches: what its impact is judged by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// Of the most critical CI; `None` when the CMDB says nothing.
    pub criticality: Option<u8>,
    /// The highest 等保 level; 0 when the CMDB says nothing.
    pub protection_level: u8,
    /// Business services.
    pub services: u32,
}

/// Whether a key period (重保) holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    Usual,
    Key,
}

impl Priorities {
    /// The priority of an incident.
    pub fn of(&self, severity: Severity, reach: Reach, times: Times) -> Priority {
        let impact = self.impact;
        let grades = [
            reach.criticality.map_or(Grade::Low, |c| impact.criticality.grade_down(c.into())),
            impact.protection_level.grade_up(reach.protection_level.into()),
            impact.services.grade_up(reach.services),
        ];
        let worst = grades.into_iter().max().unwrap_or(Grade::Low);
        let urgency = self.urgency[usize::from(severity.rank())];
        let priority = self.matrix[worst as usize][urgency as usize];
        if times == Times::Key && self.key_period_raises { priority.raised() } else { priority }
    }
}

fn urgencies<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[Grade; 6], D::Error> {
    let written = BTreeMap::<Severity, Grade>::deserialize(deserializer)?;
    let mut grades = URGENCY;
    for (severity, grade) in written {
        grades[usize::from(severity.rank())] = grade;
    }
    Ok(grades)
}

fn matrix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Matrix, D::Error> {
    let written = BTreeMap::<Grade, BTreeMap<Grade, Priority>>::deserialize(deserializer)?;
    let mut matrix = Priorities::default().matrix;
    for (impact, row) in written {
        for (urgency, priority) in row {
            matrix[impact as usize][urgency as usize] = priority;
        }
    }
    Ok(matrix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_three_impacts_counts() {
        use Priority::{P1, P2, P3, P4};
        let check = |severity, (criticality, protection_level, services), times, priority| {
            let reach = Reach { criticality, protection_level, services };
            assert_eq!(Priorities::default().of(severity, reach, times), priority, "{severity:?} {reach:?}");
        };
        check(Severity::Critical, (None, 0, 0), Times::Usual, P3);
        check(Severity::Critical, (None, 0, 1), Times::Usual, P2);
        check(Severity::Critical, (None, 0, 5), Times::Usual, P1);
        check(Severity::Critical, (Some(4), 1, 0), Times::Usual, P3);
        check(Severity::Critical, (Some(3), 1, 0), Times::Usual, P2);
        check(Severity::Critical, (Some(1), 1, 0), Times::Usual, P1);
        check(Severity::Critical, (Some(5), 3, 0), Times::Usual, P1);
        check(Severity::Minor, (Some(5), 3, 0), Times::Usual, P2);
        check(Severity::Warning, (None, 0, 0), Times::Usual, P4);
        check(Severity::Warning, (None, 0, 0), Times::Key, P3);
        check(Severity::Critical, (Some(1), 0, 9), Times::Key, P1);
    }
}
