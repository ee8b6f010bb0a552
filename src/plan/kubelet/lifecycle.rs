//! The order in which a pod's containers start and stop.

use super::containers::{ContainerView, Containers, Role, State};
use super::probe::{self, ProbeKind};
use super::{ports, restart};
use crate::order::HookState;
use crate::plan::View;
use cronlet_api::pod::PORT_IN_USE;
use cronlet_api::time::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Pod, PodSpec};

/// What is left of the grace when sidecars are stopped is at least this, as the kubelet's.
const GRACE_SECONDS_MIN: i64 = 2;
/// `terminationGracePeriodSeconds` where nothing says otherwise.
const GRACE_SECONDS: i64 = 30;

/// Why a pod's containers start no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    Deleted,
    /// `activeDeadlineSeconds` are over.
    Deadline,
    /// An init container failed for good.
    InitFailed,
    /// Every main container has ended for good.
    Done,
}

/// The end of a pod: why, since when, and how long its containers may take.
#[derive(Debug, Clone, Copy)]
pub struct Ending {
    pub why: Why,
    begun: Timestamp,
    grace_seconds: i64,
}

impl Ending {
    /// `started` is the pod's `status.startTime`.
    pub fn of(
        pod: &Pod,
        containers: &Containers,
        started: Timestamp,
        view: &View,
    ) -> Option<Ending> {
        let grace_seconds = grace_seconds(containers.spec);
        if let Some(at) = &pod.metadata.deletion_timestamp {
            let grace_seconds =
                pod.metadata.deletion_grace_period_seconds.unwrap_or(grace_seconds).max(0);
            let grace = SignedDuration::from_secs(grace_seconds);
            let begun = at.0.checked_sub(grace).unwrap_or(Timestamp::MIN);
            return Some(Ending { why: Why::Deleted, begun, grace_seconds });
        }
        let natural = natural(containers);
        if let Some((_, ended)) = natural
            && deadline(containers.spec, started, view).is_none_or(|deadline| ended < deadline)
        {
            return natural.map(|(why, begun)| Ending { why, begun, grace_seconds });
        }
        let begun =
            deadline(containers.spec, started, view).filter(|deadline| *deadline <= view.now)?;
        Some(Ending { why: Why::Deadline, begun, grace_seconds })
    }

    /// What is left of the grace, in seconds.
    fn left_seconds(&self, view: &View) -> i64 {
        let left = self.grace_seconds - view.elapsed(self.begun).as_secs();
        left.clamp(self.grace_seconds.min(GRACE_SECONDS_MIN), self.grace_seconds)
    }
}

fn grace_seconds(spec: &PodSpec) -> i64 {
    spec.termination_grace_period_seconds.unwrap_or(GRACE_SECONDS).max(0)
}

/// The end that the containers came to by themselves, and when.
fn natural(containers: &Containers) -> Option<(Why, Timestamp)> {
    if let Some(exit) = containers.failed_init() {
        return Some((Why::InitFailed, exit.finished_at));
    }
    let last =
        containers.mains().filter_map(ContainerView::exit).map(|exit| exit.finished_at).max()?;
    containers.mains_done().then_some((Why::Done, last))
}

/// When `activeDeadlineSeconds` are over, on the wall clock.
pub fn deadline(spec: &PodSpec, started: Timestamp, view: &View) -> Option<Timestamp> {
    let seconds = spec.active_deadline_seconds?;
    Some(view.due(started, SignedDuration::from_secs(seconds)))
}

/// What is to be done now, and when to look again.
#[derive(Debug, Default)]
pub struct Steps<'c, 'a> {
    /// Members and the attempt to start.
    pub starts: Vec<(&'c ContainerView<'a>, u32)>,
    pub stops: Vec<Stop<'c, 'a>>,
    pub wakes: Vec<Timestamp>,
}

/// A member to stop.
#[derive(Debug)]
pub struct Stop<'c, 'a> {
    pub member: &'c ContainerView<'a>,
    pub grace_seconds: i64,
    /// What it failed, if that is why.
    pub failed: Option<Failed>,
}

/// What a container is stopped for in a pod that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    Probe(ProbeKind),
    PostStart,
}

/// What to start in a pod that goes on.
pub fn going_on<'c, 'a>(containers: &'c Containers<'a>, view: &View) -> Steps<'c, 'a> {
    let mut steps = Steps::default();
    if view.stopping {
        return steps;
    }
    containers.members.iter().for_each(|member| steps.kill_failed(member, containers.spec));
    let begun = containers.mains_begun();
    let mut ordered_later = begun;
    let mut openers: Vec<(&ContainerView, bool)> = Vec::new();
    for member in containers.openers().rev() {
        openers.push((member, ordered_later));
        ordered_later |= !matches!(member.state, State::New);
    }
    for (member, later) in openers.into_iter().rev() {
        match member.role {
            // Once the pod is initialized, its init containers are history.
            Role::Init if begun => continue,
            Role::Init if member.completed() => continue,
            Role::Sidecar if member.has_started() => continue,
            _ => steps.advance(member, containers.pod, view),
        }
        // A sidecar that restarts holds up nothing that came after it before.
        if !(later && member.role == Role::Sidecar && member.has_begun()) {
            return steps;
        }
    }
    for main in containers.mains().filter(|main| main.exit().is_none() || containers.restarts(main))
    {
        steps.advance(main, containers.pod, view);
    }
    steps
}

/// What to stop in a pod that ends: mains first, then the others one by one from the last.
pub fn ending<'c, 'a>(
    containers: &'c Containers<'a>,
    ending: &Ending,
    view: &View,
) -> Steps<'c, 'a> {
    let mut steps = Steps::default();
    let at_once = ending.grace_seconds == 0;
    let mains: Vec<&ContainerView> = containers.mains().filter(|main| main.is_active()).collect();
    for main in &mains {
        steps.stop(main, ending, view);
    }
    for member in containers.openers().rev().filter(|member| member.is_active()) {
        if !at_once && !mains.is_empty() {
            break;
        }
        steps.stop(member, ending, view);
        if !at_once {
            break;
        }
    }
    steps
}

impl<'c, 'a> Steps<'c, 'a> {
    /// Starts a member that does not run, or says when.
    fn advance(&mut self, member: &'c ContainerView<'a>, pod: &Pod, view: &View) {
        let (attempt, since, wait) = match &member.state {
            State::Starting | State::Running { .. } => return,
            State::New => return self.starts.push((member, member.attempt)),
            State::Failed { reason, at, .. } => {
                let freed = *reason == PORT_IN_USE
                    && ports::contested(pod, member.container, false, view).is_empty();
                let wait = restart::retry(member.failures.max(1));
                (member.attempt, *at, if freed { SignedDuration::ZERO } else { wait })
            }
            State::Exited(exit) => (member.attempt + 1, exit.finished_at, restart::wait(member)),
        };
        if view.elapsed(since) >= wait {
            self.starts.push((member, attempt));
        } else {
            let look = restart::second_look(wait);
            let next = if view.elapsed(since) < look { look } else { wait };
            self.wakes.push(view.due(since, next));
        }
    }

    /// Asks a member to stop, unless it was asked to stop as soon or sooner.
    fn stop(&mut self, member: &'c ContainerView<'a>, ending: &Ending, view: &View) {
        if member.stopping.is_none_or(|asked| ending.grace_seconds < asked) {
            let grace_seconds = ending.left_seconds(view);
            self.stops.push(Stop { member, grace_seconds, failed: None });
        }
    }

    /// Stops a member that failed its startup or liveness probe, or its postStart hook.
    fn kill_failed(&mut self, member: &'c ContainerView<'a>, spec: &PodSpec) {
        let hook = matches!(member.state, State::Running { post_start: HookState::Failed(_), .. });
        let (failed, own) = match probe::fatal(member) {
            Some(kind) => (Failed::Probe(kind), probe::grace_seconds(member.container, kind)),
            None if hook => (Failed::PostStart, None),
            None => return,
        };
        if member.is_active() && member.stopping.is_none() {
            let grace_seconds = own.unwrap_or_else(|| grace_seconds(spec));
            self.stops.push(Stop { member, grace_seconds, failed: Some(failed) });
        }
    }
}
