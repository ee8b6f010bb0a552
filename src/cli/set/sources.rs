//! Variables that come from a ConfigMap or a Secret: by which names, and what their values are.

use crate::client::Client;
use crate::failure::Failure;
use crate::get;
use crate::target::Target;
use anyhow::anyhow;
use cronlet_api::kind::{Key, Kind, Object};
use k8s_openapi::api::core::v1::{ConfigMapKeySelector, EnvVar, EnvVarSource, SecretKeySelector};
use std::collections::BTreeMap;

#[derive(Debug, clap::Args)]
pub(super) struct Source {
    /// Set a variable for each key of it, such as configmap/NAME or secret/NAME
    #[arg(long, value_name = "KIND/NAME")]
    from: Option<String>,
    /// What such variables' names begin with
    #[arg(long, default_value = "", value_name = "LETTERS", requires = "from")]
    prefix: String,
    /// Only these keys, joined by commas
    #[arg(long, value_delimiter = ',', value_name = "KEYS", requires = "from")]
    keys: Vec<String>,
}

/// A variable for each wanted key of what `--from` names.
pub(super) fn variables(
    source: &Source,
    client: &Client,
    namespace: &str,
) -> Result<impl Iterator<Item = EnvVar>, Failure> {
    let mut variables = Vec::new();
    if let Some(from) = &source.from {
        let object = read(from, client, namespace)?;
        let keys = data(&object).into_keys();
        let wanted = keys.filter(|key| source.keys.is_empty() || source.keys.contains(key));
        variables.extend(wanted.map(|key| variable(&object, &source.prefix, key)));
    }
    Ok(variables.into_iter())
}

fn read(from: &str, client: &Client, namespace: &str) -> Result<Object, Failure> {
    match Target::parse_all(&[from.to_owned()])?.as_slice() {
        [Target { kind: kind @ (Kind::ConfigMap | Kind::Secret), name: Some(name) }] => {
            get::read_object(client, &Key::new(*kind, namespace, name))
        }
        _ => Err(Failure::usage(format!("--from: not configmap/NAME or secret/NAME: {from}"))),
    }
}

fn variable(object: &Object, prefix: &str, key: String) -> EnvVar {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    let name: String = key.chars().map(plain).collect();
    let from = object.name().to_owned();
    let source = match object.kind() {
        Kind::Secret => EnvVarSource {
            secret_key_ref: Some(SecretKeySelector { name: from, key, optional: None }),
            ..EnvVarSource::default()
        },
        _ => EnvVarSource {
            config_map_key_ref: Some(ConfigMapKeySelector { name: from, key, optional: None }),
            ..EnvVarSource::default()
        },
    };
    EnvVar {
        name: format!("{prefix}{}", name.to_ascii_uppercase()),
        value: None,
        value_from: Some(source),
    }
}

/// The value that a variable has by what it refers to; `None` where it refers to no ConfigMap and
/// no Secret.
pub(super) fn value(
    variable: &EnvVar,
    client: &Client,
    namespace: &str,
) -> Result<Option<String>, Failure> {
    let Some(from) = &variable.value_from else { return Ok(None) };
    let (kind, name, key) = match (&from.config_map_key_ref, &from.secret_key_ref) {
        (Some(from), _) => (Kind::ConfigMap, &from.name, &from.key),
        (None, Some(from)) => (Kind::Secret, &from.name, &from.key),
        (None, None) => return Ok(None),
    };
    let object = get::read_object(client, &Key::new(kind, namespace, name))?;
    match data(&object).remove(key) {
        Some(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        None => {
            let kind = kind.info().singular;
            Err(Failure::Other(anyhow!("key {key} not found in {kind} {name}")))
        }
    }
}

fn data(object: &Object) -> BTreeMap<String, Vec<u8>> {
    match object {
        Object::ConfigMap(map) => {
            let data = map.data.iter().flatten();
            data.map(|(key, value)| (key.clone(), value.clone().into_bytes())).collect()
        }
        Object::Secret(secret) => {
            let data = secret.data.iter().flatten();
            data.map(|(key, value)| (key.clone(), value.0.clone())).collect()
        }
        _ => BTreeMap::new(),
    }
}
