//! One receiver, many people: each is told at an address of their own, and the address shows nowhere.

use headwater::delivery::Attempt;
use headwater::delivery::contacts::{Contacts, Verify};
use headwater::engine::effect::{Addressee, Notice, NoticeKind, RunbookLink};
use serde_json::{Value, json};

use super::fakes::{Running, SECRET, TOKEN};
use super::send_to;
use crate::delivery::notice;

fn page(person: &str, name: &str) -> Notice {
    let mut notice = notice(7, 3, NoticeKind::Opened, "sms");
    notice.to = Some(Box::new(Addressee {
        person: person.into(),
        name: name.into(),
        policy: "core".into(),
        level: 1,
        verified: Vec::new(),
    }));
    notice.told = vec!["王芳".into()];
    let (title, url) = ("掉电处置手册".into(), "https://wiki.example/power".into());
    notice.runbooks = vec![RunbookLink { title, url, steps: vec!["先看市电".into()] }];
    notice
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_person_is_told_at_an_address_of_their_own() {
    let fakes = Running::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("contacts.yaml");
    std::fs::write(
        &file,
        "li: { mobile: \"13811112222\" }\nhan: { mobile: \"13933334444\", group: \"13955556666\" }\n",
    )
    .unwrap();
    let contacts = Contacts::open(&file).unwrap();
    let sms = json!({ "id": "sms", "kind": "cloud_mas", "url": fakes.url("/mas/sms/norsubmit"), "ec_name": "某局", "ap_id": "hw",
        "secret_key": TOKEN, "sign": "abc" });
    assert_eq!(send_to(&sms, &page("li", "李雷"), &contacts).await, Attempt::Accepted);
    assert_eq!(send_to(&sms, &page("han", "韩梅"), &contacts).await, Attempt::Accepted);
    let taken: Vec<String> = fakes.taken("/mas").iter().map(ToString::to_string).collect();
    let sent = |n: usize| {
        let one: Value = serde_json::from_str(&taken[n]).unwrap();
        let text = one["text"].as_str().unwrap().to_owned();
        let plain =
            base64::Engine::decode(&base64::prelude::BASE64_STANDARD, text.trim_matches('"')).unwrap_or_default();
        String::from_utf8(plain).unwrap()
    };
    assert!(sent(0).contains("13811112222") && !sent(0).contains("13933334444"), "{}", sent(0));
    assert!(sent(1).contains("13933334444"), "{}", sent(1));
    // Who has no address, and a room that is none, are refused with a reason that says what to write.
    let Attempt::Refused { why } = send_to(&sms, &page("wang", "王芳"), &contacts).await else {
        panic!("not refused")
    };
    assert!(why.contains("wang: { mobile: … }"), "{why}");
    let Attempt::Refused { why } = send_to(&sms, &notice(7, 3, NoticeKind::Opened, "sms"), &contacts).await else {
        panic!("not refused")
    };
    assert!(why.contains("contact plan"), "{why}");
    // Who was verified when the page was made is looked at again when it is sent: the address may be another one since.
    let asked = contacts.clone().verified(Verify { required: true, unless: None }, None);
    let attempt = send_to(&sms, &page("li", "李雷"), &asked).await;
    assert!(matches!(attempt, Attempt::TryLater { .. }), "{attempt:?}");
    assert_eq!(fakes.taken("/mas").len(), 2);
    // A robot of a group calls the person, by the number that stands under its own name.
    let url = fakes.url(&format!("/dingtalk/robot/send?access_token={TOKEN}"));
    let group = json!({ "id": "group", "kind": "dingtalk", "url": url, "secret": SECRET });
    assert_eq!(send_to(&group, &page("han", "韩梅"), &contacts).await, Attempt::Accepted);
    let body = fakes.taken("/dingtalk")[0]["body"].clone();
    assert_eq!(body["at"]["atMobiles"], json!(["13955556666"]));
    let text = body["markdown"]["text"].as_str().unwrap();
    for piece in ["韩梅", "掉电处置手册", "先看市电", "已通知", "王芳"] {
        assert!(text.contains(piece), "{piece} is missing: {text}");
    }
}
