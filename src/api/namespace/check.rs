//! The rules of a Namespace.

use crate::check::{Causes, Path};
use crate::{meta, names};
use k8s_openapi::api::core::v1::Namespace;

/// The rules of a new Namespace; those of `metadata` are checked elsewhere.
pub fn create(namespace: &Namespace, causes: &mut Causes) {
    let finalizers = namespace.spec.iter().flat_map(|spec| spec.finalizers.iter().flatten());
    let at = Path::root("spec");
    for finalizer in finalizers {
        let at = at.child("finalizers");
        let faults = names::qualified_name(finalizer);
        if faults.is_empty() {
            meta::check_finalizer_domain(finalizer, &at, causes);
        }
        causes.invalid_each(&at, finalizer, faults);
    }
}
