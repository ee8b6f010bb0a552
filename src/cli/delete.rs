//! `cronlet delete`: asks for objects to be deleted, and waits until they are gone.

use super::client::{self, Client};
use super::failure::Failure;
use super::get;
use super::manifests::{self, Manifests};
use super::target::{Target, full_kind};
use cronlet_api::kind::{Key, Kind};
use hyper::Method;
use serde_json::json;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Delete objects by name, by label, or those that a file names
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// KIND NAME..., or kind/name...
    #[arg(value_name = "KIND [NAME]", required_unless_present = "filename")]
    target: Vec<String>,
    /// Namespace [default: default]
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
    /// A manifest file, a folder of them, or - for standard input
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["target", "selector", "all"])]
    filename: Vec<PathBuf>,
    /// All of the kind with these labels
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,
    /// All of the kind in the namespace
    #[arg(long)]
    all: bool,
    /// Seconds between TERM and KILL for pods
    #[arg(long, value_name = "SECONDS")]
    grace_period: Option<u32>,
    /// Kill at once
    #[arg(long, conflicts_with = "grace_period")]
    force: bool,
    /// What becomes of objects that the deleted one owns
    #[arg(long, value_name = "HOW", default_value = "background")]
    cascade: Cascade,
    /// An object that is not there is no failure
    #[arg(long)]
    ignore_not_found: bool,
    /// Do not wait until the objects are gone
    #[arg(long)]
    no_wait: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Cascade {
    Background,
    Foreground,
    Orphan,
}

pub(crate) fn run(args: &Args, client: &Client) -> Result<(), Failure> {
    let (keys, is_partial) = keys(args, client)?;
    let mut failed = is_partial.then_some(Failure::Quiet(1));
    for key in keys {
        match delete(args, client, &key) {
            Ok(()) => {}
            Err(refused) if refused.refused_with(404) && args.ignore_not_found => {}
            Err(refused @ Failure::Refused(_)) => {
                eprintln!("{refused}");
                failed = Some(Failure::Quiet(1));
            }
            Err(other) => return Err(other),
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Returns the objects to delete, and whether documents of the files are passed over.
fn keys(args: &Args, client: &Client) -> Result<(Vec<Key>, bool), Failure> {
    if !args.filename.is_empty() {
        let Manifests { objects, is_partial } =
            manifests::read(&args.filename, args.namespace.as_deref())?;
        return Ok((objects.iter().map(cronlet_api::kind::Object::key).collect(), is_partial));
    }
    let namespace = args.namespace.as_deref().unwrap_or("default");
    let mut keys = Vec::new();
    for Target { kind, name } in Target::parse_all(&args.target)? {
        match name {
            Some(name) => keys.push(Key::new(kind, namespace, &name)),
            None if args.all || args.selector.is_some() => {
                keys.extend(selected(args, client, kind, namespace)?);
            }
            None => {
                let why = "resource(s) were provided, but no name was specified; name them, or \
                           use -l or --all";
                return Err(Failure::usage(why));
            }
        }
    }
    Ok((keys, false))
}

fn selected(
    args: &Args,
    client: &Client,
    kind: Kind,
    namespace: &str,
) -> Result<Vec<Key>, Failure> {
    let query = client::query(&[("labelSelector", args.selector.clone())]);
    let objects = get::list(client, kind, Some(namespace), &query)?;
    Ok(objects.iter().map(cronlet_api::kind::Object::key).collect())
}

fn delete(args: &Args, client: &Client, key: &Key) -> Result<(), Failure> {
    let policy = match args.cascade {
        Cascade::Background => "Background",
        Cascade::Foreground => "Foreground",
        Cascade::Orphan => "Orphan",
    };
    let mut options = json!({
        "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy,
    });
    if let Some(seconds) = args.grace_period.or(args.force.then_some(0)) {
        options["gracePeriodSeconds"] = seconds.into();
    }
    let path = client::object(key);
    client.send(Method::DELETE, &path, "application/json", options.to_string().into_bytes())?;
    println(&format!("{} {:?} deleted\n", full_kind(key.kind), key.name))?;
    if args.no_wait { Ok(()) } else { wait_until_gone(client, key) }
}

fn println(text: &str) -> Result<(), Failure> {
    super::output::write_text(text)
}

fn wait_until_gone(client: &Client, key: &Key) -> Result<(), Failure> {
    let object = match get::read_object(client, key) {
        Ok(object) => object,
        Err(refused) if refused.refused_with(404) => return Ok(()),
        Err(failure) => return Err(failure),
    };
    let query = client::query(&[
        ("watch", Some("1".to_owned())),
        ("fieldSelector", Some(format!("metadata.name={}", key.name))),
        ("resourceVersion", object.meta().resource_version.clone()),
    ]);
    let path = client::collection(key.kind, Some(&key.namespace));
    client.lines(&format!("{path}{query}"), |line| {
        let is_gone = client::read_value(line)?["type"] == "DELETED";
        Ok(if is_gone { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })
}
