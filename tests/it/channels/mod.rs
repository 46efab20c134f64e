//! Every channel against the other end that its documents describe: what is sent is taken, and each way of saying no
//! means what it should.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use headwater::clock::machine;
use headwater::delivery::contacts::Contacts;
use headwater::delivery::settings::{Common, ReceiverSettings, Settings, prepare};
use headwater::delivery::{Attempt, Channel};
use headwater::domain::time::Span;
use headwater::engine::effect::{Notice, NoticeKind};
use serde_json::{Value, json};

use crate::delivery::notice;
use crate::storms::project;

mod apps;
mod deeds;
mod fakes;
mod library;
mod people;
mod previews;
mod smpp;
mod sms;
mod smtp;
mod tickets;

use fakes::{Running, SECRET, TOKEN};

/// Every kind of receiver, as the configuration's schema has them.
pub fn kinds() -> BTreeSet<String> {
    fn collect(value: &Value, found: &mut BTreeSet<String>) {
        if let Some(kind) = value.pointer("/properties/kind/const").and_then(Value::as_str) {
            found.insert(kind.to_owned());
        }
        match value {
            Value::Object(map) => map.values().for_each(|one| collect(one, found)),
            Value::Array(all) => all.iter().for_each(|one| collect(one, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let schema = std::fs::read_to_string(project().join("docs/schema/config.json")).unwrap();
    let mut found = BTreeSet::new();
    collect(serde_json::from_str::<Value>(&schema).unwrap().pointer("/$defs/Receiver").unwrap(), &mut found);
    found
}

/// What an alert's sender could write to make others click, be called or run something.
const HOSTILE: &str = "<script>alert(1)</script> [登录](http://evil.example) @all <@U1> <!channel> **磁盘** `rm -rf` {{ secret }} \u{202e}";

/// How each kind of receiver is set up against the fakes.
fn receivers(fakes: &Running) -> Vec<Value> {
    let url = |path: &str| fakes.url(path);
    let params = json!({ "level": "level", "what": "title", "cause": "cause", "count": "alerts" });
    let key = json!({ "access_key_id": "id", "access_key_secret": SECRET, "params": params });
    let with = |own: Value, more: &Value| {
        let mut own = own;
        own.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        own
    };
    vec![
        json!({ "kind": "dingtalk", "url": url(&format!("/dingtalk/robot/send?access_token={TOKEN}")), "secret": SECRET,
                "keyword": "告警", "mention": ["13800000000"] }),
        json!({ "kind": "wecom", "url": url(&format!("/wecom/cgi-bin/webhook/send?key={TOKEN}")) }),
        json!({ "kind": "wecom", "url": url(&format!("/wecom/cgi-bin/webhook/send?key={TOKEN}")), "mention": ["@all"] }),
        json!({ "kind": "feishu", "url": url("/feishu/open-apis/bot/v2/hook/1"), "secret": SECRET, "keyword": "告警",
                "mention": ["all"] }),
        json!({ "kind": "slack", "url": url(&format!("/slack/services/{TOKEN}")) }),
        json!({ "kind": "teams", "url": url("/teams/workflows/1") }),
        json!({ "kind": "telegram", "server": url("/telegram"), "token": format!("123456:{TOKEN}"), "chat": "-100" }),
        json!({ "kind": "discord", "url": url(&format!("/discord/api/webhooks/1/{TOKEN}")) }),
        json!({ "kind": "ntfy", "server": url("/ntfy"), "topic": "noc", "token": TOKEN }),
        json!({ "kind": "pagerduty", "url": url("/pagerduty/v2/enqueue"), "routing_key": TOKEN }),
        json!({ "kind": "opsgenie", "url": url("/opsgenie/v2/alerts"), "api_key": TOKEN }),
        json!({ "kind": "servicenow_em", "server": url("/servicenow-em"), "user": "hw", "password": TOKEN }),
        json!({ "kind": "cloud_mas", "url": url("/mas/sms/norsubmit"), "ec_name": "某局", "ap_id": "hw", "secret_key": TOKEN,
                "sign": "abc", "to": ["13800000000", "13900000000"] }),
        with(
            json!({ "kind": "aliyun_sms", "url": url("/aliyun/"), "to": "13800000000", "sign_name": "某局",
                     "template_code": "SMS_1" }),
            &key,
        ),
        with(json!({ "kind": "aliyun_voice", "url": url("/aliyun/"), "to": "13800000000", "tts_code": "TTS_1" }), &key),
        json!({ "kind": "tencent_sms", "url": url("/tencent"), "secret_id": "id", "secret_key": SECRET, "to": "+8613800000000",
                "app_id": "1400", "sign_name": "某局", "template_id": "1", "params": ["level", "title", "alerts"] }),
    ]
}

/// A yes is a yes, whatever the system calls the message.
pub fn yes(attempt: Attempt) -> Attempt {
    if matches!(attempt, Attempt::Noted { .. }) { Attempt::Accepted } else { attempt }
}

/// Sends through a receiver as it would be configured.
async fn send(own: &Value, notice: &Notice) -> Attempt {
    let mut own = own.clone();
    own.as_object_mut().unwrap().insert("id".into(), "hook".into());
    send_to(&own, notice, &Contacts::default()).await
}

/// The same for people whose addresses stand in a file.
async fn send_to(own: &Value, notice: &Notice, contacts: &Contacts) -> Attempt {
    yes(channel(own, contacts).send(notice).await)
}

/// A receiver's channel as it would be configured.
fn channel(own: &Value, contacts: &Contacts) -> Arc<dyn Channel> {
    let mut own = own.clone();
    let common_settings = json!({ "allow_private": true, "timeout": "2s" });
    own.as_object_mut().unwrap().extend(common_settings.as_object().unwrap().clone());
    let settings: ReceiverSettings =
        serde_json::from_value(own.clone()).unwrap_or_else(|error| panic!("{own}: {error}"));
    let common = Common {
        settings: Settings::default(),
        base_url: "https://noc.example".into(),
        own_ports: Vec::new(),
        clock: machine(),
        contacts: contacts.clone(),
        seal: None,
        pass_valid_for: Span::hours(24),
        bus: Default::default(),
    };
    let ready = prepare(&[settings], &common).unwrap_or_else(|errors| panic!("{own}: {errors:?}"));
    ready.into_values().next().unwrap().channel.unwrap()
}

fn hostile(kind: NoticeKind, length: usize) -> Notice {
    let mut notice = notice(7, 3, kind, "hook");
    notice.incident.title = format!("核心交换机 {HOSTILE} {}", "掉电".repeat(length)).into();
    notice.incident.services = (0..40).map(|n| format!("业务 {n} {HOSTILE}").into()).collect();
    notice
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_system_takes_what_it_is_sent_however_long_and_hostile() {
    let fakes = Running::start().await;
    for own in receivers(&fakes) {
        for kind in [NoticeKind::Opened, NoticeKind::Reminder, NoticeKind::Recovered, NoticeKind::Closed] {
            for length in [1, 30, 3000] {
                let attempt = send(&own, &hostile(kind, length)).await;
                assert_eq!(attempt, Attempt::Accepted, "{own} {kind:?}, {length} times");
            }
        }
    }
    let said =
        |path: &str| fakes.taken(path).iter().map(|one| one["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let markdown = |path: &str, at: &str| {
        let all = fakes.taken(path).into_iter();
        all.map(|one| one["body"].pointer(at).and_then(Value::as_str).unwrap().to_owned()).collect::<Vec<_>>()
    };
    for text in markdown("/dingtalk", "/markdown/text").iter().chain(&markdown("/discord", "/embeds/0/description")) {
        assert!(!text.contains("](http://evil.example)") && !text.contains('\u{202e}'), "a stranger's markup: {text}");
    }
    for text in said("/wecom") {
        assert!(text.contains("\"text\"") || !text.contains("<@U1>"), "a stranger calls people: {text}");
    }
    for text in said("/slack") {
        let body: Value = serde_json::from_str(&text).unwrap();
        assert!(!body["text"].as_str().unwrap().contains("<!channel>"), "{text}");
    }
    let events = fakes.taken("/servicenow-em");
    let (first, last) = (&events[0]["body"]["records"][0], &events[events.len() - 1]["body"]["records"][0]);
    assert_eq!((&first["severity"], &last["severity"]), (&json!("1"), &json!("0")), "the end clears the alert");
    assert_eq!(first["message_key"], last["message_key"]);
    let first = &fakes.taken("/pagerduty")[0]["body"];
    let last = &fakes.taken("/pagerduty").pop().unwrap()["body"];
    assert_eq!((&first["event_action"], &last["event_action"]), (&json!("trigger"), &json!("resolve")));
    assert_eq!(first["dedup_key"], last["dedup_key"], "it is resolved by the name under which it was opened");
    assert!(first["payload"]["summary"].as_str().unwrap().contains("核心交换机"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_no_inside_a_yes_is_a_no() {
    let fakes = Running::start().await;
    let all = receivers(&fakes);
    let of = |kind: &str| all.iter().find(|own| own["kind"] == kind).unwrap().clone();
    let later = |secs: Option<u64>| (0, secs);
    let table = [
        (
            "dingtalk",
            200,
            json!({ "errcode": 130_101, "errmsg": "send too fast, exceed 20 times per minute" }),
            later(Some(600)),
        ),
        ("dingtalk", 200, json!({ "errcode": -1, "errmsg": "系统繁忙" }), later(None)),
        ("dingtalk", 200, json!({ "errcode": 310_000, "errmsg": "sign not match" }), (2, None)),
        ("dingtalk", 200, json!({ "errcode": 40_035, "errmsg": "缺少参数 json" }), (1, None)),
        ("dingtalk", 200, json!("<html>maintenance</html>"), later(None)),
        ("dingtalk", 502, json!({}), later(None)),
        ("wecom", 200, json!({ "errcode": 45_009, "errmsg": "api freq out of limit" }), later(Some(60))),
        ("wecom", 200, json!({ "errcode": 93_000, "errmsg": "invalid webhook url" }), (2, None)),
        ("wecom", 200, json!({ "errcode": 40_058, "errmsg": "exceed max length" }), (1, None)),
        ("feishu", 200, json!({ "code": 11_232, "msg": "frequency limited" }), later(Some(60))),
        ("feishu", 200, json!({ "code": 19_021, "msg": "sign match fail" }), (2, None)),
        ("feishu", 200, json!({ "code": 19_024, "msg": "Key Words Not Found" }), (2, None)),
        ("feishu", 200, json!({ "code": 9499, "msg": "Bad Request" }), (1, None)),
        ("slack", 404, json!("no_service"), (2, None)),
        ("slack", 403, json!("action_prohibited"), (2, None)),
        ("slack", 400, json!("invalid_payload"), (1, None)),
        (
            "telegram",
            429,
            json!({ "ok": false, "error_code": 429, "parameters": { "retry_after": 7 } }),
            later(Some(7)),
        ),
        ("telegram", 401, json!({ "ok": false, "error_code": 401, "description": "Unauthorized" }), (2, None)),
        ("telegram", 400, json!({ "ok": false, "error_code": 400, "description": "chat not found" }), (1, None)),
        ("discord", 404, json!({ "message": "Unknown Webhook" }), (2, None)),
        ("pagerduty", 429, json!({}), later(None)),
        ("pagerduty", 400, json!({ "status": "invalid event" }), (1, None)),
        ("opsgenie", 403, json!({ "message": "not authorized" }), (2, None)),
        ("servicenow_em", 401, json!({ "error": { "message": "User Not Authenticated" } }), (2, None)),
        ("servicenow_em", 400, json!({ "error": { "message": "Invalid event" } }), (1, None)),
        ("servicenow_em", 429, json!({}), later(None)),
        ("cloud_mas", 200, json!({ "rspcod": "IllegalMac", "success": false }), (2, None)),
        ("cloud_mas", 200, json!({ "rspcod": "TooManyMobiles", "success": false }), (1, None)),
        (
            "aliyun_sms",
            200,
            json!({ "Code": "isv.BUSINESS_LIMIT_CONTROL", "Message": "触发天级流控" }),
            later(Some(60)),
        ),
        ("aliyun_sms", 400, json!({ "Code": "SignatureDoesNotMatch" }), (2, None)),
        ("aliyun_sms", 200, json!({ "Code": "isv.MOBILE_NUMBER_ILLEGAL" }), (1, None)),
        ("aliyun_voice", 503, json!({ "Code": "ServiceUnavailable" }), later(None)),
        ("tencent_sms", 200, json!({ "Response": { "Error": { "Code": "AuthFailure.SignatureFailure" } } }), (2, None)),
        ("tencent_sms", 200, json!({ "Response": { "Error": { "Code": "RequestLimitExceeded" } } }), later(Some(60))),
        (
            "tencent_sms",
            200,
            json!({ "Response": { "SendStatusSet": [{ "Code": "LimitExceeded.PhoneNumberDailyLimit" }] } }),
            later(Some(60)),
        ),
        (
            "tencent_sms",
            200,
            json!({ "Response": { "SendStatusSet": [{ "Code": "FailedOperation.TemplateIncorrectOrUnapproved" }] } }),
            (1, None),
        ),
    ];
    for (kind, status, answer, expected) in table {
        fakes.answer(Some((status, answer.clone())));
        let attempt = send(&of(kind), &hostile(NoticeKind::Opened, 1)).await;
        let got = match &attempt {
            Attempt::Filed { .. } | Attempt::Answered { .. } => panic!("a channel files no ticket and reports nothing"),
            Attempt::Accepted | Attempt::Noted { .. } => (9, None),
            Attempt::TryLater { wait, .. } => (0, wait.as_ref().map(Duration::as_secs)),
            Attempt::Refused { .. } => (1, None),
            Attempt::LockedOut { .. } => (2, None),
        };
        assert_eq!(got, expected, "{kind} {status} {answer}: {attempt:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_ends_refuse_what_breaks_their_rules() {
    let fakes = Running::start().await;
    for (own, wrong) in [
        ("dingtalk", json!({ "secret": "SECother" })),
        ("wecom", json!({ "url": fakes.url("/wecom/?key=other") })),
        ("feishu", json!({ "secret": null })),
        ("slack", json!({ "url": fakes.url("/slack/services/other") })),
        ("telegram", json!({ "token": "123456:other" })),
        ("discord", json!({ "url": fakes.url("/discord/api/webhooks/1/other") })),
        ("ntfy", json!({ "token": null })),
        ("pagerduty", json!({ "routing_key": "other" })),
        ("opsgenie", json!({ "api_key": "other" })),
        ("servicenow_em", json!({ "password": "other" })),
        ("cloud_mas", json!({ "secret_key": "other" })),
        ("aliyun_sms", json!({ "access_key_secret": "other" })),
        ("aliyun_sms", json!({ "chars_max": 36 })),
        ("tencent_sms", json!({ "secret_key": "other" })),
    ] {
        let mut own = receivers(&fakes).into_iter().find(|one| one["kind"] == own).unwrap();
        own.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        own.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let mut notice = hostile(NoticeKind::Opened, 30);
        notice.incident.title = "电源掉电".repeat(30).into();
        let attempt = send(&own, &notice).await;
        assert!(matches!(attempt, Attempt::Refused { .. } | Attempt::LockedOut { .. }), "{own}: {attempt:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_of_ones_own_is_described_in_the_configuration() {
    let fakes = Running::start().await;
    let own = json!({
        "kind": "gateway", "url": fakes.url("/mas/own"), "to": ["13800000000", "13900000000"], "secret": TOKEN,
        "headers": { "x-sign": "{{ (secret ~ to | join(',') ~ at_secs) | md5 }}" },
        "body": { "mobiles": "{{ to | join(',') }}", "content": "{{ text }}", "meta": { "n": 1, "id": "{{ key }}" } },
        "answer": { "pointer": "/rspcod", "accepted": ["success", "InvalidMessage"], "later": ["IllegalMac"] },
    });
    assert_eq!(send(&own, &hostile(NoticeKind::Opened, 1)).await, Attempt::Accepted);
    fakes.answer(Some((200, json!({ "rspcod": "IllegalMac" }))));
    assert!(matches!(send(&own, &hostile(NoticeKind::Opened, 1)).await, Attempt::TryLater { .. }));
    fakes.answer(Some((200, json!({ "rspcod": "other" }))));
    assert!(matches!(send(&own, &hostile(NoticeKind::Opened, 1)).await, Attempt::Refused { .. }));
}

/// What is wrong with a receiver, as its operator reads it.
fn fault(own: Value) -> String {
    let mut own = own;
    own["id"] = "hook".into();
    let settings: ReceiverSettings = match serde_json::from_value(own) {
        Ok(settings) => settings,
        Err(error) => return error.to_string(),
    };
    let common = Common {
        settings: Settings::default(),
        base_url: String::new(),
        own_ports: Vec::new(),
        clock: machine(),
        contacts: Contacts::default(),
        seal: None,
        pass_valid_for: Span::hours(24),
        bus: Default::default(),
    };
    prepare(&[settings], &common).err().unwrap()[0].to_string()
}

#[test]
fn a_wrong_setting_is_named_with_what_to_write() {
    for (own, said) in [
        (json!({ "kind": "pigeon" }), "unknown variant `pigeon`"),
        (json!({ "kind": "dingtalk" }), "missing field `url`"),
        (json!({ "kind": "dingtalk", "url": "https://oapi.dingtalk.com/robot/send" }), "url: it has no access_token"),
        (json!({ "kind": "wecom", "url": "https://qyapi.weixin.qq.com/" }), "url: it has no key"),
        (
            json!({ "kind": "feishu", "url": "https://open.feishu.cn/x", "mention": ["<b>"] }),
            "mention: \"<b>\" is no open id",
        ),
        (json!({ "kind": "slack", "url": "http://127.0.0.1/" }), "url: address 127.0.0.1 is not public"),
        (json!({ "kind": "telegram", "token": "x", "chat": "1" }), "token: write what @BotFather gave"),
        (json!({ "kind": "ntfy", "topic": "a/b" }), "topic: write 1 to 64 letters"),
        (
            json!({ "kind": "mail", "server": "mail.example", "from": "noc", "to": "a@b.example" }),
            "from: \"noc\" is no mail address",
        ),
        (
            json!({ "kind": "mail", "server": "mail.example", "from": "n@o.example", "to": "a@b.example", "user": "x" }),
            "password: it is missing",
        ),
        (
            json!({ "kind": "mail", "server": "169.254.169.254", "from": "n@o.example", "to": "a@b.example" }),
            "serves the machine's own credentials",
        ),
        (
            json!({ "kind": "cloud_mas", "url": "https://mas.example/", "ec_name": "", "ap_id": "", "secret_key": "", "sign": "", "to": "12a" }),
            "to: write one mobile number",
        ),
        (
            json!({ "kind": "aliyun_sms", "access_key_id": "", "access_key_secret": "", "to": "138", "sign_name": "", "template_code": "", "params": { "a": "colour" } }),
            "params: \"colour\" is not known; write one of: level",
        ),
        (
            json!({ "kind": "tencent_sms", "secret_id": "", "secret_key": "", "to": "138", "app_id": "", "sign_name": "", "template_id": "", "params": [] }),
            "to: write one number with its country",
        ),
        (
            json!({ "kind": "smpp", "server": "centre.example", "system_id": "headwater", "password": "123456789", "to": "+8613800000000" }),
            "password: SMPP takes 8",
        ),
        (
            json!({ "kind": "smpp", "server": "centre.example", "system_id": "headwater", "password": "s", "to": "12a" }),
            "to: write one number",
        ),
        (
            json!({ "kind": "smpp", "server": "169.254.169.254", "system_id": "headwater", "password": "s", "to": "13800000000" }),
            "serves the machine's own credentials",
        ),
        (
            json!({ "kind": "smpp", "server": "centre.example", "ca": "x", "system_id": "headwater", "password": "s", "to": "13800000000" }),
            "ca: no certificates",
        ),
        (
            json!({ "kind": "gateway", "url": "https://sms.example/", "to": "1", "body": { "a": "{{ colour }}" } }),
            "body: undefined value",
        ),
        (
            json!({ "kind": "gateway", "url": "https://sms.example/", "to": "1", "body": { "a": "{% for %}" } }),
            "body: syntax error",
        ),
        (json!({ "kind": "slack", "url_file": "/nowhere/at/all" }), "url_file: /nowhere/at/all cannot be read"),
        (
            json!({ "kind": "slack", "url_file": "/x", "url": "https://y.example" }),
            "url: give `url` or `url_file`, and not both",
        ),
    ] {
        let got = fault(own.clone());
        assert!(got.contains(said), "{own}: {got}");
    }
}

#[test]
fn a_secret_can_stand_in_a_file_and_is_never_printed() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path: &Path = &folder.path().join(name);
        std::fs::write(path, text).unwrap();
        path.display().to_string()
    };
    let own = json!({ "id": "hook", "kind": "dingtalk", "secret": SECRET,
                      "url_file": write("url", "https://oapi.dingtalk.com/robot/send?access_token=x\n") });
    let settings: ReceiverSettings = serde_json::from_value(own).unwrap();
    assert!(!format!("{settings:?}").contains("SECtest"));
    let common = Common {
        settings: Settings::default(),
        base_url: String::new(),
        own_ports: Vec::new(),
        clock: machine(),
        contacts: Contacts::default(),
        seal: None,
        pass_valid_for: Span::hours(24),
        bus: Default::default(),
    };
    let ready = prepare(&[settings], &common).unwrap();
    let pace = ready.into_values().next().unwrap().settings.pace;
    assert_eq!(pace, Some(Duration::from_secs(3)), "20 messages a minute are what DingTalk takes");
}
