//! What an export says that is not read: each list and each field is told by its name, with how many have it. Names, addresses of
//! pages and what follows from other fields say nothing of on-call and are left out of that.

use std::collections::BTreeMap;

use serde_json::Value;

use super::carried::Carried;

/// A list of an export and the fields of its entries that are read, or say nothing of on-call.
pub struct Known {
    /// `users`, or `users/contact_methods` for a list inside of entries.
    pub list: &'static str,
    pub fields: &'static [&'static str],
}

/// Fields of all entries that say nothing of on-call.
const OF_ALL: [&str; 12] = [
    "id",
    "type",
    "name",
    "summary",
    "self",
    "html_url",
    "description",
    "created_at",
    "createdAt",
    "avatar_url",
    "links",
    "pk",
];

/// Tells what is not read.
pub fn tell(export: &Value, known: &[Known], all: &mut Carried) {
    let is_known = |key: &str| known.iter().any(|one| one.list == key);
    for (key, value) in export.as_object().into_iter().flatten().filter(|(key, value)| !is_known(key) && says(value)) {
        match value.as_array().map(Vec::len) {
            Some(count) => all.leave(format!("{key}: {count} of them are not read")),
            None => all.leave(format!("{key}: not read")),
        }
    }
    for one in known {
        let mut unread: BTreeMap<&str, usize> = BTreeMap::new();
        for entry in entries(export, one.list) {
            for (field, value) in entry.as_object().into_iter().flatten() {
                let is_read = one.fields.contains(&field.as_str()) || OF_ALL.contains(&field.as_str());
                if !is_read && says(value) {
                    *unread.entry(field.as_str()).or_default() += 1;
                }
            }
        }
        for (field, count) in unread {
            all.leave(format!("{}: `{field}` of {count} is not read", one.list));
        }
    }
}

/// The entries of a list, and of a list inside of them.
fn entries<'a>(export: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut path = path.split('/');
    let first = path.next().unwrap_or_default();
    let outer: Vec<&Value> = super::list(export, first).collect();
    path.fold(outer, |outer, name| outer.into_iter().filter_map(|one| one[name].as_array()).flatten().collect())
}

/// Whether a value says something: nothing, no and none are what a field has that nobody has set.
fn says(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(all) => !all.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}
