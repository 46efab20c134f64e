//! Values that other programs may read. Each one says its schema and the outbox record it comes from, and has a digest.
//! Scripts on the server see to it that a value is only replaced by one that is as new or newer, whoever writes it,
//! and that whatever else is found under a key makes room.

use std::collections::BTreeMap;
use std::sync::Arc;

use redis::Cmd;

use super::client::{Away, Shared};

/// The version of the values' form; it is part of every key, too.
pub const SCHEMA: u32 = 1;

/// What both scripts know: what a sound value looks like. A longer one than a megabyte is not ours.
const SOUND: &str = r#"
    local function is_a(key, wanted)
        local kind = redis.call('TYPE', key).ok
        if kind ~= wanted and kind ~= 'none' then redis.call('DEL', key) end
        return kind == wanted
    end
    local function seq_of(key)
        if not is_a(key, 'string') or redis.call('STRLEN', key) > 1048576 then return nil end
        local form = '^{"schema":(%d+),"seq":(%d+),"sha1":"(%x+)","data":(.*)}$'
        local schema, seq, digest, data = string.match(redis.call('GET', key), form)
        if schema ~= '1' or redis.sha1hex(data) ~= digest then return nil end
        return tonumber(seq)
    end
"#;

/// Keys: the index, then values. Arguments: sequence, 1 to replace newer ones, too, seconds that the index lives; for
/// each value its data, the seconds that it lives, its member of the index or nothing, and its score or nothing.
const PUT: &str = r#"
    local seq, is_forced = tonumber(ARGV[1]), ARGV[2] == '1'
    local kept = 0
    is_a(KEYS[1], 'zset')
    for i = 2, #KEYS do
        local at = 4 + (i - 2) * 4
        local known = seq_of(KEYS[i])
        if is_forced or not known or known <= seq then
            local data = ARGV[at]
            local head = '{"schema":1,"seq":' .. ARGV[1] .. ',"sha1":"' .. redis.sha1hex(data) .. '","data":'
            redis.call('SET', KEYS[i], head .. data .. '}', 'EX', ARGV[at + 1])
            if ARGV[at + 2] ~= '' then
                if ARGV[at + 3] ~= '' then
                    redis.call('ZADD', KEYS[1], ARGV[at + 3], ARGV[at + 2])
                else
                    redis.call('ZREM', KEYS[1], ARGV[at + 2])
                end
            end
        else
            kept = kept + 1
        end
    end
    redis.call('EXPIRE', KEYS[1], ARGV[3])
    return kept
"#;

/// Keys: the value that says how far all others are, the index. Arguments: members that the index has at most.
const LOOK: &str = r#"
    local seq = seq_of(KEYS[1])
    if not is_a(KEYS[2], 'zset') then return { seq or -1, {} } end
    if redis.call('ZCARD', KEYS[2]) > tonumber(ARGV[1]) then return { seq or -1 } end
    return { seq or -1, redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES') }
"#;

/// Keys: values. Arguments: seconds that they should live; for each the least sequence, and 1 to let it live on.
/// Answers with the places of those that are not there, unsound or older.
const CHECK: &str = r#"
    local wrong = {}
    for i = 1, #KEYS do
        local seq = seq_of(KEYS[i])
        if not seq or seq < tonumber(ARGV[i * 2]) then
            wrong[#wrong + 1] = i
        elseif ARGV[i * 2 + 1] == '1' and redis.call('TTL', KEYS[i]) < tonumber(ARGV[1]) / 2 then
            redis.call('EXPIRE', KEYS[i], ARGV[1])
        end
    end
    return wrong
"#;

/// Keys: the index, the value that says how far all others are. Arguments: sequence, members; none: all.
const UNLIST: &str = r#"
    local known = seq_of(KEYS[2])
    if known and known > tonumber(ARGV[1]) then return 0 end
    if #ARGV == 1 then return redis.call('DEL', KEYS[1]) end
    return redis.call('ZREM', KEYS[1], unpack(ARGV, 2))
"#;

/// Members that are taken out of the index in one call.
const UNLISTED_AT_ONCE: usize = 1_000;

/// Whether a value that says it is newer is replaced, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Older {
    /// It stays: another instance has written it.
    GivesWay,
    /// It cannot be right: nobody is further than we are.
    Wins,
}

/// What becomes of a value's place in the index.
#[derive(Clone, Debug, PartialEq)]
pub enum Listed {
    /// It has none.
    Never,
    At(i64),
    NotAnyMore,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The last part of its key.
    pub key: String,
    /// Its name in the index.
    pub member: String,
    pub listed: Listed,
    /// JSON.
    pub data: String,
    pub lives_secs: i64,
}

/// What is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// How far the values are; none: nobody says so, or not in a sound way.
    pub seq: Option<u64>,
    /// The index; none: it has more members than it may.
    pub index: Option<BTreeMap<String, i64>>,
}

/// A value that is looked at.
#[derive(Clone, Debug)]
pub struct Least {
    pub key: String,
    pub seq: u64,
    pub lives_on: bool,
}

/// One tenant's values.
#[derive(Clone)]
pub struct Values {
    shared: Arc<Shared>,
    /// Seconds that they live when nobody looks after them.
    lives_secs: i64,
    tenant: String,
}

/// The key of the index, and of the value that says how far the others are.
pub const INDEX: &str = "open";
pub const META: &str = "meta";

impl Values {
    /// A tenant's, whose name may have any letters.
    pub fn of(shared: &Arc<Shared>, tenant: &str, lives_secs: i64) -> Self {
        Self { shared: shared.clone(), lives_secs, tenant: tenant.to_owned() }
    }

    fn key(&self, rest: &str) -> String {
        self.shared.key(&[&self.tenant], rest)
    }

    fn script(&self, script: &str, keys: &[String]) -> Cmd {
        let mut command = redis::cmd("EVAL");
        command.arg(format!("{SOUND}{script}")).arg(keys.len()).arg(keys);
        command
    }

    /// Writes values as of an outbox record; tells how many newer ones stayed.
    ///
    /// # Errors
    /// When Redis is away: some may have been written.
    pub async fn put(&self, seq: u64, older: Older, rows: &[Row]) -> Result<u64, Away> {
        let mut keys = vec![self.key(INDEX)];
        keys.extend(rows.iter().map(|row| self.key(&row.key)));
        let mut command = self.script(PUT, &keys);
        command.arg(seq).arg(u8::from(older == Older::Wins)).arg(self.lives_secs);
        for row in rows {
            command.arg(&row.data).arg(row.lives_secs);
            match row.listed {
                Listed::Never => command.arg("").arg(""),
                Listed::At(score) => command.arg(&row.member).arg(score),
                Listed::NotAnyMore => command.arg(&row.member).arg(""),
            };
        }
        self.shared.ask(&command).await
    }

    /// How far the values are, and the index, when it has no more than so many members.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn look(&self, members_max: usize) -> Result<Found, Away> {
        let mut command = self.script(LOOK, &[self.key(META), self.key(INDEX)]);
        command.arg(members_max);
        let found: Vec<redis::Value> = self.shared.ask(&command).await?;
        let mut found = found.into_iter();
        let seq = found.next().and_then(|value| redis::from_redis_value::<i64>(value).ok());
        let read = |value| redis::from_redis_value::<Vec<(String, f64)>>(value).ok();
        let index = found.next().map(|value| read(value).unwrap_or_default());
        Ok(Found {
            seq: seq.and_then(|seq| u64::try_from(seq).ok()),
            index: index.map(|index| index.into_iter().map(|(member, score)| (member, score as i64)).collect()),
        })
    }

    /// The places of values that are not as new as they should be.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn check(&self, values: &[Least]) -> Result<Vec<usize>, Away> {
        let keys: Vec<String> = values.iter().map(|value| self.key(&value.key)).collect();
        let mut command = self.script(CHECK, &keys);
        command.arg(self.lives_secs);
        for value in values {
            command.arg(value.seq).arg(u8::from(value.lives_on));
        }
        let wrong: Vec<usize> = self.shared.ask(&command).await?;
        Ok(wrong.into_iter().map(|place| place.saturating_sub(1)).collect())
    }

    /// Takes members out of the index, or all of them, unless somebody is further than `seq`.
    ///
    /// # Errors
    /// When Redis is away.
    pub async fn unlist(&self, seq: u64, members: Option<&[String]>) -> Result<(), Away> {
        let keys = [self.key(INDEX), self.key(META)];
        let Some(members) = members else {
            return self.shared.ask(self.script(UNLIST, &keys).arg(seq)).await;
        };
        for members in members.chunks(UNLISTED_AT_ONCE) {
            let _: u64 = self.shared.ask(self.script(UNLIST, &keys).arg(seq).arg(members)).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_know_the_schema() {
        let version = SCHEMA.to_string();
        assert!(SOUND.contains(&format!("schema ~= '{version}'")) && PUT.contains(&format!("\"schema\":{version},")));
    }
}
