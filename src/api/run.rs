//! Runs of CronJobs, as shown by `cronlet history`.

use crate::time::Timestamp;

/// A slot of a CronJob and its outcome, kept longer than its Job.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    pub namespace: String,
    pub cron_job: String,
    /// The slot: the time that the schedule set. For a manual run, the time of the request.
    pub scheduled: Timestamp,
    /// The Job's name; empty if none was created.
    pub job: String,
    pub outcome: Outcome,
    /// First start of a container.
    pub started: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    /// Exit code of the last container that ended.
    pub exit_code: Option<i32>,
    /// The number of pods created and of container restarts, together.
    pub attempts: u32,
    /// The reason if it did not succeed.
    pub message: String,
    pub manual: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Outcome {
    Running,
    Succeeded,
    Failed,
    /// No Job was created: overlap under `Forbid`, a deadline missed.
    Skipped,
    /// Deleted while it ran (`Replace`, or by hand).
    Replaced,
}
