//! `cronlet top`: CPU and memory of pods and of the host, now.

use super::client::{self, Client};
use super::failure::Failure;
use super::output::write_text;
use super::table;
use super::target::Scope;
use cronlet_api::quantity::Quantity;
use serde_json::Value;

mod nodes;

/// Show what pods use of the host, or the host itself
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// CPU and memory of pods
    #[command(visible_aliases = ["pod", "po"])]
    Pods(PodArgs),
    /// CPU and memory of the host
    #[command(visible_aliases = ["node", "no"])]
    Nodes(nodes::NodeArgs),
}

#[derive(Debug, clap::Args)]
struct PodArgs {
    /// Only this pod
    name: Option<String>,
    #[command(flatten)]
    scope: Scope,
    /// Only pods with these labels
    #[arg(short = 'l', long, value_name = "LABELS", conflicts_with = "name")]
    selector: Option<String>,
    /// One line for each container
    #[arg(long)]
    containers: bool,
    /// The greatest first
    #[arg(long, value_enum, value_name = "COLUMN")]
    sort_by: Option<Column>,
    /// No line of headings
    #[arg(long)]
    no_headers: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Column {
    Cpu,
    Memory,
}

/// A line of the table.
struct Line {
    names: Vec<String>,
    cpu_millis: u64,
    memory_bytes: u64,
}

pub(crate) fn run(args: &Args, client: &Client) -> Result<(), Failure> {
    match &args.command {
        Command::Pods(args) => run_pods(args, client),
        Command::Nodes(args) => nodes::run(args, client),
    }
}

fn run_pods(args: &PodArgs, client: &Client) -> Result<(), Failure> {
    let pods = fetch(args, client)?;
    if pods.is_empty() {
        match args.scope.namespace() {
            Some(namespace) => eprintln!("No resources found in {namespace} namespace."),
            None => eprintln!("No resources found"),
        }
        return Ok(());
    }
    let mut lines: Vec<Line> = pods.iter().flat_map(|pod| lines_of(args, pod)).collect();
    match args.sort_by {
        Some(Column::Cpu) => lines.sort_by_key(|line| std::cmp::Reverse(line.cpu_millis)),
        Some(Column::Memory) => lines.sort_by_key(|line| std::cmp::Reverse(line.memory_bytes)),
        None => lines.sort_by(|a, b| a.names.cmp(&b.names)),
    }
    write_text(&shown(args, lines))
}

fn fetch(args: &PodArgs, client: &Client) -> Result<Vec<Value>, Failure> {
    let base = "/apis/metrics.k8s.io/v1beta1";
    let path = match args.scope.namespace() {
        Some(namespace) => format!("{base}/namespaces/{}/pods", client::escaped(namespace)),
        None => format!("{base}/pods"),
    };
    if let Some(name) = &args.name {
        if args.scope.all_namespaces {
            let why = "a resource cannot be retrieved by name across all namespaces";
            return Err(Failure::usage(why));
        }
        return Ok(vec![client.value(&format!("{path}/{}", client::escaped(name)))?]);
    }
    let query = client::query(&[("labelSelector", args.selector.clone())]);
    let mut list = client.value(&format!("{path}{query}"))?;
    Ok(list["items"].as_array_mut().map(std::mem::take).unwrap_or_default())
}

fn lines_of(args: &PodArgs, pod: &Value) -> Vec<Line> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut names = Vec::new();
    if args.scope.all_namespaces {
        names.push(word(&pod["metadata"]["namespace"]));
    }
    names.push(word(&pod["metadata"]["name"]));
    let containers = pod["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let each = containers.iter().map(|container| {
        let usage = &container["usage"];
        let mut names = names.clone();
        names.push(word(&container["name"]));
        // Rounded up, as kubectl does.
        Line { names, cpu_millis: millis(&usage["cpu"]), memory_bytes: bytes(&usage["memory"]) }
    });
    if args.containers {
        return each.collect();
    }
    let mut sum = Line { names: names.clone(), cpu_millis: 0, memory_bytes: 0 };
    for line in each {
        sum.cpu_millis += line.cpu_millis;
        sum.memory_bytes += line.memory_bytes;
    }
    vec![sum]
}

fn millis(quantity: &Value) -> u64 {
    read(quantity).map_or(0, |quantity| quantity.milli_value().unsigned_abs())
}

fn bytes(quantity: &Value) -> u64 {
    read(quantity).map_or(0, |quantity| quantity.value().unsigned_abs())
}

fn read(quantity: &Value) -> Option<Quantity> {
    quantity.as_str()?.parse().ok()
}

fn shown(args: &PodArgs, lines: Vec<Line>) -> String {
    let mut rows = Vec::new();
    if !args.no_headers {
        let mut head = Vec::new();
        if args.scope.all_namespaces {
            head.push("NAMESPACE");
        }
        head.push(if args.containers { "POD" } else { "NAME" });
        if args.containers {
            head.push("NAME");
        }
        head.extend(["CPU(cores)", "MEMORY(bytes)", ""]);
        rows.push(head.into_iter().map(str::to_owned).collect());
    }
    for line in lines {
        let mut row = line.names;
        row.push(format!("{}m", line.cpu_millis));
        row.push(format!("{}Mi", line.memory_bytes >> 20));
        // kubectl ends each line with a column's blanks.
        row.push(String::new());
        rows.push(row);
    }
    table::table(&rows)
}
