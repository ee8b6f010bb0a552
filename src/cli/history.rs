//! `cronlet history`: every run of the CronJobs, kept beyond the Jobs themselves.

use super::client::{self, Client};
use super::failure::Failure;
use super::output::{self, Format};
use super::table;
use super::target::Scope;
use super::trigger::cron_job_name;
use anyhow::Context;
use cronlet_api::run::{Outcome, Run};
use cronlet_api::time::{SignedDuration, Timestamp};

/// Show what ran, when, how late, for how long, and how it ended
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this CronJob
    #[arg(value_name = "CRONJOB")]
    name: Option<String>,
    #[command(flatten)]
    scope: Scope,
    /// Only the latest runs
    #[arg(long, value_name = "COUNT")]
    tail: Option<usize>,
    /// How to show them
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    output: Format,
}

pub(crate) fn run(args: &Args, client: &Client) -> Result<(), Failure> {
    let base = "/apis/cronlet.dev/v1";
    let namespace = args.scope.namespace().map(client::escaped);
    let path = match (&args.name, namespace) {
        (Some(_), None) => {
            return Err(Failure::usage("a CronJob cannot be named across all namespaces"));
        }
        (Some(word), Some(namespace)) => {
            let name = client::escaped(&cron_job_name(word)?);
            format!("{base}/namespaces/{namespace}/cronjobs/{name}/runs")
        }
        (None, Some(namespace)) => format!("{base}/namespaces/{namespace}/runs"),
        (None, None) => format!("{base}/runs"),
    };
    let mut value = client.value(&path)?;
    let runs: Vec<Run> =
        serde_json::from_value(value["items"].clone()).context("the history cannot be read")?;
    let from = args.tail.map_or(0, |tail| runs.len().saturating_sub(tail));
    let runs = &runs[from..];
    match args.output {
        Format::Json | Format::Yaml => {
            value["items"] = serde_json::to_value(runs).context("a run cannot be shown")?;
            output::write_value(args.output, value)
        }
        Format::Name => {
            let jobs = runs.iter().filter(|run| !run.job.is_empty());
            output::write_text(
                &jobs.map(|run| format!("job.batch/{}\n", run.job)).collect::<String>(),
            )
        }
        Format::Table | Format::Wide => output::write_text(&text(args, runs)),
    }
}

fn text(args: &Args, runs: &[Run]) -> String {
    if runs.is_empty() {
        eprintln!("No runs found.");
        return String::new();
    }
    let wide = args.output == Format::Wide;
    let mut head = vec!["CRONJOB", "SCHEDULED", "LATENESS", "STARTED", "ENDED", "DURATION", "EXIT"];
    head.extend(["ATTEMPTS", "OUTCOME", "MESSAGE"]);
    if wide {
        head.insert(1, "JOB");
    }
    if args.scope.all_namespaces {
        head.insert(0, "NAMESPACE");
    }
    let mut rows = vec![head.into_iter().map(str::to_owned).collect()];
    rows.extend(runs.iter().map(|run| {
        let mut row = row(run);
        if wide {
            row.insert(1, run.job.clone());
        }
        if args.scope.all_namespaces {
            row.insert(0, run.namespace.clone());
        }
        row
    }));
    table::table(&rows)
}

fn row(run: &Run) -> Vec<String> {
    let time = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), seconds);
    let span = |from: Option<Timestamp>, to: Option<Timestamp>| match (from, to) {
        (Some(from), Some(to)) => duration(to.duration_since(from)),
        _ => "-".to_owned(),
    };
    let outcome = match run.outcome {
        Outcome::Running => "Running",
        Outcome::Succeeded => "Succeeded",
        Outcome::Failed => "Failed",
        Outcome::Skipped => "Skipped",
        Outcome::Replaced => "Replaced",
    };
    let manual = if run.manual { " (manual)" } else { "" };
    vec![
        run.cron_job.clone(),
        format!("{}{manual}", seconds(run.scheduled)),
        span(Some(run.scheduled), run.started),
        time(run.started),
        time(run.ended),
        span(run.started, run.ended),
        run.exit_code.map_or_else(|| "-".to_owned(), |code| code.to_string()),
        run.attempts.to_string(),
        outcome.to_owned(),
        run.message.clone(),
    ]
}

fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `4ms`, `1.25s`, `3m5s`, `2h0m`
fn duration(span: SignedDuration) -> String {
    let milliseconds = span.as_millis().max(0);
    let seconds = milliseconds / 1000;
    match seconds {
        0 => format!("{milliseconds}ms"),
        1..60 => format!("{:.2}s", milliseconds as f64 / 1000.0),
        60..3600 => format!("{}m{}s", seconds / 60, seconds % 60),
        _ => format!("{}h{}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        let check = |milliseconds: i64, want: &str| {
            assert_eq!(duration(SignedDuration::from_millis(milliseconds)), want);
        };
        check(-5, "0ms");
        check(4, "4ms");
        check(1_250, "1.25s");
        check(185_000, "3m5s");
        check(7_260_000, "2h1m");
    }
}
