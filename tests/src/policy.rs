//! What a template lets its functions do, read as IAM would read it once CloudFormation has filled in the names.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use serde_yaml_ng::Value as Yaml;

/// A template as JSON: `!Ref X` is `{"Ref": "X"}`, as CloudFormation itself writes it.
pub struct Template {
    pub document: Value,
}

/// One function with its role's statements.
pub struct Function {
    pub id: String,
    /// The folder under `functions/`.
    pub folder: String,
    pub properties: Value,
    pub metadata: Value,
    pub event_types: Vec<String>,
    /// Logical ids.
    pub role: String,
    pub log_group: String,
    pub statements: Vec<Statement>,
}

/// One statement of a role, with logical ids for resources; `own` is what belongs to the mode in use.
#[derive(Clone, Debug)]
pub struct Statement {
    pub effect: String,
    pub actions: BTreeSet<String>,
    pub resources: BTreeSet<String>,
    /// The fence of `dynamodb:LeadingKeys`; empty without one.
    pub leading_keys: BTreeSet<String>,
    /// The template's condition under which the statement is there at all.
    pub condition: Option<String>,
}

impl Statement {
    /// `dynamodb` of `dynamodb:Query`; statements here keep to one service.
    pub fn service(&self) -> &str {
        self.actions.first().and_then(|action| action.split(':').next()).unwrap_or_default()
    }

    /// Whether the statement allows the action on an item whose partition key is `key`, while `mode` is in use.
    pub fn allows(&self, action: &str, key: &str, mode: &str) -> bool {
        let is_within = |fence: &String| {
            let prefix = fence.trim_end_matches('*');
            let prefix = if prefix == "own#" { format!("{mode}#") } else { prefix.to_owned() };
            key.starts_with(&prefix)
        };
        self.effect == "Allow" && self.actions.contains(action) && self.leading_keys.iter().any(is_within)
    }
}

impl Template {
    /// # Errors
    /// When the text is no YAML, or a role has a statement this reader does not understand: better than to overlook it.
    pub fn parse(text: &str) -> Result<Template> {
        let yaml: Yaml = serde_yaml_ng::from_str(text).context("read the template")?;
        let template = Template { document: plain(yaml)? };
        for (id, role) in template.resources_of("AWS::IAM::Role") {
            statements_of(role).with_context(|| format!("understand the role {id}"))?;
        }
        Ok(template)
    }

    /// # Errors
    /// As [`Template::parse`].
    pub fn of_this_workspace() -> Result<Template> {
        Template::parse(local::template::TEMPLATE)
    }

    /// The resource of that logical id; null when there is none.
    pub fn resource(&self, id: &str) -> &Value {
        &self.document["Resources"][id]
    }

    pub fn resources_of(&self, kind: &str) -> Vec<(&String, &Value)> {
        let resources = self.document["Resources"].as_object().into_iter().flatten();
        resources.filter(|(_, resource)| resource["Type"] == kind).collect()
    }

    pub fn functions(&self) -> Vec<Function> {
        self.resources_of("AWS::Serverless::Function").into_iter().map(|(id, found)| self.function(id, found)).collect()
    }

    fn function(&self, id: &str, found: &Value) -> Function {
        let properties = found["Properties"].clone();
        let folder = properties["CodeUri"].as_str().and_then(|uri| uri.split("functions/").nth(1)).unwrap_or_default();
        let role = name_of(&properties["Role"]).unwrap_or_default();
        let events = properties["Events"].as_object().into_iter().flatten();
        Function {
            id: id.to_owned(),
            folder: folder.to_owned(),
            metadata: found["Metadata"].clone(),
            event_types: events.map(|(_, event)| event["Type"].as_str().unwrap_or_default().to_owned()).collect(),
            log_group: name_of(&properties["LoggingConfig"]["LogGroup"]).unwrap_or_default(),
            statements: statements_of(self.resource(&role)).unwrap_or_default(),
            role,
            properties,
        }
    }

    /// Whether a REST API of the template asks the function before it lets a request pass.
    pub fn is_authorizer(&self, function: &str) -> bool {
        let mut found = false;
        for (_, api) in self.resources_of("AWS::Serverless::Api") {
            walk(&api["Properties"]["Auth"], &mut |value| {
                found |= value.get("FunctionArn").is_some_and(|arn| name_of(arn).as_deref() == Some(function));
            });
        }
        found
    }

    /// Whether CloudFormation would take the value for the parameter: a pattern has to match the whole of it.
    pub fn accepts(&self, parameter: &str, value: &str) -> bool {
        let rules = &self.document["Parameters"][parameter];
        assert!(rules.is_object(), "there is no parameter {parameter}");
        let is_allowed =
            rules["AllowedValues"].as_array().is_none_or(|values| values.iter().any(|one| text(one) == value));
        let matches = rules["AllowedPattern"].as_str().is_none_or(|pattern| {
            regex_lite::Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|pattern| pattern.is_match(value))
        });
        let is_number = rules["Type"] != "Number"
            || value.parse::<f64>().is_ok_and(|number| {
                rules["MinValue"].as_f64().is_none_or(|least| number >= least)
                    && rules["MaxValue"].as_f64().is_none_or(|most| number <= most)
            });
        is_allowed && matches && is_number
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Calls `visit` with the value and every value in it.
pub fn walk(value: &Value, visit: &mut impl FnMut(&Value)) {
    visit(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        Value::Object(fields) => fields.values().for_each(|field| walk(field, visit)),
        _ => {}
    }
}

/// Tags as CloudFormation's long names.
fn plain(yaml: Yaml) -> Result<Value> {
    Ok(match yaml {
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let name = tag.trim_start_matches('!');
            let name = if matches!(name, "Ref" | "Condition") { name.to_owned() } else { format!("Fn::{name}") };
            json!({ name: plain(tagged.value)? })
        }
        Yaml::Mapping(fields) => {
            let mut object = Map::new();
            for (name, value) in fields {
                object.insert(text(&plain(name)?), plain(value)?);
            }
            Value::Object(object)
        }
        Yaml::Sequence(items) => Value::Array(items.into_iter().map(plain).collect::<Result<_>>()?),
        other => serde_yaml_ng::from_value(other)?,
    })
}

/// The logical id a reference names.
fn name_of(value: &Value) -> Option<String> {
    if let Some(name) = value["Ref"].as_str() {
        return Some(name.to_owned());
    }
    let attribute = value["Fn::GetAtt"].as_str()?;
    attribute.split('.').next().map(str::to_owned)
}

fn statements_of(role: &Value) -> Result<Vec<Statement>> {
    let policies = role["Properties"]["Policies"].as_array().context("a role without policies")?;
    let mut statements = Vec::new();
    for policy in policies {
        let listed = policy["PolicyDocument"]["Statement"].as_array().context("a policy without statements")?;
        for statement in listed {
            statements.push(match statement.get("Fn::If") {
                None => statement_of(statement)?,
                Some(choice) if choice[2]["Ref"] == "AWS::NoValue" => {
                    Statement { condition: Some(text(&choice[0])), ..statement_of(&choice[1])? }
                }
                Some(choice) => bail!("a choice between two statements: {choice}"),
            });
        }
    }
    Ok(statements)
}

fn statement_of(value: &Value) -> Result<Statement> {
    const KNOWN: [&str; 4] = ["Effect", "Action", "Resource", "Condition"];
    let fields = value.as_object().context("a statement that is no mapping")?;
    if let Some(odd) = fields.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        bail!("a statement with {odd}");
    }
    let mut resources = BTreeSet::new();
    for resource in items(&value["Resource"]) {
        resources.insert(resource_of(resource)?);
    }
    Ok(Statement {
        effect: text(&value["Effect"]),
        actions: items(&value["Action"]).into_iter().map(text).collect(),
        resources,
        leading_keys: leading_keys(value.get("Condition"))?,
        condition: None,
    })
}

fn items(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |items| items.iter().collect())
}

fn resource_of(value: &Value) -> Result<String> {
    if let Some(name) = name_of(value) {
        return Ok(name);
    }
    if is_by_mode(value) {
        return Ok("own".to_owned());
    }
    if let Some(arn) = value["Fn::Sub"].as_str()
        && arn.ends_with(":table/${TableName}")
    {
        return Ok("SubscriptionsTable".to_owned());
    }
    value.as_str().map(str::to_owned).with_context(|| format!("a resource {value}"))
}

/// `!If [IsLive, of live, of test]`, in this order.
fn is_by_mode(value: &Value) -> bool {
    let choice = &value["Fn::If"];
    let names = |value: &Value| name_of(value).unwrap_or_else(|| text(value)).to_lowercase();
    choice[0] == "IsLive" && names(&choice[1]).contains("live") && names(&choice[2]).contains("test")
}

fn leading_keys(condition: Option<&Value>) -> Result<BTreeSet<String>> {
    let Some(condition) = condition else { return Ok(BTreeSet::new()) };
    let fence: BTreeMap<String, BTreeMap<String, Value>> =
        serde_json::from_value(condition.clone()).context("read a condition")?;
    let keys = match fence.get("ForAllValues:StringLike").filter(|_| fence.len() == 1) {
        Some(tests) if tests.len() == 1 => tests.get("dynamodb:LeadingKeys"),
        _ => None,
    };
    let keys = keys.with_context(|| format!("a condition other than the fence: {condition}"))?;
    Ok(if is_by_mode(keys) {
        BTreeSet::from(["own#*".to_owned()])
    } else {
        items(keys).into_iter().map(text).collect()
    })
}
