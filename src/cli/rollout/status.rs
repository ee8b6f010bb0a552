//! `cronlet rollout status`: follows a rollout until it is over.

use super::{Targets, progress};
use crate::client::{self, Client};
use crate::failure::Failure;
use crate::output::write_text;
use anyhow::{Context, anyhow};
use cronlet_api::deployment::annotations::REVISION;
use cronlet_api::kind::Object;
use cronlet_api::time::SignedDuration;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Follow a rollout until it is over
///
/// Exits with 1 where the rollout exceeds its progress deadline or the time given.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    targets: Targets,
    /// Stay until it is over; `--watch=false` says only how far it is now
    #[arg(
        short,
        long,
        value_name = "BOOL",
        default_value_t = true,
        default_missing_value = "true"
    )]
    #[arg(num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set)]
    watch: bool,
    /// Wait at most so long, such as 40s or 1m30s
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<Duration>,
    /// The revision that must be the one that is rolled out
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    revision: i64,
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed: SignedDuration = text.parse().map_err(|_| "no duration, such as 40s".to_owned())?;
    parsed.try_into().map_err(|_| "must not be negative".to_owned())
}

pub(super) fn run(args: &Args, client: &Client) -> Result<(), Failure> {
    let until = args.timeout.filter(|wait| !wait.is_zero()).map(|wait| Instant::now() + wait);
    args.targets.each(client, |object| match args.watch {
        true => follow(args, client, object, until),
        false => tell(args, object).map(|_| ()),
    })
}

/// Says how far it is, and whether it is over.
fn tell(args: &Args, object: &Object) -> Result<bool, Failure> {
    let own = object.meta().annotations.as_ref().and_then(|all| all.get(REVISION));
    let own = own.and_then(|revision| revision.parse().ok()).unwrap_or(0);
    if args.revision > 0 && matches!(object, Object::Deployment(_)) && own != args.revision {
        let wanted = args.revision;
        return Err(Failure::Other(anyhow!(
            "desired revision ({wanted}) is different from the running revision ({own})"
        )));
    }
    let progress = progress::of(object).map_err(|why| Failure::Other(anyhow!(why)))?;
    write_text(&format!("{}\n", progress.text))?;
    Ok(progress.is_over)
}

/// A watch lives for a while; then there is another.
fn follow(
    args: &Args,
    client: &Client,
    object: &Object,
    until: Option<Instant>,
) -> Result<(), Failure> {
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(Failure::Other(anyhow!("timed out waiting for the condition")));
        }
        let seconds = left.map(|left| left.as_secs_f64().ceil().to_string());
        let query = client::query(&[
            ("watch", Some("1".to_owned())),
            ("fieldSelector", Some(format!("metadata.name={}", object.name()))),
            ("timeoutSeconds", seconds),
        ]);
        let path = client::collection(object.kind(), Some(object.namespace()));
        let mut is_over = false;
        client.lines(&format!("{path}{query}"), |line| {
            is_over = heard(args, object, line)?;
            Ok(if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if is_over {
            return Ok(());
        }
    }
}

fn heard(args: &Args, object: &Object, line: &[u8]) -> Result<bool, Failure> {
    let mut event = client::read_value(line)?;
    match event["type"].as_str() {
        Some("DELETED") => Err(Failure::Other(anyhow!("object has been deleted"))),
        Some("ERROR") => {
            let status = serde_json::from_value(event["object"].take()).unwrap_or_default();
            Err(Failure::Refused(Box::new(status)))
        }
        _ => {
            let now = object.kind().deserialize(event["object"].take());
            tell(args, &now.context("an event cannot be read")?)
        }
    }
}
