//! Forms against a small description that has one of everything.

use serde_json::json;

use crate::Spec;

fn violations(form: &str) -> Vec<String> {
    let unset = json!({ "type": "string", "enum": [""] });
    let item = json!({ "type": "object", "required": ["price"], "properties": {
        "price": { "type": "string" },
        "quantity": { "type": "integer" },
        "amount": { "anyOf": [{ "type": "number" }, unset] },
    } });
    let created = json!({ "type": "object", "properties": { "gte": { "type": "integer" } } });
    let email = json!({ "type": "object", "required": ["email"], "properties": { "email": { "type": "string" } } });
    let phone = json!({ "type": "object", "required": ["phone"], "properties": { "phone": { "type": "string" } } });
    let form_schema = json!({ "type": "object", "additionalProperties": false, "properties": {
        "items": { "type": "array", "items": item },
        "contact": { "anyOf": [email, phone] },
        "created": { "anyOf": [created, { "type": "integer" }] },
        "description": { "anyOf": [{ "type": "string" }, unset] },
        "enabled": { "type": "boolean" },
        "expand": { "type": "array", "items": { "type": "string" } },
        "metadata": { "type": "object", "additionalProperties": { "type": "string" } },
        "mode": { "type": "string", "enum": ["payment", "setup"] },
        "name": { "type": "string" },
        "trial_end": { "anyOf": [{ "type": "string", "enum": ["now"] }, { "type": "integer" }] },
    } });
    let spec = Spec::compile(&json!({ "paths": { "/v1/things": { "post": {
        "requestBody": { "content": { "application/x-www-form-urlencoded": { "schema": form_schema } } },
    } } } }));
    spec.check_request("POST", "/v1/things", form)
}

#[test]
fn a_form_as_described_passes() {
    for form in [
        "",
        "items[0][price]=price_1&items[0][quantity]=2&items[1][price]=price_2",
        "items%5B0%5D%5Bprice%5D=price%201&name=a+b",
        "items[][price]=price_1&items[][quantity]=2&items[][price]=price_2",
        "expand[]=a&expand[]=b&expand[]=b",
        "expand[0]=a&expand[1]=b",
        "created=1700000000",
        "created[gte]=1700000000",
        "trial_end=now&enabled=false&mode=setup",
        "contact[phone]=1",
        "items[0][price]=p&items[0][amount]=-1.5",
    ] {
        assert_eq!(violations(form), [""; 0], "{form}");
    }
}

#[test]
fn an_empty_value_unsets_only_what_can_be_unset() {
    assert_eq!(violations("description=&metadata[user_id]=&items[0][price]=p&items[0][amount]="), [""; 0]);
    assert_eq!(violations("name="), [r#"name: expected a string, got """#]);
    assert_eq!(violations("expand="), [r#"expand: expected an array, got """#]);
}

#[test]
fn an_unknown_name_is_found_at_every_depth() {
    assert_eq!(violations("nam=a"), ["nam: unknown parameter"]);
    assert_eq!(violations("items[0][price]=p&items[0][prize]=p"), ["items[0][prize]: unknown parameter"]);
    assert_eq!(
        violations("items[][price]=p&items[][price]=q&items[][prize]=q"),
        ["items[1][prize]: unknown parameter"]
    );
    assert_eq!(violations("created[after]=1"), ["created[after]: unknown parameter"]);
}

#[test]
fn a_text_must_read_as_its_type() {
    assert_eq!(
        violations("items[0][price]=p&items[0][quantity]=two&enabled=yes"),
        [r#"enabled: expected a boolean, got "yes""#, r#"items[0][quantity]: expected an integer, got "two""#,]
    );
    assert_eq!(violations("trial_end=soon"), [r#"trial_end: expected now or an integer, got "soon""#]);
    assert_eq!(violations("mode=subscribe"), [r#"mode: expected one of payment, setup, got "subscribe""#]);
}

#[test]
fn nesting_must_be_as_described() {
    assert_eq!(violations("items[price]=p"), ["items: expected an array, got nested parameters"]);
    assert_eq!(
        violations("items[0]=p&metadata=m&name[a]=b"),
        [
            r#"items[0]: expected an object, got "p""#,
            r#"metadata: expected an object, got "m""#,
            "name: expected a string, got nested parameters",
        ]
    );
    assert_eq!(violations("metadata[]=m"), ["metadata: expected an object, got nested parameters"]);
}

#[test]
fn what_is_required_is_missed_inside_arrays() {
    assert_eq!(violations("items[0][price]=p&items[1][quantity]=1"), ["items[1][price]: missing"]);
}

#[test]
fn of_two_objects_the_closer_one_is_reported() {
    assert_eq!(violations("contact[phone]=1&contact[fax]=2"), ["contact[fax]: unknown parameter"]);
}

#[test]
fn what_cannot_be_read_is_a_violation() {
    for (form, violation) in [
        ("name=a&name=b", "name: given twice"),
        ("name=a&name[b]=c", "name[b]: given in two forms"),
        ("name[a=b", "name[a: malformed name"),
        ("name]=b", "name]: malformed name"),
        ("[a]=b", "[a]: malformed name"),
        ("name=%FF", "name: not UTF-8"),
    ] {
        assert_eq!(violations(form), [violation], "{form}");
    }
}
