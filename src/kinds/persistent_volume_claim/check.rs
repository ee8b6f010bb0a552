//! The rules of a PersistentVolumeClaim.

use crate::kinds::check::{Causes, Path};
use crate::kinds::pod;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;

/// The rules of a new claim, after its defaults; those of `metadata` are checked elsewhere.
pub fn create(claim: &PersistentVolumeClaim, causes: &mut Causes) {
    if let Some(spec) = &claim.spec {
        pod::check::claim(spec, &Path::root("spec"), causes);
    }
}
