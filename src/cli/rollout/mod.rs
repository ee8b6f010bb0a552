//! `cronlet rollout`: how far a new version is, which versions there were, and back to one.

use super::client::{self, Client};
use super::failure::Failure;
use super::get;
use super::target::Target;
use anyhow::anyhow;
use cronlet_api::kind::{Key, Kind, Object};
use hyper::Method;
use serde_json::Value;

mod status;

mod progress;

mod history;

mod undo;

mod revisions;

mod hold;

mod restart;

/// Watch, undo, hold or repeat the rollout of a Deployment, StatefulSet or DaemonSet
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Status(status::Args),
    History(history::Args),
    Undo(undo::Args),
    /// Let a Deployment hold still: a new template waits
    Pause(Targets),
    /// Let a paused Deployment go on
    Resume(Targets),
    /// Replace all pods by new ones, as a rollout
    Restart(Targets),
}

/// What a subcommand is about.
#[derive(Debug, clap::Args)]
pub(crate) struct Targets {
    /// KIND NAME..., or kind/name...
    #[arg(required = true, value_name = "KIND NAME")]
    target: Vec<String>,
    /// Namespace
    #[arg(short, long, default_value = "default", value_name = "NAME")]
    namespace: String,
}

pub(crate) fn run(args: &Args, client: &Client) -> Result<(), Failure> {
    match &args.command {
        Command::Status(args) => status::run(args, client),
        Command::History(args) => history::run(args, client),
        Command::Undo(args) => undo::run(args, client),
        Command::Pause(targets) => hold::run(targets, true, client),
        Command::Resume(targets) => hold::run(targets, false, client),
        Command::Restart(targets) => restart::run(targets, client),
    }
}

impl Targets {
    /// Of words that were parted from others.
    pub(crate) fn new(target: Vec<String>, namespace: &str) -> Result<Targets, Failure> {
        if target.is_empty() {
            return Err(Failure::usage("name an object, as kind/NAME"));
        }
        Ok(Targets { target, namespace: namespace.to_owned() })
    }

    /// The objects as they are now.
    pub(crate) fn objects(&self, client: &Client) -> Result<Vec<Object>, Failure> {
        let mut objects = Vec::new();
        for Target { kind, name } in Target::parse_all(&self.target)? {
            match name {
                Some(name) => {
                    objects
                        .push(get::read_object(client, &Key::new(kind, &self.namespace, &name))?);
                }
                None => objects.extend(get::list(client, kind, Some(&self.namespace), "")?),
            }
        }
        Ok(objects)
    }

    /// Does it to each of the objects, also where it failed with one before.
    pub(crate) fn each(
        &self,
        client: &Client,
        mut act: impl FnMut(&Object) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut failed = None;
        for object in self.objects(client)? {
            if let Err(failure) = act(&object) {
                eprintln!("{failure}");
                failed = Some(Failure::Quiet(failure.exit_code()));
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

/// What kubectl says of an object that cannot have this done: `error: deployments.apps "web" why`.
fn refused(object: &Object, why: &str) -> Failure {
    let info = object.kind().info();
    let group = if info.group.is_empty() { String::new() } else { format!(".{}", info.group) };
    Failure::Other(anyhow!("{}{group} {:?} {why}", info.plural, object.name()))
}

/// Only these have rollouts.
fn rolls_out(object: &Object) -> bool {
    matches!(object.kind(), Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet)
}

/// Changes an object by a JSON Patch.
pub(crate) fn patch(client: &Client, key: &Key, operations: &Value) -> Result<Object, Failure> {
    let body = operations.to_string().into_bytes();
    let content_type = "application/json-patch+json";
    get::parse(key.kind, &client.send(Method::PATCH, &client::object(key), content_type, body)?)
}
