//! A pod's phase, from its containers' statuses, as the kubelet's `getPhase`.

use super::containers::{ContainerView, Containers, Role};
use k8s_openapi::api::core::v1::ContainerStatus;

/// `status.phase`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Pending,
    Running,
    Succeeded,
    Failed,
}

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Phase::Pending => "Pending",
            Phase::Running => "Running",
            Phase::Succeeded => "Succeeded",
            Phase::Failed => "Failed",
        }
    }

    /// Has the pod come to its end?
    pub fn is_terminal(self) -> bool {
        matches!(self, Phase::Succeeded | Phase::Failed)
    }
}

/// How many main containers stand how.
#[derive(Default)]
struct Count {
    waiting: usize,
    running: usize,
    stopped: usize,
    succeeded: usize,
    restarting: usize,
}

/// Returns the phase by the new statuses, which stand in the order of `containers.members`.
/// `ended` is true if nothing starts any more.
pub fn phase(containers: &Containers, statuses: &[ContainerStatus], ended: bool) -> Phase {
    let all = || containers.members.iter().zip(statuses);
    let failed_init = all().any(|(member, status)| member.role == Role::Init && failed(status));
    if failed_init && (ended || containers.failed_init().is_some()) {
        return Phase::Failed;
    }
    let pending = |(member, status): (_, _)| {
        is_pending_init(member, status) || is_pending_sidecar(member, status)
    };
    if all().any(pending) {
        return Phase::Pending;
    }
    let mut count = Count::default();
    for (member, status) in all() {
        count.add(containers, member, status);
    }
    match count {
        Count { waiting: 1.., .. } => Phase::Pending,
        Count { running: 1.., .. } => Phase::Running,
        Count { stopped: 0, .. } => Phase::Pending,
        Count { restarting: 1.., .. } if !ended => Phase::Running,
        Count { stopped, succeeded, .. } if stopped == succeeded => Phase::Succeeded,
        _ => Phase::Failed,
    }
}

impl Count {
    fn add(&mut self, containers: &Containers, member: &ContainerView, status: &ContainerStatus) {
        let state = status.state.as_ref();
        let running = state.is_some_and(|state| state.running.is_some());
        if member.role != Role::Main {
            self.running += usize::from(member.role == Role::Sidecar && running);
            return;
        }
        if running {
            self.running += 1;
        } else if let Some(ended) = state.and_then(|state| state.terminated.as_ref()) {
            self.stopped += 1;
            self.succeeded += usize::from(ended.exit_code == 0);
            self.restarting += usize::from(containers.restarts(member));
        } else if has_ended_before(status) {
            self.stopped += 1;
            self.restarting += 1;
        } else {
            self.waiting += 1;
        }
    }
}

fn has_ended_before(status: &ContainerStatus) -> bool {
    status.last_state.as_ref().is_some_and(|last| last.terminated.is_some())
}

/// Did the container's last run that ended fail?
fn failed(status: &ContainerStatus) -> bool {
    let ended = status.state.as_ref().and_then(|state| state.terminated.as_ref());
    let before = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let running = status.state.as_ref().is_some_and(|state| state.running.is_some());
    !running && ended.or(before).is_some_and(|ended| ended.exit_code != 0)
}

fn is_pending_init(member: &ContainerView, status: &ContainerStatus) -> bool {
    let state = status.state.as_ref();
    let terminated = state.is_some_and(|state| state.terminated.is_some());
    let restarting = !terminated && state.is_none_or(|state| state.running.is_none());
    member.role == Role::Init && !terminated && !(restarting && has_ended_before(status))
}

fn is_pending_sidecar(member: &ContainerView, status: &ContainerStatus) -> bool {
    let state = status.state.as_ref();
    let ended = state.is_some_and(|state| state.terminated.is_some()) || has_ended_before(status);
    member.role == Role::Sidecar && !ended && status.started != Some(true)
}
