//! `spec.podFailurePolicy`: what a failed pod means for its Job.

use super::pods;
use k8s_openapi::api::batch::v1::{
    JobSpec, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyRule,
};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition};

/// What the policy makes of a pod's failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// No rule matches, or one with `Count`: it counts towards the backoff limit.
    Counts,
    /// It is as if it had not failed.
    Ignored,
    /// Its index fails without another try.
    FailsIndex,
    /// The whole Job fails, for the reason given.
    FailsJob(String),
}

/// The first rule that matches decides (`matchPodFailurePolicy`).
pub fn judge(spec: &JobSpec, pod: &Pod) -> Verdict {
    let rules = spec.pod_failure_policy.as_ref().map(|policy| policy.rules.as_slice());
    for (index, rule) in rules.unwrap_or_default().iter().enumerate() {
        let Some(matched) = matches(rule, pod) else { continue };
        return match rule.action.as_str() {
            "Ignore" => Verdict::Ignored,
            "FailIndex" => Verdict::FailsIndex,
            "FailJob" => Verdict::FailsJob(message(pod, &matched, &rule.action, index)),
            _ => Verdict::Counts,
        };
    }
    Verdict::Counts
}

/// Why the Job has to fail, if any of its pods says so (`getFailJobMessage`).
pub fn failed_job(spec: &JobSpec, pods: &[&Pod]) -> Option<String> {
    spec.pod_failure_policy.as_ref()?;
    pods.iter().filter(|pod| pods::is_failed(pod, spec)).find_map(|pod| match judge(spec, pod) {
        Verdict::FailsJob(message) => Some(message),
        _ => None,
    })
}

enum Matched<'a> {
    Exit { container: &'a str, code: i32 },
    Condition(&'a PodCondition),
}

fn matches<'a>(rule: &PodFailurePolicyRule, pod: &'a Pod) -> Option<Matched<'a>> {
    let status = pod.status.as_ref()?;
    if let Some(wanted) = &rule.on_exit_codes {
        let statuses = [&status.container_statuses, &status.init_container_statuses];
        let mut statuses = statuses.into_iter().flatten().flatten();
        return statuses.find_map(|status| exit_matches(wanted, status));
    }
    let patterns = rule.on_pod_conditions.as_deref()?;
    let mut conditions = status.conditions.iter().flatten();
    let fits = |condition: &PodCondition| {
        let want = |p: Option<&str>| condition.status == p.unwrap_or("True");
        patterns.iter().any(|p| p.type_ == condition.type_ && want(p.status.as_deref()))
    };
    conditions.find(|condition| fits(condition)).map(Matched::Condition)
}

/// Containers that ended well, or have not ended, match nothing.
fn exit_matches<'a>(
    wanted: &PodFailurePolicyOnExitCodesRequirement,
    status: &'a ContainerStatus,
) -> Option<Matched<'a>> {
    let code = status.state.as_ref()?.terminated.as_ref()?.exit_code;
    let named = wanted.container_name.as_ref().is_none_or(|name| *name == status.name);
    let listed = wanted.values.contains(&code);
    let fits = if wanted.operator == "NotIn" { !listed } else { listed };
    (named && code != 0 && fits).then_some(Matched::Exit { container: &status.name, code })
}

fn message(pod: &Pod, matched: &Matched, action: &str, index: usize) -> String {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    match matched {
        Matched::Exit { container, code } => format!(
            "Container {container} for pod {namespace}/{name} failed with exit code {code} \
             matching {action} rule at index {index}"
        ),
        Matched::Condition(condition) => format!(
            "Pod {namespace}/{name} has condition {} matching {action} rule at index {index}",
            condition.type_
        ),
    }
}
