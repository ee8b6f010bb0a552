//! `cronlet simulate`: which runs would happen, on virtual time and without running any program.

mod marks;

mod show;

mod tally;

#[cfg(test)]
mod tests;

use super::failure::Failure;
use super::times::{DstRule, time};
use super::{Rooms, check, output};
use anyhow::Context;
use cronlet_api::cron_job::annotations;
use cronlet_api::cron_job::schedule::{Zone, parse_duration};
use cronlet_api::cron_job::timing::Timing;
use cronlet_api::kind::Object;
use cronlet_api::run::Run;
use cronlet_api::settings::{Dst, Settings};
use cronlet_api::time::{Clock, SignedDuration, SystemClock, Timestamp};
use k8s_openapi::api::batch::v1::CronJob;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Show which runs would happen, with overlaps, skips and clock changes marked
///
/// The CronJobs of the manifests are run by cronlet's own controllers on virtual time: no program
/// is started, no daemon asked, and no state kept. Every program is taken to start, to run for the
/// assumed duration, and to succeed. Exits as `cronlet check` does, and with 1 where there are too
/// many runs.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Files or folders (.yaml, .yml and .json in them); `-` is the standard input
    #[arg(required = true, value_name = "DIR")]
    files: Vec<PathBuf>,
    /// Runs due from here on, such as 2026-03-29T00:00:00Z, or 2026-03-29 on the clock of
    /// --time-zone [default: now]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Runs due before this time; those that have begun are followed to their end [default: a day
    /// after --from]
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// IANA name of the zone of CronJobs without spec.timeZone, and of --from and --to [default:
    /// timeZone of --config, or UTC]
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// What a fixed time does when the clocks change, in place of the annotation cronlet.dev/dst
    #[arg(long, value_enum, value_name = "RULE")]
    dst: Option<DstRule>,
    /// How long each program runs, such as 90s: of all CronJobs, or of the one that is named; may
    /// be given often
    #[arg(long, value_name = "[NAME=]DURATION", value_parser = Assumed::parse)]
    duration: Vec<Assumed>,
    /// The daemon's configuration, for its dst, timeZone and limits.runs [default: none is read]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The namespace of CronJobs that name none
    #[arg(short, long, default_value = "default", value_name = "NAME")]
    namespace: String,
    /// So many runs are enough, skipped ones among them
    #[arg(long, value_name = "N", default_value = "100000",
          value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    runs_max: u32,
    /// How to show them; `name` shows the Jobs
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
    Yaml,
    Name,
}

/// `--duration`
#[derive(Debug, Clone, PartialEq, Eq)]
struct Assumed {
    /// `name` or `namespace/name`; `None` for all.
    of: Option<String>,
    /// As it was written.
    text: String,
    duration: SignedDuration,
}

/// What is asked of the simulator.
#[derive(Debug, Clone)]
pub struct Forecast {
    /// Each with its namespace and name, and how long each of its programs runs.
    pub cron_jobs: Vec<(Arc<CronJob>, SignedDuration)>,
    pub settings: Settings,
    pub from: Timestamp,
    /// Exclusive.
    pub to: Timestamp,
    pub runs_max: usize,
}

/// What it answers.
#[derive(Debug, Clone, Default)]
pub struct Foreseen {
    pub runs: Vec<Run>,
    /// Where there were too many runs.
    pub stopped_at: Option<Timestamp>,
}

/// One CronJob with all that its times depend on.
struct Subject {
    cron_job: Arc<CronJob>,
    namespace: String,
    name: String,
    timing: Timing,
    duration: SignedDuration,
    suspended: bool,
}

/// All that is simulated.
struct Scene {
    subjects: Vec<Subject>,
    settings: Settings,
    from: Timestamp,
    to: Timestamp,
}

pub(crate) fn run(args: &Args, rooms: &Rooms) -> Result<(), Failure> {
    let (objects, code) = check::good_objects(&args.files, &args.namespace)?;
    let settings = match &args.config {
        Some(path) => (rooms.settings)(path)?,
        None => Settings::default(),
    };
    let scene = scene(args, objects, settings, SystemClock.now())?;
    let begun = Instant::now();
    let foreseen = (rooms.foresee)(scene.forecast(args.runs_max as usize))?;
    let seconds = begun.elapsed().as_secs_f64();
    let tally = tally::Tally::new(&scene, foreseen, args.runs_max as usize);
    output::write_text(&show::text(args.output, &scene, &tally))?;
    eprintln!("{}", show::speed(&scene, &tally, seconds));
    match (tally.stopped_at, code) {
        (None, 0) => Ok(()),
        (None, code) => Err(Failure::Quiet(code)),
        (Some(at), code) => {
            let runs = args.runs_max;
            eprintln!("error: stopped at {at}: {runs} runs; ask for less time, or --runs-max more");
            Err(Failure::Quiet(code.max(1)))
        }
    }
}

/// Reads everything that was asked for together.
fn scene(
    args: &Args,
    objects: Vec<Object>,
    mut settings: Settings,
    now: Timestamp,
) -> Result<Scene, Failure> {
    if let Some(name) = &args.time_zone {
        settings.time_zone.clone_from(name);
    }
    // No host starts here.
    settings.booted_at = None;
    let zone = Zone::load(&settings.time_zone).context("--time-zone")?;
    let instant = |text: &Option<String>, option: &str, otherwise: Timestamp| match text {
        Some(text) => time(text, &zone).with_context(|| option.to_owned()),
        None => Ok(otherwise),
    };
    let from = instant(&args.from, "--from", now)?;
    let from = Timestamp::from_second(from.as_second()).unwrap_or(from);
    let day_later = from.saturating_add(SignedDuration::from_hours(24)).unwrap_or(from);
    let to = instant(&args.to, "--to", day_later)?;
    if to <= from {
        return Err(Failure::usage(format!("--to has to be later than --from: {to} is not")));
    }
    let subjects = subjects(args, objects, &settings)?;
    for assumed in &args.duration {
        let is_of = |subject: &Subject| assumed.is_of(subject);
        if let Some(name) = assumed.of.as_ref().filter(|_| !subjects.iter().any(is_of)) {
            return Err(Failure::usage(format!("--duration: there is no CronJob {name:?}")));
        }
    }
    Ok(Scene { subjects, settings, from, to })
}

/// The CronJobs among the objects; of those with the same name the first, as the daemon has it.
fn subjects(
    args: &Args,
    objects: Vec<Object>,
    settings: &Settings,
) -> Result<Vec<Subject>, Failure> {
    let mut seen = BTreeSet::new();
    let mut subjects = Vec::new();
    for object in objects {
        let Object::CronJob(mut cron_job) = object else { continue };
        prepare(args, Arc::make_mut(&mut cron_job));
        let part = |text: &Option<String>| text.clone().unwrap_or_default();
        let (namespace, name) = (part(&cron_job.metadata.namespace), part(&cron_job.metadata.name));
        if !seen.insert((namespace.clone(), name.clone())) {
            continue;
        }
        let timing = Timing::read(&cron_job, settings);
        let timing = timing.with_context(|| format!("{namespace}/{name}"))?;
        let suspended = cron_job.spec.suspend == Some(true);
        let duration = SignedDuration::from_secs(1);
        let mut subject = Subject { cron_job, namespace, name, timing, duration, suspended };
        // What names it goes before what is said of all, and later words before earlier ones.
        let mut assumed: Vec<&Assumed> =
            args.duration.iter().filter(|a| a.is_of(&subject)).collect();
        assumed.sort_by_key(|assumed| assumed.of.is_some());
        if let Some(assumed) = assumed.last() {
            subject.duration = assumed.duration;
        }
        subjects.push(subject);
    }
    subjects.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    Ok(subjects)
}

/// What the command line says of every CronJob, and what creation would add.
fn prepare(args: &Args, cron_job: &mut CronJob) {
    let meta = &mut cron_job.metadata;
    meta.namespace.get_or_insert_with(|| args.namespace.clone());
    if meta.name.is_none() {
        meta.name = meta.generate_name.as_ref().map(|base| format!("{base}xxxxx"));
    }
    if let Some(rule) = args.dst {
        let word = match Dst::from(rule) {
            Dst::Kubernetes => "kubernetes",
            Dst::Once => "once",
        };
        let annotations = meta.annotations.get_or_insert_default();
        annotations.insert(annotations::DST.to_owned(), word.to_owned());
    }
}

impl Scene {
    fn forecast(&self, runs_max: usize) -> Forecast {
        let cron_jobs = self.subjects.iter();
        Forecast {
            cron_jobs: cron_jobs.map(|s| (s.cron_job.clone(), s.duration)).collect(),
            settings: self.settings.clone(),
            from: self.from,
            to: self.to,
            runs_max,
        }
    }
}

impl Assumed {
    fn parse(text: &str) -> Result<Assumed, String> {
        let (of, length) = match text.rsplit_once('=') {
            Some((of, length)) => (Some(of.to_owned()), length),
            None => (None, text),
        };
        let nanoseconds = parse_duration(length).map_err(|error| error.to_string())?;
        let duration = SignedDuration::from_nanos(nanoseconds);
        if duration < SignedDuration::from_millis(1) {
            return Err("has to be a millisecond or more".to_owned());
        }
        Ok(Assumed { of, text: length.to_owned(), duration })
    }

    fn is_of(&self, subject: &Subject) -> bool {
        let Subject { namespace, name, .. } = subject;
        self.of.as_ref().is_none_or(|of| of == name || *of == format!("{namespace}/{name}"))
    }
}
