//! Schedules against the recorded answers of Kubernetes' own cron library, and against themselves in every zone.

use cronlet::kinds::action::Dst;
use cronlet::kinds::cron_job::schedule::{Schedule, Zone};
use cronlet::time::Timestamp;

mod common;

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    schedule: String,
    time_zone: String,
    from: Timestamp,
    next: Vec<Timestamp>,
}

#[test]
fn every_recorded_answer_of_kubernetes() {
    let Some(path) = common::oracle("schedules.jsonl") else { return };
    let text = std::fs::read_to_string(path).expect("the oracle is readable");
    let rows: Vec<Row> =
        text.lines().map(|line| serde_json::from_str(line).expect("a row of the oracle")).collect();
    let wrong: Vec<&Row> = rows.iter().filter(|row| answer(row) != row.next).collect();
    for row in wrong.iter().take(20) {
        println!("{:?} in {} from {}:", row.schedule, row.time_zone, row.from);
        println!("  Kubernetes {:?}\n  cronlet    {:?}", row.next, answer(row));
    }
    println!("schedules: {} of {} rows as Kubernetes", rows.len() - wrong.len(), rows.len());
    assert!(!rows.is_empty() && wrong.is_empty(), "{} rows differ", wrong.len());
}

fn answer(row: &Row) -> Vec<Timestamp> {
    let schedule = Schedule::parse(&row.schedule).expect("Kubernetes reads it");
    let zone = Zone::load(&row.time_zone).expect("Kubernetes knows it");
    schedule.upcoming(row.from, &zone, Dst::Kubernetes).take(row.next.len()).collect()
}
