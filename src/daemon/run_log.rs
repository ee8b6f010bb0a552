//! The log's lines: one at the start of a run, one at its end, and every warning.

use cronlet_api::run::{Outcome, Run};
use cronlet_api::time::{Clock, SignedDuration, SystemClock};
use cronlet_engine::LoggedEvent;
use cronlet_plan::plan::Severity;
use cronlet_server::Metrics;
use std::fmt::Write;

/// Logs what a turn committed, and counts it.
pub(crate) fn turn(runs: &[Run], notes: &[LoggedEvent], metrics: &Metrics) {
    metrics.observe(runs, notes, SystemClock.now());
    runs.iter().for_each(log_run);
    notes.iter().for_each(log_note);
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

fn log_note(told: &LoggedEvent) {
    match (line(told), told.note.severity) {
        (Some(line), Severity::Warning) => tracing::warn!("{line}"),
        (Some(line), Severity::Normal) => tracing::debug!("{line}"),
        (None, _) => {}
    }
}

/// What is said over and over is logged the first, second, fourth, eighth time and so on: a probe
/// that fails every second shall not bury the rest.
fn line(LoggedEvent { about, note, count }: &LoggedEvent) -> Option<String> {
    let again = if *count > 1 { format!(" (x{count})") } else { String::new() };
    let is_logged = count.cast_unsigned().is_power_of_two();
    is_logged.then(|| format!("{about}: {}: {}{again}", note.reason, note.message))
}

/// An error and what caused it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(line, ": {error}").expect("writing to a String");
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use cronlet_api::kind::{Key, Kind};
    use cronlet_plan::plan::EventDraft;

    #[test]
    fn what_is_said_over_and_over_is_logged_ever_more_seldom() {
        let line = |count| {
            let (severity, reason) = (Severity::Warning, "Unhealthy");
            let (message, field_path) = ("no".to_owned(), String::new());
            let note = EventDraft { severity, reason, message, field_path }.into();
            line(&LoggedEvent { about: Key::new(Kind::Pod, "default", "web"), note, count })
        };
        let lines: Vec<String> = (1..=9).filter_map(line).collect();
        let said = "pod/web in default: Unhealthy: no";
        let want = ["", " (x2)", " (x4)", " (x8)"].map(|again| format!("{said}{again}"));
        assert_eq!(lines, want);
    }
}
