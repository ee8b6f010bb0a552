//! The rules of a Namespace.

use crate::kinds::check::{Causes, Path};
use crate::kinds::names;
use k8s_openapi::api::core::v1::Namespace;

/// The rules of a new Namespace; those of `metadata` are checked elsewhere.
pub fn create(namespace: &Namespace, causes: &mut Causes) {
    let finalizers = namespace.spec.iter().flat_map(|spec| spec.finalizers.iter().flatten());
    let at = Path::root("spec");
    for finalizer in finalizers {
        causes.invalid_each(&at.child("finalizers"), finalizer, names::qualified_name(finalizer));
    }
}
