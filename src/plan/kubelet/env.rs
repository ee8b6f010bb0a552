//! A container's environment: the host's basics, the image's, `envFrom`, `env`, with references
//! resolved and `$(VAR)` expanded, as the kubelet does it.

use super::downward_api;
use super::expand::expand;
use super::launch::{Problem, Sources};
use k8s_openapi::api::core::v1::{
    ConfigMapKeySelector, Container, EnvFromSource, EnvVarSource, SecretKeySelector,
};
use std::collections::BTreeMap;

/// Where programs are looked for if the container does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The variables that the manifest names: those that `$(VAR)` sees.
pub type Variables = BTreeMap<String, String>;

/// What the manifest says, and the names that it must leave out.
#[derive(Default)]
pub struct Resolved {
    pub variables: Variables,
    /// `Keys […] from the EnvFrom … were skipped`, ready for an event.
    pub skipped: Vec<String>,
}

/// Resolves `envFrom` and `env`. The error never holds a value.
pub fn resolve(container: &Container, sources: &Sources) -> Result<Resolved, Problem> {
    let mut resolved = Resolved::default();
    for from in container.env_from.iter().flatten() {
        resolved.take(from, sources)?;
    }
    for variable in container.env.iter().flatten() {
        let plain = variable.value.as_deref().filter(|value| !value.is_empty());
        let value = match (plain, &variable.value_from) {
            (Some(plain), _) => Some(expand(plain, |name| resolved.get(name))),
            (None, Some(from)) => value(from, container, sources)?,
            (None, None) => Some(String::new()),
        };
        if let Some(value) = value {
            resolved.variables.insert(variable.name.clone(), value);
        }
    }
    Ok(resolved)
}

impl Resolved {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    fn take(&mut self, from: &EnvFromSource, sources: &Sources) -> Result<(), Problem> {
        let prefix = from.prefix.as_deref().unwrap_or_default();
        if let Some(reference) = &from.config_map_ref {
            let optional = reference.optional == Some(true);
            if let Some(map) = sources.config_map(&reference.name, optional)? {
                let data = map.data.iter().flatten();
                let pairs = data.map(|(key, value)| (key, value.clone()));
                self.add(prefix, pairs, sources, "configMap", &reference.name);
            }
        }
        if let Some(reference) = &from.secret_ref {
            let optional = reference.optional == Some(true);
            if let Some(secret) = sources.secret(&reference.name, optional)? {
                let data = secret.data.iter().flatten();
                let pairs =
                    data.map(|(key, value)| (key, String::from_utf8_lossy(&value.0).into_owned()));
                self.add(prefix, pairs, sources, "secret", &reference.name);
            }
        }
        Ok(())
    }

    fn add<'p>(
        &mut self,
        prefix: &str,
        pairs: impl Iterator<Item = (&'p String, String)>,
        sources: &Sources,
        kind: &str,
        name: &str,
    ) {
        let mut skipped: Vec<String> = Vec::new();
        for (key, value) in pairs {
            let key = format!("{prefix}{key}");
            if is_name(&key) {
                self.variables.insert(key, value);
            } else {
                skipped.push(key);
            }
        }
        if !skipped.is_empty() {
            self.skipped.push(format!(
                "Keys [{}] from the EnvFrom {kind} {}/{name} were skipped since they are \
                 considered invalid environment variable names.",
                skipped.join(", "),
                sources.namespace()
            ));
        }
    }

    /// The whole environment of the process, in the order of the names.
    pub fn environment(self, basics: Variables) -> Vec<(String, String)> {
        let mut all = basics;
        all.extend(self.variables);
        all.into_iter().collect()
    }
}

/// What every process finds, before the manifest has its say.
pub fn basics(home: &str, host_name: &str, image: &BTreeMap<String, String>) -> Variables {
    let mut all: Variables = [("PATH", PATH), ("HOME", home), ("HOSTNAME", host_name)]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    all.extend(image.iter().map(|(name, value)| (name.clone(), value.clone())));
    all
}

/// The variables that follow from the user's entry in `/etc/passwd`: those that neither manifest
/// nor image say. runc replaces an empty `HOME` too.
pub fn of_account(resolved: &Resolved, image: &BTreeMap<String, String>) -> Vec<String> {
    let value = |name: &str| resolved.get(name).or(image.get(name).map(String::as_str));
    let is_open = |name: &&str| value(name).is_none_or(|value| *name == "HOME" && value.is_empty());
    ["HOME", "LOGNAME", "USER"].into_iter().filter(is_open).map(str::to_owned).collect()
}

/// Any printable ASCII but `=` makes a name, since Kubernetes 1.34.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'=')
}

/// `valueFrom`; `None` where it is optional and not there.
fn value(
    from: &EnvVarSource,
    container: &Container,
    sources: &Sources,
) -> Result<Option<String>, Problem> {
    if let Some(selector) = &from.field_ref {
        return downward_api::field(sources.pod, sources.view.settings, selector).map(Some);
    }
    if let Some(selector) = &from.resource_field_ref {
        let settings = sources.view.settings;
        return downward_api::resource(sources.spec, container, settings, selector).map(Some);
    }
    if let Some(selector) = &from.config_map_key_ref {
        return config_map_key(selector, sources);
    }
    if let Some(selector) = &from.secret_key_ref {
        return secret_key(selector, sources);
    }
    if from.file_key_ref.is_some() {
        return Err(Problem::config("fileKeyRef is not supported by this runtime".into()));
    }
    Ok(Some(String::new()))
}

fn config_map_key(
    selector: &ConfigMapKeySelector,
    sources: &Sources,
) -> Result<Option<String>, Problem> {
    let (name, key) = (&selector.name, &selector.key);
    let optional = selector.optional == Some(true);
    let Some(map) = sources.config_map(name, optional)? else { return Ok(None) };
    match map.data.as_ref().and_then(|data| data.get(key)) {
        Some(value) => Ok(Some(value.clone())),
        None if optional => Ok(None),
        None => Err(no_key("ConfigMap", sources.namespace(), name, key)),
    }
}

fn secret_key(selector: &SecretKeySelector, sources: &Sources) -> Result<Option<String>, Problem> {
    let (name, key) = (&selector.name, &selector.key);
    let optional = selector.optional == Some(true);
    let Some(secret) = sources.secret(name, optional)? else { return Ok(None) };
    match secret.data.as_ref().and_then(|data| data.get(key)) {
        Some(value) => Ok(Some(String::from_utf8_lossy(&value.0).into_owned())),
        None if optional => Ok(None),
        None => Err(no_key("Secret", sources.namespace(), name, key)),
    }
}

fn no_key(kind: &str, namespace: &str, name: &str, key: &str) -> Problem {
    Problem::config(format!("couldn't find key {key} in {kind} {namespace}/{name}"))
}
