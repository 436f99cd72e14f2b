//! What the records said after each step, and what may never be in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use shared::domain::Status;

/// What one record said, when it said something new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub step: usize,
    pub user: String,
    /// Partition and sort key.
    pub key: String,
    pub word: Word,
}

/// The part of a record that the rules are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    Subscription { status: String, version: u64, has_trial: bool, content: Value },
    Trial { first_trial_at: i64 },
    Customer { id: Option<String> },
}

/// The growing history. Only changes are kept.
pub struct History {
    entries: Vec<Entry>,
    latest: BTreeMap<String, Entry>,
    violations: BTreeSet<String>,
    file: Option<BufWriter<File>>,
}

impl History {
    /// In memory, and in a file as well when one is named.
    pub fn open(file: Option<&Path>) -> Result<History> {
        let file = file.map(File::create).transpose().context("make the history's file")?.map(BufWriter::new);
        Ok(History { entries: Vec::new(), latest: BTreeMap::new(), violations: BTreeSet::new(), file })
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What was seen that may never be.
    pub fn violations(&self) -> &BTreeSet<String> {
        &self.violations
    }

    /// Adds what a whole partition says. `is_gone` tells a customer that was deleted at Stripe.
    pub fn add(
        &mut self,
        step: usize,
        user: &str,
        partition: &str,
        items: &BTreeMap<String, Value>,
        is_gone: impl Fn(&str) -> bool,
    ) -> Result<()> {
        for (sk, item) in items {
            if let Some(word) = Word::of(sk, item) {
                let key = format!("{partition} {sk}");
                self.add_one(Entry { step, user: user.to_owned(), key, word }, &is_gone)?;
            }
        }
        let is_parked = partition.contains("#customer#");
        self.check_whole(user, partition, items, is_parked);
        Ok(())
    }

    fn add_one(&mut self, entry: Entry, is_gone: impl Fn(&str) -> bool) -> Result<()> {
        let before = self.latest.get(&entry.key);
        if before.is_some_and(|before| before.word == entry.word) {
            return Ok(());
        }
        if let Some(rule) = before.and_then(|before| broken_rule(&before.word, &entry.word, is_gone)) {
            self.violations.insert(format!("{}: {rule}", entry.key));
        }
        if let Some(file) = &mut self.file {
            writeln!(file, "{}", entry.line()).context("write the history")?;
        }
        self.latest.insert(entry.key.clone(), entry.clone());
        self.entries.push(entry);
        Ok(())
    }

    /// Rules about a partition as a whole. What is parked goes when it is joined; what a user has stays.
    fn check_whole(&mut self, user: &str, partition: &str, items: &BTreeMap<String, Value>, is_parked: bool) {
        if is_parked {
            let prefix = format!("{partition} ");
            self.latest.retain(|key, _| key.strip_prefix(&prefix).is_none_or(|sk| items.contains_key(sk)));
            return;
        }
        let prefix = format!("{partition} ");
        let known = self.latest.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix));
        let lost: Vec<String> =
            known.filter(|(key, _)| !items.contains_key(&key[prefix.len()..])).map(|(key, _)| key.clone()).collect();
        self.violations.extend(lost.into_iter().map(|key| format!("{key}: a record is gone")));
        let trials = items.values().filter(|item| item["trial_start_at"].is_i64()).count();
        if trials > 1 {
            self.violations.insert(format!("user {user}: {trials} subscriptions with a trial in the records"));
        }
    }
}

impl Entry {
    fn line(&self) -> Value {
        let mut line = json!({ "step": self.step, "user": self.user, "key": self.key });
        match &self.word {
            Word::Subscription { status, version, has_trial, .. } => {
                line["status"] = json!(status);
                line["version"] = json!(version);
                line["has_trial"] = json!(has_trial);
            }
            Word::Trial { first_trial_at } => line["first_trial_at"] = json!(first_trial_at),
            Word::Customer { id } => line["customer"] = json!(id),
        }
        line
    }
}

impl Word {
    fn of(sk: &str, item: &Value) -> Option<Word> {
        match sk {
            "trial" => Some(Word::Trial { first_trial_at: item["first_trial_at"].as_i64()? }),
            "customer" => Some(Word::Customer { id: item["customer_id"].as_str().map(str::to_owned) }),
            _ if sk.starts_with("subscription#") => Some(Word::Subscription {
                status: item["status"].as_str()?.to_owned(),
                version: item["version"].as_u64()?,
                has_trial: item["trial_start_at"].is_i64(),
                content: item.clone(),
            }),
            _ => None,
        }
    }
}

fn broken_rule(before: &Word, after: &Word, is_gone: impl Fn(&str) -> bool) -> Option<String> {
    match (before, after) {
        (Word::Subscription { status: was, version: from, .. }, Word::Subscription { status: is, version: to, .. }) => {
            let was_final = Status::from(was.clone()).is_final();
            if to < from {
                Some(format!("the version went back from {from} to {to}"))
            } else if to == from {
                Some(format!("it changed under the same version {to}"))
            } else if was_final && was != is {
                Some(format!("{was} was left for {is}"))
            } else {
                None
            }
        }
        (Word::Trial { first_trial_at: was }, Word::Trial { first_trial_at: is }) if was != is => {
            Some(format!("the first trial moved from {was} to {is}"))
        }
        (Word::Customer { id: Some(was) }, Word::Customer { id }) if id.as_ref() != Some(was) && !is_gone(was) => {
            Some(format!("the living customer {was} was given up for {id:?}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = "test#user#1";

    /// What a partition says at one step.
    type Said = Vec<(String, Value)>;

    fn subscription(status: &str, version: u64) -> (String, Value) {
        ("subscription#sub_1".to_owned(), json!({ "status": status, "version": version }))
    }

    /// The violations of a user's records, step by step.
    fn broken(steps: &[Said]) -> Vec<String> {
        let mut history = History::open(None).unwrap();
        for (step, items) in steps.iter().enumerate() {
            let items = items.iter().cloned().collect();
            history.add(step, "1", USER, &items, |customer| customer == "cus_gone").unwrap();
        }
        history.violations().iter().cloned().collect()
    }

    #[test]
    fn a_life_that_goes_forward_breaks_no_rule() {
        let steps = [
            vec![subscription("trialing", 1)],
            vec![subscription("trialing", 1)],
            vec![subscription("active", 4)],
            vec![subscription("canceled", 5)],
            vec![subscription("canceled", 6)],
        ];
        assert!(broken(&steps).is_empty());
    }

    #[test]
    fn each_broken_rule_is_caught() {
        let trial = |at: i64| ("trial".to_owned(), json!({ "first_trial_at": at }));
        let customer = |id: Value| ("customer".to_owned(), json!({ "customer_id": id }));
        let with_trial =
            |id: &str| (format!("subscription#{id}"), json!({ "status": "active", "version": 1, "trial_start_at": 5 }));
        let cases: [(&str, &[Said]); 7] = [
            ("went back", &[vec![subscription("active", 4)], vec![subscription("active", 3)]]),
            ("same version", &[vec![subscription("active", 4)], vec![subscription("past_due", 4)]]),
            ("was left", &[vec![subscription("canceled", 4)], vec![subscription("active", 5)]]),
            ("is gone", &[vec![subscription("active", 4)], vec![]]),
            ("first trial moved", &[vec![trial(5)], vec![trial(6)]]),
            ("was given up", &[vec![customer(json!("cus_1"))], vec![customer(Value::Null)]]),
            ("2 subscriptions with a trial", &[vec![with_trial("sub_1"), with_trial("sub_2")]]),
        ];
        for (rule, steps) in cases {
            let broken = broken(steps);
            assert!(broken.len() == 1 && broken[0].contains(rule), "{rule}: {broken:?}");
        }
    }

    #[test]
    fn a_customer_deleted_at_stripe_may_be_replaced() {
        let customer = |id: &str| vec![("customer".to_owned(), json!({ "customer_id": id }))];
        assert!(broken(&[customer("cus_gone"), customer("cus_2")]).is_empty());
    }
}
