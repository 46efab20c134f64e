//! A night's work for pictures: a storm, duties, tickets, and what people of a shift do about it.

use chrono::{TimeDelta, Utc};
use reqwest::Method;
use serde_json::{Value, json};

use super::served::Served;
use super::{largest, tickets};

/// What people, duties and routes there are.
const RULES: &str = r#"
contact_plans: [{ id: default, steps: [{ by: [sms] }] }]
people: [{ id: zhao, name: 赵敏 }, { id: qian, name: 钱进 }, { id: sun, name: 孙立 }]
rosters:
  - { id: core, zone: Asia/Shanghai, layers: [{ name: always, people: [zhao, qian, sun], starts: "2026-01-05 08:00", every: 3d }] }
  - { id: database, zone: Asia/Shanghai, layers: [{ name: week, people: [qian, sun], starts: "2026-01-05 09:00", every: 1w }] }
escalations: [{ id: core, levels: [{ to: [{ roster: core }], wait: 10m }, { to: [{ backup: core }], wait: 10m }], fallback: [itsm] }]
service_levels: [{ id: vital, match: { priority: P1 }, acknowledge: 15m, resolve: 4h }]
runbooks: [{ id: power, title: 掉电处置手册, match: { name: like Power* }, url: "https://wiki.example/power", steps: [先看市电, 再看 UPS] }]
routes: [{ id: all, receivers: [itsm, sms, { oncall: core }] }]
"#;
/// More incidents than that are told in summaries, but for the ticket system.
const STORM_MODE: &str = "settings:\n  storm_mode: { incidents: 8, within: 10m, apart: [itsm] }\n";
/// What is tried beside: pods are evicted because of something else.
const QUIETER: &str = r#"
mute: [{ id: evictions, owner: chen.wei, note: 节点驱逐随节点故障处理, match: { name: Evicted }, expires: "2027-01-31" }]
"#;
/// How much of the storm comes.
const EVENTS: std::ops::Range<usize> = 0..902;

/// The program, somebody who may do everything, and people of the shift.
struct Estate {
    served: Served,
    admin: String,
    operator: String,
    analyst: String,
}

impl Estate {
    async fn order(&self, incident: &Value, word: &str, body: Value) {
        let id = incident["id"].as_str().unwrap();
        self.served.send(Method::POST, &self.operator, &format!("/api/v1/incidents/{id}/{word}"), &body).await;
    }

    async fn operator(&self, path: &str, body: Value) {
        self.served.send(Method::POST, &self.operator, path, &body).await;
    }

    /// Duties and routes, what is tried beside them, and then the storm.
    async fn storm(&self) {
        let mut files = self.served.get(&self.admin, "/api/v1/rules").await["files"].clone();
        for text in files.as_object_mut().unwrap().values_mut() {
            let own = text.as_str().unwrap().split("\nroutes:").next().unwrap().replace("settings:\n", STORM_MODE);
            *text = json!(own);
        }
        files["estate.yaml"] = json!(RULES);
        let rules = json!({ "files": files, "reason": "值班与工单" });
        self.served.send(Method::PUT, &self.admin, "/api/v1/rules", &rules).await;
        files["quieter.yaml"] = json!(QUIETER);
        let trial = json!({ "files": files, "reason": "夜间少打扰" });
        self.served.send(Method::PUT, &self.analyst, "/api/v1/shadow", &trial).await;
        self.served.storm(EVENTS).await;
        let bad = |name: &str, at: &str| json!({ "name": name, "severity": "major", "object": { "name": "a" }, "starts_at": at });
        let fan = json!({ "name": "Fan is slow", "severity": "warning", "object": { "name": "fan-1" }, "starts_at": "2026-01-05T00:00:00Z" });
        self.served.events(&[bad("x", "no time"), bad("", "2026-01-05T00:00:00Z"), fan]).await;
    }

    /// Incidents are taken, closed and spoken of.
    async fn handle(&self, large: &Value) {
        let list = self.served.get(&self.admin, "/api/v1/incidents?limit=500&sort=urgent").await;
        let others: Vec<Value> = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["id"] != large["id"] && !one["root"].is_null())
            .cloned()
            .collect();
        self.order(large, "acknowledge", json!({})).await;
        self.order(large, "assign", json!({ "assignee": "赵敏" })).await;
        self.order(large, "comment", json!({ "text": "PDU 已断电，现场在换备用回路" })).await;
        for one in &others[..4] {
            self.order(one, "acknowledge", json!({})).await;
        }
        self.order(&others[4], "assign", json!({ "assignee": "钱进" })).await;
        for one in &others[..2] {
            self.order(one, "root", json!({ "verdict": "confirm", "ci": one["root"]["ci"]["id"] })).await;
        }
        self.order(&others[5], "snooze", json!({ "until": hence(1) })).await;
        self.order(&others[0], "close", json!({ "text": "更换内存后恢复" })).await;
        self.order(&others[2], "close", json!({ "text": "证书已续期" })).await;
        let false_alarm = json!({ "says": "false_alarm", "about": others[3]["id"], "note": "演练" });
        self.operator("/api/v1/feedback", false_alarm).await;
        self.operator(
            "/api/v1/feedback",
            json!({ "says": "missed", "about": "host-00031", "note": "风扇停转没有告警" }),
        )
        .await;
    }

    /// What is quiet for a while, and who may sign in.
    async fn arrange(&self) {
        for (ci, hours, comment) in [
            ("host-00009", 8, "已知：风扇待更换"),
            ("kingbase-0009", 2, "主从切换演练"),
            ("apisix-0017", 24, "证书续期中"),
        ] {
            let silence =
                json!({ "matchers": [[{ "field": "ci", "value": ci }]], "ends_at": hence(hours), "comment": comment });
            self.operator("/api/v1/silences", silence).await;
        }
        let windows = [
            ("mw-power", "更换 PDU", "host-00007", json!(["sat", "sun"]), "22:00-06:00"),
            ("mw-network", "核心交换机升级", "csw-00000", json!(["tue"]), "00:30-04:00"),
            ("mw-backup", "数据库备份", "kingbase-0006", json!(["mon", "wed", "fri"]), "01:00-03:00"),
        ];
        for (id, note, ci, days, at) in windows {
            let schedule = json!({ "weekly": { "days": days, "at": at }, "zone": "Asia/Shanghai" });
            let window = json!({ "id": id, "note": note, "match": { "ci": ci }, "schedule": schedule, "reason": note });
            self.operator("/api/v1/windows", window).await;
        }
        for (name, role) in [("grafana", "viewer"), ("sun.li", "operator"), ("zabbix", "source")] {
            self.served.send(Method::POST, &self.admin, "/api/v1/tokens", &json!({ "name": name, "role": role })).await;
        }
        for (name, kind, owner) in [("monitors", "stormgen", "监控组"), ("zabbix", "zabbix", "网络组")] {
            let source = json!({ "kind": kind, "owner": owner, "note": "", "expected": { "every_secs": 600, "grace_secs": 60 } });
            self.served.send(Method::PUT, &self.admin, &format!("/api/v1/sources/{name}"), &source).await;
        }
    }
}

fn hence(hours: i64) -> String {
    (Utc::now() + TimeDelta::hours(hours)).to_rfc3339()
}

/// A program in which a shift has worked: its token and the incident that was worked on.
pub async fn worked() -> (Served, String, String) {
    let numbers = (1..400).map(|n| (format!("CHG-{n:04}"), format!("https://itsm.example/{n}"))).collect();
    let served = Served::start_with(&tickets::settings(tickets::system(numbers).await, &["itsm", "sms"]));
    let [admin, operator, analyst] = [("admin", "wang.fang"), ("operator", "li.na"), ("analyst", "chen.wei")]
        .map(|(role, name)| served.token(role, name));
    let estate = Estate { served, admin, operator, analyst };
    estate.storm().await;
    let large = largest(&estate.served, &estate.admin).await;
    // Long enough for their model to have judged some.
    for object in ["host-00007", "host-00011", "kingbase-0006"] {
        estate.served.points(&super::series::readings(object, 150)).await;
    }
    estate.handle(&large).await;
    estate.arrange().await;
    let incident = large["id"].as_str().unwrap().to_owned();
    (estate.served, estate.admin, incident)
}
