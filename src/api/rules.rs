//! The rules that are valid now, what was valid before, how often each applied, and replacing them as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Caller;
use super::orders::refused;
use super::paging::Listed;
use super::problem::{ApiError, Body, Id, Problem};
use super::state::{Api, RuleSet, WriteError};
use crate::domain::time::Timestamp;
use crate::engine::input::By;
use crate::engine::policy::Policy;
use crate::engine::policy::expiry::ListedRule;
use crate::engine::policy::place::{Basis, RuleFile};
use crate::engine::policy::rule::RuleHits;

/// The most bytes of one rule set.
pub const TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How often a change is made again when others come first.
const TRIES_MAX: usize = 32;
/// What a change that others overtook again and again waits, seconds.
const WAIT_SECS: u32 = 1;

/// The header `If-Match`: the `ETag` of the rules that a change was made from, or `*`.
#[derive(Clone, Copy, Debug, IntoParams)]
#[into_params(names("If-Match"), parameter_in = Header)]
pub struct IfMatch(
    /// The change is refused with 412 when the rules have another `ETag` by now. Absent: whatever is valid is replaced.
    #[param(value_type = Option<String>)]
    pub Basis,
);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(Basis::Any)) };
        let text = value.to_str().map(str::trim).unwrap_or_default();
        if text == "*" {
            return Ok(Self(Basis::Any));
        }
        let version = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).and_then(|n| n.parse().ok());
        let wrong =
            || ApiError::Bad("If-Match: write the ETag of GET /api/v1/rules as it is, for example \"3\"".into());
        version.map(|version| Self(Basis::Version(version))).ok_or_else(wrong)
    }
}

/// The `ETag` of a version.
fn tag(version: u64) -> HeaderMap {
    let value = HeaderValue::from_str(&format!("\"{version}\"")).expect("a quoted number");
    HeaderMap::from_iter([(header::ETAG, value)])
}

/// A change that was taken.
pub type TakenAnswer = (StatusCode, HeaderMap, Json<RulesTaken>);

/// A version of the rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct VersionItem {
    /// 0: the rules that are compiled in.
    pub version: u64,
    /// SHA-256 of the set.
    pub digest: String,
    pub author: String,
    /// Why it was put; empty where nobody said.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// When it became valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The journal record from which on it is valid.
    pub seq: u64,
    pub current: bool,
}

impl VersionItem {
    fn of(set: &RuleSet, current: u64) -> Self {
        Self {
            version: set.version,
            digest: set.digest.clone(),
            author: set.author.clone(),
            reason: set.reason.clone(),
            at: set.at.map(|at| at.to_string()),
            seq: set.seq,
            current: set.version == current,
        }
    }
}

/// One rule of the set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RuleItem {
    /// The kind of rule: dedup, enrich, adjust, mute, maintenance, inhibit, group, correlate, promote or routes.
    pub section: &'static str,
    pub id: String,
    pub file: String,
    pub line: u32,
    /// Who answers for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// When it ceases to hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// It does not hold any more.
    pub expired: bool,
    /// How often it applied.
    pub hits: u64,
    /// How often its expression failed, which counts as no.
    pub errors: u64,
    /// What it left out because there was too much of it.
    pub cut: u64,
}

/// The rule set that is valid now.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RulesBody {
    #[serde(flatten)]
    pub version: VersionItem,
    /// YAML by file name.
    pub files: BTreeMap<String, String>,
    /// In the order of the stages.
    pub rules: Vec<RuleItem>,
    /// What is allowed but probably not meant, one line per place.
    pub lints: Vec<String>,
}

impl RulesBody {
    fn of(set: &RuleSet, policy: &Policy, hits: &RuleHits, now: Timestamp) -> Self {
        let rules = policy.rules().into_iter().map(|ListedRule { section, name, owner, expires }| RuleItem {
            section,
            owner: owner.to_owned(),
            expires: expires.map(|expiry| expiry.0.to_string()),
            expired: expires.is_some_and(|expiry| expiry.0 <= now),
            id: name.id.to_string(),
            file: policy.file_of(name).to_owned(),
            line: name.at.line,
            hits: hits.hits.get(&name.id).copied().unwrap_or(0),
            errors: hits.errors.get(&name.id).copied().unwrap_or(0),
            cut: hits.cut.get(&name.id).copied().unwrap_or(0),
        });
        Self {
            version: VersionItem::of(set, set.version),
            files: set.files.iter().map(|file| (file.name.clone(), file.text.clone())).collect(),
            rules: rules.collect(),
            lints: policy.lint(now).iter().map(ToString::to_string).collect(),
        }
    }
}

/// Another rule set.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRules {
    /// YAML by file name.
    pub files: BTreeMap<String, String>,
    /// Why; needed where the rules in force say so (`settings.changes.reason`).
    #[serde(default)]
    pub reason: String,
}

impl NewRules {
    pub(super) fn into_files(self) -> Vec<RuleFile> {
        self.files.into_iter().map(|(name, text)| RuleFile { name, text }).collect()
    }
}

/// Which version to go back to.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RollBack {
    /// Absent: the one before the present one; 0: the rules that are compiled in.
    pub version: Option<u64>,
    /// Why; needed where the rules in force say so.
    pub reason: String,
}

/// Taken; the set is valid from this journal record on.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RulesTaken {
    /// Absent: the same rules were valid already, nothing was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    pub version: u64,
    /// Nothing is changed yet: a second person has to approve it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub waits: bool,
}

/// How many people stand behind a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persons {
    One,
    /// One asked for it, and another one approved it.
    Two,
}

/// Why the rules are changed, and who stands behind it.
#[derive(Clone, Copy, Debug)]
pub struct Grounds<'a> {
    pub reason: &'a str,
    pub persons: Persons,
}

impl<'a> Grounds<'a> {
    /// Of one person.
    pub const fn alone(reason: &'a str) -> Self {
        Self { reason, persons: Persons::One }
    }
}

/// What a check says.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Checked {
    /// Every error with its place; none: the set would be taken.
    pub errors: Vec<String>,
    pub lints: Vec<String>,
}

/// The rule set that is valid now, with what each rule did; its `ETag` is for `If-Match`.
#[utoipa::path(get, path = "/api/v1/rules", tag = "rules",
    responses((status = 200, body = RulesBody), (status = "default", body = Problem)))]
pub async fn current(State(api): State<Arc<Api>>, caller: Caller) -> Result<(HeaderMap, Json<RulesBody>), ApiError> {
    caller.whole_tenant()?;
    let set = api.rules.set(&caller.tenant, None).map_err(ApiError::internal)?.ok_or(ApiError::NotFound("version"))?;
    let (policy, hits) = (api.rules.policy(&caller.tenant), api.rules.hits(&caller.tenant));
    Ok((tag(set.version), Json(RulesBody::of(&set, &policy, &hits, (api.now)()))))
}

/// All versions that can be gone back to, newest first.
#[utoipa::path(get, path = "/api/v1/rules/versions", tag = "rules",
    responses((status = 200, body = Listed<VersionItem>), (status = "default", body = Problem)))]
pub async fn versions(State(api): State<Arc<Api>>, caller: Caller) -> Result<Json<Listed<VersionItem>>, ApiError> {
    caller.whole_tenant()?;
    let all = api.rules.versions(&caller.tenant);
    let current = all.first().map_or(0, |set| set.version);
    Ok(Json(Listed { items: all.iter().map(|set| VersionItem::of(set, current)).collect(), next: None, feed: None }))
}

/// One version with its files.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OldRules {
    #[serde(flatten)]
    pub version: VersionItem,
    /// YAML by file name.
    pub files: BTreeMap<String, String>,
}

/// The files of one version.
#[utoipa::path(get, path = "/api/v1/rules/versions/{version}", tag = "rules", params(("version" = u64, Path)),
    responses((status = 200, body = OldRules), (status = "default", body = Problem)))]
pub async fn version(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Id(version): Id<u64>,
) -> Result<Json<OldRules>, ApiError> {
    caller.whole_tenant()?;
    let found = api.rules.set(&caller.tenant, Some(version)).map_err(ApiError::internal)?;
    let set = found.ok_or(ApiError::NotFound("version"))?;
    let current = api.rules.versions(&caller.tenant).first().map_or(0, |set| set.version);
    let files = set.files.iter().map(|file| (file.name.clone(), file.text.clone())).collect();
    Ok(Json(OldRules { version: VersionItem::of(&set, current), files }))
}

/// Says what is wrong with a rule set; changes nothing.
#[utoipa::path(post, path = "/api/v1/rules/check", tag = "rules", request_body = NewRules,
    responses((status = 200, body = Checked), (status = "default", body = Problem)))]
pub async fn check(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(rules): Body<NewRules>,
) -> Result<Json<Checked>, ApiError> {
    caller.whole_tenant()?;
    let now = (api.now)();
    let files = rules.into_files();
    let compiled = tokio::task::spawn_blocking(move || Policy::compile(0, &files)).await;
    Ok(Json(match compiled.map_err(ApiError::internal)? {
        Ok(policy) => Checked { errors: Vec::new(), lints: policy.lint(now).iter().map(ToString::to_string).collect() },
        Err(errors) => Checked { errors: errors.iter().map(ToString::to_string).collect(), lints: Vec::new() },
    }))
}

/// Changes the rules from what they are; made again when others come first.
pub async fn change(
    api: &Api,
    caller: &Caller,
    grounds: Grounds<'_>,
    edit: impl Fn(RuleSet) -> Result<Vec<RuleFile>, ApiError>,
) -> Result<TakenAnswer, ApiError> {
    for _ in 0..TRIES_MAX {
        let now =
            api.rules.set(&caller.tenant, None).map_err(ApiError::internal)?.ok_or(ApiError::NotFound("version"))?;
        let basis = Basis::Version(now.version);
        match put(api, caller, edit(now)?, grounds, basis).await {
            Err(ApiError::Changed { .. }) => {}
            ended => return ended,
        }
    }
    Err(ApiError::TryLater { wait_secs: WAIT_SECS })
}

/// Whether the rules in force let the caller change them alone, with this reason.
///
/// # Errors
/// What is missing.
pub fn may_change(policy: &Policy, reason: &str) -> Result<(), ApiError> {
    needs_reason(policy, reason)?;
    if policy.settings.changes.second {
        let what = "the rules in force ask for a second person (settings.changes.second): let them run beside \
                    (PUT /api/v1/shadow), and another person activates them; what must be quiet at once can be silenced";
        return Err(ApiError::Forbidden(what));
    }
    Ok(())
}

/// Whether the reason is one, where the rules in force ask for it.
///
/// # Errors
/// When it is missing.
pub fn needs_reason(policy: &Policy, reason: &str) -> Result<(), ApiError> {
    if policy.settings.changes.reason && reason.trim().is_empty() {
        return Err(ApiError::Bad("reason: the rules in force ask for one (settings.changes.reason)".into()));
    }
    Ok(())
}

/// The one way in which the rules are changed over the API.
async fn put(
    api: &Api,
    caller: &Caller,
    files: Vec<RuleFile>,
    grounds: Grounds<'_>,
    basis: Basis,
) -> Result<TakenAnswer, ApiError> {
    let policy = api.rules.policy(&caller.tenant);
    match grounds.persons {
        Persons::One => may_change(&policy, grounds.reason)?,
        Persons::Two => needs_reason(&policy, grounds.reason)?,
    }
    let by = By { author: caller.name.clone(), reason: grounds.reason.into() };
    let replaced = api.rules.replace(caller.tenant.clone(), by, files, basis).await;
    let (seq, version) = replaced.map_err(refused)?;
    Ok((StatusCode::ACCEPTED, tag(version), Json(RulesTaken { seq, version, waits: false })))
}

/// Replaces all rules at once; a faulty set is refused with every error and its place, and the old one stays. With
/// `If-Match` it is refused (412), too, when the rules are not those any more that it was made from.
#[utoipa::path(put, path = "/api/v1/rules", tag = "rules", params(IfMatch), request_body = NewRules,
    responses((status = 202, body = RulesTaken), (status = "default", body = Problem)))]
pub async fn replace(
    State(api): State<Arc<Api>>,
    caller: Caller,
    IfMatch(basis): IfMatch,
    Body(rules): Body<NewRules>,
) -> Result<TakenAnswer, ApiError> {
    caller.whole_tenant()?;
    let reason = rules.reason.clone();
    put(&api, &caller, rules.into_files(), Grounds::alone(&reason), basis).await
}

/// Makes an older version valid again, as a new version of its own.
#[utoipa::path(post, path = "/api/v1/rules/rollback", tag = "rules", params(IfMatch), request_body = RollBack,
    responses((status = 202, body = RulesTaken), (status = "default", body = Problem)))]
pub async fn roll_back(
    State(api): State<Arc<Api>>,
    caller: Caller,
    IfMatch(basis): IfMatch,
    Body(body): Body<RollBack>,
) -> Result<TakenAnswer, ApiError> {
    caller.whole_tenant()?;
    let grounds = Grounds::alone(&body.reason);
    let files = |version| {
        let found = api.rules.set(&caller.tenant, Some(version)).map_err(ApiError::internal)?;
        Ok(found.ok_or(ApiError::NotFound("version"))?.files)
    };
    let before = |now: u64| {
        let known = api.rules.versions(&caller.tenant);
        let version = known.iter().map(|set| set.version).find(|version| *version < now);
        let errors = vec!["the rules that are compiled in are valid: there is nothing before them".into()];
        version.ok_or_else(|| refused(WriteError::Refused { errors }))
    };
    match (body.version, basis) {
        (Some(version), basis) => put(&api, &caller, files(version)?, grounds, basis).await,
        (None, Basis::Version(asked)) => {
            let set = api.rules.set(&caller.tenant, None).map_err(ApiError::internal)?;
            match set.map_or(0, |set| set.version) {
                version if version == asked => put(&api, &caller, files(before(version)?)?, grounds, basis).await,
                version => Err(ApiError::Changed { version }),
            }
        }
        (None, Basis::Any) => change(&api, &caller, grounds, |now| files(before(now.version)?)).await,
    }
}
