//! What the API server makes of a ConfigMap before it checks it.

use k8s_openapi::api::core::v1::ConfigMap;

/// Empty is absent.
pub fn set(map: &mut ConfigMap) {
    map.data.take_if(|data| data.is_empty());
    map.binary_data.take_if(|data| data.is_empty());
}
