//! `cronlet reload`: the daemon reads its configuration and its folder again, and says what it
//! found.

use super::client::{self, Client};
use super::failure::Failure;
use super::output::write_text;
use hyper::Method;

/// Read the configuration and the jobs folder again
///
/// Lists what is wrong, and objects that a command changed or deleted since their file was read:
/// they stay so until what the file says of them changes, or `cronlet apply -f FILE`. Exits with 1
/// if something is wrong.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Delete now what no file has any more, also where much of the folder is gone
    #[arg(long)]
    prune: bool,
}

/// The daemon's answer.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Found {
    files: usize,
    changed: usize,
    removed: usize,
    errors: Vec<String>,
    differences: Vec<String>,
}

pub(crate) fn run(args: &Args, client: &Client) -> Result<(), Failure> {
    let query = client::query(&[("prune", args.prune.then(|| "true".to_owned()))]);
    let path = format!("/apis/cronlet.dev/v1/reload{query}");
    let answer = client.send(Method::POST, &path, "", Vec::new())?;
    let found: Found = serde_json::from_value(client::read_value(&answer)?).unwrap_or_default();
    let Found { files, changed, removed, errors, differences } = found;
    let mut text = format!("{files} files: {changed} changed, {removed} removed\n");
    differences.iter().for_each(|line| text += &format!("{line}\n"));
    write_text(&text)?;
    errors.iter().for_each(|error| eprintln!("error: {error}"));
    if errors.is_empty() { Ok(()) } else { Err(Failure::Quiet(1)) }
}
