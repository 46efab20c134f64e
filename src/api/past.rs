//! Reading the history from an async handler.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use super::problem::ApiError;
use super::state::Api;
use crate::projection::history::HistoryError;

/// How long a question waits for what is known already to be in the history, too.
const PATIENCE: Duration = Duration::from_secs(1);
/// What a caller is told to wait while the history is made anew.
const WAIT_SECS: u32 = 5;

/// Runs a query on a thread that may block. What was accepted when the question came is in the answer, unless
/// the history is more than a second behind.
///
/// # Errors
/// `TryLater` while the history is being made, `Bad` when the question is too wide.
pub async fn past<T: Send + 'static>(
    api: &Arc<Api>,
    query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, ApiError> {
    let history = api.history.clone();
    let known = api.live.read().known_seq();
    let read = tokio::task::spawn_blocking(move || {
        history.wait_for(known, PATIENCE);
        history.progress().whole.then(|| history.read(query))
    });
    match read.await.map_err(ApiError::internal)? {
        Some(Ok(found)) => Ok(found),
        None | Some(Err(HistoryError::Damaged { .. })) => Err(ApiError::TryLater { wait_secs: WAIT_SECS }),
        Some(Err(error @ HistoryError::TooLong)) => Err(ApiError::Bad(error.to_string())),
        Some(Err(error @ HistoryError::Failed { .. })) => Err(ApiError::internal(format!("{error:?}"))),
    }
}
