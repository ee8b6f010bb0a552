//! `cronlet get`: objects as a table or as they are, once or as they change.

use super::client::{self, Client};
use super::failure::Failure;
use super::output::{self, Format, TableStyle};
use super::target::{Scope, Target, full_name};
use anyhow::Context;
use cronlet_api::kind::{Key, Kind, Object};
use std::ops::ControlFlow;

/// Show objects
///
/// KIND is a kind, its plural or short name, several joined by commas, or `all`. KIND NAME may be
/// written kind/name.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// KIND, KIND NAME..., or kind/name...
    #[arg(required = true, value_name = "KIND [NAME]")]
    target: Vec<String>,
    #[command(flatten)]
    scope: Scope,
    /// Only objects with these labels, such as app=web,tier!=db
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,
    /// Only objects with these fields, such as status.phase=Running
    #[arg(long, value_name = "FIELDS")]
    field_selector: Option<String>,
    /// Stay, and show what changes
    #[arg(short, long)]
    watch: bool,
    /// No line of headings
    #[arg(long)]
    no_headers: bool,
    /// How to show them
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    output: Format,
}

pub(crate) fn run(args: &Args, client: &Client) -> Result<(), Failure> {
    let targets = Target::parse_all(&args.target)?;
    if args.watch {
        return match targets.as_slice() {
            [target] => watch(args, client, target),
            _ => Err(Failure::usage("you may only specify a single resource type with --watch")),
        };
    }
    let mut found: Vec<(Kind, Vec<Object>)> = Vec::new();
    let mut missing = None;
    for target in &targets {
        match fetch(args, client, target) {
            Ok(objects) => match found.last_mut() {
                Some((kind, list)) if *kind == target.kind => list.extend(objects),
                _ => found.push((target.kind, objects)),
            },
            // The others are still shown.
            Err(refused) if refused.refused_with(404) && targets.len() > 1 => {
                eprintln!("{refused}");
                missing = Some(Failure::Quiet(1));
            }
            Err(failure) => return Err(failure),
        }
    }
    show(args, &targets, &found)?;
    missing.map_or(Ok(()), Err)
}

fn fetch(args: &Args, client: &Client, target: &Target) -> Result<Vec<Object>, Failure> {
    match &target.name {
        Some(_) if args.scope.all_namespaces => {
            Err(Failure::usage("a resource cannot be retrieved by name across all namespaces"))
        }
        Some(name) => {
            let key = Key::new(target.kind, &args.scope.namespace, name);
            Ok(vec![read_object(client, &key)?])
        }
        None => {
            let query = client::query(&[
                ("labelSelector", args.selector.clone()),
                ("fieldSelector", args.field_selector.clone()),
            ]);
            list(client, target.kind, args.scope.namespace(), &query)
        }
    }
}

pub(crate) fn read_object(client: &Client, key: &Key) -> Result<Object, Failure> {
    parse(key.kind, &client.get(&client::object(key))?)
}

pub(crate) fn parse(kind: Kind, json: &[u8]) -> Result<Object, Failure> {
    Ok(kind.read_json(json).context("the daemon's answer cannot be read")?)
}

/// All objects of a kind, in the order of their names.
pub(crate) fn list(
    client: &Client,
    kind: Kind,
    namespace: Option<&str>,
    query: &str,
) -> Result<Vec<Object>, Failure> {
    let mut value = client.value(&format!("{}{query}", client::collection(kind, namespace)))?;
    let items = value.get_mut("items").map(serde_json::Value::take).unwrap_or_default();
    let items: Vec<serde_json::Value> = serde_json::from_value(items).unwrap_or_default();
    items
        .into_iter()
        .map(|item| Ok(kind.deserialize(item).context("the daemon's answer cannot be read")?))
        .collect()
}

fn show(args: &Args, targets: &[Target], found: &[(Kind, Vec<Object>)]) -> Result<(), Failure> {
    let all: Vec<Object> = found.iter().flat_map(|(_, list)| list.iter().cloned()).collect();
    match args.output {
        Format::Json | Format::Yaml => match (targets, all.as_slice()) {
            ([Target { name: Some(_), .. }], [object]) => {
                let value = serde_json::to_value(object).context("an object cannot be shown")?;
                output::write_value(args.output, value)
            }
            _ => output::write_value(args.output, output::list_value(&all)),
        },
        Format::Name => {
            let names = all.iter().map(|object| full_name(object.kind(), object.name()) + "\n");
            output::write_text(&names.collect::<String>())
        }
        Format::Table | Format::Wide => show_tables(args, found),
    }
}

fn show_tables(args: &Args, found: &[(Kind, Vec<Object>)]) -> Result<(), Failure> {
    let shown: Vec<_> = found.iter().filter(|(_, list)| !list.is_empty()).collect();
    if shown.is_empty() {
        let is_placed = found.iter().any(|(kind, _)| !kind.info().is_cluster_scoped);
        match args.scope.namespace().filter(|_| is_placed) {
            Some(namespace) => eprintln!("No resources found in {namespace} namespace."),
            None => eprintln!("No resources found"),
        }
    }
    for (i, (kind, objects)) in shown.iter().enumerate() {
        let style = TableStyle { with_kind: found.len() > 1, ..style(args) };
        let gap = if i > 0 { "\n" } else { "" };
        output::write_text(&format!("{gap}{}", output::table_text(*kind, objects, style)))?;
    }
    Ok(())
}

fn style(args: &Args) -> TableStyle {
    TableStyle {
        wide: args.output == Format::Wide,
        with_namespace: args.scope.all_namespaces,
        with_kind: false,
        with_head: !args.no_headers,
    }
}

/// Shows what is there, then each change, until the daemon or the user ends it.
fn watch(args: &Args, client: &Client, target: &Target) -> Result<(), Failure> {
    let by_name = target.name.as_ref().map(|name| format!("metadata.name={name}"));
    let query = client::query(&[
        ("watch", Some("1".to_owned())),
        ("labelSelector", args.selector.clone()),
        ("fieldSelector", by_name.or_else(|| args.field_selector.clone())),
    ]);
    let path = client::collection(target.kind, args.scope.namespace());
    let mut head = args.output != Format::Name && !args.no_headers;
    client.lines(&format!("{path}{query}"), |line| {
        let mut event = client::read_value(line)?;
        let object = event["object"].take();
        if event["type"] == "ERROR" {
            let status = serde_json::from_value(object).unwrap_or_default();
            return Err(Failure::Refused(Box::new(status)));
        }
        match args.output {
            Format::Json => output::write_value(Format::Json, object)?,
            Format::Yaml => {
                output::write_text("---\n")?;
                output::write_value(Format::Yaml, object)?;
            }
            format => {
                let object = target.kind.deserialize(object).context("an event cannot be read")?;
                let text = match format {
                    Format::Name => full_name(target.kind, object.name()) + "\n",
                    _ => {
                        let style = TableStyle { with_head: head, ..style(args) };
                        output::table_text(target.kind, &[object], style)
                    }
                };
                head = false;
                output::write_text(&text)?;
            }
        }
        Ok(ControlFlow::Continue(()))
    })
}
