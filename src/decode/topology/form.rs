//! JSON Schemas of the files of a topology that people write.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema, schema_for};

use super::mapping::{Mapping, MappingText};
use super::schema::{ClassText, RelationText};

impl JsonSchema for Mapping {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TopologyMapping".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        MappingText::json_schema(generator)
    }
}

/// Of `classes.yaml`.
pub fn classes() -> Schema {
    schema_for!(Vec<ClassText>)
}

/// Of `relations.yaml`.
pub fn relations() -> Schema {
    schema_for!(Vec<RelationText>)
}

/// Of a CMDB file in our own format: what `reading` reads by the default mapping. A member that nothing reads is no error there, but told.
pub fn estate() -> Schema {
    let text = json_schema!({ "type": ["string", "number", "boolean"] });
    let level = json_schema!({ "type": ["integer", "string"], "minimum": 1, "maximum": 5, "pattern": "^[1-5]$" });
    let yes = json_schema!({ "enum": [true, false, "true", "false"] });
    let members = json_schema!({ "type": "object", "additionalProperties": text });
    let cis = json_schema!({
        "type": "object",
        "required": ["class"],
        "anyOf": [{ "required": ["id"] }, { "required": ["ci_id"] }],
        "properties": {
            "id": text,
            "ci_id": text,
            "class": { "description": "A class of topology/classes.yaml.", "type": "string" },
            "name": text,
            "keys": { "description": "What monitors call it: a list, or texts and lists by kind.", "type": ["array", "object", "string"] },
            "aliases": { "type": ["array", "object", "string"] },
            "org": text,
            "tenant": text,
            "env": text,
            "owner_team": text,
            "site": text,
            "location": text,
            "criticality": { "description": "1 (most critical) to 5.", "$ref": "#/$defs/Level" },
            "db_level": { "description": "Level of classified protection (等保), 1 to 5.", "$ref": "#/$defs/Level" },
            "state": { "enum": ["running", "maintenance", "retired"] },
            "monitored": { "description": "false: its silence means nothing.", "$ref": "#/$defs/YesOrNo" },
            "labels": members,
            "redundancy": {
                "description": "By group: so many members, or such a share (\"50%\"), must be healthy.",
                "type": "object",
                "additionalProperties": { "type": ["integer", "string"], "minimum": 0, "pattern": "^([0-9]+|[0-9]{1,2}%|100%)$" },
            },
        },
    });
    let relations = json_schema!({
        "type": "object",
        "required": ["from", "to", "type"],
        "properties": {
            "from": text,
            "to": text,
            "type": { "description": "A relation type of topology/relations.yaml, or its inverse.", "type": "string" },
            "group": text,
            "soft": { "description": "true: the effect only suffers.", "$ref": "#/$defs/YesOrNo" },
        },
    });
    json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "description": "CIs and their relations in Headwater's own format.",
        "type": "object",
        "properties": {
            "cis": { "type": ["array", "null"], "items": cis },
            "relations": { "type": ["array", "null"], "items": relations },
            "empty": { "description": "true: that there is nothing is meant.", "type": "boolean" },
        },
        "$defs": { "Level": level, "YesOrNo": yes },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::topology::elements::Held;

    /// Every field that the reader looks at is in the schema, and no other.
    #[test]
    fn the_schema_has_the_fields_that_are_read() {
        let (schema, mapping) = (estate().to_value(), Mapping::default());
        let fields = |list: &str| -> Vec<String> {
            let own = schema.pointer(&format!("/properties/{list}/items/properties")).unwrap();
            own.as_object().unwrap().keys().cloned().collect()
        };
        for (list, want) in [("cis", 18), ("relations", 5)] {
            let uses = |field: &str| match mapping.held(list) {
                Some(Held::Cis(n)) => mapping.cis_from[n].uses(field),
                Some(Held::Relations(n)) => mapping.relations_from[n].uses(field),
                None => false,
            };
            let unread: Vec<String> = fields(list).into_iter().filter(|field| !uses(field)).collect();
            assert_eq!((unread, fields(list).len()), (vec![], want), "{list}");
        }
        assert_eq!((mapping.cis_from[0].fields(), mapping.relations_from[0].fields()), (18, 5));
    }
}
