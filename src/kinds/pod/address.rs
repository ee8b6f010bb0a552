//! The address of a pod: where its programs listen and its probes ask.

use crate::kinds::action::Settings;
use k8s_openapi::api::core::v1::Pod;

/// The pod's address, or its host's while it has none of its own.
pub fn of(pod: &Pod, settings: &Settings) -> String {
    let own = pod.status.as_ref().and_then(|status| status.pod_ip.clone());
    own.filter(|ip| !ip.is_empty()).unwrap_or_else(|| settings.host_ip.clone())
}
