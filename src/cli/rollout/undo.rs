//! `cronlet rollout undo`: back to an earlier revision, by its template.

use super::revisions::{self, Revision};
use super::{Targets, patch, refused, rolls_out};
use crate::client::Client;
use crate::failure::Failure;
use crate::output::write_text;
use crate::target::full_name;
use anyhow::anyhow;
use cronlet_api::deployment::annotations::is_own;
use cronlet_api::deployment::hash;
use cronlet_api::kind::{Kind, Object};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Go back to an earlier revision
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    targets: Targets,
    /// The revision to go back to; 0 for the one before
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    to_revision: i64,
    /// Only say what would happen
    #[arg(long, value_enum, value_name = "HOW", default_value = "none")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "client")]
    dry_run: DryRun,
}

/// Where it is found out what would happen: all the same here, as the commands ask the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum DryRun {
    None,
    Client,
    Server,
}

pub(super) fn run(args: &Args, client: &Client) -> Result<(), Failure> {
    args.targets.each(client, |object| {
        let done = undo(args, client, object)?;
        write_text(&format!("{} {done}\n", full_name(object.kind(), object.name())))
    })
}

fn undo(args: &Args, client: &Client, object: &Object) -> Result<String, Failure> {
    if !rolls_out(object) {
        return Err(refused(object, "no rollbacker has been implemented"));
    }
    if let Object::Deployment(deployment) = object
        && deployment.spec.as_ref().is_some_and(|spec| spec.paused == Some(true))
    {
        return Err(Failure::Other(anyhow!(
            "you cannot rollback a paused deployment; resume it first with 'cronlet rollout \
             resume' and try again"
        )));
    }
    let revisions = revisions::of(client, object)?;
    let revision = wanted(args.to_revision, object, &revisions)?;
    let back = revision.bare_template();
    if object.template().is_some_and(|now| hash::same_template(now, &back)) {
        let number = args.to_revision;
        return Ok(format!(
            "skipped rollback (current template already matches revision {number})"
        ));
    }
    if args.dry_run != DryRun::None {
        return Ok(format!("would be rolled back to revision {} (dry run)", revision.number));
    }
    let replace = json!({ "op": "replace", "path": "/spec/template", "value": back });
    let mut operations = vec![replace];
    operations.extend(annotations(object, revision));
    patch(client, &object.key(), &Value::Array(operations))?;
    Ok("rolled back".to_owned())
}

fn wanted<'a>(
    number: i64,
    object: &Object,
    revisions: &'a [Revision],
) -> Result<&'a Revision, Failure> {
    if number == 0 {
        let name = object.name();
        let before = revisions.len().checked_sub(2).map(|index| &revisions[index]);
        return before.ok_or_else(|| match object.kind() {
            Kind::Deployment => {
                Failure::Other(anyhow!("no rollout history found for deployment {name:?}"))
            }
            _ => Failure::Other(anyhow!("no last revision to roll back to")),
        });
    }
    let missing =
        || Failure::Other(anyhow!("unable to find specified revision {number} in history"));
    revisions.iter().find(|revision| revision.number == number).ok_or_else(missing)
}

/// A Deployment's annotations come back with its template, but for those of its own.
fn annotations(object: &Object, revision: &Revision) -> Option<Value> {
    if object.kind() != Kind::Deployment {
        return None;
    }
    let own = object.meta().annotations.iter().flatten().filter(|(name, _)| is_own(name));
    let back = revision.annotations();
    let back = back.iter().filter(|(name, _)| !is_own(name));
    let annotations: BTreeMap<&String, &String> = own.chain(back).collect();
    Some(json!({ "op": "add", "path": "/metadata/annotations", "value": annotations }))
}
