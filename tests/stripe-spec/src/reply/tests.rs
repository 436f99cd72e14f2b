//! Replies against a small description in which a customer and its subscription hold each other.

use serde_json::{Value, json};

use crate::Spec;

fn violations(status: u16, body: Value) -> Vec<String> {
    let customer = json!({ "type": "object", "required": ["id", "object"], "properties": {
        "id": { "type": "string" },
        "object": { "type": "string", "enum": ["customer"] },
        "balance": { "type": "integer" },
        "email": { "type": "string", "nullable": true },
        "tax": { "type": "object", "properties": {} },
        "metadata": { "type": "object", "additionalProperties": { "type": "string" } },
        "raw": { "type": "object", "additionalProperties": true },
        "subscription": {
            "anyOf": [{ "type": "string" }, { "$ref": "#/components/schemas/subscription" }],
            "nullable": true,
        },
    } });
    let subscription = json!({ "type": "object", "required": ["object"], "properties": {
        "object": { "type": "string", "enum": ["subscription"] },
        "customer": { "anyOf": [
            { "type": "string" },
            { "$ref": "#/components/schemas/customer" },
            { "$ref": "#/components/schemas/deleted_customer" },
        ] },
        "status": { "type": "string", "enum": ["active", "canceled"] },
    } });
    let deleted = json!({ "type": "object", "required": ["deleted", "id", "object"], "properties": {
        "deleted": { "type": "boolean", "enum": [true] },
        "id": { "type": "string" },
        "object": { "type": "string", "enum": ["customer"] },
    } });
    let error = json!({ "type": "object", "required": ["error"], "properties": {
        "error": { "type": "object", "required": ["type"], "properties": {
            "type": { "type": "string", "enum": ["api_error", "invalid_request_error"] },
        } },
    } });
    let list = json!({ "type": "object", "required": ["data"], "properties": {
        "data": { "type": "array", "items": { "$ref": "#/components/schemas/customer" } },
    } });
    let reply = |schema| json!({ "content": { "application/json": { "schema": schema } } });
    let spec = Spec::compile(&json!({
        "components": { "schemas": {
            "customer": customer, "deleted_customer": deleted, "subscription": subscription,
        } },
        "paths": { "/v1/customers": { "get": { "responses": {
            "200": reply(list), "default": reply(error),
        } } } },
    }));
    spec.check_reply("GET", "/v1/customers?limit=1", status, &body)
}

fn violations_of(customer: Value) -> Vec<String> {
    violations(200, json!({ "data": [customer] }))
}

#[test]
fn a_reply_as_described_passes() {
    for customer in [
        json!({ "id": "cus_1", "object": "customer", "email": null, "subscription": null }),
        json!({ "id": "cus_1", "object": "customer", "subscription": "sub_1", "tax": {},
            "metadata": { "user_id": "u" }, "raw": { "any": [1, null] } }),
        json!({ "id": "cus_1", "object": "customer", "subscription": {
            "object": "subscription", "status": "active", "customer": {
                "id": "cus_1", "object": "customer", "subscription": "sub_1" } } }),
        json!({ "id": "cus_1", "object": "customer", "subscription": {
            "object": "subscription", "customer": {
                "id": "cus_1", "object": "customer", "deleted": true } } }),
    ] {
        assert_eq!(violations_of(customer.clone()), [""; 0], "{customer}");
    }
}

#[test]
fn each_violation_names_its_place() {
    assert_eq!(
        violations_of(json!({ "object": "customer", "balance": 1.5, "email": 3, "nickname": "a",
            "metadata": { "user_id": 7 }, "tax": { "ip": null } })),
        [
            "$.data[0].balance: expected an integer, got 1.5",
            "$.data[0].email: expected a string, got 3",
            "$.data[0].metadata.user_id: expected a string, got 7",
            "$.data[0].nickname: unknown property",
            "$.data[0].tax.ip: unknown property",
            "$.data[0].id: missing",
        ]
    );
}

#[test]
fn null_needs_leave() {
    assert_eq!(
        violations_of(json!({ "id": "cus_1", "object": "customer", "balance": null })),
        ["$.data[0].balance: expected an integer, got null"]
    );
}

#[test]
fn an_expanded_object_is_judged_by_its_own_schema() {
    let with = |subscription| violations_of(json!({ "id": "c", "object": "customer", "subscription": subscription }));
    assert_eq!(
        with(json!({ "object": "subscription", "status": "asleep" })),
        [r#"$.data[0].subscription.status: expected one of active, canceled, got "asleep""#]
    );
    assert_eq!(
        with(json!({ "object": "invoice" })),
        [r#"$.data[0].subscription.object: expected subscription, got "invoice""#]
    );
    assert_eq!(with(json!({ "status": "active" })), ["$.data[0].subscription.object: missing"]);
    assert_eq!(with(json!(["sub_1"])), ["$.data[0].subscription: expected a string or an object, got an array"]);
}

#[test]
fn a_deleted_object_is_judged_as_one() {
    let with = |customer| {
        let subscription = json!({ "object": "subscription", "customer": customer });
        violations_of(json!({ "id": "c", "object": "customer", "subscription": subscription }))
    };
    assert_eq!(
        with(json!({ "id": "cus_1", "object": "customer", "deleted": true, "email": null })),
        ["$.data[0].subscription.customer.email: unknown property"]
    );
    assert_eq!(with(json!({ "object": "customer", "email": null })), ["$.data[0].subscription.customer.id: missing"]);
}

#[test]
fn an_error_is_judged_by_the_error_schema() {
    assert_eq!(violations(404, json!({ "error": { "type": "api_error" } })), [""; 0]);
    assert_eq!(
        violations(500, json!({ "error": { "type": "oops" } })),
        [r#"$.error.type: expected one of api_error, invalid_request_error, got "oops""#]
    );
    assert_eq!(violations(302, json!({})), ["$: no JSON reply with status 302 is described"]);
}
