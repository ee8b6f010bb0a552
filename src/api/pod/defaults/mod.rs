//! Defaults that the API server sets on a Pod, and on the pod template of another kind.

mod admission;

mod app_armor;

mod containers;

mod image;

mod omit;

mod resources;

mod spec;

mod volumes;

pub use crate::pod::defaults::admission::refusal;
pub use crate::pod::defaults::resources::round;
pub use crate::pod::defaults::volumes::claim;

use super::resources::quality_of_service;
use crate::omitempty::{default_to, flag, items, items_mut};
use k8s_openapi::api::core::v1::{
    Container, Pod, PodCondition, PodSpec, PodStatus, PodTemplateSpec,
};

/// Adds all that `POST` of a Pod adds: the defaults of `core/v1`, those that admission plugins set,
/// and the first status.
pub fn pod(pod: &mut Pod) {
    let spec = pod.spec.get_or_insert_default();
    default_only_in_pods(spec);
    admission::add_service_account(spec);
    spec::default(spec);
    admission::add_tolerations(spec);
    admission::add_priority(spec);
    if let Some(labels) = &pod.metadata.labels {
        spec::merge_label_keys(spec, labels);
    }
    pod.status = Some(first_status(spec));
}

/// Sets the defaults of `core/v1` for a template: fewer than a Pod's, which gets the rest when it
/// is created.
pub fn template(template: &mut PodTemplateSpec) {
    template.metadata.get_or_insert_default();
    spec::default(template.spec.get_or_insert_default());
}

/// Moves AppArmor profiles of annotations into the fields.
pub fn prepare_create(pod: &mut Pod) {
    app_armor::from_annotations(pod);
}

/// Sets defaults of Pods alone, so that a new default does not change every stored template.
fn default_only_in_pods(spec: &mut PodSpec) {
    let is_on_host_network = flag(spec.host_network);
    let containers = spec.containers.iter_mut().chain(items_mut(&mut spec.init_containers));
    for container in containers {
        resources::default_requests(container);
        if is_on_host_network {
            default_host_ports(container);
        }
    }
    resources::default_for_pod(spec);
    spec.enable_service_links.get_or_insert(true);
    if spec.termination_grace_period_seconds.is_some_and(|seconds| seconds < 0) {
        spec.termination_grace_period_seconds = Some(1);
    }
}

/// Sets host ports: on the host's network a container's port is the host's.
fn default_host_ports(container: &mut Container) {
    for port in items_mut(&mut container.ports) {
        default_to(&mut port.host_port, port.container_port);
    }
}

fn first_status(spec: &PodSpec) -> PodStatus {
    let gated = (!items(&spec.scheduling_gates).is_empty()).then(|| {
        vec![PodCondition {
            type_: "PodScheduled".into(),
            status: "False".into(),
            reason: Some("SchedulingGated".into()),
            message: Some("Scheduling is blocked due to non-empty scheduling gates".into()),
            ..Default::default()
        }]
    });
    PodStatus {
        phase: Some("Pending".into()),
        qos_class: Some(quality_of_service(spec).into()),
        conditions: gated,
        ..Default::default()
    }
}
