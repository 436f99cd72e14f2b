//! `sync-stripe` on accounts of more than a page, with Stripe failing, and stopped half-way.

use std::collections::BTreeSet;
use std::process::Stdio;

use manage::commands::sync_stripe::{Ended, Missing, Stop, find_missing, sync_account};
use manage::printer::{Captured, Printer};
use shared::books::Auditor;
use shared::clock::Clock;
use shared::domain::Mode;
use tests::{Services, World, core_on};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::fake_stripe::{Account, FakeStripe};
use crate::support::{customer, user};

struct Scene {
    world: World,
    stripe: FakeStripe,
    auditor: Auditor,
}

async fn scene(account: Account) -> Scene {
    let world = World::start().await.unwrap();
    let stripe = FakeStripe::start(account).await;
    let services =
        Services { dynamodb_url: world.stack.dynamodb_url(), stripe_url: &stripe.url, default_price: "price_1" };
    let core = core_on(&world.stack, services, Clock::default()).await.unwrap();
    let auditor = core.auditor(Mode::Test).unwrap();
    Scene { world, stripe, auditor }
}

impl Scene {
    async fn sync(&self) -> (anyhow::Result<Ended>, Captured) {
        let (printer, captured) = Printer::captured(false);
        let (_wish, stop) = Stop::by_hand();
        (sync_account(&self.auditor, &printer, &stop).await, captured)
    }

    async fn owned(&self, numbers: std::ops::Range<u64>) -> usize {
        let mut owned = 0;
        for number in numbers {
            let owner = self.auditor.books().store().read_owner(&customer(&format!("cus_{number}"))).await.unwrap();
            owned += usize::from(owner.user == Some(user(&number.to_string())));
        }
        owned
    }
}

fn customers_in(output: &str) -> Vec<String> {
    output.lines().filter(|line| line.contains('@')).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_customer_of_a_large_account_is_brought_once() {
    let scene = scene(Account { customers: 350, ..Account::default() }).await;
    let (ended, said) = scene.sync().await;
    assert_eq!(ended.unwrap(), Ended::Complete { failed: 0 });
    let lines = customers_in(&said.stdout());
    assert_eq!(lines.len(), 350, "none twice");
    assert_eq!(lines.iter().collect::<BTreeSet<_>>().len(), 350, "none left out");
    assert_eq!(scene.owned(0..350).await, 350);
    let pages = scene.stripe.asked().iter().filter(|path| path.as_str() == "/v1/customers").count();
    assert!((4..=16).contains(&pages), "{pages} pages for 350 customers");
    scene.world.stack.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn cleaning_asks_for_lists_and_only_for_what_they_lack() {
    let scene = scene(Account { customers: 350, ..Account::default() }).await;
    scene.sync().await.0.unwrap();
    scene.stripe.account.lock().unwrap().customers = 349;
    scene.stripe.asked();
    let missing = find_missing(&scene.auditor).await.unwrap();
    assert!(
        matches!(&missing[..], [Missing::Customer { customer, .. }] if customer.as_str() == "cus_349"),
        "{missing:?}"
    );
    let asked = scene.stripe.asked();
    assert!(asked.len() < 30, "{} requests for 350 records", asked.len());
    let alone: Vec<&String> = asked.iter().filter(|path| path.starts_with("/v1/customers/")).collect();
    assert_eq!(alone, ["/v1/customers/cus_349"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_object_is_named_and_the_rest_go_on() {
    let scene = scene(Account { customers: 130, unreadable: vec![7], ..Account::default() }).await;
    let (ended, said) = scene.sync().await;
    assert_eq!(ended.unwrap(), Ended::Complete { failed: 1 });
    assert_eq!(customers_in(&said.stdout()).len(), 129);
    let bad: Vec<String> = said.stdout().lines().filter(|line| line.contains('✗')).map(str::to_owned).collect();
    assert_eq!(bad.len(), 1);
    assert!(bad[0].starts_with("  ✗ cus_7: customer"), "{bad:?}");
    assert!(said.stdout().ends_with("✅ Sincronização completa!\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_stripe_broke_off_is_finished_by_the_next() {
    // Two lists before the customers, then three pages of them.
    let scene = scene(Account { customers: 450, answers_left: Some(5), ..Account::default() }).await;
    let (ended, first) = scene.sync().await;
    let sentence = manage::sentence::of(&ended.unwrap_err());
    assert!(sentence.contains("run the command again later; it goes on where it stopped"), "{sentence}");
    let brought_first = customers_in(&first.stdout());
    assert!(!brought_first.is_empty() && brought_first.len() < 450, "{}", brought_first.len());

    scene.stripe.account.lock().unwrap().answers_left = None;
    scene.stripe.asked();
    let (ended, second) = scene.sync().await;
    assert_eq!(ended.unwrap(), Ended::Complete { failed: 0 });
    assert!(second.stderr().starts_with("Going on where the last run stopped: at customers"), "{}", second.stderr());
    let asked = scene.stripe.asked();
    assert!(!asked.contains(&"/v1/products".to_owned()), "what was done is not done again: {asked:?}");
    let all: BTreeSet<String> = brought_first.into_iter().chain(customers_in(&second.stdout())).collect();
    assert_eq!(all.len(), 450);
    assert_eq!(scene.owned(0..450).await, 450);

    let (ended, third) = scene.sync().await;
    assert_eq!(ended.unwrap(), Ended::Complete { failed: 0 });
    assert_eq!(customers_in(&third.stdout()).len(), 450, "a walk that ended is not gone on with");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_to_stop_is_granted_between_pages_and_nothing_is_lost() {
    let scene = scene(Account { customers: 450, ..Account::default() }).await;
    let (printer, said) = Printer::captured(false);
    let (wish, stop) = Stop::by_hand();
    wish.send_replace(true);
    let mut runs = 0;
    loop {
        runs += 1;
        assert!(runs < 40, "each run gets further");
        if let Ended::Complete { failed } = sync_account(&scene.auditor, &printer, &stop).await.unwrap() {
            assert_eq!(failed, 0);
            break;
        }
    }
    assert!(runs > 2, "a wish that is there from the start stops after the pages under way");
    assert_eq!(customers_in(&said.stdout()).iter().collect::<BTreeSet<_>>().len(), 450);
    assert_eq!(scene.owned(0..450).await, 450);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_do_not_undo_each_other() {
    let scene = scene(Account { customers: 250, ..Account::default() }).await;
    let ((one, _), (two, _)) = tokio::join!(scene.sync(), scene.sync());
    let errors: Vec<String> = [one, two].into_iter().filter_map(Result::err).map(|error| error.to_string()).collect();
    assert!(errors.iter().all(|error| error.contains("Another sync-stripe is under way")), "{errors:?}");
    assert!(errors.len() < 2, "one of them goes on");
    assert_eq!(scene.owned(0..250).await, 250);
}

/// The binary on the scene's table and its Stripe.
fn binary(scene: &Scene) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_manage"));
    command
        .arg("sync-stripe")
        .env_clear()
        .env("TABLE_NAME", scene.world.stack.table_name())
        .env("SECRET_ID_TEST", scene.world.stack.secret_id(Mode::Test))
        .env("AWS_REGION", "sa-east-1")
        .env("AWS_ENDPOINT_URL_DYNAMODB", scene.world.stack.dynamodb_url())
        .env("AWS_ENDPOINT_URL_SECRETS_MANAGER", scene.world.stack.secrets_url())
        .env("STRIPE_API_URL", &scene.stripe.url)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_stops_it_politely_and_the_next_run_goes_on_there() {
    let scene = scene(Account { customers: 600, ..Account::default() }).await;
    let mut child = binary(&scene).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut first = BTreeSet::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains('@') && first.insert(line) && first.len() == 1 {
            let interrupt = ["-INT".to_owned(), child.id().unwrap().to_string()];
            assert!(tokio::process::Command::new("kill").args(interrupt).status().await.unwrap().success());
        }
    }
    let ended = child.wait_with_output().await.unwrap();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let stderr = String::from_utf8(ended.stderr).unwrap();
    assert!(stderr.ends_with("Stopped. Run it again to go on from here.\n"), "{stderr}");
    assert!(first.len() < 600, "{}", first.len());

    let second = binary(&scene).output().await.unwrap();
    assert_eq!(second.status.code(), Some(0), "{second:?}");
    let second: BTreeSet<String> = customers_in(&String::from_utf8(second.stdout).unwrap()).into_iter().collect();
    assert_eq!(first.union(&second).count(), 600);
    assert!(first.is_disjoint(&second), "what was brought is not brought again");
    assert_eq!(scene.owned(0..600).await, 600);
}
