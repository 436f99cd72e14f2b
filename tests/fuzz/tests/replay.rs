//! Every input that was ever worth keeping, and the same few thousand changes of them each time.

use std::fs;
use std::path::PathBuf;

use fuzz_targets::mutate::mutated;
use fuzz_targets::{TARGETS, Target};

const MUTATIONS: usize = 400;

fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../corpora")).join(target.name);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry of the folder").path())
        .collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::read(file).expect("a corpus file"))).collect()
}

#[test]
fn every_target_survives_its_corpus() {
    for target in &TARGETS {
        let corpus = corpus(target);
        assert!(corpus.len() >= 3, "{} has no corpus", target.name);
        for (file, data) in corpus {
            assert!(data.len() <= 64 * 1024, "{} is not small", file.display());
            let ran = std::panic::catch_unwind(|| (target.run)(&data));
            assert!(ran.is_ok(), "{} breaks on {}", target.name, file.display());
        }
    }
}

#[test]
fn every_target_survives_changes_of_its_corpus() {
    for target in &TARGETS {
        let inputs: Vec<Vec<u8>> = corpus(target).into_iter().map(|(_, data)| data).collect();
        let mut rng = fastrand::Rng::with_seed(6);
        for _ in 0..MUTATIONS {
            let data = mutated(&mut rng, &inputs);
            let ran = std::panic::catch_unwind(|| (target.run)(&data));
            assert!(ran.is_ok(), "{} breaks on {:?}", target.name, String::from_utf8_lossy(&data));
        }
    }
}
