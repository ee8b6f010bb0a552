//! The simulated runs as a table, JSON, YAML or names, and how fast time went.

use super::tally::{Line, Sum, Tally};
use super::{Format, Scene, Subject};
use crate::times::{how_long, local};
use crate::{output, table, yaml};
use cronlet_api::time::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub(super) fn text(format: Format, scene: &Scene, tally: &Tally) -> String {
    match format {
        Format::Table => tables(scene, tally),
        Format::Json => output::indented(&value(scene, tally)),
        Format::Yaml => yaml::document(&value(scene, tally)),
        Format::Name => {
            let jobs = tally.lines.iter().map(|line| &line.run.job).filter(|job| !job.is_empty());
            jobs.map(|job| format!("job.batch/{job}\n")).collect()
        }
    }
}

/// What was assumed, and how much faster than life it went.
pub(super) fn speed(scene: &Scene, tally: &Tally, seconds: f64) -> String {
    let simulated = tally.stopped_at.unwrap_or(scene.to).duration_since(scene.from);
    let ratio = simulated.as_secs_f64() / seconds.max(1e-6);
    format!(
        "{} simulated in {seconds:.3} s, {} times real speed; assumed: each program runs as long \
         as ASSUMED says (--duration) and succeeds",
        how_long(simulated),
        thousands(ratio as u64),
    )
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn tables(scene: &Scene, tally: &Tally) -> String {
    let heads = ["SCHEDULED", "UTC", "CRONJOB", "JOB", "START", "END", "OUTCOME", "NOTE"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    rows.extend(tally.lines.iter().map(|line| row(scene, line)));
    let mut text = trimmed(&rows);
    text.push('\n');
    let heads = ["CRONJOB", "POLICY", "ASSUMED", "RUNS", "OVERLAPS", "SKIPS", "REPLACED", "FAILED"];
    let mut head = heads.map(str::to_owned).to_vec();
    head.push("MOST AT ONCE".to_owned());
    let mut rows = vec![head];
    for (subject, sum) in &tally.sums {
        let words = [name(scene, subject), policy(subject).to_owned(), length(subject.duration)];
        rows.push(sum_row(words, sum));
    }
    rows.push(sum_row(["all".to_owned(), String::new(), String::new()], &tally.total));
    text.push_str(&trimmed(&rows));
    text
}

fn trimmed(rows: &[Vec<String>]) -> String {
    table::table(rows).lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn row(scene: &Scene, line: &Line) -> Vec<String> {
    let run = &line.run;
    let time = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), utc);
    vec![
        local(run.scheduled, line.subject.timing.zone),
        utc(run.scheduled),
        name(scene, line.subject),
        if run.job.is_empty() { "-".to_owned() } else { run.job.clone() },
        time(run.started),
        time(run.ended),
        line.outcome().to_owned(),
        line.notes.join("; "),
    ]
}

fn sum_row(words: [String; 3], sum: &Sum) -> Vec<String> {
    let Sum { runs, overlaps, skips, replaced, failed, most_at_once } = sum;
    let counts = [runs, overlaps, skips, replaced, failed, most_at_once];
    words.into_iter().chain(counts.map(ToString::to_string)).collect()
}

fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// With the namespace where there are several.
fn name(scene: &Scene, subject: &Subject) -> String {
    let Subject { namespace, name, .. } = subject;
    let several = scene.subjects.iter().any(|other| other.namespace != *namespace);
    if several { format!("{namespace}/{name}") } else { name.clone() }
}

fn policy(subject: &Subject) -> &str {
    subject.cron_job.spec.concurrency_policy.as_deref().unwrap_or("Allow")
}

fn length(duration: SignedDuration) -> String {
    let is_whole = duration.subsec_nanos() == 0;
    if is_whole { how_long(duration) } else { format!("{}s", duration.as_secs_f64()) }
}

fn value(scene: &Scene, tally: &Tally) -> Value {
    let runs: Vec<Value> = tally.lines.iter().map(line_value).collect();
    let cron_jobs: Vec<Value> =
        tally.sums.iter().map(|(subject, sum)| sum_value(subject, sum)).collect();
    let mut value = json!({
        "from": scene.from,
        "to": scene.to,
        "runs": runs,
        "cronJobs": cron_jobs,
        "total": tally.total,
    });
    if let Some(at) = tally.stopped_at {
        value["stoppedAt"] = json!(at);
    }
    value
}

fn line_value(line: &Line) -> Value {
    let run = &line.run;
    json!({
        "namespace": run.namespace,
        "cronJob": run.cron_job,
        "scheduled": run.scheduled,
        "local": local(run.scheduled, line.subject.timing.zone),
        "job": run.job,
        "started": run.started,
        "ended": run.ended,
        "outcome": line.outcome(),
        "overlaps": line.overlaps,
        "overlapped": line.overlapped,
        "note": line.notes.join("; "),
    })
}

fn sum_value(subject: &Subject, sum: &Sum) -> Value {
    let mut value = json!(sum);
    value["namespace"] = json!(subject.namespace);
    value["name"] = json!(subject.name);
    value["timeZone"] = json!(subject.timing.zone.name());
    value["dst"] = json!(subject.timing.dst);
    value["concurrencyPolicy"] = json!(policy(subject));
    value["suspended"] = json!(subject.suspended);
    value["assumedSeconds"] = json!(subject.duration.as_secs_f64());
    value
}
