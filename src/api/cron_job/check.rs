//! The rules of a CronJob (Kubernetes' `validateCronJobSpec`), and those of cronlet's annotations.

use super::annotations::{Annotations, KNOWN, PREFIX, SCHEDULE};
use super::schedule::{Schedule, time_zone_problems};
use crate::check::{Causes, Path};
use crate::job;
use crate::meta::nonnegative;
use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec, JobTemplateSpec};

/// A Job's name is the CronJob's and eleven more characters, and must fit a label.
const NAME_LENGTH_MAX: usize = 52;

const CONCURRENCY_POLICIES: &[&str] = &["Allow", "Forbid", "Replace"];

/// The rules of a new CronJob, after its defaults; those of `metadata` are checked elsewhere.
pub fn create(cron_job: &CronJob, causes: &mut Causes) {
    check_spec(&cron_job.spec, None, causes);
    let name = cron_job.metadata.name.as_deref().unwrap_or_default();
    if name.len() > NAME_LENGTH_MAX {
        let at = Path::root("metadata");
        causes.invalid(&at.child("name"), name, "must be no more than 52 characters");
    }
    check_annotations(cron_job, causes);
}

/// The rules of a change: what was accepted once, such as `TZ=` in the schedule, stays accepted.
pub fn update(old: &CronJob, new: &CronJob, causes: &mut Causes) {
    check_spec(&new.spec, Some(&old.spec), causes);
    check_annotations(new, causes);
}

/// Annotations that look like cronlet's and are not.
pub fn warn(cron_job: &CronJob, warnings: &mut Vec<String>) {
    let annotations = cron_job.metadata.annotations.iter().flatten();
    for (key, _) in annotations.filter(|(key, _)| key.starts_with(PREFIX)) {
        if !KNOWN.contains(&key.as_str()) {
            let known = KNOWN.join(", ");
            warnings.push(format!(
                "metadata.annotations[{key}]: not known to cronlet, which knows {known}"
            ));
        }
    }
}

fn check_spec(spec: &CronJobSpec, old: Option<&CronJobSpec>, causes: &mut Causes) {
    let at = Path::root("spec");
    check_schedule(spec, old, &at.child("schedule"), causes);
    nonnegative(spec.starting_deadline_seconds, &at.child("startingDeadlineSeconds"), causes);
    if let Some(zone) = &spec.time_zone
        && old.is_none_or(|old| old.time_zone != spec.time_zone)
    {
        for problem in time_zone_problems(zone) {
            causes.invalid(&at.child("timeZone"), zone, problem);
        }
    }
    let policy = spec.concurrency_policy.as_deref().unwrap_or_default();
    if !CONCURRENCY_POLICIES.contains(&policy) {
        causes.unsupported(&at.child("concurrencyPolicy"), policy, CONCURRENCY_POLICIES);
    }
    check_job_template(&spec.job_template, &at.child("jobTemplate"), causes);
    nonnegative(
        spec.successful_jobs_history_limit,
        &at.child("successfulJobsHistoryLimit"),
        causes,
    );
    nonnegative(spec.failed_jobs_history_limit, &at.child("failedJobsHistoryLimit"), causes);
}

fn check_schedule(
    spec: &CronJobSpec,
    old: Option<&CronJobSpec>,
    at: &Path<'_>,
    causes: &mut Causes,
) {
    let schedule = &spec.schedule;
    if schedule.is_empty() {
        return causes.required(at, "");
    }
    if let Err(error) = Schedule::parse(schedule) {
        causes.invalid(at, schedule, error);
    }
    let may_name_zone = old.is_some_and(|old| old.schedule.contains("TZ"));
    match schedule.contains("TZ") {
        true if may_name_zone && spec.time_zone.is_some() => {
            let why = "cannot use both timeZone field and TZ or CRON_TZ in schedule";
            causes.invalid(at, schedule, why);
        }
        true if !may_name_zone => {
            let why = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
            causes.invalid(at, schedule, why);
        }
        _ => {}
    }
}

fn check_job_template(template: &JobTemplateSpec, at: &Path<'_>, causes: &mut Causes) {
    let Some(spec) = &template.spec else { return };
    let at = at.child("spec");
    job::check::common_spec(spec, &at, causes);
    if let Some(selector) = &spec.selector {
        causes.invalid(&at.child("selector"), selector, "`selector` will be auto-generated");
    }
    if spec.manual_selector == Some(true) {
        causes.unsupported(&at.child("manualSelector"), "true", &["nil", "false"]);
    }
}

fn check_annotations(cron_job: &CronJob, causes: &mut Causes) {
    let Err(faults) = Annotations::read(cron_job) else { return };
    let at = Path::root("metadata");
    let at = at.child("annotations");
    for fault in faults {
        let hint =
            if fault.key == SCHEDULE { " (spec.schedule is not used beside it)" } else { "" };
        causes.invalid(&at.key(fault.key), fault.value, format_args!("{}{hint}", fault.why));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cron_job::defaults;
    use serde_json::{Value, json};

    fn read(spec: &Value) -> CronJob {
        let mut cron_job: CronJob = serde_json::from_value(json!({"spec": spec})).expect("read");
        // What pods must have is checked with pods.
        defaults::set(&mut cron_job);
        cron_job
    }

    fn told(causes: &Causes) -> Vec<&str> {
        let own = |field: &&str| !field.starts_with("spec.jobTemplate.spec.template");
        causes.found.iter().map(|cause| cause.field.as_str()).filter(own).collect()
    }

    #[test]
    fn rules_of_a_new_one() {
        let check = |spec: Value, want: &[&str]| {
            let mut causes = Causes::default();
            create(&read(&spec), &mut causes);
            assert_eq!(told(&causes), want, "{spec}");
        };
        let five = "*/5 * * * *";
        check(json!({"schedule": five}), &[]);
        check(json!({"schedule": "TZ=UTC 0 0 * * *"}), &["spec.schedule"]);
        check(json!({"schedule": "TZ=Nope 0 0 * * *"}), &["spec.schedule", "spec.schedule"]);
        check(json!({"schedule": five, "timeZone": ""}), &["spec.timeZone"]);
        let template = |spec: Value| json!({"schedule": five, "jobTemplate": {"spec": spec}});
        check(template(json!({"manualSelector": false})), &[]);
        check(template(json!({"manualSelector": true})), &["spec.jobTemplate.spec.manualSelector"]);
        check(template(json!({"selector": {}})), &["spec.jobTemplate.spec.selector"]);
    }

    #[test]
    fn rules_of_a_change() {
        let check = |old: Value, new: Value, want: &[&str]| {
            let mut causes = Causes::default();
            update(&read(&old), &read(&new), &mut causes);
            assert_eq!(told(&causes), want, "{new}");
        };
        let with_zone = json!({"schedule": "TZ=UTC 0 0 * * *"});
        check(with_zone.clone(), with_zone.clone(), &[]);
        let both = json!({"schedule": "TZ=UTC 0 0 * * *", "timeZone": "UTC"});
        check(with_zone.clone(), both, &["spec.schedule"]);
        check(json!({"schedule": "0 0 * * *"}), with_zone, &["spec.schedule"]);
        let odd_zone = json!({"schedule": "0 0 * * *", "timeZone": "Mars/X"});
        check(odd_zone.clone(), odd_zone, &[]);
    }

    #[test]
    fn annotations_are_checked() {
        let mut cron_job = read(&json!({"schedule": "0 0 * * *"}));
        let annotations = [("cronlet.dev/dst", "x"), ("cronlet.dev/dts", "once")];
        cron_job.metadata.annotations =
            Some(annotations.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
        let mut causes = Causes::default();
        create(&cron_job, &mut causes);
        assert_eq!(told(&causes), ["metadata.annotations[cronlet.dev/dst]"]);
        let mut warnings = Vec::new();
        warn(&cron_job, &mut warnings);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].starts_with("metadata.annotations[cronlet.dev/dts]: "), "{warnings:?}");
    }
}
