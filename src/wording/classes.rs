//! Titles in the reader's words. The engine names a silent root cause by the id of its class, which belongs to no
//! language; for people it becomes the class's name. A class of an estate's own keeps its id: its name stands in the CMDB.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::lang::Lang;

/// The classes that the program brings along.
const CLASSES: &str = include_str!("../../topology/classes.yaml");

#[derive(Deserialize)]
struct Named {
    id: String,
    zh: String,
    en: String,
}

static NAMES: LazyLock<BTreeMap<String, Named>> = LazyLock::new(|| {
    let all: Vec<Named> = serde_saphyr::from_str(CLASSES).expect("the shipped classes are valid");
    all.into_iter().map(|one| (one.id.clone(), one)).collect()
});

/// `pdu-2 (pdu)` as `pdu-2 (PDU)`, `web-1 (vm)` as `web-1（云主机）`; any other title as it is.
pub fn titled(title: &str, lang: Lang) -> Cow<'_, str> {
    let parts = title.strip_suffix(')').and_then(|rest| rest.rsplit_once(" ("));
    let Some((name, class)) = parts.and_then(|(name, id)| Some((name, NAMES.get(id)?))) else {
        return Cow::Borrowed(title);
    };
    Cow::Owned(match lang {
        Lang::Zh => format!("{name}（{}）", class.zh),
        Lang::En => format!("{name} ({})", class.en),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_named_in_the_readers_language_and_nothing_else_changes() {
        for (title, zh, en) in [
            ("pdu-2 (pdu)", "pdu-2（PDU）", "pdu-2 (PDU)"),
            ("web-1 (vm)", "web-1（云主机）", "web-1 (virtual machine)"),
            ("box (own_class)", "box (own_class)", "box (own_class)"),
            ("db-1: disk full", "db-1: disk full", "db-1: disk full"),
        ] {
            assert_eq!((&*titled(title, Lang::Zh), &*titled(title, Lang::En)), (zh, en));
        }
    }
}
