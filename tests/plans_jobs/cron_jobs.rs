//! Rules of the CronJob controller, each in a script that fails without it.

use crate::world::{World, check};
use cronlet_api::kind::Kind;
use serde_json::{Value, json};

pub fn cron_job(spec: Value) -> Value {
    let mut cron_job = json!({
        "kind": "CronJob",
        "metadata": {"name": "c"},
        "spec": {
            "schedule": "* * * * *",
            "concurrencyPolicy": "Allow",
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 1,
            "jobTemplate": {"spec": {
                "completions": 1,
                "parallelism": 1,
                "backoffLimit": 0,
                "template": {"spec": {
                    "containers": [{"name": "main", "image": "i", "command": ["true"]}],
                    "restartPolicy": "Never",
                }},
            }},
        },
    });
    let all = cron_job["spec"].as_object_mut().expect("an object");
    all.extend(spec.as_object().expect("an object").clone());
    cron_job
}

pub fn annotated(mut cron_job: Value, annotation: &str, value: &str) -> Value {
    cron_job["metadata"]["annotations"][format!("cronlet.dev/{annotation}")] = json!(value);
    cron_job
}

/// As recorded in `cron-history.jsonl`.
#[test]
fn runs_complete_and_the_oldest_go() {
    check(
        &[cron_job(json!({"successfulJobsHistoryLimit": 1}))],
        r#"
          > cronjob c:
        wait due
          > after 58s
          > run 11:08:00 Running
          > SuccessfulCreate: Created job c-29923868
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923868 last=11:08:00
          > job c-29923868: active=1 start=+58s
        run #1
          > run 11:08:00 Running tries 1
          > job c-29923868: active=1 ready=1 start=+58s
        wait 3s
        exit #1 0
          > run 11:08:00 Succeeded exit 0 tries 1
          > Completed: Job completed
          > SawCompletedJob: Saw completed job: c-29923868, condition: Complete
          > cronjob c: last=11:08:00 success=11:08:03
          > job c-29923868: succeeded=1 start=+58s end=+61s
          >   SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached
        wait due
          > after 57s
          > run 11:09:00 Running
          > SuccessfulCreate: Created job c-29923869
          > SuccessfulCreate: Created pod: #2
          > cronjob c: active=c-29923869 last=11:09:00 success=11:08:03
          > job c-29923869: active=1 start=+118s
        wait 1s
        exit #2 0
          > run 11:09:00 Succeeded exit 0 tries 1
          > Completed: Job completed
          > SawCompletedJob: Saw completed job: c-29923869, condition: Complete
          > SuccessfulDelete: Deleted job c-29923868
          > delete c-29923868
          > cronjob c: last=11:09:00 success=11:09:01
          > job c-29923869: succeeded=1 start=+118s end=+119s
          >   SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached
    "#,
    );
}

#[test]
fn the_oldest_failure_goes() {
    check(
        &[cron_job(json!({"failedJobsHistoryLimit": 0}))],
        r#"
          > cronjob c:
        wait due
          > after 58s
          > run 11:08:00 Running
          > SuccessfulCreate: Created job c-29923868
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923868 last=11:08:00
          > job c-29923868: active=1 start=+58s
        exit #1 1
        wait due
          > after 2s
          > run 11:08:00 Failed exit 1 tries 1: Job has reached the specified backoff
          >   limit
          > Warning BackoffLimitExceeded: Job has reached the specified backoff limit
          > SawCompletedJob: Saw completed job: c-29923868, condition: Failed
          > SuccessfulDelete: Deleted job c-29923868
          > delete c-29923868
          > cronjob c: last=11:08:00
    "#,
    );
}

#[test]
fn without_limits_every_job_stays() {
    let spec = json!({"successfulJobsHistoryLimit": null, "failedJobsHistoryLimit": null});
    check(
        &[cron_job(spec)],
        r#"
          > cronjob c:
        wait due
          > after 58s
          > run 11:08:00 Running
          > SuccessfulCreate: Created job c-29923868
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923868 last=11:08:00
          > job c-29923868: active=1 start=+58s
        exit #1 1
        wait due
          > after 2s
          > run 11:08:00 Failed exit 1 tries 1: Job has reached the specified backoff
          >   limit
          > Warning BackoffLimitExceeded: Job has reached the specified backoff limit
          > SawCompletedJob: Saw completed job: c-29923868, condition: Failed
          > cronjob c: last=11:08:00
          > job c-29923868: failed=1 start=+58s FailureTarget:BackoffLimitExceeded
          >   Failed:BackoffLimitExceeded
        wait due
          > after 58s
          > run 11:09:00 Running
          > SuccessfulCreate: Created job c-29923869
          > SuccessfulCreate: Created pod: #2
          > cronjob c: active=c-29923869 last=11:09:00
          > job c-29923869: active=1 start=+118s
        exit #2 1
        wait due
          > after 2s
          > run 11:09:00 Failed exit 1 tries 1: Job has reached the specified backoff
          >   limit
          > Warning BackoffLimitExceeded: Job has reached the specified backoff limit
          > SawCompletedJob: Saw completed job: c-29923869, condition: Failed
          > cronjob c: last=11:09:00
          > job c-29923869: failed=1 start=+118s FailureTarget:BackoffLimitExceeded
          >   Failed:BackoffLimitExceeded
        wait due
          > after 58s
          > run 11:10:00 Running
          > SuccessfulCreate: Created job c-29923870
          > SuccessfulCreate: Created pod: #3
          > cronjob c: active=c-29923870 last=11:10:00
          > job c-29923870: active=1 start=+178s
    "#,
    );
}

#[test]
fn allowed_runs_overlap() {
    check(
        &[cron_job(json!({}))],
        r#"
          > cronjob c:
        wait due
          > after 58s
          > run 11:08:00 Running
          > SuccessfulCreate: Created job c-29923868
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923868 last=11:08:00
          > job c-29923868: active=1 start=+58s
        wait due
          > after 60s
          > run 11:09:00 Running
          > SuccessfulCreate: Created job c-29923869
          > SuccessfulCreate: Created pod: #2
          > cronjob c: active=c-29923868,c-29923869 last=11:09:00
          > job c-29923869: active=1 start=+118s
        exit #2 0
          > run 11:09:00 Succeeded exit 0 tries 1
          > Completed: Job completed
          > SawCompletedJob: Saw completed job: c-29923869, condition: Complete
          > cronjob c: active=c-29923868 last=11:09:00 success=11:09:00
          > job c-29923869: succeeded=1 start=+118s end=+118s
          >   SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached
    "#,
    );
}

/// As recorded in `cron-forbid.jsonl`: the latest slot that had to wait runs when the run before
/// ends.
#[test]
fn a_forbidden_overlap_waits() {
    check(
        &[cron_job(json!({"concurrencyPolicy": "Forbid"}))],
        r#"
          > cronjob c:
        wait due
          > after 58s
          > run 11:08:00 Running
          > SuccessfulCreate: Created job c-29923868
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923868 last=11:08:00
          > job c-29923868: active=1 start=+58s
        run #1
          > run 11:08:00 Running tries 1
          > job c-29923868: active=1 ready=1 start=+58s
        wait due
          > after 60s
          > JobAlreadyActive: Not starting job because prior execution is running and
          >   concurrency policy is Forbid
          > run 11:09:00 Skipped: prior execution was running and concurrencyPolicy is
          >   Forbid
        restarts #1 1
        wait due
          > after 60s
          > JobAlreadyActive: Not starting job because prior execution is running and
          >   concurrency policy is Forbid
          > run 11:10:00 Skipped: prior execution was running and concurrencyPolicy is
          >   Forbid
        wait 10s
        exit #1 0
          > run 11:08:00 Succeeded exit 0 tries 1
          > Completed: Job completed
          > SawCompletedJob: Saw completed job: c-29923868, condition: Complete
          > run 11:10:00 Running
          > SuccessfulCreate: Created job c-29923870
          > SuccessfulCreate: Created pod: #2
          > cronjob c: active=c-29923870 last=11:10:00 success=11:10:10
          > job c-29923868: succeeded=1 start=+58s end=+188s
          >   SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached
          > job c-29923870: active=1 start=+188s
        exit #2 0
          > run 11:10:00 Succeeded exit 0 tries 1
          > Completed: Job completed
          > SawCompletedJob: Saw completed job: c-29923870, condition: Complete
          > cronjob c: last=11:10:00 success=11:10:10
          > job c-29923870: succeeded=1 start=+188s end=+188s
          >   SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached
    "#,
    );
}

#[test]
fn a_forbidden_overlap_may_wait_too_long() {
    let spec = json!({"concurrencyPolicy": "Forbid", "startingDeadlineSeconds": 5});
    check(
        &[cron_job(spec)],
        r#"
          > cronjob c:
        wait due
          > after 58s
          > run 11:08:00 Running
          > SuccessfulCreate: Created job c-29923868
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923868 last=11:08:00
          > job c-29923868: active=1 start=+58s
        wait due
          > after 60s
          > JobAlreadyActive: Not starting job because prior execution is running and
          >   concurrency policy is Forbid
          > run 11:09:00 Skipped: prior execution was running and concurrencyPolicy is
          >   Forbid
        wait 10s
        exit #1 0
          > run 11:08:00 Succeeded exit 0 tries 1
          > Completed: Job completed
          > SawCompletedJob: Saw completed job: c-29923868, condition: Complete
          > cronjob c: last=11:08:00 success=11:09:10
          > job c-29923868: succeeded=1 start=+58s end=+128s
          >   SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached
        wait due
          > after 50s
          > run 11:10:00 Running
          > SuccessfulCreate: Created job c-29923870
          > SuccessfulCreate: Created pod: #2
          > cronjob c: active=c-29923870 last=11:10:00 success=11:09:10
          > job c-29923870: active=1 start=+178s
    "#,
    );
}

#[test]
fn a_run_replaces_the_one_before() {
    check(
        &[cron_job(json!({"concurrencyPolicy": "Replace"}))],
        r#"
          > cronjob c:
        wait due
          > after 58s
          > run 11:08:00 Running
          > SuccessfulCreate: Created job c-29923868
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923868 last=11:08:00
          > job c-29923868: active=1 start=+58s
        run #1
          > run 11:08:00 Running tries 1
          > job c-29923868: active=1 ready=1 start=+58s
        wait due
          > after 60s
          > run 11:08:00 Replaced tries 1: replaced by a later run
          > SuccessfulDelete: Deleted job c-29923868
          > delete c-29923868
          > run 11:09:00 Running
          > SuccessfulCreate: Created job c-29923869
          > SuccessfulCreate: Created pod: #2
          > cronjob c: active=c-29923869 last=11:09:00
          > job c-29923869: active=1 start=+118s
    "#,
    );
}

#[test]
fn after_downtime_the_latest_missed_slot_runs() {
    check(
        &[cron_job(json!({}))],
        r#"
          > cronjob c:
        wait due
          > after 58s
          > run 11:08:00 Running
          > SuccessfulCreate: Created job c-29923868
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923868 last=11:08:00
          > job c-29923868: active=1 start=+58s
        exit #1 0
          > run 11:08:00 Succeeded exit 0 tries 1
          > Completed: Job completed
          > SawCompletedJob: Saw completed job: c-29923868, condition: Complete
          > cronjob c: last=11:08:00 success=11:08:00
          > job c-29923868: succeeded=1 start=+58s end=+58s
          >   SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached
        wait 200s
          > run 11:09:00 Skipped: missed: a later slot was due as well
          > and 1 more
          > Warning MissSchedule: Missed scheduled time to start a job: Mon, 23 Nov 2026
          >   11:10:00 +0000 (and 1 before it)
          > run 11:11:00 Running
          > SuccessfulCreate: Created job c-29923871
          > SuccessfulCreate: Created pod: #2
          > cronjob c: active=c-29923871 last=11:11:00 success=11:08:00
          > job c-29923871: active=1 start=+258s
    "#,
    );
}

#[test]
fn too_many_missed_slots_are_told_of() {
    check(
        &[cron_job(json!({"schedule": "*/10 * * * *"}))],
        r#"
          > cronjob c:
        wait 400h
          > run 10:20:00 Skipped: missed: a later slot was due as well
          > and 99 more
          > Warning TooManyMissedTimes: too many missed start times. Set or decrease
          >   .spec.startingDeadlineSeconds or check clock skew
          > Warning MissSchedule: Missed scheduled time to start a job: Thu, 10 Dec 2026
          >   02:50:00 +0000 (and 99 before it)
          > run 03:00:00 Running
          > SuccessfulCreate: Created job c-29947860
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29947860 last=03:00:00
          > job c-29947860: active=1 start=+1440000s
        exit #1 0
          > run 03:00:00 Succeeded exit 0 tries 1
          > Completed: Job completed
          > SawCompletedJob: Saw completed job: c-29947860, condition: Complete
          > cronjob c: last=03:00:00 success=03:07:02
          > job c-29947860: succeeded=1 start=+1440000s end=+1440000s
          >   SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached
    "#,
    );
}

#[test]
fn a_deadline_lets_slots_pass() {
    let spec = json!({"schedule": "0 * * * *", "startingDeadlineSeconds": 600});
    check(
        &[cron_job(spec)],
        r#"
          > cronjob c:
        wait 64m
          > run 12:00:00 Skipped: missed: startingDeadlineSeconds had passed
          > Warning MissSchedule: Missed scheduled time to start a job: Mon, 23 Nov 2026
          >   12:00:00 +0000
        wait due
          > after 2938s
          > run 13:00:00 Running
          > SuccessfulCreate: Created job c-29923980
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923980 last=13:00:00
          > job c-29923980: active=1 start=+6778s
        wait 67m
          > run 14:00:00 Running
          > SuccessfulCreate: Created job c-29924040
          > SuccessfulCreate: Created pod: #2
          > cronjob c: active=c-29923980,c-29924040 last=14:00:00
          > job c-29924040: active=1 start=+10798s
        wait 2h
          > run 15:00:00 Skipped: missed: startingDeadlineSeconds had passed
          > Warning MissSchedule: Missed scheduled time to start a job: Mon, 23 Nov 2026
          >   15:00:00 +0000
          > run 16:00:00 Running
          > SuccessfulCreate: Created job c-29924160
          > SuccessfulCreate: Created pod: #3
          > cronjob c: active=c-29923980,c-29924040,c-29924160 last=16:00:00
          > job c-29924160: active=1 start=+17998s
    "#,
    );
}

#[test]
fn resuming_runs_nothing_that_was_missed() {
    check(
        &[cron_job(json!({"suspend": true}))],
        r#"
          > cronjob c:
        wait 1h
        set cronjob/c {"suspend":false}
        wait due
          > after 58s
          > run 12:08:00 Running
          > SuccessfulCreate: Created job c-29923928
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923928 last=12:08:00
          > job c-29923928: active=1 start=+3658s
    "#,
    );
}

#[test]
fn resuming_may_catch_up_with_the_latest() {
    check(
        &[annotated(cron_job(json!({"suspend": true})), "catch-up", "latest")],
        r#"
          > cronjob c:
        wait 5m
        set cronjob/c {"suspend":false}
          > run 11:08:00 Skipped: missed: a later slot was due as well
          > and 3 more
          > Warning MissSchedule: Missed scheduled time to start a job: Mon, 23 Nov 2026
          >   11:11:00 +0000 (and 3 before it)
          > run 11:12:00 Running
          > SuccessfulCreate: Created job c-29923872
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923872 last=11:12:00
          > job c-29923872: active=1 start=+300s
    "#,
    );
}

#[test]
fn an_edited_schedule_runs_nothing_that_was_missed() {
    check(
        &[cron_job(json!({"schedule": "0 0 * * *"}))],
        r#"
          > cronjob c:
        wait 1h
        set cronjob/c {"schedule":"0 * * * *"}
        wait due
          > after 3178s
          > run 13:00:00 Running
          > SuccessfulCreate: Created job c-29923980
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923980 last=13:00:00
          > job c-29923980: active=1 start=+6778s
    "#,
    );
}

#[test]
fn an_edited_time_zone_runs_nothing_that_was_missed() {
    check(
        &[cron_job(json!({"schedule": "0 14 * * *"}))],
        r#"
          > cronjob c:
        wait 1h
        set cronjob/c {"timeZone":"Europe/Berlin"}
        wait due
          > after 3178s
          > run 13:00:00 Running
          > SuccessfulCreate: Created job c-29923980
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923980 last=13:00:00
          > job c-29923980: active=1 start=+6778s
    "#,
    );
}

#[test]
fn an_edited_template_loses_no_slot() {
    let spec = json!({"schedule": "0 * * * *", "concurrencyPolicy": "Forbid"});
    check(
        &[cron_job(spec)],
        r#"
          > cronjob c:
        wait due
          > after 3178s
          > run 12:00:00 Running
          > SuccessfulCreate: Created job c-29923920
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923920 last=12:00:00
          > job c-29923920: active=1 start=+3178s
        wait 1h
          > JobAlreadyActive: Not starting job because prior execution is running and
          >   concurrency policy is Forbid
          > run 13:00:00 Skipped: prior execution was running and concurrencyPolicy is
          >   Forbid
        set cronjob/c {"successfulJobsHistoryLimit":2}
        exit #1 0
          > run 12:00:00 Succeeded exit 0 tries 1
          > Completed: Job completed
          > SawCompletedJob: Saw completed job: c-29923920, condition: Complete
          > run 13:00:00 Running
          > SuccessfulCreate: Created job c-29923980
          > SuccessfulCreate: Created pod: #2
          > cronjob c: active=c-29923980 last=13:00:00 success=13:00:00
          > job c-29923920: succeeded=1 start=+3178s end=+6778s
          >   SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached
          > job c-29923980: active=1 start=+6778s
    "#,
    );
}

#[test]
fn an_edited_schedule_may_catch_up() {
    let cron_job = annotated(cron_job(json!({"schedule": "0 0 * * *"})), "catch-up", "latest");
    check(
        &[cron_job],
        r#"
          > cronjob c:
        wait 1h
        set cronjob/c {"schedule":"0 * * * *"}
          > run 12:00:00 Running
          > SuccessfulCreate: Created job c-29923920
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923920 last=12:00:00
          > job c-29923920: active=1 start=+3600s
    "#,
    );
}

#[test]
fn all_missed_slots_can_run() {
    check(
        &[annotated(cron_job(json!({})), "catch-up", "all")],
        r#"
          > cronjob c:
        wait 200s
          > run 11:08:00 Running
          > SuccessfulCreate: Created job c-29923868
          > SuccessfulCreate: Created pod: #1
          > run 11:09:00 Running
          > SuccessfulCreate: Created job c-29923869
          > SuccessfulCreate: Created pod: #2
          > run 11:10:00 Running
          > SuccessfulCreate: Created job c-29923870
          > SuccessfulCreate: Created pod: #3
          > cronjob c: active=c-29923868,c-29923869,c-29923870 last=11:10:00
          > job c-29923868: active=1 start=+200s
          > job c-29923869: active=1 start=+200s
          > job c-29923870: active=1 start=+200s
    "#,
    );
}

#[test]
fn all_missed_slots_can_run_one_after_another() {
    let cron_job = cron_job(json!({"concurrencyPolicy": "Forbid"}));
    check(
        &[annotated(cron_job, "catch-up", "all")],
        r#"
          > cronjob c:
        wait 130s
          > run 11:08:00 Running
          > SuccessfulCreate: Created job c-29923868
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923868 last=11:08:00
          > job c-29923868: active=1 start=+130s
        exit #1 0
          > run 11:08:00 Succeeded exit 0 tries 1
          > Completed: Job completed
          > SawCompletedJob: Saw completed job: c-29923868, condition: Complete
          > run 11:09:00 Running
          > SuccessfulCreate: Created job c-29923869
          > SuccessfulCreate: Created pod: #2
          > cronjob c: active=c-29923869 last=11:09:00 success=11:09:12
          > job c-29923868: succeeded=1 start=+130s end=+130s
          >   SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached
          > job c-29923869: active=1 start=+130s
        exit #2 0
          > run 11:09:00 Succeeded exit 0 tries 1
          > Completed: Job completed
          > SawCompletedJob: Saw completed job: c-29923869, condition: Complete
          > cronjob c: last=11:09:00 success=11:09:12
          > job c-29923869: succeeded=1 start=+130s end=+130s
          >   SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached
    "#,
    );
}

#[test]
fn at_most_a_hundred_missed_slots_run() {
    let cron_job = cron_job(json!({"concurrencyPolicy": "Forbid"}));
    check(
        &[annotated(cron_job, "catch-up", "all")],
        r#"
          > cronjob c:
        wait 10h
          > run 19:27:00 Skipped: missed: a later slot was due as well
          > Warning TooManyMissedTimes: too many missed start times. Set or decrease
          >   .spec.startingDeadlineSeconds or check clock skew
          > Warning MissSchedule: Missed scheduled time to start a job: Mon, 23 Nov 2026
          >   19:27:00 +0000
          > run 19:28:00 Running
          > SuccessfulCreate: Created job c-29924368
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29924368 last=19:28:00
          > job c-29924368: active=1 start=+36000s
        wait due
          > after 58s
    "#,
    );
}

#[test]
fn a_replacing_cron_job_catches_up_with_the_latest_alone() {
    let cron_job = cron_job(json!({"concurrencyPolicy": "Replace"}));
    check(
        &[annotated(cron_job, "catch-up", "all")],
        r#"
          > cronjob c:
        wait 130s
          > run 11:08:00 Skipped: missed: a later slot was due as well
          > Warning MissSchedule: Missed scheduled time to start a job: Mon, 23 Nov 2026
          >   11:08:00 +0000
          > run 11:09:00 Running
          > SuccessfulCreate: Created job c-29923869
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923869 last=11:09:00
          > job c-29923869: active=1 start=+130s
    "#,
    );
}

#[test]
fn jitter_delays_the_start_and_not_the_slot() {
    let cron_job = cron_job(json!({"schedule": "0 * * * *", "startingDeadlineSeconds": 10}));
    check(
        &[annotated(cron_job, "jitter", "30m")],
        r#"
          > cronjob c:
        wait due
          > after 4349s
          > run 12:00:00 Running
          > SuccessfulCreate: Created job c-29923920
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923920 last=12:00:00
          > job c-29923920: active=1 start=+4349s
        wait due
          > after 3600s
          > run 13:00:00 Running
          > SuccessfulCreate: Created job c-29923980
          > SuccessfulCreate: Created pod: #2
          > cronjob c: active=c-29923920,c-29923980 last=13:00:00
          > job c-29923980: active=1 start=+7949s
        wait 65m
          > run 14:00:00 Skipped: missed: startingDeadlineSeconds had passed
          > Warning MissSchedule: Missed scheduled time to start a job: Mon, 23 Nov 2026
          >   14:00:00 +0000
    "#,
    );
}

#[test]
fn seconds_in_a_schedule_make_names_of_seconds() {
    check(
        &[annotated(cron_job(json!({})), "schedule", "*/30 * * * * *")],
        r#"
          > cronjob c:
        wait due
          > after 28s
          > run 11:07:30 Running
          > SuccessfulCreate: Created job c-1795432050
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-1795432050 last=11:07:30
          > job c-1795432050: active=1 start=+28s
        wait due
          > after 30s
          > run 11:08:00 Running
          > SuccessfulCreate: Created job c-1795432080
          > SuccessfulCreate: Created pod: #2
          > cronjob c: active=c-1795432050,c-1795432080 last=11:08:00
          > job c-1795432080: active=1 start=+58s
    "#,
    );
}

#[test]
fn every_counts_from_the_last_run() {
    check(
        &[cron_job(json!({"schedule": "@every 90s"}))],
        r#"
          > cronjob c:
        wait due
          > after 90s
          > run 11:08:32 Running
          > SuccessfulCreate: Created job c-29923868
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923868 last=11:08:32
          > job c-29923868: active=1 start=+90s
        wait due
          > after 90s
          > run 11:10:02 Running
          > SuccessfulCreate: Created job c-29923870
          > SuccessfulCreate: Created pod: #2
          > cronjob c: active=c-29923868,c-29923870 last=11:10:02
          > job c-29923870: active=1 start=+180s
        wait 300s
          > run 11:11:32 Skipped: missed: a later slot was due as well
          > and 1 more
          > Warning MissSchedule: Missed scheduled time to start a job: Mon, 23 Nov 2026
          >   11:13:02 +0000 (and 1 before it)
          > run 11:14:32 Running
          > SuccessfulCreate: Created job c-29923874
          > SuccessfulCreate: Created pod: #3
          > cronjob c: active=c-29923868,c-29923870,c-29923874 last=11:14:32
          > job c-29923874: active=1 start=+480s
        wait due
          > after 60s
          > run 11:16:02 Running
          > SuccessfulCreate: Created job c-29923876
          > SuccessfulCreate: Created pod: #4
          > cronjob c: active=c-29923868,c-29923870,c-29923874,c-29923876 last=11:16:02
          > job c-29923876: active=1 start=+540s
    "#,
    );
}

#[test]
fn a_boot_is_a_slot() {
    check(
        &[annotated(cron_job(json!({})), "schedule", "@reboot")],
        r#"
          > cronjob c:
        wait 1h
        boot
          > run 12:07:02 Running
          > SuccessfulCreate: Created job c-29923927
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923927 last=12:07:02
          > job c-29923927: active=1 start=+3600s
        exit #1 0
          > run 12:07:02 Succeeded exit 0 tries 1
          > Completed: Job completed
          > SawCompletedJob: Saw completed job: c-29923927, condition: Complete
          > cronjob c: last=12:07:02 success=12:07:02
          > job c-29923927: succeeded=1 start=+3600s end=+3600s
          >   SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached
        wait 1h
        boot
          > run 13:07:02 Running
          > SuccessfulCreate: Created job c-29923987
          > SuccessfulCreate: Created pod: #2
          > cronjob c: active=c-29923987 last=13:07:02 success=12:07:02
          > job c-29923987: active=1 start=+7200s
        loaded
        wait 1h
    "#,
    );
}

/// The daemon may start long after the host, and its first start may be the one that reads the
/// manifest. What comes later waits for the next boot.
#[test]
fn a_boot_is_for_what_its_first_start_finds() {
    let suspended = cron_job(json!({"suspend": true}));
    check(
        &[annotated(suspended, "schedule", "@reboot")],
        r#"
          > cronjob c:
        wait 1h
        boot
        loaded
        wait 1h
        set cronjob/c {"suspend":false}
        wait 1h
        boot
          > run 14:07:02 Running
          > SuccessfulCreate: Created job c-29924047
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29924047 last=14:07:02
          > job c-29924047: active=1 start=+10800s
    "#,
    );
}

#[test]
fn a_job_that_was_deleted_is_missed() {
    check(
        &[cron_job(json!({"concurrencyPolicy": "Forbid"}))],
        r#"
          > cronjob c:
        wait due
          > after 58s
          > run 11:08:00 Running
          > SuccessfulCreate: Created job c-29923868
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923868 last=11:08:00
          > job c-29923868: active=1 start=+58s
        run #1
          > run 11:08:00 Running tries 1
          > job c-29923868: active=1 ready=1 start=+58s
        delete job c-29923868
          > MissingJob: Active job went missing: c-29923868
          > run 11:08:00 Replaced: deleted while it ran
          > cronjob c: last=11:08:00
        wait due
          > after 60s
          > run 11:09:00 Running
          > SuccessfulCreate: Created job c-29923869
          > SuccessfulCreate: Created pod: #2
          > cronjob c: active=c-29923869 last=11:09:00
          > job c-29923869: active=1 start=+118s
    "#,
    );
}

#[test]
fn a_name_that_is_taken_skips_the_slot() {
    let other = json!({
        "kind": "Job",
        "metadata": {"name": "c-29923868"},
        "spec": {"suspend": true, "template": {"spec": {"containers": []}}},
    });
    check(
        &[cron_job(json!({})), other],
        r#"
          > Suspended: Job suspended
          > cronjob c:
          > job c-29923868: Suspended:JobSuspended
        wait due
          > after 58s
          > Warning FailedCreate: Error creating job: jobs.batch "c-29923868" already
          >   exists
          > run 11:08:00 Skipped: another Job has the name of its Job
        wait due
          > after 60s
          > run 11:09:00 Running
          > SuccessfulCreate: Created job c-29923869
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923869 last=11:09:00
          > job c-29923869: active=1 start=+118s
    "#,
    );
}

/// The labels of a Job's template are looked at only when the Job is made. The slot runs when they
/// are mended before the next.
#[test]
fn a_job_that_is_refused_skips_the_slot() {
    let mut refused = cron_job(json!({}));
    refused["spec"]["jobTemplate"]["metadata"] = json!({"labels": {"a": "b c"}});
    check(
        &[refused],
        r#"
          > cronjob c:
        wait due
          > after 58s
          > Warning FailedCreate: Error creating job: Job.batch "c-29923868" is invalid:
          >   metadata.labels: Invalid value: "b c": a valid label must be an empty
          >   string or consist of alphanumeric characters, '-', '_' or '.', and must
          >   start and end with an alphanumeric character (e.g. 'MyValue',  or
          >   'my_value',  or '12345', regex used for validation is
          >   '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')
          > run 11:08:00 Skipped: its Job is refused
        trigger c
          > refused: its Job is refused: Job.batch "c-manual-1795432080" is invalid:
          >   metadata.labels: Invalid value: "b c": a valid label must be an empty
          >   string or consist of alphanumeric characters, '-', '_' or '.', and must
          >   start and end with an alphanumeric character (e.g. 'MyValue',  or
          >   'my_value',  or '12345', regex used for validation is
          >   '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')
        patch cronjob/c {"spec":{"jobTemplate":{"metadata":null}}}
          > run 11:08:00 Running
          > SuccessfulCreate: Created job c-29923868
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923868 last=11:08:00
          > job c-29923868: active=1 start=+58s
    "#,
    );
}

/// A Job's name becomes a label of its pods, which has 63 characters at most.
#[test]
fn a_run_by_hand_has_a_name_that_fits() {
    let name = "a-name-of-fifty-two-characters-which-is-the-longest-";
    let mut long = cron_job(json!({"suspend": true}));
    long["metadata"]["name"] = json!(&name[..52].replace("longest-", "longest0"));
    let mut world = World::new("2026-11-23T11:07:02Z".parse().expect("an instant"));
    world.add(long.clone());
    world.settle();
    world.obey(&format!("trigger {}", long["metadata"]["name"].as_str().expect("a name")));
    world.settle();
    let jobs: Vec<&str> =
        world.objects.keys().filter(|key| key.kind == Kind::Job).map(|key| &*key.name).collect();
    assert_eq!(jobs, ["a-name-of-fifty-two-characters-which-is--manual-1795432022"]);
    assert!(jobs[0].len() <= 63, "{jobs:?}");
    let pods = world.objects.keys().filter(|key| key.kind == Kind::Pod).count();
    assert_eq!(pods, 1);
}

/// As recorded in `cron-history.jsonl`: the CronJob does not take part in it, but counts its
/// success.
#[test]
fn a_job_made_with_kubectl_is_unexpected() {
    check(
        &[cron_job(json!({"concurrencyPolicy": "Forbid"}))],
        r#"
          > cronjob c:
        create job manual --from c
          > SuccessfulCreate: Created pod: #1
          > Warning UnexpectedJob: Saw a job that the controller did not create or
          >   forgot: manual
          > job manual: active=1 start=+0s
        wait due
          > after 58s
          > run 11:08:00 Running
          > SuccessfulCreate: Created job c-29923868
          > SuccessfulCreate: Created pod: #2
          > cronjob c: active=c-29923868 last=11:08:00
          > job c-29923868: active=1 start=+58s
        exit #1 0
          > run 11:07:02 by hand Succeeded exit 0 tries 1
          > Completed: Job completed
          > cronjob c: active=c-29923868 last=11:08:00 success=11:08:00
          > job manual: succeeded=1 start=+0s end=+58s
          >   SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached
        exit #2 0
          > run 11:08:00 Succeeded exit 0 tries 1
          > Completed: Job completed
          > SawCompletedJob: Saw completed job: c-29923868, condition: Complete
          > cronjob c: last=11:08:00 success=11:08:00
          > job c-29923868: succeeded=1 start=+58s end=+58s
          >   SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached
    "#,
    );
}

#[test]
fn a_triggered_run_takes_its_turn() {
    check(
        &[cron_job(json!({"concurrencyPolicy": "Forbid"}))],
        r#"
          > cronjob c:
        trigger c
          > run 11:07:02 by hand Running
          > SuccessfulCreate: Created job c-manual-1795432022
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-manual-1795432022
          > job c-manual-1795432022: active=1 start=+0s
        trigger c
          > refused: prior execution c-manual-1795432022 is running and concurrency
          >   policy is Forbid
        wait due
          > after 58s
          > JobAlreadyActive: Not starting job because prior execution is running and
          >   concurrency policy is Forbid
          > run 11:08:00 Skipped: prior execution was running and concurrencyPolicy is
          >   Forbid
        trigger c
          > refused: prior execution c-manual-1795432022 is running and concurrency
          >   policy is Forbid
        exit #1 0
          > run 11:07:02 by hand Succeeded exit 0 tries 1
          > Completed: Job completed
          > SawCompletedJob: Saw completed job: c-manual-1795432022, condition: Complete
          > run 11:08:00 Running
          > SuccessfulCreate: Created job c-29923868
          > SuccessfulCreate: Created pod: #2
          > cronjob c: active=c-29923868 last=11:08:00 success=11:08:00
          > job c-29923868: active=1 start=+58s
          > job c-manual-1795432022: succeeded=1 start=+0s end=+58s
          >   SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached
        exit #2 0
          > run 11:08:00 Succeeded exit 0 tries 1
          > Completed: Job completed
          > SawCompletedJob: Saw completed job: c-29923868, condition: Complete
          > cronjob c: last=11:08:00 success=11:08:00
          > job c-29923868: succeeded=1 start=+58s end=+58s
          >   SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached
    "#,
    );
}

#[test]
fn a_triggered_run_may_be_forced() {
    check(
        &[cron_job(json!({"concurrencyPolicy": "Forbid"}))],
        r#"
          > cronjob c:
        wait due
          > after 58s
          > run 11:08:00 Running
          > SuccessfulCreate: Created job c-29923868
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923868 last=11:08:00
          > job c-29923868: active=1 start=+58s
        wait 1s
        trigger c --force
          > run 11:08:01 by hand Running
          > SuccessfulCreate: Created job c-manual-1795432081
          > SuccessfulCreate: Created pod: #2
          > job c-manual-1795432081: active=1 start=+59s
        exit #2 1
        wait due
          > after 2s
          > run 11:08:01 by hand Failed exit 1 tries 1: Job has reached the specified
          >   backoff limit
          > Warning BackoffLimitExceeded: Job has reached the specified backoff limit
          > job c-manual-1795432081: failed=1 start=+59s
          >   FailureTarget:BackoffLimitExceeded Failed:BackoffLimitExceeded
        exit #1 0
          > run 11:08:00 Succeeded exit 0 tries 1
          > Completed: Job completed
          > SawCompletedJob: Saw completed job: c-29923868, condition: Complete
          > cronjob c: last=11:08:00 success=11:08:03
          > job c-29923868: succeeded=1 start=+58s end=+61s
          >   SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached
    "#,
    );
}

#[test]
fn a_triggered_run_replaces() {
    check(
        &[cron_job(json!({"concurrencyPolicy": "Replace"}))],
        r#"
          > cronjob c:
        wait due
          > after 58s
          > run 11:08:00 Running
          > SuccessfulCreate: Created job c-29923868
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923868 last=11:08:00
          > job c-29923868: active=1 start=+58s
        trigger c
          > run 11:08:00 Replaced tries 1: replaced by a later run
          > SuccessfulDelete: Deleted job c-29923868
          > delete c-29923868
          > run 11:08:00 by hand Running
          > SuccessfulCreate: Created job c-manual-1795432080
          > SuccessfulCreate: Created pod: #2
          > cronjob c: active=c-manual-1795432080 last=11:08:00
          > job c-manual-1795432080: active=1 start=+58s
        wait due
          > after 60s
          > run 11:08:00 by hand Replaced tries 1: replaced by a later run
          > SuccessfulDelete: Deleted job c-manual-1795432080
          > delete c-manual-1795432080
          > run 11:09:00 Running
          > SuccessfulCreate: Created job c-29923869
          > SuccessfulCreate: Created pod: #3
          > cronjob c: active=c-29923869 last=11:09:00
          > job c-29923869: active=1 start=+118s
    "#,
    );
}

#[test]
fn what_cannot_be_scheduled_says_so() {
    check(
        &[cron_job(json!({"suspend": true}))],
        r#"
          > cronjob c:
        set cronjob/c {"schedule":"61 * * * *","suspend":false}
          > Warning UnparseableSchedule: unparseable schedule: "61 * * * *" : minute:
          >   "61": end of range (61) above maximum (59); accepted: 0-59, with * ? , - /
        set cronjob/c {"schedule":"* * * * *","timeZone":"Mars/Base"}
          > Warning UnknownTimeZone: invalid timeZone: "Mars/Base": unknown time zone
          >   Mars/Base
    "#,
    );
}

#[test]
fn no_run_starts_when_the_service_stops() {
    check(
        &[cron_job(json!({}))],
        r#"
          > cronjob c:
        stopping
        wait due
          > after 58s
    "#,
    );
}

#[test]
fn a_clock_that_is_set_back_repeats_no_slot() {
    check(
        &[cron_job(json!({}))],
        r#"
          > cronjob c:
        wait due
          > after 58s
          > run 11:08:00 Running
          > SuccessfulCreate: Created job c-29923868
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923868 last=11:08:00
          > job c-29923868: active=1 start=+58s
        wait -90s
        wait due
          > after 150s
          > run 11:09:00 Running
          > SuccessfulCreate: Created job c-29923869
          > SuccessfulCreate: Created pod: #2
          > cronjob c: active=c-29923868,c-29923869 last=11:09:00
          > job c-29923869: active=1 start=+118s
    "#,
    );
}

#[test]
fn a_clock_that_was_years_ahead_does_not_stop_the_schedule() {
    check(
        &[cron_job(json!({}))],
        r#"
          > cronjob c:
        wait 100000h
          > run 01:27:00 Skipped: missed: a later slot was due as well
          > and 99 more
          > Warning TooManyMissedTimes: too many missed start times. Set or decrease
          >   .spec.startingDeadlineSeconds or check clock skew
          > Warning MissSchedule: Missed scheduled time to start a job: Wed, 21 Apr 2038
          >   03:06:00 +0000 (and 99 before it)
          > run 03:07:00 Running
          > SuccessfulCreate: Created job c-35923867
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-35923867 last=03:07:00
          > job c-35923867: active=1 start=+360000000s
        wait -100000h
          > Warning ClockSetBack: The clock was set back by more than a day: the schedule
          >   starts anew
          > cronjob c: active=c-35923867
        wait due
          > after 58s
          > run 11:08:00 Running
          > SuccessfulCreate: Created job c-29923868
          > SuccessfulCreate: Created pod: #2
          > cronjob c: active=c-35923867,c-29923868 last=11:08:00
          > job c-29923868: active=1 start=+58s
        wait due
          > after 60s
          > run 11:09:00 Running
          > SuccessfulCreate: Created job c-29923869
          > SuccessfulCreate: Created pod: #3
          > cronjob c: active=c-35923867,c-29923868,c-29923869 last=11:09:00
          > job c-29923869: active=1 start=+118s
    "#,
    );
}
