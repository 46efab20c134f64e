//! What people read: every channel's message in Chinese and English, as pages under docs/messages. `UPDATE_EXPECT=1` writes
//! them anew; the difference is looked at.

use std::fmt::Write as _;
use std::sync::Arc;

use headwater::delivery::contacts::Contacts;
use headwater::delivery::settings::{Common, ReceiverSettings, Settings, prepare};
use headwater::domain::ci::CiRef;
use headwater::domain::ids::IncidentId;
use headwater::domain::incident::{Candidate, Evidence, EvidenceTerm, IncidentView, Priority};
use headwater::domain::pass::Seal;
use headwater::domain::severity::Severity;
use headwater::domain::time::{Span, Timestamp};
use headwater::engine::effect::{Addressee, Notice, NoticeKind, RunbookLink};
use serde_json::{Value, json};

use crate::storms::project;

fn at() -> Timestamp {
    Timestamp::parse("2026-03-01T18:12:30Z").unwrap()
}

/// A night's incident as somebody is woken by it.
fn page(kind: NoticeKind) -> Notice {
    let mut incident = IncidentView::new(IncidentId(42), "default".into(), "UPS-1 输出中断,机柜 3 断电", at());
    let ci: CiRef = serde_json::from_value(json!({ "id": "ups-1", "name": "UPS-1", "class": "ups" })).unwrap();
    let evidence = |term, n, of, points| Evidence { term, points, n, of, about: "".into() };
    incident.candidates = vec![Candidate {
        ci: Arc::new(ci),
        alert: None,
        inferred: false,
        score: 873,
        evidence: vec![evidence(EvidenceTerm::Coverage, 17, 18, 2400), evidence(EvidenceTerm::TimeOrder, 4000, 0, 900)],
        rejected: false,
        possible: false,
    }]
    .into();
    (incident.severity, incident.priority, incident.version) = (Severity::Critical, Priority::P1, 3);
    (incident.alert_count, incident.firing_count, incident.ci_count, incident.event_count) = (18, 18, 12, 31);
    incident.services = vec!["社保查询".into(), "不动产登记".into(), "一网通办".into(), "公积金".into()].into();
    let to = Addressee { person: "li".into(), name: "李雷".into(), policy: "core".into(), level: 2 };
    let book = RunbookLink {
        title: "机房掉电处置".into(),
        url: "https://wiki.example/power".into(),
        steps: vec!["看市电与 ATS".into(), "确认 UPS-2 带载".into()],
    };
    Notice {
        key: "i0-42-3-duty-opened-li".into(),
        receiver: "duty".into(),
        kind,
        at: at().plus(Span::mins(10)),
        incident,
        rule: Some("vital".into()),
        changes: Vec::new(),
        digest: None,
        to: Some(Box::new(to)),
        told: vec!["韩梅".into(), "机房群".into()],
        runbooks: vec![book],
        action: None,
    }
}

/// Every kind, with settings that are nobody's.
fn receivers() -> Vec<Value> {
    let params = json!({ "level": "level", "what": "title", "cause": "cause", "count": "alerts" });
    let answers = json!({ "token": "t" });
    vec![
        json!({ "kind": "webhook", "url": "https://hook.example/", "secret": crate::receiver::SECRET }),
        json!({ "kind": "dingtalk", "url": "https://oapi.dingtalk.com/robot/send?access_token=x" }),
        json!({ "kind": "wecom", "url": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=x" }),
        json!({ "kind": "feishu", "url": "https://open.feishu.cn/open-apis/bot/v2/hook/x" }),
        json!({ "kind": "slack", "url": "https://hooks.slack.com/services/x", "signing_secret": "s" }),
        json!({ "kind": "teams", "url": "https://teams.example/workflows/x" }),
        json!({ "kind": "telegram", "token": "1:x", "callback_secret": "s" }),
        json!({ "kind": "discord", "url": "https://discord.com/api/webhooks/1/x" }),
        json!({ "kind": "ntfy", "topic": "noc" }),
        json!({ "kind": "mail", "server": "mail.example", "from": "Headwater <noc@example.org>" }),
        json!({ "kind": "gateway", "url": "https://sms.example/", "body": { "to": "{{ to[0] }}", "text": "{{ text }}" }, "answers": answers }),
        json!({ "kind": "aliyun_sms", "access_key_id": "id", "access_key_secret": "s", "sign_name": "某局", "template_code": "SMS_1", "params": params }),
        json!({ "kind": "aliyun_voice", "access_key_id": "id", "access_key_secret": "s", "tts_code": "TTS_1", "params": params }),
        json!({ "kind": "tencent_sms", "secret_id": "id", "secret_key": "s", "app_id": "1400", "sign_name": "某局", "template_id": "1",
                "params": ["level", "title", "alerts"] }),
        json!({ "kind": "smpp", "server": "centre.example", "security": "none", "system_id": "headwater", "password": "s" }),
        json!({ "kind": "pagerduty", "routing_key": "0123456789abcdef0123456789abcdef" }),
        json!({ "kind": "opsgenie", "api_key": "k" }),
        json!({ "kind": "feishu_app", "app_id": "cli_1", "app_secret": "s", "verification_token": "v" }),
        json!({ "kind": "wecom_app", "corp_id": "ww1", "agent_id": 7, "secret": "s", "token": "t",
                "aes_key": "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG" }),
        json!({ "kind": "dingtalk_app", "app_key": "ding1", "app_secret": "s", "card_template": "card.schema", "route_key": "r", "api_secret": "s" }),
        json!({ "kind": "jira", "server": "https://jira.example", "token": "t", "project": "OPS" }),
    ]
}

fn preview(own: &Value, language: &str, notice: &Notice, contacts: &Contacts) -> String {
    let mut own = own.clone();
    let shared = json!({ "id": own["kind"], "language": language, "allow_private": true });
    own.as_object_mut().unwrap().extend(shared.as_object().unwrap().clone());
    let settings: ReceiverSettings = serde_json::from_value(own.clone()).unwrap();
    let common = Common {
        settings: Settings::default(),
        base_url: "https://noc.example".into(),
        own_ports: Vec::new(),
        clock: Arc::new(|| at().plus(Span::mins(10))),
        contacts: contacts.clone(),
        seal: Seal::of(b"a key of documents, for nothing else"),
        pass_valid_for: Span::hours(24),
        bus: Default::default(),
    };
    let ready = prepare(&[settings], &common).unwrap_or_else(|errors| panic!("{own}: {errors:?}"));
    let channel = ready.into_values().next().unwrap().channel.unwrap();
    channel.preview(notice).unwrap_or_else(|why| panic!("{own}: {why}"))
}

#[tokio::test]
async fn every_message_stands_as_a_page_in_both_languages() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("contacts.yaml");
    std::fs::write(
        &file,
        "li: { mobile: \"13800000000\", mail: li@example.org, feishu: ou_1, feishu_app: ou_1, wecom_app: lilei, dingtalk_app: lilei, telegram: \"777\", ntfy: noc-li }",
    )
    .unwrap();
    let contacts = Contacts::open(&file).unwrap();
    let is_new = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = Vec::new();
    for own in receivers() {
        let kind = own["kind"].as_str().unwrap();
        let mut text = format!(
            "# `{kind}`\n\nA person is paged at night, at the second level; then it recovers. Made by a test from the program's own code.\n"
        );
        for (language, title) in [("zh", "中文"), ("en", "English")] {
            for (kind, what) in [(NoticeKind::Opened, "opened"), (NoticeKind::Recovered, "recovered")] {
                let shown = preview(&own, language, &page(kind), &contacts);
                let _ = write!(text, "\n## {title}: {what}\n\n```\n{shown}\n```\n");
            }
        }
        let path = project().join(format!("docs/messages/{kind}.md"));
        if is_new {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        if std::fs::read_to_string(&path).unwrap_or_default() != text {
            wrong.push(format!("docs/messages/{kind}.md"));
        }
    }
    assert!(wrong.is_empty(), "messages are otherwise now; look at them and set UPDATE_EXPECT=1: {wrong:?}");
}

#[tokio::test]
async fn a_receivers_own_texts_are_templates_and_what_an_alert_says_is_not() {
    let contacts = Contacts::default();
    let mut notice = page(NoticeKind::Opened);
    notice.incident.title = "{{ 7 * 7 }} {% raw %}".into();
    let own = json!({ "kind": "gateway", "url": "https://sms.example/", "to": "1", "body": { "title": "{{ title }}", "text": "{{ text }}" } });
    let mut with = own.clone();
    with["title"] = "{{ priority }}|{{ title }}|{{ cause }}|{{ services | length }}".into();
    with["text"] =
        "{% for book in runbooks %}{{ book.title }}{% endfor %} {{ told | join('/') }} {{ minutes }}min".into();
    notice.to = None;
    with["kind"] = "slack".into();
    for key in ["to", "body"] {
        with.as_object_mut().unwrap().remove(key);
    }
    let shown = preview(&with, "zh", &notice, &contacts);
    assert!(
        shown.contains("P1|{{ 7 * 7 }} {% raw %}|UPS-1|4") && shown.contains("机房掉电处置 韩梅/机房群 10min"),
        "{shown}"
    );
    // Wrong ones are told when the program starts, with what they may use.
    for wrong in ["{{ nothing }}", "{{ title", "{% include 'x' %}", "{% for i in range(1000000) %}{{ i }}{% endfor %}"]
    {
        let mut own = with.clone();
        own["text"] = wrong.into();
        own["id"] = "duty".into();
        let settings: ReceiverSettings = serde_json::from_value(own).unwrap();
        let common = Common {
            settings: Settings::default(),
            base_url: String::new(),
            own_ports: Vec::new(),
            clock: headwater::clock::machine(),
            contacts: Contacts::default(),
            seal: None,
            pass_valid_for: Span::hours(1),
            bus: Default::default(),
        };
        let errors = prepare(&[settings], &common).err().unwrap_or_else(|| panic!("{wrong} is taken"));
        assert!(errors[0].to_string().contains("text") && errors[0].to_string().contains("runbooks"), "{}", errors[0]);
    }
}
