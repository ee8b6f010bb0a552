//! `cronlet completion` and `cronlet man`: written from the one table of commands.

use super::failure::Failure;
use super::output::write_text;
use anyhow::Context;
use clap::Command;
use std::path::PathBuf;

/// Print the completions of a shell
///
/// For bash: cronlet completion bash > /etc/bash_completion.d/cronlet
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionArgs {
    shell: clap_complete::Shell,
}

/// Print the manual page, or write one for each command
#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {
    /// Write cronlet.1, cronlet-get.1 and so on into this folder
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

pub(crate) fn completion(args: &CompletionArgs, mut command: Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "cronlet", &mut script);
    write_text(&String::from_utf8_lossy(&script))
}

pub(crate) fn man(args: &ManArgs, command: Command) -> Result<(), Failure> {
    if let Some(folder) = &args.to {
        let unwritten = || format!("the pages cannot be written to {}", folder.display());
        return Ok(clap_mangen::generate_to(command, folder).with_context(unwritten)?);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    write_text(&String::from_utf8_lossy(&page))
}
