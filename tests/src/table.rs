//! The table as it is, beneath everything that reads it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// Every item of a partition by its sort key, with its attributes as plain values.
pub async fn partition(dynamodb_url: &str, table: &str, pk: &str) -> Result<BTreeMap<String, Value>> {
    let reply = raw_partition(dynamodb_url, table, pk).await?;
    let Some(items) = reply["Items"].as_array() else { bail!("the table answered {reply}") };
    items.iter().map(|item| plain_item(item).with_context(|| format!("read {item}"))).collect()
}

/// The same as DynamoDB answers it.
pub async fn raw_partition(dynamodb_url: &str, table: &str, pk: &str) -> Result<Value> {
    const CREDENTIAL: &str =
        "AWS4-HMAC-SHA256 Credential=k/20260101/r/dynamodb/aws4_request, SignedHeaders=host, Signature=s";
    let query = json!({
        "TableName": table, "ConsistentRead": true, "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": { ":pk": { "S": pk } },
    });
    let reply = reqwest::Client::builder()
        .no_proxy()
        .build()?
        .post(dynamodb_url)
        .header("x-amz-target", "DynamoDB_20120810.Query")
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-date", "20260101T000000Z")
        .header("authorization", CREDENTIAL)
        .body(query.to_string())
        .send()
        .await?;
    Ok(serde_json::from_slice(&reply.bytes().await?)?)
}

fn plain_item(item: &Value) -> Option<(String, Value)> {
    let attributes = item.as_object()?.iter().map(|(name, typed)| Some((name.clone(), plain(typed)?)));
    let attributes: serde_json::Map<_, _> = attributes.collect::<Option<_>>()?;
    Some((attributes.get("sk")?.as_str()?.to_owned(), Value::Object(attributes)))
}

/// `{"N": "5"}` is 5, `{"S": "a"}` is "a".
fn plain(typed: &Value) -> Option<Value> {
    let (kind, value) = typed.as_object()?.iter().next()?;
    match kind.as_str() {
        "N" => serde_json::from_str(value.as_str()?).ok(),
        "NULL" => Some(Value::Null),
        "S" | "BOOL" => Some(value.clone()),
        _ => None,
    }
}
