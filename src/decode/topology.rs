//! CMDB files to a topology: YAML or JSON of our own, or an export whose class and relation names a mapping turns.
//!
//! `{"cis": [{id, class, name, keys, site, org, owner_team, criticality, state}], "relations": [{from, to, type}]}`;
//! `type` also names a CI's class and `aliases` its keys. Fields that we do not know are left out.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::domain::ids::OrgId;
use crate::domain::topology::{
    Attributes, Builder, CiDraft, CiState, Class, Kind, Quality, RelationDraft, Schema, Topology,
};

/// Why a file about the topology cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {why}")]
pub struct TopologyError {
    pub file: String,
    /// With line and column where the reader knows them.
    pub why: String,
}

/// How a foreign export's names are turned into ours.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TopologyMapping {
    pub classes: BTreeMap<String, String>,
    pub relations: BTreeMap<String, RelationName>,
}

/// Our name of a foreign relation.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelationName {
    #[serde(rename = "type")]
    pub relation: String,
    /// "A foreign B" means "B ours A".
    #[serde(default)]
    pub inverse: bool,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    cis: Vec<CiText>,
    #[serde(default)]
    relations: Vec<RelationText>,
}

#[derive(Deserialize)]
struct CiText {
    id: String,
    #[serde(alias = "type")]
    class: String,
    #[serde(default)]
    name: String,
    #[serde(default, alias = "aliases")]
    keys: Vec<String>,
    #[serde(default)]
    site: Option<Arc<str>>,
    #[serde(default)]
    org: Option<OrgId>,
    #[serde(default)]
    owner_team: Option<Arc<str>>,
    #[serde(default)]
    criticality: Option<u8>,
    #[serde(default)]
    state: CiState,
}

#[derive(Deserialize)]
struct RelationText {
    from: String,
    to: String,
    #[serde(rename = "type")]
    relation: String,
}

fn yaml<T: serde::de::DeserializeOwned>(file: &str, bytes: &[u8]) -> Result<T, TopologyError> {
    let error = |why: String| TopologyError { file: file.to_owned(), why };
    let text = std::str::from_utf8(bytes).map_err(|e| error(format!("not UTF-8: {e}")))?;
    serde_saphyr::from_str(text).map_err(|e| error(e.to_string()))
}

/// Reads what is known of classes and relation types.
///
/// # Errors
/// Names the file, the line and what is wrong there.
pub fn schema(classes: (&str, &[u8]), relations: (&str, &[u8])) -> Result<Schema, TopologyError> {
    let classes: Vec<Class> = yaml(classes.0, classes.1)?;
    let kinds: Vec<Kind> = yaml(relations.0, relations.1)?;
    Ok(Schema::of(classes, kinds))
}

/// Reads a mapping of a foreign export's names.
///
/// # Errors
/// Names the file, the line and what is wrong there.
pub fn mapping(file: &str, bytes: &[u8]) -> Result<TopologyMapping, TopologyError> {
    yaml(file, bytes)
}

/// Reads a topology. JSON when the text begins with `{`, else YAML.
///
/// # Errors
/// Names the file, the line and what is wrong there; a file without a CI is refused.
pub fn topology(
    file: &str,
    bytes: &[u8],
    schema: Arc<Schema>,
    mapping: &TopologyMapping,
    version: u64,
) -> Result<(Topology, Quality), TopologyError> {
    let error = |why: String| TopologyError { file: file.to_owned(), why };
    let is_json = bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
    let read: File =
        if is_json { serde_json::from_slice(bytes).map_err(|e| error(e.to_string()))? } else { yaml(file, bytes)? };
    if read.cis.is_empty() {
        return Err(error("no CI in it; a topology without CIs would blind the engine".into()));
    }
    let mut builder = Builder::of(schema, version);
    for ci in read.cis {
        let class = mapping.classes.get(&ci.class).cloned().unwrap_or(ci.class);
        builder.ci(CiDraft {
            id: ci.id,
            class,
            name: ci.name,
            keys: ci.keys,
            attributes: Attributes {
                org: ci.org,
                owner_team: ci.owner_team,
                site: ci.site,
                criticality: ci.criticality,
                state: ci.state,
            },
        });
    }
    for relation in read.relations {
        let (name, inverse) = match mapping.relations.get(&relation.relation) {
            Some(ours) => (ours.relation.clone(), ours.inverse),
            None => (relation.relation, false),
        };
        builder.relation(&RelationDraft { from: relation.from, to: relation.to, relation: name, inverse });
    }
    Ok(builder.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::topology::Way;

    const CLASSES: &str = include_str!("../../topology/classes.yaml");
    const RELATIONS: &str = include_str!("../../topology/relations.yaml");
    const STORMGEN: &str = include_str!("../../topology/mappings/stormgen.yaml");

    fn ours() -> Arc<Schema> {
        Arc::new(schema(("classes", CLASSES.as_bytes()), ("relations", RELATIONS.as_bytes())).expect("valid"))
    }

    #[test]
    fn a_foreign_export_keeps_the_direction_of_faults() {
        let text = r#"{"cis":[{"id":"h","type":"host","aliases":["10.0.0.1"]},{"id":"p","type":"pdu"},{"id":"v","type":"vm"}],
            "relations":[{"from":"h","to":"p","type":"powered_by"},{"from":"v","to":"h","type":"runs_on"},
            {"from":"v","to":"gone","type":"runs_on"}]}"#;
        let names = mapping("m", STORMGEN.as_bytes()).expect("valid");
        let (topology, quality) = topology("t", text.as_bytes(), ours(), &names, 1).expect("valid");
        let pdu = topology.find("p").expect("there");
        let hit: Vec<String> =
            topology.reach(pdu, Way::Effects, 5, 100).0.iter().map(|r| topology.id(r.ci).to_string()).collect();
        assert_eq!(hit, ["h", "v"]);
        assert_eq!(topology.resolve("10.0.0.1:9100").one(), topology.find("h"));
        assert_eq!(topology.class(topology.find("h").expect("there")).id.as_ref(), "server");
        assert_eq!(quality.dangling.count, 1);
    }

    #[test]
    fn an_error_names_file_and_line() {
        let bad = |text: &str| {
            topology("cmdb.yaml", text.as_bytes(), ours(), &TopologyMapping::default(), 1).expect_err("bad").to_string()
        };
        assert!(bad("cis:\n- id: a\n").contains("cmdb.yaml"), "{}", bad("cis:\n- id: a\n"));
        assert!(bad("{\"cis\":[\n{\"id\":1}]}").contains("line 2"));
        assert!(bad("cis: []").contains("no CI"));
    }
}
