//! The direct way: an address is told what is wrong with the program, and when it is over, past journal, engine, outbox and
//! receivers, which may be what is wrong.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Url};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Vitals;
use super::heartbeat::client;
use crate::domain::sign::Sign;

/// What still holds is told again after this time.
const TELL_AGAIN: Duration = Duration::from_secs(3600);

/// The task that tells.
pub struct Alarm {
    url: Url,
    client: Client,
    instance: String,
    vitals: Arc<Vitals>,
}

impl Alarm {
    /// Sets it up.
    ///
    /// # Errors
    /// When the address is none, or TLS is not available.
    pub fn new(url: &str, instance: String, vitals: Arc<Vitals>) -> Result<Self> {
        let (url, client) = client("vitals.alarm_url", url)?;
        Ok(Self { url, client, instance, vitals })
    }

    /// Looks at what was found after each `every`, and tells what is new or over until it is taken.
    pub async fn run(self, every: Duration) {
        let mut told: BTreeMap<Sign, Instant> = BTreeMap::new();
        loop {
            tokio::time::sleep(every).await;
            let found = self.vitals.now();
            let is_due = |sign: &Sign| told.get(sign).is_none_or(|at| at.elapsed() >= TELL_AGAIN);
            let firing: Vec<(Sign, String)> = found.clone().into_iter().filter(|(sign, _)| is_due(sign)).collect();
            let over: Vec<Sign> = told.keys().copied().filter(|sign| !found.contains_key(sign)).collect();
            if firing.is_empty() && over.is_empty() {
                continue;
            }
            let lines = firing.iter().map(|(sign, figures)| line(*sign, "firing", figures));
            let lines: Vec<Value> = lines.chain(over.iter().map(|sign| line(*sign, "resolved", ""))).collect();
            if self.is_taken(&lines).await {
                told.extend(firing.into_iter().map(|(sign, _)| (sign, Instant::now())));
                told.retain(|sign, _| !over.contains(sign));
            }
        }
    }

    async fn is_taken(&self, signs: &[Value]) -> bool {
        let body = json!({ "instance": self.instance, "signs": signs }).to_string();
        let request = self.client.post(self.url.clone()).header(CONTENT_TYPE, "application/json").body(body);
        match request.send().await {
            Ok(answer) if answer.status().is_success() => return true,
            Ok(answer) => tracing::warn!(status = %answer.status(), "the alarm was not taken, trying again"),
            Err(error) => tracing::warn!(error = %error.without_url(), "the alarm was not taken, trying again"),
        }
        false
    }
}

fn line(sign: Sign, state: &str, figures: &str) -> Value {
    let severity = sign.severity().as_str();
    json!({ "sign": sign.as_str(), "state": state, "severity": severity, "title": sign.title().kept(), "figures": figures })
}
