//! The rules of an Event.

use crate::kinds::check::{Causes, Path};
use k8s_openapi::api::core::v1::Event;

/// An Event lies in the namespace of what it is about.
pub fn create(event: &Event, causes: &mut Causes) {
    let about = event.involved_object.namespace.as_deref().unwrap_or_default();
    let own = event.metadata.namespace.as_deref().unwrap_or_default();
    // What has no namespace, such as a Node, is told about in `default`.
    if about != own && !(about.is_empty() && own == "default") {
        let at = Path::root("involvedObject");
        causes.invalid(&at.child("namespace"), about, "does not match event.namespace");
    }
}
