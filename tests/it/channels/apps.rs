//! Apps of Feishu, WeCom and DingTalk against other ends that hold their documents' rules: tokens, ids, sizes, buttons, repeats.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use headwater::clock::machine;
use headwater::delivery::Attempt;
use headwater::delivery::contacts::Contacts;
use headwater::delivery::settings::{Common, ReceiverSettings, Settings, prepare};
use headwater::domain::pass::Seal;
use headwater::domain::time::Span;
use headwater::engine::effect::{Addressee, Notice, NoticeKind};
use serde_json::{Value, json};

use super::hostile;
use crate::delivery::notice;

const SECRET: &str = "an-apps-secret";
const AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

/// What the other end has taken, and which token is valid.
#[derive(Clone, Default)]
struct End(Arc<Mutex<World>>);

#[derive(Default)]
struct World {
    taken: Vec<Value>,
    seen: BTreeSet<String>,
    tokens: u32,
    /// Tokens that were given are not known any more.
    has_forgotten: bool,
    /// Cards are made and not delivered.
    is_stuck: bool,
}

type Pairs = Query<BTreeMap<String, String>>;

impl End {
    async fn listen() -> (Self, String) {
        let end = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(take).with_state(end.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (end, url)
    }

    fn taken(&self) -> Vec<Value> {
        self.0.lock().unwrap().taken.clone()
    }
}

async fn take(State(end): State<End>, Query(pairs): Pairs, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut world = end.0.lock().unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let bearer = headers.get("authorization").and_then(|text| text.to_str().ok()).unwrap_or_default();
    match uri.path() {
        "/open-apis/auth/v3/tenant_access_token/internal" => {
            if body["app_secret"] != SECRET {
                return axum::Json(json!({ "code": 10014, "msg": "app secret invalid" })).into_response();
            }
            world.tokens += 1;
            world.has_forgotten = false;
            let token = format!("t-{}", world.tokens);
            axum::Json(json!({ "code": 0, "msg": "ok", "tenant_access_token": token, "expire": 7200 })).into_response()
        }
        "/open-apis/im/v1/messages" => feishu(&mut world, bearer, &pairs, &body),
        "/cgi-bin/gettoken" => {
            if pairs.get("corpsecret").is_none_or(|secret| secret != SECRET) {
                return axum::Json(json!({ "errcode": 40001, "errmsg": "invalid credential" })).into_response();
            }
            world.tokens += 1;
            world.has_forgotten = false;
            let token = format!("t-{}", world.tokens);
            axum::Json(json!({ "errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": 7200 }))
                .into_response()
        }
        "/gettoken" => {
            if pairs.get("appsecret").is_none_or(|secret| secret != SECRET) {
                return axum::Json(json!({ "errcode": 40089, "errmsg": "不合法的corpid或corpsecret" })).into_response();
            }
            world.tokens += 1;
            world.has_forgotten = false;
            let token = format!("t-{}", world.tokens);
            axum::Json(json!({ "errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": 7200 }))
                .into_response()
        }
        "/v1.0/card/instances/createAndDeliver" | "/v1.0/card/instances/deliver" => {
            let token = headers.get("x-acs-dingtalk-access-token").and_then(|text| text.to_str().ok());
            if world.has_forgotten || token != Some(&format!("t-{}", world.tokens)) {
                let no = json!({ "code": "InvalidAuthentication", "message": "不合法的access_token" });
                return (StatusCode::UNAUTHORIZED, axum::Json(no)).into_response();
            }
            let (status, answer) = dingtalk_card(&mut world, uri.path().ends_with("/deliver"), &body);
            (StatusCode::from_u16(status).unwrap(), axum::Json(answer)).into_response()
        }
        "/topapi/message/corpconversation/asyncsend_v2" => axum::Json(work(&mut world, &pairs, &body)).into_response(),
        "/cgi-bin/message/send" => axum::Json(wecom(&mut world, &pairs, &body)).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn feishu(world: &mut World, bearer: &str, pairs: &BTreeMap<String, String>, body: &Value) -> Response {
    let no = |code: i64, msg: &str| {
        (StatusCode::BAD_REQUEST, axum::Json(json!({ "code": code, "msg": msg }))).into_response()
    };
    if world.has_forgotten || bearer != format!("Bearer t-{}", world.tokens) {
        return no(99_991_663, "Invalid access token for authorization");
    }
    let id = body["receive_id"].as_str().unwrap_or_default();
    let kind = pairs.get("receive_id_type").map_or("", String::as_str);
    let fits = [("oc_", "chat_id"), ("ou_", "open_id"), ("on_", "union_id")];
    if fits.iter().any(|(begin, of)| id.starts_with(begin) != (kind == *of)) || id == "ou_gone" {
        return no(230_001, "Your request contains an invalid request parameter, ext=invalid receive_id");
    }
    let Some(card) = body["content"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok()) else {
        return no(230_001, "content is not a string in json format");
    };
    let uuid = body["uuid"].as_str().unwrap_or_default().to_owned();
    let elements = card["elements"].as_array().cloned().unwrap_or_default();
    let is_card = card["header"]["title"]["content"].is_string() && !elements.is_empty();
    let is_small = body["content"].as_str().unwrap().len() <= 30 * 1024;
    if body["msg_type"] != "interactive" || !is_card || !is_small || uuid.is_empty() || uuid.len() > 50 {
        return no(230_025, "The message content is longer than allowed, or no card");
    }
    if world.seen.insert(uuid) {
        world.taken.push(card);
    }
    axum::Json(json!({ "code": 0, "msg": "success", "data": { "message_id": "om_1" } })).into_response()
}

fn wecom(world: &mut World, pairs: &BTreeMap<String, String>, body: &Value) -> Value {
    let no = |code: i64, said: &str| json!({ "errcode": code, "errmsg": said });
    if world.has_forgotten || pairs.get("access_token") != Some(&format!("t-{}", world.tokens)) {
        return no(40_014, "invalid access_token");
    }
    let to = body["touser"].as_str().unwrap_or_default();
    if to.is_empty() || !body["agentid"].is_u64() || body["enable_duplicate_check"] != 1 {
        return no(40_003, "touser, agentid");
    }
    let chars = |value: &Value| value.as_str().unwrap_or_default().chars().count();
    match body["msgtype"].as_str() {
        Some("text") if body["text"]["content"].as_str().is_some_and(|text| (1..=2048).contains(&text.len())) => {}
        Some("template_card") => {
            let card = &body["template_card"];
            let buttons = card["button_list"].as_array().cloned().unwrap_or_default();
            let task = card["task_id"].as_str().unwrap_or_default();
            let is_task =
                (1..=128).contains(&task.len()) && task.chars().all(|c| c.is_ascii_alphanumeric() || "_-@".contains(c));
            let is_button = |one: &Value| {
                (1..=10).contains(&chars(&one["text"]))
                    && one["key"].as_str().is_some_and(|key| (1..=1024).contains(&key.len()))
            };
            let is_card =
                card["card_type"] == "button_interaction" && (1..=36).contains(&chars(&card["main_title"]["title"]));
            let links = card["horizontal_content_list"].as_array().cloned().unwrap_or_default();
            // "列表长度不超过6", "keyname 建议不超过5个字", "value 建议不超过26个字".
            let is_link = |one: &Value| {
                (1..=5).contains(&chars(&one["keyname"]))
                    && (1..=26).contains(&chars(&one["value"]))
                    && (one["type"] != 1 || one["url"].as_str().is_some_and(|url| url.starts_with("http")))
            };
            if !is_task
                || !is_card
                || links.len() > 6
                || !links.iter().all(is_link)
                || chars(&card["sub_title_text"]) > 160
                || !(1..=6).contains(&buttons.len())
                || !buttons.iter().all(is_button)
                || links.len() > 6
                || !links.iter().all(is_link)
            {
                return no(41_064, "invalid template card");
            }
            if !world.seen.insert(task.to_owned()) {
                return no(41_074, "task_id repeated");
            }
        }
        _ => return no(40_008, "invalid message type or size"),
    }
    if to == "gone" {
        return json!({ "errcode": 0, "errmsg": "ok", "invaliduser": "gone" });
    }
    world.taken.push(body.clone());
    json!({ "errcode": 0, "errmsg": "ok", "invaliduser": "", "msgid": "1" })
}

/// "创建并投放卡片" and "投放卡片".
fn dingtalk_card(world: &mut World, is_again: bool, body: &Value) -> (u16, Value) {
    let no = |code: &str| (400, json!({ "code": code, "message": code, "requestid": "1" }));
    let track = body["outTrackId"].as_str().unwrap_or_default();
    if track.is_empty() {
        return no("param.outTrackIdEmpty");
    }
    // "其格式为dtv1.card//spaceType1.spaceId1"; a robot's space is a userid's, a group's an openConversationId's.
    let space = body["openSpaceId"].as_str().and_then(|text| text.strip_prefix("dtv1.card//"));
    let Some((kind, id)) = space.and_then(|space| space.split_once('.')) else { return no("param.openSpaceIdInvalid") };
    // "若使用imGroupOpenDeliverModel对象,则该字段必填"; "IM机器人单聊若未设置其他投放属性,需设置spaeType为IM_ROBOT".
    let is_placed = match kind {
        "IM_GROUP" => id.starts_with("cid") && body["imGroupOpenDeliverModel"]["robotCode"].is_string(),
        "IM_ROBOT" => body["imRobotOpenDeliverModel"]["spaceType"] == "IM_ROBOT",
        _ => false,
    };
    if !is_placed {
        return no("param.openDeliverModelError");
    }
    if id == "gone" {
        return no("param.userIdNotExist");
    }
    if !is_again {
        if body["cardTemplateId"] != "card.schema" {
            return no("param.templateNotExist");
        }
        // "若使用imRobotOpenSpaceModel对象,则该字段必填": supportForward.
        let model = if kind == "IM_GROUP" { "imGroupOpenSpaceModel" } else { "imRobotOpenSpaceModel" };
        if !body[model]["supportForward"].is_boolean() {
            return no("param.openSpaceModelInvalid");
        }
        // "key:参数名(最长不超过100B)", "value: 参数值(最长不超过1KB)", "属性字段只支持 String 类型".
        let fits = |(name, value): (&String, &Value)| {
            name.len() <= 100 && value.as_str().is_some_and(|text| text.len() <= 1024)
        };
        match body["cardData"]["cardParamMap"].as_object() {
            Some(values) if !values.is_empty() && values.iter().all(fits) => {}
            _ => return no("param.invalid"),
        }
        if (body["callbackType"] == "HTTP") != body["callbackRouteKey"].is_string() {
            return no("param.invalid");
        }
        // "一个 outTrackId 唯一标识一张卡片".
        if !world.seen.insert(track.to_owned()) {
            return no("param.cardAlreadyExist");
        }
        world.taken.push(body.clone());
    } else if !world.seen.contains(track) {
        return no("param.cardNotExist");
    }
    let is_stuck = std::mem::take(&mut world.is_stuck);
    let result = json!([{ "spaceType": kind, "spaceId": id, "success": !is_stuck, "errorMsg": if is_stuck { "SYSTEM_ERROR" } else { "" } }]);
    if is_again {
        return (200, json!({ "success": true, "result": result }));
    }
    (200, json!({ "success": true, "result": { "outTrackId": track, "deliverResults": result } }))
}

/// "发送工作通知".
fn work(world: &mut World, pairs: &BTreeMap<String, String>, body: &Value) -> Value {
    let no = |code: i64, said: &str| json!({ "errcode": code, "errmsg": said });
    if world.has_forgotten || pairs.get("access_token") != Some(&format!("t-{}", world.tokens)) {
        return no(40_014, "不合法的access_token");
    }
    let card = &body["msg"]["action_card"];
    let length = |value: &Value| value.as_str().unwrap_or_default().len();
    let is_whole =
        body["agent_id"].is_u64() && length(&body["userid_list"]) > 0 && body["msg"]["msgtype"] == "action_card";
    // "消息体...最长不超过2048个字节".
    let is_card = (1..=2048).contains(&length(&card["markdown"])) && length(&card["single_title"]) > 0;
    if !is_whole || !is_card || !card["single_url"].as_str().is_some_and(|url| url.starts_with("https://")) {
        return no(33_001, "无效的参数");
    }
    if body["userid_list"] == "gone" {
        return no(33_012, "无效的USERID");
    }
    world.taken.push(body.clone());
    json!({ "errcode": 0, "errmsg": "ok", "task_id": 1 })
}

async fn send(own: &Value, notice: &Notice, contacts: &Contacts) -> Vec<Attempt> {
    let mut own = own.clone();
    let more = json!({ "id": "app", "allow_private": true, "timeout": "2s" });
    own.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let settings: ReceiverSettings = serde_json::from_value(own).unwrap();
    let common = Common {
        settings: Settings::default(),
        base_url: "https://noc.example".into(),
        own_ports: Vec::new(),
        clock: machine(),
        contacts: contacts.clone(),
        seal: Seal::of(b"a key of tests, and for nothing else"),
        pass_valid_for: Span::hours(24),
        bus: Default::default(),
    };
    let ready = prepare(&[settings], &common).unwrap_or_else(|errors| panic!("{errors:?}"));
    let channel = ready.into_values().next().unwrap().channel.unwrap();
    // Twice: a lost answer is followed by a repeat.
    vec![super::yes(channel.send(notice).await), super::yes(channel.send(notice).await)]
}

fn apps(url: &str) -> [Value; 3] {
    [
        json!({ "kind": "feishu_app", "server": url, "app_id": "cli_1", "app_secret": SECRET, "to": "oc_1", "verification_token": "v" }),
        json!({ "kind": "wecom_app", "server": url, "corp_id": "ww1", "agent_id": 7, "secret": SECRET, "to": "li|han", "token": "t", "aes_key": AES_KEY }),
        json!({ "kind": "dingtalk_app", "server": url, "oapi": url, "app_key": "ding1", "app_secret": SECRET, "to": "cidAbC/1+2==",
                "card_template": "card.schema", "route_key": "headwater", "api_secret": "card-secret" }),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cards_of_apps_are_taken_however_hostile_have_buttons_and_a_repeat_is_one() {
    for n in 0..3 {
        let (end, url) = End::listen().await;
        let own = apps(&url)[n].clone();
        for (kind, length, count) in
            [(NoticeKind::Opened, 1, 1), (NoticeKind::Opened, 3000, 1), (NoticeKind::Recovered, 1, 1)]
        {
            let before = end.taken().len();
            let mut notice = hostile(kind, length);
            notice.key = format!("{}-{length}", notice.key).into();
            assert_eq!(
                send(&own, &notice, &Contacts::default()).await,
                [Attempt::Accepted, Attempt::Accepted],
                "{own}"
            );
            let taken = end.taken().split_off(before);
            // What has no buttons any more is told apart by WeCom itself.
            assert!(taken.len() == count || (n == 1 && kind == NoticeKind::Recovered), "{taken:?}");
            let has_buttons = match n {
                2 => !taken[0]["cardData"]["cardParamMap"]["ack"].as_str().unwrap().is_empty(),
                _ => taken[0].to_string().contains("ack"),
            };
            assert_eq!(has_buttons, kind == NoticeKind::Opened, "{}", taken[0]);
        }
        // One token for all, and a fresh one when the system has forgotten it.
        end.0.lock().unwrap().has_forgotten = true;
        let attempts = send(&own, &notice(7, 9, NoticeKind::Updated, "app"), &Contacts::default()).await;
        assert!(
            matches!(attempts[..], [Attempt::Accepted, Attempt::Accepted]),
            "a fresh receiver fetches its own: {attempts:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_secret_locks_out_and_who_is_gone_is_refused() {
    for n in 0..3 {
        let (end, url) = End::listen().await;
        let mut own = apps(&url)[n].clone();
        let opened = notice(7, 3, NoticeKind::Opened, "app");
        own["to"] = ["ou_gone", "gone", "gone"][n].into();
        let attempts = send(&own, &opened, &Contacts::default()).await;
        assert!(matches!(attempts[0], Attempt::Refused { .. }), "{attempts:?}");
        own[["app_secret", "secret", "app_secret"][n]] = "other".into();
        let attempts = send(&own, &opened, &Contacts::default()).await;
        assert!(matches!(attempts[0], Attempt::LockedOut { .. }), "{attempts:?}");
        assert!(end.taken().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_get_cards_of_their_own_in_their_own_language() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("contacts.yaml");
    std::fs::write(&file, "li: { app: ou_li }\nann: { app: ou_ann, language: en }\n").unwrap();
    let contacts = Contacts::open(&file).unwrap();
    let (end, url) = End::listen().await;
    let mut own = apps(&url)[0].clone();
    own["to"] = "".into();
    for person in ["li", "ann"] {
        let mut page = notice(7, 3, NoticeKind::Opened, "app");
        page.key = format!("{}-{person}", page.key).into();
        page.to = Some(Box::new(Addressee {
            person: person.into(),
            name: person.into(),
            policy: "core".into(),
            level: 1,
            verified: Vec::new(),
        }));
        assert_eq!(send(&own, &page, &contacts).await[0], Attempt::Accepted);
    }
    let titles: Vec<String> =
        end.taken().iter().map(|card| card["header"]["title"]["content"].as_str().unwrap().to_owned()).collect();
    assert!(titles[0].contains("新故障") && titles[1].contains("New incident"), "{titles:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_of_dingtalk_that_was_made_but_not_delivered_is_delivered_by_the_next_attempt() {
    let (end, url) = End::listen().await;
    let own = apps(&url)[2].clone();
    end.0.lock().unwrap().is_stuck = true;
    let attempts = send(&own, &notice(7, 3, NoticeKind::Opened, "app"), &Contacts::default()).await;
    assert!(matches!(&attempts[..], [Attempt::TryLater { .. }, Attempt::Accepted]), "{attempts:?}");
    let taken = end.taken();
    assert_eq!(taken.len(), 1, "one card: {taken:?}");
    assert_eq!((&taken[0]["callbackType"], &taken[0]["callbackRouteKey"]), (&json!("HTTP"), &json!("headwater")));
    // What the organisation has to put right by itself: nothing else is sent meanwhile.
    let mut wrong = own.clone();
    wrong["card_template"] = "other.schema".into();
    let attempts = send(&wrong, &notice(8, 3, NoticeKind::Opened, "app"), &Contacts::default()).await;
    assert!(matches!(attempts[0], Attempt::LockedOut { .. }), "{attempts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_card_people_get_work_notifications_however_hostile() {
    let (end, url) = End::listen().await;
    let mut own = json!({ "kind": "dingtalk_app", "server": url, "oapi": url, "app_key": "ding1", "app_secret": SECRET,
        "to": "li", "agent_id": 7 });
    for length in [1, 3000] {
        let mut notice = hostile(NoticeKind::Opened, length);
        notice.key = format!("{}-{length}", notice.key).into();
        assert_eq!(send(&own, &notice, &Contacts::default()).await[0], Attempt::Accepted);
    }
    for sent in end.taken() {
        let text = sent["msg"]["action_card"]["markdown"].as_str().unwrap();
        assert!(!text.contains("](http://evil.example)") && !text.contains('\u{202e}'), "a stranger's markup: {text}");
    }
    own["to"] = "gone".into();
    let attempts = send(&own, &notice(7, 3, NoticeKind::Opened, "app"), &Contacts::default()).await;
    assert!(matches!(attempts[0], Attempt::Refused { .. }), "{attempts:?}");
    own["app_secret"] = "other".into();
    let attempts = send(&own, &notice(7, 4, NoticeKind::Opened, "app"), &Contacts::default()).await;
    assert!(matches!(attempts[0], Attempt::LockedOut { .. }), "{attempts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_end_of_dingtalk_takes_no_wrong_card() {
    let (end, url) = End::listen().await;
    let client = crate::program::client();
    let token = client.get(format!("{url}/gettoken?appkey=ding1&appsecret={SECRET}")).send().await.unwrap();
    let token: Value = token.json().await.unwrap();
    let good = json!({ "cardTemplateId": "card.schema", "outTrackId": "1", "openSpaceId": "dtv1.card//IM_ROBOT.li",
        "imRobotOpenSpaceModel": { "supportForward": false }, "imRobotOpenDeliverModel": { "spaceType": "IM_ROBOT" },
        "cardData": { "cardParamMap": { "title": "x" } }, "callbackType": "HTTP", "callbackRouteKey": "r" });
    let wrong = [
        ("/outTrackId", json!(""), "param.outTrackIdEmpty"),
        ("/cardTemplateId", json!("other"), "param.templateNotExist"),
        ("/openSpaceId", json!("IM_ROBOT.li"), "param.openSpaceIdInvalid"),
        ("/openSpaceId", json!("dtv1.card//IM_GROUP.li"), "param.openDeliverModelError"),
        ("/openSpaceId", json!("dtv1.card//IM_ROBOT.gone"), "param.userIdNotExist"),
        ("/imRobotOpenDeliverModel", json!({}), "param.openDeliverModelError"),
        ("/imRobotOpenSpaceModel", json!({}), "param.openSpaceModelInvalid"),
        ("/cardData/cardParamMap", json!({}), "param.invalid"),
        ("/cardData/cardParamMap/title", json!(7), "param.invalid"),
        ("/cardData/cardParamMap/title", json!("长".repeat(342)), "param.invalid"),
        ("/callbackRouteKey", Value::Null, "param.invalid"),
    ];
    let send = async |path: &str, token: &str, body: &Value| {
        let request = client.post(format!("{url}/v1.0/card/instances/{path}")).json(body);
        request.header("x-acs-dingtalk-access-token", token).send().await.unwrap().json::<Value>().await.unwrap()
    };
    let token = token["access_token"].as_str().unwrap();
    for (place, value, code) in wrong {
        let mut body = good.clone();
        *body.pointer_mut(place).unwrap() = value;
        assert_eq!(send("createAndDeliver", token, &body).await["code"], code, "{place}");
    }
    assert_eq!(send("createAndDeliver", "t-0", &good).await["code"], "InvalidAuthentication");
    assert_eq!(send("deliver", token, &good).await["code"], "param.cardNotExist");
    assert!(end.taken().is_empty());
    assert_eq!(send("createAndDeliver", token, &good).await["success"], true);
    assert_eq!(send("createAndDeliver", token, &good).await["code"], "param.cardAlreadyExist");
}
