//! `cronlet apply`: makes the daemon's objects be as a manifest says.

use super::client::{self, Client};
use super::failure::Failure;
use super::get;
use super::manifests::{self, Manifests};
use super::output::{self, Format};
use super::target::full_name;
use cronlet_api::kind::Object;
use hyper::Method;
use std::path::PathBuf;

/// Create or change objects so that they are as a manifest says
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A manifest file, a folder of them, or - for standard input
    #[arg(short, long, required = true, value_name = "FILE")]
    filename: Vec<PathBuf>,
    /// Namespace of objects that name none; one that names another is refused [default: default]
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
    /// How to show the objects
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    output: Format,
}

pub(crate) fn run(args: &Args, client: &Client) -> Result<(), Failure> {
    let Manifests { objects, is_partial } =
        manifests::read(&args.filename, args.namespace.as_deref())?;
    let mut failed = is_partial.then_some(Failure::Quiet(1));
    let mut applied = Vec::new();
    for object in objects {
        match apply(args, client, &object) {
            Ok((object, done)) => {
                let dry = if args.dry_run { " (dry run)" } else { "" };
                if args.output == Format::Table {
                    let name = full_name(object.kind(), object.name());
                    output::write_text(&format!("{name} {done}{dry}\n"))?;
                }
                applied.push(object);
            }
            Err(refused @ Failure::Refused(_)) => {
                eprintln!("{refused}");
                failed = Some(Failure::Quiet(1));
            }
            Err(other) => return Err(other),
        }
    }
    match args.output {
        Format::Json | Format::Yaml => {
            output::write_value(args.output, output::list_value(&applied))?;
        }
        Format::Name => {
            let names = applied.iter().map(|object| full_name(object.kind(), object.name()) + "\n");
            output::write_text(&names.collect::<String>())?;
        }
        Format::Table | Format::Wide => {}
    }
    failed.map_or(Ok(()), Err)
}

fn apply(args: &Args, client: &Client, object: &Object) -> Result<(Object, &'static str), Failure> {
    let path = client::object(&object.key());
    let before = match client.get(&path) {
        Ok(body) => Some(get::parse(object.kind(), &body)?),
        Err(refused) if refused.refused_with(404) => None,
        Err(failure) => return Err(failure),
    };
    let query = client::query(&[
        ("fieldManager", Some("cronlet".to_owned())),
        ("dryRun", args.dry_run.then(|| "All".to_owned())),
    ]);
    let path = format!("{path}{query}");
    let content_type = "application/apply-patch+yaml";
    let body = client.send(Method::PATCH, &path, content_type, object.to_json())?;
    let after = get::parse(object.kind(), &body)?;
    let done = match before {
        None => "created",
        Some(before) if same(&before, &after) => "unchanged",
        Some(_) => "configured",
    };
    Ok((after, done))
}

/// The daemon raises the resourceVersion with each change; a dry run is told by what it would
/// change.
fn same(before: &Object, after: &Object) -> bool {
    let spec = |object: &Object| {
        let mut object = object.clone();
        let meta = object.meta_mut();
        (meta.resource_version, meta.generation, meta.managed_fields) = (None, None, None);
        object
    };
    spec(before) == spec(after)
}
