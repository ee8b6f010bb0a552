//! Annotations of a Deployment and its ReplicaSets that say something of one object alone.

use crate::annotations::COUNTS;

pub const REVISION: &str = "deployment.kubernetes.io/revision";
pub const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// `spec.replicas` of the Deployment when its set was sized last.
pub const DESIRED_REPLICAS: &str = "deployment.kubernetes.io/desired-replicas";
/// The same with `maxSurge`.
pub const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The revision to go back to; 0 for the one before.
pub const ROLLBACK_TO: &str = "deprecated.deployment.rollback.to";

/// Annotations of a Deployment or ReplicaSet that say something of it alone.
pub fn is_own(annotation: &str) -> bool {
    [LAST_APPLIED, REVISION, REVISION_HISTORY, DESIRED_REPLICAS, MAX_REPLICAS].contains(&annotation)
        || annotation == ROLLBACK_TO
        || COUNTS.contains(&annotation)
}
