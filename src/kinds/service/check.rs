//! The rules of a Service.

use crate::kinds::check::{Causes, Path};
use crate::kinds::names;
use k8s_openapi::api::core::v1::Service;

/// The rules of a new Service, after its defaults; those of `metadata` are checked elsewhere.
pub fn create(service: &Service, causes: &mut Causes) {
    let Some(spec) = &service.spec else { return };
    let at = Path::root("spec");
    let at = at.child("ports");
    for (i, port) in spec.ports.iter().flatten().enumerate() {
        let at = at.index(i);
        causes.invalid_each(&at.child("port"), port.port, names::port_number(port.port.into()));
    }
}
