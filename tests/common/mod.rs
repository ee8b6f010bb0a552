//! What the tests share: a daemon of their own, where the recordings of a real Kubernetes lie, and
//! what to do where the machine lacks something.
#![allow(dead_code, reason = "each test uses its own part of this")]

use std::path::{Path, PathBuf};

pub mod daemon;
pub mod virtual_machine;

/// The recording `name` of the oracle, such as `schedules.jsonl`. It lies beside the repository,
/// not in it, so a bare clone lacks it: then this says so loudly and answers `None`, and under
/// `CRONLET_TEST_STRICT=1` it panics.
pub fn oracle(name: &str) -> Option<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = std::env::var_os("CRONLET_ORACLE")
        .map(PathBuf::from)
        .into_iter()
        .chain(package.ancestors().skip(1).map(|above| above.join("shared/oracle")));
    let found = folders.map(|folder| folder.join(name)).find(|path| path.exists());
    if found.is_none() {
        assert!(!strict(), "the oracle {name} is absent, and CRONLET_TEST_STRICT=1 demands it");
        eprintln!("\n*** THE ORACLE {name} IS ABSENT: this test compared NOTHING ***");
        eprintln!("*** expected at ../shared/oracle/{name}, or in $CRONLET_ORACLE ***\n");
    }
    found
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
