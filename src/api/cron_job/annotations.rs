//! cronlet's own annotations on a CronJob, for settings that Kubernetes has no field for.

use super::schedule::{Schedule, parse_duration};
use crate::settings::Dst;
use crate::time::SignedDuration;
use k8s_openapi::api::batch::v1::CronJob;

pub const PREFIX: &str = "cronlet.dev/";

/// A schedule beyond Kubernetes' grammar; it replaces `spec.schedule`.
pub const SCHEDULE: &str = "cronlet.dev/schedule";
/// `kubernetes` or `once`.
pub const DST: &str = "cronlet.dev/dst";
/// `none`, `latest` or `all`.
pub const CATCH_UP: &str = "cronlet.dev/catch-up";
/// A duration as Go writes it, such as `90s`.
pub const JITTER: &str = "cronlet.dev/jitter";

/// Crontab that the CronJob was imported from, so that a later import finds its own.
pub const IMPORTED_FROM: &str = "cronlet.dev/imported-from";

/// cronlet's own record: when the schedule came into force, if an edit or a resume changed when the
/// CronJob runs.
pub const IN_FORCE_SINCE: &str = "cronlet.dev/in-force-since";
/// cronlet's own record: the last slot reported as skipped, so that each is reported once.
pub const SKIPPED_UP_TO: &str = "cronlet.dev/skipped-up-to";
/// cronlet's own record: the time from which the schedule started anew after the clock was set by
/// more than a day. Slots up to then do not count.
pub const STARTED_ANEW_AT: &str = "cronlet.dev/started-anew-at";
/// cronlet's own record: the time up to which slots were settled when the clock was set back by
/// more than a day. It applies again once the clock is past it.
pub const SETTLED_BEFORE: &str = "cronlet.dev/settled-before";

/// cronlet's own records, which no manifest sets.
pub const RECORDS: [&str; 4] = [IN_FORCE_SINCE, SKIPPED_UP_TO, STARTED_ANEW_AT, SETTLED_BEFORE];

/// All of cronlet's annotations that a CronJob may carry.
pub const KNOWN: &[&str] = &[
    CATCH_UP,
    DST,
    IMPORTED_FROM,
    JITTER,
    SCHEDULE,
    IN_FORCE_SINCE,
    SKIPPED_UP_TO,
    STARTED_ANEW_AT,
    SETTLED_BEFORE,
];

/// At most this many hours of jitter, so that starts spread over no more than a day.
const JITTER_HOURS_MAX: i64 = 24;

/// The parsed annotations of a CronJob.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Annotations {
    /// The schedule that replaces `spec.schedule`.
    pub schedule: Option<Schedule>,
    /// `None` if the configuration decides.
    pub dst: Option<Dst>,
    pub catch_up: CatchUp,
    /// The span over which starts are spread; never negative.
    pub jitter: SignedDuration,
}

/// Choice of slots that run late: those that passed while the CronJob was suspended, or before it
/// had its schedule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CatchUp {
    #[default]
    None,
    Latest,
    All,
}

/// An annotation whose value is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {why}")]
pub struct AnnotationFault {
    pub key: &'static str,
    pub value: String,
    pub why: String,
}

impl Annotations {
    /// Reads the annotations, or returns all that are invalid.
    pub fn read(cron_job: &CronJob) -> Result<Annotations, Vec<AnnotationFault>> {
        let meta = &cron_job.metadata;
        let value = |key: &str| meta.annotations.as_ref()?.get(key).map(String::as_str);
        let mut faults = Vec::new();
        let mut fault = |key: &'static str, why: String| {
            let value = value(key).unwrap_or_default().to_owned();
            faults.push(AnnotationFault { key, value, why });
        };
        let mut read = Annotations::default();
        if let Some(text) = value(SCHEDULE) {
            let part = |text: &Option<String>| text.clone().unwrap_or_default();
            let seed = format!("{}/{}", part(&meta.namespace), part(&meta.name));
            match Schedule::parse_extended(text, &seed) {
                Ok(schedule) => read.schedule = Some(schedule),
                Err(error) => fault(SCHEDULE, error.to_string()),
            }
        }
        match value(DST) {
            None => {}
            Some("kubernetes") => read.dst = Some(Dst::Kubernetes),
            Some("once") => read.dst = Some(Dst::Once),
            Some(_) => fault(DST, "must be `kubernetes` or `once`".into()),
        }
        match value(CATCH_UP) {
            None | Some("none") => {}
            Some("latest") => read.catch_up = CatchUp::Latest,
            Some("all") => read.catch_up = CatchUp::All,
            Some(_) => fault(CATCH_UP, "must be `none`, `latest` or `all`".into()),
        }
        match value(JITTER).map(jitter) {
            None => {}
            Some(Ok(jitter)) => read.jitter = jitter,
            Some(Err(why)) => fault(JITTER, why),
        }
        if faults.is_empty() { Ok(read) } else { Err(faults) }
    }
}

fn jitter(text: &str) -> Result<SignedDuration, String> {
    let nanoseconds = parse_duration(text).map_err(|error| error.to_string())?;
    let jitter = SignedDuration::from_nanos(nanoseconds);
    if jitter < SignedDuration::ZERO || jitter > SignedDuration::from_hours(JITTER_HOURS_MAX) {
        return Err(format!("must be between 0s and {JITTER_HOURS_MAX}h"));
    }
    Ok(jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(key: &str, value: &str) -> Result<Annotations, Vec<AnnotationFault>> {
        let mut cron_job = CronJob::default();
        let annotations = [(key.to_owned(), value.to_owned())].into();
        cron_job.metadata.annotations = Some(annotations);
        Annotations::read(&cron_job)
    }

    #[test]
    fn values_are_read() {
        let check = |key: &str, value: &str, want: Annotations| {
            assert_eq!(read(key, value), Ok(want), "{key}: {value}");
        };
        let plain = Annotations::default();
        check("other.dev/dst", "x", plain.clone());
        check(DST, "once", Annotations { dst: Some(Dst::Once), ..plain.clone() });
        check(DST, "kubernetes", Annotations { dst: Some(Dst::Kubernetes), ..plain.clone() });
        check(CATCH_UP, "all", Annotations { catch_up: CatchUp::All, ..plain.clone() });
        check(CATCH_UP, "latest", Annotations { catch_up: CatchUp::Latest, ..plain.clone() });
        let jitter = SignedDuration::from_secs(90);
        check(JITTER, "90s", Annotations { jitter, ..plain.clone() });
        check(JITTER, "1m30s", Annotations { jitter, ..plain });
        let schedule = read(SCHEDULE, "30 0 2 * * *").expect("six fields").schedule;
        assert!(schedule.is_some_and(|schedule| schedule.is_finer_than_minutes()));
    }

    #[test]
    fn what_is_not_understood_is_told() {
        let check = |key: &'static str, value: &str| {
            let faults = read(key, value).expect_err(value);
            assert_eq!(faults.iter().map(|f| f.key).collect::<Vec<_>>(), [key], "{value}");
        };
        check(DST, "both");
        check(CATCH_UP, "yes");
        check(JITTER, "90");
        check(JITTER, "-1s");
        check(JITTER, "25h");
        check(SCHEDULE, "never");
    }
}
