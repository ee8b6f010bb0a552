//! What the API server makes of a Service before it checks it.

use k8s_openapi::api::core::v1::{LoadBalancerStatus, Service, ServiceStatus};

/// The defaults of `core/v1`.
pub fn set(service: &mut Service) {
    let spec = service.spec.get_or_insert_default();
    spec.type_.get_or_insert_with(|| "ClusterIP".into());
    spec.session_affinity.get_or_insert_with(|| "None".into());
    for port in spec.ports.iter_mut().flatten() {
        port.protocol.get_or_insert_with(|| "TCP".into());
    }
}

/// A new Service is balanced by nothing.
pub fn prepare_create(service: &mut Service) {
    let load_balancer = Some(LoadBalancerStatus::default());
    service.status = Some(ServiceStatus { load_balancer, ..ServiceStatus::default() });
}

/// The status stays.
pub fn prepare_update(old: &Service, new: &mut Service) {
    new.status = old.status.clone();
}
