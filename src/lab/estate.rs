//! A sample estate of a government cloud: two data centres of one city, all five managed-object areas, all classes,
//! names in Chinese with the English name as label `en`.
//!
//! Deterministic: the same scale gives the same text. The demo and the tests load it like any CMDB file.

mod business;
mod cloud;
mod site;

use std::fmt::Write as _;

/// How large the estate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// In each of the two data centres.
    pub racks: usize,
    pub servers_per_rack: usize,
    pub vms_per_server: usize,
    /// Per department.
    pub applications: usize,
}

impl Default for Scale {
    /// About 3,000 CIs.
    fn default() -> Self {
        Self { racks: 12, servers_per_rack: 6, vms_per_server: 5, applications: 12 }
    }
}

/// The estate as a CMDB file: JSON, one CI or relation per line.
pub fn sample_estate(scale: Scale) -> String {
    let mut estate = Estate::default();
    city(&mut estate);
    let sites = [site::Site::east(), site::Site::west()];
    let machines: Vec<cloud::Machines> = sites
        .iter()
        .map(|site| {
            site::facility(&mut estate, site);
            site::network(&mut estate, site);
            cloud::machines(&mut estate, site, scale)
        })
        .collect();
    business::platforms(&mut estate, &machines);
    business::departments(&mut estate, &machines, scale);
    format!("{{\"cis\":[\n{}\n],\"relations\":[\n{}\n]}}\n", estate.cis, estate.relations)
}

/// What both data centres belong to.
fn city(estate: &mut Estate) {
    estate.ci(Ci { class: "campus", id: "campus", zh: "市政务园区", en: "municipal campus", ..Ci::default() });
    estate.ci(Ci {
        class: "region", id: "region", zh: "市政务云区域", en: "municipal cloud region", ..Ci::default()
    });
    let (zh, en) = ("省市政务外网专线", "link to the province");
    estate.ci(Ci { class: "net_link", id: "link-province", zh, en, ..Ci::default() });
    estate.link("campus", "contains", "region");
}

/// A CI as the generator says it.
#[derive(Clone, Copy, Debug, Default)]
struct Ci<'a> {
    class: &'a str,
    id: &'a str,
    zh: &'a str,
    en: &'a str,
    keys: &'a [&'a str],
    site: &'a str,
    org: &'a str,
    /// 0 = not said.
    criticality: u8,
    silent: bool,
}

/// The text in the making.
#[derive(Debug, Default)]
struct Estate {
    cis: String,
    relations: String,
}

impl Estate {
    fn ci(&mut self, ci: Ci<'_>) {
        let line = &mut self.cis;
        let _ = write!(line, "{}", if line.is_empty() { "" } else { ",\n" });
        let _ = write!(line, r#"{{"id":"{}","class":"{}","name":"{}""#, ci.id, ci.class, ci.zh);
        if !ci.keys.is_empty() {
            let _ = write!(line, r#","keys":["{}"]"#, ci.keys.join(r#"",""#));
        }
        if !ci.site.is_empty() {
            let _ = write!(line, r#","site":"dc-{}""#, ci.site);
        }
        if !ci.org.is_empty() {
            let _ = write!(line, r#","org":"{0}","owner_team":"{0}-ops""#, ci.org);
        }
        if ci.criticality > 0 {
            let _ = write!(line, r#","criticality":{}"#, ci.criticality);
        }
        if ci.silent {
            line.push_str(r#","monitored":false"#);
        }
        let _ = write!(line, r#","labels":{{"en":"{}"}}}}"#, ci.en);
    }

    /// "`from` relation `to`".
    fn link(&mut self, from: &str, relation: &str, to: &str) {
        let line = &mut self.relations;
        let _ = write!(line, "{}", if line.is_empty() { "" } else { ",\n" });
        let _ = write!(line, r#"{{"from":"{from}","to":"{to}","type":"{relation}"}}"#);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ci::Area;
    use crate::domain::topology::quality::Quality;
    use crate::domain::topology::reach::{Limits, ReachState};
    use crate::lab::built_in::{read_topology, shipped_schema};

    #[test]
    fn the_sample_estate_is_whole() {
        let text = sample_estate(Scale::default());
        assert_eq!(text, sample_estate(Scale::default()));
        let estate = read_topology("estate", text.as_bytes(), None, 1).expect("valid");
        assert!((2700..3300).contains(&estate.len()), "{} CIs", estate.len());
        let quality = Quality::of(&estate);
        let absent: Vec<_> = shipped_schema()
            .classes()
            .iter()
            .filter(|c| !quality.classes.contains_key(&c.id))
            .map(|c| c.id.clone())
            .collect();
        assert!(absent.is_empty(), "no CI of {absent:?}");
        let empty = Quality {
            version: 1,
            cis: estate.len(),
            edges: estate.edges(),
            classes: quality.classes.clone(),
            without_key: quality.without_key.clone(),
            cycles: quality.cycles.clone(),
            files: quality.files.clone(),
            ..Quality::default()
        };
        assert_eq!(quality, empty);
        for area in Area::ALL {
            assert!(estate.all().filter(|ci| estate.class(*ci).area == Some(area)).count() >= 10, "{area:?}");
        }
    }

    #[test]
    fn an_estate_of_any_size_is_whole() {
        for n in 0..81 {
            let (racks, servers_per_rack) = (n % 3, n / 3 % 3);
            let scale = Scale { racks, servers_per_rack, vms_per_server: n / 9 % 3, applications: n / 27 * 2 };
            let estate = read_topology("estate", sample_estate(scale).as_bytes(), None, 1).expect("valid");
            assert_eq!(Quality::of(&estate).dangling.count, 0, "{scale:?}");
        }
    }

    #[test]
    fn redundancy_in_the_sample_estate_holds_until_both_halves_fail() {
        let estate = read_topology("estate", sample_estate(Scale::default()).as_bytes(), None, 1).expect("valid");
        let state = |from: &str, to: &str| {
            let (from, to) = (estate.find(from).expect(from), estate.find(to).expect(to));
            let limits = Limits { attenuation_min_pm: 1, ..Limits::default() };
            estate.impact(from, &limits).reached.iter().find(|r| r.ci == to).map(|r| r.state)
        };
        assert_eq!(state("ups-a1", "pdu-a01-1"), Some(ReachState::Hard));
        assert_eq!(state("ups-a1", "srv-a01-1"), Some(ReachState::Redundant));
        assert_eq!(state("ats-a", "srv-a01-1"), Some(ReachState::Hard));
        assert_eq!(state("fsu-a", "env-a1"), Some(ReachState::Visibility));
        assert_eq!(state("csw-a1", "tor-a01"), Some(ReachState::Redundant));
        assert_eq!(state("tor-a01", "srv-a01-1"), Some(ReachState::Hard));
        assert_eq!(state("tor-a01", "srv-b01-1"), None);
    }
}
