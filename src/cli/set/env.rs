//! `cronlet set env`: environment variables of containers, set, taken away, listed.

use super::sources::{self, Source};
use crate::client::Client;
use crate::failure::Failure;
use crate::output::write_text;
use crate::rollout::Targets;
use anyhow::anyhow;
use cronlet_api::kind::Object;
use k8s_openapi::api::core::v1::{Container, EnvVar};
use serde_json::json;

/// Change environment variables of containers
///
/// Such as: cronlet set env deployment/web MODE=fast OLD-
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// KIND NAME or kind/name..., and NAME=VALUE to set or NAME- to take away
    #[arg(required = true, value_name = "KIND NAME VARIABLE=VALUE")]
    words: Vec<String>,
    /// Namespace
    #[arg(short, long, default_value = "default", value_name = "NAME")]
    namespace: String,
    /// Only containers of this name; * in it stands for any letters
    #[arg(short, long, default_value = "*", value_name = "NAME")]
    containers: String,
    #[command(flatten)]
    source: Source,
    /// `--overwrite=false` refuses to set what is set already
    #[arg(long, value_name = "BOOL", default_value_t = true, default_missing_value = "true")]
    #[arg(num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set)]
    overwrite: bool,
    /// Show the variables, and change nothing
    #[arg(long)]
    list: bool,
    /// In a list, show values that come from elsewhere
    #[arg(long, requires = "list")]
    resolve: bool,
}

enum Change {
    Set(Box<EnvVar>),
    Remove(String),
}

pub(super) fn run(args: &Args, client: &Client) -> Result<(), Failure> {
    let is_change = |word: &str| word.contains('=') || word.ends_with('-');
    let (target, words) = super::split(&args.words, is_change);
    let mut changes =
        words.iter().map(|word| Change::parse(word)).collect::<Result<Vec<_>, _>>()?;
    let sourced = sources::variables(&args.source, client, &args.namespace)?;
    changes.extend(sourced.map(|variable| Change::Set(Box::new(variable))));
    if changes.is_empty() && !args.list {
        return Err(Failure::usage("at least one environment variable must be provided"));
    }
    let targets = Targets::new(target, &args.namespace)?;
    targets.each(client, |object| {
        let mut containers = super::containers(object);
        containers.retain(|(_, container)| is_like(&args.containers, &container.name));
        if containers.is_empty() {
            let wanted = &args.containers;
            return Err(Failure::Other(anyhow!("no container of {} is {wanted:?}", object.name())));
        }
        if args.list {
            let namespace = args.resolve.then_some(args.namespace.as_str());
            return list(client, object, &containers, namespace);
        }
        if !args.overwrite {
            refuse_what_is_set(&containers, &changes)?;
        }
        let changed = containers.into_iter().filter_map(|(place, container)| {
            let before = container.env.clone().unwrap_or_default();
            let after = changes.iter().fold(before.clone(), |env, change| change.made(env));
            (after != before).then(|| (place, container, json!(after)))
        });
        super::write(client, object, changed.collect(), "env", "env updated")
    })
}

impl Change {
    fn parse(word: &str) -> Result<Change, Failure> {
        let change = match word.split_once('=') {
            Some((name, value)) => Change::Set(Box::new(EnvVar {
                name: name.to_owned(),
                value: Some(value.to_owned()),
                value_from: None,
            })),
            None => Change::Remove(word.strip_suffix('-').unwrap_or(word).to_owned()),
        };
        if change.name().is_empty() {
            return Err(Failure::usage(format!("not NAME=VALUE or NAME-: {word}")));
        }
        Ok(change)
    }

    fn name(&self) -> &str {
        match self {
            Change::Set(variable) => &variable.name,
            Change::Remove(name) => name,
        }
    }

    /// In its place where the variable is there, last where it is new.
    fn made(&self, mut env: Vec<EnvVar>) -> Vec<EnvVar> {
        match self {
            Change::Remove(name) => env.retain(|one| one.name != *name),
            Change::Set(variable) => match env.iter_mut().find(|one| one.name == variable.name) {
                Some(one) => one.clone_from(variable),
                None => env.push((**variable).clone()),
            },
        }
        env
    }
}

fn refuse_what_is_set(
    containers: &[(String, Container)],
    changes: &[Change],
) -> Result<(), Failure> {
    let mut there = containers.iter().flat_map(|(_, container)| container.env.iter().flatten());
    let is_set = |one: &EnvVar| {
        changes.iter().any(|change| matches!(change, Change::Set(new) if new.name == one.name))
    };
    let Some(EnvVar { name, value, .. }) = there.find(|one| is_set(one)) else { return Ok(()) };
    let value = value.as_deref().unwrap_or_default();
    Err(Failure::Other(anyhow!("'{name}' already has a value ({value}), and --overwrite is false")))
}

/// With a namespace, values that come from its ConfigMaps and Secrets are shown.
fn list(
    client: &Client,
    object: &Object,
    containers: &[(String, Container)],
    namespace: Option<&str>,
) -> Result<(), Failure> {
    let kind = object.kind().info().kind;
    for (_, container) in containers {
        write_text(&format!("# {kind} {}, container {}\n", object.name(), container.name))?;
        for variable in container.env.iter().flatten() {
            let value = match namespace {
                Some(namespace) => sources::value(variable, client, namespace)?,
                None => None,
            };
            let text = match value {
                Some(value) => format!("{}={value}", variable.name),
                None => shown(variable),
            };
            write_text(&format!("{text}\n"))?;
        }
    }
    Ok(())
}

fn shown(variable: &EnvVar) -> String {
    let name = &variable.name;
    let Some(from) = &variable.value_from else {
        return format!("{name}={}", variable.value.as_deref().unwrap_or_default());
    };
    if let Some(key) = &from.secret_key_ref {
        return format!("# {name} from secret {}, key {}", key.name, key.key);
    }
    if let Some(key) = &from.config_map_key_ref {
        return format!("# {name} from configmap {}, key {}", key.name, key.key);
    }
    if let Some(field) = &from.field_ref {
        return format!("# {name} from field path {}", field.field_path);
    }
    match &from.resource_field_ref {
        Some(resource) => format!("# {name} from resource field {}", resource.resource),
        None => format!("# {name} from elsewhere"),
    }
}

/// Whether a name fits a pattern, in which `*` stands for any letters.
fn is_like(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_names() {
        let check = |pattern: &str, name: &str, want: bool| {
            assert_eq!(is_like(pattern, name), want, "{pattern} {name}");
        };
        check("*", "main", true);
        check("main", "main", true);
        check("main", "main2", false);
        check("ma*", "main", true);
        check("*in", "main", true);
        check("m*i*", "main", true);
        check("m*x*", "main", false);
        check("ma*an", "man", false);
    }
}
