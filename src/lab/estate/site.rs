//! One data centre: power, cooling, sensors, network and security devices.

use super::{Ci, Estate};

/// Climate, leak, smoke and door sensors of a data centre.
const SENSORS: [(&str, &str, &str, &str, usize); 4] = [
    ("env_sensor", "env", "温湿度", "climate sensor", 12),
    ("leak_sensor", "leak", "漏水", "leak sensor", 4),
    ("smoke_sensor", "smoke", "烟感", "smoke sensor", 6),
    ("access_control", "door", "门禁", "door control", 3),
];

/// A data centre.
pub(super) struct Site {
    /// `a` or `b`: part of every id in it.
    pub(super) id: &'static str,
    pub(super) zh: &'static str,
    pub(super) en: &'static str,
    /// Second number of its addresses.
    pub(super) net: u8,
}

impl Site {
    pub(super) fn east() -> Self {
        Self { id: "a", zh: "东区", en: "east", net: 1 }
    }

    pub(super) fn west() -> Self {
        Self { id: "b", zh: "西区", en: "west", net: 2 }
    }

    /// Adds a CI of this data centre; returns its id.
    pub(super) fn add(&self, estate: &mut Estate, class: &str, id: String, (zh, en): (&str, &str)) -> String {
        self.add_with(estate, Ci { class, id: &id, zh, en, ..Ci::default() });
        id
    }

    /// The same with more said.
    pub(super) fn add_with(&self, estate: &mut Estate, ci: Ci<'_>) {
        let (zh, en) = (format!("{}{}", self.zh, ci.zh), format!("{} {}", self.en, ci.en));
        estate.ci(Ci { zh: &zh, en: &en, site: self.id, ..ci });
    }
}

/// Rooms, power, cooling and sensors.
pub(super) fn facility(estate: &mut Estate, site: &Site) {
    let s = site.id;
    let centre = site.add(estate, "idc", format!("dc-{s}"), ("数据中心", "data centre"));
    let zone = site.add(estate, "az", format!("az-{s}"), ("可用区", "availability zone"));
    let room = site.add(estate, "server_room", format!("room-{s}"), ("主机房", "server room"));
    for (from, to) in [("campus", &centre), (centre.as_str(), &room), ("region", &zone), (centre.as_str(), &zone)] {
        estate.link(from, "contains", to);
    }
    let mains = site.add(estate, "utility_feed", format!("mains-{s}"), ("市电", "mains"));
    let generator = site.add(estate, "generator", format!("gen-{s}"), ("柴发", "generator"));
    let ats = site.add(estate, "ats", format!("ats-{s}"), ("双电源切换", "transfer switch"));
    estate.link(&mains, "powers", &ats);
    estate.link(&generator, "powers", &ats);
    let chiller = site.add(estate, "chiller", format!("chiller-{s}"), ("冷机", "chiller"));
    for n in 1..=2 {
        let (zh, en) = (format!("UPS-{n}"), format!("UPS {n}"));
        let ups = site.add(estate, "ups", format!("ups-{s}{n}"), (&zh, &en));
        estate.link(&ats, "powers", &ups);
        let (zh, en) = (format!("蓄电池组-{n}"), format!("battery {n}"));
        let battery = site.add(estate, "battery", format!("bat-{s}{n}"), (&zh, &en));
        estate.link(&battery, "powers", &ups);
        let (zh, en) = (format!("列头柜-{n}"), format!("distribution board {n}"));
        let board = site.add(estate, "pdb", format!("pdb-{s}{n}"), (&zh, &en));
        estate.link(&ups, "powers", &board);
        let (zh, en) = (format!("精密空调-{n}"), format!("cooling unit {n}"));
        let crac = site.add(estate, "crac", format!("crac-{s}{n}"), (&zh, &en));
        estate.link(&chiller, "cools", &crac);
        estate.link(&crac, "cools", &room);
    }
    sensors(estate, site, &room);
}

fn sensors(estate: &mut Estate, site: &Site, room: &str) {
    let s = site.id;
    let fsu = site.add(estate, "fsu", format!("fsu-{s}"), ("动环采集单元", "facility gateway"));
    for (class, short, zh, en, count) in SENSORS {
        for n in 1..=count {
            let id = site.add(estate, class, format!("{short}-{s}{n}"), (&format!("{zh}-{n}"), &format!("{en} {n}")));
            estate.link(&fsu, "monitors", &id);
            estate.link(room, "contains", &id);
        }
    }
    for n in 1..=2 {
        for unit in ["ups", "crac"] {
            estate.link(&fsu, "monitors", &format!("{unit}-{s}{n}"));
        }
    }
}

/// Routers, switches, firewalls and other devices, with the pool behind the load balancer.
pub(super) fn network(estate: &mut Estate, site: &Site) {
    let (s, net) = (site.id, site.net);
    let device = |estate: &mut Estate, class: &str, id: String, names: (String, String), host: usize| {
        let ip = format!("10.{net}.0.{host}");
        site.add_with(
            estate,
            Ci { class, id: &id, zh: &names.0, en: &names.1, keys: &[&ip], criticality: 1, ..Ci::default() },
        );
        id
    };
    let two = |zh: &str, en: &str, n: usize| (format!("{zh}-{n}"), format!("{en} {n}"));
    let one = |zh: &str, en: &str| (zh.to_owned(), en.to_owned());
    let link = site.add(estate, "net_link", format!("link-{s}"), ("互联网出口链路", "internet link"));
    let mut cores = Vec::new();
    for n in 1..=2 {
        let router = device(estate, "router", format!("rt-{s}{n}"), two("出口路由器", "edge router", n), n);
        estate.link(&link, "connects", &router);
        estate.link("link-province", "connects", &router);
        let firewall = device(estate, "firewall", format!("fw-{s}{n}"), two("防火墙", "firewall", n), 10 + n);
        estate.link(&router, "connects", &firewall);
        let core = device(estate, "core_switch", format!("csw-{s}{n}"), two("核心交换机", "main switch", n), 20 + n);
        estate.link(&firewall, "protects", &core);
        cores.push(core);
    }
    estate.link(&cores[0], "connects", &cores[1]);
    let inline = [
        ("slb", "slb", "负载均衡", "load balancer"),
        ("waf", "waf", "WAF", "web firewall"),
        ("ids", "ids", "入侵检测", "intrusion detection"),
        ("bastion", "bastion", "堡垒机", "bastion"),
        ("log_audit", "audit", "日志审计", "log audit"),
        ("crypto_device", "hsm", "密码机", "crypto device"),
    ];
    for (n, (class, short, zh, en)) in inline.into_iter().enumerate() {
        let id = device(estate, class, format!("{short}-{s}"), one(zh, en), 30 + n);
        for core in &cores {
            estate.link(core, "connects", &id);
        }
    }
    estate.link(&format!("waf-{s}"), "protects", &format!("slb-{s}"));
    estate.link(&format!("ids-{s}"), "protects", &cores[0]);
}
