//! `cronlet logs`: what a container wrote; of a pod, or of the last pod of a Job or CronJob.

use super::client::{self, Client};
use super::failure::Failure;
use super::get;
use super::target::Target;
use anyhow::anyhow;
use cronlet_api::kind::{Key, Kind, Object};
use std::io::Write;
use std::ops::ControlFlow;

/// Show what a container wrote
///
/// Of a pod, of job/NAME, or of the last run of cronjob/NAME.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// POD, pod/NAME, job/NAME or cronjob/NAME
    #[arg(value_name = "POD")]
    target: String,
    /// The container, where the pod has several
    #[arg(value_name = "CONTAINER")]
    container_word: Option<String>,
    /// The container, where the pod has several
    #[arg(short, long, value_name = "NAME", conflicts_with = "container_word")]
    container: Option<String>,
    /// Namespace
    #[arg(short, long, default_value = "default", value_name = "NAME")]
    namespace: String,
    /// Stay, and show what comes
    #[arg(short, long)]
    follow: bool,
    /// Of the run before the last restart of the container
    #[arg(short, long)]
    previous: bool,
    /// Only the last lines; -1 for all
    #[arg(long, value_name = "LINES", default_value = "-1", allow_negative_numbers = true)]
    tail: i64,
    /// Only what is not older, such as 30s, 5m or 2h30m
    #[arg(long, value_name = "DURATION", value_parser = parse_seconds)]
    since: Option<u64>,
    /// Only what is not older than this RFC 3339 time
    #[arg(long, value_name = "TIME", conflicts_with = "since")]
    since_time: Option<cronlet_api::time::Timestamp>,
    /// With the time of each line
    #[arg(long)]
    timestamps: bool,
    /// At most so many bytes
    #[arg(long, value_name = "BYTES")]
    limit_bytes: Option<u64>,
}

pub(crate) fn run(args: &Args, client: &Client) -> Result<(), Failure> {
    let pod = pod(args, client)?;
    let container = match args.container.as_ref().or(args.container_word.as_ref()) {
        Some(container) => Some(container.clone()),
        None => default_container(&pod),
    };
    let text = |flag: bool| flag.then(|| "true".to_owned());
    let query = client::query(&[
        ("container", container),
        ("follow", text(args.follow)),
        ("previous", text(args.previous)),
        ("timestamps", text(args.timestamps)),
        ("tailLines", (args.tail >= 0).then(|| args.tail.to_string())),
        ("sinceSeconds", args.since.map(|seconds| seconds.to_string())),
        ("sinceTime", args.since_time.map(|time| time.to_string())),
        ("limitBytes", args.limit_bytes.map(|bytes| bytes.to_string())),
    ]);
    let path = client::object(&pod.key());
    let mut out = std::io::stdout().lock();
    client.stream(&format!("{path}/log{query}"), |chunk| {
        out.write_all(chunk)?;
        out.flush()?;
        Ok(ControlFlow::Continue(()))
    })
}

fn pod(args: &Args, client: &Client) -> Result<Object, Failure> {
    if !args.target.contains('/') {
        return get::read_object(client, &Key::new(Kind::Pod, &args.namespace, &args.target));
    }
    let target = Target::parse_pair(&args.target)?;
    let key = Key::new(target.kind, &args.namespace, &target.name.unwrap_or_default());
    match key.kind {
        Kind::Pod => get::read_object(client, &key),
        Kind::Job => last_pod(client, &get::read_object(client, &key)?),
        Kind::CronJob => {
            let cron_job = get::read_object(client, &key)?;
            last_pod(client, &last_job(client, &cron_job)?)
        }
        kind => Err(Failure::usage(format!("a {} has no logs", kind.info().singular))),
    }
}

fn last_job(client: &Client, cron_job: &Object) -> Result<Object, Failure> {
    let mut jobs = get::list(client, Kind::Job, Some(cron_job.namespace()), "")?;
    jobs.retain(|job| job.controller_uid() == Some(cron_job.uid()));
    newest(jobs).ok_or_else(|| {
        anyhow!(
            "cronjob {:?} has no Jobs: it did not run yet, or their history is gone",
            cron_job.name()
        )
        .into()
    })
}

fn last_pod(client: &Client, job: &Object) -> Result<Object, Failure> {
    let mut pods = get::list(client, Kind::Pod, Some(job.namespace()), "")?;
    pods.retain(|pod| pod.controller_uid() == Some(job.uid()));
    let count = pods.len();
    let pod = newest(pods).ok_or_else(|| {
        anyhow!("job {:?} has no pods: none was made yet, or they are gone", job.name())
    })?;
    if count > 1 {
        eprintln!("Found {count} pods, using pod/{}", pod.name());
    }
    Ok(pod)
}

fn newest(objects: Vec<Object>) -> Option<Object> {
    let created = |object: &Object| object.meta().creation_timestamp.as_ref().map(|time| time.0);
    objects.into_iter().max_by_key(|object| (created(object), object.name().to_owned()))
}

/// The annotated container or the first, as kubectl; said where there are several.
fn default_container(pod: &Object) -> Option<String> {
    let Object::Pod(pod) = pod else { return None };
    let spec = pod.spec.as_ref()?;
    let inits = spec.init_containers.iter().flatten();
    let names: Vec<&str> =
        spec.containers.iter().chain(inits).map(|container| container.name.as_str()).collect();
    let annotations = pod.metadata.annotations.as_ref();
    let annotated = annotations
        .and_then(|all| all.get("kubectl.kubernetes.io/default-container"))
        .filter(|name| names.contains(&name.as_str()));
    if let Some(name) = annotated {
        return Some(name.clone());
    }
    let first = names.first()?;
    if names.len() > 1 {
        eprintln!("Defaulted container {first:?} out of: {}", names.join(", "));
    }
    Some((*first).to_owned())
}

/// Go's durations, in whole seconds: `90s`, `5m`, `2h30m`.
fn parse_seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is not a duration; write such as 30s, 5m or 2h30m");
    let (mut total, mut rest) = (0.0, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
        let unit = units.iter().find(|(unit, _)| rest[digits..].starts_with(unit));
        let (unit, seconds) = unit.ok_or_else(wrong)?;
        total += number * seconds;
        rest = &rest[digits + unit.len()..];
    }
    if total > 0.0 { Ok(total.ceil() as u64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        let check =
            |text: &str, want: Option<u64>| assert_eq!(parse_seconds(text).ok(), want, "{text}");
        check("30s", Some(30));
        check("2h30m", Some(9000));
        check("1.5m", Some(90));
        check("200ms", Some(1));
        check("", None);
        check("5", None);
        check("s", None);
        check("1x", None);
        check("-1s", None);
        check("1..5s", None);
    }
}
