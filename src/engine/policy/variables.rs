//! The names that an expression may use, resolved from an event's fields without copying them.

use std::borrow::Cow;
use std::fmt;

use cel::ExecutionError;
use cel::common::traits::{Container, Indexer};
use cel::common::types::{CelDouble, CelInt, CelMap, CelString, Type};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;

use crate::domain::matcher::Fields;
use crate::domain::severity::Severity;
use crate::engine::fields;

/// Maps of the source's own keys.
const MAPS: &[&str] = &["labels", "annotations", "object", "metric", "ci"];
/// Fields that are numbers in expressions; 0 when missing.
const NUMBERS: &[&str] = &["criticality", "protection_level", "confidence", "alert_count", "ci_count", "service_count"];

/// Whether an expression may use the name.
pub fn is_known(name: &str) -> bool {
    MAPS.contains(&name)
        || Severity::parse(name).is_some()
        || (fields::NAMES.contains(&name) && !name.contains('.'))
        || fields::INCIDENT_NAMES.contains(&name)
        || name.starts_with("@")
}

/// All names, for messages.
pub fn names() -> String {
    let plain = fields::NAMES.iter().copied().filter(|n| !n.contains('.'));
    let plain = plain.chain(fields::INCIDENT_NAMES.iter().copied());
    plain.chain(Severity::ALL.iter().map(|s| s.as_str())).collect::<Vec<_>>().join(", ")
}

/// An event's fields as variables.
pub struct Variables<'a> {
    fields: &'a dyn Fields,
    maps: [Keyed<'a>; 5],
}

impl<'a> Variables<'a> {
    /// Borrows the fields.
    pub fn of(fields: &'a dyn Fields) -> Self {
        let keyed = |prefix| Keyed { fields, prefix };
        Self { fields, maps: [keyed("labels"), keyed("annotations"), keyed("object"), keyed("metric"), keyed("ci")] }
    }
}

impl VariableResolver for Variables<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        if variable == "severity" {
            let word = self.fields.field("severity").unwrap_or_default();
            let rank = Severity::parse(&word).unwrap_or_default().rank();
            return Some(CowVal::owned(CelInt::from(i64::from(rank))));
        }
        if let Some(map) = self.maps.iter().find(|m| m.prefix == variable) {
            return Some(CowVal::Borrowed(map));
        }
        if variable.contains('.') {
            // `labels.x`: the interpreter asks for the whole name, then for the map.
            return None;
        }
        if let Some(severity) = Severity::parse(variable) {
            return Some(CowVal::owned(CelInt::from(i64::from(severity.rank()))));
        }
        if NUMBERS.contains(&variable) {
            let number = self.fields.field(variable).and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
            return Some(CowVal::owned(CelInt::from(number)));
        }
        (fields::NAMES.contains(&variable) || fields::INCIDENT_NAMES.contains(&variable))
            .then(|| CowVal::owned(CelString::from(self.fields.field(variable).unwrap_or_default())))
    }
}

/// `labels` and the like: a map that looks its keys up in the fields.
#[derive(Clone, Copy)]
struct Keyed<'a> {
    fields: &'a dyn Fields,
    prefix: &'static str,
}

impl<'a> Keyed<'a> {
    fn find(&self, key: &dyn Val) -> Result<Option<Cow<'a, str>>, ExecutionError> {
        let key = key.downcast_ref::<CelString>().ok_or_else(|| ExecutionError::UnexpectedType {
            got: key.get_type().name().to_owned(),
            want: "string".to_owned(),
        })?;
        Ok(self.fields.field(&format!("{}.{}", self.prefix, key.inner())))
    }
}

impl fmt::Debug for Keyed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.prefix)
    }
}

impl Val for Keyed<'_> {
    fn get_type(&self) -> &Type {
        <Self as Val>::cel_type()
    }

    fn cel_type() -> &'static Type {
        <CelMap as Val>::cel_type()
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn into_indexer<'v>(self: Box<Self>) -> Option<Box<dyn Indexer + 'v>>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(*self)
    }
}

impl Container for Keyed<'_> {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.find(value)?.is_some())
    }
}

impl Indexer for Keyed<'_> {
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let text = self.find(key)?.ok_or_else(|| {
            let key = key.downcast_ref::<CelString>().map_or("", |k| k.inner());
            ExecutionError::NoSuchKey(std::sync::Arc::new(key.to_owned()))
        })?;
        let number = if self.prefix == "metric" { text.parse::<f64>().ok() } else { None };
        Ok(match number {
            Some(number) => CowVal::owned(CelDouble::from(number)),
            None => CowVal::owned(CelString::from(text)),
        })
    }

    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        Ok(self.get(key)?.into_owned())
    }
}
