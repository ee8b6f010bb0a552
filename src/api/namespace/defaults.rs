//! Defaults that the API server sets on a Namespace before it checks it.

use k8s_openapi::api::core::v1::{Namespace, NamespaceStatus};

/// Finalizer that holds a terminating Namespace until it is empty (`spec.finalizers`).
pub const KUBERNETES: &str = "kubernetes";

/// The label that carries a Namespace's name.
pub const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Sets the default of `core/v1`: the name as a label.
pub fn set(namespace: &mut Namespace) {
    if let Some(name) = namespace.metadata.name.clone() {
        namespace.metadata.labels.get_or_insert_default().insert(NAME_LABEL.to_owned(), name);
    }
}

/// Makes a new Namespace active, and adds the finalizer that holds it until it is empty.
pub fn prepare_create(namespace: &mut Namespace) {
    namespace.status =
        Some(NamespaceStatus { phase: Some("Active".into()), ..NamespaceStatus::default() });
    let finalizers = namespace.spec.get_or_insert_default().finalizers.get_or_insert_default();
    if !finalizers.iter().any(|finalizer| finalizer == KUBERNETES) {
        finalizers.push(KUBERNETES.to_owned());
    }
}
