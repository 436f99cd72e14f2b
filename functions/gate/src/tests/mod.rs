//! The gate from API Gateway's event to the JSON it gets back, between a real DynamoDB engine and a scripted product.

mod faults;
mod layer;
mod passing;
mod rows;
mod scripted;
mod stack;
