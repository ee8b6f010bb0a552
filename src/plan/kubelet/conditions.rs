//! A pod's conditions, with the kubelet's reasons and messages, in its order.

use super::containers::{Containers, Role};
use super::phase::Phase;
use cronlet_api::time::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The conditions that this module writes; others in the status are kept, before these.
const OWN: [&str; 5] =
    ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];

/// One condition, less its times.
struct Finding {
    status: bool,
    reason: &'static str,
    message: String,
}

impl Finding {
    fn yes() -> Finding {
        Finding { status: true, reason: "", message: String::new() }
    }

    fn no(reason: &'static str, message: String) -> Finding {
        Finding { status: false, reason, message }
    }
}

/// The pod's phase, and the one that it comes to once its containers have ended.
#[derive(Clone, Copy)]
pub struct Phases {
    pub now: Phase,
    pub next: Phase,
}

/// Returns all conditions of a bound pod. `statuses` stand in the order of `containers.members`;
/// `now` is in whole seconds.
pub fn conditions(
    pod: &Pod,
    containers: &Containers,
    statuses: &[ContainerStatus],
    phases: Phases,
    now: Timestamp,
) -> Vec<PodCondition> {
    let old = pod.status.as_ref().and_then(|status| status.conditions.as_deref());
    let old = old.unwrap_or_default();
    let mut all: Vec<PodCondition> =
        old.iter().filter(|condition| !OWN.contains(&&*condition.type_)).cloned().collect();
    let phase = phases.next;
    let all_ready = containers_ready(containers, statuses, phase);
    let findings = [
        ready_to_start(statuses, phases.now),
        initialized(containers, statuses, phase),
        ready(pod, &all, &all_ready, phase),
        all_ready,
        Finding::yes(),
    ];
    for (type_, finding) in OWN.into_iter().zip(findings) {
        all.push(condition(old, type_, finding, pod.metadata.generation, now));
    }
    all
}

/// `PodScheduled` of a pod that has to wait before it is bound.
pub fn unscheduled(
    pod: &Pod,
    reason: &'static str,
    message: String,
    now: Timestamp,
) -> PodCondition {
    let old = pod.status.as_ref().and_then(|status| status.conditions.as_deref());
    let finding = Finding::no(reason, message);
    condition(old.unwrap_or_default(), "PodScheduled", finding, pod.metadata.generation, now)
}

/// `PodScheduled` of a pod that is being bound. As the scheduler's, it names no generation.
pub fn scheduled(pod: &Pod, now: Timestamp) -> PodCondition {
    let old = pod.status.as_ref().and_then(|status| status.conditions.as_deref());
    condition(old.unwrap_or_default(), "PodScheduled", Finding::yes(), None, now)
}

fn condition(
    old: &[PodCondition],
    type_: &'static str,
    finding: Finding,
    generation: Option<i64>,
    now: Timestamp,
) -> PodCondition {
    let status = if finding.status { "True" } else { "False" };
    let same = old.iter().find(|old| old.type_ == type_ && old.status == status);
    let since = same.and_then(|old| old.last_transition_time.clone());
    PodCondition {
        last_probe_time: None,
        last_transition_time: Some(since.unwrap_or(Time(now))),
        message: (!finding.message.is_empty()).then_some(finding.message),
        observed_generation: generation,
        reason: (!finding.reason.is_empty()).then(|| finding.reason.to_owned()),
        status: status.to_owned(),
        type_: type_.to_owned(),
    }
}

/// Is there a place for containers to run in? From the first that runs to the pod's end.
fn ready_to_start(statuses: &[ContainerStatus], phase: Phase) -> Finding {
    let begun = statuses.iter().any(|status| status.container_id.is_some());
    Finding { status: begun && !phase.is_terminal(), ..Finding::yes() }
}

fn initialized(containers: &Containers, statuses: &[ContainerStatus], phase: Phase) -> Finding {
    if phase == Phase::Succeeded {
        return Finding { reason: "PodCompleted", ..Finding::yes() };
    }
    let pairs = containers.members.iter().zip(statuses);
    let incomplete = pairs.filter(|(member, status)| match member.role {
        Role::Init => !status.ready,
        Role::Sidecar => status.started != Some(true),
        Role::Main => false,
    });
    let names: Vec<&str> = incomplete.map(|(_, status)| status.name.as_str()).collect();
    if names.is_empty() || containers.mains_begun() {
        return Finding::yes();
    }
    let message = format!("containers with incomplete status: [{}]", names.join(" "));
    Finding::no("ContainersNotInitialized", message)
}

fn containers_ready(
    containers: &Containers,
    statuses: &[ContainerStatus],
    phase: Phase,
) -> Finding {
    if let Some(finding) = over(phase) {
        return finding;
    }
    let pairs = containers.members.iter().zip(statuses);
    let unready = pairs.filter(|(member, status)| member.role != Role::Init && !status.ready);
    let names: Vec<&str> = unready.map(|(_, status)| status.name.as_str()).collect();
    if names.is_empty() {
        return Finding::yes();
    }
    let message = format!("containers with unready status: [{}]", names.join(" "));
    Finding::no("ContainersNotReady", message)
}

/// What both readiness conditions say of a pod that has come to its end.
fn over(phase: Phase) -> Option<Finding> {
    match phase {
        Phase::Succeeded => Some(Finding::no("PodCompleted", String::new())),
        Phase::Failed => Some(Finding::no("PodFailed", String::new())),
        Phase::Pending | Phase::Running => None,
    }
}

/// Ready are a pod's containers and every gate of its own (`spec.readinessGates`).
fn ready(pod: &Pod, others: &[PodCondition], containers: &Finding, phase: Phase) -> Finding {
    if let Some(finding) = over(phase) {
        return finding;
    }
    if !containers.status {
        return Finding::no(containers.reason, containers.message.clone());
    }
    let gates = pod.spec.iter().flat_map(|spec| spec.readiness_gates.iter().flatten());
    let shut: Vec<String> = gates
        .filter_map(|gate| {
            let name = &gate.condition_type;
            match others.iter().find(|condition| condition.type_ == *name) {
                Some(condition) if condition.status == "True" => None,
                Some(condition) => Some(format!(
                    "the status of pod readiness gate {name:?} is not \"True\", but {}",
                    condition.status
                )),
                None => Some(format!(
                    "corresponding condition of pod readiness gate {name:?} does not exist."
                )),
            }
        })
        .collect();
    if shut.is_empty() {
        return Finding::yes();
    }
    Finding::no("ReadinessGatesNotReady", shut.join(", "))
}
