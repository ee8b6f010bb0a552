//! The rules of a DaemonSet (Kubernetes' `ValidateDaemonSet` and `ValidateDaemonSetUpdate`).

use crate::check::{Causes, Path};
use crate::meta::{immutable, nonnegative};
use crate::{selector, template};
use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetUpdateStrategy, RollingUpdateDaemonSet};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// The rules of a new DaemonSet, after its defaults; those of `metadata` are checked elsewhere.
pub fn create(set: &DaemonSet, causes: &mut Causes) {
    let Some(spec) = &set.spec else { return };
    let at = Path::root("spec");
    let (selector_at, template_at) = (at.child("selector"), at.child("template"));
    // A selector that is missing or broken is told less of than in other kinds.
    let is_missing = template::is_missing(&spec.selector);
    let before = causes.found.len();
    if !is_missing {
        selector::check(&spec.selector, &selector_at, causes);
    }
    if causes.found.len() == before {
        template::check_labels(&spec.template, &spec.selector, &template_at, causes);
    }
    if selector::is_empty(&spec.selector) {
        let why = "empty selector is invalid for daemonset";
        causes.invalid(&selector_at, &spec.selector, why);
    }
    crate::pod::check::template(&spec.template, &template_at, causes);
    template::check_restarts(&spec.template, "DaemonSet", &template_at, causes);
    nonnegative(spec.min_ready_seconds, &at.child("minReadySeconds"), causes);
    if let Some(strategy) = &spec.update_strategy {
        check_strategy(strategy, &at.child("updateStrategy"), causes);
    }
    nonnegative(spec.revision_history_limit, &at.child("revisionHistoryLimit"), causes);
}

/// The rules of a change, after [`super::defaults::set`] and `prepare_update`.
pub fn update(old: &DaemonSet, new: &DaemonSet, causes: &mut Causes) {
    create(new, causes);
    let (Some(had), Some(spec)) = (&old.spec, &new.spec) else { return };
    let at = Path::root("spec");
    immutable(&had.selector, &spec.selector, &at.child("selector"), causes);
}

/// The rules of `status`: counts are not negative.
pub fn status(set: &DaemonSet, causes: &mut Causes) {
    let Some(status) = &set.status else { return };
    let at = Path::root("status");
    for (field, count) in [
        ("currentNumberScheduled", Some(status.current_number_scheduled)),
        ("numberMisscheduled", Some(status.number_misscheduled)),
        ("desiredNumberScheduled", Some(status.desired_number_scheduled)),
        ("numberReady", Some(status.number_ready)),
        ("updatedNumberScheduled", status.updated_number_scheduled),
        ("numberAvailable", status.number_available),
        ("numberUnavailable", status.number_unavailable),
        ("collisionCount", status.collision_count),
    ] {
        nonnegative(count, &at.child(field), causes);
    }
    nonnegative(status.observed_generation, &at.child("observedGeneration"), causes);
}

fn check_strategy(strategy: &DaemonSetUpdateStrategy, at: &Path<'_>, causes: &mut Causes) {
    let rolling_at = at.child("rollingUpdate");
    match (strategy.type_.as_deref().unwrap_or_default(), &strategy.rolling_update) {
        ("RollingUpdate", Some(rolling)) => check_rolling(rolling, &rolling_at, causes),
        ("OnDelete" | "RollingUpdate", _) => {}
        (other, _) => causes.unsupported(at, other, &["RollingUpdate", "OnDelete"]),
    }
}

fn check_rolling(rolling: &RollingUpdateDaemonSet, at: &Path<'_>, causes: &mut Causes) {
    let zero = IntOrString::Int(0);
    let unavailable = rolling.max_unavailable.as_ref().unwrap_or(&zero);
    let surge = rolling.max_surge.as_ref().unwrap_or(&zero);
    let (unavailable_at, surge_at) = (at.child("maxUnavailable"), at.child("maxSurge"));
    template::check_number_or_percent(unavailable, &unavailable_at, causes);
    template::check_number_or_percent(surge, &surge_at, causes);
    template::check_at_most_all(unavailable, &unavailable_at, causes);
    template::check_at_most_all(surge, &surge_at, causes);
    match (template::is_zero(unavailable), template::is_zero(surge)) {
        (false, false) => {
            causes.invalid(&surge_at, surge, "may not be set when maxUnavailable is non-zero");
        }
        (true, true) => causes.required(&unavailable_at, "cannot be 0 when maxSurge is 0"),
        _ => {}
    }
}
