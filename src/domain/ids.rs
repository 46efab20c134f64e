//! Names of things. Every id is its own type, so that they cannot be mixed up.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(#[serde(deserialize_with = "super::text::shared")] pub std::sync::Arc<str>);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// A tenant: nothing is ever shared between two of them.
    TenantId
);
text_id!(
    /// A monitoring system that reports to us; named by its credential, never by the message.
    SourceId
);
text_id!(
    /// A configuration item's id as the CMDB writes it.
    CiId
);
text_id!(
    /// A silence, chosen when it is made.
    SilenceId
);
text_id!(
    /// A maintenance window, chosen when it is made.
    WindowId
);
text_id!(
    /// A rule, unique within its kind.
    RuleId
);
text_id!(
    /// A receiver of notifications, as `config` names it.
    ReceiverId
);
text_id!(
    /// Somebody who may be told, as `people` in the rules name them.
    PersonId
);
text_id!(
    /// An organisation (department) that owns CIs and sees their incidents.
    OrgId
);

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// Reads what `Display` writes.
            pub fn parse(text: &str) -> Option<Self> {
                let (partition, counter) = text.strip_prefix($prefix)?.split_once('-')?;
                let (partition, counter): (u16, u64) = (partition.parse().ok()?, counter.parse().ok()?);
                (counter < 1 << 48).then_some(Self((u64::from(partition) << 48) | counter))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}-{}"), self.0 >> 48, self.0 & ((1 << 48) - 1))
            }
        }
    };
}

number_id!(
    /// An alert: partition in the upper 16 bits, a counter below. Written `a<partition>-<counter>`.
    AlertId,
    "a"
);
number_id!(
    /// An incident: partition in the upper 16 bits, a counter below. Written `i<partition>-<counter>`.
    IncidentId,
    "i"
);

/// An event's place: journal sequence and index within the record. Written `e<seq>.<index>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventRef {
    /// The record's journal sequence.
    pub seq: u64,
    /// The event's index within the record.
    pub index: u32,
}

impl EventRef {
    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (seq, index) = text.strip_prefix('e')?.split_once('.')?;
        Some(Self { seq: seq.parse().ok()?, index: index.parse().ok()? })
    }
}

impl fmt::Display for EventRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "e{}.{}", self.seq, self.index)
    }
}
