//! The other ends of the channels, as strict as their documents say they are. Each rule stands beside the check that
//! holds it; what breaks one gets the answer that the provider would give.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest as _, Md5};
use serde_json::{Value, json};
use sha2::Sha256;

/// What every fake knows of its customer.
pub const TOKEN: &str = "0123456789abcdef";
pub const SECRET: &str = "SECtestsecret";

/// Requests that were taken, by path.
#[derive(Clone, Default)]
pub struct Fakes {
    taken: Arc<Mutex<Vec<(String, Value)>>>,
    /// Is answered instead of what the rules say.
    mood: Arc<Mutex<Option<(u16, Value)>>>,
}

/// The running fakes.
pub struct Running {
    pub address: SocketAddr,
    pub fakes: Fakes,
}

impl Running {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, fakes) = (listener.local_addr().unwrap(), Fakes::default());
        let app = Router::new().fallback(take).with_state(fakes.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, fakes }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Answers this from now on, whatever comes; `None`: goes by its rules again.
    pub fn answer(&self, mood: Option<(u16, Value)>) {
        *self.fakes.mood.lock().unwrap() = mood;
    }

    /// What was taken at paths that begin so.
    pub fn taken(&self, path: &str) -> Vec<Value> {
        let taken = self.fakes.taken.lock().unwrap();
        taken.iter().filter(|(at, _)| at.starts_with(path)).map(|(_, body)| body.clone()).collect()
    }
}

/// One request, as the rules look at it.
struct Asked<'a> {
    path: &'a str,
    query: Vec<(String, String)>,
    headers: &'a HeaderMap,
    text: &'a [u8],
    body: Value,
}

impl Asked<'_> {
    fn param(&self, name: &str) -> &str {
        self.query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A text within the body, or nothing.
    fn at(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

async fn take(
    State(fakes): State<Fakes>,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    text: Bytes,
) -> Response {
    let mood = fakes.mood.lock().unwrap().clone();
    if let Some((status, body)) = mood {
        return (StatusCode::from_u16(status).unwrap(), body.to_string()).into_response();
    }
    let url = reqwest::Url::parse(&format!("http://x/?{}", query.unwrap_or_default())).unwrap();
    let query = url.query_pairs().map(|(key, value)| (key.into_owned(), value.into_owned())).collect();
    let body = serde_json::from_slice(&text).unwrap_or_default();
    let asked = Asked { path: uri.path(), query, headers: &headers, text: &text, body };
    let (status, answer) = judge(&asked);
    let is_taken = ["ok", "OK", "success"].iter().any(|word| answer["fake"] == *word);
    if is_taken {
        let seen = json!({ "query": asked.query.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
                           "body": asked.body, "text": String::from_utf8_lossy(asked.text) });
        fakes.taken.lock().unwrap().push((uri.path().to_owned(), seen));
    }
    (StatusCode::from_u16(status).unwrap(), answer["says"].to_string()).into_response()
}

fn yes(says: Value) -> (u16, Value) {
    (200, json!({ "fake": "ok", "says": says }))
}

fn no(status: u16, says: Value) -> (u16, Value) {
    (status, json!({ "fake": "no", "says": says }))
}

fn judge(asked: &Asked<'_>) -> (u16, Value) {
    let name = asked.path.split('/').nth(1).unwrap_or_default();
    match name {
        "dingtalk" => dingtalk(asked),
        "wecom" => wecom(asked),
        "feishu" => feishu(asked),
        "slack" => slack(asked),
        "teams" => teams(asked),
        "telegram" => telegram(asked),
        "discord" => discord(asked),
        "ntfy" => ntfy(asked),
        "pagerduty" => pagerduty(asked),
        "servicenow-em" => servicenow_em(asked),
        "opsgenie" => opsgenie(asked),
        "mas" => mas(asked),
        "aliyun" => aliyun(asked),
        "tencent" => tencent(asked),
        _ => no(404, json!({})),
    }
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn dingtalk(asked: &Asked<'_>) -> (u16, Value) {
    let says = |code: i64, text: &str| no(200, json!({ "errcode": code, "errmsg": text }));
    // "access_token" is the robot's.
    if asked.param("access_token") != TOKEN {
        return says(300_005, "token is not exist");
    }
    // "把timestamp+\"\\n\"+密钥当做签名字符串, 使用HmacSHA256算法计算签名" with the secret as key.
    let timestamp = asked.param("timestamp");
    let sign = BASE64_STANDARD.encode(hmac(SECRET.as_bytes(), format!("{timestamp}\n{SECRET}").as_bytes()));
    if asked.param("sign") != sign {
        return says(310_000, "sign not match");
    }
    let text = asked.at("/markdown/text");
    if asked.at("/msgtype") != "markdown" || asked.at("/markdown/title").is_empty() || text.is_empty() {
        return says(40_035, "缺少参数 json");
    }
    // "自定义关键词": at least one in each message.
    if !text.contains("告警") {
        return says(310_000, "keywords not in content");
    }
    // Who is called stands in the text, too.
    let mobiles = asked.body["at"]["atMobiles"].as_array().cloned().unwrap_or_default();
    let is_called = |mobile: &Value| text.contains(&format!("@{}", mobile.as_str().unwrap_or_default()));
    if text.len() > 4000 || !mobiles.iter().all(is_called) {
        return says(460_101, "message too long");
    }
    yes(json!({ "errcode": 0, "errmsg": "ok" }))
}

fn wecom(asked: &Asked<'_>) -> (u16, Value) {
    let says = |code: i64, text: &str| no(200, json!({ "errcode": code, "errmsg": text }));
    if asked.param("key") != TOKEN {
        return says(93_000, "invalid webhook url");
    }
    // "markdown内容，最长不超过4096个字节"; "文本内容，最长不超过2048个字节".
    let (content, most) = match asked.at("/msgtype") {
        "markdown" => (asked.at("/markdown/content"), 4096),
        "text" => (asked.at("/text/content"), 2048),
        _ => return says(40_008, "invalid message type"),
    };
    match content.len() {
        0 => says(44_004, "empty content"),
        length if length > most => says(40_058, "exceed max length"),
        _ => yes(json!({ "errcode": 0, "errmsg": "ok" })),
    }
}

fn feishu(asked: &Asked<'_>) -> (u16, Value) {
    let says = |code: i64, text: &str| no(200, json!({ "code": code, "msg": text, "data": {} }));
    // "把 timestamp + \"\\n\" + 密钥 当做签名字符串" as the key, over nothing; in the body.
    let timestamp = asked.at("/timestamp");
    let sign = BASE64_STANDARD.encode(hmac(format!("{timestamp}\n{SECRET}").as_bytes(), b""));
    if timestamp.len() != 10 || asked.at("/sign") != sign {
        return says(19_021, "sign match fail or timestamp is not within one hour from current time");
    }
    // "请求体大小不能超过 20 KB".
    if asked.text.len() > 20 * 1024 {
        return says(9499, "Bad Request");
    }
    if asked.at("/msg_type") != "interactive" || asked.at("/card/header/title/content").is_empty() {
        return says(9499, "Bad Request");
    }
    if !String::from_utf8_lossy(asked.text).contains("告警") {
        return says(19_024, "Key Words Not Found");
    }
    yes(json!({ "code": 0, "msg": "success", "data": {} }))
}

fn slack(asked: &Asked<'_>) -> (u16, Value) {
    if asked.path != format!("/slack/services/{TOKEN}") {
        return no(404, "no_service".into());
    }
    let blocks = asked.body["blocks"].as_array().cloned().unwrap_or_default();
    // "header: Maximum length for the text in this field is 150 characters"; section 3000.
    let fits = |block: &Value| {
        let most = if block["type"] == "header" { 150 } else { 3000 };
        let length = block["text"]["text"].as_str().unwrap_or_default().chars().count();
        (1..=most).contains(&length)
    };
    if asked.at("/text").is_empty() || blocks.is_empty() || !blocks.iter().all(fits) {
        return no(400, "invalid_blocks".into());
    }
    yes("ok".into())
}

fn teams(asked: &Asked<'_>) -> (u16, Value) {
    let card = &asked.body["attachments"][0];
    let is_card = card["contentType"] == "application/vnd.microsoft.card.adaptive"
        && card["content"]["type"] == "AdaptiveCard"
        && card["content"]["body"].as_array().is_some_and(|body| !body.is_empty());
    // "The message size limit is 28 KB".
    if asked.text.len() > 28 * 1024 {
        return no(413, json!({ "error": { "code": "RequestEntityTooLarge" } }));
    }
    if asked.at("/type") != "message" || !is_card {
        return no(400, json!({ "error": { "code": "InvalidBotRequest" } }));
    }
    (202, json!({ "fake": "ok", "says": null }))
}

fn telegram(asked: &Asked<'_>) -> (u16, Value) {
    if asked.path != format!("/telegram/bot123456:{TOKEN}/sendMessage") {
        return no(404, json!({ "ok": false, "error_code": 404, "description": "Not Found" }));
    }
    let text = asked.at("/text");
    // "Text of the message to be sent, 1-4096 characters after entities parsing".
    if asked.at("/chat_id").is_empty() || !(1..=4096).contains(&text.chars().count()) {
        let why = "Bad Request: message is too long";
        return no(400, json!({ "ok": false, "error_code": 400, "description": why }));
    }
    yes(json!({ "ok": true, "result": { "message_id": 1 } }))
}

fn discord(asked: &Asked<'_>) -> (u16, Value) {
    if asked.path != format!("/discord/api/webhooks/1/{TOKEN}") {
        return no(404, json!({ "message": "Unknown Webhook", "code": 10_015 }));
    }
    let length = |pointer: &str| asked.at(pointer).chars().count();
    // "title 256 characters", "description 4096 characters".
    let fits = (1..=256).contains(&length("/embeds/0/title")) && length("/embeds/0/description") <= 4096;
    let calls_nobody = asked.body["allowed_mentions"]["parse"] == json!([]);
    if !fits || !calls_nobody {
        return no(400, json!({ "message": "Invalid Form Body", "code": 50_035 }));
    }
    (204, json!({ "fake": "ok", "says": null }))
}

fn ntfy(asked: &Asked<'_>) -> (u16, Value) {
    if asked.header("authorization") != format!("Bearer {TOKEN}") {
        return no(403, json!({ "code": 40_301, "http": 403, "error": "forbidden" }));
    }
    let priority = asked.body["priority"].as_u64().unwrap_or(3);
    // "message up to 4,096 bytes"; priorities are 1 to 5.
    if asked.at("/topic").is_empty() || asked.at("/message").len() > 4096 || !(1..=5).contains(&priority) {
        return no(400, json!({ "code": 40_024, "http": 400, "error": "invalid request" }));
    }
    yes(json!({ "id": "x", "event": "message" }))
}

/// docs.servicenow.com, "Send events via web service" and "Event field format for event collection".
fn servicenow_em(asked: &Asked<'_>) -> (u16, Value) {
    let right = format!("Basic {}", BASE64_STANDARD.encode(format!("hw:{TOKEN}")));
    if asked.header("authorization") != right {
        return no(401, json!({ "error": { "message": "User Not Authenticated" }, "status": "failure" }));
    }
    let is_json = |name: &str| asked.header(name).starts_with("application/json");
    if !asked.path.ends_with("/api/global/em/jsonv2") || !is_json("accept") || !is_json("content-type") {
        return no(400, json!({ "error": { "message": "Requested URI does not represent any resource" } }));
    }
    let Some(records) = asked.body["records"].as_array().filter(|records| !records.is_empty()) else {
        return no(400, json!({ "error": { "message": "records is missing" } }));
    };
    for record in records {
        let text = |name: &str| record[name].as_str().unwrap_or_default();
        let short = |name: &str| text(name).chars().count() <= 100;
        let has_place = !text("node").is_empty() || !text("event_class").is_empty();
        let is_severity = ["0", "1", "2", "3", "4", "5"].contains(&text("severity"));
        let is_time = chrono::NaiveDateTime::parse_from_str(text("time_of_event"), "%Y-%m-%d %H:%M:%S").is_ok();
        // Pairs of texts, as a text.
        let info: Option<std::collections::BTreeMap<String, Option<String>>> =
            serde_json::from_str(text("additional_info")).ok();
        let is_short = ["source", "node", "type", "resource"].into_iter().all(short);
        let is_keyed = (1..=1024).contains(&text("message_key").chars().count());
        if text("source").is_empty()
            || !has_place
            || !is_short
            || !is_severity
            || !is_time
            || info.is_none()
            || !is_keyed
        {
            return no(400, json!({ "error": { "message": "Invalid event", "detail": record } }));
        }
    }
    yes(json!({ "result": { "Default Bulk Endpoint": format!("{} events were inserted", records.len()) } }))
}

fn pagerduty(asked: &Asked<'_>) -> (u16, Value) {
    let wrong = |why: &str| no(400, json!({ "status": "invalid event", "errors": [why] }));
    let action = asked.at("/event_action");
    if asked.at("/routing_key") != TOKEN {
        return wrong("Invalid routing key");
    }
    let key = asked.at("/dedup_key").chars().count();
    if !["trigger", "acknowledge", "resolve"].contains(&action) || !(1..=255).contains(&key) {
        return wrong("'event_action' or 'dedup_key' is invalid");
    }
    let summary = asked.at("/payload/summary").chars().count();
    let severities = ["critical", "error", "warning", "info"];
    let is_whole = (1..=1024).contains(&summary)
        && !asked.at("/payload/source").is_empty()
        && severities.contains(&asked.at("/payload/severity"));
    if action == "trigger" && !is_whole {
        return wrong("'payload' is missing or invalid");
    }
    (202, json!({ "fake": "ok", "says": { "status": "success" } }))
}

fn opsgenie(asked: &Asked<'_>) -> (u16, Value) {
    if asked.header("authorization") != format!("GenieKey {TOKEN}") {
        return no(403, json!({ "message": "You are not authorized to access this resource." }));
    }
    let is_close = asked.path.ends_with("/close") && asked.param("identifierType") == "alias";
    let (message, alias) = (asked.at("/message").chars().count(), asked.at("/alias").chars().count());
    // "message: limited to 130 characters", "alias: 512 characters".
    let is_new = (1..=130).contains(&message) && (1..=512).contains(&alias);
    if !is_close && !is_new {
        return no(422, json!({ "message": "Request body is not processable." }));
    }
    (202, json!({ "fake": "ok", "says": { "result": "Request will be processed" } }))
}

fn mas(asked: &Asked<'_>) -> (u16, Value) {
    let says = |code: &str| no(200, json!({ "msgGroup": "", "rspcod": code, "success": false }));
    let decoded = BASE64_STANDARD.decode(asked.text).ok();
    let Some(body) = decoded.and_then(|text| serde_json::from_slice::<Value>(&text).ok()) else {
        return says("InvalidMessage");
    };
    let of = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let [name, account, numbers, content, sign, serial] =
        ["ecName", "apId", "mobiles", "content", "sign", "addSerial"].map(of);
    // "mac: md5(ecName+apId+secretKey+mobiles+content+sign+addSerial)", lower case.
    let mac = hex::encode(Md5::digest(format!("{name}{account}{TOKEN}{numbers}{content}{sign}{serial}").as_bytes()));
    if of("mac") != mac {
        return says("IllegalMac");
    }
    match numbers.split(',').count() {
        count if count > 5000 => says("TooManyMobiles"),
        _ if content.is_empty() => says("InvalidMessage"),
        _ => (200, json!({ "fake": "ok", "says": { "msgGroup": "1", "rspcod": "success", "success": true } })),
    }
}

fn aliyun(asked: &Asked<'_>) -> (u16, Value) {
    let mut authorization = asked.header("authorization").split("Signature=");
    let (scope, signature) = (authorization.next().unwrap_or_default(), authorization.next().unwrap_or_default());
    let encoded = |text: &str| {
        let form = reqwest::Url::parse_with_params("http://x/", [("k", text)]).unwrap();
        form.query().unwrap()[2..].replace('+', "%20").replace('*', "%2A").replace("%7E", "~")
    };
    let mut query: Vec<String> =
        asked.query.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    query.sort();
    let names = scope.split("SignedHeaders=").nth(1).unwrap_or_default().trim_end_matches(',');
    let lines: String = names.split(';').map(|name| format!("{name}:{}\n", asked.header(name))).collect();
    let body = hex::encode(<Sha256 as sha2::Digest>::digest(asked.text));
    let canonical = format!("POST\n{}\n{}\n{lines}\n{names}\n{body}", asked.path, query.join("&"));
    let text = format!("ACS3-HMAC-SHA256\n{}", hex::encode(<Sha256 as sha2::Digest>::digest(canonical.as_bytes())));
    if hex::encode(hmac(SECRET.as_bytes(), text.as_bytes())) != signature {
        return no(400, json!({ "Code": "SignatureDoesNotMatch", "Message": "Specified signature does not match" }));
    }
    let (param, needed) = match asked.header("x-acs-action") {
        "SendSms" => ("TemplateParam", ["PhoneNumbers", "SignName", "TemplateCode"].as_slice()),
        "SingleCallByTts" => ("TtsParam", ["CalledNumber", "TtsCode"].as_slice()),
        _ => return no(404, json!({ "Code": "InvalidAction.NotFound" })),
    };
    if needed.iter().any(|name| asked.param(name).is_empty()) {
        return no(200, json!({ "Code": "isv.MISSING_PARAMETER", "Message": "missing" }));
    }
    // "模板变量": a JSON of texts, each at most 35 characters.
    let variables: Value = serde_json::from_str(asked.param(param)).unwrap_or_default();
    let fits = |value: &Value| value.as_str().is_some_and(|text| text.chars().count() <= 35);
    if !variables.as_object().is_some_and(|map| map.values().all(fits)) {
        return no(200, json!({ "Code": "isv.PARAM_LENGTH_LIMIT", "Message": "too long" }));
    }
    yes(json!({ "Code": "OK", "Message": "OK", "BizId": "1", "RequestId": "2" }))
}

fn tencent(asked: &Asked<'_>) -> (u16, Value) {
    let says =
        |code: &str| no(200, json!({ "Response": { "Error": { "Code": code, "Message": "" }, "RequestId": "1" } }));
    let at: i64 = asked.header("x-tc-timestamp").parse().unwrap_or_default();
    let date = chrono::DateTime::from_timestamp(at, 0).unwrap().format("%Y-%m-%d").to_string();
    let sha = |text: &[u8]| hex::encode(<Sha256 as sha2::Digest>::digest(text));
    let canonical = format!(
        "POST\n/\n\ncontent-type:{}\nhost:{}\n\ncontent-type;host\n{}",
        asked.header("content-type"),
        asked.header("host"),
        sha(asked.text)
    );
    let text = format!("TC3-HMAC-SHA256\n{at}\n{date}/sms/tc3_request\n{}", sha(canonical.as_bytes()));
    let key = ["sms", "tc3_request"]
        .iter()
        .fold(hmac(format!("TC3{SECRET}").as_bytes(), date.as_bytes()), |key, part| hmac(&key, part.as_bytes()));
    let signature = hex::encode(hmac(&key, text.as_bytes()));
    if !asked.header("authorization").ends_with(&format!("Signature={signature}")) {
        return says("AuthFailure.SignatureFailure");
    }
    let number = asked.body["PhoneNumberSet"][0].as_str().unwrap_or_default();
    let status = if number.starts_with("+86") { "Ok" } else { "FailedOperation.PhoneNumberInBlacklist" };
    let answer =
        json!({ "Response": { "SendStatusSet": [{ "Code": status, "PhoneNumber": number }], "RequestId": "1" } });
    if status == "Ok" { yes(answer) } else { no(200, answer) }
}
