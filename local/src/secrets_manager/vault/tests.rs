use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn value(text: &str) -> NewValue {
    NewValue { secret_string: text.to_owned(), token: None, stages: None }
}

fn staged(text: &str, token: &str, stage: &str) -> NewValue {
    NewValue { secret_string: text.to_owned(), token: Some(token.to_owned()), stages: Some(vec![stage.to_owned()]) }
}

fn vault() -> Vault {
    let mut vault = Vault::default();
    vault.create("s", None, Some(staged("one", "v1", CURRENT)), at(1)).unwrap();
    vault
}

fn text_of(vault: &Vault, stage: &str) -> Result<String, Refusal> {
    let wanted = Wanted { version_id: None, stage: Some(stage.to_owned()) };
    vault.get("s", &wanted).map(|version| version.secret_string.clone())
}

fn moved(stage: &str, remove_from: Option<&str>, move_to: Option<&str>) -> StageMove {
    StageMove {
        stage: stage.to_owned(),
        remove_from: remove_from.map(str::to_owned),
        move_to: move_to.map(str::to_owned),
    }
}

#[test]
fn a_new_value_makes_the_current_one_previous() {
    let mut vault = vault();
    vault.put("s", value("two"), at(2)).unwrap();
    vault.put("s", value("three"), at(3)).unwrap();
    assert_eq!(text_of(&vault, CURRENT).unwrap(), "three");
    assert_eq!(text_of(&vault, PREVIOUS).unwrap(), "two");
    let stages = &vault.describe("s").unwrap()["VersionIdsToStages"];
    assert_eq!(stages.as_object().unwrap().len(), 2);
}

#[test]
fn a_pending_value_waits_until_its_label_is_moved() {
    let mut vault = vault();
    vault.put("s", staged("two", "v2", "AWSPENDING"), at(2)).unwrap();
    assert_eq!(text_of(&vault, CURRENT).unwrap(), "one");
    vault.move_stage("s", &moved(CURRENT, Some("v1"), Some("v2")), at(3)).unwrap();
    assert_eq!(text_of(&vault, CURRENT).unwrap(), "two");
    assert_eq!(text_of(&vault, PREVIOUS).unwrap(), "one");
    assert_eq!(text_of(&vault, "AWSPENDING").unwrap(), "two");
}

#[test]
fn moving_a_label_needs_the_version_that_holds_it() {
    let mut vault = vault();
    vault.put("s", staged("two", "v2", "AWSPENDING"), at(2)).unwrap();
    for wrong in [None, Some("v2")] {
        let refusal = vault.move_stage("s", &moved(CURRENT, wrong, Some("v2")), at(3)).unwrap_err();
        assert_eq!(refusal.kind, "InvalidParameterException");
    }
    let gone = vault.move_stage("s", &moved(CURRENT, Some("v1"), Some("v9")), at(3)).unwrap_err();
    assert_eq!(gone.kind, "ResourceNotFoundException");
    let bare = vault.move_stage("s", &moved(CURRENT, Some("v1"), None), at(3)).unwrap_err();
    assert_eq!(bare.kind, "InvalidParameterException");
    assert_eq!(text_of(&vault, CURRENT).unwrap(), "one");
}

#[test]
fn the_same_token_is_done_once_and_never_with_another_value() {
    let mut vault = vault();
    vault.put("s", staged("two", "v2", CURRENT), at(2)).unwrap();
    vault.put("s", staged("two", "v2", CURRENT), at(3)).unwrap();
    assert_eq!(text_of(&vault, PREVIOUS).unwrap(), "one");
    let refusal = vault.put("s", staged("other", "v2", CURRENT), at(4)).unwrap_err();
    assert_eq!(refusal.kind, "ResourceExistsException");
    assert!(!refusal.message.contains("other"));
}

#[test]
fn a_version_is_found_by_its_id_and_a_secret_by_its_arn() {
    let vault = vault();
    let arn = vault.describe("s").unwrap()["ARN"].as_str().unwrap().to_owned();
    let by_id = Wanted { version_id: Some("v1".to_owned()), stage: None };
    assert_eq!(vault.get_reply(&arn, &by_id).unwrap()["SecretString"], "one");
    let both = Wanted { version_id: Some("v1".to_owned()), stage: Some(PREVIOUS.to_owned()) };
    assert_eq!(vault.get_reply("s", &both).unwrap_err().kind, "InvalidRequestException");
}

#[test]
fn a_secret_without_a_value_has_no_current_version() {
    let mut vault = Vault::default();
    vault.create("s", Some("empty".to_owned()), None, at(1)).unwrap();
    assert_eq!(text_of(&vault, CURRENT).unwrap_err(), Refusal::not_found("secret value for staging label: AWSCURRENT"));
    assert_eq!(vault.create("s", None, None, at(2)).unwrap_err().kind, "ResourceExistsException");
    assert_eq!(vault.list()["SecretList"][0]["Description"], "empty");
}
