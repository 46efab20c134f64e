//! A sample estate of a government cloud: two data centres, all five managed-object areas, Chinese names.
//!
//! Deterministic: the same size gives the same text. The demo and the tests load it like any CMDB file.

use std::fmt::Write as _;

/// Departments (org id, Chinese name).
const ORGS: [(&str, &str); 8] = [
    ("hrss", "人社局"),
    ("tax", "税务局"),
    ("civil", "民政局"),
    ("estate", "不动产中心"),
    ("medical", "医保局"),
    ("police", "公安局"),
    ("traffic", "交通局"),
    ("edu", "教育局"),
];
const RACKS_PER_SITE: usize = 12;
const SERVERS_PER_RACK: usize = 8;
const VMS_PER_SERVER: usize = 5;

struct Estate {
    cis: Vec<String>,
    relations: Vec<String>,
}

impl Estate {
    fn ci(&mut self, id: &str, class: &str, name: &str, more: &str) {
        self.cis.push(format!(r#"{{"id":"{id}","class":"{class}","name":"{name}"{more}}}"#));
    }

    fn link(&mut self, from: &str, relation: &str, to: &str) {
        self.relations.push(format!(r#"{{"from":"{from}","to":"{to}","type":"{relation}"}}"#));
    }
}

/// The estate as a CMDB file (JSON, one CI or relation per line): about 1,700 CIs.
pub fn sample_estate() -> String {
    let mut estate = Estate { cis: Vec::new(), relations: Vec::new() };
    let mut vms = Vec::new();
    for (site, zh) in [("a", "东区"), ("b", "西区")] {
        facility(&mut estate, site, zh);
        for rack in 1..=RACKS_PER_SITE {
            vms.extend(rack_of(&mut estate, site, zh, rack));
        }
    }
    applications(&mut estate, &vms);
    let mut text = String::from("{\"cis\":[\n");
    let _ = write!(text, "{}\n],\"relations\":[\n{}\n]}}\n", estate.cis.join(",\n"), estate.relations.join(",\n"));
    text
}

/// Power, cooling, sensors, network and storage of one data centre.
fn facility(estate: &mut Estate, site: &str, zh: &str) {
    let place = format!(r#","site":"dc-{site}""#);
    estate.ci(&format!("dc-{site}"), "idc", &format!("{zh}数据中心"), &place);
    estate.ci(&format!("mains-{site}"), "utility_feed", &format!("{zh}市电"), &place);
    for n in 1..=2 {
        estate.ci(&format!("ups-{site}{n}"), "ups", &format!("{zh}UPS-{n}"), &place);
        estate.link(&format!("mains-{site}"), "powers", &format!("ups-{site}{n}"));
        estate.ci(&format!("crac-{site}{n}"), "crac", &format!("{zh}精密空调-{n}"), &place);
        estate.ci(&format!("csw-{site}{n}"), "core_switch", &format!("{zh}核心交换机-{n}"), &place);
        estate.ci(&format!("fw-{site}{n}"), "firewall", &format!("{zh}防火墙-{n}"), &place);
        estate.link(&format!("csw-{site}{n}"), "depends_on", &format!("fw-{site}{n}"));
        estate.ci(&format!("stor-{site}{n}"), "storage_array", &format!("{zh}存储-{n}"), &place);
        estate.link(&format!("csw-{site}{n}"), "connects", &format!("stor-{site}{n}"));
    }
    estate.ci(&format!("fsu-{site}"), "fsu", &format!("{zh}动环采集单元"), &place);
    for n in 1..=6 {
        estate.ci(&format!("env-{site}{n}"), "env_sensor", &format!("{zh}温湿度-{n}"), &place);
        estate.link(&format!("fsu-{site}"), "monitors", &format!("env-{site}{n}"));
    }
}

/// One rack with switch, power strips, servers and virtual machines; returns the machines.
fn rack_of(estate: &mut Estate, site: &str, zh: &str, rack: usize) -> Vec<String> {
    let at = format!("{site}{rack:02}");
    let place = format!(r#","site":"dc-{site}""#);
    estate.ci(&format!("rack-{at}"), "rack", &format!("{zh}机柜{rack:02}"), &place);
    estate.link(&format!("dc-{site}"), "contains", &format!("rack-{at}"));
    estate.link(&format!("crac-{site}{}", rack % 2 + 1), "cools", &format!("rack-{at}"));
    estate.ci(&format!("tor-{at}"), "access_switch", &format!("{zh}接入交换机{rack:02}"), &place);
    for n in 1..=2 {
        estate.ci(&format!("pdu-{at}-{n}"), "pdu", &format!("{zh}机柜{rack:02}PDU-{n}"), &place);
        estate.link(&format!("ups-{site}{n}"), "powers", &format!("pdu-{at}-{n}"));
        estate.link(&format!("csw-{site}{n}"), "uplinks", &format!("tor-{at}"));
    }
    let mut vms = Vec::new();
    for n in 1..=SERVERS_PER_RACK {
        let server = format!("srv-{at}-{n:02}");
        let more = format!(r#"{place},"keys":["10.{}.{rack}.{n}"]"#, if site == "a" { 1 } else { 2 });
        estate.ci(&server, "server", &format!("{zh}服务器{rack:02}-{n:02}"), &more);
        estate.link(&format!("rack-{at}"), "contains", &server);
        estate.link(&format!("tor-{at}"), "connects", &server);
        for feed in 1..=2 {
            estate.link(&format!("pdu-{at}-{feed}"), "powers", &server);
        }
        for v in 1..=VMS_PER_SERVER {
            let vm = format!("vm-{at}-{n:02}{v}");
            estate.ci(&vm, "vm", &format!("云主机{at}-{n:02}{v}"), &place);
            estate.link(&server, "hosts", &vm);
            estate.link(&vm, "stores_on", &format!("stor-{site}{}", (n + v) % 2 + 1));
            vms.push(vm);
        }
    }
    vms
}

/// Shared platforms, applications and public services of the departments, spread over the machines.
fn applications(estate: &mut Estate, vms: &[String]) {
    for (id, class, zh) in [("idp", "identity", "统一身份认证"), ("exchange", "data_exchange", "数据共享交换平台")]
    {
        estate.ci(id, class, zh, "");
        for n in 0..2 {
            estate.link(&vms[n * vms.len() / 2], "part_of", id);
        }
    }
    let mut next = 7;
    let mut machine = || {
        next = (next + 37) % vms.len();
        vms[next].clone()
    };
    for (org, zh) in ORGS {
        let of = format!(r#","org":"{org}","owner_team":"{org}-ops""#);
        for n in 1..=3 {
            let database = format!("db-{org}-{n}");
            estate.ci(&database, "database", &format!("{zh}数据库{n}"), &of);
            estate.link(&database, "runs_on", &machine());
            let queue = format!("mq-{org}-{n}");
            estate.ci(&queue, "mq", &format!("{zh}消息队列{n}"), &of);
            estate.link(&queue, "runs_on", &machine());
        }
        for n in 1..=12 {
            let app = format!("app-{org}-{n:02}");
            estate.ci(&app, "application", &format!("{zh}应用{n:02}"), &of);
            for i in 1..=3 {
                let instance = format!("inst-{org}-{n:02}{i}");
                estate.ci(&instance, "app_instance", &format!("{zh}应用{n:02}实例{i}"), &of);
                estate.link(&instance, "runs_on", &machine());
                estate.link(&instance, "part_of", &app);
            }
            estate.link(&app, "depends_on", &format!("db-{org}-{}", n % 3 + 1));
            estate.link(&app, "depends_on", &format!("mq-{org}-{}", n % 3 + 1));
            if n % 3 == 0 {
                estate.link("idp", "authenticates", &app);
                let service = format!("biz-{org}-{}", n / 3);
                estate.ci(&service, "biz_service", &format!("{zh}政务服务{}", n / 3), &of);
                for part in n - 2..=n {
                    estate.link(&format!("app-{org}-{part:02}"), "serves", &service);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::decode::topology::load;
    use crate::domain::topology::quality::Quality;
    use crate::lab::built_in::shipped_schema;

    #[test]
    fn the_sample_estate_is_whole() {
        let text = super::sample_estate();
        let estate = load(&[("estate", text.as_bytes())], shipped_schema(), None, 1).expect("valid");
        assert!(estate.len() > 1500, "{} CIs", estate.len());
        let quality = Quality::of(&estate);
        assert_eq!((quality.dangling.count, quality.unknown_classes.len()), (0, 0), "{quality:?}");
        assert_eq!(quality.cycles_unexpected, 0, "{quality:?}");
    }
}
