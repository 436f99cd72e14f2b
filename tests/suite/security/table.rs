//! The table of threats names its tests; what it names must exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use regex_lite::Regex;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every test of the repository, as `file stem` and function: `signature::an_empty_secret_is_no_secret`.
fn tests_of_the_repository() -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let mut folders: Vec<PathBuf> =
        ["shared", "functions", "local", "manage", "tests"].map(|name| root().join(name)).into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            match path.extension() {
                None if path.is_dir() && !path.ends_with("target") => folders.push(path),
                Some(extension) if extension == "rs" => collect(&fs::read_to_string(&path)?, &mut names)?,
                _ => {}
            }
        }
    }
    Ok(names)
}

/// The functions below a `#[test]`, whatever stands between, and those of `proptest!`.
fn collect(source: &str, names: &mut BTreeSet<String>) -> Result<()> {
    let function = Regex::new(r"^\s*(?:pub )?(?:async )?fn ([a-z0-9_]+)\(")?;
    let mut is_test = false;
    for line in source.lines() {
        let trimmed = line.trim();
        is_test |= trimmed.starts_with("#[test") || trimmed.starts_with("#[tokio::test");
        if let Some(found) = function.captures(line) {
            if is_test {
                names.insert(found[1].to_owned());
            }
            is_test = false;
        }
    }
    Ok(())
}

/// The words of the table's last column that are in backquotes.
fn tests_of_the_table() -> Result<Vec<(String, Vec<String>)>> {
    let page = fs::read_to_string(root().join("docs/SECURITY.md"))?;
    let quoted = Regex::new("`([a-z0-9_]+)`")?;
    let rows = page.lines().filter(|line| line.starts_with("| ")).filter(|line| line.matches('|').count() == 4);
    Ok(rows
        .map(|row| {
            let columns: Vec<&str> = row.split('|').map(str::trim).collect();
            let names = quoted.captures_iter(columns[3]).map(|found| found[1].to_owned()).collect();
            (columns[1].to_owned(), names)
        })
        .filter(|(threat, _)| !threat.starts_with("threat") && !threat.starts_with("--"))
        .collect())
}

#[test]
fn every_threat_names_tests_and_every_named_test_exists() -> Result<()> {
    let known = tests_of_the_repository()?;
    let rows = tests_of_the_table()?;
    assert!(rows.len() >= 40, "only {} rows of three columns were found", rows.len());
    let mut wrong = Vec::new();
    for (threat, names) in &rows {
        if names.is_empty() {
            wrong.push(format!("{threat}: no test is named"));
        }
        wrong.extend(names.iter().filter(|name| !known.contains(*name)).map(|name| format!("{threat}: {name}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn every_attack_of_this_folder_is_in_the_table() -> Result<()> {
    let named: BTreeSet<String> = tests_of_the_table()?.into_iter().flat_map(|(_, names)| names).collect();
    let folder = root().join("tests/suite/security");
    let mut played = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.ends_with("table.rs") {
            collect(&fs::read_to_string(path)?, &mut played)?;
        }
    }
    let missing: Vec<_> = played.difference(&named).collect();
    assert!(missing.is_empty(), "not in docs/SECURITY.md: {missing:?}");
    Ok(())
}
