//! The defaults of a container: image pull policy, termination message, probes, hooks, ports,
//! environment.

use super::image::pull_policy;
use super::resources;
use crate::omitempty::{default_to, items_mut, text};
use crate::quantity::Quantity;
use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EnvVar, GRPCAction, HTTPGetAction, ObjectFieldSelector, Probe,
    ResourceFieldSelector,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Written;

pub(super) const MESSAGE_PATH: &str = "/dev/termination-log";

pub(super) fn default(container: &mut Container) {
    let image = text(&container.image).to_owned();
    default_to(&mut container.image_pull_policy, pull_policy(&image));
    default_to(&mut container.termination_message_path, MESSAGE_PATH);
    default_to(&mut container.termination_message_policy, "File");
    resources::default(container.resources.get_or_insert_default());
    items_mut(&mut container.ports).iter_mut().for_each(default_port);
    items_mut(&mut container.env).iter_mut().for_each(default_variable);
    let probes = [
        &mut container.liveness_probe,
        &mut container.readiness_probe,
        &mut container.startup_probe,
    ];
    probes.into_iter().flatten().for_each(default_probe);
    if let Some(lifecycle) = &mut container.lifecycle {
        let hooks = [&mut lifecycle.post_start, &mut lifecycle.pre_stop];
        let requests = hooks.into_iter().flatten().filter_map(|hook| hook.http_get.as_mut());
        requests.for_each(default_http_get);
    }
}

pub(super) fn default_port(port: &mut ContainerPort) {
    default_to(&mut port.protocol, "TCP");
}

pub(super) fn default_variable(variable: &mut EnvVar) {
    let Some(source) = &mut variable.value_from else { return };
    source.field_ref.as_mut().map(default_field);
    source.resource_field_ref.as_mut().map(default_divisor);
    if let Some(file_key) = &mut source.file_key_ref {
        file_key.optional.get_or_insert(false);
    }
}

pub(super) fn default_field(field: &mut ObjectFieldSelector) {
    default_to(&mut field.api_version, "v1");
}

/// The divisor is always shown, in canonical form: `0` means 1.
pub(super) fn default_divisor(field: &mut ResourceFieldSelector) {
    let divisor = field.divisor.get_or_insert_with(|| Written("0".into()));
    if let Ok(amount) = divisor.0.parse::<Quantity>() {
        divisor.0 = amount.to_string();
    }
}

fn default_probe(probe: &mut Probe) {
    default_to(&mut probe.timeout_seconds, 1);
    default_to(&mut probe.period_seconds, 10);
    default_to(&mut probe.success_threshold, 1);
    default_to(&mut probe.failure_threshold, 3);
    probe.http_get.as_mut().map(default_http_get);
    if let Some(GRPCAction { service, .. }) = &mut probe.grpc {
        service.get_or_insert_default();
    }
}

fn default_http_get(request: &mut HTTPGetAction) {
    default_to(&mut request.path, "/");
    default_to(&mut request.scheme, "HTTP");
}
