//! `fix-customer-links`: customers that nobody owns, and whose they are.
//!
//! `metadata.user_id` decides. Without it an e-mail address does, if it is that of exactly one user: what a token said of
//! the user, never what a customer typed at Stripe. A customer that has a user keeps that user, whatever its address.

use std::collections::{BTreeSet, HashMap};

use anyhow::Result;
use clap::Args;
use serde_json::json;
use shared::books::Auditor;
use shared::domain::{Account, CustomerId, Status, UserId};
use shared::store::Scanned;
use shared::sync::{self, Linked};

use super::{side_by_side, stripe_failed, sync_stripe};
use crate::Context;
use crate::confirm::Answer;
use crate::done::Done;
use crate::printer::Printer;

#[derive(Args, Debug)]
#[command(after_help = "Example: manage fix-customer-links --local --dry-run")]
pub struct Arguments {
    /// Only customers with this e-mail address
    #[arg(long, value_name = "E")]
    pub email: Option<String>,

    /// Say what would be done and do nothing
    #[arg(long, conflicts_with = "sync_all")]
    pub dry_run: bool,

    /// First bring all customers and subscriptions from Stripe, as sync-stripe does
    #[arg(long)]
    pub sync_all: bool,
}

/// A customer without a user, as Stripe has it now.
#[derive(Clone, Debug)]
struct Orphan {
    customer: CustomerId,
    named_user: Option<UserId>,
    email: Option<String>,
    standing: Standing,
}

/// The better of two customers is the greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Standing {
    status_rank: u8,
    newest_second: i64,
}

impl Standing {
    fn with(self, status: &Status, created_second: i64) -> Standing {
        let status_rank = match status {
            Status::Active => 3,
            Status::Trialing => 2,
            Status::PastDue => 1,
            _ => 0,
        };
        self.max(Standing { status_rank, newest_second: created_second })
    }

    fn is_live(self) -> bool {
        self.status_rank > 0
    }
}

/// What is to be done with one customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fix {
    /// `by` is what names the user: the metadata or the e-mail address.
    Link { customer: CustomerId, user: UserId, by: &'static str },
    /// The user's new checkouts go to another customer from now on.
    Unlink { customer: CustomerId, user: UserId, preferred: CustomerId },
    /// Nothing can be done without a person.
    Orphan { customer: CustomerId, reason: String },
}

pub async fn run(context: &Context, arguments: Arguments) -> Result<Done> {
    let auditor = context.target.auditor().await?;
    let printer = &context.printer;
    if arguments.sync_all && sync_stripe::whole_account(&auditor, printer).await? == Done::SomethingLeft {
        return Ok(Done::SomethingLeft);
    }
    let fixes = plan(&auditor, arguments.email.as_deref()).await?;
    let orphans = fixes.iter().filter(|fix| matches!(fix, Fix::Orphan { .. })).count();
    printer.line(&format!("Found {} customer(s) to look at:", fixes.len()));
    let unlinks: Vec<String> =
        fixes.iter().filter(|fix| matches!(fix, Fix::Unlink { .. })).map(|fix| fix.line('-')).collect();
    if !arguments.dry_run && !unlinks.is_empty() {
        let plan: Vec<String> =
            std::iter::once("Customers will be unlinked:".to_owned()).chain(unlinks.iter().cloned()).collect();
        if context.consent.ask(printer, context.target.mode, &plan).await? == Answer::Leave {
            return Ok(Done::SomethingLeft);
        }
    }
    let mut failed = 0;
    for fix in &fixes {
        let is_done = arguments.dry_run || apply(&auditor, fix).await?;
        failed += u64::from(!is_done);
        fix.tell(printer, is_done);
    }
    let linked = fixes.iter().filter(|fix| matches!(fix, Fix::Link { .. })).count();
    let word = if arguments.dry_run { "To be linked" } else { "Linked" };
    printer.line(&format!("{word}: {linked}, unlinked: {}, orphans: {orphans}", unlinks.len()));
    Ok(Done::unless(failed > 0 || orphans > 0 || (arguments.dry_run && !fixes.is_empty())))
}

impl Fix {
    fn line(&self, mark: char) -> String {
        match self {
            Fix::Link { customer, user, by } => format!("  {mark} {customer} → user {user} (by {by})"),
            Fix::Unlink { customer, user, preferred } => {
                format!("  {mark} {customer} is no longer the customer of user {user}: {preferred} is")
            }
            Fix::Orphan { customer, reason } => format!("  – {customer}: {reason}"),
        }
    }

    fn tell(&self, printer: &Printer, is_done: bool) {
        let json = match self {
            Fix::Link { customer, user, by } => {
                json!({ "fix": "link", "customer": customer, "user": user, "by": by, "done": is_done })
            }
            Fix::Unlink { customer, user, preferred } => {
                json!({ "fix": "unlink", "customer": customer, "user": user, "preferred": preferred, "done": is_done })
            }
            Fix::Orphan { customer, reason } => json!({ "fix": "none", "customer": customer, "reason": reason }),
        };
        printer.answer(&json, [self.line(if is_done { '✓' } else { '✗' })]);
    }
}

/// What is to be done, from the records and from what Stripe says of each customer without a user.
pub async fn plan(auditor: &Auditor, only_email: Option<&str>) -> Result<Vec<Fix>> {
    let only_email = only_email.map(folded);
    let mut ids = Vec::new();
    let mut scan = auditor.books().store().scan();
    while let Some(partitions) = scan.next().await? {
        ids.extend(partitions.into_iter().filter_map(unowned));
    }
    let found = side_by_side(ids, |customer| {
        let auditor = auditor.clone();
        async move { orphan(&auditor, &customer).await }
    });
    let is_wanted = |orphan: &Orphan| only_email.is_none() || orphan.email == only_email;
    let orphans: Vec<Orphan> = found.await?.into_iter().flatten().filter(is_wanted).collect();
    let wanted: BTreeSet<String> = orphans.iter().filter_map(|orphan| orphan.email.clone()).collect();
    let Survey { users, mut fixes } = survey(auditor, &wanted, only_email.as_deref()).await?;
    let mut by_user: HashMap<UserId, Vec<Orphan>> = HashMap::new();
    for orphan in orphans {
        match owner_of(&orphan, &users) {
            Ok((user, "metadata")) => fixes.push(Fix::Link { customer: orphan.customer, user, by: "metadata" }),
            Ok((user, _)) => by_user.entry(user).or_default().push(orphan),
            Err(reason) => fixes.push(Fix::Orphan { customer: orphan.customer, reason }),
        }
    }
    for (user, orphans) in by_user {
        let account = auditor.books().store().read_account(&user).await?;
        fixes.extend(of_one_user(&account, orphans));
    }
    fixes.sort_by_key(|fix| fix.customer().clone());
    Ok(fixes)
}

impl Fix {
    fn customer(&self) -> &CustomerId {
        match self {
            Fix::Link { customer, .. } | Fix::Unlink { customer, .. } | Fix::Orphan { customer, .. } => customer,
        }
    }
}

fn unowned(partition: Scanned) -> Option<CustomerId> {
    match partition {
        Scanned::Customer { customer, owner, .. } => owner.user.is_none().then_some(customer),
        Scanned::User { .. } | Scanned::Catalogue { .. } => None,
    }
}

/// Nothing for one that Stripe has no more: there is nobody to link.
async fn orphan(auditor: &Auditor, customer: &CustomerId) -> Result<Option<Orphan>> {
    let seen = auditor.books().stripe().get_customer(customer).await.map_err(stripe_failed("read a customer"))?;
    let Some(seen) = seen.filter(|seen| !seen.value.is_deleted) else { return Ok(None) };
    let mut standing = Standing::default();
    let mut after = None;
    loop {
        let listed = auditor.account().list_subscriptions(Some(customer), after.as_deref()).await;
        let page = listed.map_err(stripe_failed("list subscriptions"))?.value;
        after.clone_from(&page.next);
        for owned in page.items.into_iter().filter_map(|listed| listed.value.ok()) {
            standing = standing.with(&owned.subscription.status, owned.subscription.created_at.as_second());
        }
        if after.is_none() {
            break;
        }
    }
    let email = seen.value.email.as_deref().map(folded).filter(|email| !email.is_empty());
    Ok(Some(Orphan { customer: customer.clone(), named_user: seen.value.user, email, standing }))
}

fn folded(email: &str) -> String {
    email.trim().to_lowercase()
}

/// The users whose token, or whose customer, has one of the addresses. The former may be linked by it; the latter only
/// makes it doubtful whose it is.
#[derive(Clone, Debug, Default)]
struct Users {
    by_token: BTreeSet<UserId>,
    by_customer: BTreeSet<UserId>,
}

/// What one walk through the users finds.
#[derive(Default)]
struct Survey {
    users: HashMap<String, Users>,
    /// For users whose own customer is not the one that serves them.
    fixes: Vec<Fix>,
}

async fn survey(auditor: &Auditor, wanted: &BTreeSet<String>, only_email: Option<&str>) -> Result<Survey> {
    let mut survey = Survey::default();
    let mut scan = auditor.books().store().scan();
    while let Some(partitions) = scan.next().await? {
        for partition in partitions {
            if let Scanned::User { account, .. } = partition {
                survey.see(&account, wanted, only_email);
            }
        }
    }
    Ok(survey)
}

impl Survey {
    fn see(&mut self, account: &Account, wanted: &BTreeSet<String>, only_email: Option<&str>) {
        let of_token = account.customer.as_ref().and_then(|customer| customer.email.as_deref()).map(folded);
        let of_customers: Vec<String> =
            account.mirrors.iter().filter_map(|mirror| mirror.email.as_deref()).map(folded).collect();
        if only_email.is_none_or(|only| of_token.iter().chain(&of_customers).any(|email| email == only)) {
            self.fixes.extend(better_customer(account));
        }
        if let Some(email) = of_token.filter(|email| wanted.contains(email)) {
            self.users.entry(email).or_default().by_token.insert(account.user.clone());
        }
        for email in of_customers.into_iter().filter(|email| wanted.contains(email)) {
            self.users.entry(email).or_default().by_customer.insert(account.user.clone());
        }
    }
}

/// Another customer of the user that serves them, when the one on record does not.
fn better_customer(account: &Account) -> Option<Fix> {
    let known = account.customer.as_ref().and_then(|customer| customer.id.as_ref());
    let usable = account.mirrors.iter().filter(|mirror| !mirror.is_deleted).map(|mirror| &mirror.id);
    let best = usable.max_by_key(|customer| (standing_of(account, customer), (*customer).clone()))?;
    let is_better = standing_of(account, best).is_live();
    match known {
        None => Some(Fix::Link { customer: best.clone(), user: account.user.clone(), by: "ownership" }),
        Some(known) if known != best && is_better && !standing_of(account, known).is_live() => {
            Some(Fix::Unlink { customer: known.clone(), user: account.user.clone(), preferred: best.clone() })
        }
        Some(_) => None,
    }
}

fn standing_of(account: &Account, customer: &CustomerId) -> Standing {
    let theirs = account.subscriptions.iter().filter(|subscription| subscription.customer == *customer);
    theirs.fold(Standing::default(), |standing, it| standing.with(&it.status, it.created_at.as_second()))
}

/// Whose the customer is and what says so, or why nobody can tell.
fn owner_of(orphan: &Orphan, users: &HashMap<String, Users>) -> Result<(UserId, &'static str), String> {
    if let Some(user) = &orphan.named_user {
        return Ok((user.clone(), "metadata"));
    }
    let Some(email) = &orphan.email else { return Err("it has no e-mail address and names no user".to_owned()) };
    let users = users.get(email).cloned().unwrap_or_default();
    let all: BTreeSet<&UserId> = users.by_token.union(&users.by_customer).collect();
    match (users.by_token.first(), all.len()) {
        (Some(user), 1) => Ok((user.clone(), "e-mail")),
        (_, 0) => Err("no user has its e-mail address".to_owned()),
        (None, _) => Err("its e-mail address is known from Stripe alone, which does not verify it".to_owned()),
        (Some(_), count) => Err(format!("{count} users have its e-mail address")),
    }
}

/// Of several customers the one with an active subscription is the user's; with none, the newest subscription decides.
fn of_one_user(account: &Account, mut orphans: Vec<Orphan>) -> Vec<Fix> {
    let user = &account.user;
    let known = match better_customer(account) {
        Some(Fix::Unlink { preferred, .. }) => Some(preferred),
        Some(Fix::Link { customer, .. }) => Some(customer),
        Some(Fix::Orphan { .. }) | None => account.customer.as_ref().and_then(|customer| customer.id.clone()),
    };
    let known_standing = known.as_ref().map(|known| standing_of(account, known));
    orphans.sort_by_key(|orphan| (orphan.standing, orphan.customer.clone()));
    let mut fixes = Vec::new();
    let Some(best) = orphans.pop() else { return fixes };
    match (&known, known_standing) {
        (Some(known), Some(standing)) if standing.is_live() || !best.standing.is_live() => {
            orphans.push(best);
            fixes.extend(orphans.into_iter().map(|orphan| left(orphan, user, known)));
        }
        _ => {
            if let Some(known) = known {
                let (user, preferred) = (user.clone(), best.customer.clone());
                fixes.push(Fix::Unlink { customer: known, user, preferred });
            }
            fixes.extend(orphans.into_iter().map(|orphan| left(orphan, user, &best.customer)));
            fixes.push(Fix::Link { customer: best.customer, user: user.clone(), by: "e-mail" });
        }
    }
    fixes
}

fn left(orphan: Orphan, user: &UserId, preferred: &CustomerId) -> Fix {
    Fix::Orphan { customer: orphan.customer, reason: format!("user {user} has {preferred}, which is preferred") }
}

/// Whether it was done.
async fn apply(auditor: &Auditor, fix: &Fix) -> Result<bool> {
    let books = auditor.books();
    match fix {
        Fix::Link { customer, user, .. } => {
            if let Linked::OwnedBy(_) = Box::pin(sync::link(books, customer, user)).await? {
                return Ok(false);
            }
            let (quiet, _) = Printer::captured(false);
            sync_stripe::sync_subscriptions_of(auditor, &quiet, customer).await
        }
        Fix::Unlink { user, preferred, .. } => {
            if let Linked::OwnedBy(_) = Box::pin(sync::link(books, preferred, user)).await? {
                return Ok(false);
            }
            Box::pin(sync::make_own_customer(books, user, preferred)).await?;
            Ok(true)
        }
        Fix::Orphan { .. } => Ok(true),
    }
}
