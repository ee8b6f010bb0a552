//! The table of Pods: the summary of a pod in `kubectl get pods` (`printPod`).

use crate::columns::{Cell, Column, age, human_duration, name, or_none};
use crate::time::Timestamp;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod, PodStatus};

pub const COLUMNS: &[Column] = &[
    Column::name(),
    Column::text("Ready"),
    Column::text("Status"),
    Column::text("Restarts"),
    Column::text("Age"),
    Column::wide("IP"),
    Column::wide("Node"),
    Column::wide("Nominated Node"),
    Column::wide("Readiness Gates"),
];

pub fn cells(pod: &Pod, now: Timestamp) -> Vec<Cell> {
    let spec = pod.spec.as_ref();
    let status = pod.status.as_ref();
    let summary = Summary::of(pod);
    let ips = status.and_then(|status| status.pod_ips.as_deref()).unwrap_or_default();
    vec![
        name(&pod.metadata),
        format!("{}/{}", summary.ready, summary.total).into(),
        summary.state.into(),
        summary.restarts.text(now).into(),
        age(&pod.metadata, now),
        or_none(ips.first().map(|ip| ip.ip.as_str())),
        or_none(spec.and_then(|spec| spec.node_name.as_deref())),
        or_none(status.and_then(|status| status.nominated_node_name.as_deref())),
        or_none(readiness_gates(pod).as_deref()),
    ]
}

/// The state of all containers together.
struct Summary {
    ready: usize,
    total: usize,
    state: String,
    restarts: Restarts,
}

/// The number of restarts, and the time at which the last container to restart ended.
#[derive(Default)]
struct Restarts {
    count: i32,
    last: Option<Timestamp>,
}

impl Restarts {
    fn add(&mut self, status: &ContainerStatus) {
        self.count += status.restart_count;
        let ended = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
        let at = ended.and_then(|ended| ended.finished_at.as_ref()).map(|time| time.0);
        self.last = self.last.max(at);
    }

    fn text(&self, now: Timestamp) -> String {
        match self.last.filter(|_| self.count != 0) {
            Some(last) => {
                format!("{} ({} ago)", self.count, human_duration(now.duration_since(last)))
            }
            None => self.count.to_string(),
        }
    }
}

impl Summary {
    fn of(pod: &Pod) -> Summary {
        let nothing = PodStatus::default();
        let status = pod.status.as_ref().unwrap_or(&nothing);
        let containers = pod.spec.as_ref().map_or(0, |spec| spec.containers.len());
        let mut summary = Summary {
            ready: 0,
            total: containers + sidecars(pod).count(),
            state: at_large(status),
            restarts: Restarts::default(),
        };
        let initializing = summary.look_at_init(pod, status);
        if !initializing || has_condition(status, "Initialized") {
            summary.look_at_main(pod, status);
        }
        let phase = status.phase.as_deref();
        if pod.metadata.deletion_timestamp.is_some()
            && !matches!(phase, Some("Succeeded" | "Failed"))
        {
            summary.state = "Terminating".to_owned();
        }
        summary
    }

    /// Reads init containers, up to the first that is not done; returns true if there is one.
    fn look_at_init(&mut self, pod: &Pod, status: &PodStatus) -> bool {
        let all = pod.spec.as_ref().and_then(|spec| spec.init_containers.as_ref());
        let all = all.map_or(0, |containers| containers.len());
        for (nth, one) in status.init_container_statuses.iter().flatten().enumerate() {
            self.restarts.add(one);
            let ended = one.state.as_ref().and_then(|state| state.terminated.as_ref());
            let waiting = one.state.as_ref().and_then(|state| state.waiting.as_ref());
            let waiting = waiting.and_then(|waiting| waiting.reason.as_deref()).unwrap_or_default();
            if ended.is_some_and(|ended| ended.exit_code == 0) {
                continue;
            }
            if one.started == Some(true) && sidecars(pod).any(|name| name == one.name) {
                self.ready += usize::from(one.ready);
                continue;
            }
            self.state = match one.state.as_ref().and_then(ended_as) {
                Some(ended) => format!("Init:{ended}"),
                None if !waiting.is_empty() && waiting != "PodInitializing" => {
                    format!("Init:{waiting}")
                }
                None => format!("Init:{nth}/{all}"),
            };
            return true;
        }
        false
    }

    /// Reads the main containers; the state is that of the first one with a reason.
    fn look_at_main(&mut self, pod: &Pod, status: &PodStatus) {
        self.restarts = Restarts::default();
        for one in status.init_container_statuses.iter().flatten() {
            if sidecars(pod).any(|name| name == one.name) {
                self.restarts.add(one);
            }
        }
        let mut is_running = false;
        for one in status.container_statuses.iter().flatten().rev() {
            self.restarts.add(one);
            let state = one.state.as_ref();
            let waiting = state.and_then(|state| state.waiting.as_ref());
            let waiting = waiting.and_then(|waiting| waiting.reason.as_ref());
            if let Some(reason) = waiting.filter(|reason| !reason.is_empty()) {
                self.state.clone_from(reason);
            } else if let Some(ended) = state.and_then(ended_as) {
                self.state = ended;
            } else if one.ready && state.is_some_and(|state| state.running.is_some()) {
                is_running = true;
                self.ready += 1;
            }
        }
        if self.state == "Completed" && is_running {
            let is_ready = has_condition(status, "Ready");
            self.state = if is_ready { "Running" } else { "NotReady" }.to_owned();
        }
    }
}

/// Returns the pod's state before its containers are read.
fn at_large(status: &PodStatus) -> String {
    let gated = status.conditions.iter().flatten().any(|condition| {
        condition.type_ == "PodScheduled" && condition.reason.as_deref() == Some("SchedulingGated")
    });
    if gated {
        return "SchedulingGated".to_owned();
    }
    let reason = status.reason.as_ref().filter(|reason| !reason.is_empty());
    reason.or(status.phase.as_ref()).cloned().unwrap_or_default()
}

/// Returns a word for the end of a container; `None` if it has not ended.
fn ended_as(state: &ContainerState) -> Option<String> {
    let ended = state.terminated.as_ref()?;
    let signal = ended.signal.filter(|signal| *signal != 0);
    Some(match (ended.reason.as_ref().filter(|reason| !reason.is_empty()), signal) {
        (Some(reason), _) => reason.clone(),
        (None, Some(signal)) => format!("Signal:{signal}"),
        (None, None) => format!("ExitCode:{}", ended.exit_code),
    })
}

/// Returns the names of the init containers that run beside the main ones.
fn sidecars(pod: &Pod) -> impl Iterator<Item = &str> {
    let init = pod.spec.as_ref().and_then(|spec| spec.init_containers.as_deref());
    let sidecars = init.unwrap_or_default().iter();
    let sidecars = sidecars.filter(|one| one.restart_policy.as_deref() == Some("Always"));
    sidecars.map(|one| one.name.as_str())
}

fn readiness_gates(pod: &Pod) -> Option<String> {
    let gates = pod.spec.as_ref()?.readiness_gates.as_deref().filter(|gates| !gates.is_empty())?;
    let status = pod.status.as_ref();
    let open = |kind: &str| status.is_some_and(|status| has_condition(status, kind));
    let passed = gates.iter().filter(|gate| open(&gate.condition_type)).count();
    Some(format!("{passed}/{}", gates.len()))
}

fn has_condition(status: &PodStatus, kind: &str) -> bool {
    status.conditions.iter().flatten().any(|one| one.type_ == kind && one.status == "True")
}
