//! What is answered: a policy for the one method asked for, and the context that gateway responses and the API read.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html>

use lambda_runtime::Diagnostic;
use serde::Serialize;
use serde_json::{Map, Value};
use shared::gate::{Admission, identity};
use shared::http::ApiError;

use crate::Ask;

/// Who is asking, when nobody is let in: API Gateway wants a name.
const NOBODY: &str = "nobody";

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    principal_id: String,
    policy_document: Policy,
    /// Texts only. Of a denial `error`, `code` and `redirect`, as in the gate's own 402; of an admission `user_id` and
    /// `subscription_status`, as in the headers the gate sets.
    pub context: Map<String, Value>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    version: &'static str,
    statement: [Statement; 1],
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    action: &'static str,
    effect: &'static str,
    resource: String,
}

/// No verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// API Gateway answers its `UNAUTHORIZED` response at exactly this word.
    Unauthorized,
    /// Anything else is its `AUTHORIZER_FAILURE`.
    Unavailable,
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Diagnostic {
        let message = match failure {
            Failure::Unauthorized => "Unauthorized",
            Failure::Unavailable => "Unavailable",
        };
        Diagnostic { error_type: message.to_owned(), error_message: message.to_owned() }
    }
}

impl Verdict {
    pub(crate) fn of(admitted: Result<Admission, ApiError>, ask: &Ask) -> Result<Verdict, Failure> {
        match admitted {
            Ok(admission) => Ok(Verdict::allow(&admission, ask)),
            Err(ApiError::NotAuthenticated | ApiError::TokenNotValid) => Err(Failure::Unauthorized),
            Err(denied @ ApiError::Denied(_)) => Ok(Verdict::deny(&denied, ask)),
            Err(_) => Err(Failure::Unavailable),
        }
    }

    fn allow(admission: &Admission, ask: &Ask) -> Verdict {
        let mut headers = http::HeaderMap::new();
        identity::mark(&mut headers, Some(admission));
        let told = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let user = told(identity::USER_ID);
        let context = Map::from_iter([
            ("user_id".to_owned(), Value::String(user.clone())),
            ("subscription_status".to_owned(), Value::String(told(identity::SUBSCRIPTION_STATUS))),
        ]);
        Verdict::new("Allow", user, context, ask)
    }

    fn deny(denied: &ApiError, ask: &Ask) -> Verdict {
        let fields = [
            ("error", denied.sentence()),
            ("code", denied.code()),
            ("redirect", denied.redirect().unwrap_or_default()),
        ];
        let context = fields.map(|(name, text)| (name.to_owned(), Value::String(text.to_owned())));
        Verdict::new("Deny", NOBODY.to_owned(), Map::from_iter(context), ask)
    }

    fn new(effect: &'static str, principal_id: String, context: Map<String, Value>, ask: &Ask) -> Verdict {
        let statement = Statement { action: "execute-api:Invoke", effect, resource: ask.method_arn.clone() };
        Verdict { principal_id, policy_document: Policy { version: "2012-10-17", statement: [statement] }, context }
    }
}
