//! Streams: made when they are missing, and checked at every start. A stream whose settings could lose, forge or hide a
//! message is refused with the setting and the reason; it is never changed behind its owner's back.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use serde_json::{Value, json};

use super::connect::Nats;
use super::{NatsError, Refusal};
use crate::domain::time::Timestamp;

/// The shortest window that a server takes; nothing here relies on it.
const DUPLICATE_WINDOW: Duration = Duration::from_millis(100);

/// How long a stream keeps its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// For good: only its owner trims it.
    Log,
    /// Until they are taken; more than this many bytes is refused to the publisher.
    Queue { bytes_max: i64 },
    /// Only the newest one of each subject.
    Newest,
    /// For so long; whoever comes later misses them.
    Feed { age_max: Duration, bytes_max: i64 },
}

/// A stream as we want it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub name: String,
    pub subjects: Vec<String>,
    pub keeping: Keeping,
    pub replicas: usize,
}

/// A stream as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// When it was made: another one under the same name has another time.
    pub created: String,
    pub replicas: usize,
    /// The oldest message there is, and the last one there was.
    pub first_seq: u64,
    pub last_seq: u64,
}

impl Wanted {
    fn config(&self) -> Config {
        let (retention, discard, max_age, max_bytes) = match self.keeping {
            Keeping::Log => (RetentionPolicy::Limits, DiscardPolicy::New, Duration::ZERO, -1),
            Keeping::Queue { bytes_max } => (RetentionPolicy::WorkQueue, DiscardPolicy::New, Duration::ZERO, bytes_max),
            Keeping::Feed { age_max, bytes_max } => (RetentionPolicy::Limits, DiscardPolicy::Old, age_max, bytes_max),
            Keeping::Newest => (RetentionPolicy::Limits, DiscardPolicy::Old, Duration::ZERO, -1),
        };
        let per_subject = if self.keeping == Keeping::Newest { 1 } else { -1 };
        Config {
            name: self.name.clone(),
            subjects: self.subjects.clone(),
            retention,
            discard,
            max_age,
            max_bytes,
            max_messages: -1,
            max_messages_per_subject: per_subject,
            storage: StorageType::File,
            num_replicas: self.replicas,
            duplicate_window: DUPLICATE_WINDOW,
            deny_delete: true,
            ..Config::default()
        }
    }

    /// Everything that is unsafe about a stream's settings, as the server tells them.
    pub fn faults(&self, config: &Value) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        let mut refuse = |setting: &str, why: &str, remedy: &str| {
            refusals.push(Refusal {
                what: format!("stream {}, setting {setting}", self.name),
                why: why.to_owned(),
                remedy: remedy.to_owned(),
            });
        };
        let number = |key: &str| config[key].as_i64().unwrap_or(0);
        let is = |key: &str| config[key].as_bool().unwrap_or(false);
        for (key, why) in features(config) {
            refuse(&key, why, "switch it off");
        }
        let mut subjects: Vec<&str> =
            config["subjects"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        subjects.sort_unstable();
        let mut wanted: Vec<&str> = self.subjects.iter().map(String::as_str).collect();
        wanted.sort_unstable();
        if subjects != wanted {
            refuse("subjects", &format!("is {subjects:?}"), &format!("write {wanted:?}"));
        }
        if config["storage"] != "file" {
            refuse("storage", "messages would not outlive the server", "write file");
        }
        if number("num_replicas") < self.replicas as i64 {
            let why = format!("has {} copies, the configuration asks for {}", number("num_replicas"), self.replicas);
            refuse("num_replicas", &why, "raise it, or lower nats.replicas");
        }
        if is("sealed") || is("no_ack") {
            refuse("sealed, no_ack", "nothing can be accepted", "switch them off");
        }
        if config["persist_mode"] == "async" {
            refuse("persist_mode", "a message is confirmed before it is written", "write default");
        }
        self.limits(config, &mut refuse);
        refusals
    }

    fn limits(&self, config: &Value, refuse: &mut impl FnMut(&str, &str, &str)) {
        let number = |key: &str| config[key].as_i64().unwrap_or(0);
        let evicts = |key: &str| number(key) > 0;
        let is_queue = matches!(self.keeping, Keeping::Queue { .. });
        let retention = if is_queue { "workqueue" } else { "limits" };
        if config["retention"] != retention {
            refuse("retention", "messages would go, or stay, at the wrong time", &format!("write {retention}"));
        }
        match self.keeping {
            Keeping::Feed { .. } => return,
            Keeping::Newest if number("max_msgs_per_subject") != 1 || evicts("max_age") => {
                refuse("max_msgs_per_subject, max_age", "the newest one would not be the only one", "write 1 and 0");
                return;
            }
            Keeping::Newest => return,
            Keeping::Log | Keeping::Queue { .. } => {}
        }
        let evicted = "messages would be thrown away that nobody has read";
        for key in ["max_age", "max_msgs", "max_msgs_per_subject"] {
            if evicts(key) {
                refuse(key, evicted, "set no limit");
            }
        }
        if evicts("max_bytes") && config["discard"] != "new" {
            refuse("discard", evicted, "write new: then it is the publisher who is refused");
        }
        if number("duplicate_window") > DUPLICATE_WINDOW.as_nanos() as i64 {
            let why = "one source could use up the message ids of another, whose alerts would be taken for repeats";
            refuse("duplicate_window", why, "write 100ms");
        }
        if config["deny_delete"] != true {
            refuse("deny_delete", "single messages could be taken out unseen", "switch it on");
        }
    }
}

/// Features with which a publisher can remove, forge, hide or answer for messages; also those that a later server may
/// bring.
fn features(config: &Value) -> Vec<(String, &'static str)> {
    let mut found = Vec::new();
    for (key, value) in config.as_object().into_iter().flatten() {
        let why = match key.as_str() {
            "allow_rollup_hdrs" => "a publisher could remove all messages with one header",
            "allow_msg_ttl" => "a publisher could let messages vanish",
            "allow_msg_schedules" => "a publisher could put messages under the subject of another",
            "allow_direct" | "mirror_direct" => "a lagging copy could answer for the leader",
            key if key.starts_with("allow_") => "it is not needed, and changes what a message means",
            "republish" | "subject_transform" | "mirror" | "sources" | "subject_delete_marker_ttl" => {
                "messages would come or go under other names"
            }
            _ => continue,
        };
        let is_off = value.is_null() || *value == false || *value == 0 || *value == json!([]);
        if !is_off {
            found.push((key.clone(), why));
        }
    }
    found
}

/// Makes the stream when there is none; checks it.
///
/// # Errors
/// When it is unsafe, or the server does not answer.
pub async fn ensure(nats: &Nats, wanted: &Wanted) -> Result<Found, NatsError> {
    let mut info = info(nats, &wanted.name, &json!({})).await?;
    if info.is_none() {
        if let Err(error) = nats.jetstream.create_stream(wanted.config()).await {
            let why = format!("it cannot be made: {error}");
            let remedy = "look at the server's log and at the account's limits and permissions";
            return Err(NatsError::refused(format!("stream {}", wanted.name), why, remedy));
        }
        tracing::info!(stream = wanted.name, "made a stream");
        info = self::info(nats, &wanted.name, &json!({})).await?;
    }
    let info = info.ok_or_else(|| NatsError::away(format!("stream {} is gone again", wanted.name)))?;
    let refusals = wanted.faults(&info["config"]);
    if !refusals.is_empty() {
        return Err(NatsError::Refused(refusals));
    }
    nats.in_use.note(wanted);
    Ok(found(&info))
}

/// Makes a stream whose first message will have this sequence.
///
/// # Errors
/// When there is one already, or the server does not begin there.
pub async fn make_from(nats: &Nats, wanted: &Wanted, first_seq: u64) -> Result<(), NatsError> {
    let what = format!("stream {}", wanted.name);
    if look(nats, &wanted.name).await?.is_some() {
        let why = "it is there already: another log would be mixed with it";
        return Err(NatsError::refused(what, why, "remove it, or choose another cluster.prefix"));
    }
    let config = Config { first_sequence: Some(first_seq), ..wanted.config() };
    let made = nats.jetstream.create_stream(config).await;
    made.map_err(|error| {
        NatsError::refused(&*what, format!("it cannot be made: {error}"), "look at the server's log")
    })?;
    match look(nats, &wanted.name).await? {
        Some(found) if found.first_seq == first_seq => Ok(()),
        _ => {
            // It is empty and ours.
            let _ = nats.jetstream.delete_stream(&wanted.name).await;
            let why = format!("the server does not begin at {first_seq}");
            Err(NatsError::refused(what, why, "use nats-server 2.10 or newer"))
        }
    }
}

/// A stream as it is now; `None` when there is none.
///
/// # Errors
/// When the server does not answer.
pub async fn look(nats: &Nats, name: &str) -> Result<Option<Found>, NatsError> {
    Ok(info(nats, name, &json!({})).await?.as_ref().map(found))
}

/// The last message behind `after` that was removed, when one was.
///
/// # Errors
/// When the server does not answer, or the stream is gone.
pub async fn removed(nats: &Nats, name: &str, after: u64) -> Result<Option<u64>, NatsError> {
    let info = info(nats, name, &json!({ "deleted_details": true })).await?;
    let state = info.map(|info| info["state"].clone()).ok_or_else(|| NatsError::away(format!("no stream {name}")))?;
    let before_first = state["first_seq"].as_u64().unwrap_or(1).saturating_sub(1);
    let within = state["deleted"].as_array().into_iter().flatten().filter_map(Value::as_u64);
    Ok(within.chain([before_first]).filter(|seq| *seq > after).max())
}

/// The subjects with messages that `filter` means.
///
/// # Errors
/// When the server does not answer, or the stream is gone.
pub async fn subjects(nats: &Nats, name: &str, filter: &str) -> Result<Vec<String>, NatsError> {
    let info = info(nats, name, &json!({ "subjects_filter": filter })).await?;
    let info = info.ok_or_else(|| NatsError::away(format!("no stream {name}")))?;
    Ok(info["state"]["subjects"].as_object().into_iter().flatten().map(|(subject, _)| subject.clone()).collect())
}

/// Which messages under a subject are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purge {
    /// Those before this sequence.
    Before(u64),
    /// All of them.
    All,
}

/// Removes a stream's messages up to and with this one.
///
/// # Errors
/// When the server does not do it.
pub async fn purge_up_to(nats: &Nats, name: &str, seq: u64) -> Result<(), NatsError> {
    if seq == 0 {
        return Ok(());
    }
    ask_to_purge(nats, name, &json!({ "seq": seq + 1 })).await
}

/// Removes messages under a subject.
///
/// # Errors
/// When the server does not do it.
pub async fn purge(nats: &Nats, name: &str, subject: &str, what: Purge) -> Result<(), NatsError> {
    let what = match what {
        // The server takes 0 for "all".
        Purge::Before(0) => return Ok(()),
        Purge::Before(seq) => json!({ "filter": subject, "seq": seq }),
        Purge::All => json!({ "filter": subject }),
    };
    ask_to_purge(nats, name, &what).await
}

async fn ask_to_purge(nats: &Nats, name: &str, what: &Value) -> Result<(), NatsError> {
    let answer: Value = nats.jetstream.request(format!("STREAM.PURGE.{name}"), what).await.map_err(NatsError::away)?;
    match &answer["error"] {
        Value::Null => Ok(()),
        error => Err(NatsError::away(format!("stream {name} cannot be trimmed: {}", error["description"]))),
    }
}

/// What the server says of a stream; `None` when there is none.
///
/// # Errors
/// When the server does not answer.
pub async fn info(nats: &Nats, name: &str, what: &Value) -> Result<Option<Value>, NatsError> {
    let asked = nats.jetstream.request(format!("STREAM.INFO.{name}"), what).await;
    let answer: Value = asked.map_err(NatsError::away)?;
    match &answer["error"] {
        Value::Null => Ok(Some(answer)),
        error if error["code"] == 404 => Ok(None),
        error => Err(NatsError::away(format!("stream {name}: {}", error["description"]))),
    }
}

fn found(info: &Value) -> Found {
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    Found {
        created: info["created"].as_str().unwrap_or_default().to_owned(),
        replicas: number(&info["config"]["num_replicas"]) as usize,
        first_seq: number(&info["state"]["first_seq"]),
        last_seq: number(&info["state"]["last_seq"]),
    }
}

/// A stored message as the stream's leader has it.
#[derive(Clone, Debug)]
pub struct Stored {
    pub subject: String,
    pub seq: u64,
    pub stamp: Timestamp,
    pub headers: async_nats::HeaderMap,
    pub body: bytes::Bytes,
}

/// What is asked of the leader.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// The newest one under a subject.
    Last(&'a str),
    /// The one with this sequence.
    Seq(u64),
    /// The first one under a subject from this sequence on.
    Next(&'a str, u64),
}

/// Asks the leader for one message; never a copy, which may lag behind. `None` when there is none.
///
/// # Errors
/// When the server does not answer.
pub async fn ask(nats: &Nats, stream: &str, which: Which<'_>) -> Result<Option<Stored>, NatsError> {
    let query = match which {
        Which::Last(subject) => json!({ "last_by_subj": subject }),
        Which::Seq(seq) => json!({ "seq": seq }),
        Which::Next(subject, seq) => json!({ "seq": seq, "next_by_subj": subject }),
    };
    let asked = nats.jetstream.request(format!("STREAM.MSG.GET.{stream}"), &query).await;
    let answer: Value = asked.map_err(NatsError::away)?;
    match &answer["error"] {
        Value::Null => stored(&answer["message"]).map(Some).map_err(NatsError::away),
        error if error["err_code"] == 10037 => Ok(None),
        error => Err(NatsError::away(format!("stream {stream}: {}", error["description"]))),
    }
}

fn stored(message: &Value) -> Result<Stored, String> {
    use base64::Engine as _;
    let text = |key: &str| message[key].as_str().unwrap_or_default();
    let bytes = |key: &str| base64::engine::general_purpose::STANDARD.decode(text(key)).map_err(|e| e.to_string());
    let time = chrono::DateTime::parse_from_rfc3339(text("time")).map_err(|error| error.to_string())?;
    let headers = String::from_utf8_lossy(&bytes("hdrs")?).into_owned();
    Ok(Stored {
        subject: text("subject").to_owned(),
        seq: message["seq"].as_u64().ok_or("a message without a sequence")?,
        stamp: Timestamp(time.timestamp_millis()),
        headers: read_headers(&headers),
        body: bytes("data")?.into(),
    })
}

fn read_headers(text: &str) -> async_nats::HeaderMap {
    let lines = text.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    let mut headers = async_nats::HeaderMap::new();
    for (name, value) in lines {
        if let (Ok(name), Ok(value)) =
            (name.parse::<async_nats::HeaderName>(), value.trim().parse::<async_nats::HeaderValue>())
        {
            headers.append(name, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> Wanted {
        Wanted { name: "L".into(), subjects: vec!["hw.journal.*".into()], keeping: Keeping::Log, replicas: 1 }
    }

    fn told(change: &Value) -> Vec<String> {
        let mut config = serde_json::to_value(log().config()).unwrap();
        for (key, value) in change.as_object().unwrap() {
            config[key] = value.clone();
        }
        log().faults(&config).iter().map(|refusal| refusal.what.rsplit(' ').next().unwrap().to_owned()).collect()
    }

    #[test]
    fn what_we_make_ourselves_is_safe() {
        assert_eq!(told(&json!({})), [""; 0]);
        for keeping in
            [Keeping::Queue { bytes_max: 1 << 30 }, Keeping::Feed { age_max: Duration::from_secs(60), bytes_max: -1 }]
        {
            let wanted = Wanted { keeping, ..log() };
            assert_eq!(wanted.faults(&serde_json::to_value(wanted.config()).unwrap()), []);
        }
    }

    #[test]
    fn each_unsafe_setting_is_named() {
        let features = [
            "allow_rollup_hdrs",
            "allow_msg_ttl",
            "allow_msg_schedules",
            "allow_direct",
            "mirror_direct",
            "allow_msg_counter",
            "allow_atomic",
            "allow_batched",
            "allow_something_of_tomorrow",
        ];
        for feature in features {
            assert_eq!(told(&json!({ feature: true })), [feature]);
        }
        let settings = [
            ("max_age", json!(1)),
            ("max_msgs", json!(5)),
            ("max_msgs_per_subject", json!(1)),
            ("duplicate_window", json!(120_000_000_000_i64)),
            ("deny_delete", json!(false)),
            ("storage", json!("memory")),
            ("retention", json!("interest")),
            ("subjects", json!(["other"])),
            ("persist_mode", json!("async")),
            ("republish", json!({ "src": ">", "dest": "x.>" })),
            ("subject_transform", json!({ "src": ">", "dest": "x.>" })),
            ("sources", json!([{ "name": "X" }])),
            ("num_replicas", json!(0)),
        ];
        for (setting, value) in settings {
            assert_eq!(told(&json!({ setting: value })), [setting]);
        }
        assert_eq!(told(&json!({ "max_bytes": 1000, "discard": "old" })), ["discard"]);
        assert_eq!(told(&json!({ "max_bytes": 1000, "discard": "new" })), [""; 0]);
    }
}
