//! `cronlet rollout history`: which revisions there are, and what one of them was.

use super::revisions::{self, Revision};
use super::{Targets, refused, rolls_out};
use crate::client::Client;
use crate::describe::template_text;
use crate::failure::Failure;
use crate::output::{Format, write_text, write_value};
use crate::table;
use crate::target::full_name;
use anyhow::anyhow;
use cronlet_api::kind::Object;
use serde_json::json;

/// Show the revisions that can be gone back to
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    targets: Targets,
    /// Show the pod template of this revision
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    revision: i64,
    /// How to show them: each as an object, other than as a table
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    output: Format,
}

pub(super) fn run(args: &Args, client: &Client) -> Result<(), Failure> {
    args.targets.each(client, |object| {
        if !rolls_out(object) {
            return Err(refused(object, "no history viewer has been implemented"));
        }
        let revisions = revisions::of(client, object)?;
        match (args.output, args.revision) {
            (Format::Table | Format::Wide, 0) => write_text(&list(object, &revisions)),
            (Format::Table | Format::Wide, number) => write_text(&one(object, &revisions, number)?),
            (format, 0) => each(format, object, &revisions),
            (format, number) => each(format, object, [found(&revisions, number)?]),
        }
    })
}

fn list(object: &Object, revisions: &[Revision]) -> String {
    let name = full_name(object.kind(), object.name());
    if revisions.is_empty() {
        return format!("{name} \nNo rollout history found.\n");
    }
    let mut text = "REVISION\tCHANGE-CAUSE\n".to_owned();
    for revision in revisions {
        text += &format!("{}\t{}\n", revision.number, revision.cause());
    }
    format!("{name} \n{}\n", table::describe(&text))
}

fn found(revisions: &[Revision], number: i64) -> Result<&Revision, Failure> {
    let found = revisions.iter().find(|revision| revision.number == number);
    found.ok_or_else(|| Failure::Other(anyhow!("unable to find the specified revision")))
}

/// Documents of YAML are parted, as kubectl does.
fn each<'a>(
    format: Format,
    object: &Object,
    revisions: impl IntoIterator<Item = &'a Revision>,
) -> Result<(), Failure> {
    for (index, revision) in revisions.into_iter().enumerate() {
        let shown = revision.shown(object);
        if format == Format::Name {
            write_text(&format!("{}\n", full_name(shown.kind(), shown.name())))?;
            continue;
        }
        if format == Format::Yaml && index > 0 {
            write_text("---\n")?;
        }
        write_value(format, json!(shown))?;
    }
    Ok(())
}

fn one(object: &Object, revisions: &[Revision], number: i64) -> Result<String, Failure> {
    let template = template_text(&found(revisions, number)?.template);
    let name = full_name(object.kind(), object.name());
    Ok(format!("{name} with revision #{number}\n{template}\n"))
}
