//! The parent domain: an incident of one tenant is told to another one as an event, and is correlated there with those of
//! its neighbours (city → province). The event has the notice's key as its id: told again it is a duplicate. All versions of
//! an incident are one alert there, which ends when the incident does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::{Attempt, Channel};
use crate::domain::event::{Event, ObjectRef, Status};
use crate::domain::ids::{SourceId, TenantId};
use crate::domain::incident::IncidentState;
use crate::domain::label::Labels;
use crate::engine::effect::{Notice, NoticeKind, PARENT};
use crate::engine::input::Batch;

/// The longest title of an event, in characters.
const TITLE_CHARS_MAX: usize = 512;
/// The name of all such events: what makes them one alert type in the parent's statistics.
const NAME: &str = "Incident";

/// Takes an event in for another tenant, and says how that ended.
pub type Sink = Arc<dyn Fn(Batch) -> BoxFuture<'static, Attempt> + Send + Sync>;

/// Which domain is whose parent.
pub type Parents = BTreeMap<TenantId, TenantId>;

/// The way into the journal, which is opened after the receivers are known.
#[derive(Default)]
pub struct Upward(OnceLock<Sink>);

impl Upward {
    /// From now on events go there.
    pub fn lead_to(&self, sink: Sink) {
        // It is led once, at the start.
        let _ = self.0.set(sink);
    }
}

/// The receiver that routes name as `parent`.
pub struct Parent {
    pub of: Parents,
    pub base_url: String,
    pub upward: Arc<Upward>,
}

impl Channel for Parent {
    fn name(&self) -> &'static str {
        PARENT
    }

    fn send<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Attempt> {
        let tenant = &notice.incident.tenant;
        let Some(parent) = self.of.get(tenant) else {
            let why = format!("{tenant} has no parent; name one under `parents`, or take `parent` out of its routes");
            return std::future::ready(Attempt::Refused { why }).boxed();
        };
        let Some(sink) = self.upward.0.get() else {
            let why = "the journal is not open yet".to_owned();
            return std::future::ready(Attempt::TryLater { why, wait: None }).boxed();
        };
        let events = vec![event(notice, parent, &self.base_url)];
        sink(Batch { tenant: parent.clone(), events, rejected: Vec::new(), replay_of: None })
    }
}

/// A version of an incident as an event of its domain.
fn event(notice: &Notice, parent: &TenantId, base_url: &str) -> Event {
    let view = &notice.incident;
    let status = match view.state {
        IncidentState::Abnormal | IncidentState::Recovering => Status::Firing,
        IncidentState::Recovered | IncidentState::Closed | IncidentState::Merged => Status::Resolved,
    };
    // Its first event tells when it began; what comes later must not be older than what came before.
    let starts_at = if notice.kind == NoticeKind::Opened { view.first_alert_at } else { notice.at };
    let mut event = Event::new(parent.clone(), SourceId::from(view.tenant.as_str()), NAME, starts_at);
    event.id = notice.key.clone();
    event.dedup_key = Some(view.id.to_string().into());
    event.status = status;
    event.severity = view.severity;
    event.title = view.title.chars().take(TITLE_CHARS_MAX).collect::<String>().into();
    event.observed_at = notice.at;
    let root = view.candidates.first().map(|candidate| &candidate.ci);
    // Where the parent does not know the root's CI it may know the domain as one.
    event.object = ObjectRef {
        ci_id: root.map(|ci| ci.id.to_string()),
        class: root.map(|ci| ci.class.to_string()),
        name: Some(root.map_or_else(|| view.tenant.to_string(), |ci| ci.name.to_string())),
        ip: None,
        keys: [("domain".to_owned(), view.tenant.to_string())].into(),
    };
    event.labels = labels(notice);
    if !base_url.is_empty() {
        event.links = vec![format!("{base_url}/incidents/{}", view.id).into()];
    }
    event
}

/// What the parent's rules and people see of where it comes from.
fn labels(notice: &Notice) -> Labels {
    let view = &notice.incident;
    let (incident, alerts, version) = (view.id.to_string(), view.alert_count.to_string(), view.version.to_string());
    Labels::of([
        ("domain", view.tenant.as_str()),
        ("incident", &incident),
        ("incident_alerts", &alerts),
        ("incident_priority", view.priority.as_str()),
        ("incident_version", &version),
    ])
}

/// The domains whose parents lead back to themselves.
pub fn circles(parents: &Parents) -> Vec<&TenantId> {
    let leads_back = |start: &TenantId| {
        let mut seen = BTreeSet::new();
        let mut at = start;
        while let Some(next) = parents.get(at) {
            if next == start {
                return true;
            }
            if !seen.insert(next) {
                return false;
            }
            at = next;
        }
        false
    };
    parents.keys().filter(|domain| leads_back(domain)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_that_is_its_own_ancestor_is_found() {
        let parents = |pairs: &[(&str, &str)]| -> Parents {
            pairs.iter().map(|(child, parent)| (TenantId::from(*child), TenantId::from(*parent))).collect()
        };
        assert!(circles(&parents(&[("city", "province"), ("town", "city"), ("province", "state")])).is_empty());
        assert_eq!(circles(&parents(&[("a", "a")])).len(), 1);
        let found = parents(&[("a", "b"), ("b", "c"), ("c", "b"), ("d", "e")]);
        assert_eq!(circles(&found).iter().map(|domain| domain.as_str()).collect::<Vec<_>>(), ["b", "c"]);
    }
}
