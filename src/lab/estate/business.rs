//! Shared platforms, and the departments' applications and public services on top of them.

use super::cloud::Machines;
use super::{Ci, Estate, Scale};

/// Departments: org id, Chinese and English name.
const ORGS: [(&str, &str, &str); 8] = [
    ("hrss", "人社局", "human resources"),
    ("tax", "税务局", "tax"),
    ("civil", "民政局", "civil affairs"),
    ("estate", "不动产中心", "real estate"),
    ("medical", "医保局", "medical insurance"),
    ("police", "公安局", "police"),
    ("traffic", "交通局", "traffic"),
    ("edu", "教育局", "education"),
];
/// The city's own department for shared platforms.
const CITY: &str = "city";
/// Databases, caches and queues of each department.
const STORES: usize = 2;
/// Pods of each container workload.
const PODS_PER_WORKLOAD: usize = 3;

/// Deals out places to run, evenly over both data centres.
struct Dealer<'m> {
    machines: &'m [Machines],
    next: usize,
}

impl Dealer<'_> {
    /// Lets something run on the next machine, in the data centres by turns; far from the one before. A very small
    /// estate has no machines.
    fn run(&mut self, estate: &mut Estate, what: &str) {
        let site = &self.machines[self.next % self.machines.len()];
        self.next += 1;
        if let Some(vm) = site.vms.get((self.next * 37) % site.vms.len().max(1)) {
            estate.link(what, "runs_on", vm);
        }
    }
}

/// Identity, exchange, names, time and the like.
pub(super) fn platforms(estate: &mut Estate, machines: &[Machines]) {
    let mut dealer = Dealer { machines, next: 0 };
    let shared = [
        ("identity", "idp", "统一身份认证", "identity platform"),
        ("data_exchange", "exchange", "数据共享交换平台", "exchange platform"),
        ("sms_gateway", "sms", "短信网关", "SMS gateway"),
        ("api_gateway", "gateway", "政务服务网关", "API gateway"),
        ("hids", "hids", "主机安全平台", "host security"),
    ];
    for (class, id, zh, en) in shared {
        let name = format!("{id}.gov.example");
        let keys = [name.as_str()];
        estate.ci(Ci { class, id, zh, en, keys: &keys, org: CITY, criticality: 1, ..Ci::default() });
        for n in 1..=2 {
            let instance = format!("{id}-{n}");
            let (zh, en) = (format!("{zh}实例{n}"), format!("{en} instance {n}"));
            estate.ci(Ci { class: "app_instance", id: &instance, zh: &zh, en: &en, org: CITY, ..Ci::default() });
            dealer.run(estate, &instance);
            estate.link(&instance, "part_of", id);
        }
    }
    let cert =
        Ci { class: "cert", id: "cert-portal", zh: "政务门户证书", en: "portal certificate", ..Ci::default() };
    estate.ci(Ci { org: CITY, keys: &["portal.gov.example"], criticality: 5, ..cert });
    estate.link("gateway", "depends_on", "cert-portal");
    for site in machines {
        let s = site.site;
        estate.link("idp", "depends_on", &format!("hsm-{s}"));
        for (class, short, zh, en) in [("dns", "dns", "域名解析", "name server"), ("ntp", "ntp", "授时", "time server")]
        {
            let (id, zh, en) = (format!("{short}-{s}"), format!("{zh}-{s}"), format!("{en} {s}"));
            estate.ci(Ci { class, id: &id, zh: &zh, en: &en, org: CITY, site: s, ..Ci::default() });
            if let Some(vm) = site.vms.get(5).or(site.vms.last()) {
                estate.link(&id, "runs_on", vm);
            }
        }
        estate.link(&format!("ntp-{s}"), "syncs_time", "idp");
        estate.link(&format!("slb-{s}"), "load_balances", "gateway-1");
        estate.link(&format!("slb-{s}"), "load_balances", "gateway-2");
    }
}

/// Everything of the departments.
pub(super) fn departments(estate: &mut Estate, machines: &[Machines], scale: Scale) {
    let mut dealer = Dealer { machines, next: 11 };
    let mut pods: Vec<&String> = machines.iter().flat_map(|m| &m.pods).collect();
    for org in ORGS {
        stores(estate, org, &mut dealer);
        for n in 1..=scale.applications {
            application(estate, org, n, &mut dealer);
            if n.is_multiple_of(2) {
                workload(estate, org, n, &mut pods);
            }
            if n.is_multiple_of(3) {
                public_service(estate, org, n);
            }
        }
    }
}

/// Databases with a primary and a copy, caches and queues.
fn stores(estate: &mut Estate, (org, zh, en): (&str, &str, &str), dealer: &mut Dealer<'_>) {
    let add = |estate: &mut Estate, class: &str, id: String, names: (String, String)| {
        estate.ci(Ci { class, id: &id, zh: &names.0, en: &names.1, org, ..Ci::default() });
        id
    };
    for n in 1..=STORES {
        let database =
            add(estate, "database", format!("db-{org}-{n}"), (format!("{zh}数据库{n}"), format!("{en} database {n}")));
        let mut pair = Vec::new();
        for (role, zh_role) in [("primary", "主"), ("standby", "备")] {
            let names = (format!("{zh}数据库{n}{zh_role}库"), format!("{en} database {n} {role}"));
            let instance = add(estate, "db_instance", format!("db-{org}-{n}-{role}"), names);
            dealer.run(estate, &instance);
            estate.link(&instance, "part_of", &database);
            pair.push(instance);
        }
        estate.link(&pair[1], "replicates", &pair[0]);
        for (class, short, zh_what, en_what) in [("cache", "cache", "缓存", "cache"), ("mq", "mq", "消息队列", "queue")]
        {
            let names = (format!("{zh}{zh_what}{n}"), format!("{en} {en_what} {n}"));
            let id = add(estate, class, format!("{short}-{org}-{n}"), names);
            dealer.run(estate, &id);
        }
    }
}

/// An application with two services, each of two instances, over the department's stores.
fn application(estate: &mut Estate, (org, zh, en): (&str, &str, &str), n: usize, dealer: &mut Dealer<'_>) {
    let app = format!("app-{org}-{n:02}");
    let host = format!("{app}.gov.example");
    let (zh, en) = (format!("{zh}应用{n:02}"), format!("{en} application {n:02}"));
    let criticality = if n.is_multiple_of(3) { 1 } else { 3 };
    estate.ci(Ci {
        class: "application",
        id: &app,
        zh: &zh,
        en: &en,
        keys: &[&host],
        org,
        criticality,
        ..Ci::default()
    });
    for (part, zh_part) in [("web", "前端"), ("api", "接口")] {
        let unit = format!("svc-{org}-{n:02}-{part}");
        let (zh, en) = (format!("{zh}{zh_part}"), format!("{en} {part}"));
        estate.ci(Ci { class: "app_service", id: &unit, zh: &zh, en: &en, org, ..Ci::default() });
        estate.link(&app, "depends_on", &unit);
        for i in 1..=2 {
            let instance = format!("inst-{org}-{n:02}-{part}{i}");
            let (zh, en) = (format!("{zh}实例{i}"), format!("{en} instance {i}"));
            estate.ci(Ci { class: "app_instance", id: &instance, zh: &zh, en: &en, org, ..Ci::default() });
            dealer.run(estate, &instance);
            estate.link(&instance, "part_of", &unit);
        }
    }
    let store = n % STORES + 1;
    estate.link(&format!("svc-{org}-{n:02}-web"), "calls", &format!("svc-{org}-{n:02}-api"));
    for kind in ["db", "mq", "cache"] {
        estate.link(&format!("svc-{org}-{n:02}-api"), "depends_on", &format!("{kind}-{org}-{store}"));
    }
    if n.is_multiple_of(3) {
        estate.link("idp", "authenticates", &app);
        estate.link(&app, "depends_on", "gateway");
    }
    if n.is_multiple_of(4) {
        estate.link(&app, "calls", "exchange");
    }
    for s in ["a", "b"] {
        estate.link(&format!("dns-{s}"), "resolves", &app);
    }
}

/// A part of the application that runs in containers.
fn workload(estate: &mut Estate, (org, zh, en): (&str, &str, &str), n: usize, pods: &mut Vec<&String>) {
    let id = format!("work-{org}-{n:02}");
    let (zh, en) = (format!("{zh}应用{n:02}容器"), format!("{en} application {n:02} workload"));
    let key = format!("{org}/{id}");
    estate.ci(Ci { class: "k8s_workload", id: &id, zh: &zh, en: &en, keys: &[&key], org, ..Ci::default() });
    for _ in 0..PODS_PER_WORKLOAD {
        // Every seventh pod left: those of one workload stand on several nodes.
        if pods.is_empty() {
            break;
        }
        let pod = pods.remove(7 % pods.len());
        estate.link(pod, "part_of", &id);
    }
    estate.link(&format!("app-{org}-{n:02}"), "depends_on", &id);
}

/// What people use: three applications together.
fn public_service(estate: &mut Estate, (org, zh, en): (&str, &str, &str), n: usize) {
    let id = format!("biz-{org}-{}", n / 3);
    let (zh, en) = (format!("{zh}政务服务{}", n / 3), format!("{en} public service {}", n / 3));
    estate.ci(Ci { class: "biz_service", id: &id, zh: &zh, en: &en, org, criticality: 1, ..Ci::default() });
    for part in n - 2..=n {
        estate.link(&format!("app-{org}-{part:02}"), "serves", &id);
    }
}
