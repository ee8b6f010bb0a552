//! The rules of a ConfigMap.

use crate::check::{Causes, Path};
use crate::names;
use k8s_openapi::api::core::v1::ConfigMap;

/// `core.MaxSecretSize`, which holds for ConfigMaps too.
const BYTES_MAX: usize = 1 << 20;

/// The rules of a new ConfigMap; those of `metadata` are checked elsewhere.
pub fn create(map: &ConfigMap, causes: &mut Causes) {
    let (data, binary) = (Path::root("data"), Path::root("binaryData"));
    let mut bytes = 0;
    for (key, value) in map.data.iter().flatten() {
        causes.invalid_each(&data.key(key), key, names::config_map_key(key));
        if map.binary_data.as_ref().is_some_and(|binary| binary.contains_key(key)) {
            causes.invalid(&data.key(key), key, "duplicate of key present in binaryData");
        }
        bytes += value.len();
    }
    for (key, value) in map.binary_data.iter().flatten() {
        causes.invalid_each(&binary.key(key), key, names::config_map_key(key));
        bytes += value.0.len();
    }
    if bytes > BYTES_MAX {
        causes.too_long(&Path::root(""), BYTES_MAX);
    }
}

/// The rules of a change: none once it is `immutable`.
pub fn update(old: &ConfigMap, new: &ConfigMap, causes: &mut Causes) {
    if old.immutable == Some(true) {
        let why = "field is immutable when `immutable` is set";
        if new.immutable != Some(true) {
            causes.forbidden(&Path::root("immutable"), why);
        }
        if old.data != new.data {
            causes.forbidden(&Path::root("data"), why);
        }
        if old.binary_data != new.binary_data {
            causes.forbidden(&Path::root("binaryData"), why);
        }
    }
    create(new, causes);
}
