//! What the handlers stand on. Everything they do not own comes in through the traits here.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::access::{Authenticate, Caller};
use super::incident_types::Onlooker;
use super::notices::{ReceiverList, UndeliveredNotice};
use super::reach::{Limits, TestAsked, WayLine};
use super::rule_tests::RulesTested;
use super::session::Sessions;
use super::sources::Sources;
use super::suggestions::{Seen, Suggested};
use super::tokens::Credentials;
use super::topology_past::Earlier;
use super::view_file::Views;
use crate::access::strangers::Strangers;
use crate::domain::event::Event;
use crate::domain::ids::{EventRef, PersonId, ReceiverId, SourceId, TenantId};
use crate::domain::incident::IncidentView;
use crate::domain::pass::Seal;
use crate::domain::series::{ModelHealth, SeriesChart, SeriesQuery, SeriesView, TrialOfSeries};
use crate::domain::time::{Span, Timestamp};
use crate::domain::topology::Topology;
use crate::domain::topology::quality::Quality;
use crate::engine::effect::{Effect, Notice, NoticeKind};
use crate::engine::explain::{Answer, Question};
use crate::engine::identity::CiLookups;
use crate::engine::input::{By, Command, DeadLetter, Digest};
use crate::engine::oncall::Override;
use crate::engine::policy::Policy;
use crate::engine::policy::place::{Basis, RuleFile};
use crate::engine::policy::rule::RuleHits;
use crate::engine::storm::Storm;
use crate::projection::history::History;
use crate::projection::live::Live;
use crate::projection::sight::Sight;
use crate::wording::lang::{Lang, Text};

/// Why something could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// The journal is busy or away; the same request may succeed after the wait.
    TryLater { wait: Duration },
    /// It was made from a version that is not the newest any more.
    Changed { version: u64 },
    /// The content is refused: what is wrong, one line per place.
    Refused { errors: Vec<String> },
}

/// The way to the journal. Each future ends when the record is durable, with its journal sequence.
pub trait Writes: Send + Sync {
    /// Appends an operator's order.
    fn command(&self, command: Command) -> BoxFuture<'static, Result<u64, WriteError>>;
    /// Whether the journal has a record of the tenant's partition with this sequence.
    fn is_recorded(&self, tenant: TenantId, seq: u64) -> BoxFuture<'static, Result<bool, String>>;
    /// Checks a topology text and makes it valid for the tenant; without a sequence when it was valid already.
    fn topology(
        &self,
        tenant: TenantId,
        author: Box<str>,
        text: Vec<u8>,
    ) -> BoxFuture<'static, Result<(Option<u64>, Quality), WriteError>>;
    /// A topology as it was, by its kept text; none when the text is not kept any more. Blocks.
    ///
    /// # Errors
    /// When the text cannot be read.
    fn kept_topology(&self, version: u64, digest: &Digest) -> Result<Option<Arc<Topology>>, String>;
    /// Decodes a dead letter again and appends what comes of it; nothing is appended when it still cannot be taken.
    fn replay(&self, tenant: TenantId, of: EventRef, letter: DeadLetter)
    -> BoxFuture<'static, Result<u64, WriteError>>;
}

/// A set of rules. `Default` is the one that is compiled in, without its files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleSet {
    pub version: u64,
    pub digest: String,
    pub author: String,
    pub reason: String,
    pub at: Option<Timestamp>,
    /// The journal record from which on it is valid.
    pub seq: u64,
    pub files: Vec<RuleFile>,
}

/// What came of an event that was only tried.
#[derive(Clone, Debug)]
pub struct Trial {
    pub event: Event,
    pub policy: Arc<Policy>,
    /// What followed at once, and in the time it was watched.
    pub effects: Vec<Effect>,
    pub later: Vec<Effect>,
    pub watched: Span,
    /// The rules that applied.
    pub hits: RuleHits,
}

/// The rules of the tenants.
pub trait Rules: Send + Sync {
    /// The rules that are valid now.
    fn policy(&self, tenant: &TenantId) -> Arc<Policy>;
    /// How often each of them applied.
    fn hits(&self, tenant: &TenantId) -> RuleHits;
    /// Overrides of rosters that people made.
    fn overrides(&self, tenant: &TenantId) -> Vec<Override>;
    /// How often the calendar links of a roster were revoked.
    fn revoked_links(&self, _: &TenantId, _: &str) -> u32 {
        0
    }
    /// How fast incidents open, and what is held back because of it.
    fn storm(&self, _: &TenantId) -> Arc<Storm> {
        Arc::default()
    }
    /// How events found their CIs.
    fn lookups(&self, tenant: &TenantId) -> CiLookups;
    /// All versions without their files, newest first; the last one is compiled in.
    fn versions(&self, tenant: &TenantId) -> Vec<RuleSet>;
    /// A version with its files; the valid one when none is named.
    ///
    /// # Errors
    /// When the kept text cannot be read.
    fn set(&self, tenant: &TenantId, version: Option<u64>) -> Result<Option<RuleSet>, String>;
    /// Checks a set and makes it valid, unless another version than the basis is the newest: its journal sequence (none:
    /// it was valid already) and its version.
    fn replace(
        &self,
        tenant: TenantId,
        by: By,
        files: Vec<RuleFile>,
        basis: Basis,
    ) -> BoxFuture<'static, Result<(Option<u64>, u64), WriteError>>;
    /// Tries an event in the native format on the valid rules, or on others. Blocks; changes nothing.
    ///
    /// # Errors
    /// When event or rules cannot be read.
    fn trial(
        &self,
        tenant: &TenantId,
        source: &SourceId,
        sample: &str,
        files: Option<Vec<RuleFile>>,
    ) -> Result<Trial, WriteError>;
    /// Plays the tests of the valid rules, or of others. Blocks; changes nothing.
    ///
    /// # Errors
    /// When rules or tests cannot be read.
    fn test(&self, tenant: &TenantId, files: Option<Vec<RuleFile>>) -> Result<RulesTested, WriteError>;
    /// What recorded events, oldest first, give reason for, tried on the valid rules. Blocks; changes nothing.
    ///
    /// # Errors
    /// When the valid rules cannot be read.
    fn suggest(&self, tenant: &TenantId, seen: Seen) -> Result<Suggested, WriteError>;
}

/// A model and when it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelSet {
    /// 0: the one that is compiled in.
    pub version: u64,
    pub digest: String,
    pub by: By,
    pub at: Option<Timestamp>,
    /// The journal record from which on it is valid.
    pub seq: u64,
}

/// What runs beside what is valid, and what it has come to.
#[derive(Clone, Debug, Default)]
pub struct ShadowState {
    /// Its journal record; 0: nothing runs beside.
    pub since_seq: u64,
    pub by: By,
    pub at: Option<Timestamp>,
    pub has_rules: bool,
    pub has_model: bool,
    /// The last record that it has decided, and how many it is behind.
    pub seq: u64,
    pub lag: u64,
    pub begun_anew: u64,
    pub failure: Option<String>,
    /// The comparison so far.
    pub report: Option<Arc<RawValue>>,
    pub has_metric: bool,
    /// What came of the metric model.
    pub metric: Option<TrialOfSeries>,
}

/// Records that a trial may be behind when it is activated: at work there are always some.
const BEHIND_MAX: u64 = 1_000;

impl ShadowState {
    /// Why its report says too little to activate it by.
    pub fn doubt(&self) -> Option<Text> {
        if let Some(why) = &self.failure {
            return Some(Text::new(format!("试运行已中止:{why}"), format!("the trial has ended: {why}")));
        }
        let lag = self.lag;
        (lag > BEHIND_MAX).then(|| {
            Text::new(format!("试运行落后 {lag} 条记录"), format!("the trial is {lag} records behind what is valid"))
        })
    }
}

/// What a model is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// Correlation and root cause.
    #[default]
    Correlation,
    /// Metric series.
    Metric,
}

/// What is to run beside; nothing: what runs ends.
#[derive(Clone, Debug, Default)]
pub struct NewTrial {
    pub rules: Option<Vec<RuleFile>>,
    pub model: Option<String>,
    pub metric: Option<String>,
    /// The record of the trial that ends by this.
    pub in_place_of: Option<u64>,
}

/// A metric model that was made from what was kept, and runs beside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Retrained {
    /// The journal record of its trial.
    pub seq: u64,
    pub version: u32,
    /// Series that it was made from.
    pub series: u32,
    /// Digits of rarity from which on it tells.
    pub told_from: f32,
    /// What it tells of those series, per series and day.
    pub false_alarms_per_day: f64,
}

/// What `activate` or `roll_back` put in force: journal sequences; none: that was valid already, or not concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PutInForce {
    pub rules: Option<u64>,
    pub model: Option<u64>,
    pub metric: Option<u64>,
}

/// Models, and trials of rules and models beside what is valid.
pub trait Trials: Send + Sync {
    /// The tenant's models of a kind, newest first; the last one is compiled in.
    fn models(&self, tenant: &TenantId, kind: ModelKind) -> Vec<ModelSet>;
    /// The text of a version.
    ///
    /// # Errors
    /// When the kept text cannot be read.
    fn model_text(&self, tenant: &TenantId, kind: ModelKind, version: u64) -> Result<Option<String>, String>;
    /// How the metric model is doing.
    fn metric_health(&self, tenant: &TenantId) -> ModelHealth;
    /// Makes a metric model from what was kept and lets it run beside.
    fn retrain(&self, tenant: TenantId, by: By) -> BoxFuture<'static, Result<Retrained, WriteError>>;
    /// Checks a model, whose text says of which kind it is, and makes it valid: its journal sequence (none: it was valid already) and its version.
    fn put_model(
        &self,
        tenant: TenantId,
        by: By,
        text: String,
    ) -> BoxFuture<'static, Result<(Option<u64>, u64), WriteError>>;
    /// What runs beside.
    fn shadow(&self, tenant: &TenantId) -> ShadowState;
    /// Lets rules or a model run beside, or nothing any more; the journal sequence.
    fn put_shadow(&self, tenant: TenantId, by: By, tried: NewTrial) -> BoxFuture<'static, Result<u64, WriteError>>;
    /// Makes what runs beside since this record valid, and ends the trial.
    fn activate(&self, tenant: TenantId, by: By, since_seq: u64) -> BoxFuture<'static, Result<PutInForce, WriteError>>;
    /// Who activated what `roll_back` would take back, and why.
    fn activated(&self, tenant: &TenantId) -> Option<By>;
    /// Takes back what was activated last.
    fn roll_back(&self, tenant: TenantId, by: By) -> BoxFuture<'static, Result<PutInForce, WriteError>>;
    /// What rules would have told people in the last days, beside what is valid: the comparison.
    fn cost(
        &self,
        tenant: TenantId,
        rules: Vec<RuleFile>,
        days: u32,
    ) -> BoxFuture<'static, Result<serde_json::Value, WriteError>>;
}

/// Who knows why something did not happen: the engine as it is, or as it was when what is asked for was there.
pub trait Explains: Send + Sync {
    /// The engine's answer.
    fn explain(&self, tenant: TenantId, question: Question) -> BoxFuture<'static, Result<Answer, WriteError>>;
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// For everybody: names no receiver, tenant, address or file.
    pub kind: &'static str,
    /// For who may see the whole tenant.
    pub detail: String,
}

/// What message is to be seen.
#[derive(Clone, Debug)]
pub struct PreviewAsked {
    pub incident: IncidentView,
    pub receiver: Option<ReceiverId>,
    pub kind: NoticeKind,
    pub title: Option<String>,
    pub text: Option<String>,
    pub lang: Lang,
    pub at: Timestamp,
}

/// What is known of notices and receivers.
pub trait Notices: Send + Sync {
    /// How a message looks: title, text, and what the receiver would be sent.
    ///
    /// # Errors
    /// What is wrong with a template, or that there is no such receiver.
    fn preview(&self, asked: PreviewAsked) -> Result<(String, String, Option<String>), String> {
        Err(format!("{} cannot be shown here", asked.incident.id))
    }
    /// By which receivers a person is reached, in the order of their plan.
    fn ways(&self, _: &TenantId, _: &PersonId) -> Vec<WayLine> {
        Vec::new()
    }
    /// Sends a person a test page by one receiver, now: what the receiver said; of one that does not take it, why not.
    fn send_test(&self, _: TestAsked) -> BoxFuture<'static, Result<String, String>> {
        Box::pin(std::future::ready(Err("nothing is sent here".to_owned())))
    }
    /// What is not as it should be although the program serves: receivers that lock us out, decisions that came out
    /// differently.
    fn troubles(&self) -> Vec<Trouble>;
    /// Whether no receiver is configured at all.
    fn tells_nobody(&self) -> bool;
    /// How the receivers are doing that the tenant's routes name, and what waits for them.
    fn receivers(&self, tenant: &TenantId) -> ReceiverList;
    /// The receivers that the tenant's rules name and that keep tickets.
    fn ticket_systems(&self, _: &TenantId) -> Vec<ReceiverId> {
        Vec::new()
    }
    /// The tenant's notices that could not be delivered, newest first, at most `limit`.
    fn undelivered(&self, tenant: &TenantId, limit: usize) -> Vec<UndeliveredNotice>;
    /// One of them, whole.
    ///
    /// # Errors
    /// When it cannot be read.
    fn undelivered_notice(&self, tenant: &TenantId, key: &str) -> Result<Option<Notice>, String>;
}

/// An instance that may have what is asked for does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoAnswer {
    pub instance: String,
}

/// The series of metric points that are watched, by whichever instance.
pub trait Watched: Send + Sync {
    /// Those that are asked for, and how many there are.
    fn shown(
        &self,
        tenant: TenantId,
        query: SeriesQuery,
    ) -> BoxFuture<'static, Result<(Vec<SeriesView>, usize), NoAnswer>>;
    /// One of them with its last readings.
    fn chart(&self, tenant: TenantId, id: String) -> BoxFuture<'static, Result<Option<SeriesChart>, NoAnswer>>;
    /// What is worse than it should be.
    fn troubles(&self) -> Vec<Trouble>;
}

/// Fixed settings of the API.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The console is reached over HTTPS: cookies get `Secure` and HSTS is sent.
    pub secure_cookies: bool,
    /// `/metrics` answers without a credential (loopback only).
    pub open_metrics: bool,
    /// Prefix of permanent links, without a trailing slash; empty: relative links.
    pub base_url: String,
    /// What signs the addresses of calendars; none: there are none.
    pub seal: Option<Seal>,
    /// Only how the program is doing is told: people ask another instance.
    pub vitals_only: bool,
}

/// Finds the topology of a tenant that is valid now.
pub type TopologyOf = Arc<dyn Fn(&TenantId) -> Arc<Topology> + Send + Sync>;

/// The state of all handlers.
pub struct Api {
    pub live: Arc<Live>,
    pub history: Arc<History>,
    pub auth: Arc<dyn Authenticate>,
    pub writes: Arc<dyn Writes>,
    pub rules: Arc<dyn Rules>,
    /// The topology that is valid now.
    pub topology: TopologyOf,
    pub sessions: Arc<Sessions>,
    pub settings: Settings,
    /// Those who ask without a valid credential.
    pub strangers: Arc<Strangers>,
    /// The clock, for sessions, silences, spans that nobody named, and for readers to tell ages by.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Empty when ready.
    pub readiness: Arc<dyn Fn() -> Vec<Trouble> + Send + Sync>,
    /// Registers the numbers of other parts for `/metrics`; few labels.
    pub more_metrics: Arc<dyn Fn(&mut Registry) + Send + Sync>,
    pub notices: Arc<dyn Notices>,
    pub explains: Arc<dyn Explains>,
    pub trials: Arc<dyn Trials>,
    pub credentials: Arc<dyn Credentials>,
    pub sources: Arc<dyn Sources>,
    pub series: Arc<dyn Watched>,
    pub views: Arc<Views>,
    /// Test pages and codes of late.
    pub limits: Limits,
    pub earlier: Earlier,
}

impl Api {
    /// What the caller may see.
    pub fn sight(&self, caller: &Caller) -> Sight {
        Sight::new(caller.scope(), (self.topology)(&caller.tenant))
    }

    /// What is worse than it should be although the program serves.
    pub fn troubles(&self) -> Vec<Trouble> {
        self.notices.troubles().into_iter().chain(self.series.troubles()).collect()
    }

    /// The caller as one who is told things in a language.
    pub fn onlooker(&self, caller: &Caller, lang: Lang) -> Onlooker {
        Onlooker { sight: self.sight(caller), lang, base_url: self.settings.base_url.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_that_failed_or_is_far_behind_says_too_little() {
        let state = |lag, failure: Option<&str>| ShadowState {
            since_seq: 7,
            lag,
            failure: failure.map(ToOwned::to_owned),
            ..ShadowState::default()
        };
        assert_eq!(state(BEHIND_MAX, None).doubt(), None);
        let doubt = |state: ShadowState| state.doubt().expect("it says too little").en;
        assert_eq!(doubt(state(BEHIND_MAX + 1, None)), "the trial is 1001 records behind what is valid");
        assert_eq!(doubt(state(0, Some("it panicked"))), "the trial has ended: it panicked");
    }
}
