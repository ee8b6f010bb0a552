//! Defaults that the API server sets on a ConfigMap before it checks it.

use k8s_openapi::api::core::v1::ConfigMap;

/// Removes maps that are empty.
pub fn set(map: &mut ConfigMap) {
    map.data.take_if(|data| data.is_empty());
    map.binary_data.take_if(|data| data.is_empty());
}
