//! CronJobs under clocks that were wrong, and after the daemon was down: no run that the true
//! schedule never had, and no invented skips.

use super::cron_jobs::{annotated, cron_job};
use super::world::check;
use serde_json::json;

#[test]
fn a_clock_that_was_years_behind_makes_no_run() {
    check(
        &[cron_job(json!({}))],
        r#"
          > cronjob c:
        wait 30s
        step 100000h
          > Warning ClockSetForward: The clock was set forward by more than a day: the
          >   schedule starts anew
    "#,
    );
}

#[test]
fn a_slot_before_the_true_creation_does_not_count() {
    check(
        &[cron_job(json!({"schedule": "*/10 * * * *"}))],
        r#"
          > cronjob c:
        wait 30s
        step 3h
        wait due
          > after 148s
          > run 14:10:00 Running
          > SuccessfulCreate: Created job c-29924050
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29924050 last=14:10:00
          > job c-29924050: active=1 start=+10978s
    "#,
    );
}

#[test]
fn a_step_of_hours_lets_the_latest_slot_run() {
    check(
        &[cron_job(json!({"schedule": "*/10 * * * *"}))],
        r#"
          > cronjob c:
        wait due
          > after 178s
          > run 11:10:00 Running
          > SuccessfulCreate: Created job c-29923870
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923870 last=11:10:00
          > job c-29923870: active=1 start=+178s
        step 3h
          > run 14:10:00 Running
          > SuccessfulCreate: Created job c-29924050
          > SuccessfulCreate: Created pod: #2
          > cronjob c: active=c-29923870,c-29924050 last=14:10:00
          > job c-29924050: active=1 start=+10978s
    "#,
    );
}

#[test]
fn a_clock_that_is_years_behind_for_a_while_makes_no_run_when_it_is_right_again() {
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
        step -100000h unseen
          > Warning ClockSetBack: The clock was set back by more than a day: the schedule
          >   starts anew
          > cronjob c: active=c-29923868
        wait due
          > after 60s
          > run 19:09:00 Running
          > SuccessfulCreate: Created job c-23923869
          > SuccessfulCreate: Created pod: #2
          > cronjob c: active=c-29923868,c-23923869 last=19:09:00
          > job c-23923869: active=1 start=+-359999882s
        step 100000h
          > run 11:09:00 Running
          > SuccessfulCreate: Created job c-29923869
          > SuccessfulCreate: Created pod: #3
          > cronjob c: active=c-29923868,c-23923869,c-29923869 last=11:09:00
          > job c-29923869: active=1 start=+118s
        wait due
          > after 60s
          > run 11:10:00 Running
          > SuccessfulCreate: Created job c-29923870
          > SuccessfulCreate: Created pod: #4
          > cronjob c: active=c-29923868,c-23923869,c-29923869,c-29923870 last=11:10:00
          > job c-29923870: active=1 start=+178s
    "#,
    );
}

#[test]
fn what_was_due_while_the_clock_was_wrong_is_made_up_for() {
    check(
        &[cron_job(json!({"schedule": "10 11 * * *"}))],
        r#"
          > cronjob c:
        step -100000h unseen
          > Warning ClockSetBack: The clock was set back by more than a day: the schedule
          >   starts anew
        wait 5m
        step 100000h
          > run 11:10:00 Running
          > SuccessfulCreate: Created job c-29923870
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923870 last=11:10:00
          > job c-29923870: active=1 start=+300s
    "#,
    );
}

#[test]
fn a_cron_job_that_was_made_in_the_future_runs_when_the_clock_is_right() {
    check(
        &[cron_job(json!({}))],
        r#"
          > cronjob c:
        wait 30s
        step -100000h
          > Warning ClockSetBack: The clock was set back by more than a day: the schedule
          >   starts anew
        wait due
          > after 28s
          > run 19:08:00 Running
          > SuccessfulCreate: Created job c-23923868
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-23923868 last=19:08:00
          > job c-23923868: active=1 start=+-359999942s
    "#,
    );
}

#[test]
fn a_cron_job_that_was_made_hours_ahead_runs_when_the_clock_is_right() {
    check(
        &[cron_job(json!({}))],
        r#"
          > cronjob c:
        wait 30s
        step -12h
        wait due
          > after 28s
          > run 23:08:00 Running
          > SuccessfulCreate: Created job c-29923148
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923148 last=23:08:00
          > job c-29923148: active=1 start=+-43142s
    "#,
    );
}

#[test]
fn what_was_missed_while_the_daemon_was_down_says_so() {
    let cron_job = cron_job(json!({"schedule": "*/10 * * * *"}));
    check(
        &[cron_job],
        r#"
          > cronjob c:
        down 25m
          > run 11:10:00 Skipped: missed: the daemon was down from 2026-11-23T11:07:02Z
          >   to 2026-11-23T11:32:02Z; a later slot was due as well
          > run 11:20:00 Skipped: missed: the daemon was down from 2026-11-23T11:07:02Z
          >   to 2026-11-23T11:32:02Z; a later slot was due as well
          > Warning MissSchedule: Missed scheduled time to start a job: Mon, 23 Nov 2026
          >   11:20:00 +0000 (and 1 before it)
          > run 11:30:00 Running
          > SuccessfulCreate: Created job c-29923890
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923890 last=11:30:00
          > job c-29923890: active=1 start=+1500s
        wait due
          > after 478s
          > run 11:40:00 Running
          > SuccessfulCreate: Created job c-29923900
          > SuccessfulCreate: Created pod: #2
          > cronjob c: active=c-29923890,c-29923900 last=11:40:00
          > job c-29923900: active=1 start=+1978s
        crash 25m
          > run 11:50:00 Skipped: missed: the daemon was down from 2026-11-23T11:40:00Z
          >   (when it last wrote) to 2026-11-23T12:05:00Z; a later slot was due as well
          > Warning MissSchedule: Missed scheduled time to start a job: Mon, 23 Nov 2026
          >   11:50:00 +0000
          > run 12:00:00 Running
          > SuccessfulCreate: Created job c-29923920
          > SuccessfulCreate: Created pod: #3
          > cronjob c: active=c-29923890,c-29923900,c-29923920 last=12:00:00
          > job c-29923920: active=1 start=+3478s
    "#,
    );
}

#[test]
fn a_start_that_is_made_up_for_keeps_its_jitter() {
    let cron_job = cron_job(json!({"schedule": "*/10 * * * *"}));
    check(
        &[annotated(cron_job, "jitter", "5m")],
        r#"
          > cronjob c:
        down 25m
        wait due
          > after 73s
        wait due
          > after 122s
          > run 11:10:00 Skipped: missed: the daemon was down from 2026-11-23T11:07:02Z
          >   to 2026-11-23T11:32:02Z; a later slot was due as well
          > run 11:20:00 Skipped: missed: the daemon was down from 2026-11-23T11:07:02Z
          >   to 2026-11-23T11:32:02Z; a later slot was due as well
          > Warning MissSchedule: Missed scheduled time to start a job: Mon, 23 Nov 2026
          >   11:20:00 +0000 (and 1 before it)
          > run 11:30:00 Running
          > SuccessfulCreate: Created job c-29923890
          > SuccessfulCreate: Created pod: #1
          > cronjob c: active=c-29923890 last=11:30:00
          > job c-29923890: active=1 start=+1695s
    "#,
    );
}
