//! Many users in the table, as copies of one.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{World, raw_partition};

/// DynamoDB takes so many items at once.
const BATCH: usize = 25;

/// Copies the records of user `load-0` and of their customer to users `seed-FROM` up to `seed-TO`.
///
/// # Errors
/// When there is no such user, or DynamoDB refuses an item.
pub(super) async fn copies(world: &World, from: u64, to: u64) -> Result<()> {
    let (url, table) = (world.stack.dynamodb_url(), world.stack.table_name());
    let mut originals = Vec::new();
    for pk in ["test#user#load-0", "test#customer#cus_load0"] {
        let found = raw_partition(url, table, pk).await?;
        originals.extend(found["Items"].as_array().into_iter().flatten().map(Value::to_string));
    }
    ensure!(originals.len() > 1, "the user to be copied is not there");
    let copy = |original: &String, number: u64| {
        let text = original.replace("load-0", &format!("seed-{number}")).replace("_load0", &format!("_seed{number}"));
        serde_json::from_str::<Value>(&text).context("copy an item")
    };
    let mut batch = Vec::new();
    for number in from..to {
        for original in &originals {
            batch.push(json!({ "PutRequest": { "Item": copy(original, number)? } }));
            if batch.len() == BATCH {
                write(world, std::mem::take(&mut batch)).await?;
            }
        }
    }
    if batch.is_empty() { Ok(()) } else { write(world, batch).await }
}

async fn write(world: &World, batch: Vec<Value>) -> Result<()> {
    const CREDENTIAL: &str =
        "AWS4-HMAC-SHA256 Credential=k/20260101/r/dynamodb/aws4_request, SignedHeaders=host, Signature=s";
    let items = json!({ "RequestItems": { world.stack.table_name(): batch } });
    let request = world.http.post(world.stack.dynamodb_url()).body(items.to_string());
    let reply = request
        .header("x-amz-target", "DynamoDB_20120810.BatchWriteItem")
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-date", "20260101T000000Z")
        .header("authorization", CREDENTIAL)
        .send()
        .await?;
    let (status, text) = (reply.status(), reply.text().await?);
    ensure!(status == 200 && text.contains(r#""UnprocessedItems":{}"#), "DynamoDB answered {status} {text}");
    Ok(())
}
