//! The list of tests that this machine lacks something for, gathered over one `cargo test`.
//!
//! Each test program appends to a file that is named after its parent, which is the `cargo` of this
//! run; `tests/untested.rs`, the last program of a run, prints the list.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Notes that the test of this thread lacks `absent`.
pub fn record(absent: &str) {
    let thread = std::thread::current();
    let program = std::env::args().next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or_default().to_string_lossy();
    let program = program.rsplit_once('-').map_or(&*program, |(name, _)| name);
    let test = thread.name().unwrap_or("main");
    let line = format!("{program} {test}: lacks {absent}\n");
    let mut file = OpenOptions::new().create(true).append(true).open(list());
    let written = file.as_mut().map(|file| file.write_all(line.as_bytes()));
    assert!(matches!(written, Ok(Ok(()))), "{written:?}");
}

/// Returns the lines of this run, sorted, and forgets them.
pub fn take() -> Vec<String> {
    let text = std::fs::read_to_string(list()).unwrap_or_default();
    let _ = std::fs::remove_file(list());
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines.dedup();
    lines
}

/// The file of this run: a process id alone comes again.
fn list() -> PathBuf {
    let parent = std::os::unix::process::parent_id();
    let stat = std::fs::read_to_string(format!("/proc/{parent}/stat")).unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let started = fields.split(' ').nth(19).unwrap_or("0");
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("untested-{parent}-{started}"))
}
