//! Calls per request: a service that is asked as before, and asks another one less than before, fails half way; one that
//! asks more tries again. Neither shows in its own load, and the called one shows only that it is idle.

use std::collections::BTreeMap;

/// Calls of another service per request of its own, step by step; a step without requests says nothing. Each series is
/// of (time, number); readings of one step of `step` seconds belong together, however they are stamped inside it.
pub fn calls_per_request(own: &[(f64, f64)], calls: &[(f64, f64)], step: f64) -> Vec<(f64, f64)> {
    let at = |t: f64| (t / step).floor() as i64;
    let mut sums: BTreeMap<i64, (f64, Option<f64>)> = BTreeMap::new();
    for (t, requests) in own {
        sums.entry(at(*t)).or_default().0 += requests;
    }
    for (t, called) in calls {
        let sum = &mut sums.entry(at(*t)).or_default().1;
        *sum = Some(sum.unwrap_or(0.0) + called);
    }
    let ratio = |(step_at, (own, calls)): (i64, (f64, Option<f64>))| {
        let told = calls.filter(|_| own > 0.0)?;
        Some((step_at as f64 * step, told / own))
    };
    sums.into_iter().filter_map(ratio).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_of_a_minute_belong_together_and_an_idle_minute_says_nothing() {
        let own = [(60.0, 10.0), (121.0, 20.0), (181.0, 0.0), (241.0, 5.0)];
        let calls = [(100.0, 5.0), (179.0, 0.0), (182.0, 3.0)];
        assert_eq!(calls_per_request(&own, &calls, 60.0), [(60.0, 0.5), (120.0, 0.0)]);
    }
}
