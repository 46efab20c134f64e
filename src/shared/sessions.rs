//! Console sessions as instances share them. Redis is not trusted with who is signed in: what is read there counts only
//! with the seal that is made with a credential's hash, which is nowhere but in the instances' own files.

use redis::Value;
use serde::{Deserialize, Serialize};

use super::client::{Away, Shared};
use crate::domain::time::{Span, Timestamp};

/// Where sessions are.
const PLACE: &str = "sessions";
/// What stands instead of a session that has ended: it cannot be opened again.
const ENDED: &str = "ended";
/// A longer value is none of ours.
const BYTES_MAX: usize = 1024;

/// Keys: the session. Arguments: what it is, milliseconds that it lives. One that has ended stays so.
const WRITE: &str = "
    local kind = redis.call('TYPE', KEYS[1]).ok
    if kind ~= 'string' and kind ~= 'none' then redis.call('DEL', KEYS[1]) end
    if redis.call('GET', KEYS[1]) == 'ended' then return 0 end
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    return 1";

/// A session as it is shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// Id of the credential that signed in.
    pub credential: Box<str>,
    pub since: Timestamp,
    /// When a person last used it, at any instance.
    pub used: Timestamp,
    /// Over cookie, credential and `since`.
    pub seal: Box<str>,
}

/// What is known of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing, or nothing sound.
    Nothing,
    Ended,
    Held(Held),
}

/// What Redis knows of sessions, by the hex digests of their cookies.
///
/// # Errors
/// When it is away.
pub async fn read(shared: &Shared, sessions: &[String]) -> Result<Vec<Known>, Away> {
    let mut command = redis::cmd("MGET");
    for session in sessions {
        command.arg(shared.key(&[PLACE], session));
    }
    let values: Vec<Value> = shared.ask(&command).await?;
    let known = |value| match value {
        Value::BulkString(bytes) if bytes == ENDED.as_bytes() => Known::Ended,
        Value::BulkString(bytes) if bytes.len() <= BYTES_MAX => {
            serde_json::from_slice(&bytes).map_or(Known::Nothing, Known::Held)
        }
        _ => Known::Nothing,
    };
    Ok(values.into_iter().map(known).collect())
}

/// Tells others of a session; tells whether it may still be open.
///
/// # Errors
/// When Redis is away.
pub async fn write(shared: &Shared, session: &str, held: &Held, lives: Span) -> Result<bool, Away> {
    let text = serde_json::to_string(held).expect("a session is plain data");
    let mut command = redis::cmd("EVAL");
    command.arg(WRITE).arg(1).arg(shared.key(&[PLACE], session)).arg(text).arg(lives.0.max(1));
    shared.ask(&command).await
}

/// Tells others that a session has ended.
///
/// # Errors
/// When Redis is away.
pub async fn end(shared: &Shared, session: &str, lives: Span) -> Result<(), Away> {
    let mut command = redis::cmd("SET");
    command.arg(shared.key(&[PLACE], session)).arg(ENDED).arg("PX").arg(lives.0.max(1));
    shared.ask(&command).await
}
