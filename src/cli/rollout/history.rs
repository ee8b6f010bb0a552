//! `cronlet rollout history`: which revisions there are, and what one of them was.

use super::{Targets, refused, revisions, rolls_out};
use crate::cli::client::Client;
use crate::cli::describe::template_text;
use crate::cli::failure::Failure;
use crate::cli::output::write_text;
use crate::cli::table;
use crate::cli::target::full_name;
use crate::kinds::Object;
use anyhow::anyhow;

/// Show the revisions that can be gone back to
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    targets: Targets,
    /// Show the pod template of this revision
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    revision: i64,
}

pub fn run(args: &Args, client: &Client) -> Result<(), Failure> {
    args.targets.each(client, |object| {
        if !rolls_out(object) {
            return Err(refused(object, "no history viewer has been implemented"));
        }
        let text = match args.revision {
            0 => list(client, object)?,
            number => one(client, object, number)?,
        };
        write_text(&text)
    })
}

fn list(client: &Client, object: &Object) -> Result<String, Failure> {
    let revisions = revisions::of(client, object)?;
    let name = full_name(object.kind(), object.name());
    if revisions.is_empty() {
        return Ok(format!("{name} \nNo rollout history found.\n"));
    }
    let mut text = "REVISION\tCHANGE-CAUSE\n".to_owned();
    for revision in revisions {
        text += &format!("{}\t{}\n", revision.number, revision.cause());
    }
    Ok(format!("{name} \n{}\n", table::describe(&text)))
}

fn one(client: &Client, object: &Object, number: i64) -> Result<String, Failure> {
    let revisions = revisions::of(client, object)?;
    let found = revisions.iter().find(|revision| revision.number == number);
    let missing = || Failure::Other(anyhow!("unable to find the specified revision"));
    let template = template_text(&found.ok_or_else(missing)?.template);
    let name = full_name(object.kind(), object.name());
    Ok(format!("{name} with revision #{number}\n{template}\n"))
}
