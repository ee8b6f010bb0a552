//! A pod's containers as the plan sees them: what each is for, and how it stands.

use super::probe::{self, Verdicts};
use super::restart;
use crate::order::{ContainerState, Exit, HookState, PodObserved};
use cronlet_api::time::Timestamp;
use k8s_openapi::api::core::v1::{
    Container, ContainerStateTerminated, ContainerStatus, Pod, PodSpec,
};
use std::borrow::Cow;

/// What a container is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Runs to its end before the next begins.
    Init,
    /// An init container with `restartPolicy: Always`: the next begins once it has started, and it
    /// outlives the mains.
    Sidecar,
    Main,
}

/// One container.
#[derive(Debug)]
pub struct ContainerView<'a> {
    pub container: &'a Container,
    pub role: Role,
    pub attempt: u32,
    pub state: State<'a>,
    /// How the attempt before ended.
    pub last: Option<Cow<'a, Exit>>,
    pub streak: u32,
    pub failures: u32,
    pub stopping: Option<i64>,
    /// What its probes came to, before the daemon's last start too.
    pub verdicts: Verdicts,
    /// Why the attempt that ended was ended for its postStart hook.
    pub hook_failed: Option<&'a str>,
    /// What the pod's status says now.
    pub shown: Option<&'a ContainerStatus>,
}

/// How a container stands.
#[derive(Debug, Clone)]
pub enum State<'a> {
    /// Never ordered.
    New,
    Starting,
    Failed {
        reason: &'a str,
        message: &'a str,
        at: Timestamp,
    },
    Running {
        id: &'a str,
        pid: u32,
        started_at: Timestamp,
        post_start: &'a HookState,
    },
    Exited(Cow<'a, Exit>),
}

/// All containers of a pod: first the init containers in their order, then the mains.
#[derive(Debug)]
pub struct Containers<'a> {
    pub pod: &'a Pod,
    pub spec: &'a PodSpec,
    pub members: Vec<ContainerView<'a>>,
}

impl<'a> Containers<'a> {
    /// `now` is when a container is said to have ended that the runtime knows nothing of any more.
    pub fn of(pod: &'a Pod, spec: &'a PodSpec, observed: &'a PodObserved, now: Timestamp) -> Self {
        let status = pod.status.as_ref();
        let init_shown = status.and_then(|s| s.init_container_statuses.as_deref());
        let main_shown = status.and_then(|s| s.container_statuses.as_deref());
        let init = spec.init_containers.iter().flatten().map(|container| {
            let always = container.restart_policy.as_deref() == Some("Always");
            (container, if always { Role::Sidecar } else { Role::Init }, init_shown)
        });
        let mains = spec.containers.iter().map(|container| (container, Role::Main, main_shown));
        let members = init
            .chain(mains)
            .map(|(container, role, shown)| {
                let shown =
                    shown.unwrap_or_default().iter().find(|shown| shown.name == container.name);
                ContainerView::of(container, role, shown, observed, now)
            })
            .collect();
        Containers { pod, spec, members }
    }

    pub fn mains(&self) -> impl Iterator<Item = &ContainerView<'a>> {
        self.members.iter().filter(|member| member.role == Role::Main)
    }

    /// Init containers and sidecars, in their order.
    pub fn openers(&self) -> impl DoubleEndedIterator<Item = &ContainerView<'a>> {
        self.members.iter().filter(|member| member.role != Role::Main)
    }

    pub fn any_active(&self) -> bool {
        self.members.iter().any(ContainerView::is_active)
    }

    /// Has any main container ever started? Then the pod stays initialized.
    pub fn mains_begun(&self) -> bool {
        self.mains().any(ContainerView::has_begun)
    }

    /// Have all mains ended for good?
    pub fn mains_done(&self) -> bool {
        self.mains().all(|main| main.exit().is_some() && !self.restarts(main))
    }

    /// The init container that failed for good, and the pod with it.
    pub fn failed_init(&self) -> Option<&Exit> {
        let failed = |member: &&ContainerView| {
            member.role == Role::Init && !member.completed() && !self.restarts(member)
        };
        self.members.iter().filter(failed).find_map(ContainerView::exit)
    }

    /// Has one of its probes had this container killed so that it runs again, whatever its exit
    /// code?
    pub fn killed_to_restart(&self, member: &ContainerView) -> bool {
        probe::fatal(member).is_some() && restart::after_kill(member.container, self.spec)
    }

    /// Will a container that has ended run again, as far as its restart policy goes?
    pub fn restarts(&self, member: &ContainerView) -> bool {
        let Some(exit) = member.exit() else { return false };
        match member.role {
            Role::Sidecar => true,
            Role::Main if self.killed_to_restart(member) => true,
            Role::Init if exit.code == 0 => false,
            Role::Init | Role::Main => restart::runs_again(member.container, self.spec, exit.code),
        }
    }
}

impl<'a> ContainerView<'a> {
    fn of(
        container: &'a Container,
        role: Role,
        shown: Option<&'a ContainerStatus>,
        observed: &'a PodObserved,
        now: Timestamp,
    ) -> Self {
        let Some(seen) = observed.containers.get(&container.name) else {
            return ContainerView::from_status(container, role, shown, now);
        };
        let state = match &seen.state {
            ContainerState::Starting => State::Starting,
            ContainerState::Failed { reason, message, at } => {
                State::Failed { reason, message, at: *at }
            }
            ContainerState::Running { id, pid, started_at, post_start } => {
                State::Running { id, pid: *pid, started_at: *started_at, post_start }
            }
            ContainerState::Exited(exit) => State::Exited(Cow::Borrowed(exit)),
        };
        let shown_last = || shown_before(shown, seen.attempt).map(Cow::Owned);
        let last = seen.last.as_ref().map(Cow::Borrowed).or_else(shown_last);
        let (attempt, streak, failures) = (seen.attempt, seen.streak, seen.failures);
        let stopping = seen.stopping;
        let mut member = ContainerView {
            container,
            role,
            attempt,
            state,
            last,
            streak,
            failures,
            stopping,
            verdicts: seen.verdicts,
            hook_failed: seen.hook_failed.as_deref(),
            shown,
        };
        member.remember();
        member
    }

    /// A container that the runtime knows nothing of: it never ran, or its traces are lost and the
    /// status is all there is to go by.
    fn from_status(
        container: &'a Container,
        role: Role,
        shown: Option<&'a ContainerStatus>,
        now: Timestamp,
    ) -> Self {
        let attempt = shown.map_or(0, |shown| shown.restart_count.max(0) as u32);
        let state = shown.and_then(|shown| shown_exit(shown, now));
        let state = state.map_or(State::New, |exit| State::Exited(Cow::Owned(exit)));
        let streak = match &state {
            State::Exited(exit) if exit.reason == LOST => 1,
            State::Exited(_) => attempt.saturating_add(1),
            _ => 0,
        };
        let terminated = shown.and_then(|s| s.state.as_ref()).and_then(|s| s.terminated.as_ref());
        let last = match terminated {
            Some(_) => shown.and_then(last_exit).map(Cow::Owned),
            None => None,
        };
        ContainerView {
            container,
            role,
            attempt,
            state,
            last,
            streak,
            failures: 0,
            stopping: None,
            verdicts: Verdicts::default(),
            hook_failed: None,
            shown,
        }
    }

    /// What the status shows of this very attempt holds until a probe says otherwise.
    fn remember(&mut self) {
        let State::Running { id, .. } = self.state else { return };
        let Some(shown) = self.shown.filter(|shown| shown.container_id.as_deref() == Some(id))
        else {
            return;
        };
        if shown.started == Some(true) {
            self.verdicts.startup.get_or_insert(true);
        }
        if shown.ready {
            self.verdicts.readiness.get_or_insert(true);
        }
    }

    /// Runs, or may at any moment.
    pub fn is_active(&self) -> bool {
        matches!(self.state, State::Starting | State::Running { .. })
    }

    pub fn exit(&self) -> Option<&Exit> {
        match &self.state {
            State::Exited(exit) => Some(exit),
            _ => None,
        }
    }

    /// The kubelet's reason and message where the attempt that ended never got to run as it should.
    pub fn start_failure(&self) -> Option<(&'static str, &str)> {
        let exit = self.exit()?;
        match self.hook_failed {
            Some(why) => Some(("PostStartHookError", why)),
            None if exit.reason == "StartError" => Some(("RunContainerError", &exit.message)),
            None => None,
        }
    }

    /// Has its latest run that ended failed?
    pub fn has_failed(&self) -> bool {
        let latest = self.exit().or(self.last.as_deref());
        latest.is_some_and(|exit| exit.code != 0)
    }

    /// Ended, and well.
    pub fn completed(&self) -> bool {
        self.exit().is_some_and(|exit| exit.code == 0)
    }

    /// Since when it runs, if its postStart hook is through.
    pub fn hooked_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Running { post_start: HookState::Done, started_at, .. } => Some(started_at),
            _ => None,
        }
    }

    /// Runs, its postStart hook is through and its startup probe has passed.
    pub fn has_started(&self) -> bool {
        let probed = self.container.startup_probe.is_some();
        self.hooked_at().is_some() && (!probed || self.verdicts.startup == Some(true))
    }

    /// The process that leads it, while it runs.
    pub fn pid(&self) -> Option<u32> {
        match self.state {
            State::Running { pid, .. } => Some(pid),
            _ => None,
        }
    }

    /// Has started, and may take traffic.
    pub fn is_ready(&self) -> bool {
        let probed = self.container.readiness_probe.is_some();
        self.has_started() && (!probed || self.verdicts.readiness == Some(true))
    }

    /// Has ever run.
    pub fn has_begun(&self) -> bool {
        self.attempt > 0 || matches!(self.state, State::Running { .. } | State::Exited(_))
    }

    /// Such as `spec.containers{main}`, for events.
    pub fn field_path(&self) -> String {
        let field = if self.role == Role::Main { "containers" } else { "initContainers" };
        format!("spec.{field}{{{}}}", self.container.name)
    }
}

/// How the attempt before `attempt` ended, as far as the status says.
fn shown_before(shown: Option<&ContainerStatus>, attempt: u32) -> Option<Exit> {
    let shown = shown?;
    let shown_attempt = shown.restart_count.max(0) as u32;
    let ended = shown.state.as_ref().and_then(|state| state.terminated.as_ref());
    match ended {
        Some(ended) if shown_attempt < attempt => Some(exit_of(ended)),
        _ => last_exit(shown),
    }
}

fn last_exit(shown: &ContainerStatus) -> Option<Exit> {
    shown.last_state.as_ref()?.terminated.as_ref().map(exit_of)
}

/// How the attempt that the status speaks of ended.
fn shown_exit(shown: &ContainerStatus, now: Timestamp) -> Option<Exit> {
    let state = shown.state.as_ref()?;
    if let Some(ended) = &state.terminated {
        return Some(exit_of(ended));
    }
    if let Some(running) = &state.running {
        return Some(Exit {
            id: shown.container_id.clone().unwrap_or_default(),
            started_at: running.started_at.as_ref().map_or(now, |at| at.0),
            ..lost(now)
        });
    }
    last_exit(shown)
}

/// The reason of an end that nobody saw: no fault of the container's, as when the host went down.
const LOST: &str = "ContainerStatusUnknown";

/// How a container ended whose traces are lost.
pub fn lost(now: Timestamp) -> Exit {
    Exit {
        id: String::new(),
        code: 137,
        signal: None,
        left: 0,
        reason: LOST.into(),
        message: "The container could not be located when the pod was terminated".into(),
        started_at: now,
        finished_at: now,
    }
}

fn exit_of(ended: &ContainerStateTerminated) -> Exit {
    let finished_at = ended.finished_at.as_ref().map_or(Timestamp::UNIX_EPOCH, |at| at.0);
    Exit {
        id: ended.container_id.clone().unwrap_or_default(),
        code: ended.exit_code,
        signal: ended.signal,
        left: 0,
        reason: ended.reason.clone().unwrap_or_default(),
        message: ended.message.clone().unwrap_or_default(),
        started_at: ended.started_at.as_ref().map_or(finished_at, |at| at.0),
        finished_at,
    }
}
