//! Configuration items as people and other parts refer to them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{CiId, OrgId};

/// One of the five managed-object areas of T/ISC 0062-2024's capability domains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// 机房基础设施
    Facility,
    /// 政务云
    Cloud,
    /// 政务应用
    Application,
    /// 公共支撑
    Support,
    /// 安全资源
    Security,
}

impl Area {
    /// All areas, in the order people list them.
    pub const ALL: [Self; 5] = [Self::Facility, Self::Cloud, Self::Application, Self::Support, Self::Security];

    /// Reads the wire word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|area| area.as_str() == word)
    }

    /// The wire word; never translated.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Facility => "facility",
            Self::Cloud => "cloud",
            Self::Application => "application",
            Self::Support => "support",
            Self::Security => "security",
        }
    }
}

/// A CI as an effect or an answer shows it: enough to read without the topology.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CiRef {
    pub id: CiId,
    pub name: Box<str>,
    /// Class id, for example `server`.
    pub class: Box<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<Area>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<OrgId>,
}

/// The id of the anonymous CI; no CMDB gives it.
const OUTSIDE: &str = "(outside)";

impl CiRef {
    /// Stands for all CIs that the reader may not see: no name, no class.
    pub fn outside() -> Self {
        Self { id: OUTSIDE.into(), name: "".into(), class: "".into(), area: None, org: None }
    }

    /// Whether it stands for what the reader may not see.
    pub fn is_outside(&self) -> bool {
        self.id.as_str() == OUTSIDE && self.class.is_empty()
    }
}
