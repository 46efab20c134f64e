//! Priority from impact × urgency.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use crate::domain::incident::Priority;
use crate::domain::severity::Severity;

/// A grade of impact or urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    Low,
    Medium,
    High,
}

/// From which value on something has medium or high impact; `None` = never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Steps {
    pub medium: Option<u32>,
    pub high: Option<u32>,
}

impl Steps {
    const fn at(medium: u32, high: u32) -> Self {
        Self { medium: Some(medium), high: Some(high) }
    }

    /// The grade of a value.
    pub fn grade(self, value: u32) -> Grade {
        let reaches = |step: Option<u32>| step.is_some_and(|step| value >= step);
        if reaches(self.high) {
            Grade::High
        } else if reaches(self.medium) {
            Grade::Medium
        } else {
            Grade::Low
        }
    }
}

/// What makes an incident's impact; the highest grade counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Impact {
    /// The most critical CI among root, members and services, 1 to 5.
    pub criticality: Steps,
    /// The highest 等保 level among them, 1 to 5.
    pub protection_level: Steps,
    /// How many business services lie downstream.
    pub services: Steps,
}

impl Default for Impact {
    fn default() -> Self {
        Self { criticality: Steps::at(3, 5), protection_level: Steps::at(2, 3), services: Steps::at(1, 5) }
    }
}

/// The matrix: `matrix[impact][urgency]`.
type Matrix = [[Priority; 3]; 3];

/// How a priority is found.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Priorities {
    #[serde(deserialize_with = "urgencies")]
    pub urgency: [Grade; 6],
    pub impact: Impact,
    #[serde(deserialize_with = "matrix")]
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
