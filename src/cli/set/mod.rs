//! `cronlet set`: another image or another environment for the containers of an object.

use super::client::Client;
use super::failure::Failure;
use super::output::write_text;
use super::rollout::patch;
use super::target::full_name;
use cronlet_api::kind::{Kind, Object};
use k8s_openapi::api::core::v1::Container;
use serde_json::{Value, json};

mod image;

mod env;

mod sources;

/// Change images or environment variables
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Image(image::Args),
    Env(env::Args),
}

pub(crate) fn run(args: &Args, client: &Client) -> Result<(), Failure> {
    match &args.command {
        Command::Image(args) => image::run(args, client),
        Command::Env(args) => env::run(args, client),
    }
}

/// Words of the form `name=value` and, for the environment, `name-` say what to do; those before
/// them say to what.
fn split(words: &[String], is_change: impl Fn(&str) -> bool) -> (Vec<String>, Vec<String>) {
    let targets = words.iter().take_while(|word| !is_change(word)).count();
    (words[..targets].to_vec(), words[targets..].to_vec())
}

/// The containers that an object's pods have, each with its place in the object.
fn containers(object: &Object) -> Vec<(String, Container)> {
    let Some(spec) = object.pod_spec() else { return Vec::new() };
    let base = match object.kind() {
        Kind::Pod => "/spec",
        Kind::CronJob => "/spec/jobTemplate/spec/template/spec",
        _ => "/spec/template/spec",
    };
    let place = |field: &str, index: usize| format!("{base}/{field}/{index}");
    let init = spec.init_containers.iter().flatten().enumerate();
    let init = init.map(|(index, one)| (place("initContainers", index), one.clone()));
    let main = spec.containers.iter().enumerate();
    init.chain(main.map(|(index, one)| (place("containers", index), one.clone()))).collect()
}

/// Writes changed fields of containers, if none was exchanged meanwhile, and says so as kubectl
/// does; nothing where nothing changes.
fn write(
    client: &Client,
    object: &Object,
    changes: Vec<(String, Container, Value)>,
    field: &str,
    done: &str,
) -> Result<(), Failure> {
    if changes.is_empty() {
        return Ok(());
    }
    let mut operations = Vec::new();
    for (place, container, value) in changes {
        let name = format!("{place}/name");
        operations.push(json!({ "op": "test", "path": name, "value": container.name }));
        let path = format!("{place}/{field}");
        operations.push(json!({ "op": "add", "path": path, "value": value }));
    }
    patch(client, &object.key(), &Value::Array(operations))?;
    write_text(&format!("{} {done}\n", full_name(object.kind(), object.name())))
}
