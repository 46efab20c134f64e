//! Cases: sources that send several kinds of bodies to one address.

use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use super::event::{EventSpec, Wrong};
use crate::decode::limits::{Limits, dedup_key};
use crate::decode::path::{Path, Place};
use crate::decode::value::{Value, regex};
use crate::decode::{SourceDeed, SourceOrder};
use crate::domain::reject::Reject;

/// How bodies of one kind are read, or that they are no events.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// All of them must hold.
    when: Vec<Test>,
    /// They are no events; says what they are.
    skip: Option<String>,
    event: Option<EventSpec>,
    /// They say what people have done with an alert: an order for its incident.
    order: Option<OrderSpec>,
}

/// How such an order is read.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OrderSpec {
    /// Without it they have only written something.
    deed: Option<SourceDeed>,
    /// The source's own identity of the alert, as `dedup_key` of its event.
    key: Value,
    /// Who, as the source calls them.
    by: Option<Value>,
    /// What they wrote: a comment.
    text: Option<Value>,
}

impl OrderSpec {
    /// The order.
    pub fn read(&self, place: Place<'_, '_>, limits: &Limits) -> Result<SourceOrder, Reject> {
        let text = |value: &Option<Value>| value.as_ref()?.text(place).map(|text| Box::from(&*text));
        let missing = || Reject::Malformed("the mapping finds no key of the alert that this is about".into());
        let key = dedup_key(&self.key.text(place).ok_or_else(missing)?, limits);
        let order = SourceOrder { key, deed: self.deed, by: text(&self.by), text: text(&self.text) };
        if order.deed.is_none() && order.text.is_none() {
            return Err(Reject::Malformed("nothing was done with the alert, and nothing was written".into()));
        }
        Ok(order)
    }
}

/// How a body of a kind is read.
pub(super) enum As<'m> {
    Event(&'m EventSpec),
    Order(&'m OrderSpec),
    Nothing,
}

/// One look at a body. Without `is` and `match`: there is a value that is not empty.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Test {
    path: Path,
    /// One of these texts; case does not count.
    #[serde(default)]
    is: OneOf,
    /// A regular expression that is found in the text.
    r#match: Option<String>,
    /// The look must fail.
    #[serde(default)]
    not: bool,
    #[serde(skip)]
    pattern: Option<Regex>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(untagged)]
enum OneOf {
    #[default]
    Anything,
    One(String),
    Several(Vec<String>),
}

impl Case {
    /// Checks and completes it.
    pub fn ready(&mut self) -> Result<(), Wrong> {
        if self.when.is_empty() {
            return Err((".when".into(), "give at least one test; what fits everything is `event`".into()));
        }
        for test in &mut self.when {
            test.pattern =
                test.r#match.as_deref().map(regex).transpose().map_err(|cause| (".when.match".into(), cause))?;
        }
        match (&self.skip, &mut self.event, &self.order) {
            (None, Some(event), None) => event.ready().map_err(|(field, cause)| (format!(".event{field}"), cause)),
            (Some(_), None, None) => Ok(()),
            (None, None, Some(order)) if order.deed.is_some() || order.text.is_some() => Ok(()),
            (None, None, Some(_)) => Err((".order".into(), "give deed, text or both".into())),
            _ => Err((String::new(), "give exactly one of event, order and skip".into())),
        }
    }

    /// Whether a body is of this kind.
    pub fn fits(&self, place: Place<'_, '_>) -> bool {
        self.when.iter().all(|test| test.holds(place) != test.not)
    }

    /// How its events are read; `None` when it has none.
    pub fn event(&self) -> Option<&EventSpec> {
        self.event.as_ref()
    }

    /// How it is read.
    pub fn read_as(&self) -> As<'_> {
        let order = self.order.as_ref().map_or(As::Nothing, As::Order);
        self.event.as_ref().map_or(order, As::Event)
    }
}

impl Test {
    fn holds(&self, place: Place<'_, '_>) -> bool {
        let node = self.path.find(place);
        // What is only asked for is not written out.
        if self.pattern.is_none() && matches!(self.is, OneOf::Anything) {
            return node.is_some_and(|node| !node.is_empty());
        }
        let text = node.and_then(|node| node.text()).unwrap_or_default();
        let is_one = match &self.is {
            OneOf::Anything => !text.is_empty(),
            OneOf::One(one) => one.eq_ignore_ascii_case(&text),
            OneOf::Several(several) => several.iter().any(|one| one.eq_ignore_ascii_case(&text)),
        };
        is_one && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(&text))
    }
}
