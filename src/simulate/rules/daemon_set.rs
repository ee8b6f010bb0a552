//! A DaemonSet has one pod on this node, one more while it surges, and under `OnDelete` leaves it
//! alone.

use super::Scene;
use crate::templates::version_of;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

pub(crate) fn check(set: &DaemonSet, scene: &Scene<'_>) -> Result<(), String> {
    let (name, Some(spec)) = (scene.name, &set.spec) else { return Ok(()) };
    let strategy = spec.update_strategy.as_ref();
    let is_on_delete = strategy.and_then(|one| one.type_.as_deref()) == Some("OnDelete");
    if let Some(taken) = scene.turn.taken.first().filter(|_| is_on_delete) {
        return Err(format!("{} was taken under OnDelete", taken.pod));
    }
    let surge = strategy.and_then(|one| one.rolling_update.as_ref()?.max_surge.as_ref());
    let surges = surge.is_some_and(|surge| *surge != IntOrString::Int(0));
    scene.check_at_most(if surges { 2 } else { 1 })?;
    // Of several old ones that with the earliest date stays the longest: another one, where the
    // clock was set back, as in Kubernetes.
    let earliest = scene.turn.taken.iter().map(|one| one.made_at).min();
    let mut taken = scene.taken_up(spec.min_ready_seconds);
    taken.retain(|one| Some(one.made_at) == earliest);
    let version = version_of(&spec.template);
    let is_new = scene.active().all(|one| one.version == version);
    let is_up = scene.active().any(|one| scene.is_up(one, spec.min_ready_seconds));
    if surges && is_new && !is_up && !taken.is_empty() {
        return Err(format!("{name} has no available pod after {taken:?} were taken"));
    }
    Ok(())
}
