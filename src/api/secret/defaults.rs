//! Defaults that the API server sets on a Secret before it checks it.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

/// Moves `stringData` into `data`, where it overwrites; sets the type to `Opaque` if there is none.
pub fn set(secret: &mut Secret) {
    for (key, value) in secret.string_data.take().unwrap_or_default() {
        let bytes = ByteString(value.into_bytes());
        secret.data.get_or_insert_default().insert(key, bytes);
    }
    secret.data.take_if(|data| data.is_empty());
    secret.type_.take_if(|kind| kind.is_empty());
    secret.type_.get_or_insert_with(|| "Opaque".into());
}
