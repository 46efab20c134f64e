//! Rates that hold for all instances together: one count per source, by the server's clock.

use std::time::Duration;

use super::client::{Away, Shared};

/// Keys: what is counted. Arguments for each: its period in microseconds, how many may come in it, and how many come
/// now. All are counted or none; answers with the microseconds to wait, 0: they are counted. A key holds the moment at
/// which as much as may come is free again; one that cannot be right counts as nothing.
const TAKE: &str = "
    local time = redis.call('TIME')
    local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
    local wait, ends = 0, {}
    for i = 1, #KEYS do
        local period, most, count = tonumber(ARGV[i * 3 - 2]), tonumber(ARGV[i * 3 - 1]), tonumber(ARGV[i * 3])
        local kind = redis.call('TYPE', KEYS[i]).ok
        if kind ~= 'string' and kind ~= 'none' then redis.call('DEL', KEYS[i]) end
        local free = tonumber(redis.call('GET', KEYS[i]) or now)
        if not free or not (free >= now and free <= now + period) then free = now end
        ends[i] = free + period / most * count
        wait = math.max(wait, math.ceil(ends[i] - now - period))
    end
    if wait > 0 then return wait end
    for i = 1, #KEYS do
        local lives = math.ceil((ends[i] - now) / 1000) + 1
        redis.call('SET', KEYS[i], string.format('%.0f', ends[i]), 'PX', lives)
    end
    return 0";

/// One limit, and how much of it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is counted.
    pub name: &'static str,
    pub period: Duration,
    pub most: u32,
    pub count: u32,
}

/// Counts what comes from somebody; tells how long to wait when it is too much.
///
/// # Errors
/// When Redis is away.
pub async fn take(shared: &Shared, whose: &[&str], limits: &[Limit]) -> Result<Option<Duration>, Away> {
    let mut place = vec!["rates"];
    place.extend(whose);
    let mut command = redis::cmd("EVAL");
    command.arg(TAKE).arg(limits.len());
    for limit in limits {
        command.arg(shared.key(&place, limit.name));
    }
    for limit in limits {
        command.arg(limit.period.as_micros() as u64).arg(limit.most).arg(limit.count);
    }
    let wait_us: u64 = shared.ask(&command).await?;
    Ok((wait_us > 0).then(|| Duration::from_micros(wait_us)))
}
