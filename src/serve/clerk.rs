//! What was done to credentials on the command line, noted in the audit by the service that runs beside or is started next.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::access::file::{Done, Record};
use crate::access::store::Tokens;
use crate::api::tokens::{ENDED, MADE};
use crate::clock::Clock;
use crate::domain::partition::partition_of;
use crate::engine::input::{Command, Input, Order};
use crate::pipeline::Pipeline;

/// How often it is looked: as often as the file of credentials is.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The way by which it was done, and what stands before the user's name.
const VIA: &str = "cli";

/// Notes it, until the future is dropped.
pub async fn note(tokens: Arc<Tokens>, pipeline: Arc<Pipeline>, clock: Clock) {
    loop {
        for record in tokens.to_note(clock()) {
            if let Err(error) = note_one(&tokens, &pipeline, record).await {
                tracing::warn!(error = format!("{error:#}"), "what was done to a credential on the command line waits");
                break;
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// First the journal, then the file: what is noted again after a crash between the two has the same id, and stands in the audit once.
async fn note_one(tokens: &Arc<Tokens>, pipeline: &Pipeline, record: Record) -> Result<()> {
    for deed in &record.to_note {
        let what = match deed.what {
            Done::Made => MADE,
            Done::Ended => ENDED,
        };
        let detail = format!("{} {}", record.role.as_str(), record.id);
        let order = Order::Noted { what: what.into(), about: record.name.clone(), detail: detail.into() };
        let command = Command {
            tenant: record.tenant.clone(),
            actor: format!("{VIA}:{}", deed.by).into(),
            id: format!("{what}-{}", record.id).into(),
            via: VIA.into(),
            order,
        };
        let partition = partition_of(&record.tenant);
        pipeline.log.append(partition, Input::Command(command)).await.context("note it in the journal")?;
    }
    let tokens = tokens.clone();
    tokio::task::spawn_blocking(move || tokens.noted(&record)).await?.context("write that it is noted")
}
