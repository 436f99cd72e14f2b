//! What is to be done with each customer.

use std::collections::{BTreeSet, HashMap};

use anyhow::Result;
use shared::books::Auditor;
use shared::domain::{Account, CustomerId, UserId};

use super::super::side_by_side;
use super::Fix;
use super::orphan::{Orphan, folded, orphan, unowned};
use super::survey::{Survey, Users, better_customer, standing_of, survey};

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
