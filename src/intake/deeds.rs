//! What people have done with an alert where it comes from: acknowledged it, or written something to it. That is an order for the
//! incident that the alert is in, with the source as its actor; only the engine knows which one that is.

use axum::http::request::Parts;

use super::Intake;
use super::heartbeats::known;
use super::refusal::Refusal;
use crate::decode::limits::{Limits, dedup_key};
use crate::engine::input::{AlertDeed, Command, Order};

/// The longest comment, in characters.
const TEXT_CHARS_MAX: usize = 4_000;

/// What somebody wrote, with his name where it is told; none when nothing was written.
pub fn comment(user: Option<&str>, text: Option<&str>) -> Option<AlertDeed> {
    let text = text.map(str::trim).filter(|text| !text.is_empty())?;
    let text = user.map_or_else(|| text.to_owned(), |user| format!("{user}: {text}"));
    Some(AlertDeed::Comment { text: text.chars().take(TEXT_CHARS_MAX).collect::<String>().into() })
}

/// Takes orders of a request's sender for the incident of its alert of this key; they are durable when this returns.
pub async fn order(
    intake: &Intake,
    request: &Parts,
    key: &str,
    deeds: impl IntoIterator<Item = AlertDeed>,
) -> Result<(), Refusal> {
    let (tenant, source, _) = known(intake, None, &request.headers, &request.uri).await?;
    let key = dedup_key(key, &Limits::MODEL);
    for deed in deeds {
        let order = Order::ForAlert { source: source.clone(), key: key.clone(), deed };
        let actor = source.as_str().into();
        let command = Command { tenant: tenant.clone(), actor, id: "".into(), via: "".into(), order };
        intake.sink.order(command).await.map_err(|error| intake.not_kept(&source, error))?;
    }
    Ok(())
}
