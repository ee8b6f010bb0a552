//! `cronlet trigger`: one run of a CronJob, now.

use super::client::{self, Client};
use super::failure::Failure;
use super::get;
use super::output::write_text;
use super::target::{Target, full_name};
use cronlet_api::kind::Kind;
use hyper::Method;

/// Run a CronJob now
///
/// Honours its concurrency policy: under Forbid nothing is started while a run goes on, unless
/// --force.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// NAME of a CronJob, or cronjob/NAME
    #[arg(value_name = "CRONJOB")]
    name: String,
    /// Namespace
    #[arg(short, long, default_value = "default", value_name = "NAME")]
    namespace: String,
    /// Start even where the concurrency policy forbids it
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: &Args, client: &Client) -> Result<(), Failure> {
    let name = cron_job_name(&args.name)?;
    let path = format!(
        "/apis/cronlet.dev/v1/namespaces/{}/cronjobs/{}/trigger{}",
        client::escaped(&args.namespace),
        client::escaped(&name),
        if args.force { "?force=true" } else { "" },
    );
    let job = get::parse(Kind::Job, &client.send(Method::POST, &path, "", Vec::new())?)?;
    write_text(&format!("{} created\n", full_name(Kind::Job, job.name())))
}

/// The name, from `NAME` or `cronjob/NAME`.
pub(crate) fn cron_job_name(word: &str) -> Result<String, Failure> {
    if !word.contains('/') {
        return Ok(word.to_owned());
    }
    let target = Target::parse_pair(word)?;
    match target.kind {
        Kind::CronJob => Ok(target.name.unwrap_or_default()),
        kind => Err(Failure::usage(format!("a {} is no CronJob", kind.info().singular))),
    }
}
