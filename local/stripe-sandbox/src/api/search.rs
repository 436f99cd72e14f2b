//! Search: Stripe's query language over one kind of objects. It may lag behind writes.

use serde_json::{Value, json};

use crate::api::given::Given;
use crate::api::lists;
use crate::errors::ApiError;
use crate::state::Kind;
use crate::tx::Tx;
use crate::values::owned;

/// The fields a kind can be searched by.
const CUSTOMER: &[&str] = &["created", "email", "metadata", "name", "phone"];
const SUBSCRIPTION: &[&str] = &["created", "metadata", "status", "canceled_at"];
const PRICE: &[&str] = &["active", "currency", "lookup_key", "metadata", "product", "type"];
const PRODUCT: &[&str] = &["active", "description", "metadata", "name", "shippable", "url"];

#[derive(Debug, PartialEq)]
struct Clause {
    field: String,
    key: Option<String>,
    operator: Operator,
    value: Option<String>,
    is_negated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operator {
    Is,
    Contains,
    Above,
    Below,
    AtLeast,
    AtMost,
}

/// One page of what matches `query`.
pub(crate) fn run(tx: &Tx, kind: Kind, given: &Given, url: &str) -> Result<Value, ApiError> {
    let query = given.required("query")?;
    let fields = match kind {
        Kind::Customer => CUSTOMER,
        Kind::Subscription => SUBSCRIPTION,
        Kind::Price => PRICE,
        _ => PRODUCT,
    };
    let (clauses, any) = parse(&query, fields)?;
    let found: Vec<Value> = tx
        .world
        .all(kind)
        .newest_first()
        .filter_map(|object| as_indexed(tx, object))
        .filter(|object| matches(object, &clauses, any))
        .collect();
    let limit = lists::limit(given)?;
    let from = match given.text("page") {
        Some(page) => page.parse::<usize>().map_err(|_| ApiError::invalid("page", "Invalid page token."))?,
        None => 0,
    };
    let to = (from + limit).min(found.len());
    let has_more = to < found.len();
    let mut page = json!({
        "object": "search_result",
        "data": found.get(from..to).unwrap_or_default(),
        "has_more": has_more,
        "next_page": has_more.then(|| to.to_string()),
        "url": url,
    });
    if given.texts("expand").iter().any(|name| name == "total_count") {
        page["total_count"] = json!(found.len());
    }
    Ok(page)
}

/// The object as the index has it: what was written within the lag still looks as before, or is missing.
fn as_indexed(tx: &Tx, object: &Value) -> Option<Value> {
    let horizon = tx.wall_ms - tx.settings.search_lag_seconds * 1000;
    match tx.world.recent.get(&owned(&object["id"])) {
        Some((written, before)) if *written > horizon => before.clone(),
        _ => Some(object.clone()),
    }
}

fn matches(object: &Value, clauses: &[Clause], any: bool) -> bool {
    if any {
        clauses.iter().any(|clause| clause.holds(object))
    } else {
        clauses.iter().all(|clause| clause.holds(object))
    }
}

impl Clause {
    fn holds(&self, object: &Value) -> bool {
        let field = &object[self.field.as_str()];
        let field = self.key.as_deref().map_or(field, |key| &field[key]);
        let is_match = match (&self.value, self.operator) {
            (None, _) => field.is_null(),
            (Some(value), Operator::Is) => plain(field).to_lowercase() == value.to_lowercase(),
            (Some(value), Operator::Contains) => plain(field).to_lowercase().contains(&value.to_lowercase()),
            (Some(value), operator) => match (field.as_i64(), value.parse::<i64>()) {
                (Some(field), Ok(bound)) => operator.compares(field, bound),
                _ => false,
            },
        };
        is_match != self.is_negated
    }
}

impl Operator {
    fn compares(self, field: i64, bound: i64) -> bool {
        match self {
            Operator::Above => field > bound,
            Operator::Below => field < bound,
            Operator::AtLeast => field >= bound,
            Operator::AtMost => field <= bound,
            Operator::Is | Operator::Contains => field == bound,
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Clauses, and whether one is enough (`OR`).
fn parse(query: &str, fields: &[&str]) -> Result<(Vec<Clause>, bool), ApiError> {
    let mut clauses = Vec::new();
    let (mut ands, mut ors) = (false, false);
    let mut rest = query.trim();
    while !rest.is_empty() {
        if let Some(after) = word(rest, "AND") {
            (ands, rest) = (true, after);
        } else if let Some(after) = word(rest, "OR") {
            (ors, rest) = (true, after);
        } else {
            let (clause, after) = clause(rest, fields).ok_or_else(|| cannot_parse(query))?;
            clauses.push(clause);
            rest = after.trim_start();
        }
    }
    if clauses.is_empty() || (ands && ors) {
        return Err(cannot_parse(query));
    }
    Ok((clauses, ors))
}

fn cannot_parse(query: &str) -> ApiError {
    let message = format!(
        "We were unable to parse your search query: `{query}`. Try using the format `metadata[\"key\"]:\"value\"` to query for metadata or key:\"value\" to query for other fields."
    );
    ApiError::refused(message)
}

fn word<'q>(text: &'q str, word: &str) -> Option<&'q str> {
    let head = text.get(..word.len())?;
    let after = text.get(word.len()..)?;
    (head.eq_ignore_ascii_case(word) && after.starts_with(' ')).then(|| after.trim_start())
}

fn clause<'q>(text: &'q str, fields: &[&str]) -> Option<(Clause, &'q str)> {
    let (is_negated, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
    let (field, mut rest) = text.split_at(end);
    let mut key = None;
    if let Some(inner) = rest.strip_prefix('[') {
        let (name, after) = quoted(inner)?;
        (key, rest) = (Some(name), after.strip_prefix(']')?);
    }
    let (operator, rest) = operator(rest)?;
    let (value, rest) = match word_or_quoted(rest)? {
        (value, false, rest) if value == "null" => (None, rest),
        (value, _, rest) => (Some(value), rest),
    };
    let is_known = fields.contains(&field) && (field == "metadata") == key.is_some();
    is_known.then(|| (Clause { field: field.to_owned(), key, operator, value, is_negated }, rest))
}

fn operator(text: &str) -> Option<(Operator, &str)> {
    let operators = [
        (">=", Operator::AtLeast),
        ("<=", Operator::AtMost),
        (":", Operator::Is),
        ("~", Operator::Contains),
        (">", Operator::Above),
        ("<", Operator::Below),
    ];
    operators.iter().find_map(|(sign, operator)| Some((*operator, text.strip_prefix(sign)?)))
}

/// A value, whether it was quoted, and what follows.
fn word_or_quoted(text: &str) -> Option<(String, bool, &str)> {
    if text.starts_with(['"', '\'']) {
        let (value, rest) = quoted(text)?;
        return Some((value, true, rest));
    }
    let end = text.find(' ').unwrap_or(text.len());
    (end > 0).then(|| (text[..end].to_owned(), false, &text[end..]))
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut value = String::new();
    let mut letters = text.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => value.extend(letters.next().map(|(_, escaped)| escaped)),
            letter if letter == quote => return Some((value, &text[at + 1..])),
            letter => value.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(query: &str) -> bool {
        let object = json!({"email": "A@b.co", "created": 5, "name": null, "metadata": {"user_id": "it's 7"}});
        let (clauses, any) = parse(query, CUSTOMER).unwrap();
        matches(&object, &clauses, any)
    }

    #[test]
    fn the_query_language_is_understood() {
        assert!(finds("metadata['user_id']:'it\\'s 7'"));
        assert!(finds("email:\"a@B.co\" AND created>=5"));
        assert!(finds("created>9 OR email~'@b'"));
        assert!(finds("name:null -metadata['user_id']:'8'"));
        assert!(!finds("email:'x@y.z'"));
    }

    #[test]
    fn other_texts_are_refused() {
        for query in
            ["", "hello", "status:'active'", "metadata:'x'", "email:'open", "email:'a' AND name:'b' OR phone:'c'"]
        {
            assert!(parse(query, CUSTOMER).is_err(), "{query}");
        }
    }
}
