//! Which operation a method and a path mean, what it takes and what it replies.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::schema::{Object, SchemaId, Schemas, Shape};

const METHODS: [&str; 3] = ["GET", "POST", "DELETE"];

pub(crate) struct Operations {
    /// In the order in which they are tried.
    routes: Vec<Route>,
}

struct Route {
    segments: Vec<Segment>,
    operations: BTreeMap<&'static str, Operation>,
}

/// The order matters: of two paths that fit, the one that is literal first wins.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Literal(String),
    Template,
}

pub(crate) struct Operation {
    /// Those of the query and those of the form together.
    pub(crate) parameters: Object,
    /// By status, `default` included.
    replies: BTreeMap<String, SchemaId>,
}

impl Operations {
    /// Compiles `paths`.
    pub(crate) fn compile(paths: &Value, schemas: &mut Schemas) -> Operations {
        let mut routes: Vec<Route> = entries(paths).map(|(path, item)| Route::compile(path, item, schemas)).collect();
        routes.sort_by(|one, other| one.segments.cmp(&other.segments));
        Operations { routes }
    }

    /// `path` comes without its query.
    pub(crate) fn find(&self, method: &str, path: &str) -> Option<&Operation> {
        let route = self.routes.iter().find(|route| route.matches(path))?;
        let method = METHODS.iter().find(|known| known.eq_ignore_ascii_case(method))?;
        route.operations.get(method)
    }
}

impl Route {
    fn compile(path: &str, item: &Value, schemas: &mut Schemas) -> Route {
        Route {
            segments: path.split('/').map(Segment::new).collect(),
            operations: METHODS
                .into_iter()
                .filter_map(|method| {
                    let operation = item.get(method.to_ascii_lowercase())?;
                    Some((method, Operation::compile(operation, schemas)))
                })
                .collect(),
        }
    }

    fn matches(&self, path: &str) -> bool {
        let mut parts = path.split('/');
        let all_fit = self.segments.iter().all(|segment| parts.next().is_some_and(|part| segment.matches(part)));
        all_fit && parts.next().is_none()
    }
}

impl Segment {
    fn new(part: &str) -> Segment {
        if part.starts_with('{') { Segment::Template } else { Segment::Literal(part.to_owned()) }
    }

    fn matches(&self, part: &str) -> bool {
        match self {
            Segment::Literal(literal) => literal == part,
            Segment::Template => !part.is_empty(),
        }
    }
}

impl Operation {
    fn compile(description: &Value, schemas: &mut Schemas) -> Operation {
        Operation {
            parameters: parameters(description, schemas),
            replies: entries(&description["responses"])
                .filter_map(|(status, reply)| {
                    let schema = reply["content"]["application/json"].get("schema")?;
                    Some((status.clone(), schemas.add(schema)))
                })
                .collect(),
        }
    }

    /// The schema of the reply with this status; `default` describes the errors.
    pub(crate) fn reply(&self, status: u16) -> Option<SchemaId> {
        let own = self.replies.get(&status.to_string());
        let error = self.replies.get("default").filter(|_| status >= 400);
        own.or(error).copied()
    }
}

fn parameters(description: &Value, schemas: &mut Schemas) -> Object {
    let form = &description["requestBody"]["content"]["application/x-www-form-urlencoded"];
    let mut parameters = match form.get("schema") {
        None => Object::default(),
        Some(schema) => {
            let form = schemas.add(schema);
            match &schemas[form].shape {
                Shape::Object(form) => form.clone(),
                _ => panic!("the description has a form that is not an object: {schema}"),
            }
        }
    };
    let declared = description["parameters"].as_array();
    for parameter in declared.into_iter().flatten() {
        let Some(name) = parameter["name"].as_str() else {
            panic!("the description has a parameter without a name: {parameter}");
        };
        if parameter["in"] != "query" {
            continue;
        }
        let schema = schemas.add(&parameter["schema"]);
        parameters.properties.insert(name.to_owned(), schema);
        if parameter["required"] == true {
            parameters.required.push(name.to_owned());
        }
    }
    parameters
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::Spec;

    fn spec() -> Spec {
        Spec::compile(&json!({ "paths": {
            "/v1/customers/{customer}": { "delete": {}, "get": {}, "post": {} },
            "/v1/customers/search": { "get": { "parameters": [
                { "name": "query", "in": "query", "required": true, "schema": { "type": "string" } },
            ] } },
        } }))
    }

    #[test]
    fn a_template_takes_any_id() {
        let violations = spec().check_request("get", "/v1/customers/cus_1", "");
        assert_eq!(violations, [""; 0]);
    }

    #[test]
    fn a_literal_path_wins_over_a_template() {
        let violations = spec().check_request("GET", "/v1/customers/search", "");
        assert_eq!(violations, ["query: missing"]);
    }

    #[test]
    fn a_literal_path_does_not_borrow_the_templates_methods() {
        let violations = spec().check_request("DELETE", "/v1/customers/search", "");
        assert_eq!(violations, ["DELETE /v1/customers/search: unknown operation"]);
    }

    #[test]
    fn other_paths_and_methods_are_unknown() {
        for (method, path) in [
            ("GET", "/v1/customers/"),
            ("GET", "/v1/customers/cus_1/more"),
            ("GET", "/v1"),
            ("PATCH", "/v1/customers/cus_1"),
        ] {
            let violations = spec().check_request(method, path, "");
            assert_eq!(violations, [format!("{method} {path}: unknown operation")]);
        }
    }

    #[test]
    fn parameters_belong_where_the_method_takes_them_from() {
        let spec = spec();
        assert_eq!(
            spec.check_request("GET", "/v1/customers/search?query=a", "query=a"),
            ["body: GET takes its parameters from the query"]
        );
        assert_eq!(
            spec.check_request("POST", "/v1/customers/cus_1?name=a", ""),
            ["query: POST takes its parameters from the form"]
        );
        for (path, form) in [("/v1/customers/cus_1", "now=1"), ("/v1/customers/cus_1?now=1", "")] {
            let violations = spec.check_request("DELETE", path, form);
            assert_eq!(violations, ["now: unknown parameter"]);
        }
    }
}
