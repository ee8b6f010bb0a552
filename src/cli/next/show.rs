//! The coming times as a table, JSON or YAML, with what the clock changes did to them.

use super::{Args, Format, Source};
use crate::times::{how_long, local, time, wall_time};
use crate::{output, table, yaml};
use cronlet_api::cron_job::schedule::Shift;
use cronlet_api::settings::Dst;
use cronlet_api::time::Timestamp;
use serde_json::{Value, json};

pub(super) fn text(args: &Args, sources: &[Source], now: Timestamp) -> anyhow::Result<String> {
    let mut shown = Vec::new();
    for source in sources {
        let from = match &args.from {
            Some(text) => time(text, &source.zone)?,
            None => now,
        };
        shown.push((source, from));
    }
    let count = args.count as usize;
    if args.output == Format::Table {
        let table = table::table(&rows(&shown, count));
        return Ok(table.lines().map(|line| format!("{}\n", line.trim_end())).collect());
    }
    let mut values: Vec<Value> =
        shown.iter().map(|(source, from)| value(source, *from, count)).collect();
    let value = if args.schedule.is_some() { values.remove(0) } else { Value::Array(values) };
    Ok(match args.output {
        Format::Yaml => yaml::document(&value),
        _ => output::indented(&value),
    })
}

fn rows(shown: &[(&Source, Timestamp)], count: usize) -> Vec<Vec<String>> {
    let named = shown.iter().any(|(source, _)| !source.name.is_empty());
    let mut rows = vec![["NAME", "LOCAL TIME", "UTC", "IN", "NOTE"].map(str::to_owned).to_vec()];
    for (source, from) in shown {
        let runs = runs(source, *from, count);
        for run in &runs {
            rows.push(vec![
                source.name.clone(),
                local(run.at, source.zone),
                run.at.to_string(),
                how_long(run.at.duration_since(*from)),
                note(source, run),
            ]);
        }
        if runs.is_empty() {
            let never = if source.schedule.is_reboot() {
                "at the daemon's first start after a boot"
            } else {
                "never in the next five years"
            };
            rows.push([source.name.as_str(), "-", "-", "-", never].map(str::to_owned).to_vec());
        }
    }
    if !named {
        rows.iter_mut().for_each(|row| drop(row.remove(0)));
    }
    rows
}

fn value(source: &Source, from: Timestamp, count: usize) -> Value {
    let runs = runs(source, from, count);
    let mut value = json!({
        "schedule": source.text,
        "timeZone": source.zone.name(),
        "dst": source.dst,
        "from": from,
        "next": runs.iter().map(|run| run.at).collect::<Vec<_>>(),
        "runs": runs.iter().map(|run| json!({
            "at": run.at,
            "local": local(run.at, source.zone),
            "note": note(source, run),
        })).collect::<Vec<_>>(),
    });
    if !source.name.is_empty() {
        value["name"] = json!(source.name);
        value["suspended"] = json!(source.suspended);
    }
    value
}

struct Run {
    at: Timestamp,
    shift: Option<Shift>,
    /// Fixed times since the run before that a change of the clocks leaves out.
    skipped: Vec<Timestamp>,
}

fn runs(source: &Source, from: Timestamp, count: usize) -> Vec<Run> {
    let Source { schedule, zone, dst, .. } = source;
    let mut before = from;
    let mut runs = Vec::new();
    for at in schedule.upcoming(from, zone, *dst).take(count) {
        let mut skipped = Vec::new();
        if *dst == Dst::Kubernetes {
            // Between two runs there is nothing but what Kubernetes leaves out, and that is little.
            let made_up = schedule.upcoming(before, zone, Dst::Once);
            skipped.extend(made_up.take_while(|other| *other < at).take(SKIPPED_MAX));
        }
        runs.push(Run { at, shift: schedule.shift(at, zone), skipped });
        before = at;
    }
    runs
}

/// So many skipped times are named before a run.
const SKIPPED_MAX: usize = 3;

fn note(source: &Source, run: &Run) -> String {
    let mut notes = Vec::new();
    for skipped in &run.skipped {
        let time = match source.schedule.shift(*skipped, &source.zone) {
            Some(Shift::Moved { wall }) => wall_time(wall),
            _ => local(*skipped, source.zone),
        };
        notes.push(format!("a clock change skips {time}"));
    }
    match run.shift {
        Some(Shift::Moved { wall }) if source.dst == Dst::Once => {
            notes.push(format!("moved: a clock change skips {}", wall_time(wall)));
        }
        Some(Shift::FirstPass) => notes.push("first of two passes of the clock".into()),
        Some(Shift::SecondPass) => notes.push("second pass of the clock".into()),
        _ => {}
    }
    if source.suspended {
        notes.push("suspended".into());
    }
    notes.join("; ")
}
