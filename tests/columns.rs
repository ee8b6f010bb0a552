//! Tables against what kubectl printed in the recorded scenarios.

use cronlet_api::kind::{Kind, Object};
use cronlet_api::time::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;

mod common;

const SCENARIOS: &[&str] = &[
    "cron-forbid",
    "cron-history",
    "job-complete",
    "job-fail-never",
    "job-indexed",
    "job-suspend-resume",
    "kubectl-misc",
    "pod-crashloop",
    "pod-init-sidecar",
    "probe-liveness",
];

/// Of every kind that cronlet knows: each row that kubectl printed is the row that cronlet makes of
/// the same objects.
#[test]
fn every_table_of_the_recordings() {
    let mut compared = 0;
    for scenario in SCENARIOS {
        let lines: Vec<Value> = common::recording(&format!("scenarios/{scenario}.jsonl"));
        let mut objects = BTreeMap::new();
        for line in &lines {
            match line["command"].as_str() {
                None => follow(&mut objects, line),
                Some(command) if command.starts_with("kubectl get ") => {
                    let now = wall(&lines, line["t"].as_f64().expect("seconds"));
                    compared += compare(scenario, &objects, line, now);
                }
                Some(_) => {}
            }
        }
    }
    assert!(compared > 20, "only {compared} rows were compared");
    println!("columns: {compared} rows as kubectl prints them");
}

fn follow(objects: &mut BTreeMap<(String, String), Object>, line: &Value) {
    let object = &line["object"];
    let kind = object["kind"].as_str().expect("a kind");
    let Some(info) = Kind::from_name(kind) else { return };
    let name = object["metadata"]["name"].as_str().expect("a name");
    let key = (info.info().plural.to_owned(), name.to_owned());
    if line["type"] == "DELETED" {
        objects.remove(&key);
    } else {
        let json = serde_json::to_vec(object).expect("JSON");
        objects.insert(key, info.read_json(&json).expect("an object"));
    }
}

/// The wall time of a moment of the recording, from the first object that was made in it.
fn wall(lines: &[Value], t: f64) -> Timestamp {
    let made = lines.iter().find(|line| line["type"] == "ADDED").expect("an object");
    let created = made["object"]["metadata"]["creationTimestamp"].as_str().expect("a time");
    let created: Timestamp = created.parse().expect("a time");
    let since = t - made["t"].as_f64().expect("seconds");
    created + SignedDuration::from_secs_f64(since)
}

/// How many rows were compared.
fn compare(
    scenario: &str,
    objects: &BTreeMap<(String, String), Object>,
    line: &Value,
    now: Timestamp,
) -> usize {
    let command = line["command"].as_str().expect("a command");
    let wide = command.contains("-o wide");
    let resources = command.split(' ').nth(2).expect("a resource");
    let tables = line["stdout"].as_str().expect("a text").split("\n\n");
    let mut compared = 0;
    for (resource, table) in resources.split(',').zip(tables) {
        let Some(kind) = Kind::from_name(resource) else { continue };
        let mut rows = table.lines();
        let Some(head) = rows.next() else { continue };
        let shown: Vec<usize> = (0..kind.columns().len())
            .filter(|at| wide || kind.columns()[*at].priority == 0)
            .collect();
        let names: Vec<String> =
            shown.iter().map(|at| kind.columns()[*at].name.to_uppercase()).collect();
        let starts: Vec<usize> =
            names.iter().map(|name| head.find(name.as_str()).expect("the column")).collect();
        assert_eq!(head.split("  ").filter(|part| !part.is_empty()).count(), names.len(), "{head}");
        for row in rows.filter(|row| !row.is_empty()) {
            let want: Vec<String> = split(row, &starts);
            let name = want[0].rsplit('/').next().expect("a name");
            let key = (kind.info().plural.to_owned(), name.to_owned());
            // Such as the certificates that a cluster puts into every namespace.
            let Some(object) = objects.get(&key) else { continue };
            let cells = object.cells(now);
            let mut got: Vec<String> = shown.iter().map(|at| cells[*at].to_string()).collect();
            got[0].clone_from(&want[0]);
            for ((got, want), name) in got.iter().zip(&want).zip(&names) {
                assert!(alike(got, want), "{scenario}: {command}: {name}: {got:?} not {want:?}");
            }
            compared += 1;
        }
    }
    compared
}

fn split(row: &str, starts: &[usize]) -> Vec<String> {
    let ends = starts.iter().skip(1).copied().chain([usize::MAX]);
    let cell = |(start, end): (&usize, usize)| {
        row.get(*start..end.min(row.len())).unwrap_or_default().trim().to_owned()
    };
    starts.iter().zip(ends).map(cell).collect()
}

/// Equal, or durations that differ by what the recording rounds away.
fn alike(got: &str, want: &str) -> bool {
    let seconds = |text: &str| {
        let text = text.trim_end_matches(" ago)").rsplit('(').next()?;
        let (minutes, seconds) = text.split_once('m').unwrap_or(("0", text));
        let seconds = seconds.strip_suffix('s').unwrap_or(seconds);
        let seconds: i64 = if seconds.is_empty() { 0 } else { seconds.parse().ok()? };
        Some(minutes.parse::<i64>().ok()? * 60 + seconds)
    };
    let first = |text: &str| text.split(' ').next().map(str::to_owned);
    if got == want {
        return true;
    }
    let is_count = |text: &str| text.contains('(');
    let close = match (seconds(got), seconds(want)) {
        (Some(got), Some(want)) => (got - want).abs() <= 2,
        _ => false,
    };
    close && got.ends_with(['s', 'm', ')']) && (!is_count(want) || first(got) == first(want))
}
