//! A Deployment never has more pods than its surge allows, never takes what it must keep
//! available, leaves everything as it is while it is paused, and under `Recreate` never has old and
//! new together.

use super::{Scene, pods};
use crate::runtime::Started;
use crate::templates::version_of;
use cronlet_api::kind::Object;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};

pub(crate) fn check(deployment: &Deployment, scene: &Scene<'_>) -> Result<(), String> {
    let (name, Some(spec)) = (scene.name, &deployment.spec) else { return Ok(()) };
    let Some(allowed) = Allowed::of(spec) else { return Ok(()) };
    scene.check_at_most(allowed.pods_max)?;
    let says = deployment.status.as_ref().and_then(|status| status.replicas).unwrap_or(0);
    let active = scene.active().count();
    if usize::try_from(says) != Ok(active) {
        return Err(format!("{name} says {says} pods, in truth {active}"));
    }
    let taken = scene.taken_up(spec.min_ready_seconds);
    let Some(least) = allowed.available_min.filter(|_| !scene.turn.resized && !taken.is_empty())
    else {
        return Ok(());
    };
    let up = scene.active().filter(|one| scene.is_up(one, spec.min_ready_seconds)).count();
    if up < least {
        return Err(format!("{name} has {up} available of {least} after {taken:?} were taken"));
    }
    Ok(())
}

pub(crate) fn is_recreated(spec: &DeploymentSpec) -> bool {
    spec.strategy.as_ref().is_some_and(|strategy| strategy.rolling_update.is_none())
}

/// Old and new never run at once. A pause ends the wait for the old ones, as in Kubernetes.
pub(crate) fn keeps_apart(spec: &DeploymentSpec) -> bool {
    is_recreated(spec) && !paused(Some(spec))
}

/// Of `Recreate`: a program that starts, beside those that run.
pub(crate) fn check_start<'a>(
    started: &Started,
    mut running: impl Iterator<Item = &'a Started>,
) -> Result<(), String> {
    match running.find(|one| one.job() != started.job()) {
        Some(old) => Err(format!("{} was started while {} runs", started.pod, old.pod)),
        None => Ok(()),
    }
}

fn paused(spec: Option<&DeploymentSpec>) -> bool {
    spec.is_some_and(|spec| spec.paused == Some(true))
}

/// A pause lets no set take over from another.
pub(crate) fn check_pause(deployment: &Deployment, scene: &Scene<'_>) -> Result<(), String> {
    let Some(spec) = deployment.spec.as_ref().filter(|spec| paused(Some(spec))) else {
        return Ok(());
    };
    let version = version_of(&spec.template);
    let was_paused = match &scene.turn.before {
        Some(Object::Deployment(before)) => paused(before.spec.as_ref()),
        _ => true,
    };
    // Once the new set is all there, the old ones go also during a pause, as in Kubernetes.
    let new = scene.active().filter(|one| one.version == version).count();
    let is_full = usize::try_from(spec.replicas.unwrap_or(1)).is_ok_and(|all| new >= all);
    let is_calm = was_paused && !scene.turn.resized && !is_full;
    match scene.turn.taken.first().filter(|_| is_calm) {
        Some(taken) => Err(format!("{} was taken during a pause", taken.pod)),
        None => Ok(()),
    }
}

/// What the strategy of a Deployment allows, counted apart from the controller.
pub(crate) struct Allowed {
    pub pods_max: usize,
    /// `Recreate` promises none.
    pub available_min: Option<usize>,
}

impl Allowed {
    pub(crate) fn of(spec: &DeploymentSpec) -> Option<Allowed> {
        let replicas = usize::try_from(spec.replicas.unwrap_or(1)).ok()?;
        let strategy = spec.strategy.as_ref()?;
        let Some(rolling) = &strategy.rolling_update else {
            return Some(Allowed { pods_max: replicas, available_min: None });
        };
        let surge = pods(rolling.max_surge.as_ref(), replicas, 99);
        let missing = pods(rolling.max_unavailable.as_ref(), replicas, 0);
        let missing = if surge + missing == 0 { 1 } else { missing };
        Some(Allowed {
            pods_max: replicas + surge,
            available_min: Some(replicas.saturating_sub(missing)),
        })
    }
}
