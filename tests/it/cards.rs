//! Cards of apps, from the message to the incident and back to the message: the real program, callbacks encrypted and signed
//! as Feishu, WeCom and DingTalk do it, and the answers that change the card.

use aes::Aes256;
use aes::cipher::block_padding::{NoPadding, Pkcs7};
use aes::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::StatusCode;
use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::acting::{Scene, now_secs};

const WECOM_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFE=";

/// A press as Feishu sends it: encrypted, and signed in its headers.
async fn feishu(scene: &Scene, value: &Value, key: &str) -> (StatusCode, Value) {
    feishu_event(
        scene,
        &json!({ "schema": "2.0", "header": { "event_type": "card.action.trigger", "token": "feishu-token" },
        "event": { "operator": { "open_id": "ou_li", "user_id": "e1" }, "token": "c-1",
                   "action": { "tag": "button", "value": value }, "context": { "open_message_id": "om_1" } } }),
        key,
    )
    .await
}

async fn feishu_event(scene: &Scene, event: &Value, key: &str) -> (StatusCode, Value) {
    let iv = [7u8; 16];
    let cipher = cbc::Encryptor::<Aes256>::new_from_slices(&Sha256::digest(b"feishu-key"), &iv).unwrap();
    let sealed = cipher.encrypt_padded_vec::<Pkcs7>(event.to_string().as_bytes());
    let body = json!({ "encrypt": BASE64_STANDARD.encode([iv.as_slice(), &sealed].concat()) }).to_string();
    let at = now_secs().to_string();
    let signed = Sha256::digest(format!("{at}n-1{key}{body}").as_bytes());
    let headers = [
        ("x-lark-request-timestamp", at),
        ("x-lark-request-nonce", "n-1".to_owned()),
        ("x-lark-signature", hex::encode(signed)),
    ];
    scene.call("feishu", &headers, &body).await
}

/// The signature of WeCom's document.
fn sha1(parts: [&str; 4]) -> String {
    let mut parts = parts;
    parts.sort_unstable();
    hex::encode(Sha1::digest(parts.concat().as_bytes()))
}

fn between<'a>(text: &'a str, name: &str) -> &'a str {
    let inner = text.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once(&format!("</{name}>")));
    let inner = inner.unwrap_or_else(|| panic!("no {name}: {text}")).0;
    inner.strip_prefix("<![CDATA[").and_then(|rest| rest.strip_suffix("]]>")).unwrap_or(inner)
}

/// A press as WeCom sends it; its answer, opened.
async fn wecom(scene: &Scene, key: &str, token: &str) -> (StatusCode, String) {
    let aes_key = BASE64_STANDARD.decode(WECOM_KEY).unwrap();
    let message = format!(
        "<xml><ToUserName><![CDATA[ww1]]></ToUserName><FromUserName><![CDATA[lilei]]></FromUserName><MsgType><![CDATA[event]]></MsgType>\
         <Event><![CDATA[template_card_event]]></Event><EventKey><![CDATA[{key}]]></EventKey><TaskId><![CDATA[t]]></TaskId>\
         <CardType><![CDATA[button_interaction]]></CardType><ResponseCode><![CDATA[r]]></ResponseCode><AgentID>7</AgentID></xml>"
    );
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let mut plain = [[9u8; 16].as_slice(), &length, message.as_bytes(), b"ww1"].concat();
    let padding = 32 - plain.len() % 32;
    plain.resize(plain.len() + padding, u8::try_from(padding).unwrap());
    let cipher = cbc::Encryptor::<Aes256>::new_from_slices(&aes_key, &aes_key[..16]).unwrap();
    let sealed = BASE64_STANDARD.encode(cipher.encrypt_padded_vec::<NoPadding>(&plain));
    let at = now_secs().to_string();
    let signed = sha1([token, &at, "n1", &sealed]);
    let path = format!("wecom?msg_signature={signed}&timestamp={at}&nonce=n1");
    let body = format!("<xml><ToUserName><![CDATA[ww1]]></ToUserName><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>");
    let (status, answer) = scene.call_for_text(&path, &[], &body).await;
    if status != StatusCode::OK {
        return (status, answer);
    }
    let (sealed, at, nonce) = (between(&answer, "Encrypt"), between(&answer, "TimeStamp"), between(&answer, "Nonce"));
    assert_eq!(between(&answer, "MsgSignature"), sha1(["wecom-token", at, nonce, sealed]), "{answer}");
    let cipher = cbc::Decryptor::<Aes256>::new_from_slices(&aes_key, &aes_key[..16]).unwrap();
    let plain = cipher.decrypt_padded_vec::<NoPadding>(&BASE64_STANDARD.decode(sealed).unwrap()).unwrap();
    let length = u32::from_be_bytes(plain[16..20].try_into().unwrap()) as usize;
    (status, String::from_utf8(plain[20..20 + length].to_vec()).unwrap())
}

/// A press as DingTalk sends it.
async fn dingtalk(scene: &Scene, params: &Value, secret: &str) -> (StatusCode, Value) {
    let content = json!({ "cardPrivateData": { "actionIds": ["1"], "params": params } }).to_string();
    let body = json!({ "type": "actionCallback", "outTrackId": "x", "corpId": "ding1", "userId": "lilei", "content": content });
    let at = format!("{}000", now_secs());
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(at.as_bytes());
    let signed = BASE64_STANDARD.encode(mac.finalize().into_bytes());
    let headers = [("x-ddpaas-signature-timestamp", at), ("x-ddpaas-signature", signed)];
    scene.call("ding", &headers, &body.to_string()).await
}

/// The buttons of a Feishu card that say something back, by word.
fn buttons(card: &Value) -> Vec<(&str, &Value)> {
    let rows = card["elements"].as_array().unwrap().iter().filter(|element| element["tag"] == "action");
    let all = rows.flat_map(|row| row["actions"].as_array().unwrap());
    all.filter_map(|one| Some((one["value"]["word"].as_str()?, &one["value"]))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_press_on_a_card_moves_the_incident_and_changes_the_card() {
    let scene = Scene::set().await;
    let incident = scene.incident("db-1").await;
    let acknowledged = || scene.entries(&incident, "acknowledged");
    // Feishu: whoever asks the app is answered below the question.
    let asked = json!({ "schema": "2.0", "header": { "event_type": "im.message.receive_v1", "token": "feishu-token" },
        "event": { "sender": { "sender_id": { "open_id": "ou_li" } },
                   "message": { "message_id": "om_9", "message_type": "text", "content": "{\"text\":\"@_user_1 谁值班\"}" } } });
    assert_eq!(feishu_event(&scene, &asked, "guess").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(feishu_event(&scene, &asked, "feishu-key").await.0, StatusCode::OK);
    let told = scene.ends.first("/feishu/open-apis/im/v1/messages/om_9/reply").await;
    assert_eq!((&told["msg_type"], &told["content"]), (&json!("text"), &json!("{\"text\":\"core: 李雷\"}")));
    // It acknowledges.
    let sent = scene.ends.until("/feishu/open-apis/im/v1/messages", |body| body["receive_id"] == "ou_li").await;
    let card: Value = serde_json::from_str(sent["content"].as_str().unwrap()).unwrap();
    assert_eq!(card["config"]["update_multi"], true);
    let value = buttons(&card)[0].1.clone();
    assert_eq!(feishu(&scene, &value, "guess").await.0, StatusCode::UNAUTHORIZED);
    let mut forged = value.clone();
    forged["mark"] = value["mark"].as_str().unwrap().replace(&incident, "i0-77").into();
    let (status, answer) = feishu(&scene, &forged, "feishu-key").await;
    assert_eq!((status, answer.get("card")), (StatusCode::OK, None), "a mark of another incident is none: {answer}");
    assert!(acknowledged().await.is_empty());
    let (status, answer) = feishu(&scene, &value, "feishu-key").await;
    assert_eq!((status, &answer["card"]["type"]), (StatusCode::OK, &json!("raw")), "{answer}");
    assert_eq!(acknowledged().await, [("li".to_owned(), "feishu".to_owned())]);
    assert!(answer["toast"]["content"].as_str().unwrap().contains("已完成"), "{answer}");
    let shown = &answer["card"]["data"];
    assert_eq!(shown["elements"][0]["text"]["content"], "李雷 · 认领:已完成");
    assert_eq!(buttons(shown).iter().map(|(word, _)| *word).collect::<Vec<_>>(), ["snooze", "resolve"], "{shown}");
    // Whoever sees the card sees this: a link that acts is for one person.
    assert!(shown.to_string().contains(&format!("/incidents/{incident}")) && !shown.to_string().contains("/a/"));
    let (_, answer) = feishu(&scene, &value, "feishu-key").await;
    assert!(answer["toast"]["content"].as_str().unwrap().contains("已经用过"), "{answer}");
    assert_eq!(acknowledged().await.len(), 1);

    // WeCom: snoozes. Its card was sent before anybody had acknowledged.
    let sent = scene.ends.first("/cgi-bin/message/send").await;
    assert_eq!((&sent["touser"], &sent["msgtype"]), (&json!("lilei"), &json!("template_card")));
    let key = sent["template_card"]["button_list"][1]["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("snooze:"), "{key}");
    assert_eq!(wecom(&scene, &key, "guess").await.0, StatusCode::UNAUTHORIZED);
    assert!(scene.entries(&incident, "snoozed").await.is_empty());
    let (status, answer) = wecom(&scene, &key, "wecom-token").await;
    assert_eq!((status, between(&answer, "MsgType")), (StatusCode::OK, "update_template_card"), "{answer}");
    assert_eq!((between(&answer, "ToUserName"), between(&answer, "FromUserName")), ("lilei", "ww1"));
    assert_eq!(scene.entries(&incident, "snoozed").await, [("li".to_owned(), "wecom".to_owned())]);
    assert!(between(&answer, "SubTitleText").starts_with("李雷 · 暂缓 1 小时:已完成"), "{answer}");
    assert_eq!(answer.matches("<ButtonList>").count(), 2, "{answer}");
    assert!(!answer.contains("ack:"), "{answer}");

    // DingTalk: resolves; nothing is left to press.
    let sent = scene.ends.first("/v1.0/card/instances/createAndDeliver").await;
    assert_eq!(sent["openSpaceId"], "dtv1.card//IM_ROBOT.lilei");
    let values = &sent["cardData"]["cardParamMap"];
    let params = json!({ "word": "resolve", "mark": values["mark"] });
    assert_eq!(dingtalk(&scene, &params, "guess").await.0, StatusCode::UNAUTHORIZED);
    assert!(scene.entries(&incident, "closed").await.is_empty());
    let (status, answer) = dingtalk(&scene, &params, "ding-secret").await;
    assert_eq!(
        (status, &answer["cardUpdateOptions"]["updateCardDataByKey"]),
        (StatusCode::OK, &json!(true)),
        "{answer}"
    );
    assert_eq!(scene.entries(&incident, "closed").await, [("li".to_owned(), "ding".to_owned())]);
    let shown = &answer["cardData"]["cardParamMap"];
    assert_eq!((&shown["ack"], &shown["resolve"], &shown["mark"]), (&json!(""), &json!(""), &json!("")));
    assert_eq!((&shown["said"], &shown["colour"]), (&json!("李雷 · 已解决,关闭:已完成"), &json!("green")), "{shown}");

    // What makes no sense any more is refused, in words, and the card has no buttons any more.
    let (_, answer) = wecom(&scene, &key.replace("snooze", "snooze-30"), "wecom-token").await;
    assert_eq!(between(&answer, "MsgType"), "update_button", "{answer}");
    let (_, answer) = feishu(&scene, &json!({ "word": "ack", "mark": value["mark"] }), "feishu-key").await;
    assert!(buttons(&answer["card"]["data"]).is_empty(), "{answer}");
    scene.program.stop();
}
