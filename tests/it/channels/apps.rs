//! Apps of Feishu and WeCom against other ends that hold their documents' rules: tokens, ids, sizes, buttons, repeats.

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
            if !is_task
                || !is_card
                || chars(&card["sub_title_text"]) > 160
                || !(1..=6).contains(&buttons.len())
                || !buttons.iter().all(is_button)
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
    vec![channel.send(notice).await, channel.send(notice).await]
}

fn apps(url: &str) -> [Value; 2] {
    [
        json!({ "kind": "feishu_app", "server": url, "app_id": "cli_1", "app_secret": SECRET, "to": "oc_1", "verification_token": "v" }),
        json!({ "kind": "wecom_app", "server": url, "corp_id": "ww1", "agent_id": 7, "secret": SECRET, "to": "li|han", "token": "t", "aes_key": AES_KEY }),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cards_of_apps_are_taken_however_hostile_have_buttons_and_a_repeat_is_one() {
    for n in 0..2 {
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
            let has_buttons = taken[0].to_string().contains("ack");
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
    for n in 0..2 {
        let (end, url) = End::listen().await;
        let mut own = apps(&url)[n].clone();
        let opened = notice(7, 3, NoticeKind::Opened, "app");
        own["to"] = ["ou_gone", "gone"][n].into();
        let attempts = send(&own, &opened, &Contacts::default()).await;
        assert!(matches!(attempts[0], Attempt::Refused { .. }), "{attempts:?}");
        own[["app_secret", "secret"][n]] = "other".into();
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
        page.to =
            Some(Box::new(Addressee { person: person.into(), name: person.into(), policy: "core".into(), level: 1 }));
        assert_eq!(send(&own, &page, &contacts).await[0], Attempt::Accepted);
    }
    let titles: Vec<String> =
        end.taken().iter().map(|card| card["header"]["title"]["content"].as_str().unwrap().to_owned()).collect();
    assert!(titles[0].contains("新故障") && titles[1].contains("New incident"), "{titles:?}");
}
