//! Reading the history from an async handler.

use std::sync::Arc;

use rusqlite::Connection;

use super::problem::ApiError;
use super::state::Api;

/// Runs a query on a thread that may block.
pub async fn past<T: Send + 'static>(
    api: &Arc<Api>,
    query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, ApiError> {
    let history = api.history.clone();
    let read = tokio::task::spawn_blocking(move || history.read(query)).await;
    read.map_err(ApiError::internal)?.map_err(ApiError::internal)
}
