//! Many requests at once, and Stripe's habit of sending again what was not acknowledged.

use anyhow::{Context, Result, bail};
use reqwest::RequestBuilder;
use tokio::task::JoinSet;

use crate::{Answer, World, answer, sign};

/// How often Stripe comes back in a test. It goes on for three days.
const DELIVERIES: u32 = 20;

/// Sends all of them at once; the answers in the order of the requests.
pub async fn all_at_once(requests: Vec<RequestBuilder>) -> Result<Vec<Answer>> {
    let mut sent = JoinSet::new();
    for (place, request) in requests.into_iter().enumerate() {
        sent.spawn(async move { (place, answer(request).await) });
    }
    let mut answers = Vec::new();
    while let Some(one) = sent.join_next().await {
        let (place, answer) = one?;
        answers.push((place, answer?));
    }
    answers.sort_by_key(|(place, _)| *place);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}

impl World {
    /// A webhook signed now, not sent yet.
    pub fn webhook(&self, body: &str) -> RequestBuilder {
        let signature = sign(self.stack.webhook_secret(), body);
        let url = format!("{}{}", self.stack.function_url(), self.stack.webhook_path());
        self.http.post(url).header("stripe-signature", signature).body(body.to_owned())
    }

    /// Delivers all events at once, and again what was answered 503, until everything is acknowledged. The outcomes in
    /// the order of the events. Errors: an answer that is neither 2xx nor 503.
    pub async fn deliver_all_at_once(&self, bodies: &[String]) -> Result<Vec<String>> {
        let mut outcomes: Vec<Option<String>> = vec![None; bodies.len()];
        for _ in 0..DELIVERIES {
            let open: Vec<usize> = (0..bodies.len()).filter(|place| outcomes[*place].is_none()).collect();
            if open.is_empty() {
                break;
            }
            let answers = all_at_once(open.iter().map(|place| self.webhook(&bodies[*place])).collect()).await?;
            for (place, answer) in open.into_iter().zip(answers) {
                match answer.status {
                    200..=299 => outcomes[place] = answer.body["outcome"].as_str().map(str::to_owned),
                    503 => {}
                    other => bail!("a webhook was answered {other}: {}", answer.body),
                }
            }
        }
        outcomes.into_iter().collect::<Option<_>>().context("some events were never acknowledged")
    }
}
