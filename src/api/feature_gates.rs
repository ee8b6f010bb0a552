//! Fields of features that a Kubernetes 1.36 API server disables by default: it silently drops them
//! from requests, unless the stored object has them already. Fields of features that cronlet itself
//! enables stay (`maxUnavailable` of a StatefulSet).

use super::check::Path;
use super::omitempty::{items, items_mut};
use crate::kind::{Kind, Object};
use k8s_openapi::api::core::v1::{Container, PodSpec, Volume, VolumeProjection};

/// Drops the fields from `new`, which is created or replaces `old`; returns a warning for each.
pub fn drop_disabled(old: Option<&Object>, new: &mut Object) -> Vec<String> {
    let mut dropped = Vec::new();
    let spec_at = Path::root("spec");
    let had = old.and_then(Object::pod_spec);
    let has_any = new.pod_spec().is_some_and(|pod| !uses(pod).is_none());
    if !has_any {
        return dropped;
    }
    let (job_template, of_template) = (spec_at.child("jobTemplate"), "template");
    let job_spec = job_template.child("spec");
    let at = if new.kind() == Kind::CronJob { &job_spec } else { &spec_at };
    let template_at = at.child(of_template);
    let template_spec = template_at.child("spec");
    let at = if new.kind() == Kind::Pod { &spec_at } else { &template_spec };
    if let Some(pod) = new.pod_spec_mut() {
        drop_of_pod(had.map(uses).unwrap_or_default(), pod, at, &mut dropped);
    }
    dropped
}

/// The gated fields that a pod has.
#[derive(Clone, Copy, Default)]
struct Uses {
    hooks: bool,
    signals: bool,
    bundles: bool,
    certificates: bool,
    group: bool,
}

impl Uses {
    fn is_none(self) -> bool {
        let Uses { hooks, signals, bundles, certificates, group } = self;
        !(hooks || signals || bundles || certificates || group)
    }
}

fn uses(pod: &PodSpec) -> Uses {
    let containers = || pod.containers.iter().chain(items(&pod.init_containers));
    let any_source = |is_set: fn(&VolumeProjection) -> bool| {
        let sources = items(&pod.volumes).iter().filter_map(|volume| volume.projected.as_ref());
        sources.flat_map(|projected| items(&projected.sources)).any(is_set)
    };
    Uses {
        hooks: containers().any(|container| container.lifecycle.is_some()),
        signals: containers().any(has_signal),
        bundles: any_source(|source| source.cluster_trust_bundle.is_some()),
        certificates: any_source(|source| source.pod_certificate.is_some()),
        group: pod.scheduling_group.is_some(),
    }
}

fn has_signal(container: &Container) -> bool {
    container.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.stop_signal.is_some())
}

fn drop_of_pod(had: Uses, pod: &mut PodSpec, at: &Path<'_>, dropped: &mut Vec<String>) {
    if !had.group && pod.scheduling_group.take().is_some() {
        tell(&at.child("schedulingGroup"), dropped);
    }
    // A signal has a meaning only in a pod that names its system: cronlet sends it.
    let names_system = pod.os.as_ref().is_some_and(|os| !os.name.is_empty());
    if !had.signals && !names_system {
        drop_signals(&mut pod.containers, &at.child("containers"), dropped);
        let init = items_mut(&mut pod.init_containers);
        drop_signals(init, &at.child("initContainers"), dropped);
    }
    for (i, volume) in items_mut(&mut pod.volumes).iter_mut().enumerate() {
        drop_sources(had, volume, &at.child("volumes").index(i), dropped);
    }
}

fn drop_signals(containers: &mut [Container], at: &Path<'_>, dropped: &mut Vec<String>) {
    for (i, container) in containers.iter_mut().enumerate() {
        let Some(lifecycle) = &mut container.lifecycle else { continue };
        if lifecycle.stop_signal.take().is_some() {
            tell(&at.index(i).child("lifecycle").child("stopSignal"), dropped);
        }
        if lifecycle.post_start.is_none() && lifecycle.pre_stop.is_none() {
            container.lifecycle = None;
        }
    }
}

/// Drops the types of disabled sources; the sources stay, without a type.
fn drop_sources(had: Uses, volume: &mut Volume, at: &Path<'_>, dropped: &mut Vec<String>) {
    let Some(projected) = &mut volume.projected else { return };
    let at = at.child("projected");
    let at = at.child("sources");
    for (i, source) in items_mut(&mut projected.sources).iter_mut().enumerate() {
        let at = at.index(i);
        if !had.bundles && source.cluster_trust_bundle.take().is_some() {
            tell(&at.child("clusterTrustBundle"), dropped);
        }
        if !had.certificates && source.pod_certificate.take().is_some() {
            tell(&at.child("podCertificate"), dropped);
        }
    }
}

fn tell(at: &Path<'_>, dropped: &mut Vec<String>) {
    dropped.push(format!("{at}: dropped: Kubernetes 1.36 has this feature switched off"));
}
