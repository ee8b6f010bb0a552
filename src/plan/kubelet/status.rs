//! A pod's status, from what is known of its containers.

use super::containers::{ContainerView, Containers, Role, State, lost};
use super::launch::Problem;
use super::lifecycle::{Ending, Why};
use super::phase::{Phase, phase};
use super::{address, conditions, restart};
use crate::order::{Exit, HookState};
use crate::plan::View;
use cronlet_api::pod::resources;
use cronlet_api::time::Timestamp;
use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting,
    ContainerStatus, HostIP, Pod, PodIP, PodSpec, PodStatus, VolumeMountStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::BTreeMap;

/// What keeps containers from being started, by their names.
pub type Problems<'a> = BTreeMap<&'a str, Problem>;

/// The status of a pod that was made just now, before anything is known of it.
pub fn fresh(spec: &PodSpec) -> PodStatus {
    PodStatus {
        phase: Some(Phase::Pending.name().to_owned()),
        qos_class: Some(resources::quality_of_service(spec).to_owned()),
        ..PodStatus::default()
    }
}

const CRASH_LOOP: &str = "CrashLoopBackOff";

/// A time as Kubernetes stores it: in whole seconds.
pub fn seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).expect("a timestamp's seconds are a timestamp")
}

/// The whole status of a bound pod.
pub fn status(
    pod: &Pod,
    containers: &Containers,
    problems: &Problems,
    ending: Option<&Ending>,
    view: &View,
) -> PodStatus {
    let now = seconds(view.now);
    let over = ending.is_some() && !containers.any_active();
    let look = Look { containers, problems, ending: ending.is_some(), is_again: false, view };
    let mut statuses = look.statuses();
    // What is new of one makes the kubelet look at all of them.
    if containers.members.iter().zip(&statuses).any(|(member, status)| member.shown != Some(status))
    {
        statuses = Look { is_again: true, ..look }.statuses();
    }
    if over && ending.is_some_and(|ending| ending.why != Why::InitFailed) {
        terminate_unstarted(containers, &mut statuses, now);
    }
    let old = pod.status.as_ref();
    let phase = pod_phase(containers, &statuses, old, ending, over);
    let is_late = ending.is_some_and(|ending| ending.why == Why::Deadline);
    let late = over && is_late;
    // The conditions of a pod past its deadline speak of its end before its containers have ended.
    let phases =
        conditions::Phases { now: phase, next: if is_late { Phase::Failed } else { phase } };
    let conditions = conditions::conditions(pod, containers, &statuses, phases, now);
    let started = statuses.iter().any(|status| status.container_id.is_some());
    let has_address = started || address::own(pod).is_some();
    let ip = has_address.then(|| address::of(pod, view.settings));
    let mains = statuses.split_off(statuses.len() - containers.spec.containers.len());
    PodStatus {
        conditions: Some(conditions),
        container_statuses: Some(mains),
        host_ip: Some(view.settings.host_ip.clone()),
        host_ips: Some(vec![HostIP { ip: view.settings.host_ip.clone() }]),
        init_container_statuses: (!statuses.is_empty()).then_some(statuses),
        message: late.then(|| DEADLINE_MESSAGE.to_owned()),
        observed_generation: pod.metadata.generation,
        phase: Some(phase.name().to_owned()),
        pod_ips: ip.clone().map(|ip| vec![PodIP { ip }]),
        pod_ip: ip,
        qos_class: Some(qos_class(containers.spec, old)),
        reason: late.then(|| "DeadlineExceeded".to_owned()),
        resources: Some(containers.spec.resources.clone().unwrap_or_default()),
        start_time: Some(start_time(pod).unwrap_or(Time(now))),
        ..PodStatus::default()
    }
}

/// `status.message` of a pod that ran longer than its `activeDeadlineSeconds`.
pub const DEADLINE_MESSAGE: &str = "Pod was active on the node longer than the specified deadline";

fn start_time(pod: &Pod) -> Option<Time> {
    pod.status.as_ref()?.start_time.clone()
}

fn qos_class(spec: &PodSpec, old: Option<&PodStatus>) -> String {
    old.and_then(|old| old.qos_class.clone())
        .unwrap_or_else(|| resources::quality_of_service(spec).to_owned())
}

/// A pod is at its end only when nothing of it runs; until then it keeps the phase that it had.
fn pod_phase(
    containers: &Containers,
    statuses: &[ContainerStatus],
    old: Option<&PodStatus>,
    ending: Option<&Ending>,
    over: bool,
) -> Phase {
    if over && ending.is_some_and(|ending| ending.why == Why::Deadline) {
        return Phase::Failed;
    }
    let natural = phase(containers, statuses, over);
    match (natural.is_terminal(), over) {
        (true, true) | (false, false) => return natural,
        // Nothing starts any more, and something has not run.
        (false, true) => return Phase::Failed,
        (true, false) => {}
    }
    match old.and_then(|old| old.phase.as_deref()) {
        Some("Running") => Phase::Running,
        _ => Phase::Pending,
    }
}

/// In a pod at its end, a main container that never ran counts as failed, if its turn had come.
fn terminate_unstarted(containers: &Containers, statuses: &mut [ContainerStatus], now: Timestamp) {
    let waiting_init = containers.openers().any(|opener| match opener.role {
        Role::Init => !opener.completed(),
        _ => !opener.has_begun(),
    });
    if waiting_init && !containers.mains_begun() {
        return;
    }
    for (member, status) in containers.members.iter().zip(statuses) {
        let state = status.state.get_or_insert_default();
        if member.role == Role::Main && state.terminated.is_none() {
            // The kubelet gives no times here, for there are none.
            let ended = ContainerStateTerminated {
                finished_at: None,
                started_at: None,
                ..terminated(&lost(now))
            };
            *state = ContainerState { terminated: Some(ended), ..Default::default() };
        }
    }
}

/// One look at a pod's containers.
struct Look<'l, 'a> {
    containers: &'l Containers<'a>,
    problems: &'l Problems<'a>,
    /// Nothing starts any more.
    ending: bool,
    /// What has ended before is looked at again.
    is_again: bool,
    view: &'l View<'l>,
}

impl Look<'_, '_> {
    fn statuses(&self) -> Vec<ContainerStatus> {
        self.containers.members.iter().map(|member| self.container(member)).collect()
    }

    fn container(&self, member: &ContainerView) -> ContainerStatus {
        let containers = self.containers;
        let problem = self.problems.get(member.container.name.as_str());
        match &member.state {
            State::New => blank(containers, member, problem),
            // The kubelet does not look at a pod until the hook is through, and the container with
            // it where the hook fails.
            State::Starting
            | State::Running { post_start: HookState::Running | HookState::Failed(_), .. } => {
                member.shown.cloned().unwrap_or_else(|| blank(containers, member, None))
            }
            State::Running { id, started_at, post_start: HookState::Done, .. } => {
                let started_at = Some(Time(seconds(*started_at)));
                let running = Some(ContainerStateRunning { started_at });
                let state = ContainerState { running, ..Default::default() };
                let last = member.last.as_deref();
                let sketch = Sketch { id: Some(id), last, ..Sketch::of(member, state) };
                let ready = member.role != Role::Init && member.is_ready();
                Sketch { ready, started: member.has_started(), ..sketch }.finish()
            }
            State::Failed { reason, message, .. } => {
                let state = match problem {
                    Some(problem) => waiting(problem.reason, Some(&problem.message)),
                    None => waiting(reason, Some(message)),
                };
                let last = member.last.as_deref();
                let id = last.map(|last| last.id.as_str());
                Sketch { id, last, ..Sketch::of(member, state) }.finish()
            }
            State::Exited(exit) => match problem {
                Some(problem) => {
                    let state = waiting(problem.reason, Some(&problem.message));
                    let id = Some(exit.id.as_str());
                    Sketch { id, last: Some(exit), ..Sketch::of(member, state) }.finish()
                }
                None => self.exited(member, exit),
            },
        }
    }

    /// A container that has ended: first as it ended, then, when the kubelet looks again while or
    /// after it has waited for its restart, as `CrashLoopBackOff`.
    fn exited(&self, member: &ContainerView, exit: &Exit) -> ContainerStatus {
        let id = Some(exit.id.as_str());
        let again = |state| Sketch { id, last: Some(exit), ..Sketch::of(member, state) }.finish();
        let (wait, killed) = (restart::wait(member), self.containers.killed_to_restart(member));
        if killed && !self.ending && wait.is_zero() {
            // As the kubelet, which kills and restarts in one go.
            return member.shown.cloned().unwrap_or_else(|| again(ContainerState::default()));
        }
        if !self.ending && self.containers.restarts(member) {
            if !wait.is_zero() && (killed || self.is_second(member, exit)) {
                let message = format!(
                    "back-off {} restarting failed container={} pod={}",
                    go_duration(wait.as_secs()),
                    member.container.name,
                    full_name(self.containers.pod)
                );
                return again(waiting(CRASH_LOOP, Some(&message)));
            }
            if let Some((reason, message)) = member.start_failure() {
                return again(waiting(reason, Some(message)));
            }
        }
        let ended = Some(terminated(exit));
        let state = ContainerState { terminated: ended, ..Default::default() };
        let sketch = Sketch { id, last: member.last.as_deref(), ..Sketch::of(member, state) };
        Sketch { ready: member.role == Role::Init && exit.code == 0, ..sketch }.finish()
    }

    /// Is this not the first look at how the attempt ended?
    fn is_second(&self, member: &ContainerView, exit: &Exit) -> bool {
        let is_late = || {
            let look = restart::second_look(restart::wait(member));
            self.view.elapsed(exit.finished_at) >= look
        };
        match shown_end(member, exit) {
            None => false,
            Some(reason) => reason == CRASH_LOOP || self.is_again || is_late(),
        }
    }
}

/// A container that has not run yet.
fn blank(
    containers: &Containers,
    member: &ContainerView,
    problem: Option<&Problem>,
) -> ContainerStatus {
    let initializing = containers.openers().next().is_some();
    let reason = if initializing { "PodInitializing" } else { "ContainerCreating" };
    let state = match problem {
        Some(problem) => waiting(problem.reason, Some(&problem.message)),
        None => waiting(reason, None),
    };
    Sketch::of(member, state).finish()
}

/// What the status says of a container whose attempt ended like this, if it shows that already: the
/// reason of its end or why it waits.
fn shown_end<'m>(member: &ContainerView<'m>, exit: &Exit) -> Option<&'m str> {
    let shown = member.shown?;
    let is_this =
        |ended: &ContainerStateTerminated| ended.container_id.as_deref() == Some(&exit.id);
    let state = shown.state.as_ref()?;
    if let Some(ended) = state.terminated.as_ref().filter(|ended| is_this(ended)) {
        return Some(ended.reason.as_deref().unwrap_or_default());
    }
    let last = shown.last_state.as_ref().and_then(|last| last.terminated.as_ref());
    last.filter(|last| is_this(last))?;
    Some(state.waiting.as_ref()?.reason.as_deref().unwrap_or_default())
}

/// Name, namespace and uid as the kubelet words them.
pub fn full_name(pod: &Pod) -> String {
    let meta = &pod.metadata;
    let of = |part: &Option<String>| part.clone().unwrap_or_default();
    format!("{}_{}({})", of(&meta.name), of(&meta.namespace), of(&meta.uid))
}

/// A duration as Go prints it: `10s`, `1m20s`, `5m0s`.
fn go_duration(seconds: i64) -> String {
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds}s"),
        (minutes, seconds) => format!("{minutes}m{seconds}s"),
    }
}

fn waiting(reason: &str, message: Option<&str>) -> ContainerState {
    let message = message.filter(|message| !message.is_empty()).map(str::to_owned);
    let waiting = Some(ContainerStateWaiting { message, reason: Some(reason.to_owned()) });
    ContainerState { waiting, ..Default::default() }
}

fn terminated(exit: &Exit) -> ContainerStateTerminated {
    let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    ContainerStateTerminated {
        container_id: filled(&exit.id),
        exit_code: exit.code,
        finished_at: Some(Time(seconds(exit.finished_at))),
        message: filled(&exit.message),
        reason: filled(&exit.reason),
        // The kubelet leaves `signal` out too: 128 and the signal are the code.
        signal: None,
        started_at: Some(Time(seconds(exit.started_at))),
    }
}

/// What differs between the statuses of containers.
struct Sketch<'m, 'a> {
    member: &'m ContainerView<'a>,
    state: ContainerState,
    id: Option<&'m str>,
    last: Option<&'m Exit>,
    ready: bool,
    started: bool,
}

impl<'m, 'a> Sketch<'m, 'a> {
    fn of(member: &'m ContainerView<'a>, state: ContainerState) -> Sketch<'m, 'a> {
        Sketch { member, state, id: None, last: None, ready: false, started: false }
    }

    fn finish(self) -> ContainerStatus {
        let container = self.member.container;
        let id = self.id.filter(|id| !id.is_empty());
        let resources = container.resources.clone().unwrap_or_default();
        let last = self.last.map(terminated);
        let requests = resources.requests.clone().filter(|requests| !requests.is_empty());
        ContainerStatus {
            allocated_resources: id.and(requests),
            container_id: id.map(str::to_owned),
            image: container.image.clone().unwrap_or_default(),
            image_id: String::new(),
            last_state: Some(ContainerState { terminated: last, ..Default::default() }),
            name: container.name.clone(),
            ready: self.ready,
            resources: id.map(|_| resources),
            restart_count: i32::try_from(self.member.attempt).unwrap_or(i32::MAX),
            started: Some(self.started),
            state: Some(self.state),
            volume_mounts: id.and_then(|_| volume_mounts(self.member)),
            ..ContainerStatus::default()
        }
    }
}

fn volume_mounts(member: &ContainerView) -> Option<Vec<VolumeMountStatus>> {
    let mounts = member.container.volume_mounts.as_deref().filter(|mounts| !mounts.is_empty())?;
    let status = |mount: &k8s_openapi::api::core::v1::VolumeMount| VolumeMountStatus {
        mount_path: mount.mount_path.clone(),
        name: mount.name.clone(),
        read_only: mount.read_only.filter(|&read_only| read_only),
        recursive_read_only: mount.read_only.filter(|&it| it).map(|_| "Disabled".to_owned()),
        volume_status: None,
    };
    Some(mounts.iter().map(status).collect())
}
