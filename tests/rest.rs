//! What the daemon keeps of memory while there is nothing to do.

mod common;

use common::daemon::Daemon;
use std::fs;

/// Of the code that a start runs, what a wait does not run is no longer in its memory.
#[test]
fn a_daemon_at_rest_holds_little_of_its_code() {
    let daemon = Daemon::start_with(&[]);
    let code_kibibytes = || code_kibibytes(daemon.pid().as_raw_pid());
    let begun = code_kibibytes();
    daemon.until("it holds less", || (code_kibibytes() < begun / 2).then_some(()));
}

/// What is in memory of the program's own code.
fn code_kibibytes(pid: i32) -> u64 {
    let program = fs::read_link(format!("/proc/{pid}/exe")).expect("it lives");
    let program = program.to_string_lossy();
    let text = fs::read_to_string(format!("/proc/{pid}/smaps")).expect("it lives");
    let mut lines = text.lines();
    let is_code = |line: &&str| line.contains(" r-xp ") && line.ends_with(&*program);
    lines.find(is_code).expect("it has code");
    let size = lines.find_map(|line| line.strip_prefix("Rss:")).expect("it has a size");
    size.trim().trim_end_matches(" kB").parse().expect("a number")
}
