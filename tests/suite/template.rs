//! `template.yaml` gives each function what it uses and no more, and keeps what must not be lost.
//!
//! What a function uses is written down here, beside the reason; that it is neither more nor less is seen when
//! `tests/src/bin/behind_lambda.rs` plays the story through the built functions with these very permissions enforced.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tests::policy::{Statement, Template};

const READS: &[&str] = &["dynamodb:Query"];
/// Of those that bring a subscription to the table: the transaction's parts, and the reads of owner and parked objects.
const WRITES: &[&str] = &[
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
];
const OWN_MODE: &[&str] = &["own#*"];
const BOTH_MODES: &[&str] = &["test#*", "live#*"];

struct Needs {
    table: &'static [&'static str],
    keys: &'static [&'static str],
    secrets: &'static [&'static str],
}

fn needs(function: &str) -> Needs {
    let (table, keys, secrets): (&[&str], &[&str], &[&str]) = match function {
        "config" => (&[], &[], &["own"]),
        "status" | "gate" | "authorizer" => (READS, OWN_MODE, &["own"]),
        "checkout" | "session-status" => (WRITES, OWN_MODE, &["own"]),
        // The user's records, and forgetting a customer that Stripe does not know.
        "portal" => (&["dynamodb:Query", "dynamodb:UpdateItem"], OWN_MODE, &["own"]),
        "health" => (&["dynamodb:GetItem"], OWN_MODE, &[]),
        "webhook" => (WRITES, BOTH_MODES, &["TestSecret", "LiveSecret"]),
        "reconcile" => (
            &[
                "dynamodb:BatchGetItem",
                "dynamodb:ConditionCheckItem",
                "dynamodb:DeleteItem",
                "dynamodb:GetItem",
                "dynamodb:Query",
                "dynamodb:UpdateItem",
            ],
            BOTH_MODES,
            &["TestSecret", "LiveSecret"],
        ),
        other => panic!("{other} is new: say here what it needs"),
    };
    Needs { table, keys, secrets }
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The template itself and the one that puts the authorizer before a REST API.
pub(crate) fn templates() -> [Template; 2] {
    ["template.yaml", "docs/examples/rest-api.yaml"].map(|path| {
        let text = std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        Template::parse(&text).unwrap_or_else(|error| panic!("{path}: {error:#}"))
    })
}

pub(crate) fn set(items: &[&str]) -> BTreeSet<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

#[test]
fn a_function_may_do_what_it_uses_and_nothing_else() {
    templates().iter().for_each(judge_permissions);
}

/// So that the judge is not asleep.
#[test]
fn a_broader_permission_is_seen() {
    let text = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    let status = text.find("StatusRole:\n").unwrap();
    for (narrow, broad) in [
        ("[dynamodb:Query]", "[dynamodb:Query, dynamodb:Scan]"),
        ("[dynamodb:Query]", "dynamodb:*"),
        ("!GetAtt SubscriptionsTable.Arn", "\"*\""),
        ("!If [IsLive, \"live#*\", \"test#*\"]", "[\"live#*\", \"test#*\"]"),
        ("!If [IsLive, \"live#*\", \"test#*\"]", "\"*\""),
        ("!If [IsLive, !Ref LiveSecret, !Ref TestSecret]", "[!Ref LiveSecret, !Ref TestSecret]"),
        ("secretsmanager:GetSecretValue", "[secretsmanager:GetSecretValue, secretsmanager:PutSecretValue]"),
        ("!GetAtt StatusLogs.Arn", "!GetAtt GateLogs.Arn"),
        (
            "Effect: Allow\n                Action: secretsmanager",
            "Effect: Allow\n                NotAction: secretsmanager",
        ),
    ] {
        let broader = format!("{}{}", &text[..status], text[status..].replacen(narrow, broad, 1));
        assert_ne!(broader, text, "{narrow} is not in the template");
        // What the reader does not understand it refuses to read.
        let Ok(template) = Template::parse(&broader) else { continue };
        let judged = std::panic::catch_unwind(|| judge_permissions(&template));
        assert!(judged.is_err(), "{broad} went unseen");
    }
}

fn judge_permissions(template: &Template) {
    for function in template.functions() {
        let name = &function.folder;
        let needs = needs(name);
        let mut table = BTreeSet::new();
        let mut secrets = BTreeSet::new();
        let mut logs = BTreeSet::new();
        for statement in &function.statements {
            assert_eq!(statement.effect, "Allow", "{name}");
            match statement.service() {
                "dynamodb" => {
                    assert_eq!(statement.resources, set(&["SubscriptionsTable"]), "{name}");
                    assert_eq!(statement.leading_keys, set(needs.keys), "{name}: the fence of its mode");
                    table.extend(statement.actions.iter().cloned());
                }
                "secretsmanager" => {
                    assert_eq!(statement.actions, set(&["secretsmanager:GetSecretValue"]), "{name}");
                    secrets.extend(statement.resources.iter().cloned());
                }
                "logs" => {
                    assert_eq!(statement.resources, set(&[&function.log_group]), "{name}: its own log group");
                    logs.extend(statement.actions.iter().cloned());
                }
                "xray" => is_the_one_exception(name, statement),
                other => panic!("{name} may use {other}"),
            }
        }
        assert_eq!(table, set(needs.table), "{name}");
        assert_eq!(secrets, set(needs.secrets), "{name}");
        assert_eq!(logs, set(&["logs:CreateLogStream", "logs:PutLogEvents"]), "{name}");
    }
}

/// X-Ray has no resources to name, and the statement is there only while tracing is on.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html>
fn is_the_one_exception(name: &str, statement: &Statement) {
    assert!(statement.condition.as_deref() == Some("IsTraced"), "{name}: X-Ray without being asked for");
    assert_eq!(statement.actions, set(&["xray:PutTelemetryRecords", "xray:PutTraceSegments"]), "{name}");
    assert_eq!(statement.resources, set(&["*"]), "{name}");
}

#[test]
fn no_role_is_wider_than_its_statements() {
    for template in templates() {
        for (id, role) in template.resources_of("AWS::IAM::Role") {
            let Some(function) = template.functions().into_iter().find(|function| function.role == *id) else {
                panic!("{id} is nobody's role");
            };
            assert!(role["Properties"].get("ManagedPolicyArns").is_none(), "{id}: a managed policy has wildcards");
            let trusted = &role["Properties"]["AssumeRolePolicyDocument"]["Statement"];
            assert_eq!(trusted[0]["Principal"]["Service"], "lambda.amazonaws.com", "{id}");
            assert_eq!(trusted.as_array().map(Vec::len), Some(1), "{id}");
            for statement in &function.statements {
                for action in &statement.actions {
                    assert!(!action.contains('*'), "{id}: {action}");
                }
            }
        }
        for function in template.functions() {
            assert!(
                function.properties.get("Policies").is_none(),
                "{}: SAM would add a policy of AWS's",
                function.folder
            );
        }
    }
}

#[test]
fn every_folder_is_one_function_that_something_calls() {
    let mut deployed = BTreeMap::new();
    for template in templates() {
        for function in template.functions() {
            let is_called = !function.event_types.is_empty()
                || function.properties.get("FunctionUrlConfig").is_some()
                || template.is_authorizer(&function.id);
            assert!(is_called, "nothing calls {}", function.folder);
            assert!(root().join("events").join(format!("{}.json", function.folder)).is_file(), "{}", function.folder);
            assert_eq!(function.metadata["BuildMethod"], "rust-cargolambda", "{}", function.folder);
            assert!(deployed.insert(function.folder.clone(), ()).is_none(), "{} is deployed twice", function.folder);
        }
    }
    let folders: BTreeSet<String> = std::fs::read_dir(root().join("functions"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("Cargo.toml").is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    assert_eq!(deployed.into_keys().collect::<BTreeSet<_>>(), folders);
}

#[test]
fn logs_are_kept_for_a_while_and_not_for_ever() {
    for template in templates() {
        for function in template.functions() {
            let group = template.resource(&function.log_group);
            assert_eq!(group["Type"], "AWS::Logs::LogGroup", "{}", function.folder);
            assert!(group["Properties"].get("RetentionInDays").is_some(), "{}", function.folder);
            assert_eq!(function.properties["LoggingConfig"]["LogFormat"], "JSON", "{}", function.folder);
        }
    }
}

#[test]
fn the_table_outlives_mistakes() {
    let [template, _] = templates();
    let table = template.resource("SubscriptionsTable");
    let properties = &table["Properties"];
    assert_eq!((&table["DeletionPolicy"], &table["UpdateReplacePolicy"]), (&"Retain".into(), &"Retain".into()));
    assert_eq!(properties["DeletionProtectionEnabled"], true);
    assert_eq!(properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true);
    assert_eq!(properties["SSESpecification"]["SSEEnabled"], true);
    assert_eq!(properties["TimeToLiveSpecification"]["Enabled"], true);
    assert_eq!(properties["BillingMode"], "PAY_PER_REQUEST");
}

#[test]
fn secrets_are_kept_and_their_values_are_nowhere_in_the_template() {
    let [template, _] = templates();
    let secrets = template.resources_of("AWS::SecretsManager::Secret");
    assert_eq!(secrets.len(), 2);
    for (id, secret) in secrets {
        assert_eq!(secret["DeletionPolicy"], "Retain", "{id}");
        for value in ["SecretString", "GenerateSecretString"] {
            assert!(secret["Properties"].get(value).is_none(), "{id}");
        }
    }
}

/// `cargo lambda watch` serves what API Gateway and the function URL would.
#[test]
fn the_routes_of_cargo_lambda_watch_are_the_templates() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let router = manifest.split("[workspace.metadata.lambda.watch.router]").nth(1).expect("a router");
    let watched: BTreeMap<String, String> = router
        .lines()
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once(" = "))
        .map(|(path, function)| (path.trim_matches('"').to_owned(), function.trim_matches('"').to_owned()))
        .collect();
    let mut routes = BTreeMap::new();
    for function in local::template::Template::of_this_workspace().unwrap().functions {
        for route in function.routes {
            routes.insert(route.path.replace("{proxy+}", "{*proxy}"), function.name.clone());
        }
        if function.has_function_url {
            for path in ["", "/", "/{uuid}", "/{uuid}/"] {
                routes.insert(format!("/stripe/webhook{path}"), function.name.clone());
            }
        }
    }
    assert_eq!(watched, routes);
}

/// What each parameter takes and refuses, by the template's own patterns.
#[test]
fn a_parameter_that_makes_no_sense_is_refused() {
    let [template, _] = templates();
    let cases: [(&str, &[&str], &[&str]); 14] = [
        ("LiveMode", &["true", "false"], &["", "True", "yes"]),
        ("Architecture", &["arm64", "x86_64"], &["amd64", ""]),
        ("LogLevel", &["info", "debug"], &["trace", "INFO"]),
        (
            "FrontendUrl",
            &["https://app.example.com", "http://localhost:3000", "https://example.com/app"],
            &["", "app.example.com", "http://example.com", "https://a@b.com", "https://a.com?x", "ftp://a.com"],
        ),
        (
            "AllowedOrigins",
            &[
                "",
                "https://a.example.com",
                "https://a.example.com,http://localhost:8080",
                "https://a.com, https://b.com",
            ],
            &[
                "https://a.com/path",
                "https://a.com/",
                "http://a.com",
                "*",
                "https://*.a.com",
                "https://a.com https://b.com",
            ],
        ),
        ("TrialDays", &["0", "7", "730"], &["-1", "731", "many"]),
        ("PastDueGraceDays", &["", "0", "14"], &["-3", "1.5", "a", "12345"]),
        ("WebhookReservedConcurrency", &["", "1", "200"], &["0", "-1", "many"]),
        (
            "UpstreamUrl",
            &["https://api.internal", "http://10.0.0.7:8000/v1"],
            &["", "api", "https://u:p@api", "https://a?b"],
        ),
        ("GateExemptPrefixes", &["", "/api/auth/", "/api/auth/,/api/docs"], &["/", "api/auth", "/api/auth/,/"]),
        ("DefaultPriceIdLive", &["", "price_1Abc", "gold-plan"], &["price_1,price_2", "price 1"]),
        ("SessionStatusRateLimit", &["1", "10"], &["0", "-1", "all"]),
        ("QuietHours", &["1", "168"], &["0", "169"]),
        ("AlarmEmail", &["", "ops@example.com"], &["ops", "a@b, c@d"]),
    ];
    for (name, good, bad) in cases {
        for value in good {
            assert!(template.accepts(name, value), "{name} should take {value:?}");
        }
        for value in bad {
            assert!(!template.accepts(name, value), "{name} should refuse {value:?}");
        }
    }
}

#[test]
fn live_mode_does_not_start_from_the_defaults_of_a_laptop() {
    let [template, _] = templates();
    let rule = &template.document["Rules"]["LiveModeIsNotHalfConfigured"];
    let said: Vec<&str> = rule["Assertions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["AssertDescription"].as_str())
        .collect();
    assert_eq!(
        said,
        ["live mode needs FrontendUrl", "live mode needs UpstreamUrl", "live mode needs DefaultPriceIdLive"]
    );
}

/// Anybody may ask session-status, and each question is one to Stripe.
#[test]
fn what_asks_stripe_for_anybody_has_a_throttle_of_its_own() {
    let [template, _] = templates();
    let api = &template.resource("Api")["Properties"];
    let function = template.functions().into_iter().find(|function| function.folder == "session-status").unwrap();
    let events = function.properties["Events"].as_object().unwrap().values();
    let routes: BTreeSet<String> = events
        .map(|event| {
            let of = |name: &str| event["Properties"][name].as_str().unwrap_or_default();
            format!("{} {}", of("Method"), of("Path"))
        })
        .collect();
    let throttled = api["RouteSettings"].as_object().unwrap();
    assert_eq!(throttled.keys().cloned().collect::<BTreeSet<_>>(), routes);
    let default = |limit: &Value| {
        let parameter = limit["Ref"].as_str().unwrap_or_else(|| panic!("{limit} is no parameter"));
        assert!(template.accepts(parameter, "1") && !template.accepts(parameter, "0"), "{parameter}");
        template.document["Parameters"][parameter]["Default"].as_u64().unwrap()
    };
    for settings in throttled.values() {
        for limit in ["ThrottlingRateLimit", "ThrottlingBurstLimit"] {
            assert!(default(&settings[limit]) < default(&api["DefaultRouteSettings"][limit]), "{limit}");
        }
        // Both spellings together stay under Stripe's limit of test mode.
        assert!(2 * default(&settings["ThrottlingRateLimit"]) < 25);
    }
}

/// `manage --stack` reads these.
#[test]
fn the_stack_tells_what_operators_commands_need() {
    let [template, _] = templates();
    let outputs = template.document["Outputs"].as_object().unwrap();
    for name in ["ApiUrl", "WebhookUrl", "TableName", "SecretIdTest", "SecretIdLive", "LiveMode"] {
        assert!(outputs.contains_key(name), "{name}");
    }
}
