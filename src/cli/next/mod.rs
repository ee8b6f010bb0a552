//! `cronlet next`: the coming times of a schedule, of the CronJobs in a file, or of those that the
//! daemon has.

mod show;

#[cfg(test)]
mod tests;

use crate::client::Client;
use crate::failure::Failure;
use crate::target::Scope;
use crate::times::DstRule;
use crate::{get, output};
use anyhow::{Context, bail};
use cronlet_api::cron_job::annotations::{self, Annotations};
use cronlet_api::cron_job::schedule::{Schedule, Zone};
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::manifest;
use cronlet_api::settings::Dst;
use cronlet_api::time::{Clock, SystemClock};
use k8s_openapi::api::batch::v1::CronJob;
use std::io::Read;
use std::path::Path;

/// Show the coming times of a schedule, a file's CronJobs, or a CronJob of the daemon
///
/// The clock changes are marked: a time that is moved out of a gap, and the passes of one that
/// comes twice.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// A manifest (- for standard input), or the name of a CronJob; without it, all that the daemon
    /// has
    #[arg(value_name = "FILE|NAME", conflicts_with = "schedule")]
    target: Option<String>,
    #[command(flatten)]
    scope: Scope,
    /// A schedule, such as "30 2 * * 1-5"
    #[arg(long, value_name = "SCHEDULE")]
    schedule: Option<String>,
    /// IANA name of a time zone, in place of spec.timeZone [default: UTC]
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Times after this one, such as 2026-03-29T00:00:00Z, or 2026-03-29 on the zone's clock
    /// [default: now]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// How many
    #[arg(long, short, value_name = "N", default_value = "5",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
    /// What a fixed time does when the clocks change, in place of the annotation cronlet.dev/dst
    #[arg(long, value_enum, value_name = "RULE")]
    dst: Option<DstRule>,
    /// How to show them
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
    Yaml,
}

/// One schedule with all that its times depend on.
#[derive(Debug)]
struct Source {
    /// `namespace/name`; empty for `--schedule`.
    name: String,
    /// As written.
    text: String,
    schedule: Schedule,
    zone: Zone,
    dst: Dst,
    suspended: bool,
}

pub(crate) fn run(args: &Args, client: &Client) -> Result<(), Failure> {
    let lookup = |name: Option<&str>| match name {
        Some(name) => {
            let key = Key::new(Kind::CronJob, &args.scope.namespace, name);
            Ok(vec![get::read_object(client, &key)?])
        }
        None => get::list(client, Kind::CronJob, args.scope.namespace(), ""),
    };
    let (sources, all_read) = sources(args, lookup)?;
    output::write_text(&show::text(args, &sources, SystemClock.now())?)?;
    if all_read { Ok(()) } else { Err(Failure::Quiet(1)) }
}

/// `lookup` asks the daemon for the CronJob of a name, or for all. The answer is `false` if a part
/// of a file could not be read, which is told on standard error.
fn sources(
    args: &Args,
    lookup: impl Fn(Option<&str>) -> Result<Vec<Object>, Failure>,
) -> Result<(Vec<Source>, bool), Failure> {
    if let Some(text) = &args.schedule {
        return Ok((vec![from_text(args, text)?], true));
    }
    if let Some(target) = args.target.as_deref().filter(|target| is_file(target)) {
        return Ok(from_file(args, target)?);
    }
    let mut sources = Vec::new();
    for object in lookup(args.target.as_deref())? {
        if let Object::CronJob(cron_job) = object {
            sources.push(from_cron_job(args, &cron_job)?);
        }
    }
    Ok((sources, true))
}

fn is_file(target: &str) -> bool {
    let path = Path::new(target);
    let extension = path.extension().and_then(|extension| extension.to_str());
    target == "-"
        || target.contains('/')
        || matches!(extension, Some("yaml" | "yml" | "json"))
        || path.is_file()
}

fn from_text(args: &Args, text: &str) -> anyhow::Result<Source> {
    let schedule = match (Schedule::parse(text), Schedule::parse_extended(text, "default/")) {
        (Ok(schedule), _) => schedule,
        (Err(_), Ok(schedule)) => {
            eprintln!(
                "Warning: beyond Kubernetes' grammar: it belongs into the annotation {}",
                annotations::SCHEDULE
            );
            schedule
        }
        (Err(error), Err(_)) => return Err(error.into()),
    };
    let zone = zone(args, &schedule, None)?;
    let dst = args.dst.map_or(Dst::default(), Dst::from);
    Ok(Source { name: String::new(), text: text.into(), schedule, zone, dst, suspended: false })
}

/// The CronJobs of a manifest, and whether all of it could be read.
fn from_file(args: &Args, target: &str) -> anyhow::Result<(Vec<Source>, bool)> {
    let documents = if target == "-" {
        let mut bytes = Vec::new();
        let limit = manifest::BYTES_MAX as u64 + 1;
        let read = std::io::stdin().lock().take(limit).read_to_end(&mut bytes);
        read.context("standard input cannot be read")?;
        manifest::read(&bytes, "STDIN")
    } else {
        manifest::read_file(Path::new(target))
    };
    let mut sources = Vec::new();
    let mut all_read = true;
    for document in documents {
        match document.map(|document| document.object) {
            Ok(Object::CronJob(cron_job)) => match from_cron_job(args, &cron_job) {
                Ok(source) => sources.push(source),
                Err(error) => {
                    all_read = false;
                    eprintln!("error: {target}: {error:#}");
                }
            },
            Ok(_) => {}
            Err(error) => {
                all_read = false;
                eprint!("error: {}", error.report());
            }
        }
    }
    if sources.is_empty() && all_read {
        bail!("{target} has no CronJob");
    }
    Ok((sources, all_read))
}

fn from_cron_job(args: &Args, cron_job: &CronJob) -> anyhow::Result<Source> {
    let namespace = cron_job.metadata.namespace.as_deref().unwrap_or("default");
    let name = format!("{namespace}/{}", cron_job.metadata.name.as_deref().unwrap_or_default());
    // `H` is drawn from the namespace, which a manifest may leave out.
    let mut cron_job = cron_job.clone();
    cron_job.metadata.namespace = Some(namespace.to_owned());
    let read = Annotations::read(&cron_job).map_err(|faults| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{name}: {}", faults.join("; "))
    })?;
    let spec = &cron_job.spec;
    let annotation = cron_job.metadata.annotations.as_ref();
    let annotation = annotation.and_then(|all| all.get(annotations::SCHEDULE));
    let (text, schedule) = match (annotation, read.schedule) {
        (Some(text), Some(schedule)) => (text, schedule),
        _ => {
            let schedule = Schedule::parse(&spec.schedule);
            (&spec.schedule, schedule.with_context(|| format!("{name}: spec.schedule"))?)
        }
    };
    let zone = zone(args, &schedule, spec.time_zone.as_deref())
        .with_context(|| format!("{name}: spec.timeZone"))?;
    let dst = args.dst.map(Dst::from).or(read.dst).unwrap_or_default();
    let suspended = spec.suspend == Some(true);
    Ok(Source { name, text: text.clone(), schedule, zone, dst, suspended })
}

fn zone(args: &Args, schedule: &Schedule, named: Option<&str>) -> anyhow::Result<Zone> {
    if let Some(zone) = schedule.zone() {
        return Ok(zone);
    }
    Ok(Zone::load(args.time_zone.as_deref().or(named).unwrap_or("UTC"))?)
}
