//! One answer of the doctor.

use std::fmt::Display;

use clap::ValueEnum;
use serde::{Serialize, Serializer};

use crate::sentence;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Section {
    Secrets,
    Stripe,
    Aws,
    Probes,
    Data,
}

impl Section {
    pub const ALL: [Section; 5] = [Section::Secrets, Section::Stripe, Section::Aws, Section::Probes, Section::Data];

    pub fn title(self) -> &'static str {
        match self {
            Section::Secrets => "Secrets",
            Section::Stripe => "Stripe",
            Section::Aws => "AWS",
            Section::Probes => "Probes",
            Section::Data => "Data",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Good,
    Bad,
    NotAsked,
}

impl Verdict {
    fn sign(self) -> &'static str {
        match self {
            Verdict::Good => "✓",
            Verdict::Bad => "✗",
            Verdict::NotAsked => "–",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    #[serde(serialize_with = "title")]
    pub section: Section,
    pub name: String,
    #[serde(serialize_with = "sign")]
    pub verdict: Verdict,
    /// What was seen; never a secret or an address of a person.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Why it matters, of what is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The command or place that mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

fn title<S: Serializer>(section: &Section, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(section.title())
}

fn sign<S: Serializer>(verdict: &Verdict, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match verdict {
        Verdict::Good => "good",
        Verdict::Bad => "bad",
        Verdict::NotAsked => "not_asked",
    })
}

impl Check {
    pub fn lines(&self) -> Vec<String> {
        let detail = if self.detail.is_empty() { String::new() } else { format!(": {}", self.detail) };
        let mut lines = vec![format!("  {} {}{detail}", self.verdict.sign(), self.name)];
        lines.extend(self.why.iter().map(|why| format!("      why   {why}")));
        lines.extend(self.mend.iter().map(|mend| format!("      mend  {mend}")));
        lines
    }
}

/// The answers of one section.
pub struct Findings {
    section: Section,
    pub checks: Vec<Check>,
}

/// A question: what is asked, why it matters and what mends it.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    pub name: &'a str,
    pub why: &'a str,
    pub mend: &'a str,
}

impl Findings {
    pub fn of(section: Section) -> Findings {
        Findings { section, checks: Vec::new() }
    }

    pub fn judge(&mut self, question: Question<'_>, is_good: bool, detail: impl Display) {
        let on_bad = |text: &str| (!is_good).then(|| text.to_owned());
        self.checks.push(Check {
            section: self.section,
            name: question.name.to_owned(),
            verdict: if is_good { Verdict::Good } else { Verdict::Bad },
            detail: detail.to_string(),
            why: on_bad(question.why),
            mend: on_bad(question.mend),
        });
    }

    /// It could not be found out, which is as bad as a bad answer. What did not answer has a mend of its own.
    pub fn failed(&mut self, question: Question<'_>, error: impl Into<anyhow::Error>) {
        let error = error.into();
        let mend = sentence::of_no_answer(&error);
        let mend = mend.as_deref().unwrap_or(question.mend);
        self.judge(Question { mend, ..question }, false, sentence::story(&error));
    }

    /// It was not asked, and why.
    pub fn skip(&mut self, name: &str, reason: impl Display) {
        self.checks.push(Check {
            section: self.section,
            name: name.to_owned(),
            verdict: Verdict::NotAsked,
            detail: reason.to_string(),
            why: None,
            mend: None,
        });
    }
}

#[cfg(test)]
mod tests {
    use shared::stripe::StripeError;

    use super::*;

    const QUESTION: Question<'_> = Question { name: "Price is active", why: "nobody can buy", mend: "activate it" };

    #[test]
    fn what_does_not_answer_is_not_mended_by_what_mends_a_bad_answer() {
        let mut findings = Findings::of(Section::Stripe);
        let (down, refused) = ("it answered 500".to_owned(), Some("price_missing".to_owned()));
        findings.failed(QUESTION, StripeError::Unavailable { detail: down });
        findings
            .failed(QUESTION, StripeError::Refused { http_status: 400, code: refused, param: None, request_id: None });
        let mends: Vec<&str> = findings.checks.iter().filter_map(|check| check.mend.as_deref()).collect();
        assert!(mends[0].contains("https://status.stripe.com") && mends[1] == "activate it", "{mends:?}");
    }

    #[test]
    fn what_is_wrong_says_why_it_matters_and_what_mends_it() {
        let mut findings = Findings::of(Section::Stripe);
        findings.judge(QUESTION, false, "price_1");
        findings.judge(QUESTION, true, "");
        findings.skip("Alarms", "no AWS here");
        let lines: Vec<String> = findings.checks.iter().flat_map(Check::lines).collect();
        assert_eq!(
            lines,
            [
                "  ✗ Price is active: price_1",
                "      why   nobody can buy",
                "      mend  activate it",
                "  ✓ Price is active",
                "  – Alarms: no AWS here",
            ]
        );
    }
}
