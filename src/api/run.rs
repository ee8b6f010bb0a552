//! Runs of CronJobs: what `cronlet history` shows.

use crate::time::Timestamp;

/// One slot of a CronJob and what became of it: kept beyond the Job's own life.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    pub namespace: String,
    pub cron_job: String,
    /// The slot: when the schedule wanted the run. For a manual run, when it was asked for.
    pub scheduled: Timestamp,
    /// The Job's name; empty where none was made.
    pub job: String,
    pub outcome: Outcome,
    /// First start of a container.
    pub started: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    /// Exit code of the last container that ended.
    pub exit_code: Option<i32>,
    /// Pods made and container restarts, together.
    pub attempts: u32,
    /// Why, where it did not succeed.
    pub message: String,
    pub manual: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Outcome {
    Running,
    Succeeded,
    Failed,
    /// No Job was made: overlap under `Forbid`, a deadline missed.
    Skipped,
    /// Deleted while it ran (`Replace`, or by hand).
    Replaced,
}
