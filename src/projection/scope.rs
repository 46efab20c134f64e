//! Who may see what: every record belongs to a tenant, and to organisations and a managed-object area.

use std::collections::BTreeSet;

use crate::domain::ci::{Area, CiRef};
use crate::domain::ids::{OrgId, TenantId};
use crate::domain::matcher::{Matcher, Op};
use crate::domain::mute::Silence;
use crate::domain::topology::{CiIx, Topology};

/// What a caller may see. Whatever is outside does not exist for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    pub tenant: TenantId,
    /// `None`: every organisation of the tenant, and the records that belong to none.
    pub orgs: Option<BTreeSet<OrgId>>,
    /// `None`: every area, and the records that belong to none.
    pub areas: Option<BTreeSet<Area>>,
}

impl Scope {
    /// All organisations and areas of a tenant.
    pub fn whole(tenant: TenantId) -> Self {
        Self { tenant, orgs: None, areas: None }
    }

    /// Whether it leaves nothing of the tenant out.
    pub fn is_whole(&self) -> bool {
        self.orgs.is_none() && self.areas.is_none()
    }

    /// Whether an incident of these organisations and this area is inside (the tenant has been checked).
    pub fn sees(&self, orgs: &[OrgId], area: Option<Area>) -> bool {
        self.has(area) && self.orgs.as_ref().is_none_or(|mine| orgs.iter().any(|org| mine.contains(org)))
    }

    /// Whether a record of this one organisation and this area is inside; a record of none is the platform's.
    pub fn sees_one(&self, org: Option<&OrgId>, area: Option<Area>) -> bool {
        self.has(area) && self.orgs.as_ref().is_none_or(|mine| org.is_some_and(|org| mine.contains(org)))
    }

    /// Whether a record about this CI is inside.
    pub fn sees_ci(&self, ci: Option<&CiRef>) -> bool {
        self.sees_one(ci.and_then(|ci| ci.org.as_ref()), ci.and_then(|ci| ci.area))
    }

    /// Whether a CI of the topology is inside.
    pub fn sees_at(&self, topology: &Topology, ci: CiIx) -> bool {
        self.sees_one(topology.attributes(ci).org.as_ref(), topology.class(ci).area)
    }

    /// Whether it may be told of an organisation.
    pub fn knows(&self, org: &OrgId) -> bool {
        self.orgs.as_ref().is_none_or(|mine| mine.contains(org))
    }

    /// Whether every group of a silence is pinned to organisations and areas inside.
    pub fn sees_silence(&self, silence: &Silence) -> bool {
        let of_org = |own: &str| self.orgs.iter().flatten().any(|org| org.as_str() == own);
        let of_area = |own: &str| self.areas.iter().flatten().any(|area| area.as_str() == own);
        let groups = &silence.matchers.0;
        let inside = |group: &Vec<Matcher>| {
            (self.orgs.is_none() || group.iter().any(|matcher| pins(matcher, "org", of_org)))
                && (self.areas.is_none() || group.iter().any(|matcher| pins(matcher, "area", of_area)))
        };
        self.is_whole() || (!groups.is_empty() && groups.iter().all(inside))
    }

    fn has(&self, area: Option<Area>) -> bool {
        self.areas.as_ref().is_none_or(|mine| area.is_some_and(|area| mine.contains(&area)))
    }
}

/// Whether a matcher lets through only what has one of the caller's own values in this field.
fn pins(matcher: &Matcher, field: &str, own: impl Fn(&str) -> bool) -> bool {
    let text = matcher.text();
    let pinned = text.field == field && matches!(text.op, Op::Is | Op::In) && !text.not;
    pinned && text.value.split('|').all(own)
}
