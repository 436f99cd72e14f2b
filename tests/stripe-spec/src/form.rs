//! Form bodies and queries in Stripe's bracket notation: `line_items[0][price]=…`, `expand[]=…`.
//!
//! Here: taking them apart and holding them against an operation's parameters.

use std::borrow::Cow;
use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use crate::schema::{Object, Others, Schema, SchemaId, Schemas, Shape, spelt};

/// What stands under one name.
#[derive(Clone)]
pub(crate) enum Field {
    Text(String),
    /// `name[]=…`
    List(Vec<Field>),
    /// `name[key]=…`; an array's keys are its indices.
    Group(Fields),
}

pub(crate) type Fields = BTreeMap<String, Field>;

/// The fields of all sources together, and what could not be read.
pub(crate) fn parse(sources: &[&str]) -> (Fields, Vec<String>) {
    let mut fields = Fields::new();
    let mut malformed = Vec::new();
    let pairs = sources.iter().flat_map(|source| source.split('&'));
    for pair in pairs.filter(|pair| !pair.is_empty()) {
        if let Err(violation) = parse_pair(pair, &mut fields) {
            malformed.push(violation);
        }
    }
    (fields, malformed)
}

/// What is wrong with `fields` as an operation's parameters.
pub(crate) fn judge(schemas: &Schemas, parameters: &Object, fields: &Fields) -> Vec<String> {
    Judge { schemas }.group(parameters, fields, "")
}

fn parse_pair(pair: &str, fields: &mut Fields) -> Result<(), String> {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let name = decode(name).ok_or_else(|| format!("{name}: not UTF-8"))?;
    let value = decode(value).ok_or_else(|| format!("{name}: not UTF-8"))?;
    let (first, steps) = steps(&name).ok_or_else(|| format!("{name}: malformed name"))?;
    let new = steps.iter().rfold(Field::Text(value), |inner, step| {
        if step.is_empty() {
            Field::List(vec![inner])
        } else {
            Field::Group(Fields::from([((*step).to_owned(), inner)]))
        }
    });
    put(fields, first, new).map_err(|clash| format!("{name}: {clash}"))
}

fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok();
    decoded.map(Cow::into_owned)
}

/// `a[b][]` is `a`, then `b` and an unnamed step.
fn steps(name: &str) -> Option<(&str, Vec<&str>)> {
    let Some((first, rest)) = name.split_once('[') else {
        return (!name.is_empty() && !name.contains(']')).then_some((name, Vec::new()));
    };
    let steps: Vec<&str> = rest.strip_suffix(']')?.split("][").collect();
    let is_plain = |part: &&str| !part.contains(['[', ']']);
    (!first.is_empty() && is_plain(&first) && steps.iter().all(is_plain)).then_some((first, steps))
}

fn put(fields: &mut Fields, name: &str, new: Field) -> Result<(), &'static str> {
    match fields.get_mut(name) {
        Some(present) => merge(present, new),
        None => {
            fields.insert(name.to_owned(), new);
            Ok(())
        }
    }
}

fn merge(present: &mut Field, new: Field) -> Result<(), &'static str> {
    match (present, new) {
        (Field::Text(_), Field::Text(_)) => Err("given twice"),
        (Field::Group(present), Field::Group(new)) => {
            new.into_iter().try_for_each(|(name, field)| put(present, &name, field))
        }
        (Field::List(present), Field::List(new)) => {
            for element in new {
                // `items[][price]=…&items[][quantity]=…` is one item until a name comes again.
                let continues = present.last_mut().is_some_and(|last| merge(last, element.clone()).is_ok());
                if !continues {
                    present.push(element);
                }
            }
            Ok(())
        }
        _ => Err("given in two forms"),
    }
}

struct Judge<'a> {
    schemas: &'a Schemas,
}

impl Judge<'_> {
    fn group(&self, object: &Object, fields: &Fields, at: &str) -> Vec<String> {
        let place = |name: &str| {
            if at.is_empty() { name.to_owned() } else { format!("{at}[{name}]") }
        };
        let mut violations = Vec::new();
        for (name, field) in fields {
            match (object.properties.get(name), object.others) {
                (Some(schema), _) => violations.extend(self.field(*schema, field, &place(name))),
                // An empty value takes a key out of a map: https://docs.stripe.com/api/metadata
                (None, Others::Like(_)) if field.is_empty() => {}
                (None, Others::Like(schema)) => {
                    violations.extend(self.field(schema, field, &place(name)));
                }
                (None, Others::Anything) => {}
                (None, Others::Refused) => {
                    violations.push(format!("{}: unknown parameter", place(name)));
                }
            }
        }
        for name in &object.required {
            if !fields.contains_key(name) {
                violations.push(format!("{}: missing", place(name)));
            }
        }
        violations
    }

    fn field(&self, id: SchemaId, field: &Field, at: &str) -> Vec<String> {
        let schema = &self.schemas[id];
        match (&schema.shape, field) {
            (Shape::AnyOf(_), _) => self.any_of(&self.schemas.branches(id), field, at),
            (Shape::List(items), Field::List(elements)) => elements
                .iter()
                .enumerate()
                .flat_map(|(index, element)| self.field(*items, element, &format!("{at}[{index}]")))
                .collect(),
            (Shape::List(items), Field::Group(elements)) if are_indices(elements) => elements
                .iter()
                .flat_map(|(index, element)| self.field(*items, element, &format!("{at}[{index}]")))
                .collect(),
            (Shape::Object(object), Field::Group(fields)) => self.group(object, fields, at),
            _ if fits(schema, field) => Vec::new(),
            _ => vec![self.mismatch(&[id], field, at)],
        }
    }

    /// Of the branches a nested field fits, the one with the least to say is the one meant.
    fn any_of(&self, branches: &[SchemaId], field: &Field, at: &str) -> Vec<String> {
        branches
            .iter()
            .filter(|id| fits(&self.schemas[**id], field))
            .map(|id| self.field(*id, field, at))
            .min_by_key(Vec::len)
            .unwrap_or_else(|| vec![self.mismatch(branches, field, at)])
    }

    fn mismatch(&self, branches: &[SchemaId], field: &Field, at: &str) -> String {
        let expected = self.schemas.expected(branches);
        match field {
            Field::Text(text) => format!("{at}: expected {expected}, got {text:?}"),
            Field::List(_) | Field::Group(_) => {
                format!("{at}: expected {expected}, got nested parameters")
            }
        }
    }
}

impl Field {
    fn is_empty(&self) -> bool {
        matches!(self, Field::Text(text) if text.is_empty())
    }
}

/// Whether the field is of the schema's shape: a text in full, nested parameters at their top.
fn fits(schema: &Schema, field: &Field) -> bool {
    match (&schema.shape, field) {
        (Shape::Anything, _) => true,
        (Shape::List(_), Field::List(_)) | (Shape::Object(_), Field::Group(_)) => true,
        (Shape::List(_), Field::Group(elements)) => are_indices(elements),
        (_, Field::Text(text)) => reads_as(schema, text),
        _ => false,
    }
}

fn reads_as(schema: &Schema, text: &str) -> bool {
    if !schema.one_of.is_empty() {
        return schema.one_of.iter().any(|value| spelt(value) == text);
    }
    match schema.shape {
        // To Stripe an empty text unsets the parameter; where that is allowed, the enum has "".
        Shape::Text => !text.is_empty(),
        Shape::Integer => text.parse::<i64>().is_ok(),
        Shape::Number => text.parse::<f64>().is_ok_and(f64::is_finite),
        Shape::Boolean => matches!(text, "true" | "false"),
        Shape::Anything | Shape::List(_) | Shape::Object(_) | Shape::AnyOf(_) => false,
    }
}

fn are_indices(elements: &Fields) -> bool {
    let is_index = |key: &String| key.bytes().all(|byte| byte.is_ascii_digit());
    elements.keys().all(is_index)
}

#[cfg(test)]
mod tests;
