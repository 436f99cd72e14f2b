//! Which function a request goes to, chosen as API Gateway chooses:
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html#http-api-develop-routes.evaluation>.

use std::collections::BTreeMap;

use crate::template::{Route, Template};

/// The routes of the HTTP API, each with the name of its function.
pub(crate) struct Routes(Vec<(Route, String)>);

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub function: String,
    /// `GET /api/x` or `ANY /api/{proxy+}`, as the event's `routeKey` has it.
    pub route_key: String,
    pub path_parameters: BTreeMap<String, String>,
}

/// How exact one segment's match is; a route's rank is its segments' ranks in order, then its method's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Exactness {
    Greedy,
    Variable,
    Literal,
}

impl Routes {
    pub fn of(template: &Template) -> Routes {
        let routes = template.functions.iter().flat_map(|function| {
            function.routes.iter().map(|route| (route.clone(), function.name.clone())).collect::<Vec<_>>()
        });
        Routes(routes.collect())
    }

    /// The route for a decoded path: exact before `{variable}` before `{greedy+}`, a method before ANY.
    pub fn choose(&self, method: &str, path: &str) -> Option<Chosen> {
        let candidates = self.0.iter().filter(|(route, _)| route.method == "ANY" || route.method == method);
        let matches = candidates.filter_map(|(route, function)| {
            let (exactness, path_parameters) = match_path(&route.path, path)?;
            let rank = (exactness, route.method != "ANY");
            let route_key = format!("{} {}", route.method, route.path);
            Some((rank, Chosen { function: function.clone(), route_key, path_parameters }))
        });
        matches.max_by(|(left, _), (right, _)| left.cmp(right)).map(|(_, chosen)| chosen)
    }
}

fn match_path(pattern: &str, path: &str) -> Option<(Vec<Exactness>, BTreeMap<String, String>)> {
    let mut exactness = Vec::new();
    let mut parameters = BTreeMap::new();
    let mut rest = Some(path);
    for wanted in pattern.split('/') {
        let left = rest?;
        let (segment, after) = match left.split_once('/') {
            Some((segment, after)) => (segment, Some(after)),
            None => (left, None),
        };
        let variable = wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
        match variable {
            Some(name) if name.ends_with('+') => {
                if left.is_empty() {
                    return None;
                }
                parameters.insert(name.trim_end_matches('+').to_owned(), left.to_owned());
                exactness.push(Exactness::Greedy);
                return Some((exactness, parameters));
            }
            Some(_) if segment.is_empty() => return None,
            Some(name) => {
                parameters.insert(name.to_owned(), segment.to_owned());
                exactness.push(Exactness::Variable);
            }
            None if wanted == segment => exactness.push(Exactness::Literal),
            None => return None,
        }
        rest = after;
    }
    rest.is_none().then_some((exactness, parameters))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes {
        let route = |method: &str, path: &str, function: &str| {
            (Route { method: method.to_owned(), path: path.to_owned() }, function.to_owned())
        };
        Routes(vec![
            route("ANY", "/api/{proxy+}", "gate"),
            route("ANY", "/api/subscriptions/status", "status"),
            route("GET", "/pets/{id}", "pet"),
            route("ANY", "/pets/{id}", "any-pet"),
            route("GET", "/pets/rex", "rex"),
        ])
    }

    fn function(method: &str, path: &str) -> Option<String> {
        routes().choose(method, path).map(|chosen| chosen.function)
    }

    #[test]
    fn the_exact_route_wins_over_the_variable_over_the_greedy_one() {
        assert_eq!(function("GET", "/api/subscriptions/status").as_deref(), Some("status"));
        assert_eq!(function("GET", "/api/subscriptions/status/more").as_deref(), Some("gate"));
        assert_eq!(function("GET", "/pets/rex").as_deref(), Some("rex"));
        assert_eq!(function("GET", "/pets/tom").as_deref(), Some("pet"));
        assert_eq!(function("POST", "/pets/rex").as_deref(), Some("any-pet"));
    }

    #[test]
    fn a_trailing_slash_makes_another_route() {
        assert_eq!(function("GET", "/api/subscriptions/status/").as_deref(), Some("gate"));
        assert_eq!(function("GET", "/pets/"), None);
    }

    #[test]
    fn what_no_route_covers_is_nobodys() {
        for path in ["/", "/api", "/api/", "/apis/x", "/pets/a/b"] {
            assert_eq!(function("GET", path), None, "{path}");
        }
    }

    #[test]
    fn the_greedy_variable_holds_the_rest_of_the_path() {
        let chosen = routes().choose("DELETE", "/api/banking/accounts/").unwrap();
        assert_eq!(chosen.route_key, "ANY /api/{proxy+}");
        assert_eq!(chosen.path_parameters["proxy"], "banking/accounts/");
    }
}
