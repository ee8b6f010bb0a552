//! What the tests share: where the recordings of a real Kubernetes lie.

use std::path::{Path, PathBuf};

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
        let strict = std::env::var_os("CRONLET_TEST_STRICT").is_some_and(|value| value == "1");
        assert!(!strict, "the oracle {name} is absent, and CRONLET_TEST_STRICT=1 demands it");
        eprintln!("\n*** THE ORACLE {name} IS ABSENT: this test compared NOTHING ***");
        eprintln!("*** expected at ../shared/oracle/{name}, or in $CRONLET_ORACLE ***\n");
    }
    found
}
