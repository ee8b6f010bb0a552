//! A kubelet for one pod: what to start, what to stop and what to say, from what is known of its
//! containers.

use super::availability::has_ended;
use super::containers::{ContainerView, Containers};
use super::launch::{self, Launched};
use super::lifecycle::{self, Ending, Steps};
use super::status::{self, Problems};
use super::{events, ports, probe, restart, tracking, volumes};
use crate::order::{Order, PodObserved};
use crate::plan::{Action, Plan, Severity, View};
use crate::scheduler::queue;
use cronlet_api::kind::Object;
use cronlet_api::time::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Pod, PodSpec};

/// A disk without room is not asked again at once.
const REFRESH_AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(10);

/// Decides for one pod. Called again in the same state of the world, it decides the same.
///
/// A plan either writes the status or gives orders, never both: after a write it wants to be asked
/// again at once, and that second plan must not repeat orders that are not known to be given yet,
/// nor the events that go with them.
pub fn plan(pod: &Pod, observed: &PodObserved, view: &View) -> Plan {
    let mut plan = Plan::default();
    if tracking::is_left(pod, view) {
        plan.push(Action::Put(tracking::removed(pod).into()));
        return plan;
    }
    let going = pod.metadata.deletion_timestamp.is_some();
    let Some(spec) = &pod.spec else { return plan };
    if has_ended(pod) {
        watch(pod, observed, Vec::new(), &mut plan);
        if going {
            clean(pod, observed, &mut plan);
        }
        return plan;
    }
    if queue::is_elsewhere(pod, &view.settings.node_name) {
        wait_for_host(pod, view, &mut plan);
        return plan;
    }
    if spec.node_name.as_ref().is_none_or(String::is_empty) {
        // Nothing of it was ever ordered.
        if going {
            plan.push(Action::Remove);
        }
        return plan;
    }
    live(pod, spec, observed, view, &mut plan);
    plan
}

/// A pod of another host stays Pending and says why. Kubernetes deletes one whose Node is gone
/// (`podgc`); here it may be the manifest of a host that has a daemon of its own.
fn wait_for_host(pod: &Pod, view: &View, plan: &mut Plan) {
    let spec = pod.spec.clone().unwrap_or_default();
    if pod.metadata.deletion_timestamp.is_some() {
        // Nothing of it was ever ordered.
        return plan.push(Action::Remove);
    }
    let wanted = spec.node_name.as_deref().unwrap_or_default();
    let here = &view.settings.node_name;
    let message = format!("spec.nodeName is {wanted:?}, and this host is {here:?}");
    let mut waiting = pod.clone();
    let status = waiting.status.get_or_insert_with(|| status::fresh(&spec));
    if status.message.as_ref() != Some(&message) {
        status.message = Some(message.clone());
        plan.push(Action::Put(waiting.into()));
        plan.event(Severity::Warning, "NodeNotFound", message);
    }
}

fn clean(pod: &Pod, observed: &PodObserved, plan: &mut Plan) {
    if observed.cleaned {
        plan.push(Action::Remove);
    } else {
        plan.push(Action::Order(Order::Clean { pod_uid: uid(pod) }));
    }
}

fn uid(pod: &Pod) -> String {
    pod.metadata.uid.clone().unwrap_or_default()
}

/// A bound pod that has not come to its end.
fn live(pod: &Pod, spec: &PodSpec, observed: &PodObserved, view: &View, plan: &mut Plan) {
    let containers = Containers::of(pod, spec, observed, view.now);
    let old = pod.status.as_ref();
    let started = old.and_then(|old| old.start_time.as_ref()).map_or(view.now, |at| at.0);
    let ending = Ending::of(pod, &containers, started, view);
    let steps = match &ending {
        Some(ending) => lifecycle::ending(&containers, ending, view),
        None => lifecycle::going_on(&containers, view),
    };
    steps.wakes.iter().for_each(|wake| plan.wake(*wake));
    if ending.is_none() {
        lifecycle::deadline(spec, started, view).into_iter().for_each(|at| plan.wake(at));
    }
    let resolved = resolve(pod, &steps, view);
    let status = status::status(pod, &containers, &resolved.problems, ending.as_ref(), view);
    if pod.status.as_ref() != Some(&status) {
        let shown = events::Shown { status: &status, problems: &resolved.problems };
        events::of_change(&containers, &shown, ending.is_some(), view, plan);
        let (metadata, spec) = (pod.metadata.clone(), pod.spec.clone());
        plan.push(Action::Put(Object::from(Pod { metadata, spec, status: Some(status) })));
        plan.wake(view.now);
        return;
    }
    resolved.wakes.into_iter().for_each(|wake| plan.wake(wake));
    for (member, launched) in resolved.launched {
        events::of_warnings(member, launched.warnings, plan);
        plan.push(Action::Order(Order::Start(Box::new(launched.launch))));
    }
    events::of_steps(&containers, &steps, ending.as_ref(), plan);
    for stop in &steps.stops {
        plan.push(Action::Order(Order::Stop {
            pod_uid: uid(pod),
            container: stop.member.container.name.clone(),
            attempt: stop.member.attempt,
            grace_seconds: stop.grace_seconds,
        }));
    }
    watch(pod, observed, probe::wanted(pod, &containers, ending.is_some(), view.settings), plan);
    if ending.is_none() {
        refresh(&containers, observed, view, plan);
    }
}

/// Brings mounted files up to date, as the kubelet does; what failed is tried again after a pause.
fn refresh(containers: &Containers, observed: &PodObserved, view: &View, plan: &mut Plan) {
    let volumes = volumes::changed_files(containers, observed, view);
    if volumes.is_empty() {
        return;
    }
    let again_at = observed.files_failed_at.map(|at| view.due(at, REFRESH_AGAIN_AFTER));
    if let Some(again_at) = again_at.filter(|at| *at > view.now) {
        return plan.wake(again_at);
    }
    let fs_group = launch::fs_group(containers.spec);
    plan.push(Action::Order(Order::Refresh { pod_uid: uid(containers.pod), fs_group, volumes }));
}

/// Tells the prober when other probes shall run than before.
fn watch(pod: &Pod, observed: &PodObserved, wanted: Vec<probe::Probe>, plan: &mut Plan) {
    if observed.probing.as_deref().unwrap_or_default() != wanted {
        plan.push(Action::Order(Order::Probe { pod_uid: uid(pod), probes: wanted.into() }));
    }
}

/// What became of the containers that are to start.
struct Resolved<'c, 'a> {
    launched: Vec<(&'c ContainerView<'a>, Launched)>,
    problems: Problems<'a>,
    /// When to look again at what has a problem.
    wakes: Vec<Timestamp>,
}

fn resolve<'c, 'a>(pod: &Pod, steps: &Steps<'c, 'a>, view: &View) -> Resolved<'c, 'a> {
    let mut resolved =
        Resolved { launched: Vec::new(), problems: Problems::new(), wakes: Vec::new() };
    for (member, attempt) in &steps.starts {
        match launch::launch(pod, member.container, *attempt, view) {
            Ok(mut launched) => {
                // That the last run failed for another's socket on localhost is a guess, so it
                // holds the container back once and not for good.
                let localhost = member.failures == 0 && member.has_failed();
                launched.launch.contested =
                    ports::contested(pod, member.container, localhost, view);
                resolved.launched.push((member, launched));
            }
            Err(problem) => {
                let since = match member.exit() {
                    Some(exit) => exit.finished_at,
                    None => initialized_at(pod).unwrap_or(view.now),
                };
                let wait = restart::look_again(view.elapsed(since));
                resolved.wakes.push(view.due(view.now, wait));
                resolved.problems.insert(member.container.name.as_str(), problem);
            }
        }
    }
    resolved
}

/// Since when the pod is initialized, or at least begun.
fn initialized_at(pod: &Pod) -> Option<Timestamp> {
    let status = pod.status.as_ref()?;
    let initialized = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "Initialized" && condition.status == "True")
        .and_then(|condition| condition.last_transition_time.as_ref());
    initialized.or(status.start_time.as_ref()).map(|at| at.0)
}
