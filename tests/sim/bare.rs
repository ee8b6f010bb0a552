//! What a run leaves, by a loop that decides nothing: its objects are copied as often as they
//! change, written out and committed. A simulated run can come near this, and not below it.

use crate::cpu_seconds;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::Pod;
use redb::backends::InMemoryBackend;
use redb::{Database, TableDefinition};
use serde::Serialize;

const ROWS: TableDefinition<u64, &[u8]> = TableDefinition::new("rows");

/// So many are kept.
const ROWS_MAX: u64 = 1000;

/// A run's objects at its end, as a daemon showed them.
struct Objects {
    cron_job: CronJob,
    job: Job,
    pod: Pod,
}

/// Runs for each second of this thread's CPU, where so many of them make so many commits.
pub fn rate(runs: u64, commits: u64) -> f64 {
    let objects = Objects {
        cron_job: serde_json::from_str(include_str!("cron_job.json")).expect("a CronJob"),
        job: serde_json::from_str(include_str!("job.json")).expect("a Job"),
        pod: serde_json::from_str(include_str!("pod.json")).expect("a Pod"),
    };
    let database = cronlet_engine::store::builder().create_with_backend(InMemoryBackend::new());
    let database = database.expect("a database in memory");
    let begun = cpu_seconds();
    let (mut row, mut number) = (Vec::new(), 0);
    for run in 0..runs {
        write_run(&objects, &mut row);
        while number < (run + 1) * commits / runs {
            number += 1;
            commit(&database, number, &row).expect("memory does not fail");
            row.clear();
        }
    }
    runs as f64 / (cpu_seconds() - begun)
}

/// A CronJob's status with the run and without it; a Job that is made, starts and ends; a pod that
/// is made, starts, ends and is counted. What is deleted leaves nothing.
fn write_run(Objects { cron_job, job, pod }: &Objects, row: &mut Vec<u8>) {
    let (cron_job, job, pod) = (cron_job.clone(), job.clone(), pod.clone());
    write(&cron_job.status, row);
    write(&job, row);
    write(&pod, row);
    let (job, pod) = (job.clone(), pod.clone());
    write(&job.status, row);
    write(&pod.status, row);
    let (cron_job, job, pod) = (cron_job.clone(), job.clone(), pod.clone());
    write(&cron_job.status, row);
    write(&job.status, row);
    write(&pod, row);
}

fn write(value: &impl Serialize, row: &mut Vec<u8>) {
    serde_json::to_writer(row, value).expect("Kubernetes' types always serialize");
}

fn commit(database: &Database, number: u64, row: &[u8]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut rows = transaction.open_table(ROWS)?;
        rows.insert(number, row)?;
        if let Some(old) = number.checked_sub(ROWS_MAX) {
            rows.remove(old)?;
        }
    }
    Ok(transaction.commit()?)
}
