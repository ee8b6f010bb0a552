//! `cronlet import`: what other schedulers know, as manifests.

mod accounts;

mod crontab;

mod days;

mod manifest;

mod names;

mod shell;

mod taken;

mod whose;

#[cfg(test)]
mod tests;

use super::failure::Failure;
use super::{output, paths, yaml};
use crate::import::crontab::{Crontab, Style};
use crate::import::manifest::Setting;
use crate::import::names::Names;
use crate::import::taken::Taken;
use crate::import::whose::{Host, Layout, Whose};
use anyhow::{Context, bail};
use cronlet_api::cron_job::schedule::Zone;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Turn what another scheduler knows into manifests
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    source: Source,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Source {
    Crontab(CrontabArgs),
}

/// Turn crontabs into CronJobs, on standard output
///
/// What cannot be carried over is told on standard error and in comments; an entry that would run
/// otherwise than under cron is suspended.
#[derive(Debug, Clone, clap::Args)]
struct CrontabArgs {
    /// Crontabs, or - for standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// A user stands before each command [default: in /etc/crontab and /etc/cron.d, and where the
    /// sixth field of every line is a user]
    #[arg(long)]
    system: bool,
    /// Whose crontab it is, where entries name no user [default: the file's name under
    /// /var/spool/cron, elsewhere the user who imports it]
    #[arg(long, value_name = "NAME", conflicts_with = "system")]
    user: Option<String>,
    /// IANA name of the time zone that cron runs in [default: this host's]
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Folder of manifests whose names are not given again [default: that of `cronlet run`]
    #[arg(long, value_name = "DIR")]
    jobs: Option<PathBuf>,
}

/// A crontab may be so large.
const BYTES_MAX: u64 = 4 << 20;

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let Source::Crontab(args) = &args.source;
    let time_zone = match &args.time_zone {
        Some(name) => {
            Zone::load(name).map_err(|e| Failure::usage(e.to_string()))?.name().to_owned()
        }
        None => zone_of_host(),
    };
    let jobs = args.jobs.clone().unwrap_or_else(|| paths::configuration().join("jobs"));
    let mut import = Import::new(args, Host::this(), time_zone, Taken::read(&jobs));
    for path in &args.files {
        let (bytes, owner) = load(path)?;
        import.read(path, &bytes, owner);
    }
    for remark in &import.remarks {
        eprintln!("{remark}");
    }
    output::write_text(&import.yaml())?;
    if import.complete { Ok(()) } else { Err(Failure::Quiet(1)) }
}

/// Manifests of the crontabs so far.
struct Import<'a> {
    args: &'a CrontabArgs,
    host: Host,
    time_zone: String,
    names: Names,
    taken: Taken,
    /// Lines before the first document.
    head: String,
    documents: Vec<String>,
    /// For standard error.
    remarks: Vec<String>,
    /// True if every entry was understood.
    complete: bool,
}

impl<'a> Import<'a> {
    fn new(args: &'a CrontabArgs, host: Host, time_zone: String, taken: Taken) -> Import<'a> {
        let remarks = taken.unread.iter().cloned().collect();
        Import {
            args,
            host,
            time_zone,
            names: Names::default(),
            taken,
            head: String::new(),
            documents: Vec::new(),
            remarks,
            complete: true,
        }
    }

    /// Adds a crontab; `owner` is the uid that its file belongs to.
    fn read(&mut self, path: &Path, bytes: &[u8], owner: Option<i64>) {
        let file = path.display().to_string();
        let (crontab, whose, mixed) = self.understand(path, bytes, owner);
        for note in whose.note.iter().filter(|_| !crontab.entries.is_empty()) {
            self.note(&file, note);
        }
        let source = source(path, &whose);
        let setting = Setting {
            source: &source,
            accounts: &self.host.accounts,
            owner: whose.user.as_deref(),
            doubt: whose.doubt.as_deref(),
            mixed: &mixed,
            time_zone: &self.time_zone,
        };
        for entry in &crontab.entries {
            let other = |name: &str| self.taken.by_other(name, &source);
            let (name, clash) = self.names.for_command(&entry.command, other);
            let mut imported = manifest::cron_job(entry, &name, &setting);
            imported.remarks.extend(clash);
            let mut document = format!("# {file}:{}: {}\n", entry.line, entry.text);
            for remark in &imported.remarks {
                document.push_str(&format!("# {remark}\n"));
                self.remarks.push(format!("{file}:{}: {name}: {remark}", entry.line));
            }
            self.documents.push(document + &yaml::document(&imported.value));
        }
        for (line, why) in &crontab.refused {
            self.note(&format!("{file}:{line}"), &format!("not imported: {}", one_line(why)));
            self.complete = false;
        }
    }

    /// Reads the lines by their layout: entries, the user of those that name none, and lines that
    /// may be of the other layout.
    fn understand(
        &self,
        path: &Path,
        bytes: &[u8],
        owner: Option<i64>,
    ) -> (Crontab, Whose, Vec<usize>) {
        let given = match (self.args.system, &self.args.user) {
            (true, _) => Some(Style::System),
            (_, Some(_)) => Some(Style::User),
            _ => Style::of(path),
        };
        let user = self.args.user.as_deref().or_else(|| whose::spool_owner(path));
        let system = || crontab::read(bytes, Style::System);
        let crontab = match given {
            Some(Style::System) => return (system(), Whose::default(), Vec::new()),
            _ => crontab::read(bytes, Style::User),
        };
        if let Some(user) = user {
            let user = Some(user.to_owned());
            return (crontab, Whose { user, ..Whose::default() }, Vec::new());
        }
        let mixed = match whose::layout(&crontab, &self.host) {
            Layout::User => Vec::new(),
            Layout::Mixed(lines) => lines,
            Layout::System => {
                let note = "read as a system crontab, with a user before each command (--user NAME \
                            if it is a user's)";
                let whose = Whose { note: Some(note.into()), ..Whose::default() };
                return (system(), whose, Vec::new());
            }
        };
        (crontab, whose::whose(&self.host, owner), mixed)
    }

    fn note(&mut self, place: &str, note: &str) {
        self.head.push_str(&format!("# {place}: {note}\n"));
        self.remarks.push(format!("{place}: {note}"));
    }

    fn yaml(&self) -> String {
        format!("{}{}", self.head, self.documents.join("---\n"))
    }
}

/// A word for the crontab that is the same at the next import.
fn source(path: &Path, whose: &Whose) -> String {
    match (path == Path::new("-"), &whose.user) {
        (true, Some(user)) => format!("standard input of {user}"),
        (true, None) => "standard input".to_owned(),
        _ => path.canonicalize().unwrap_or_else(|_| path.to_owned()).display().to_string(),
    }
}

/// A comment must not end before its text does.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The bytes of a crontab, and the uid that owns it if it is a file.
fn load(path: &Path) -> anyhow::Result<(Vec<u8>, Option<i64>)> {
    let unread = || format!("{} cannot be read", path.display());
    let input = std::io::stdin();
    let file = match path == Path::new("-") {
        true => File::from(input.as_fd().try_clone_to_owned().context("standard input")?),
        false => File::open(path).with_context(unread)?,
    };
    let found = file.metadata().with_context(unread)?;
    if found.is_dir() {
        bail!("{} is a folder", path.display());
    }
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).with_context(unread)?;
    if bytes.len() as u64 > BYTES_MAX {
        bail!("{} is too large for a crontab: at most {BYTES_MAX} bytes are read", path.display());
    }
    Ok((bytes, found.is_file().then(|| found.uid().into())))
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
