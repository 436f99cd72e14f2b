//! The description's schemas, compiled into one list in which a `$ref` is an index: a schema that
//! contains itself costs nothing until data goes down into it.
//!
//! Here: what a schema allows. Not here: how a form or a reply is held against it.

use std::collections::BTreeMap;
use std::ops::Index;

use serde_json::{Map, Value};

/// The most values an "expected one of" spells out.
const VALUES_SPELT_OUT: usize = 16;

/// Where a schema stands in [`Schemas`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SchemaId(usize);

pub(crate) struct Schemas {
    all: Vec<Schema>,
    named: BTreeMap<String, SchemaId>,
}

#[derive(Clone)]
pub(crate) struct Schema {
    nullable: bool,
    /// The allowed values; empty when all of the shape are.
    pub(crate) one_of: Vec<Value>,
    pub(crate) shape: Shape,
}

#[derive(Clone)]
pub(crate) enum Shape {
    Anything,
    Text,
    Integer,
    Number,
    Boolean,
    List(SchemaId),
    Object(Object),
    AnyOf(Vec<SchemaId>),
}

#[derive(Clone, Default)]
pub(crate) struct Object {
    pub(crate) properties: BTreeMap<String, SchemaId>,
    pub(crate) required: Vec<String>,
    pub(crate) others: Others,
}

/// What an object may hold beside its properties.
#[derive(Clone, Copy, Default)]
pub(crate) enum Others {
    #[default]
    Refused,
    Anything,
    Like(SchemaId),
}

impl Schemas {
    /// Compiles `components.schemas`.
    pub(crate) fn compile(components: &Value) -> Schemas {
        let nothing = Map::new();
        let components = components.as_object().unwrap_or(&nothing);
        let anything = Schema::of(Shape::Anything);
        let mut schemas =
            Schemas { all: vec![anything; components.len()], named: components.keys().cloned().zip(ids()).collect() };
        for (description, id) in components.values().zip(ids()) {
            schemas.all[id.0] = schemas.understand(description);
        }
        schemas
    }

    /// Compiles one schema; a reference is the schema it names.
    pub(crate) fn add(&mut self, description: &Value) -> SchemaId {
        if let Some(target) = description["$ref"].as_str() {
            return self.named(target);
        }
        let schema = self.understand(description);
        self.all.push(schema);
        SchemaId(self.all.len() - 1)
    }

    /// The schemas a value may follow to satisfy `id`: itself, or all its alternatives' leaves.
    pub(crate) fn branches(&self, id: SchemaId) -> Vec<SchemaId> {
        let mut reachable = self.reachable(id);
        reachable.retain(|id| !matches!(self[*id].shape, Shape::AnyOf(_)));
        reachable
    }

    pub(crate) fn allows_null(&self, id: SchemaId) -> bool {
        self.reachable(id).iter().any(|id| {
            let schema = &self[*id];
            schema.nullable || matches!(schema.shape, Shape::Anything)
        })
    }

    /// "an integer or one of now, unchanged", for "expected …".
    pub(crate) fn expected(&self, branches: &[SchemaId]) -> String {
        let mut words: Vec<String> = Vec::new();
        for word in branches.iter().map(|id| self[*id].expected()) {
            if !words.contains(&word) {
                words.push(word);
            }
        }
        words.join(" or ")
    }

    fn reachable(&self, id: SchemaId) -> Vec<SchemaId> {
        let mut reachable = vec![id];
        let mut next = 0;
        while let Some(id) = reachable.get(next) {
            if let Shape::AnyOf(branches) = &self[*id].shape {
                for branch in branches {
                    if !reachable.contains(branch) {
                        reachable.push(*branch);
                    }
                }
            }
            next += 1;
        }
        reachable
    }

    fn named(&self, reference: &str) -> SchemaId {
        let name = reference.trim_start_matches("#/components/schemas/");
        let found = self.named.get(name).copied();
        found.unwrap_or_else(|| panic!("the description has no schema {reference}"))
    }

    fn understand(&mut self, description: &Value) -> Schema {
        if let Some(target) = description["$ref"].as_str() {
            return Schema::of(Shape::AnyOf(vec![self.named(target)]));
        }
        for unread in ["allOf", "not"] {
            assert!(
                description.get(unread).is_none(),
                "the description uses `{unread}`, which is not understood here: {description}"
            );
        }
        let mut one_of = array(&description["enum"]).to_vec();
        let values = one_of.len();
        one_of.retain(|value| !value.is_null());
        Schema {
            nullable: description["nullable"] == true || one_of.len() < values,
            one_of,
            shape: self.shape(description),
        }
    }

    fn shape(&mut self, description: &Value) -> Shape {
        let branches = description.get("anyOf").or(description.get("oneOf"));
        if let Some(branches) = branches {
            let branches = array(branches).iter().map(|branch| self.add(branch));
            return Shape::AnyOf(branches.collect());
        }
        match description["type"].as_str() {
            Some("string") => Shape::Text,
            Some("integer") => Shape::Integer,
            Some("number") => Shape::Number,
            Some("boolean") => Shape::Boolean,
            Some("array") => Shape::List(self.add(&description["items"])),
            Some("object") => Shape::Object(self.object(description)),
            Some(unread) => panic!("the description has an unknown type {unread}"),
            None if description.get("properties").is_some() => Shape::Object(self.object(description)),
            None => Shape::Anything,
        }
    }

    fn object(&mut self, description: &Value) -> Object {
        let properties = description["properties"].as_object();
        Object {
            // Stripe lists every property, so a list without a word on others is complete.
            others: match &description["additionalProperties"] {
                Value::Bool(true) => Others::Anything,
                Value::Null if properties.is_none() => Others::Anything,
                Value::Object(others) if others.is_empty() => Others::Anything,
                others @ Value::Object(_) => Others::Like(self.add(others)),
                _ => Others::Refused,
            },
            properties: properties
                .into_iter()
                .flatten()
                .map(|(name, property)| (name.clone(), self.add(property)))
                .collect(),
            required: array(&description["required"])
                .iter()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect(),
        }
    }
}

impl Index<SchemaId> for Schemas {
    type Output = Schema;

    fn index(&self, id: SchemaId) -> &Schema {
        &self.all[id.0]
    }
}

impl Schema {
    fn of(shape: Shape) -> Schema {
        Schema { nullable: false, one_of: Vec::new(), shape }
    }

    fn expected(&self) -> String {
        let values: Vec<String> = self.one_of.iter().map(spelt).collect();
        match values.as_slice() {
            [] => self.shape.expected().to_owned(),
            [only] if only.is_empty() => r#""""#.to_owned(),
            [only] => only.clone(),
            [first @ .., last] if values.len() <= VALUES_SPELT_OUT => {
                format!("one of {}, {last}", first.join(", "))
            }
            many => format!("one of {}, … ({} values)", many[..VALUES_SPELT_OUT].join(", "), many.len()),
        }
    }
}

impl Shape {
    fn expected(&self) -> &'static str {
        match self {
            Shape::Anything | Shape::AnyOf(_) => "anything",
            Shape::Text => "a string",
            Shape::Integer => "an integer",
            Shape::Number => "a number",
            Shape::Boolean => "a boolean",
            Shape::List(_) => "an array",
            Shape::Object(_) => "an object",
        }
    }
}

/// An enum's value as a form writes it.
pub(crate) fn spelt(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn ids() -> impl Iterator<Item = SchemaId> {
    (0..).map(SchemaId)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_that_name_each_other_end() {
        let schemas = Schemas::compile(&json!({
            "left": { "$ref": "#/components/schemas/right" },
            "right": { "anyOf": [{ "$ref": "#/components/schemas/left" }, { "type": "string", "nullable": true }] },
        }));

        let left = schemas.named("#/components/schemas/left");

        assert_eq!(schemas.expected(&schemas.branches(left)), "a string");
        assert!(schemas.allows_null(left));
    }

    #[test]
    #[should_panic(expected = "uses `allOf`")]
    fn a_keyword_that_would_be_ignored_is_refused() {
        Schemas::compile(&json!({ "both": { "allOf": [] } }));
    }
}
