//! What the API server makes of a Namespace before it checks it.

use k8s_openapi::api::core::v1::{Namespace, NamespaceStatus};

/// Holds a Namespace that is deleted until nothing is left in it (`spec.finalizers`).
pub const KUBERNETES: &str = "kubernetes";

/// The label that carries a Namespace's name.
pub const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The defaults of `core/v1`: its name as a label.
pub fn set(namespace: &mut Namespace) {
    if let Some(name) = namespace.metadata.name.clone() {
        namespace.metadata.labels.get_or_insert_default().insert(NAME_LABEL.to_owned(), name);
    }
}

/// A new Namespace is active, and held until it is empty.
pub fn prepare_create(namespace: &mut Namespace) {
    namespace.status =
        Some(NamespaceStatus { phase: Some("Active".into()), ..NamespaceStatus::default() });
    let finalizers = namespace.spec.get_or_insert_default().finalizers.get_or_insert_default();
    if !finalizers.iter().any(|finalizer| finalizer == KUBERNETES) {
        finalizers.push(KUBERNETES.to_owned());
    }
}
