//! Judges what is sent to Stripe, and what answers in Stripe's place, against Stripe's published
//! OpenAPI description (<https://github.com/stripe/openapi>).
//!
//! Here: finding the description and the two questions a test asks of it. Not here: the schemas
//! (`schema`), paths and methods (`operation`), form bodies (`form`), JSON replies (`reply`).
//!
//! Judged are names, types, enum values and what is required. Lengths, patterns and formats
//! are not.

mod form;
mod operation;
mod reply;
mod schema;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::operation::Operations;
use crate::schema::Schemas;

const SPEC_VARIABLE: &str = "STRIPE_OPENAPI_SPEC";
const DEFAULT_SPEC: &str = "../shared/stripe-openapi/spec3.json";

/// Stripe's description, compiled; a clone shares it.
#[derive(Clone)]
pub struct Spec {
    compiled: Arc<Compiled>,
}

struct Compiled {
    schemas: Schemas,
    operations: Operations,
}

impl Spec {
    /// Reads and compiles the description once per process. The file is `STRIPE_OPENAPI_SPEC`,
    /// relative to the workspace root.
    ///
    /// `None` when the file is absent: the caller says so on stderr and skips.
    ///
    /// # Panics
    /// When the file is there and cannot be read or understood: to skip then would hide it.
    pub fn load() -> Option<Spec> {
        static LOADED: OnceLock<Option<Spec>> = OnceLock::new();
        LOADED.get_or_init(|| Spec::read(&spec_file())).clone()
    }

    /// What is wrong with a request; empty when it is as described.
    ///
    /// `path` may carry a query. GET takes its parameters from there, POST from `form_body`,
    /// DELETE from either. Each violation opens with the parameter: `line_items[0][quantity]: …`.
    pub fn check_request(&self, method: &str, path: &str, form_body: &str) -> Vec<String> {
        let (bare_path, query) = path.split_once('?').unwrap_or((path, ""));
        let Some(operation) = self.compiled.operations.find(method, bare_path) else {
            return vec![unknown_operation(method, bare_path)];
        };

        let is_get = method.eq_ignore_ascii_case("GET");
        let is_post = method.eq_ignore_ascii_case("POST");
        let mut violations = Vec::new();
        if is_get && !form_body.is_empty() {
            violations.push("body: GET takes its parameters from the query".to_owned());
        }
        if is_post && !query.is_empty() {
            violations.push("query: POST takes its parameters from the form".to_owned());
        }
        let sources = [if is_post { "" } else { query }, if is_get { "" } else { form_body }];

        let (fields, malformed) = form::parse(&sources);
        violations.extend(malformed);
        violations.extend(form::judge(&self.compiled.schemas, &operation.parameters, &fields));
        violations
    }

    /// What is wrong with a reply; empty when it is as described.
    ///
    /// A 4xx or 5xx is judged by the error schema. Each violation opens with the place in the
    /// JSON: `$.data[0].status: …`.
    pub fn check_reply(&self, method: &str, path: &str, status: u16, body: &Value) -> Vec<String> {
        let (bare_path, _) = path.split_once('?').unwrap_or((path, ""));
        let Some(operation) = self.compiled.operations.find(method, bare_path) else {
            return vec![unknown_operation(method, bare_path)];
        };
        match operation.reply(status) {
            Some(schema) => reply::judge(&self.compiled.schemas, schema, body),
            None => vec![format!("$: no JSON reply with status {status} is described")],
        }
    }

    fn read(file: &Path) -> Option<Spec> {
        let text = match std::fs::read(file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => panic!("read {}: {error}", file.display()),
        };
        match serde_json::from_slice(&text) {
            Ok(description) => Some(Spec::compile(&description)),
            Err(error) => panic!("parse {}: {error}", file.display()),
        }
    }

    fn compile(description: &Value) -> Spec {
        let mut schemas = Schemas::compile(&description["components"]["schemas"]);
        let operations = Operations::compile(&description["paths"], &mut schemas);
        let compiled = Arc::new(Compiled { schemas, operations });
        Spec { compiled }
    }
}

fn unknown_operation(method: &str, path: &str) -> String {
    format!("{method} {path}: unknown operation")
}

#[expect(
    clippy::disallowed_methods,
    reason = "where the description lies is a matter of the test machine, not of the product's configuration"
)]
fn spec_file() -> PathBuf {
    let file = std::env::var(SPEC_VARIABLE).unwrap_or_else(|_| DEFAULT_SPEC.to_owned());
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_file_is_none() {
        assert!(Spec::read(Path::new("/nowhere/spec3.json")).is_none());
    }
}
