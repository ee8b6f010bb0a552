//! `cronlet set env`: environment variables of containers, set, taken away, listed.

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::write_text;
use crate::cli::rollout::Targets;
use crate::kinds::Object;
use anyhow::anyhow;
use k8s_openapi::api::core::v1::{Container, EnvVar};
use serde_json::json;

/// Change environment variables of containers
///
/// Such as: cronlet set env deployment/web MODE=fast OLD-
#[derive(Debug, clap::Args)]
pub struct Args {
    /// KIND NAME or kind/name..., and NAME=VALUE to set or NAME- to take away
    #[arg(required = true, value_name = "KIND NAME VARIABLE=VALUE")]
    words: Vec<String>,
    /// Namespace
    #[arg(short, long, default_value = "default", value_name = "NAME")]
    namespace: String,
    /// Only containers of this name; * in it stands for any letters
    #[arg(short, long, default_value = "*", value_name = "NAME")]
    containers: String,
    /// Show the variables, and change nothing
    #[arg(long)]
    list: bool,
}

enum Change {
    Set(String, String),
    Remove(String),
}

pub fn run(args: &Args, client: &Client) -> Result<(), Failure> {
    let is_change = |word: &str| word.contains('=') || word.ends_with('-');
    let (target, words) = super::split(&args.words, is_change);
    let changes = words.iter().map(|word| Change::parse(word)).collect::<Result<Vec<_>, _>>()?;
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
            return list(object, &containers);
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
            Some((name, value)) => Change::Set(name.to_owned(), value.to_owned()),
            None => Change::Remove(word.strip_suffix('-').unwrap_or(word).to_owned()),
        };
        let (Change::Set(name, _) | Change::Remove(name)) = &change;
        if name.is_empty() {
            return Err(Failure::usage(format!("not NAME=VALUE or NAME-: {word}")));
        }
        Ok(change)
    }

    /// In its place where the variable is there, last where it is new.
    fn made(&self, mut env: Vec<EnvVar>) -> Vec<EnvVar> {
        match self {
            Change::Remove(name) => env.retain(|one| one.name != *name),
            Change::Set(name, value) => {
                let set =
                    EnvVar { name: name.clone(), value: Some(value.clone()), value_from: None };
                match env.iter_mut().find(|one| one.name == *name) {
                    Some(one) => *one = set,
                    None => env.push(set),
                }
            }
        }
        env
    }
}

fn list(object: &Object, containers: &[(String, Container)]) -> Result<(), Failure> {
    let kind = object.kind().info().kind;
    for (_, container) in containers {
        write_text(&format!("# {kind} {}, container {}\n", object.name(), container.name))?;
        for variable in container.env.iter().flatten() {
            write_text(&format!("{}\n", shown(variable)))?;
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
