//! Who may see what: every record belongs to a tenant and to organisations.

use std::collections::BTreeSet;

use crate::domain::ids::{OrgId, TenantId};
use crate::domain::matcher::{Matcher, Op};
use crate::domain::mute::Silence;

/// What a caller may see. Whatever is outside does not exist for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    pub tenant: TenantId,
    /// `None`: every organisation of the tenant, and the records that belong to none.
    pub orgs: Option<BTreeSet<OrgId>>,
}

impl Scope {
    /// All organisations of a tenant.
    pub fn whole(tenant: TenantId) -> Self {
        Self { tenant, orgs: None }
    }

    /// Whether a record of these organisations is inside (the tenant has been checked).
    pub fn sees(&self, orgs: &[OrgId]) -> bool {
        self.orgs.as_ref().is_none_or(|mine| orgs.iter().any(|org| mine.contains(org)))
    }

    /// Whether a record of this one organisation is inside; a record of none is the platform's.
    pub fn sees_one(&self, org: Option<&OrgId>) -> bool {
        self.orgs.as_ref().is_none_or(|mine| org.is_some_and(|org| mine.contains(org)))
    }

    /// Whether every group of a silence is pinned to organisations inside.
    pub fn sees_silence(&self, silence: &Silence) -> bool {
        let Some(mine) = &self.orgs else { return true };
        let pins = |matcher: &Matcher| {
            let text = matcher.text();
            let pinned = text.field == "org" && matches!(text.op, Op::Is | Op::In) && !text.not;
            pinned && text.value.split('|').all(|org| mine.iter().any(|own| own.as_str() == org))
        };
        !silence.matchers.0.is_empty() && silence.matchers.0.iter().all(|group| group.iter().any(pins))
    }
}
