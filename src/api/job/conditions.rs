//! `status.conditions` of a Job: their changes, and the end of the Job that they record.

use crate::time::Timestamp;
use k8s_openapi::api::batch::v1::{Job, JobCondition, JobStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Reasons for the end of a Job (`JobReason*`).
const REASONS: &[&str] = &[
    "BackoffLimitExceeded",
    "CompletionsReached",
    "DeadlineExceeded",
    "FailedIndexes",
    "MaxFailedIndexesExceeded",
    "PodFailurePolicy",
    "SuccessPolicy",
];

/// The decided end of a Job, perhaps not yet carried out: pods may still have to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub succeeded: bool,
    /// Kubernetes' word, one of `REASONS`.
    pub reason: &'static str,
    pub message: String,
}

impl Verdict {
    pub fn failure(reason: &'static str, message: &str) -> Verdict {
        Verdict { succeeded: false, reason, message: message.to_owned() }
    }

    pub fn success(reason: &'static str, message: &str) -> Verdict {
        Verdict { succeeded: true, reason, message: message.to_owned() }
    }

    /// Returns the condition that announces the end: no more pods are created.
    pub fn target(&self) -> &'static str {
        if self.succeeded { "SuccessCriteriaMet" } else { "FailureTarget" }
    }

    /// Returns the condition of the end: no pod is left.
    pub fn end(&self) -> &'static str {
        if self.succeeded { "Complete" } else { "Failed" }
    }
}

/// Returns the verdict that an earlier plan recorded.
pub fn announced(status: &JobStatus) -> Option<Verdict> {
    let find = |kind| find_true(status, kind);
    let (condition, succeeded) = match find("SuccessCriteriaMet") {
        Some(condition) => (condition, true),
        None => (find("FailureTarget")?, false),
    };
    let reason = condition.reason.as_deref().unwrap_or_default();
    Some(Verdict {
        succeeded,
        reason: REASONS.iter().copied().find(|known| *known == reason).unwrap_or("Unknown"),
        message: condition.message.clone().unwrap_or_default(),
    })
}

/// Returns `Complete` or `Failed`, once the Job has it.
pub fn end(job: &Job) -> Option<&JobCondition> {
    let status = job.status.as_ref()?;
    find_true(status, "Complete").or_else(|| find_true(status, "Failed"))
}

/// Writes a condition; returns true if it changed. An absent condition that shall be `False` stays
/// absent.
pub fn ensure(
    status: &mut JobStatus,
    kind: &str,
    is: bool,
    reason: &str,
    message: &str,
    now: Timestamp,
) -> bool {
    let word = if is { "True" } else { "False" };
    let present = status.conditions.iter_mut().flatten().find(|one| one.type_ == kind);
    if present.as_ref().map_or(!is, |condition| condition.status == word) {
        return false;
    }
    let changed = JobCondition {
        type_: kind.to_owned(),
        status: word.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_probe_time: Some(Time(now)),
        last_transition_time: Some(Time(now)),
    };
    match present {
        Some(condition) => *condition = changed,
        None => status.conditions.get_or_insert_default().push(changed),
    }
    true
}

fn find_true<'a>(status: &'a JobStatus, kind: &str) -> Option<&'a JobCondition> {
    status.conditions.iter().flatten().find(|one| one.type_ == kind && one.status == "True")
}

/// True if the status has the condition and it is `True`.
pub fn is_true(status: &JobStatus, kind: &str) -> bool {
    find_true(status, kind).is_some()
}
