//! `cronlet top nodes`: CPU and memory of the host, and how much that is of what it has.

use super::{Column, bytes, millis};
use crate::client::{self, Client};
use crate::failure::Failure;
use crate::output::write_text;
use crate::{get, table};
use cronlet_api::kind::{Kind, Object};
use serde_json::Value;

#[derive(Debug, clap::Args)]
pub(super) struct NodeArgs {
    /// Only this node
    name: Option<String>,
    /// Only nodes with these labels
    #[arg(short = 'l', long, value_name = "LABELS", conflicts_with = "name")]
    selector: Option<String>,
    /// The greatest first
    #[arg(long, value_enum, value_name = "COLUMN")]
    sort_by: Option<Column>,
    /// No line of headings
    #[arg(long)]
    no_headers: bool,
}

/// A line of the table.
struct Line {
    name: String,
    cpu_millis: u64,
    cpu_percent: Option<u64>,
    memory_bytes: u64,
    memory_percent: Option<u64>,
}

pub(super) fn run(args: &NodeArgs, client: &Client) -> Result<(), Failure> {
    let found = fetch(args, client)?;
    if found.is_empty() {
        eprintln!("No resources found");
        return Ok(());
    }
    let nodes = get::list(client, Kind::Node, None, "")?;
    let mut lines: Vec<Line> = found.iter().map(|one| line(one, &nodes)).collect();
    match args.sort_by {
        Some(Column::Cpu) => lines.sort_by_key(|line| std::cmp::Reverse(line.cpu_millis)),
        Some(Column::Memory) => lines.sort_by_key(|line| std::cmp::Reverse(line.memory_bytes)),
        None => lines.sort_by(|a, b| a.name.cmp(&b.name)),
    }
    write_text(&shown(args, lines))
}

fn fetch(args: &NodeArgs, client: &Client) -> Result<Vec<Value>, Failure> {
    let path = "/apis/metrics.k8s.io/v1beta1/nodes";
    if let Some(name) = &args.name {
        return Ok(vec![client.value(&format!("{path}/{}", client::escaped(name)))?]);
    }
    let query = client::query(&[("labelSelector", args.selector.clone())]);
    let mut list = client.value(&format!("{path}{query}"))?;
    Ok(list["items"].as_array_mut().map(std::mem::take).unwrap_or_default())
}

fn line(metrics: &Value, nodes: &[Object]) -> Line {
    let name = metrics["metadata"]["name"].as_str().unwrap_or_default();
    let node = nodes.iter().find(|node| node.name() == name);
    let status = node.and_then(|node| match node {
        Object::Node(node) => node.status.as_ref(),
        _ => None,
    });
    let room = status.and_then(|status| status.allocatable.as_ref());
    let has = |resource: &str| Some(Value::from(room?.get(resource)?.0.as_str()));
    let percent = |used: u64, all: Option<u64>| Some(used * 100 / all.filter(|all| *all > 0)?);
    let (cpu, memory) = (millis(&metrics["usage"]["cpu"]), bytes(&metrics["usage"]["memory"]));
    Line {
        name: name.to_owned(),
        cpu_millis: cpu,
        cpu_percent: percent(cpu, has("cpu").as_ref().map(millis)),
        memory_bytes: memory,
        memory_percent: percent(memory, has("memory").as_ref().map(bytes)),
    }
}

fn shown(args: &NodeArgs, lines: Vec<Line>) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    if !args.no_headers {
        let head = ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)", ""];
        rows.push(head.map(str::to_owned).to_vec());
    }
    let share = |share: Option<u64>| share.map_or("<unknown>".to_owned(), |n| format!("{n}%"));
    for line in lines {
        rows.push(vec![
            line.name,
            format!("{}m", line.cpu_millis),
            share(line.cpu_percent),
            format!("{}Mi", line.memory_bytes >> 20),
            share(line.memory_percent),
            // kubectl ends each line with a column's blanks.
            String::new(),
        ]);
    }
    table::table(&rows)
}
