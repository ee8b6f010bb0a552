//! Pods to completion per second, each a `true`, with durable records.

use super::Size;
use super::common::daemon::{Daemon, has_condition};
use super::table::Table;
use std::process::Command;
use std::time::Instant;

const AT_ONCE: usize = 32;

pub fn measure(size: &Size, table: &mut Table) {
    let count = size.pods;
    table.section(&format!("`true` to completion, {count} times, per second"));
    let ours = count as f64 / by_cronlet(count);
    table.line("cronlet, one Job", &format!("{ours:.0}/s"));
    let begun = Instant::now();
    for _ in 0..count {
        Command::new("/bin/true").status().expect("true runs");
    }
    let bare = count as f64 / begun.elapsed().as_secs_f64();
    table.peer("bare spawn and wait", &format!("{bare:.0}/s"), ours, bare);
    table.aim("at least half of a bare spawn and wait", ours * 2.0 >= bare);
}

/// The seconds that it takes, from the request until the Job is seen to be complete.
fn by_cronlet(count: usize) -> f64 {
    let daemon = Daemon::start_with(&[]);
    let manifest = daemon.path("many.yaml");
    let text = format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: many}}\nspec: {{completions: {count}, \
         parallelism: {AT_ONCE}, template: {{spec: {{restartPolicy: Never, containers: [{{name: t, \
         image: busybox, command: [/bin/true]}}]}}}}}}\n"
    );
    std::fs::write(&manifest, text).expect("a manifest is written");
    let begun = Instant::now();
    daemon.tell(&["apply", "-f", &manifest.to_string_lossy()]);
    let job = daemon.ended_job("many");
    assert!(has_condition(&job, "Complete"), "{job:#}");
    begun.elapsed().as_secs_f64()
}
