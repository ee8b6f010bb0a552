//! Shared parts of the tests: a daemon of their own, the recordings of a real Kubernetes, and the
//! answer to a machine that lacks something.
#![allow(dead_code, reason = "each test uses its own part of this")]

use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::{Path, PathBuf};

pub mod daemon;
pub mod untested;
pub mod virtual_machine;

/// Reads the rows of the recording `name` of a real Kubernetes, such as `schedules.jsonl`, from
/// `tests/recordings`.
pub fn recording<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let path = recordings().join(name);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let rows = text.lines().map(|row| serde_json::from_str(row).expect("a row of the recording"));
    rows.collect()
}

/// Returns the names of the recorded scenarios: `tests/recordings/scenarios/NAME.jsonl`.
pub fn recorded_scenarios() -> Vec<String> {
    let files = std::fs::read_dir(recordings().join("scenarios")).expect("a readable folder");
    let names = files.map(|file| file.expect("a readable entry").file_name());
    let names = names.map(|name| name.into_string().expect("a name in UTF-8"));
    names.map(|name| name.trim_end_matches(".jsonl").to_owned()).collect()
}

fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings")
}

/// Edits an object as a merge patch does.
pub fn merge(value: &mut Value, change: &Value) {
    let Value::Object(fields) = change else { return value.clone_from(change) };
    for (name, change) in fields {
        match change {
            Value::Null => {
                value.as_object_mut().map(|all| all.remove(name));
            }
            change => merge(&mut value[name.as_str()], change),
        }
    }
}

/// Whether this machine has what the test needs. Where it lacks something, this says so loudly, and
/// under `CRONLET_TEST_STRICT=1` it panics.
pub fn has(needs: &[(&str, bool)]) -> bool {
    let absent: Vec<&str> = needs.iter().filter(|need| !need.1).map(|need| need.0).collect();
    if absent.is_empty() {
        return true;
    }
    let absent = absent.join(", ");
    assert!(!strict(), "absent: {absent}; and CRONLET_TEST_STRICT=1 demands it");
    eprintln!("\n*** ABSENT HERE: {absent}. THIS TEST TESTED NOTHING ***\n");
    untested::record(&absent);
    false
}

/// Whether a program is on the path, or where administrators' programs are.
pub fn program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder: PathBuf| folder.join(name)).any(|path| path.is_file())
}

fn strict() -> bool {
    std::env::var_os("CRONLET_TEST_STRICT").is_some_and(|value| value == "1")
}
