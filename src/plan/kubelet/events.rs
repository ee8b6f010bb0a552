//! A pod's events, in the kubelet's words. Each goes with the one change that it tells of, so that
//! none is told twice.

use super::containers::{ContainerView, Containers, Role};
use super::launch::Problem;
use super::lifecycle::{Ending, Failed, Steps, Stop, Why};
use super::probe::{ProbeKind, ProbeTrouble, Probed};
use super::restart;
use super::status::{self, Problems};
use crate::order::{ContainerEvent, PodObserved, Report};
use crate::plan::{EventDraft, Plan, Severity, View};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodStatus};

/// A new status, and what it waits for.
pub struct Shown<'a> {
    pub status: &'a PodStatus,
    pub problems: &'a Problems<'a>,
}

/// What the change to a new status tells of.
pub fn of_change(containers: &Containers, new: &Shown, ending: bool, view: &View, plan: &mut Plan) {
    let all = new.status.init_container_statuses.iter().flatten();
    let statuses = all.chain(new.status.container_statuses.iter().flatten());
    for (member, status) in containers.members.iter().zip(statuses) {
        let told = |plan: &mut Plan, severity, reason, message: String| {
            plan.event_at(&member.field_path(), severity, reason, message);
        };
        if is_new_container(member, status) {
            told(plan, Severity::Normal, "Created", "Container created".into());
            of_start(member, plan);
        }
        if let Some(left) = left_behind(member, status) {
            let many = if left == 1 { "process" } else { "processes" };
            let message = format!(
                "the program ended and left {left} {many} running, ended with it: have it stay in \
                 the foreground"
            );
            told(plan, Severity::Warning, "LeftInBackground", message);
        }
        if !ending && backs_off(containers, member, status, view) {
            let (name, pod) = (&member.container.name, status::full_name(containers.pod));
            let message = format!("Back-off restarting failed container {name} in pod {pod}");
            told(plan, Severity::Warning, "BackOff", message);
        }
        let Some(reason) = new_waiting_reason(member, status) else { continue };
        match (reason, new.problems.get(member.container.name.as_str())) {
            // A volume is the pod's.
            (_, Some(problem)) if problem.event == "FailedMount" => {
                plan.event(Severity::Warning, problem.event, problem.event_message());
            }
            (_, Some(problem)) => {
                told(plan, Severity::Warning, problem.event, problem.event_message());
            }
            _ if member.exit().is_some() => {}
            ("ContainerCreating" | "PodInitializing", None) => {}
            (_, None) => {
                let message = waiting_message(status).unwrap_or_default().to_owned();
                let problem = Problem::config(message);
                told(plan, Severity::Warning, problem.event, problem.event_message());
            }
        }
    }
}

/// How the start of a container went.
fn of_start(member: &ContainerView, plan: &mut Plan) {
    let at = member.field_path();
    match member.start_failure() {
        Some(("RunContainerError", message)) => {
            let why = format!("Error: {message}");
            plan.event_at(&at, Severity::Warning, "Failed", why);
        }
        failure => {
            plan.event_at(&at, Severity::Normal, "Started", "Container started");
            if member.container.stdin == Some(true) {
                let message = "stdin: true: its input is /dev/null, as attach is not served";
                plan.event_at(&at, Severity::Warning, "NoInput", message);
            }
            if failure.is_some() {
                let (warning, why) = ("FailedPostStartHook", "PostStartHook failed");
                plan.event_at(&at, Severity::Warning, warning, why);
                plan.event_at(&at, Severity::Normal, "Killing", warning);
            }
        }
    }
}

/// Does the change come of a look at a container that waits for its restart? The look that ends the
/// wait is none.
fn backs_off(
    containers: &Containers,
    member: &ContainerView,
    status: &ContainerStatus,
    view: &View,
) -> bool {
    let Some(exit) = member.exit() else { return false };
    let is_change = member.shown.is_none_or(|shown| shown.state != status.state);
    let waits = view.elapsed(exit.finished_at) < restart::wait(member);
    is_change && waits && containers.restarts(member)
}

/// Does the status show an attempt that ran which it did not show before?
fn is_new_container(member: &ContainerView, status: &ContainerStatus) -> bool {
    let before = member.shown.and_then(|shown| shown.container_id.as_deref());
    let id = status.container_id.as_deref();
    id.is_some() && id != before
}

/// The processes that an attempt left in the background, where the status shows its end first.
fn left_behind(member: &ContainerView, status: &ContainerStatus) -> Option<u32> {
    let exit = member.exit().filter(|exit| exit.left > 0)?;
    let shows = |status: &ContainerStatus| {
        let states = [&status.state, &status.last_state].into_iter().flatten();
        let mut ends = states.filter_map(|state| state.terminated.as_ref());
        ends.any(|ended| ended.container_id.as_ref() == Some(&exit.id))
    };
    (shows(status) && !member.shown.is_some_and(shows)).then_some(exit.left)
}

/// The reason why a container waits, where the status did not show it with the same message before.
fn new_waiting_reason<'s>(member: &ContainerView, status: &'s ContainerStatus) -> Option<&'s str> {
    let waiting = status.state.as_ref()?.waiting.as_ref()?;
    let before = member.shown.and_then(|shown| shown.state.as_ref()?.waiting.as_ref());
    (before != Some(waiting)).then_some(waiting.reason.as_deref()).flatten()
}

fn waiting_message(status: &ContainerStatus) -> Option<&str> {
    status.state.as_ref()?.waiting.as_ref()?.message.as_deref()
}

/// What is told when containers are asked to stop.
pub fn of_steps(containers: &Containers, steps: &Steps, ending: Option<&Ending>, plan: &mut Plan) {
    let late = ending.is_some_and(|ending| ending.why == Why::Deadline);
    if late && containers.members.iter().all(|member| member.stopping.is_none()) {
        plan.event(Severity::Normal, "DeadlineExceeded", status::DEADLINE_MESSAGE);
    }
    for stop in steps.stops.iter().filter(|stop| stop.member.stopping.is_none()) {
        if let Some(message) = stop_message(containers, stop) {
            plan.event_at(&stop.member.field_path(), Severity::Normal, "Killing", message);
        }
    }
}

fn stop_message(containers: &Containers, stop: &Stop) -> Option<String> {
    let (container, name) = (stop.member.container, &stop.member.container.name);
    let kind = match stop.failed {
        None => return Some(format!("Stopping container {name}")),
        // Told with the status that shows the failed hook.
        Some(Failed::PostStart) => return None,
        Some(Failed::Probe(kind)) => kind.name().to_lowercase(),
    };
    if stop.member.role == Role::Sidecar {
        return Some(format!("Init container {name} failed {kind} probe"));
    }
    let again = restart::after_kill(container, containers.spec);
    let more = if again { ", will be restarted" } else { "" };
    Some(format!("Container {name} failed {kind} probe{more}"))
}

/// Names that are no names of environment variables.
pub fn of_warnings(member: &ContainerView, warnings: Vec<String>, plan: &mut Plan) {
    for warning in warnings {
        let reason = "InvalidEnvironmentVariableNames";
        plan.event_at(&member.field_path(), Severity::Warning, reason, warning);
    }
}

/// May a report tell of something that leaves no trace in a status?
pub fn may_be_of_report(report: &Report) -> bool {
    matches!(
        report.event,
        ContainerEvent::PreStopFailed(_)
            | ContainerEvent::Probed(_)
            | ContainerEvent::NotRefreshed { .. }
    )
}

/// What a report tells of that leaves no trace in a status.
pub fn of_report(pod: &Pod, observed: &PodObserved, report: &Report) -> Option<EventDraft> {
    if let ContainerEvent::NotRefreshed { volume, message, .. } = &report.event {
        let problem = Problem::mount(volume, message);
        let (reason, message) = (problem.event, problem.message);
        let field_path = String::new();
        return Some(EventDraft { severity: Severity::Warning, reason, message, field_path });
    }
    let (reason, message) = match &report.event {
        ContainerEvent::PreStopFailed(_) => ("FailedPreStopHook", "PreStopHook failed".to_owned()),
        // A report about a container that has ended since changes nothing.
        ContainerEvent::Probed(probed) if observed.is_running(report) => probed_words(probed)?,
        _ => return None,
    };
    let init = pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten());
    let is_init = init.into_iter().any(|container| container.name == report.container);
    let field = if is_init { "initContainers" } else { "containers" };
    Some(EventDraft {
        severity: Severity::Warning,
        reason,
        message,
        field_path: format!("spec.{field}{{{}}}", report.container),
    })
}

fn probed_words(probed: &Probed) -> Option<(&'static str, String)> {
    let kind: ProbeKind = probed.kind;
    let told = probed.told.as_ref()?;
    Some(match told {
        ProbeTrouble::Failed(why) => ("Unhealthy", format!("{} probe failed: {why}", kind.name())),
        ProbeTrouble::Warned(why) => {
            ("ProbeWarning", format!("{} probe warning: {why}", kind.name()))
        }
        ProbeTrouble::Errored(why) => {
            let kind = kind.name();
            ("Unhealthy", format!("{kind} probe errored and resulted in unknown state: {why}"))
        }
    })
}
