//! What stands in front of an emulated AWS service: it counts the calls, and makes them fail when a test says so.

use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// One call that reached the service. Two calls overlap when each began before the other ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// `Query`, `TransactWriteItems`, …
    pub operation: String,
    began: u64,
    ended: Option<u64>,
}

/// How a call fails. DynamoDB's own kinds of failure that an embedded engine never shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `ThrottlingException`, 400: nothing was done.
    Throttled,
    /// `InternalServerError`, 500: nothing was done.
    InternalError,
    /// `AccessDeniedException`, 400: nothing was done.
    AccessDenied,
    /// Another transaction has the item: `TransactionCanceledException` or `TransactionConflictException`, 400.
    TransactionConflict,
    /// No answer at all, and nothing was done.
    NoAnswer,
    /// It was done, and the answer is lost.
    AnswerLost,
    /// It is done after waiting so long.
    Delayed(Duration),
}

#[derive(Clone, Default)]
pub struct Tap(Arc<Mutex<Record>>);

#[derive(Default)]
struct Record {
    ticks: u64,
    calls: Vec<Call>,
    faults: Vec<Planned>,
}

struct Planned {
    /// Any operation when absent.
    operation: Option<String>,
    fault: Fault,
    /// One of so many matching calls fails.
    every: u32,
    /// Matching calls since the last that failed.
    passed: u32,
    times: u32,
}

impl Planned {
    /// Whether this call is the one to fail.
    fn strikes(&mut self, operation: &str) -> bool {
        if self.times == 0 || self.operation.as_deref().is_some_and(|wanted| wanted != operation) {
            return false;
        }
        self.passed += 1;
        if self.passed < self.every {
            return false;
        }
        self.passed = 0;
        self.times -= 1;
        true
    }
}

impl Tap {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The operations called so far, in the order they arrived.
    pub fn calls(&self) -> Vec<String> {
        self.record().calls.iter().map(|call| call.operation.clone()).collect()
    }

    /// How many calls of those after the first `skip` had to wait for one another: calls side by side count once.
    pub fn round_trips_in_series(&self, skip: usize) -> usize {
        let mut calls: Vec<Call> = self.record().calls.iter().skip(skip).cloned().collect();
        calls.sort_by_key(|call| call.ended.unwrap_or(u64::MAX));
        let mut free_from = 0;
        let mut series = 0;
        for call in calls {
            if call.began >= free_from {
                series += 1;
                free_from = call.ended.unwrap_or(u64::MAX);
            }
        }
        series
    }

    /// The next `times` calls of an operation (or of any) fail so.
    pub fn fail_next(&self, operation: Option<&str>, times: u32, fault: Fault) {
        self.plan(operation, 1, times, fault);
    }

    /// Of the calls of an operation (or of any) one in so many fails so, until [`Tap::heal`].
    pub fn fail_every(&self, operation: Option<&str>, every: u32, fault: Fault) {
        self.plan(operation, every, u32::MAX, fault);
    }

    fn plan(&self, operation: Option<&str>, every: u32, times: u32, fault: Fault) {
        let operation = operation.map(str::to_owned);
        self.record().faults.push(Planned { operation, fault, every, passed: 0, times });
    }

    /// Takes back every failure not met yet.
    pub fn heal(&self) {
        self.record().faults.clear();
    }

    fn begin(&self, operation: &str) -> (usize, Option<Fault>) {
        let mut record = self.record();
        record.ticks += 1;
        let began = record.ticks;
        record.calls.push(Call { operation: operation.to_owned(), began, ended: None });
        let number = record.calls.len() - 1;
        let fault = record.faults.iter_mut().find_map(|planned| planned.strikes(operation).then_some(planned.fault));
        (number, fault)
    }

    fn end(&self, number: usize) {
        let mut record = self.record();
        record.ticks += 1;
        let ended = record.ticks;
        if let Some(call) = record.calls.get_mut(number) {
            call.ended = Some(ended);
        }
    }
}

/// `Query` of `DynamoDB_20120810.Query`.
pub(crate) fn operation_of(headers: &HeaderMap) -> &str {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    target.rsplit_once('.').map_or(target, |(_, operation)| operation)
}

/// The middleware of both emulators.
pub(crate) async fn watch(State(tap): State<Tap>, request: Request, next: Next) -> Response {
    let operation = operation_of(request.headers()).to_owned();
    let (number, fault) = tap.begin(&operation);
    let response = match fault {
        None => next.run(request).await,
        Some(Fault::Delayed(wait)) => {
            tokio::time::sleep(wait).await;
            next.run(request).await
        }
        Some(Fault::NoAnswer) => pending().await,
        Some(Fault::AnswerLost) => {
            next.run(request).await;
            pending().await
        }
        Some(Fault::Throttled) => refusal(StatusCode::BAD_REQUEST, "ThrottlingException", "Rate exceeded"),
        Some(Fault::InternalError) => {
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "Internal server error")
        }
        Some(Fault::AccessDenied) => refusal(
            StatusCode::BAD_REQUEST,
            "AccessDeniedException",
            "User is not authorized to perform this operation on this resource",
        ),
        Some(Fault::TransactionConflict) => conflict(&operation, request).await,
    };
    tap.end(number);
    response
}

fn refusal(status: StatusCode, kind: &str, message: &str) -> Response {
    aws_json(status, &json!({ "__type": format!("com.amazonaws#{kind}"), "message": message }))
}

/// A transaction is told of each of its items; the first is the one in conflict.
async fn conflict(operation: &str, request: Request) -> Response {
    if operation != "TransactWriteItems" && operation != "TransactGetItems" {
        let message = "Transaction is ongoing for the item";
        return refusal(StatusCode::BAD_REQUEST, "TransactionConflictException", message);
    }
    let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap_or_default();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let items = body["TransactItems"].as_array().map_or(1, Vec::len);
    let reasons: Vec<_> = (0..items)
        .map(|item| match item {
            0 => json!({ "Code": "TransactionConflict", "Message": "Transaction is ongoing for the item" }),
            _ => json!({ "Code": "None" }),
        })
        .collect();
    let codes: Vec<_> = reasons.iter().filter_map(|reason| reason["Code"].as_str()).collect();
    let message =
        format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{}]", codes.join(", "));
    aws_json(
        StatusCode::BAD_REQUEST,
        &json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "Message": message,
            "CancellationReasons": reasons,
        }),
    )
}

fn aws_json(status: StatusCode, body: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.0")], body.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_side_by_side_are_one_round_trip() {
        let tap = Tap::default();
        let (first, _) = tap.begin("Query");
        tap.end(first);
        let (second, _) = tap.begin("PutItem");
        let (third, _) = tap.begin("UpdateItem");
        tap.end(third);
        tap.end(second);
        assert_eq!(tap.calls(), ["Query", "PutItem", "UpdateItem"]);
        assert_eq!(tap.round_trips_in_series(0), 2);
        assert_eq!(tap.round_trips_in_series(1), 1);
        assert_eq!(tap.round_trips_in_series(3), 0);
    }

    #[test]
    fn a_fault_meets_its_operation_as_often_as_planned() {
        let tap = Tap::default();
        tap.fail_next(Some("PutItem"), 2, Fault::Throttled);
        let met: Vec<_> =
            ["Query", "PutItem", "PutItem", "PutItem"].iter().map(|operation| tap.begin(operation).1).collect();
        assert_eq!(met, [None, Some(Fault::Throttled), Some(Fault::Throttled), None]);
        tap.fail_every(Some("Query"), 3, Fault::Throttled);
        let met: Vec<_> = (0..6).map(|_| tap.begin("Query").1.is_some()).collect();
        assert_eq!(met, [false, false, true, false, false, true]);
        tap.fail_next(None, 9, Fault::InternalError);
        tap.heal();
        assert_eq!(tap.begin("Query").1, None);
    }
}
