//! A pod's events, in the kubelet's words. Each goes with the one change that it tells of, so that
//! none is told twice.

use super::crew::{Crew, Member};
use super::launch::Problem;
use super::lifecycle::{Ending, Steps, Why};
use super::observed::{News, Report};
use super::status::{self, Problems};
use crate::kinds::action::{Note, Plan, Severity};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodStatus};

/// What the change to `new` tells of.
pub fn of_change(pod: &Pod, crew: &Crew, new: &PodStatus, problems: &Problems, plan: &mut Plan) {
    let all = new.init_container_statuses.iter().flatten();
    let statuses = all.chain(new.container_statuses.iter().flatten());
    for (member, status) in crew.members.iter().zip(statuses) {
        let told = |plan: &mut Plan, severity, reason, message: String| {
            plan.event_at(&member.field_path(), severity, reason, message);
        };
        if is_new_container(member, status) {
            told(plan, Severity::Normal, "Created", "Container created".into());
            told(plan, Severity::Normal, "Started", "Container started".into());
        }
        let Some(reason) = new_waiting_reason(member, status) else { continue };
        match (reason, problems.get(member.container.name.as_str())) {
            (_, Some(problem)) => {
                told(plan, Severity::Warning, problem.event, problem.event_message());
            }
            ("CrashLoopBackOff", None) => {
                let (name, pod) = (&member.container.name, status::full_name(pod));
                let message = format!("Back-off restarting failed container {name} in pod {pod}");
                told(plan, Severity::Warning, "BackOff", message);
            }
            ("PostStartHookError", None) => {
                told(plan, Severity::Warning, "FailedPostStartHook", "PostStartHook failed".into());
                told(plan, Severity::Normal, "Killing", "FailedPostStartHook".into());
            }
            ("ContainerCreating" | "PodInitializing", None) => {}
            (_, None) => {
                let message = waiting_message(status).unwrap_or_default().to_owned();
                let problem = Problem::config(message);
                told(plan, Severity::Warning, problem.event, problem.event_message());
            }
        }
    }
}

/// Does the status show an attempt that ran which it did not show before?
fn is_new_container(member: &Member, status: &ContainerStatus) -> bool {
    let before = member.shown.and_then(|shown| shown.container_id.as_deref());
    let id = status.container_id.as_deref();
    id.is_some() && id != before
}

/// The reason why a container waits, where the status did not show it with the same message before.
fn new_waiting_reason<'s>(member: &Member, status: &'s ContainerStatus) -> Option<&'s str> {
    let waiting = status.state.as_ref()?.waiting.as_ref()?;
    let before = member.shown.and_then(|shown| shown.state.as_ref()?.waiting.as_ref());
    (before != Some(waiting)).then_some(waiting.reason.as_deref()).flatten()
}

fn waiting_message(status: &ContainerStatus) -> Option<&str> {
    status.state.as_ref()?.waiting.as_ref()?.message.as_deref()
}

/// What is told when containers are asked to stop.
pub fn of_steps(crew: &Crew, steps: &Steps, ending: Option<&Ending>, plan: &mut Plan) {
    let late = ending.is_some_and(|ending| ending.why == Why::Deadline);
    if late && crew.members.iter().all(|member| member.stopping.is_none()) {
        plan.event(Severity::Normal, "DeadlineExceeded", status::DEADLINE_MESSAGE);
    }
    for (member, _) in steps.stops.iter().filter(|(member, _)| member.stopping.is_none()) {
        let message = format!("Stopping container {}", member.container.name);
        plan.event_at(&member.field_path(), Severity::Normal, "Killing", message);
    }
}

/// Names that are no names of environment variables.
pub fn of_warnings(member: &Member, warnings: Vec<String>, plan: &mut Plan) {
    for warning in warnings {
        let reason = "InvalidEnvironmentVariableNames";
        plan.event_at(&member.field_path(), Severity::Warning, reason, warning);
    }
}

/// What a report tells of that leaves no trace in a status.
pub fn of_report(pod: &Pod, report: &Report) -> Option<Note> {
    let News::PreStopFailed(_) = &report.news else { return None };
    let init = pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten());
    let is_init = init.into_iter().any(|container| container.name == report.container);
    let field = if is_init { "initContainers" } else { "containers" };
    Some(Note {
        severity: Severity::Warning,
        reason: "FailedPreStopHook",
        message: "PreStopHook failed".into(),
        field_path: format!("spec.{field}{{{}}}", report.container),
    })
}
