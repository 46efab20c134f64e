//! The topology as it was: by version, or at a moment. Its text is in the journal under its digest, the history says which version was
//! valid from when on; a restart changes nothing of that.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Deserialize;
use tokio::sync::Mutex;
use utoipa::IntoParams;

use super::access::Caller;
use super::past::past;
use super::problem::ApiError;
use super::state::Api;
use crate::domain::ids::TenantId;
use crate::domain::time::Timestamp;
use crate::domain::topology::Topology;
use crate::engine::input::Digest;
use crate::projection::history::audit::{self, Audited, Valid};

/// Earlier topologies that are kept compiled, for all tenants together; the one that was asked for longest ago goes first.
const KEPT_MAX: usize = 4;

/// Earlier topologies that were asked for lately. One at a time is compiled.
#[derive(Debug, Default)]
pub struct Earlier(Mutex<VecDeque<(TenantId, Arc<Topology>)>>);

/// Which topology; none of both: the one that is valid now.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct PastQuery {
    /// This version.
    pub version: Option<u64>,
    /// The version that was valid at this moment (RFC 3339).
    pub at: Option<String>,
}

impl PastQuery {
    /// Reads what was asked for; `None`: what is valid now.
    ///
    /// # Errors
    /// As [`asked`].
    pub fn read(&self) -> Result<Option<Valid>, ApiError> {
        asked(self.version, self.at.as_deref())
    }
}

/// Reads which version was asked for; `None`: the one that is valid now.
///
/// # Errors
/// When both are given, or the moment cannot be read.
pub fn asked(version: Option<u64>, at: Option<&str>) -> Result<Option<Valid>, ApiError> {
    match (version, at) {
        (None, None) => Ok(None),
        (Some(version), None) => Ok(Some(Valid::Version(version))),
        (None, Some(at)) => {
            let wrong = || ApiError::Bad("at: write RFC 3339, as 2026-01-05T08:00:00Z".into());
            Timestamp::parse(at).map(Valid::At).map(Some).ok_or_else(wrong)
        }
        (Some(_), Some(_)) => Err(ApiError::Bad("version and at: give one of them".into())),
    }
}

/// The topology that was asked for.
///
/// # Errors
/// `NotFound` when there was none then, or what is known of it is not kept any more.
pub async fn topology_of(api: &Arc<Api>, caller: &Caller, asked: Option<Valid>) -> Result<Arc<Topology>, ApiError> {
    let now = (api.topology)(&caller.tenant);
    let Some(asked) = asked.filter(|asked| *asked != Valid::Version(now.version())) else { return Ok(now) };
    let mut earlier = api.earlier.0.lock().await;
    let gone = ApiError::NotFound("version of the topology");
    let kept = |version: u64, earlier: &mut VecDeque<(TenantId, Arc<Topology>)>| {
        let is_it = |(tenant, one): &(TenantId, Arc<Topology>)| *tenant == caller.tenant && one.version() == version;
        let found = earlier.iter().position(is_it).and_then(|at| earlier.remove(at))?;
        earlier.push_back(found.clone());
        Some(found.1)
    };
    if let Valid::Version(version) = asked
        && let Some(found) = kept(version, &mut earlier)
    {
        return Ok(found);
    }
    let scope = caller.scope();
    let entry = past(api, move |history| audit::topology(history, &scope, asked)).await?;
    let Some((version, digest)) = entry.as_ref().and_then(named) else { return Err(gone) };
    if version == now.version() {
        return Ok(now);
    }
    if let Some(found) = kept(version, &mut earlier) {
        return Ok(found);
    }
    // Reading a large CMDB takes seconds: not on a thread that serves connections.
    let writes = api.writes.clone();
    let read = tokio::task::spawn_blocking(move || writes.kept_topology(version, &digest)).await;
    let read = read.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    let Some(topology) = read else { return Err(gone) };
    earlier.push_back((caller.tenant.clone(), topology.clone()));
    if earlier.len() > KEPT_MAX {
        earlier.pop_front();
    }
    Ok(topology)
}

/// The version that an entry of the audit puts in force, and the digest of its text.
pub(super) fn named(entry: &Audited) -> Option<(u64, Digest)> {
    let digest: String = serde_json::from_str(&entry.detail).ok()?;
    Some((entry.about.parse().ok()?, Digest(digest.into())))
}
