//! Rule files: text to rules, with every error and its place.
//!
//! A typed reader stops at the first error. To find the others, what is faulty is blanked (see `sheet`) and the file
//! is read again, until nothing is wrong.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::actions::ActionRule;
use super::closing::MajorRule;
use super::enriching::EnrichRule;
use super::kinds::{
    AdjustRule, DedupRule, GroupRule, InhibitRule, KeyPeriod, MaintenanceWindow, MuteRule, PromoteRule, Route,
};
use super::levels::ServiceLevel;
use super::patterns::PatternRule;
use super::place::{LineColumn, RuleError, RuleFile};
use super::priorities::Priorities;
use super::runbooks::Runbook;
use super::settings::Settings;
use super::sheet::Sheet;
use crate::domain::ids::SourceId;
use crate::engine::calendar::Calendar;
use crate::engine::oncall::ladder::EscalationRule;
use crate::engine::oncall::people::{ContactPlan, Person, Team};
use crate::engine::oncall::roster::Roster;

/// The largest rule file, in bytes.
pub const FILE_BYTES_MAX: usize = 1_048_576;
/// The most errors told of one file.
const ERRORS_MAX: usize = 100;
const ANCHORS_MAX: usize = 100;

/// One file's sections. All may be left out; lists of several files are joined in the order of the files' names.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sections {
    pub settings: Option<Settings>,
    pub calendars: BTreeMap<Box<str>, Calendar>,
    /// How far a source may keep alerts of others quiet, 0 to 9.
    pub trust: BTreeMap<SourceId, u8>,
    pub dedup: Vec<DedupRule>,
    pub enrich: Vec<EnrichRule>,
    pub adjust: Vec<AdjustRule>,
    pub mute: Vec<MuteRule>,
    pub maintenance: Vec<MaintenanceWindow>,
    pub inhibit: Vec<InhibitRule>,
    pub group: Vec<GroupRule>,
    pub correlate: Vec<PatternRule>,
    pub promote: Vec<PromoteRule>,
    pub priority: Option<Priorities>,
    pub key_periods: Vec<KeyPeriod>,
    pub routes: Vec<Route>,
    pub people: Vec<Person>,
    pub teams: Vec<Team>,
    pub contact_plans: Vec<ContactPlan>,
    pub rosters: Vec<Roster>,
    pub escalations: Vec<EscalationRule>,
    pub runbooks: Vec<Runbook>,
    pub service_levels: Vec<ServiceLevel>,
    pub major_incidents: Vec<MajorRule>,
    pub actions: Vec<ActionRule>,
    /// A route could not be read: what routes there are is not known.
    #[serde(skip)]
    pub routes_cut: bool,
}

/// Reads one file; what could be read of it stays.
pub fn read(file: &RuleFile, errors: &mut Vec<RuleError>) -> Sections {
    let mut error = |at: LineColumn, what: String, remedy: &str| {
        errors.push(RuleError { file: file.name.clone(), at, what, remedy: remedy.to_owned() });
    };
    if file.text.len() > FILE_BYTES_MAX {
        error(LineColumn::default(), format!("larger than {FILE_BYTES_MAX} bytes"), "split the file");
        return Sections::default();
    }
    let mut sheet = Sheet::of(&file.text);
    for _ in 0..ERRORS_MAX {
        let failure = match parse(&sheet.text()) {
            Ok(sections) => return Sections { routes_cut: sheet.is_cut("routes"), ..sections },
            Err(failure) => failure,
        };
        let at = failure.location().map(LineColumn::from).unwrap_or_default();
        let told = failure.without_snippet().to_string();
        // What was blanked can leave an empty list, a missing field or half a flow collection behind: that is our
        // doing, and only there. Our own messages, which name a remedy, come as the same kind as the parser's.
        let broken = is_syntax(&failure) && !told.contains("; ");
        let emptied = told.contains("missing field") || told.contains("expected sequence start");
        let ours = (emptied || broken) && sheet.is_touched(at);
        if !ours {
            let (what, remedy) = split_remedy(&told);
            error(at, what, &remedy);
        }
        if !sheet.blank(at) {
            return Sections { routes_cut: true, ..Sections::default() };
        }
    }
    error(LineColumn::default(), format!("more than {ERRORS_MAX} errors"), "correct the first ones");
    Sections { routes_cut: true, ..Sections::default() }
}

fn parse(text: &str) -> Result<Sections, serde_saphyr::Error> {
    if text.trim().is_empty() {
        return Ok(Sections::default());
    }
    let options = serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
        budget: serde_saphyr::budget! { max_anchors: ANCHORS_MAX, max_aliases: ANCHORS_MAX, max_depth: 32 },
    };
    serde_saphyr::from_str_with_options::<Option<Sections>>(text, options).map(Option::unwrap_or_default)
}

const fn is_syntax(error: &serde_saphyr::Error) -> bool {
    matches!(error, serde_saphyr::Error::Message { .. } | serde_saphyr::Error::Eof { .. })
}

/// Our own messages say after a semicolon what to do.
fn split_remedy(told: &str) -> (String, String) {
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    match told.rsplit_once("; ") {
        Some((what, remedy)) => (what.to_owned(), remedy.to_owned()),
        None => (told, "compare with the example in rules/README.md".to_owned()),
    }
}
