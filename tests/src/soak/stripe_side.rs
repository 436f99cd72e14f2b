//! What Stripe has of each user, read over its API.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;
use shared::domain::Subscription;
use shared::stripe::object;

use super::person::Person;
use crate::World;

#[derive(Clone, Debug, Default)]
pub struct OfUser {
    /// Customers that were not deleted.
    pub customers: Vec<String>,
    /// Of all customers, the deleted ones' too; by id.
    pub subscriptions: BTreeMap<String, Subscription>,
}

impl OfUser {
    pub fn trials(&self) -> usize {
        self.subscriptions.values().filter(|subscription| subscription.had_trial()).count()
    }
}

pub struct StripeSide {
    pub users: BTreeMap<String, OfUser>,
}

impl StripeSide {
    pub async fn read(world: &World, people: &[Person]) -> Result<StripeSide> {
        let mut users: BTreeMap<String, OfUser> =
            people.iter().map(|person| (person.user.clone(), OfUser::default())).collect();
        let mut owner_of: BTreeMap<String, String> = people
            .iter()
            .flat_map(|person| person.customers.iter().map(|customer| (customer.clone(), person.user.clone())))
            .collect();
        for customer in list(world, "/v1/customers?limit=100").await? {
            let id = customer["id"].as_str().context("a customer's id")?.to_owned();
            if let Some(user) = customer["metadata"]["user_id"].as_str() {
                owner_of.insert(id.clone(), user.to_owned());
            }
            // Nobody's: an operator's press of a button whose answer was lost.
            if let Some(user) = owner_of.get(&id) {
                users.entry(user.clone()).or_default().customers.push(id);
            }
        }
        for value in list(world, "/v1/subscriptions?status=all&limit=100").await? {
            let subscription =
                object::subscription(&value).with_context(|| format!("read {}", value["id"]))?.subscription;
            let customer = subscription.customer.as_str();
            let user = owner_of.get(customer).with_context(|| format!("{customer} is nobody's"))?;
            users.entry(user.clone()).or_default().subscriptions.insert(subscription.id.to_string(), subscription);
        }
        Ok(StripeSide { users })
    }

    /// What may never be: a second customer, a second trial.
    pub fn complaints(&self) -> impl Iterator<Item = String> {
        self.users.iter().flat_map(|(user, of_user)| {
            let customers = &of_user.customers;
            let has_several =
                (customers.len() > 1).then(|| format!("user {user} has several customers: {customers:?}"));
            let trials = of_user.trials();
            has_several.into_iter().chain((trials > 1).then(|| format!("user {user} has had {trials} trials")))
        })
    }
}

/// Every object of a list.
async fn list(world: &World, path: &str) -> Result<Vec<Value>> {
    let mut found: Vec<Value> = Vec::new();
    loop {
        let after = found.last().and_then(|last| last["id"].as_str());
        let page = after.map_or_else(|| path.to_owned(), |after| format!("{path}&starting_after={after}"));
        let page = world.stripe_get(&page).await?;
        found.extend(page["data"].as_array().with_context(|| format!("a list: {page}"))?.iter().cloned());
        if page["has_more"] != true {
            return Ok(found);
        }
    }
}
