//! The rules of a ControllerRevision.

use crate::check::{Causes, Path};
use crate::meta::{immutable, nonnegative};
use k8s_openapi::api::apps::v1::ControllerRevision;

/// The rules of a new ControllerRevision; those of `metadata` are checked elsewhere.
pub fn create(revision: &ControllerRevision, causes: &mut Causes) {
    match &revision.data {
        None => causes.required(&Path::root("data"), "data is mandatory"),
        Some(data) if data.0.is_null() => {
            causes.required(&Path::root("data"), "data is mandatory");
        }
        Some(data) if !data.0.is_object() => {
            causes.required(&Path::root("data"), "data must be a valid JSON object");
        }
        Some(_) => {}
    }
    nonnegative(Some(revision.revision), &Path::root("revision"), causes);
}

/// The rules of a change: what it holds stays.
pub fn update(old: &ControllerRevision, new: &ControllerRevision, causes: &mut Causes) {
    nonnegative(Some(new.revision), &Path::root("revision"), causes);
    immutable(&old.data, &new.data, &Path::root("data"), causes);
}
