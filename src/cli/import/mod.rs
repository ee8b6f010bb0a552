//! `cronlet import`: what other schedulers know, as manifests.

mod accounts;

mod crontab;

mod days;

mod manifest;

mod names;

#[cfg(test)]
mod tests;

use super::failure::Failure;
use super::{output, yaml};
use crate::kinds::cron_job::schedule::Zone;
use accounts::Accounts;
use anyhow::{Context, bail};
use crontab::Style;
use manifest::Setting;
use names::Names;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Turn what another scheduler knows into manifests
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    source: Source,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Source {
    Crontab(CrontabArgs),
}

/// Turn a crontab into CronJobs, on standard output
///
/// What cannot be carried over is told on standard error and in comments; an entry that would run
/// otherwise than under cron is suspended.
#[derive(Debug, Clone, clap::Args)]
struct CrontabArgs {
    /// The crontab, or - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A user stands before each command [default: in /etc/crontab and /etc/cron.d]
    #[arg(long)]
    system: bool,
    /// Whose crontab it is, where entries name no user [default: the file's name under
    /// /var/spool/cron]
    #[arg(long, value_name = "NAME", conflicts_with = "system")]
    user: Option<String>,
    /// IANA name of the time zone that cron runs in [default: this host's]
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
}

/// A crontab may be so large.
const BYTES_MAX: u64 = 4 << 20;

pub fn run(args: &Args) -> Result<(), Failure> {
    let Source::Crontab(args) = &args.source;
    let bytes = load(&args.file)?;
    let time_zone = match &args.time_zone {
        Some(name) => {
            Zone::load(name).map_err(|e| Failure::usage(e.to_string()))?.name().to_owned()
        }
        None => zone_of_host(),
    };
    let converted = convert(args, &bytes, &Accounts::of_host(), &time_zone);
    for remark in &converted.remarks {
        eprintln!("{remark}");
    }
    output::write_text(&converted.yaml)?;
    if converted.complete { Ok(()) } else { Err(Failure::Quiet(1)) }
}

struct Output {
    yaml: String,
    /// For standard error.
    remarks: Vec<String>,
    /// Was every entry understood?
    complete: bool,
}

fn convert(args: &CrontabArgs, bytes: &[u8], accounts: &Accounts, time_zone: &str) -> Output {
    let file = args.file.display().to_string();
    let style = if args.system || is_system(&args.file) { Style::System } else { Style::User };
    let owner = args.user.as_deref().or_else(|| owner(&args.file));
    let setting = Setting { accounts, owner: owner.filter(|_| style == Style::User), time_zone };
    let crontab = crontab::read(bytes, style);
    let mut names = Names::default();
    let mut documents = Vec::new();
    let mut remarks = Vec::new();
    for entry in &crontab.entries {
        let name = names.for_command(&entry.command);
        let imported = manifest::cron_job(entry, &name, &setting);
        let mut document = format!("# {file}:{}: {}\n", entry.line, entry.text);
        for remark in &imported.remarks {
            document.push_str(&format!("# {remark}\n"));
            remarks.push(format!("{file}:{}: {name}: {remark}", entry.line));
        }
        documents.push(document + &yaml::document(&imported.value));
    }
    let mut yaml = String::new();
    for (line, why) in &crontab.refused {
        yaml.push_str(&format!("# {file}:{line}: not imported: {}\n", one_line(why)));
        remarks.push(format!("{file}:{line}: not imported: {}", one_line(why)));
    }
    yaml.push_str(&documents.join("---\n"));
    Output { yaml, remarks, complete: crontab.refused.is_empty() }
}

/// A comment must not end before its text does.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn load(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = BYTES_MAX + 1;
    if path == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes).context("standard input")?;
    } else {
        let unread = || format!("{} cannot be read", path.display());
        if std::fs::metadata(path).with_context(unread)?.is_dir() {
            bail!("{} is a folder", path.display());
        }
        let file = std::fs::File::open(path).with_context(unread)?;
        file.take(limit).read_to_end(&mut bytes).with_context(unread)?;
    }
    if bytes.len() as u64 > BYTES_MAX {
        bail!("{} is too large for a crontab: at most {BYTES_MAX} bytes are read", path.display());
    }
    Ok(bytes)
}

/// Crontabs with a user before each command.
fn is_system(path: &Path) -> bool {
    path == Path::new("/etc/crontab") || path.parent() == Some(Path::new("/etc/cron.d"))
}

/// `joe` for `/var/spool/cron/crontabs/joe`.
fn owner(path: &Path) -> Option<&str> {
    let folders = ["/var/spool/cron/crontabs", "/var/spool/cron"];
    let in_spool = folders.iter().any(|folder| path.parent() == Some(Path::new(folder)));
    path.file_name().filter(|_| in_spool)?.to_str()
}

/// The zone that `/etc/localtime` links to, or `/etc/timezone` names; cron takes it from there too.
fn zone_of_host() -> String {
    let linked = std::fs::read_link("/etc/localtime").ok();
    let linked =
        linked.as_deref().and_then(Path::to_str).and_then(|path| path.split_once("zoneinfo/"));
    let named = std::fs::read_to_string("/etc/timezone").ok();
    let found = linked.map(|(_, name)| name.to_owned()).or(named).unwrap_or_default();
    let known = Zone::load(found.trim()).ok().filter(|_| !found.trim().is_empty());
    known.map_or("Etc/UTC", |zone| zone.name()).to_owned()
}
