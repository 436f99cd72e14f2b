//! The parts of a conditional write: expressions, their placeholders and their values.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use jiff::Timestamp;
use serde::Serialize;

use super::StoreError;
use super::items::Attributes;
use super::keys::Key;

/// `SET` for what has a value and `REMOVE` for what has none: the item ends as the value says, other attributes stay.
pub(super) struct Replacement {
    pub sets: Vec<String>,
    pub removes: Vec<String>,
    pub names: HashMap<String, String>,
    pub values: HashMap<String, AttributeValue>,
}

impl Replacement {
    pub fn of(attributes: Attributes) -> Replacement {
        let mut replacement =
            Replacement { sets: Vec::new(), removes: Vec::new(), names: HashMap::new(), values: HashMap::new() };
        for (index, (name, value)) in attributes.into_iter().enumerate() {
            let placeholder = format!("#a{index}");
            if matches!(value, AttributeValue::Null(_)) {
                replacement.removes.push(placeholder.clone());
            } else {
                replacement.sets.push(format!("{placeholder} = :a{index}"));
                replacement.values.insert(format!(":a{index}"), value);
            }
            replacement.names.insert(placeholder, name);
        }
        replacement
    }

    pub fn into_write(self, table: &str, key: Key, condition: Option<String>) -> Result<TransactWriteItem, StoreError> {
        let mut expression = format!("SET {}", self.sets.join(", "));
        if !self.removes.is_empty() {
            expression.push_str(" REMOVE ");
            expression.push_str(&self.removes.join(", "));
        }
        self.write(table, key, expression, condition)
    }

    pub fn write(
        self,
        table: &str,
        key: Key,
        expression: String,
        condition: Option<String>,
    ) -> Result<TransactWriteItem, StoreError> {
        let names = (!self.names.is_empty()).then_some(self.names);
        let update = Update::builder()
            .table_name(table)
            .set_key(Some(key.into_attributes()))
            .update_expression(expression)
            .set_condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(Some(self.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(incomplete)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

pub(super) fn put_item(
    table: &str,
    key: Key,
    item: &impl Serialize,
    condition: Option<&str>,
    condition_values: &[(&str, AttributeValue)],
) -> Result<TransactWriteItem, StoreError> {
    let mut expression = Replacement::of(to_attributes(item)?);
    expression.values.extend(condition_values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    expression.into_write(table, key, condition.map(str::to_owned))
}

pub(super) fn update(
    table: &str,
    key: Key,
    expression: &str,
    condition: Option<&str>,
    values: &[(&str, AttributeValue)],
) -> Result<TransactWriteItem, StoreError> {
    let update = Update::builder()
        .table_name(table)
        .set_key(Some(key.into_attributes()))
        .update_expression(expression)
        .set_condition_expression(condition.map(str::to_owned))
        .set_expression_attribute_values(Some(
            values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        ))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .map_err(incomplete)?;
    Ok(TransactWriteItem::builder().update(update).build())
}

pub(super) fn check(
    table: &str,
    key: Key,
    condition: &str,
    values: &[(&str, AttributeValue)],
) -> Result<TransactWriteItem, StoreError> {
    let values: HashMap<_, _> = values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let check = ConditionCheck::builder()
        .table_name(table)
        .set_key(Some(key.into_attributes()))
        .condition_expression(condition)
        .set_expression_attribute_values((!values.is_empty()).then_some(values))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .map_err(incomplete)?;
    Ok(TransactWriteItem::builder().condition_check(check).build())
}

pub(super) fn delete(
    table: &str,
    key: Key,
    condition: Option<(&str, (&str, AttributeValue))>,
) -> Result<TransactWriteItem, StoreError> {
    let mut delete = Delete::builder().table_name(table).set_key(Some(key.into_attributes()));
    if let Some((condition, (name, value))) = condition {
        delete = delete.condition_expression(condition).expression_attribute_values(name, value);
    }
    let delete = delete.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    Ok(TransactWriteItem::builder().delete(delete.build().map_err(incomplete)?).build())
}

pub(super) fn to_attributes(item: &impl Serialize) -> Result<Attributes, StoreError> {
    serde_dynamo::to_item(item)
        .map_err(|error| StoreError::Unreadable { doing: "build an item".to_owned(), detail: error.to_string() })
}

pub(super) fn incomplete(error: aws_sdk_dynamodb::error::BuildError) -> StoreError {
    StoreError::Unreadable { doing: "build a write".to_owned(), detail: error.to_string() }
}

pub(super) fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(super) fn number(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(super) fn second(time: Timestamp) -> AttributeValue {
    number(time.as_second())
}
