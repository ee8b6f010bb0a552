//! A state file whose bytes are not what was written: it is refused, never misread.

use super::format::{MARK, Mark};
use super::tables::{FACTS, to_json};
use super::tests::{config_map, run};
use super::*;
use cronlet_api::seed::Seed;
use std::path::Path;

/// What was found of a file with flipped bits, how often.
#[derive(Debug, Default)]
struct Tally {
    refused: usize,
    harmless: usize,
}

/// Bits flipped in each file.
const ROUNDS: u64 = 150;

/// Everything that a store shows.
type Shown = (Vec<Object>, Vec<Run>, u64);

fn shown(store: &Store) -> Shown {
    let reader = store.reader();
    let (objects, version) = reader.list(Kind::ConfigMap, None);
    (objects, reader.runs(None, None), version)
}

fn fill(path: &Path) -> Store {
    let mut store = Store::open(FileDisk::new(path)).expect("opens");
    for number in 0..300 {
        store.put(config_map(&format!("n{number:03}"), Some("owner")));
        store.record_run(run(number, "a run")).expect("recorded");
        if number % 50 == 0 {
            store.commit().expect("commits");
        }
    }
    store.commit().expect("commits");
    store
}

/// Opens copies of the file, each with one bit flipped: each is refused, or shows one of these.
fn flip_bits(file: &[u8], allowed: &[Shown]) -> Tally {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.redb");
    let (mut seed, mut tally) = (Seed::new(9), Tally::default());
    for round in 0..ROUNDS {
        let mut bytes = file.to_vec();
        // A quarter of them are in the header, which takes no more than this.
        let below = if round % 4 == 0 { 320 } else { bytes.len() as u64 };
        let at = seed.below(below) as usize;
        bytes[at] ^= 1 << seed.below(8);
        std::fs::write(&path, &bytes).expect("a file is written");
        match Store::open(FileDisk::new(&path)).map(|store| shown(&store)) {
            Ok(found) if allowed.contains(&found) => tally.harmless += 1,
            Ok(_) => panic!("a bit flipped at {at} is read as if it were right"),
            Err(error) if error.fault() == Fault::Damaged => tally.refused += 1,
            Err(error) => panic!("a bit flipped at {at}: {error:?}"),
        }
    }
    tally
}

#[test]
fn a_flipped_bit_is_found_or_harmless() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.redb");
    let mut store = fill(&path);
    let before = shown(&store);
    store.put(config_map("last", None));
    store.commit().expect("commits");
    let last = shown(&store);
    // As after `kill -9`. There a commit that does not verify is one that the power cut off.
    let crashed = std::fs::read(&path).expect("a file");
    drop(store);
    let closed = std::fs::read(&path).expect("a file");
    for (file, allowed) in [(closed, vec![last.clone()]), (crashed, vec![last, before])] {
        let tally = flip_bits(&file, &allowed);
        assert!(tally.refused > 10 && tally.harmless > 10, "{tally:?}");
    }
}

/// Puts bytes in the place of a state file, and gives the error of opening it.
fn refused(bytes: &[u8]) -> DiskError {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.redb");
    std::fs::write(&path, bytes).expect("a file is written");
    Store::open(FileDisk::new(&path)).err().expect("it is refused")
}

#[test]
fn what_is_no_whole_state_file_is_damaged() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.redb");
    drop(fill(&path));
    let whole = std::fs::read(&path).expect("a file");
    let mut garbage = vec![0; whole.len()];
    let mut seed = Seed::new(1);
    garbage.iter_mut().for_each(|byte| *byte = seed.below(256) as u8);
    let foreign = folder.path().join("foreign");
    let other = builder().create(&foreign).expect("made");
    let transaction = other.begin_write().expect("begins");
    let table: redb::TableDefinition<u64, u64> = redb::TableDefinition::new("theirs");
    transaction.open_table(table).expect("made");
    transaction.commit().expect("commits");
    drop(other);
    let foreign = std::fs::read(&foreign).expect("a file");
    let half = &whole[..whole.len() / 2];
    let all: [&[u8]; 8] =
        [&[], b"x", &whole[..1024], half, &garbage, &foreign, b"#!/bin/sh\n", &[0; 1 << 20]];
    for bytes in all {
        let error = refused(bytes);
        assert_eq!(error.fault(), Fault::Damaged, "{} bytes: {error:?}", bytes.len());
    }
}

#[test]
fn a_folder_in_the_place_of_the_file_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = Store::open(FileDisk::new(folder.path())).err().expect("it is refused");
    assert_eq!(error.fault(), Fault::Refused, "{error:?}");
}

#[test]
fn a_newer_format_is_refused_and_an_unmarked_file_is_marked() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.redb");
    assert!(fill(&path).is_new());
    let mark = |mark: Option<Mark>| {
        let database = builder().create(&path).expect("opens");
        let transaction = database.begin_write().expect("begins");
        let mut facts = transaction.open_table(FACTS).expect("a table");
        match mark {
            Some(mark) => drop(facts.insert(MARK, to_json(&mark).as_slice()).expect("written")),
            None => drop(facts.remove(MARK).expect("removed")),
        }
        drop(facts);
        transaction.commit().expect("commits");
    };
    mark(None);
    let store = Store::open(FileDisk::new(&path)).expect("a file of today is read");
    assert!(!store.is_new());
    let found = store.fact(MARK).expect("read").expect("it is marked");
    let found: Mark = serde_json::from_slice(&found).expect("a mark");
    assert_eq!((found.format, &*found.writer), (FORMAT, env!("CARGO_PKG_VERSION")));
    drop(store);
    mark(Some(Mark { format: FORMAT + 1, writer: "9.9.9".to_owned() }));
    let error = Store::open(FileDisk::new(&path)).err().expect("it is refused");
    assert!(matches!(&error, DiskError::Newer { format: 2, writer } if writer == "9.9.9"));
    assert_eq!(error.fault(), Fault::Newer);
}
