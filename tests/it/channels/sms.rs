//! The clouds' SMS and voice as strict as their documents: each rule stands beside the check that holds it, wrong requests are
//! refused with the provider's own code, and our channels get what they send through.
//!
//! Documents: help.aliyun.com "SendSms", "SingleCallByTts", "V3 版本请求体&签名机制", "API 错误码"; cloud.tencent.com 382/55981
//! "SendSms", 382/52072 "签名方法 v3", 382/59177 "API 3.0 发送错误码".

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use headwater::delivery::Attempt;
use headwater::engine::effect::NoticeKind;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{hostile, send};

const SECRET: &str = "YourAccessKeySecret";

/// How the other end misbehaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mood {
    /// Goes by its rules.
    #[default]
    Strict,
    Busy,
    Broken,
    /// Takes it and never answers.
    SilentAfter,
    /// A no inside a yes.
    NoInside,
    /// The answer drips and does not end in time.
    Drips,
    /// The answer is far longer than any of theirs.
    Huge,
}

#[derive(Clone, Default)]
struct Clouds {
    mood: Arc<Mutex<Mood>>,
    nonces: Arc<Mutex<BTreeSet<String>>>,
    taken: Arc<Mutex<Vec<Value>>>,
}

impl Clouds {
    async fn start() -> (Self, String) {
        let clouds = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new()
            .route("/aliyun/", post(aliyun))
            .route("/tencent", post(tencent))
            .route("/gateway", post(gateway))
            .with_state(clouds.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (clouds, format!("http://{address}"))
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn count(&self) -> usize {
        self.taken.lock().unwrap().len()
    }

    /// Answers that say yes.
    fn said_yes(&self) -> usize {
        let is_yes = |body: &&Value| body["Code"] == "OK" || body["code"] == 0 || body.to_string().contains("\"Ok\"");
        self.taken.lock().unwrap().iter().filter(is_yes).count()
    }

    /// The answer in the mood that it is in; `inside` is a no of the system's own.
    async fn answer(&self, (status, body): (u16, Value), inside: Value) -> Response {
        let mood = *self.mood.lock().unwrap();
        if status == 200 && mood != Mood::Busy && mood != Mood::Broken && mood != Mood::NoInside {
            self.taken.lock().unwrap().push(body.clone());
        }
        match mood {
            Mood::Strict => (StatusCode::from_u16(status).unwrap(), body.to_string()).into_response(),
            Mood::Busy => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "7")], "{}").into_response(),
            Mood::Broken => (StatusCode::BAD_GATEWAY, "<html>").into_response(),
            Mood::NoInside => (StatusCode::OK, inside.to_string()).into_response(),
            Mood::SilentAfter => std::future::pending().await,
            Mood::Drips => {
                let drip = futures::stream::unfold((), |()| async {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), ()))
                });
                Body::from_stream(drip).into_response()
            }
            Mood::Huge => "x".repeat(64 * 1024 * 1024).into_response(),
        }
    }
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn sha(text: &[u8]) -> String {
    hex::encode(Sha256::digest(text))
}

fn pairs(query: Option<&str>) -> BTreeMap<String, String> {
    let url = reqwest::Url::parse(&format!("http://x/?{}", query.unwrap_or_default())).unwrap();
    url.query_pairs().map(|(key, value)| (key.into_owned(), value.into_owned())).collect()
}

/// "支持对不同的手机号码批量发送": "+/+86/0086/86或无任何前缀的11位手机号码", at most 1,000 of them.
fn are_numbers(text: &str) -> bool {
    let numbers: Vec<&str> = text.split(',').collect();
    let is_one = |number: &&str| {
        let bare = ["+86", "0086", "86", "+"].iter().find_map(|prefix| number.strip_prefix(prefix));
        let bare = bare.filter(|rest| rest.len() >= 7).unwrap_or(number);
        let is_chinese = bare.len() == 11 && bare.starts_with('1');
        (is_chinese || number.starts_with('+')) && bare.bytes().all(|byte| byte.is_ascii_digit())
    };
    (1..=1000).contains(&numbers.len()) && numbers.iter().all(is_one)
}

/// The signature over what was sent, from the document alone: nothing of ours is used.
fn is_signed_by_aliyun(headers: &HeaderMap, query: &BTreeMap<String, String>, body: &[u8]) -> bool {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let authorization = header("authorization");
    let part = |name: &str| {
        let rest = authorization.split(name).nth(1).unwrap_or_default();
        rest.split(',').next().unwrap_or_default().to_owned()
    };
    let names = part("SignedHeaders=");
    // "host、x-acs-开头的以及 content-type 需要参与签名".
    let must = ["host", "x-acs-action", "x-acs-content-sha256", "x-acs-date", "x-acs-signature-nonce", "x-acs-version"];
    let listed: Vec<&str> = names.split(';').collect();
    if !must.iter().all(|name| listed.contains(name)) || !listed.is_sorted() {
        return false;
    }
    let encode = |text: &str| {
        let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        let one = |byte: u8| if kept(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        text.bytes().map(one).collect::<String>()
    };
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    let lines: String = listed.iter().map(|name| format!("{name}:{}\n", header(name).trim())).collect();
    let canonical = format!("POST\n/aliyun/\n{}\n{lines}\n{names}\n{}", query.join("&"), sha(body));
    let text = format!("ACS3-HMAC-SHA256\n{}", sha(canonical.as_bytes()));
    header("x-acs-content-sha256") == sha(body)
        && hex::encode(hmac(SECRET.as_bytes(), text.as_bytes())) == part("Signature=")
}

async fn aliyun(State(clouds): State<Clouds>, RawQuery(query): RawQuery, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let query = pairs(query.as_deref());
    let ended = judge_aliyun(&clouds, &header, &query, is_signed_by_aliyun(&headers, &query, &body));
    let inside = json!({ "Code": "isv.AMOUNT_NOT_ENOUGH", "Message": "账户余额不足" });
    clouds.answer(ended, inside).await
}

fn judge_aliyun(
    clouds: &Clouds,
    header: &dyn Fn(&str) -> String,
    query: &BTreeMap<String, String>,
    is_signed: bool,
) -> (u16, Value) {
    let no = |status: u16, code: &str| (status, json!({ "Code": code, "Message": code, "RequestId": "1" }));
    let param = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    // "按照ISO 8601标准表示的UTC时间,格式为yyyy-MM-ddTHH:mm:ssZ"; 15 minutes from the server's.
    let at = chrono::NaiveDateTime::parse_from_str(&header("x-acs-date"), "%Y-%m-%dT%H:%M:%SZ").ok();
    if at.is_none_or(|at| (chrono::Utc::now().naive_utc() - at).num_minutes().abs() > 15) {
        return no(400, "InvalidTimeStamp.Expired");
    }
    if header("x-acs-version") != "2017-05-25" {
        return no(404, "InvalidVersion");
    }
    if !is_signed {
        return no(400, "SignatureDoesNotMatch");
    }
    // "签名唯一随机数"; the same one twice is an attack.
    if !clouds.nonces.lock().unwrap().insert(header("x-acs-signature-nonce")) {
        return no(400, "SignatureNonceUsed");
    }
    let (numbers, template, given) = match header("x-acs-action").as_str() {
        "SendSms" => {
            if param("SignName") != "某局" {
                return no(200, "isv.SMS_SIGNATURE_ILLEGAL");
            }
            ("PhoneNumbers", ("TemplateCode", "SMS_1"), "TemplateParam")
        }
        "SingleCallByTts" => {
            // "播放次数,取值范围:1~3".
            if !["", "1", "2", "3"].contains(&param("PlayTimes")) {
                return no(200, "isv.INVALID_PARAMETERS");
            }
            ("CalledNumber", ("TtsCode", "TTS_1"), "TtsParam")
        }
        _ => return no(404, "InvalidAction.NotFound"),
    };
    if !are_numbers(param(numbers)) || (numbers == "CalledNumber" && param(numbers).contains(',')) {
        return no(200, "isv.MOBILE_NUMBER_ILLEGAL");
    }
    if param(template.0) != template.1 {
        return no(
            200,
            if numbers == "CalledNumber" { "isv.TTS_TEMPLATE_ILLEGAL" } else { "isv.SMS_TEMPLATE_ILLEGAL" },
        );
    }
    // "JSON参数接受字符串值,例如{\"code\":\"123456\"},不接收{\"code\":123456}".
    let variables: Option<BTreeMap<String, String>> = serde_json::from_str(param(given)).ok();
    let Some(variables) = variables else { return no(200, "isv.INVALID_JSON_PARAM") };
    // The template that was approved: 【${level}】${title}.
    if !["level", "title"].iter().all(|name| variables.contains_key(*name)) {
        return no(200, "isv.TEMPLATE_MISSING_PARAMETERS");
    }
    for text in variables.values() {
        if text.chars().count() > 35 {
            return no(200, "isv.PARAM_LENGTH_LIMIT");
        }
        // "不支持url为变量; 域名和ip请固化到模板申请中".
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.');
        let is_host = |word: &str| word.trim_matches('.').contains('.');
        if numbers == "PhoneNumbers" && (text.contains("://") || words.into_iter().any(is_host)) {
            return no(200, "isv.PARAM_NOT_SUPPORT_URL");
        }
    }
    (
        200,
        json!({ "Code": "OK", "Message": "OK", "BizId": "9006197469364984^0", "CallId": "116012854210^10281427", "RequestId": "F655" }),
    )
}

async fn tencent(State(clouds): State<Clouds>, headers: HeaderMap, text: Bytes) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let ended = judge_tencent(&header, &text);
    let inside = json!({ "Response": { "SendStatusSet": [{ "Code": "FailedOperation.InsufficientBalanceInSmsPackage" }], "RequestId": "1" } });
    clouds.answer(ended, inside).await
}

fn judge_tencent(header: &dyn Fn(&str) -> String, text: &[u8]) -> (u16, Value) {
    let error =
        |code: &str| (200, json!({ "Response": { "Error": { "Code": code, "Message": code }, "RequestId": "1" } }));
    if header("x-tc-action") != "SendSms" {
        return error("InvalidAction");
    }
    if header("x-tc-version") != "2021-01-11" {
        return error("NoSuchVersion");
    }
    let at: i64 = header("x-tc-timestamp").parse().unwrap_or_default();
    // "Timestamp 和服务器时间相差不得超过五分钟".
    if (chrono::Utc::now().timestamp() - at).abs() > 300 {
        return error("AuthFailure.SignatureExpire");
    }
    let date = chrono::DateTime::from_timestamp(at, 0).unwrap().format("%Y-%m-%d").to_string();
    let (kind, host) = (header("content-type"), header("host"));
    let canonical = format!("POST\n/\n\ncontent-type:{kind}\nhost:{host}\n\ncontent-type;host\n{}", sha(text));
    let signed = format!("TC3-HMAC-SHA256\n{at}\n{date}/sms/tc3_request\n{}", sha(canonical.as_bytes()));
    let key = [date.as_str(), "sms", "tc3_request"]
        .iter()
        .fold(format!("TC3{SECRET}").into_bytes(), |key, part| hmac(&key, part.as_bytes()));
    let wanted = format!(
        "TC3-HMAC-SHA256 Credential=id/{date}/sms/tc3_request, SignedHeaders=content-type;host, Signature={}",
        hex::encode(hmac(&key, signed.as_bytes()))
    );
    if header("authorization") != wanted {
        return error("AuthFailure.SignatureFailure");
    }
    if header("x-tc-region").is_empty() {
        return error("MissingParameter");
    }
    let Ok(body) = serde_json::from_slice::<Value>(text) else { return error("FailedOperation.FailResolvePacket") };
    let numbers = body["PhoneNumberSet"].as_array().cloned().unwrap_or_default();
    // "单次请求最多支持200个手机号".
    if numbers.is_empty() || numbers.len() > 200 {
        return error("LimitExceeded.PhoneNumberCountLimit");
    }
    let status = |code: &str| {
        let one = |number: &Value| json!({ "SerialNo": "2640:221826194816613251", "PhoneNumber": number, "Fee": 1, "Code": code, "Message": code });
        (
            200,
            json!({ "Response": { "SendStatusSet": numbers.iter().map(one).collect::<Vec<_>>(), "RequestId": "a0aabda6" } }),
        )
    };
    if body["SmsSdkAppId"] != "1400" {
        return status("UnauthorizedOperation.SmsSdkAppIdVerifyFail");
    }
    if body["SignName"] != "某局" {
        return status("FailedOperation.SignatureIncorrectOrUnapproved");
    }
    // The template that was approved has three variables; "request content does not match" otherwise.
    let texts: Option<Vec<String>> = serde_json::from_value(body["TemplateParamSet"].clone()).ok();
    if body["TemplateId"] != "1" || texts.as_ref().is_none_or(|texts| texts.len() != 3) {
        return status("FailedOperation.TemplateIncorrectOrUnapproved");
    }
    // "采用 E.164 标准,格式为+[国家或地区码][手机号]".
    let is_number = |number: &Value| number.as_str().is_some_and(are_numbers);
    if !numbers.iter().all(is_number) {
        return status("InvalidParameterValue.IncorrectPhoneNumber");
    }
    // "短信内容太长": 500 characters with the template's own.
    if texts.unwrap_or_default().iter().map(|text| text.chars().count()).sum::<usize>() > 450 {
        return status("InvalidParameterValue.ContentLengthLimit");
    }
    status("Ok")
}

/// A gateway of one's own with rules of its own: a signature over number and time, one number, at most 201 characters.
async fn gateway(State(clouds): State<Clouds>, headers: HeaderMap, text: Bytes) -> Response {
    let ended =
        judge_gateway(headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default(), &text);
    clouds.answer(ended, json!({ "code": 1009, "msg": "余额不足" })).await
}

fn judge_gateway(kind: &str, text: &[u8]) -> (u16, Value) {
    let no = |code: i64, said: &str| (200, json!({ "code": code, "msg": said }));
    if !kind.starts_with("application/json") {
        return no(1001, "content-type");
    }
    let Ok(body) = serde_json::from_slice::<Value>(text) else { return no(1002, "json") };
    let of = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let at: i64 = of("time").parse().unwrap_or_default();
    if (chrono::Utc::now().timestamp() - at).abs() > 300 {
        return no(1003, "time");
    }
    if of("sign") != hex::encode(hmac(SECRET.as_bytes(), format!("{}{at}", of("phone")).as_bytes())) {
        return no(1004, "sign");
    }
    if of("phone").contains(',') || !are_numbers(&of("phone")) {
        return no(1005, "phone");
    }
    match of("text").chars().count() {
        1..=201 => (200, json!({ "code": 0, "id": "g-1" })),
        _ => no(1006, "text"),
    }
}

/// Our receivers, by kind, as their operators would write them.
fn own(base: &str, kind: &str) -> Value {
    let key =
        json!({ "access_key_id": "id", "access_key_secret": SECRET, "params": { "level": "level", "title": "title" } });
    let with = |mut own: Value| {
        own.as_object_mut().unwrap().extend(key.as_object().unwrap().clone());
        own
    };
    let url = |path: &str| format!("{base}{path}");
    match kind {
        "aliyun_sms" => with(
            json!({ "kind": kind, "url": url("/aliyun/"), "to": "13800000000", "sign_name": "某局", "template_code": "SMS_1" }),
        ),
        "aliyun_voice" => {
            with(json!({ "kind": kind, "url": url("/aliyun/"), "to": "13800000000", "tts_code": "TTS_1" }))
        }
        "tencent_sms" => {
            json!({ "kind": kind, "url": url("/tencent"), "secret_id": "id", "secret_key": SECRET, "to": "+8613800000000",
            "app_id": "1400", "sign_name": "某局", "template_id": "1", "params": ["level", "title", "alerts"] })
        }
        "gateway" => json!({ "kind": kind, "url": url("/gateway"), "secret": SECRET, "to": "13800000000",
            "body": { "phone": "{{ to[0] }}", "text": "{{ text }}", "time": "{{ at_secs }}", "sign": "{{ hmac_sha256(secret, to[0] ~ at_secs) }}" },
            "answer": { "pointer": "/code", "accepted": [0], "id": "/id" } }),
        _ => panic!("{kind}"),
    }
}

const KINDS: [&str; 4] = ["aliyun_sms", "aliyun_voice", "tencent_sms", "gateway"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clouds_take_what_they_are_sent_however_long_and_hostile() {
    let (clouds, base) = Clouds::start().await;
    for kind in KINDS {
        for length in [1, 40, 4000] {
            for news in [NoticeKind::Opened, NoticeKind::Updated, NoticeKind::Recovered] {
                let mut notice = hostile(news, length);
                notice.incident.title = format!("10.0.0.1 http://evil.example/x?y=z {}", notice.incident.title).into();
                assert_eq!(send(&own(&base, kind), &notice).await, Attempt::Accepted, "{kind} {length}");
            }
        }
    }
    assert_eq!(clouds.count(), KINDS.len() * 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clouds_refuse_what_breaks_their_rules() {
    let (clouds, base) = Clouds::start().await;
    // A receiver, what is wrong with it, and whether it is locked out.
    let table = [
        ("aliyun_sms", json!({ "access_key_secret": "other" }), true),
        ("aliyun_sms", json!({ "sign_name": "某厅" }), false),
        ("aliyun_sms", json!({ "template_code": "SMS_2" }), false),
        ("aliyun_sms", json!({ "to": "12345" }), false),
        ("aliyun_sms", json!({ "params": { "title": "title" } }), false),
        ("aliyun_sms", json!({ "chars_max": 36 }), false),
        ("aliyun_voice", json!({ "access_key_secret": "other" }), true),
        ("aliyun_voice", json!({ "tts_code": "TTS_2" }), false),
        ("aliyun_voice", json!({ "to": "12345" }), false),
        ("aliyun_voice", json!({ "params": {} }), false),
        ("aliyun_voice", json!({ "chars_max": 36 }), false),
        ("tencent_sms", json!({ "secret_key": "other" }), true),
        ("tencent_sms", json!({ "secret_id": "other" }), true),
        ("tencent_sms", json!({ "app_id": "1401" }), true),
        ("tencent_sms", json!({ "sign_name": "某厅" }), false),
        ("tencent_sms", json!({ "template_id": "2" }), false),
        ("tencent_sms", json!({ "params": ["level", "title"] }), false),
        ("tencent_sms", json!({ "chars_max": 400, "params": ["title", "text", "text"] }), false),
        ("gateway", json!({ "secret": "other" }), false),
        ("gateway", json!({ "to": "12345" }), false),
        ("gateway", json!({ "chars_max": 400 }), false),
        ("gateway", json!({ "format": "form" }), false),
        (
            "gateway",
            json!({ "to": ["13800000000", "13900000000"], "body": { "phone": "{{ to | join(',') }}", "time": "{{ at_secs }}",
            "text": "x", "sign": "{{ hmac_sha256(secret, to | join(',') ~ at_secs) }}" } }),
            false,
        ),
    ];
    for (kind, wrong, is_locked) in table {
        let mut own = own(&base, kind);
        own.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        let mut notice = hostile(NoticeKind::Opened, 30);
        notice.incident.title = "电源掉电".repeat(200).into();
        match send(&own, &notice).await {
            Attempt::LockedOut { .. } if is_locked => {}
            Attempt::Refused { .. } if !is_locked => {}
            other => panic!("{kind} {wrong}: {other:?}"),
        }
    }
    assert_eq!(clouds.said_yes(), 0, "nothing wrong was taken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_mood_the_clouds_are_in_an_attempt_ends_and_says_what_is_next() {
    let (clouds, base) = Clouds::start().await;
    for kind in KINDS {
        for mood in [Mood::Busy, Mood::Broken, Mood::SilentAfter, Mood::NoInside, Mood::Drips, Mood::Huge] {
            clouds.set(mood);
            let since = std::time::Instant::now();
            let attempt = send(&own(&base, kind), &hostile(NoticeKind::Opened, 1)).await;
            // Two seconds are what the receivers wait at most; the machine may be slow.
            assert!(since.elapsed() < Duration::from_secs(20), "{kind} {mood:?} took {:?}", since.elapsed());
            match (mood, &attempt) {
                (Mood::Busy, Attempt::TryLater { wait: Some(wait), .. }) => assert_eq!(wait.as_secs(), 7),
                (Mood::Broken | Mood::SilentAfter | Mood::Drips, Attempt::TryLater { .. }) => {}
                (Mood::NoInside, Attempt::Refused { .. }) => {}
                (Mood::Huge, Attempt::TryLater { .. } | Attempt::Refused { .. }) => {}
                _ => panic!("{kind} {mood:?}: {attempt:?}"),
            }
        }
        clouds.set(Mood::Strict);
        assert_eq!(send(&own(&base, kind), &hostile(NoticeKind::Opened, 1)).await, Attempt::Accepted, "{kind} goes on");
    }
}

/// The published example of the document on signatures: the check above takes what it says, and nothing else.
#[test]
fn the_checks_of_signatures_take_the_published_examples() {
    let canonical = "POST\n/\nImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai\n\
        host:ecs.cn-shanghai.aliyuncs.com\nx-acs-action:RunInstances\n\
        x-acs-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\nx-acs-date:2023-10-26T10:22:32Z\n\
        x-acs-signature-nonce:3156853299f313e23d1673dc12e1703d\nx-acs-version:2014-05-26\n\n\
        host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version\n\
        e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let text = format!("ACS3-HMAC-SHA256\n{}", sha(canonical.as_bytes()));
    assert_eq!(
        hex::encode(hmac(SECRET.as_bytes(), text.as_bytes())),
        "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    );
}
