//! Admission plugins of the API server, as they act on a new Pod: `DefaultTolerationSeconds`,
//! `Priority`, `RuntimeClass` and `ServiceAccount`.
//!
//! PriorityClasses and RuntimeClasses are not served, so a name of one is taken as it is (a warning
//! says that it has no effect): manifests name classes that a cluster has, and a pod that is
//! refused for that would never run here. The two built-in priority classes are known.

use crate::omitempty::{items, text};
use crate::refused::Refused;
use k8s_openapi::api::core::v1::{Pod, PodSpec, Toleration};

const EVICTION_SECONDS: i64 = 300;
const PREEMPTION_POLICY: &str = "PreemptLowerPriority";

/// The error 403 of a plugin, if one refuses the Pod. To be asked before [`super::pod`], as the API
/// server does.
pub fn refusal(pod: &Pod) -> Option<Refused> {
    let spec = pod.spec.as_ref()?;
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let why = wrong_priority(spec).or_else(|| overhead_without_class(spec))?;
    Some(Refused::Forbidden(format!("pods {name:?} is forbidden: {why}")))
}

/// A Pod stays five minutes on a node that stopped answering, unless it says otherwise.
pub(super) fn add_tolerations(spec: &mut PodSpec) {
    for taint in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let tolerates = |toleration: &Toleration| {
            ["", taint].contains(&text(&toleration.key))
                && ["", "NoExecute"].contains(&text(&toleration.effect))
        };
        if !items(&spec.tolerations).iter().any(tolerates) {
            spec.tolerations.get_or_insert_default().push(Toleration {
                key: Some(taint.into()),
                operator: Some("Exists".into()),
                effect: Some("NoExecute".into()),
                toleration_seconds: Some(EVICTION_SECONDS),
                value: None,
            });
        }
    }
}

/// Gives a Pod with a projected token the account `default`, unless it names another: a token is a
/// service account's.
pub(super) fn add_service_account(spec: &mut PodSpec) {
    let sources = items(&spec.volumes).iter().filter_map(|volume| volume.projected.as_ref());
    let mut sources = sources.flat_map(|projected| items(&projected.sources));
    let names = [&spec.service_account_name, &spec.service_account];
    let is_unnamed = names.into_iter().all(|name| text(name).is_empty());
    if is_unnamed && sources.any(|source| source.service_account_token.is_some()) {
        spec.service_account_name = Some("default".into());
    }
}

pub(super) fn add_priority(spec: &mut PodSpec) {
    let priority = class_priority(text(&spec.priority_class_name)).unwrap_or_default();
    spec.priority.get_or_insert(priority);
    spec.preemption_policy.get_or_insert_with(|| PREEMPTION_POLICY.into());
}

/// The priority of a class; `None` if only a cluster would know it.
fn class_priority(class: &str) -> Option<i32> {
    match class {
        "" => Some(0),
        "system-cluster-critical" => Some(2_000_000_000),
        "system-node-critical" => Some(2_000_001_000),
        _ => None,
    }
}

fn wrong_priority(spec: &PodSpec) -> Option<String> {
    let priority = class_priority(text(&spec.priority_class_name))?;
    if let Some(written) = spec.priority.filter(|written| *written != priority) {
        return Some(format!(
            "the integer value of priority ({written}) must not be provided in pod spec; priority \
             admission controller computed {priority} from the given PriorityClass name"
        ));
    }
    let written =
        spec.preemption_policy.as_ref().filter(|written| *written != PREEMPTION_POLICY)?;
    Some(format!(
        "the string value of PreemptionPolicy ({written}) must not be provided in pod spec; \
         priority admission controller computed {PREEMPTION_POLICY} from the given PriorityClass \
         name"
    ))
}

fn overhead_without_class(spec: &PodSpec) -> Option<String> {
    let has_overhead = spec.overhead.as_ref().is_some_and(|overhead| !overhead.is_empty());
    (has_overhead && spec.runtime_class_name.is_none()).then(|| {
        "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead".into()
    })
}
