//! Which parameters each operation takes, and of what type: the strict reader of requests.
//!
//! The table is `api/parameters.txt`: an operation, then its parameters with dots for nesting and `[]` for lists. Types:
//! `string`, `integer`, `number`, `boolean`, `enum:a|b`, `map` (texts by name), `open` (a part the sandbox takes but
//! does not model), `clear` (an empty text unsets it), `required` (when its parent is there).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::errors::ApiError;
use crate::form::Tree;

const TABLE: &str = include_str!("api/parameters.txt");

/// All operations' parameters, by `METHOD /path/{template}`.
#[derive(Debug)]
pub(crate) struct Schema {
    operations: BTreeMap<String, Node>,
}

#[derive(Debug, Default)]
struct Node {
    kinds: Vec<Kind>,
    required: bool,
    clears: bool,
    children: BTreeMap<String, Node>,
    element: Option<Box<Node>>,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Text,
    Integer,
    Number,
    Boolean,
    Enum(Vec<String>),
    Map,
    Open,
}

impl Schema {
    /// Reads the table that is compiled in.
    pub fn load() -> Self {
        let mut operations: BTreeMap<String, Node> = BTreeMap::new();
        let mut current = String::new();
        for line in TABLE.lines() {
            match line.strip_prefix("  ") {
                None => {
                    current = line.to_owned();
                    operations.insert(current.clone(), Node::default());
                }
                Some(entry) => {
                    if let (Some(root), Some((name, kinds))) = (operations.get_mut(&current), entry.split_once(' ')) {
                        root.add(name, kinds);
                    }
                }
            }
        }
        Self { operations }
    }

    /// Whether an operation is in the table.
    #[cfg(test)]
    pub fn knows(&self, operation: &str) -> bool {
        self.operations.contains_key(operation)
    }

    /// Checks a request's parameters and gives them back typed; an unset (`clear`ed) parameter is null.
    pub fn read(&self, operation: &str, form: &Tree) -> Result<Value, ApiError> {
        match self.operations.get(operation) {
            Some(root) => root.read_parts(form, ""),
            None => Ok(json!({})),
        }
    }
}

impl Node {
    fn add(&mut self, name: &str, kinds: &str) {
        let mut node = self;
        for part in name.split('.') {
            let (key, is_list) = match part.strip_suffix("[]") {
                Some(key) => (key, true),
                None => (part, false),
            };
            node = node.children.entry(key.to_owned()).or_default();
            if is_list {
                node = node.element.get_or_insert_default();
            }
        }
        for kind in kinds.split(' ') {
            match kind {
                "required" => node.required = true,
                "clear" => node.clears = true,
                "string" => node.kinds.push(Kind::Text),
                "integer" => node.kinds.push(Kind::Integer),
                "number" => node.kinds.push(Kind::Number),
                "boolean" => node.kinds.push(Kind::Boolean),
                "map" => node.kinds.push(Kind::Map),
                "open" => node.kinds.push(Kind::Open),
                other => node.kinds.extend(
                    other.strip_prefix("enum:").map(|list| Kind::Enum(list.split('|').map(str::to_owned).collect())),
                ),
            }
        }
    }

    fn read_parts(&self, form: &Tree, path: &str) -> Result<Value, ApiError> {
        let Tree::Branch(parts) = form else {
            return Err(ApiError::invalid(path, "Invalid object"));
        };
        let mut read = Map::new();
        for (name, child) in parts {
            let inner = join(path, name);
            let node = self.children.get(name).ok_or_else(|| ApiError::unknown_param(&inner))?;
            read.insert(name.clone(), node.read(child, &inner)?);
        }
        for (name, node) in &self.children {
            if node.is_required() && !read.contains_key(name) {
                return Err(ApiError::missing_param(&join(path, name)));
            }
        }
        Ok(Value::Object(read))
    }

    fn is_required(&self) -> bool {
        self.required || self.element.as_ref().is_some_and(|element| element.required)
    }

    fn read(&self, form: &Tree, path: &str) -> Result<Value, ApiError> {
        if self.kinds.contains(&Kind::Open) {
            return Ok(open_value(form));
        }
        match form {
            Tree::Leaf(text) => self.read_text(text, path),
            Tree::Branch(_) if self.kinds.contains(&Kind::Map) => read_map(form, path),
            Tree::Branch(parts) => match &self.element {
                Some(element) => {
                    let read = parts.iter().map(|(index, part)| element.read(part, &join(path, index)));
                    Ok(Value::Array(read.collect::<Result<_, _>>()?))
                }
                None if !self.children.is_empty() => self.read_parts(form, path),
                None => Err(ApiError::invalid(path, "Invalid string: a value is expected here, not a hash or a list")),
            },
        }
    }

    fn read_text(&self, text: &str, path: &str) -> Result<Value, ApiError> {
        if text.is_empty() {
            return self.read_empty(path);
        }
        if self.element.is_some() && self.kinds.is_empty() {
            return Err(ApiError::invalid(path, "Invalid array"));
        }
        if self.kinds.is_empty() {
            return Err(ApiError::invalid(path, "Invalid object"));
        }
        let mut refusal = None;
        for kind in &self.kinds {
            match kind.read(text, path) {
                Ok(value) => return Ok(value),
                Err(error) => refusal = Some(error),
            }
        }
        Err(refusal.unwrap_or_else(|| ApiError::invalid(path, "Invalid value")))
    }

    fn read_empty(&self, path: &str) -> Result<Value, ApiError> {
        let may_be_empty = self.clears || self.kinds.contains(&Kind::Map) || self.kinds == [Kind::Text];
        if self.required || !may_be_empty || names_an_object(path) {
            return Err(ApiError::empty_param(path));
        }
        Ok(Value::Null)
    }
}

impl Kind {
    fn read(&self, text: &str, path: &str) -> Result<Value, ApiError> {
        match self {
            Kind::Text => Ok(json!(text)),
            Kind::Integer => text.parse::<i64>().map(|n| json!(n)).map_err(|_| ApiError::invalid_integer(path, text)),
            Kind::Number => text
                .parse::<f64>()
                .map(|n| json!(n))
                .map_err(|_| ApiError::invalid(path, format!("Invalid decimal: {text}"))),
            Kind::Boolean => match text {
                "true" => Ok(json!(true)),
                "false" => Ok(json!(false)),
                _ => Err(ApiError::invalid(path, format!("Invalid boolean: {text}"))),
            },
            Kind::Enum(allowed) if allowed.iter().any(|value| value == text) => Ok(json!(text)),
            Kind::Enum(allowed) => Err(ApiError::invalid(path, format!("Invalid {path}: must be {}", one_of(allowed)))),
            Kind::Map => Err(ApiError::invalid(path, "Invalid hash")),
            Kind::Open => Ok(json!(text)),
        }
    }
}

/// Ids that cannot be unset.
fn names_an_object(path: &str) -> bool {
    let last = path.trim_end_matches(']').rsplit('[').next().unwrap_or(path);
    matches!(last, "customer" | "price" | "product" | "starting_after" | "ending_before" | "query" | "payment_method")
}

fn one_of(allowed: &[String]) -> String {
    match allowed {
        [only] => only.clone(),
        [first, second] => format!("{first} or {second}"),
        [most @ .., last] => format!("one of {}, or {last}", most.join(", ")),
        [] => "empty".to_owned(),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}[{name}]") }
}

fn read_map(form: &Tree, path: &str) -> Result<Value, ApiError> {
    let Tree::Branch(parts) = form else {
        return Err(ApiError::invalid(path, "Invalid hash"));
    };
    if parts.len() > 50 {
        return Err(ApiError::invalid(path, "Metadata can have at most 50 keys."));
    }
    let mut map = Map::new();
    for (name, part) in parts {
        let inner = join(path, name);
        let Tree::Leaf(text) = part else {
            return Err(ApiError::invalid(&inner, "Invalid string: metadata values are texts"));
        };
        if name.chars().count() > 40 {
            return Err(ApiError::invalid(&inner, "Metadata keys can have at most 40 characters."));
        }
        if text.chars().count() > 500 {
            return Err(ApiError::invalid(&inner, "Metadata values can have at most 500 characters."));
        }
        map.insert(name.clone(), json!(text));
    }
    Ok(Value::Object(map))
}

fn open_value(form: &Tree) -> Value {
    match form {
        Tree::Leaf(text) => json!(text),
        Tree::Branch(parts) if !parts.is_empty() && parts.iter().all(|(name, _)| name.parse::<u32>().is_ok()) => {
            Value::Array(parts.iter().map(|(_, part)| open_value(part)).collect())
        }
        Tree::Branch(parts) => Value::Object(parts.iter().map(|(k, part)| (k.clone(), open_value(part))).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form;

    fn read(operation: &str, body: &str) -> Result<Value, String> {
        let read = Schema::load().read(operation, &form::parse(body));
        read.map_err(|error| format!("{} {}", error.code().unwrap_or("-"), error.message()))
    }

    #[test]
    fn types_are_read_from_the_table() {
        let read =
            read("POST /v1/checkout/sessions", "mode=subscription&line_items[0][price]=p&line_items[0][quantity]=1");
        let expected = json!({"mode": "subscription", "line_items": [{"price": "p", "quantity": 1}]});
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn a_stranger_is_named() {
        let refusal = read("POST /v1/checkout/sessions", "subscription_data[trial]=1");
        assert_eq!(refusal, Err("parameter_unknown Received unknown parameter: subscription_data[trial]".into()));
    }

    #[test]
    fn wrong_types_and_missing_ones_are_refused() {
        assert_eq!(read("GET /v1/customers", "limit=x"), Err("parameter_invalid_integer Invalid integer: x".into()));
        assert_eq!(read("POST /v1/products", ""), Err("parameter_missing Missing required param: name.".into()));
        assert!(
            read("POST /v1/checkout/sessions", "mode=gift")
                .is_err_and(|m| m.contains("one of payment, setup, or subscription"))
        );
    }

    #[test]
    fn an_empty_text_unsets() {
        assert_eq!(
            read("POST /v1/subscriptions/{subscription_exposed_id}", "cancel_at="),
            Ok(json!({"cancel_at": null}))
        );
    }
}
