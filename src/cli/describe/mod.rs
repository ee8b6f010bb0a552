//! `cronlet describe`: one object and its events, in kubectl's words and order.

use super::client::{self, Client};
use super::failure::Failure;
use super::output::write_text;
use super::target::Target;
use super::{get, yaml};
use crate::describe::page::Page;
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::persistent_volume_claim::usage::ClaimUsage;
use k8s_openapi::api::core::v1::PodTemplateSpec;

mod page;

mod cron_job;

mod job;

mod deployment;

mod replica_set;

mod stateful_set;

mod daemon_set;

mod pod;

mod claim;

mod persistent_volume;

mod node;

mod template;

mod container;

mod volume;

mod config;

mod related;

mod events;

#[cfg(test)]
mod tests;

/// Show an object in words, with what it uses and its events
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// KIND NAME..., kind/name..., or KIND for all of it
    #[arg(required = true, value_name = "KIND [NAME]")]
    target: Vec<String>,
    /// Namespace
    #[arg(short, long, default_value = "default", value_name = "NAME")]
    namespace: String,
    /// Only objects with these labels
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,
}

pub(crate) fn run(args: &Args, client: &Client) -> Result<(), Failure> {
    let mut objects = Vec::new();
    for Target { kind, name } in Target::parse_all(&args.target)? {
        match name {
            Some(name) => {
                objects.push(get::read_object(client, &Key::new(kind, &args.namespace, &name))?);
            }
            None => {
                let query = client::query(&[("labelSelector", args.selector.clone())]);
                objects.extend(get::list(client, kind, Some(&args.namespace), &query)?);
            }
        }
    }
    if objects.is_empty() {
        eprintln!("No resources found in {} namespace.", args.namespace);
    }
    for (i, object) in objects.iter().enumerate() {
        let events = events_of(client, object)?;
        let related = related::fetch(client, object)?;
        let usage = match object.kind() {
            Kind::PersistentVolumeClaim => claim::usage(client, object),
            _ => None,
        };
        let gap = if i > 0 { "\n\n" } else { "" };
        write_text(&format!("{gap}{}", described(object, &related, &events, usage)))?;
    }
    Ok(())
}

/// A pod template in words, tabs between name and value, as kubectl's history shows it.
pub(crate) fn template_text(template: &PodTemplateSpec) -> String {
    let mut page = Page::default();
    template::describe(&mut page, template);
    page.raw()
}

fn events_of(client: &Client, object: &Object) -> Result<Vec<Object>, Failure> {
    let fields = format!(
        "involvedObject.kind={},involvedObject.name={},involvedObject.uid={}",
        object.kind().info().kind,
        object.name(),
        object.uid(),
    );
    let query = client::query(&[("fieldSelector", Some(fields))]);
    let namespace = if object.namespace().is_empty() { "default" } else { object.namespace() };
    get::list(client, Kind::Event, Some(namespace), &query)
}

/// `usage`: of a claim.
fn described(
    object: &Object,
    related: &[Object],
    found: &[Object],
    usage: Option<ClaimUsage>,
) -> String {
    let mut page = Page::default();
    match object {
        Object::CronJob(cron_job) => cron_job::describe(&mut page, cron_job),
        Object::Job(job) => job::describe(&mut page, job),
        Object::Deployment(deployment) => deployment::describe(&mut page, deployment, related),
        Object::ReplicaSet(set) => replica_set::describe(&mut page, set, related),
        Object::StatefulSet(set) => stateful_set::describe(&mut page, set, related),
        Object::DaemonSet(set) => daemon_set::describe(&mut page, set, related),
        Object::PersistentVolumeClaim(claim) => {
            claim::describe(&mut page, claim, related, usage);
        }
        Object::PersistentVolume(volume) => persistent_volume::describe(&mut page, volume),
        Object::Node(node) => node::describe(&mut page, node, related),
        Object::Pod(pod) => pod::describe(&mut page, pod),
        Object::ConfigMap(map) => config::describe_config_map(&mut page, map),
        Object::Secret(secret) => config::describe_secret(&mut page, secret),
        other => {
            let value = serde_json::to_value(other).expect("Kubernetes' types always serialize");
            return yaml::document(&value);
        }
    }
    if !matches!(object, Object::Secret(_)) {
        events::describe(&mut page, found);
    }
    page.finish()
}
