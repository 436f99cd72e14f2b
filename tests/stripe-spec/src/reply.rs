//! JSON replies, held against the schema of an operation's reply.
//!
//! Here also: which of several schemas an object means to follow.

use serde_json::{Map, Value};

use crate::schema::{Object, Others, Schema, SchemaId, Schemas, Shape};

/// What is wrong with `body` as a reply of this schema.
pub(crate) fn judge(schemas: &Schemas, schema: SchemaId, body: &Value) -> Vec<String> {
    Judge { schemas }.value(schema, body, "$")
}

struct Judge<'a> {
    schemas: &'a Schemas,
}

impl Judge<'_> {
    fn value(&self, id: SchemaId, value: &Value, at: &str) -> Vec<String> {
        let schema = &self.schemas[id];
        match (&schema.shape, value) {
            (_, Value::Null) if self.schemas.allows_null(id) => Vec::new(),
            (Shape::AnyOf(_), _) => self.any_of(&self.schemas.branches(id), value, at),
            (Shape::List(items), Value::Array(elements)) => elements
                .iter()
                .enumerate()
                .flat_map(|(index, element)| self.value(*items, element, &format!("{at}[{index}]")))
                .collect(),
            (Shape::Object(object), Value::Object(value)) => self.object(object, value, at),
            _ if fits(schema, value) => Vec::new(),
            _ => vec![self.mismatch(&[id], value, at)],
        }
    }

    fn object(&self, object: &Object, value: &Map<String, Value>, at: &str) -> Vec<String> {
        let mut violations = Vec::new();
        for (name, value) in value {
            let at = format!("{at}.{name}");
            match (object.properties.get(name), object.others) {
                (Some(schema), _) => violations.extend(self.value(*schema, value, &at)),
                (None, Others::Like(schema)) => violations.extend(self.value(schema, value, &at)),
                (None, Others::Anything) => {}
                (None, Others::Refused) => violations.push(format!("{at}: unknown property")),
            }
        }
        for name in &object.required {
            if !value.contains_key(name) {
                violations.push(format!("{at}.{name}: missing"));
            }
        }
        violations
    }

    /// Follows the branch the value means: the one of its type, its `object`, its being deleted
    /// or not; of those left, the one with the least to say.
    fn any_of(&self, branches: &[SchemaId], value: &Value, at: &str) -> Vec<String> {
        let mut meant = branches.to_vec();
        meant.retain(|id| fits(&self.schemas[*id], value));
        if meant.is_empty() {
            return vec![self.mismatch(branches, value, at)];
        }
        if let Some(name) = value.get("object") {
            let of_this_type = meant.clone();
            meant.retain(|id| self.is_named(*id, name));
            if meant.is_empty() {
                return vec![self.misnamed(&of_this_type, name, at)];
            }
        }
        let is_deleted = value.get("deleted") == Some(&Value::Bool(true));
        if meant.iter().any(|id| self.is_tombstone(*id) == is_deleted) {
            meant.retain(|id| self.is_tombstone(*id) == is_deleted);
        }
        let judged = meant.iter().map(|id| self.value(*id, value, at));
        judged.min_by_key(Vec::len).unwrap_or_default()
    }

    /// Whether a value whose `object` is `name` may follow this schema.
    fn is_named(&self, id: SchemaId, name: &Value) -> bool {
        let names = self.names(id);
        names.is_empty() || names.contains(name)
    }

    /// Whether the schema is what is left of a deleted object.
    fn is_tombstone(&self, id: SchemaId) -> bool {
        match &self.schemas[id].shape {
            Shape::Object(object) => object.required.iter().any(|name| name == "deleted"),
            _ => false,
        }
    }

    /// What the schema's `object` may be; empty when it has none.
    fn names(&self, id: SchemaId) -> &[Value] {
        let property = match &self.schemas[id].shape {
            Shape::Object(object) => object.properties.get("object"),
            _ => None,
        };
        property.map_or(&[], |property| &self.schemas[*property].one_of)
    }

    fn misnamed(&self, branches: &[SchemaId], name: &Value, at: &str) -> String {
        let mut names: Vec<&str> = branches.iter().flat_map(|id| self.names(*id)).filter_map(Value::as_str).collect();
        names.dedup();
        format!("{at}.object: expected {}, got {name}", names.join(" or "))
    }

    fn mismatch(&self, branches: &[SchemaId], value: &Value, at: &str) -> String {
        let got = match value {
            Value::Array(_) => "an array".to_owned(),
            Value::Object(_) => "an object".to_owned(),
            scalar => scalar.to_string(),
        };
        format!("{at}: expected {}, got {got}", self.schemas.expected(branches))
    }
}

/// Whether the value is of the schema's shape: a scalar in full, an array or object at its top.
fn fits(schema: &Schema, value: &Value) -> bool {
    let is_of_shape = match schema.shape {
        Shape::Anything => true,
        Shape::Text => value.is_string(),
        Shape::Integer => value.is_i64() || value.is_u64(),
        Shape::Number => value.is_number(),
        Shape::Boolean => value.is_boolean(),
        Shape::List(_) => value.is_array(),
        Shape::Object(_) => value.is_object(),
        Shape::AnyOf(_) => false,
    };
    is_of_shape && (schema.one_of.is_empty() || schema.one_of.contains(value))
}

#[cfg(test)]
mod tests;
