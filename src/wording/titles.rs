//! Titles in the reader's words. What the program titles itself is kept in both languages, and people are shown theirs. The
//! engine names a silent root cause by the id of its class, which belongs to no language; for people it becomes the class's
//! name. A class of an estate's own keeps its id: its name stands in the CMDB.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::lang::{Lang, Text};
use crate::domain::title;

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

/// An alert's title: what the program titles itself without the other language, any other one as it is.
pub fn own_titled(title: &str, lang: Lang) -> Cow<'_, str> {
    title::own(title).map_or(Cow::Borrowed(title), |(own, before)| {
        Cow::Owned(match lang {
            Lang::Zh => format!("{before}{}", own.zh),
            Lang::En => format!("{before}{}", own.en),
        })
    })
}

/// What the program titles itself, in each language; none: somebody else's words, which are the same in both.
pub fn both(title: &str) -> Option<Text> {
    let (own, before) = title::own(title)?;
    Some(Text::new(format!("{before}{}", own.zh), format!("{before}{}", own.en)))
}

/// An incident's title, which ends with its root's: as an alert's, and `pdu-2 (pdu)` as `pdu-2 (PDU)`, `web-1 (vm)` as
/// `web-1（云主机）`; any other one as it is.
pub fn titled(title: &str, lang: Lang) -> Cow<'_, str> {
    if let Cow::Owned(own) = own_titled(title, lang) {
        return Cow::Owned(own);
    }
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
    use crate::domain::sign::Sign;

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
        assert_eq!(own_titled("web-1 (vm)", Lang::Zh), "web-1 (vm)", "a source's own words");
    }

    #[test]
    fn what_the_program_titles_itself_is_read_in_one_language() {
        for (title, zh, en) in [
            ("web 时延异常 unusual latency", "web 时延异常", "web unusual latency"),
            ("db-1: db-1 无数据 no data", "db-1: db-1 无数据", "db-1: db-1 no data"),
            ("磁盘空间不足 Headwater's disk fills up", "磁盘空间不足", "Headwater's disk fills up"),
            (
                "zabbix 来源无数据 nothing comes from the source",
                "zabbix 来源无数据",
                "zabbix nothing comes from the source",
            ),
            ("no data", "no data", "no data"),
            ("端口 eth0 no data", "端口 eth0 no data", "端口 eth0 no data"),
        ] {
            for titled in [titled, own_titled] {
                assert_eq!((&*titled(title, Lang::Zh), &*titled(title, Lang::En)), (zh, en));
            }
        }
    }

    #[test]
    fn no_title_of_ours_is_the_end_of_another() {
        let all: Vec<_> = title::ALL.into_iter().chain(Sign::ALL.into_iter().map(Sign::title)).collect();
        for one in &all {
            assert!(!one.zh.is_ascii() && one.en.is_ascii(), "{one:?}");
            assert_eq!(all.iter().filter(|other| other.before(&one.kept()).is_some()).count(), 1, "{one:?}");
        }
    }
}
