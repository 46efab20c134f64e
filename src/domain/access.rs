//! Who may do what: roles, and what a credential says about its bearer.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::ci::Area;
use super::ids::{OrgId, TenantId};

/// What a credential is for. Each role is checked on its own; they are no ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Also handles incidents and silences.
    Operator,
    /// Also changes rules and replays.
    Analyst,
    /// Also replaces the topology and makes credentials.
    Admin,
    /// Delivers events; reads nothing.
    Source,
}

impl Role {
    /// All roles, in the order people list them.
    pub const ALL: [Self; 5] = [Self::Viewer, Self::Operator, Self::Analyst, Self::Admin, Self::Source];

    /// Reads the wire word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// The wire word; never translated.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Analyst => "analyst",
            Self::Admin => "admin",
            Self::Source => "source",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a proven credential says about its bearer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The credential's own id: what logs, limits and revocations name.
    pub id: Box<str>,
    pub tenant: TenantId,
    /// The person's or program's name: the actor of its commands; for `Role::Source` the source's name.
    pub name: Box<str>,
    pub role: Role,
    /// The organisations whose records it may see; `None`: all of the tenant.
    pub orgs: Option<BTreeSet<OrgId>>,
    /// The managed-object areas whose records it may see; `None`: all, and what has none.
    pub areas: Option<BTreeSet<Area>>,
}
