//! `cronlet suspend` and `cronlet resume`: a CronJob (or a Job) holds still, and goes on.

use super::client::{self, Client};
use super::failure::Failure;
use super::output::write_text;
use super::target::{Target, full_name};
use cronlet_api::kind::{Key, Kind};
use hyper::Method;
use serde_json::json;

/// A suspended CronJob starts nothing; what runs goes on. A suspended Job stops its pods.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// NAME of a CronJob, or cronjob/NAME or job/NAME
    #[arg(required = true, value_name = "CRONJOB")]
    names: Vec<String>,
    /// Namespace
    #[arg(short, long, default_value = "default", value_name = "NAME")]
    namespace: String,
}

pub(crate) fn run(args: &Args, suspend: bool, client: &Client) -> Result<(), Failure> {
    for word in &args.names {
        let key = key(word, &args.namespace)?;
        let patch = json!({ "spec": { "suspend": suspend } }).to_string().into_bytes();
        client.send(Method::PATCH, &client::object(&key), "application/merge-patch+json", patch)?;
        let done = if suspend { "suspended" } else { "resumed" };
        write_text(&format!("{} {done}\n", full_name(key.kind, &key.name)))?;
    }
    Ok(())
}

fn key(word: &str, namespace: &str) -> Result<Key, Failure> {
    if !word.contains('/') {
        return Ok(Key::new(Kind::CronJob, namespace, word));
    }
    let target = Target::parse_pair(word)?;
    match target.kind {
        kind @ (Kind::CronJob | Kind::Job) => {
            Ok(Key::new(kind, namespace, &target.name.unwrap_or_default()))
        }
        kind => Err(Failure::usage(format!("a {} cannot be suspended", kind.info().singular))),
    }
}
