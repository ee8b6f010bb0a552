//! `cronlet version`: of this program, and of the daemon where one answers.

use super::client::{self, Client};
use super::failure::Failure;
use super::output::{self, Format};
use serde_json::json;

/// Show the version of this program and of the daemon
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How to show it
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORMAT")]
    output: Format,
}

pub(crate) fn run(args: &Args, client: &Client) -> Result<(), Failure> {
    let daemon = match client.get("/version") {
        Ok(body) => Some(client::read_value(&body)?),
        Err(Failure::Unreachable { .. }) => None,
        Err(failure) => return Err(failure),
    };
    let own = env!("CARGO_PKG_VERSION");
    match args.output {
        Format::Json | Format::Yaml => {
            let value = json!({ "client": { "version": own }, "daemon": daemon });
            output::write_value(args.output, value)
        }
        _ => {
            let daemon = match &daemon {
                Some(version) => version["gitVersion"].as_str().unwrap_or("unknown").to_owned(),
                None => "not running".to_owned(),
            };
            output::write_text(&format!("cronlet {own}\ndaemon: {daemon}\n"))
        }
    }
}
