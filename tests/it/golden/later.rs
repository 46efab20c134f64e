//! What came after the tale: orders, answers and effects of executors, service levels and storms, beside it.

use headwater::domain::ids::{IncidentId, TenantId};
use headwater::domain::incident::IncidentView;
use headwater::domain::time::Timestamp;
use headwater::engine::effect::Effect;
use headwater::engine::input::{Command, Delivered, DeliveryOutcome, Input, Order};
use serde_json::{Value, json};

use super::tale::{PARTITION, TENANT};

/// 2026-01-05T00:00:00Z.
const AT: Timestamp = Timestamp(1_767_571_200_000);

fn id() -> IncidentId {
    IncidentId((u64::from(PARTITION) << 48) + 1)
}

/// Journal records by their names.
pub fn inputs() -> Vec<(&'static str, Input)> {
    let report = json!({ "result": "done", "text": "已重启" });
    let orders = [
        ("37-approve", json!({ "order": "approve", "incident": id(), "action": "i7-1.1" })),
        ("38-deny", json!({ "order": "deny", "incident": id(), "action": "" })),
        (
            "39-report_action",
            json!({ "order": "report_action", "incident": id(), "action": "i7-1.1", "report": report }),
        ),
        ("40-tell_held", json!({ "order": "tell_held", "receiver": "duty" })),
        ("41-tell_held_to_all", json!({ "order": "tell_held" })),
        ("47-ticket", json!({ "order": "ticket", "incident": id(), "receiver": "jira" })),
        ("42-end_override", json!({ "order": "end_override", "id": 3 })),
        ("43-noted", json!({ "order": "noted", "what": "token_made", "about": "viewer", "detail": "wang.li" })),
        (
            "50-closed_with_findings",
            json!({ "order": "close", "incident": id(), "note": "", "findings": { "cause": "空调停机", "solution": "切换备机", "category": "动环" } }),
        ),
        ("51-conclude", json!({ "order": "conclude", "incident": id(), "findings": { "impact": "一个机柜" } })),
        ("52-declare_major", json!({ "order": "declare_major", "incident": id(), "note": "全省受影响" })),
        ("53-revoke_major", json!({ "order": "revoke_major", "incident": id(), "note": "" })),
        ("54-review", json!({ "order": "review", "incident": id(), "review": "published", "text": "# 复盘" })),
        (
            "56-learn",
            json!({ "order": "learn", "entries": [{ "id": "kb-1", "title": "温度过高", "class": "rack", "area": "facility",
                "findings": { "solution": "先看空调" }, "url": "https://wiki.example/1" }] }),
        ),
        ("57-unlearn", json!({ "order": "unlearn", "key": "kb-1" })),
        (
            "58-verify_address",
            json!({ "order": "verify_address", "person": "li", "way": "mobile", "print": "0011223344556677" }),
        ),
        ("59-revoke_calendar", json!({ "order": "revoke_calendar", "roster": "core" })),
        (
            "45-for_alert",
            json!({ "order": "for_alert", "source": "pd", "key": "d1", "deed": { "deed": "acknowledge" } }),
        ),
        (
            "46-for_alert_comment",
            json!({ "order": "for_alert", "source": "pd", "key": "d1", "deed": { "deed": "comment", "text": "已在处理" } }),
        ),
    ];
    let command = |order: Value| {
        let order: Order = serde_json::from_value(order).unwrap();
        Input::Command(Command {
            tenant: TenantId::from(TENANT),
            actor: "wang.li".into(),
            id: "c-1".into(),
            via: "sms".into(),
            order,
        })
    };
    let mut inputs: Vec<(&str, Input)> = orders.into_iter().map(|(name, order)| (name, command(order))).collect();
    let answered: Delivered =
        serde_json::from_value(json!({ "tenant": TENANT, "incident": id(), "receiver": "ansible",
        "key": "i7-1.1-ansible-action", "outcome": { "outcome": "accepted" }, "attempts": 1, "report": report }))
        .unwrap();
    inputs.push(("44-answered", Input::Delivered(answered.clone())));
    let batch = json!({ "input": "batch", "tenant": TENANT, "events": [{ "tenant": TENANT, "source": "prometheus", "severity": "critical",
        "name": "HighLoad", "object": { "name": "web-1" }, "starts_at": AT.0, "observed_at": AT.0, "expires_at": AT.0 + 240_000 }] });
    inputs.push(("47-an_event_that_expires", serde_json::from_value(batch).unwrap()));
    let batch = json!({ "input": "batch", "tenant": TENANT, "events": [{ "tenant": TENANT, "source": "zabbix", "severity": "critical",
        "name": "HighLoad", "object": { "name": "web-1" }, "starts_at": AT.0, "observed_at": AT.0, "acknowledged_by": "李伟" }] });
    inputs.push(("48-an_event_that_says_who_has_it", serde_json::from_value(batch).unwrap()));
    let batch = json!({ "input": "batch", "tenant": TENANT, "events": [{ "tenant": TENANT, "source": "zabbix", "severity": "critical",
        "name": "HighLoad", "object": { "name": "web-1" }, "starts_at": AT.0, "observed_at": AT.0, "test": "8d1f" }] });
    inputs.push(("49-a_test", serde_json::from_value(batch).unwrap()));
    let receipt = json!({ "to": "138***00", "said": "sms-77" });
    let receipt = Delivered { report: None, receipt: serde_json::from_value(receipt).unwrap(), ..answered };
    let (outcome, attempts, person) = (DeliveryOutcome::Unverified, 0, Some("li".into()));
    let unverified = Delivered { outcome, attempts, person, receipt: None, ..receipt.clone() };
    inputs.push(("55-receipt", Input::Delivered(receipt)));
    inputs.push(("60-unverified", Input::Delivered(unverified)));
    let digest = "9372c470eeadd5ecd9c3c74c2b3cb633f8e2f2fad799250a0f70d652b6b825e4";
    let tried = json!({ "input": "shadow", "tenant": TENANT, "rules": digest, "in_place_of": 4711, "author": "li", "reason": "试运行" });
    inputs.push(("58-a_trial_in_place_of_another", serde_json::from_value(tried).unwrap()));
    inputs
}

/// An outbox record: an incident with an action and a clock, the request, and the summary of a storm.
pub fn effects() -> Vec<Effect> {
    let ci = json!({ "id": "srv-1", "name": "srv-1", "class": "server" });
    let action = json!({ "id": "i7-1.1", "rule": "restart", "run": "restart", "with": { "unit": "nginx" }, "executor": "ansible", "ci": ci,
        "state": "requested", "at": AT.0, "due": AT.0 + 600_000, "by": "li", "answer": 600_000, "escalate": ["boss"] });
    let held = json!({ "id": "i7-1.2", "rule": "restart", "run": "restart", "executor": "ansible", "ci": ci, "state": "held_back", "at": AT.0,
        "held": { "limit": "cool_down", "until": AT.0 + 3_600_000 }, "answer": 600_000 });
    let level = json!({ "kind": "acknowledge", "rule": "vital", "limit": 900_000, "since": AT.0, "near": AT.0 + 720_000, "due": AT.0 + 900_000 });
    let mut view =
        serde_json::to_value(IncidentView::new(id(), TenantId::from(TENANT), "机柜 3 温度过高", AT)).unwrap();
    view["actions"] = json!([action, held]);
    view["levels"] = json!([level]);
    let notice = |key: &str, more: Value| {
        let mut notice = json!({ "key": key, "receiver": "ansible", "kind": "action", "at": AT.0, "incident": view });
        notice.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "effect": "notify", "notice": notice })
    };
    let storm = json!({ "since": AT.0, "incidents": 40, "is_over": true });
    let all = [
        json!({ "effect": "incident", "incident": view }),
        notice("i7-1.1-ansible-action", json!({ "action": "i7-1.1" })),
        notice(
            "i7-1-1-room-digest-1767571200",
            json!({ "kind": "digest", "receiver": "room", "digest": { "messages": 0, "lines": [], "storm": storm } }),
        ),
    ];
    all.into_iter().map(|effect| serde_json::from_value(effect).unwrap()).collect()
}

/// Effects of how an incident ends.
pub fn endings() -> Vec<Effect> {
    let mut view =
        serde_json::to_value(IncidentView::new(id(), TenantId::from(TENANT), "机柜 3 温度过高", AT)).unwrap();
    view["conclusion"] = json!({ "findings": { "cause": "空调停机" }, "by": "li", "at": AT.0 });
    view["major"] = json!({ "since": AT.0, "by": "rule:vital" });
    view["review"] = json!("draft");
    let notice = json!({ "key": "i7-1-2-leaders", "receiver": "leaders", "kind": "updated", "at": AT.0, "changes": ["major"], "incident": view });
    let all = [json!({ "effect": "incident", "incident": view }), json!({ "effect": "notify", "notice": notice })];
    all.into_iter().map(|effect| serde_json::from_value(effect).unwrap()).collect()
}
