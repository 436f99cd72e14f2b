//! The binary itself: help, exit codes, old spellings, completions.

use crate::support::run;

async fn said(arguments: &[&str]) -> crate::support::Said {
    run(arguments.iter().map(|argument| (*argument).to_owned()).collect(), Vec::new(), String::new()).await
}

#[tokio::test]
async fn help_names_every_common_option_once() {
    let said = said(&["sync-stripe", "--help"]).await;
    assert_eq!(said.code, 0);
    insta::assert_snapshot!(said.stdout);
}

#[tokio::test]
async fn mistakes_are_usage_errors_on_stderr() {
    for arguments in [
        &[][..],
        &["no-such-command"],
        &["sync-stripe", "--customer", "a b"],
        &["sync-stripe", "--subscription", "cus_1"],
        &["sync-stripe", "--clean", "--customer", "cus_1"],
        &["events", "--last", "0"],
        &["events", "--failed", "evt_1"],
        &["mark-trial-used"],
        &["inspect", "user"],
        &["register-webhook", "--url", "https://example.com"],
        &["register-webhook", "--show-secret"],
        &["--local", "--stack", "prod", "events"],
        &["--port", "9000", "events"],
        &["--live", "--test", "events"],
        &["--quiet", "--verbose", "events"],
    ] {
        let said = said(arguments).await;
        assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(!said.stderr.is_empty());
    }
}

#[tokio::test]
async fn a_secret_as_an_argument_is_refused_and_not_shown_again() {
    for arguments in [
        &["secrets", "set", "sk_test_canary"][..],
        &["secrets", "set", "--stripe-secret-key", "rk_live_canary"],
        &["rotate", "stripe-key", "--key=sk_live_canary"],
        &["register-webhook", "--secret-stdin", "whsec_canary"],
    ] {
        let said = said(arguments).await;
        assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(said.stderr.contains("standard input") && !said.stderr.contains("canary"), "{said:?}");
    }
}

#[tokio::test]
async fn old_spellings_have_the_same_help() {
    for (old, new) in [
        ("sync_stripe", "sync-stripe"),
        ("register_stripe_webhook", "register-webhook"),
        ("check_trial_status", "check-trial-status"),
        ("fix_customer_links", "fix-customer-links"),
        ("mark_trial_used", "mark-trial-used"),
    ] {
        let (old, new) = (said(&[old, "--help"]).await, said(&[new, "--help"]).await);
        assert_eq!((old.code, old.stdout), (0, new.stdout));
    }
}

#[tokio::test]
async fn completions_and_the_man_page_need_no_stack() {
    for shell in ["bash", "zsh", "fish"] {
        let said = said(&["completions", shell]).await;
        assert_eq!(said.code, 0);
        assert!(said.stdout.contains("sync-stripe"), "{shell}");
    }
    let man = said(&["man"]).await;
    assert_eq!(man.code, 0);
    assert!(man.stdout.contains(".TH manage") && man.stdout.contains("manage\\-fix\\-customer\\-links"));
}
