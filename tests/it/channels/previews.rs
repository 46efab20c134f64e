//! What people read: every channel's message in Chinese and English, as pages under docs/messages. `UPDATE_EXPECT=1` writes
//! them anew; the difference is looked at.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use headwater::delivery::contacts::Contacts;
use headwater::delivery::settings::{Common, ReceiverSettings, Settings, prepare};
use headwater::domain::ci::CiRef;
use headwater::domain::ids::IncidentId;
use headwater::domain::incident::{Candidate, Evidence, EvidenceTerm, IncidentState, IncidentView, Priority};
use headwater::domain::pass::Seal;
use headwater::domain::severity::Severity;
use headwater::domain::time::{Span, Timestamp};
use headwater::engine::effect::{
    Addressee, Change, DigestLine, Notice, NoticeDigest, NoticeKind, RunbookLink, StormNews,
};
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
    if kind == NoticeKind::Recovered {
        (incident.state, incident.recovered_at) = (IncidentState::Recovered, Some(at().plus(Span::mins(47))));
        (incident.firing_count, incident.version) = (0, 9);
    }
    let to =
        Addressee { person: "li".into(), name: "李雷".into(), policy: "core".into(), level: 2, verified: Vec::new() };
    let book = RunbookLink {
        title: "机房掉电处置".into(),
        url: "https://wiki.example/power".into(),
        steps: vec!["看市电与 ATS".into(), "确认 UPS-2 带载".into()],
    };
    Notice {
        key: "i0-42-3-duty-opened-li".into(),
        receiver: "duty".into(),
        kind,
        at: at().plus(Span::mins(if kind == NoticeKind::Recovered { 47 } else { 10 })),
        incident,
        rule: Some("vital".into()),
        changes: Vec::new(),
        digest: None,
        to: Some(Box::new(to)),
        told: vec!["韩梅".into(), "机房群".into()],
        runbooks: vec![book],
        action: None,
        by: "".into(),
    }
}

/// Every kind, with settings that are nobody's.
fn receivers() -> Vec<Value> {
    let params = json!({ "news": "news", "level": "level", "what": "title", "cause": "cause", "count": "alerts", "since": "since" });
    let params_read_out = json!({ "text": "spoken" });
    let answers = json!({ "token": "t" });
    let keys = json!({ "token": "t", "key": "/out_id" });
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
        json!({ "kind": "aliyun_voice", "access_key_id": "id", "access_key_secret": "s", "tts_code": "TTS_1", "params": params_read_out, "chars_max": 100, "answers": keys }),
        json!({ "kind": "tencent_sms", "secret_id": "id", "secret_key": "s", "app_id": "1400", "sign_name": "某局", "template_id": "1",
                "params": ["news", "level", "title", "since", "code"], "answers": answers }),
        json!({ "kind": "smpp", "server": "centre.example", "security": "none", "system_id": "headwater", "password": "s" }),
        json!({ "kind": "pagerduty", "routing_key": "0123456789abcdef0123456789abcdef" }),
        json!({ "kind": "opsgenie", "api_key": "k" }),
        json!({ "kind": "servicenow_em", "server": "https://gov.service-now.com", "user": "hw", "password": "p" }),
        json!({ "kind": "feishu_app", "app_id": "cli_1", "app_secret": "s", "verification_token": "v" }),
        json!({ "kind": "wecom_app", "corp_id": "ww1", "agent_id": 7, "secret": "s", "token": "t",
                "aes_key": "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG" }),
        json!({ "kind": "dingtalk_app", "app_key": "ding1", "app_secret": "s", "card_template": "card.schema", "route_key": "r", "api_secret": "s" }),
        json!({ "kind": "jira", "server": "https://jira.example", "token": "t", "project": "OPS" }),
        json!({ "kind": "servicenow", "server": "https://gov.service-now.com", "user": "hw", "password": "p" }),
        json!({ "kind": "github", "repository": "gov/ops", "token": "t" }),
        json!({ "kind": "gitlab", "server": "https://gitlab.example", "project": "7", "token": "t" }),
        json!({ "kind": "bk_itsm", "server": "https://itsm.example", "app_code": "hw", "app_secret": "s", "service_id": 1, "creator": "admin" }),
        json!({ "kind": "rest_ticket", "server": "https://tickets.example", "open": { "path": "orders", "body": { "title": "{{ title }}" } } }),
        json!({ "kind": "cloud_mas", "url": "https://mas.example/sms/norsubmit", "ec_name": "某局", "ap_id": "hw", "secret_key": "s", "sign": "abc",
                "answers": answers }),
        json!({ "kind": "nats", "subject": "ops.incidents" }),
    ]
}

/// The addresses of the person who is paged, each of his alone.
const CONTACTS: &str = "li: { mobile: \"13800000000\", mail: li@example.org, feishu: ou_1, feishu_app: ou_1, wecom_app: lilei, dingtalk_app: lilei, telegram: \"777\", ntfy: noc-li }";

/// Kinds whose pages show every kind of notice: a mail, a chat, an SMS and a ticket.
const SHOWN_WHOLE: [&str; 4] = ["mail", "wecom", "gateway", "jira"];

/// What is told between the beginning and the end of an incident, and of several at once.
fn further() -> Vec<(&'static str, Notice)> {
    let with = |kind: NoticeKind, minutes: i64, change: &dyn Fn(&mut Notice)| {
        let mut notice = page(kind);
        notice.at = at().plus(Span::mins(minutes));
        change(&mut notice);
        notice
    };
    let line = |id: u64, kind: NoticeKind, title: &str, priority: Priority| DigestLine {
        incident: IncidentId(id),
        version: 2,
        kind,
        severity: Severity::Major,
        priority,
        title: title.into(),
    };
    let lines = vec![
        line(42, NoticeKind::Opened, "UPS-1 输出中断,机柜 3 断电", Priority::P1),
        line(43, NoticeKind::Opened, "核心交换机 core-1 重启", Priority::P2),
        line(44, NoticeKind::Recovered, "存储池 pool-2 延迟升高", Priority::P3),
    ];
    let digest = |storm: Option<StormNews>| Some(Box::new(NoticeDigest { messages: 17, lines: lines.clone(), storm }));
    let storm = |is_over: bool| StormNews { since: at(), incidents: 130, is_over };
    vec![
        (
            "update",
            with(NoticeKind::Updated, 21, &|notice| {
                notice.changes = vec![Change::Severity, Change::Root];
                notice.incident.version = 5;
            }),
        ),
        (
            "somebody has it",
            with(NoticeKind::Updated, 22, &|notice| {
                (notice.changes, notice.by) = (vec![Change::Acknowledged], "王丽".into());
            }),
        ),
        ("reminder", with(NoticeKind::Reminder, 30, &|_| {})),
        ("digest", with(NoticeKind::Digest, 10, &|notice| notice.digest = digest(None))),
        ("storm", with(NoticeKind::Digest, 10, &|notice| notice.digest = digest(Some(storm(false))))),
        ("storm is over", with(NoticeKind::Digest, 55, &|notice| notice.digest = digest(Some(storm(true))))),
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
    std::fs::write(&file, CONTACTS).unwrap();
    let contacts = Contacts::open(&file).unwrap();
    let shown: BTreeSet<String> = receivers().iter().map(|own| own["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(shown, super::kinds(), "every kind has a page");
    let is_new = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = Vec::new();
    for own in receivers() {
        let kind = own["kind"].as_str().unwrap();
        let mut text = format!(
            "# `{kind}`\n\nA person is paged at night, at the second level; then it recovers. Made by a test from the program's own code.\n"
        );
        for (language, title) in [("zh", "中文"), ("en", "English")] {
            let mut notices = vec![("opened", page(NoticeKind::Opened)), ("recovered", page(NoticeKind::Recovered))];
            if SHOWN_WHOLE.contains(&kind) {
                notices.splice(1..1, further());
            }
            for (what, notice) in notices {
                let shown = preview(&own, language, &notice, &contacts);
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

/// What a person's address is where a group may be named in its place.
const GROUPS: &str = "li: { telegram: \"-100\", feishu_app: oc_1, wecom_app: \"lilei|han\", dingtalk_app: cidx= }";

#[tokio::test]
async fn only_what_one_person_alone_reads_carries_the_persons_link() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        Contacts::open(&file).unwrap()
    };
    let (alone, groups) = (file("alone.yaml", CONTACTS), file("groups.yaml", GROUPS));
    let private = ["telegram", "ntfy", "mail", "gateway", "smpp", "feishu_app", "wecom_app", "dingtalk_app"];
    for own in receivers() {
        let kind = own["kind"].as_str().unwrap();
        let shown = preview(&own, "zh", &page(NoticeKind::Opened), &alone);
        assert_eq!(shown.contains("https://noc.example/a/"), private.contains(&kind), "{kind}: {shown}");
        if ["telegram", "feishu_app", "wecom_app", "dingtalk_app"].contains(&kind) {
            let shown = preview(&own, "zh", &page(NoticeKind::Opened), &groups);
            assert!(!shown.contains("/a/") && shown.contains("https://noc.example/incidents/i0-42"), "{kind}: {shown}");
        }
    }
}

/// The receiver of a kind.
fn of(kind: &str) -> Value {
    receivers().into_iter().find(|own| own["kind"] == kind).unwrap()
}

fn with(mut own: Value, more: &Value) -> Value {
    own.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    own
}

fn contacts(folder: &tempfile::TempDir) -> Contacts {
    let file = folder.path().join("contacts.yaml");
    std::fs::write(&file, CONTACTS).unwrap();
    Contacts::open(&file).unwrap()
}

#[tokio::test]
async fn an_sms_has_room_for_a_whole_link_and_the_code_whatever_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let contacts = contacts(&folder);
    let text = |kind: &str, chars_max: usize, title: &str, language: &str| {
        let mut notice = page(NoticeKind::Opened);
        notice.incident.title = title.into();
        let own = with(of(kind), &json!({ "chars_max": chars_max }));
        let shown = preview(&own, language, &notice, &contacts);
        let text =
            serde_json::from_str::<Value>(&shown).map_or(shown, |sent| sent["text"].as_str().unwrap().to_owned());
        assert!(text.chars().count() <= chars_max, "{text}");
        text
    };
    for language in ["zh", "en"] {
        for title in ["掉电", "UPS-1 输出中断,机柜 3 断电", &"核心交换机掉电".repeat(40)] {
            // The whole of a link stands at the end, where nothing is cut off.
            let long = text("gateway", 201, title, language);
            assert!(long.contains("4457") && long.contains("https://noc.example/a/") && !long.ends_with('…'), "{long}");
            // The console's is shorter; a code needs none.
            let short = text("gateway", 110, title, language);
            assert!(short.contains("4457") && short.ends_with("https://noc.example/incidents/i0-42"), "{short}");
            let shortest = text("gateway", 60, title, language);
            assert!(shortest.contains("4457") && !shortest.contains("http"), "{shortest}");
            assert!(text("smpp", 100, title, language).ends_with("https://noc.example/incidents/i0-42"));
        }
    }
    let all = text("gateway", 300, "掉电", "zh");
    for piece in ["影响业务 社保查询", "03-02 02:12 开始", "疑似根因（87%）：UPS-1", "处置：机房掉电处置"]
    {
        assert!(all.contains(piece), "{piece} is missing: {all}");
    }
}

#[tokio::test]
async fn a_voice_reads_no_link_and_says_the_keys() {
    let folder = tempfile::tempdir().unwrap();
    let contacts = contacts(&folder);
    let keys = json!({ "answers": { "token": "t", "key": "/out_id" } });
    for (language, said) in [("zh", "按 1 认领"), ("en", "press 1 to acknowledge")] {
        let own = with(of("gateway"), &keys);
        for shown in [
            preview(&own, language, &page(NoticeKind::Opened), &contacts),
            preview(&of("aliyun_voice"), language, &page(NoticeKind::Opened), &contacts),
        ] {
            assert!(shown.contains(said) && !shown.contains("http") && !shown.contains("4457"), "{shown}");
        }
        let over = preview(&own, language, &page(NoticeKind::Recovered), &contacts);
        assert!(!over.contains(said), "nothing is left to do: {over}");
    }
}

#[tokio::test]
async fn a_code_comes_first_and_a_voice_says_its_digits_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let contacts = contacts(&folder);
    let mut code = page(NoticeKind::Test);
    code.incident.title = "041337".into();
    let own = with(of("gateway"), &json!({ "chars_max": 60 }));
    assert!(preview(&own, "zh", &code, &contacts).contains("\"text\": \"验证码 041337；10 分钟内有效"));
    assert!(
        preview(&own, "en", &code, &contacts)
            .contains("\"text\": \"Your code is 041337. Good for 10 minutes; it shows")
    );
    assert!(preview(&of("aliyun_voice"), "zh", &code, &contacts).contains("验证码 0 4 1 3 3 7；10 分钟内有效"));
    let mail = preview(&of("mail"), "zh", &code, &contacts);
    assert!(mail.contains("Subject: 验证码 041337\n") && mail.contains("（Headwater noc.example）"), "{mail}");
    // A network that must not carry names carries the code alone.
    let nameless = preview(&with(own, &json!({ "nameless": true })), "zh", &code, &contacts);
    assert!(nameless.contains("\"text\": \"验证码 041337\""), "{nameless}");
    for own in receivers() {
        let shown = preview(&own, "zh", &page(NoticeKind::Test), &contacts);
        assert!(!shown.contains("/a/"), "a test has nothing to act on: {shown}");
    }
}

#[tokio::test]
async fn a_template_that_is_filled_says_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let contacts = contacts(&folder);
    let pieces = json!({ "level": "level", "what": "title" });
    for (kind, params) in
        [("aliyun_sms", pieces.clone()), ("aliyun_voice", pieces), ("tencent_sms", json!(["level", "title"]))]
    {
        let own = with(of(kind), &json!({ "params": params }));
        let say = |kind| preview(&own, "zh", &page(kind), &contacts);
        assert!(say(NoticeKind::Opened).contains("新故障 UPS-1"), "{kind}: {}", say(NoticeKind::Opened));
        assert!(say(NoticeKind::Recovered).contains("故障恢复 UPS-1"), "{kind}: {}", say(NoticeKind::Recovered));
    }
    let own = with(of("slack"), &json!({ "text": "{{ news }}|{{ kind }}" }));
    assert!(preview(&own, "zh", &page(NoticeKind::Recovered), &contacts).contains("故障恢复|recovered"));
    assert!(preview(&own, "en", &page(NoticeKind::Opened), &contacts).contains("New incident|opened"));
}

#[tokio::test]
async fn a_tired_person_reads_what_matters_first() {
    let folder = tempfile::tempdir().unwrap();
    let contacts = contacts(&folder);
    let mut notice = page(NoticeKind::Opened);
    notice.incident.opened_at = at().plus(Span::mins(5));
    let shown = preview(&of("mail"), "zh", &notice, &contacts);
    let place = |piece: &str| shown.find(piece).unwrap_or_else(|| panic!("{piece} is missing: {shown}"));
    // Since the first alert, not since we made an incident of it; what to do comes before the reasons.
    let order = [
        "疑似根因",
        "影响：业务 社保查询",
        "12 个组件",
        "开始：2026-03-02 02:12（+08:00），已 10 分",
        "处置：",
        "· ",
        "已通知",
    ];
    assert!(order.windows(2).all(|two| place(two[0]) < place(two[1])), "{shown}");
    // He knows his name; a room does not know who is meant.
    assert!(!shown.contains("@李雷") && preview(&of("slack"), "zh", &notice, &contacts).contains("@李雷 【P1"));
    for kind in ["jira", "pagerduty", "opsgenie"] {
        assert!(!preview(&of(kind), "zh", &notice, &contacts).contains("@李雷"), "{kind}");
    }
    let over = preview(&of("mail"), "zh", &page(NoticeKind::Recovered), &contacts);
    assert!(
        over.contains("开始：2026-03-02 02:12，恢复：02:59（+08:00），历时 47 分") && over.contains("均已恢复"),
        "{over}"
    );
    let over = preview(&of("mail"), "en", &page(NoticeKind::Recovered), &contacts);
    assert!(over.contains("From 2026-03-02 02:12 to 02:59 (+08:00), 47 min") && over.contains("none firing"), "{over}");
    for (language, pieces) in [
        ("zh", ["社保查询", "2026-03-02 02:12", "机房掉电处置"]),
        ("en", ["社保查询", "2026-03-02 02:12", "机房掉电处置"]),
    ] {
        let card: Value = serde_json::from_str(&preview(&of("wecom_app"), language, &notice, &contacts)).unwrap();
        let text = card["template_card"]["sub_title_text"].as_str().unwrap();
        assert!(pieces.iter().all(|piece| text.contains(piece)) && text.chars().count() <= 160, "{text}");
    }
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
