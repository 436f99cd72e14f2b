//! Whom the argument names.

use anyhow::Result;
use shared::books::Auditor;
use shared::domain::{Account, CustomerId, UserId};
use shared::store::{Parked, Scanned, Store};

use super::super::stripe_failed;

/// One person as the records have them.
#[derive(Debug)]
pub struct Subject {
    pub user: Option<UserId>,
    /// Of a customer without a user: what is parked with it, as if it were an account.
    pub account: Account,
    pub customers: Vec<CustomerId>,
}

impl Subject {
    /// Nobody when nothing is known of them; several when an e-mail address is in several records.
    pub async fn find(auditor: &Auditor, who: &str) -> Result<Vec<Subject>> {
        let store = auditor.books().store();
        if let Some(customer) = who.starts_with("cus_").then(|| CustomerId::parse(who).ok()).flatten() {
            return Ok(Subject::of_customer(store, customer).await?.into_iter().collect());
        }
        if let Ok(user) = UserId::parse(who) {
            let subject = Subject::of_user(store, user).await?;
            if subject.is_known() {
                return Ok(vec![subject]);
            }
        }
        match who.contains('@') {
            true => Subject::of_email(store, who).await,
            false => Ok(Vec::new()),
        }
    }

    /// Somebody of whom no record tells, because no event of theirs was received.
    pub async fn find_at_stripe(auditor: &Auditor, who: &str) -> Result<Option<Subject>> {
        let stripe = auditor.books().stripe();
        let store = auditor.books().store();
        if let Some(customer) = who.starts_with("cus_").then(|| CustomerId::parse(who).ok()).flatten() {
            let seen = stripe.get_customer(&customer).await.map_err(stripe_failed("read the customer"))?;
            return Ok(match seen.filter(|seen| !seen.value.is_deleted) {
                Some(seen) => Some(match seen.value.user {
                    Some(user) => Subject::new(Some(user.clone()), store.read_account(&user).await?, vec![customer]),
                    None => Subject::orphan(customer, Vec::new()),
                }),
                None => None,
            });
        }
        let Ok(user) = UserId::parse(who) else { return Ok(None) };
        let found = stripe.find_customer(&user, None).await.map_err(stripe_failed("look for the user's customer"))?;
        let Some(customer) = found else { return Ok(None) };
        Ok(Some(Subject::new(Some(user.clone()), store.read_account(&user).await?, vec![customer])))
    }

    async fn of_user(store: &Store, user: UserId) -> Result<Subject> {
        Ok(Subject::new(Some(user.clone()), store.read_account(&user).await?, Vec::new()))
    }

    async fn of_customer(store: &Store, customer: CustomerId) -> Result<Option<Subject>> {
        if let Some(user) = store.read_owner(&customer).await?.user {
            let account = store.read_account(&user).await?;
            return Ok(Some(Subject::new(Some(user), account, vec![customer])));
        }
        let parked = store.read_parked(&customer).await?;
        Ok((!parked.is_empty()).then(|| Subject::orphan(customer, parked)))
    }

    /// There is no index by e-mail address: every record is looked at.
    async fn of_email(store: &Store, email: &str) -> Result<Vec<Subject>> {
        let is_it = |text: Option<&String>| text.is_some_and(|text| text.eq_ignore_ascii_case(email));
        let mut found = Vec::new();
        let mut scan = store.scan();
        while let Some(partitions) = scan.next().await? {
            for scanned in partitions {
                match scanned {
                    Scanned::User { account, .. } => {
                        let of_customer =
                            account.customer.as_ref().is_some_and(|customer| is_it(customer.email.as_ref()));
                        if of_customer || account.mirrors.iter().any(|mirror| is_it(mirror.email.as_ref())) {
                            found.push(Subject::new(Some(account.user.clone()), *account, Vec::new()));
                        }
                    }
                    Scanned::Customer { customer, owner, parked } if owner.user.is_none() => {
                        let has_it = parked.iter().any(|parked| match parked {
                            Parked::Mirror(mirror) => is_it(mirror.value.email.as_ref()),
                            _ => false,
                        });
                        if has_it {
                            found.push(Subject::orphan(customer, parked));
                        }
                    }
                    Scanned::Customer { .. } | Scanned::Catalogue { .. } => {}
                }
            }
        }
        Ok(found)
    }

    fn new(user: Option<UserId>, account: Account, also: Vec<CustomerId>) -> Subject {
        let own = account.customer.as_ref().and_then(|customer| customer.id.clone());
        let of_mirrors = account.mirrors.iter().map(|mirror| mirror.id.clone());
        let of_subscriptions = account.subscriptions.iter().map(|subscription| subscription.customer.clone());
        let mut customers: Vec<CustomerId> =
            own.into_iter().chain(also).chain(of_mirrors).chain(of_subscriptions).collect();
        customers.sort();
        customers.dedup();
        Subject { user, account, customers }
    }

    fn orphan(customer: CustomerId, parked: Vec<Parked>) -> Subject {
        // The name stands for nobody; it is never read or written.
        let nobody = UserId::parse("nobody").expect("six letters are a user id");
        let mut account = Account::empty(nobody);
        for parked in parked {
            match parked {
                Parked::Subscription(stored) => account.subscriptions.push(stored.value),
                Parked::Card(stored) => account.cards.push(stored.value),
                Parked::Mirror(stored) => account.mirrors.push(stored.value),
            }
        }
        Subject::new(None, account, vec![customer])
    }

    fn is_known(&self) -> bool {
        let account = &self.account;
        account.customer.is_some()
            || account.trial.is_some()
            || !account.subscriptions.is_empty()
            || !account.mirrors.is_empty()
    }
}
