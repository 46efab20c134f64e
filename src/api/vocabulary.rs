//! What classes and relations of the CMDB are called, so that screens speak the reader's language.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::access::Caller;
use super::problem::Problem;
use super::state::Api;
use crate::wording::lang::Text;

/// Names by id.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Vocabulary {
    /// The topology's version that it was read from.
    pub version: u64,
    pub classes: BTreeMap<String, Text>,
    /// Relation types; an inverse name is listed under its own id.
    pub relations: BTreeMap<String, Text>,
}

/// Names of classes and relation types in both languages.
#[utoipa::path(get, path = "/api/v1/vocabulary", tag = "topology",
    responses((status = 200, body = Vocabulary), (status = "default", body = Problem)))]
pub async fn vocabulary(State(api): State<Arc<Api>>, caller: Caller) -> Json<Vocabulary> {
    let topology = (api.topology)(&caller.tenant);
    let schema = topology.schema();
    let text = |zh: &str, en: &str| Text::new(zh, en);
    let classes = topology
        .classes()
        .iter()
        .filter(|class| class.declared)
        .map(|class| (class.id.to_string(), text(&class.zh, &class.en)));
    let mut relations = BTreeMap::new();
    for kind in schema.types() {
        relations.insert(kind.id.to_string(), text(&kind.zh, &kind.en));
        if let Some(inverse) = &kind.inverse {
            relations.entry(inverse.to_string()).or_insert_with(|| text(&kind.zh, &kind.en));
        }
    }
    Json(Vocabulary { version: topology.version(), classes: classes.collect(), relations })
}
