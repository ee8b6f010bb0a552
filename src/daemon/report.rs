//! The log's lines: one at the start of a run, one at its end, and every warning.

use crate::kinds::Key;
use crate::kinds::action::{Note, Outcome, Run, Severity};
use crate::server::Metrics;
use crate::time::{Clock, SignedDuration, SystemClock};
use std::fmt::Write;
use std::sync::Arc;

/// Logs what a turn committed, and counts it.
pub fn turn(runs: &[Run], notes: &[(Key, Arc<Note>)], metrics: &Metrics) {
    metrics.observe(runs, notes, SystemClock.now());
    runs.iter().for_each(log_run);
    for (about, note) in notes {
        log_note(about, note);
    }
}

fn log_run(run: &Run) {
    let name = format!("{}/{}", run.namespace, run.cron_job);
    match run.outcome {
        Outcome::Running if run.started.is_none() => {}
        Outcome::Running if run.attempts > 1 => {
            tracing::info!(job = run.job, attempt = run.attempts, "{name} tries again");
        }
        Outcome::Running => {
            let late =
                run.started.map_or(SignedDuration::ZERO, |at| at.duration_since(run.scheduled));
            tracing::info!(job = run.job, late_ms = late.as_millis(), "{name} started");
        }
        Outcome::Succeeded => tracing::info!("{}", ended(&name, run, "succeeded")),
        Outcome::Failed => tracing::error!("{}", ended(&name, run, "failed")),
        Outcome::Replaced => tracing::warn!("{}", ended(&name, run, "replaced")),
        Outcome::Skipped => {
            tracing::warn!("{name} skipped its slot {}: {}", run.scheduled, run.message);
        }
    }
}

fn ended(name: &str, run: &Run, how: &str) -> String {
    let mut line = format!("{name} {how} (job {}", run.job);
    if let Some(code) = run.exit_code {
        write!(line, ", exit {code}").expect("writing to a String");
    }
    if let (Some(started), Some(ended)) = (run.started, run.ended) {
        let took = ended.duration_since(started);
        write!(line, ", took {:.3} s", took.as_secs_f64()).expect("writing to a String");
    }
    if run.attempts > 1 {
        write!(line, ", {} attempts", run.attempts).expect("writing to a String");
    }
    line.push(')');
    if !run.message.is_empty() {
        write!(line, ": {}", run.message).expect("writing to a String");
    }
    line
}

fn log_note(about: &Key, note: &Note) {
    match note.severity {
        Severity::Warning => tracing::warn!("{about}: {}: {}", note.reason, note.message),
        Severity::Normal => tracing::debug!("{about}: {}: {}", note.reason, note.message),
    }
}

/// An error and what caused it, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(line, ": {error}").expect("writing to a String");
        cause = error.source();
    }
    line
}
