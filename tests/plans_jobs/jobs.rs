//! Rules of the Job controller, each in a script that fails without it.

use crate::world::check;
use serde_json::{Value, json};

fn job(spec: Value) -> Value {
    job_of("Never", spec)
}

fn job_of(restart_policy: &str, spec: Value) -> Value {
    let mut job = json!({
        "kind": "Job",
        "metadata": {"name": "j"},
        "spec": {"template": {"spec": {
            "containers": [{"name": "main", "image": "i", "command": ["true"]}],
            "restartPolicy": restart_policy,
        }}},
    });
    let all = job["spec"].as_object_mut().expect("an object");
    all.extend(spec.as_object().expect("an object").clone());
    job
}

fn indexed(completions: u32, spec: Value) -> Value {
    let mut job = job(spec);
    job["spec"]["completionMode"] = json!("Indexed");
    job["spec"]["completions"] = json!(completions);
    job["spec"]["parallelism"] = json!(completions);
    job
}

/// As recorded in `job-complete.jsonl`.
#[test]
fn a_job_completes() {
    check(
        &[job(json!({}))],
        r#"
          > SuccessfulCreate: Created pod: #1
          > job j: active=1 start=+0s
        run #1
          > job j: active=1 ready=1 start=+0s
        wait 4s
        exit #1 0
          > Completed: Job completed
          > job j: succeeded=1 start=+0s end=+4s SuccessCriteriaMet:CompletionsReached
          >   Complete:CompletionsReached
    "#,
    );
}

/// A finalizer of a template is looked at only when the pod is made.
fn refused(spec: Value) -> Value {
    let mut job = job(spec);
    job["spec"]["template"]["metadata"] = json!({"finalizers": ["mine"]});
    job
}

/// Checks the waits of Kubernetes' queue: 1 s, doubling up to a minute (`MaxJobApiBackOff`).
#[test]
fn a_pod_that_is_refused_is_tried_again() {
    check(
        &[refused(json!({"activeDeadlineSeconds": 200}))],
        r#"
          > Warning FailedCreate: Error creating: Pod "j-" is invalid:
          >   metadata.finalizers[0]: Invalid value: "mine": name is neither a standard
          >   finalizer name nor is it fully qualified
          > job j: start=+0s
        wait due
          > after 1s
          > Warning FailedCreate: Error creating: Pod "j-" is invalid:
          >   metadata.finalizers[0]: Invalid value: "mine": name is neither a standard
          >   finalizer name nor is it fully qualified
        wait due
          > after 2s
          > Warning FailedCreate: Error creating: Pod "j-" is invalid:
          >   metadata.finalizers[0]: Invalid value: "mine": name is neither a standard
          >   finalizer name nor is it fully qualified
        set job/j {"parallelism":2}
        set job/j {"suspend":true}
          > Suspended: Job suspended
          > job j: Suspended:JobSuspended
        set job/j {"suspend":false}
          > Warning FailedCreate: Error creating: Pod "j-" is invalid:
          >   metadata.finalizers[0]: Invalid value: "mine": name is neither a standard
          >   finalizer name nor is it fully qualified
          > Resumed: Job resumed
          > job j: start=+3s !Suspended:JobResumed
        wait 200s
          > Warning DeadlineExceeded: Job was active longer than specified deadline
          > job j: start=+3s !Suspended:JobResumed FailureTarget:DeadlineExceeded
          >   Failed:DeadlineExceeded
    "#,
    );
}

#[test]
fn a_pod_that_is_no_longer_refused_is_made_at_once() {
    check(
        &[refused(json!({}))],
        r#"
          > Warning FailedCreate: Error creating: Pod "j-" is invalid:
          >   metadata.finalizers[0]: Invalid value: "mine": name is neither a standard
          >   finalizer name nor is it fully qualified
          > job j: start=+0s
        patch job/j {"spec":{"template":{"metadata":{"finalizers":null}}}}
          > SuccessfulCreate: Created pod: #1
          > job j: active=1 start=+0s
        wait 3600s
    "#,
    );
}

/// As recorded in `job-fail-never.jsonl`: 10 s, then 20 s, then the limit.
#[test]
fn failures_are_retried_up_to_the_backoff_limit() {
    check(
        &[job(json!({"backoffLimit": 2}))],
        r#"
          > SuccessfulCreate: Created pod: #1
          > job j: active=1 start=+0s
        wait 1s
        exit #1 3
        wait due
          > after 2s
          > job j: failed=1 start=+0s
        wait due
          > after 8s
          > SuccessfulCreate: Created pod: #2
          > job j: active=1 failed=1 start=+0s
        exit #2 3
        wait due
          > after 2s
          > job j: failed=2 start=+0s
        wait 17s
        wait due
          > after 1s
          > SuccessfulCreate: Created pod: #3
          > job j: active=1 failed=2 start=+0s
        exit #3 3
        wait due
          > after 2s
          > Warning BackoffLimitExceeded: Job has reached the specified backoff limit
          > job j: failed=3 start=+0s FailureTarget:BackoffLimitExceeded
          >   Failed:BackoffLimitExceeded
        wait 3600s
    "#,
    );
}

#[test]
fn the_backoff_doubles_up_to_ten_minutes() {
    check(
        &[job(json!({"backoffLimit": 20}))],
        r#"
           > SuccessfulCreate: Created pod: #1
           > job j: active=1 start=+0s
         exit #1 1
         wait due
           > after 2s
           > job j: failed=1 start=+0s
         wait due
           > after 8s
           > SuccessfulCreate: Created pod: #2
           > job j: active=1 failed=1 start=+0s
         exit #2 1
         wait due
           > after 2s
           > job j: failed=2 start=+0s
         wait due
           > after 18s
           > SuccessfulCreate: Created pod: #3
           > job j: active=1 failed=2 start=+0s
         exit #3 1
         wait due
           > after 2s
           > job j: failed=3 start=+0s
         wait due
           > after 38s
           > SuccessfulCreate: Created pod: #4
           > job j: active=1 failed=3 start=+0s
         exit #4 1
         wait due
           > after 2s
           > job j: failed=4 start=+0s
         wait due
           > after 78s
           > SuccessfulCreate: Created pod: #5
           > job j: active=1 failed=4 start=+0s
         exit #5 1
         wait due
           > after 2s
           > job j: failed=5 start=+0s
         wait due
           > after 158s
           > SuccessfulCreate: Created pod: #6
           > job j: active=1 failed=5 start=+0s
         exit #6 1
         wait due
           > after 2s
           > job j: failed=6 start=+0s
         wait due
           > after 318s
           > SuccessfulCreate: Created pod: #7
           > job j: active=1 failed=6 start=+0s
         exit #7 1
         wait due
           > after 2s
           > job j: failed=7 start=+0s
         wait due
           > after 598s
           > SuccessfulCreate: Created pod: #8
           > job j: active=1 failed=7 start=+0s
        "#,
    );
}

/// Kubernetes' controller gathers what happens to pods before it looks.
#[test]
fn failures_that_come_together_are_seen_together() {
    check(
        &[job(json!({"parallelism": 2, "completions": 2}))],
        r#"
          > SuccessfulCreate: Created pod: #1
          > SuccessfulCreate: Created pod: #2
          > job j: active=2 start=+0s
        exit #1 1
        wait 1s
        exit #2 1
        wait due
          > after 1s
          > job j: failed=2 start=+0s
    "#,
    );
}

#[test]
fn a_success_ends_the_backoff() {
    check(
        &[job(json!({"completions": 3, "parallelism": 1}))],
        r#"
           > SuccessfulCreate: Created pod: #1
           > job j: active=1 start=+0s
         exit #1 1
         wait due
           > after 2s
           > job j: failed=1 start=+0s
         wait due
           > after 8s
           > SuccessfulCreate: Created pod: #2
           > job j: active=1 failed=1 start=+0s
         exit #2 1
         wait due
           > after 2s
           > job j: failed=2 start=+0s
         wait due
           > after 18s
           > SuccessfulCreate: Created pod: #3
           > job j: active=1 failed=2 start=+0s
         wait 1s
         exit #3 0
           > SuccessfulCreate: Created pod: #4
           > job j: active=1 succeeded=1 failed=2 start=+0s
         wait 1s
         exit #4 1
         wait due
           > after 2s
           > job j: succeeded=1 failed=3 start=+0s
         wait due
           > after 8s
           > SuccessfulCreate: Created pod: #5
           > job j: active=1 succeeded=1 failed=3 start=+0s
        "#,
    );
}

#[test]
fn no_more_pods_than_completions_are_left() {
    check(
        &[job(json!({"completions": 3, "parallelism": 2}))],
        r#"
          > SuccessfulCreate: Created pod: #1
          > SuccessfulCreate: Created pod: #2
          > job j: active=2 start=+0s
        run #1
          > job j: active=2 ready=1 start=+0s
        run #2
          > job j: active=2 ready=2 start=+0s
        exit #1 0
          > SuccessfulCreate: Created pod: #3
          > job j: active=2 ready=1 succeeded=1 start=+0s
        exit #3 0
          > job j: active=1 ready=1 succeeded=2 start=+0s
        exit #2 0
          > Completed: Job completed
          > job j: succeeded=3 start=+0s end=+0s SuccessCriteriaMet:CompletionsReached
          >   Complete:CompletionsReached
    "#,
    );
}

#[test]
fn a_job_of_no_completions_is_complete() {
    check(
        &[job(json!({"completions": 0}))],
        r#"
          > Completed: Job completed
          > job j: start=+0s end=+0s SuccessCriteriaMet:CompletionsReached
          >   Complete:CompletionsReached
    "#,
    );
}

#[test]
fn a_work_queue_ends_when_one_succeeds_and_the_others_have_ended() {
    check(
        &[job(json!({"parallelism": 3}))],
        r#"
          > SuccessfulCreate: Created pod: #1
          > SuccessfulCreate: Created pod: #2
          > SuccessfulCreate: Created pod: #3
          > job j: active=3 start=+0s
        exit #1 1
        wait due
          > after 2s
          > job j: failed=1 start=+0s
        wait due
          > after 8s
          > SuccessfulCreate: Created pod: #4
          > job j: active=3 failed=1 start=+0s
        exit #2 0
          > job j: active=2 succeeded=1 failed=1 start=+0s
        exit #3 1
        wait due
          > after 2s
          > job j: active=1 succeeded=1 failed=2 start=+0s
        exit #4 0
          > Completed: Job completed
          > job j: succeeded=2 failed=2 start=+0s end=+12s
          >   SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached
    "#,
    );
}

/// As recorded in `job-indexed.jsonl`.
#[test]
fn indexes_complete() {
    check(
        &[indexed(3, json!({}))],
        r#"
          > SuccessfulCreate: Created pod: #1
          > SuccessfulCreate: Created pod: #2
          > SuccessfulCreate: Created pod: #3
          > job j: active=3 start=+0s
        run #1
          > job j: active=3 ready=1 start=+0s
        exit #3 0
          > job j: active=2 ready=1 succeeded=1 completedIndexes=2 start=+0s
        exit #1 0
          > job j: active=1 succeeded=2 completedIndexes=0,2 start=+0s
        exit #2 0
          > Completed: Job completed
          > job j: succeeded=3 completedIndexes=0-2 start=+0s end=+0s
          >   SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached
    "#,
    );
}

#[test]
fn a_failed_index_is_tried_again() {
    check(
        &[indexed(2, json!({}))],
        r#"
          > SuccessfulCreate: Created pod: #1
          > SuccessfulCreate: Created pod: #2
          > job j: active=2 start=+0s
        exit #2 0
          > job j: active=1 succeeded=1 completedIndexes=1 start=+0s
        wait 1s
        exit #1 1
        wait due
          > after 2s
          > job j: succeeded=1 failed=1 completedIndexes=1 start=+0s
        wait due
          > after 8s
          > SuccessfulCreate: Created pod: #3
          > job j: active=1 succeeded=1 failed=1 completedIndexes=1 start=+0s
        exit #3 0
          > Completed: Job completed
          > job j: succeeded=2 failed=1 completedIndexes=0,1 start=+0s end=+11s
          >   SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached
    "#,
    );
}

#[test]
fn an_index_has_its_own_limit_and_backoff() {
    check(
        &[indexed(2, json!({"backoffLimitPerIndex": 1, "backoffLimit": 2147483647}))],
        r#"
          > SuccessfulCreate: Created pod: #1
          > SuccessfulCreate: Created pod: #2
          > job j: active=2 failedIndexes= start=+0s
        exit #1 1
        wait due
          > after 2s
          > job j: failedIndexes= start=+0s
        wait 5s
        exit #2 1
        wait due
          > after 2s
        wait due
          > after 1s
          > SuccessfulCreate: Created pod: #3
          > job j: failed=1 failedIndexes= start=+0s
        wait due
          > after 7s
          > SuccessfulCreate: Created pod: #4
          > job j: active=2 failed=2 failedIndexes= start=+0s
        exit #3 1
        wait due
          > after 2s
          > job j: active=1 failed=3 failedIndexes=0 start=+0s
        exit #4 0
          > Warning FailedIndexes: Job has failed indexes
          > job j: succeeded=1 failed=3 completedIndexes=1 failedIndexes=0 start=+0s
          >   FailureTarget:FailedIndexes Failed:FailedIndexes
    "#,
    );
}

#[test]
fn too_many_failed_indexes_fail_the_job() {
    let spec = json!({
        "backoffLimitPerIndex": 0, "maxFailedIndexes": 1, "backoffLimit": 2147483647,
    });
    check(
        &[indexed(4, spec)],
        r#"
          > SuccessfulCreate: Created pod: #1
          > SuccessfulCreate: Created pod: #2
          > SuccessfulCreate: Created pod: #3
          > SuccessfulCreate: Created pod: #4
          > job j: active=4 failedIndexes= start=+0s
        exit #1 1
        wait due
          > after 2s
          > job j: active=3 failed=1 failedIndexes=0 start=+0s
        exit #3 1
        wait due
          > after 2s
          > SuccessfulDelete: Deleted pod: #2
          > delete #2
          > SuccessfulDelete: Deleted pod: #4
          > delete #4
          > job j: terminating=2 failed=4 failedIndexes=0,2 start=+0s
          >   FailureTarget:MaxFailedIndexesExceeded
        stopped #2
          > job j: terminating=1 failed=4 failedIndexes=0,2 start=+0s
          >   FailureTarget:MaxFailedIndexesExceeded
        stopped #4
          > Warning MaxFailedIndexesExceeded: Job has exceeded the specified maximal
          >   number of failed indexes
          > job j: failed=4 failedIndexes=0,2 start=+0s
          >   FailureTarget:MaxFailedIndexesExceeded Failed:MaxFailedIndexesExceeded
    "#,
    );
}

#[test]
fn restarts_in_a_pod_count_towards_the_limit() {
    check(
        &[job_of("OnFailure", json!({"backoffLimit": 2}))],
        r#"
          > SuccessfulCreate: Created pod: #1
          > job j: active=1 start=+0s
        run #1
          > job j: active=1 ready=1 start=+0s
        restarts #1 1
        restarts #1 2
          > SuccessfulDelete: Deleted pod: #1
          > delete #1
          > job j: terminating=1 failed=1 start=+0s FailureTarget:BackoffLimitExceeded
        stopped #1
          > Warning BackoffLimitExceeded: Job has reached the specified backoff limit
          > job j: failed=1 start=+0s FailureTarget:BackoffLimitExceeded
          >   Failed:BackoffLimitExceeded
    "#,
    );
}

#[test]
fn a_limit_of_nothing_allows_no_restart() {
    check(
        &[job_of("OnFailure", json!({"backoffLimit": 0}))],
        r#"
          > SuccessfulCreate: Created pod: #1
          > job j: active=1 start=+0s
        run #1
          > job j: active=1 ready=1 start=+0s
        restarts #1 1
          > SuccessfulDelete: Deleted pod: #1
          > delete #1
          > job j: terminating=1 failed=1 start=+0s FailureTarget:BackoffLimitExceeded
        exit #1 1
          > Warning BackoffLimitExceeded: Job has reached the specified backoff limit
          > job j: failed=1 start=+0s FailureTarget:BackoffLimitExceeded
          >   Failed:BackoffLimitExceeded
    "#,
    );
}

#[test]
fn restarts_of_a_pod_that_is_never_restarted_do_not_count() {
    check(
        &[job(json!({"backoffLimit": 0}))],
        r#"
           > SuccessfulCreate: Created pod: #1
           > job j: active=1 start=+0s
         run #1
           > job j: active=1 ready=1 start=+0s
         restarts #1 5
        "#,
    );
}

#[test]
fn the_deadline_ends_the_job() {
    check(
        &[job(json!({"activeDeadlineSeconds": 30}))],
        r#"
          > SuccessfulCreate: Created pod: #1
          > job j: active=1 start=+0s
        run #1
          > job j: active=1 ready=1 start=+0s
        wait due
          > after 30s
          > SuccessfulDelete: Deleted pod: #1
          > delete #1
          > job j: terminating=1 failed=1 start=+0s FailureTarget:DeadlineExceeded
        wait 2s
        exit #1 143
          > Warning DeadlineExceeded: Job was active longer than specified deadline
          > job j: failed=1 start=+0s FailureTarget:DeadlineExceeded
          >   Failed:DeadlineExceeded
    "#,
    );
}

#[test]
fn a_finished_job_goes_when_its_time_is_over() {
    check(
        &[job(json!({"ttlSecondsAfterFinished": 60}))],
        r#"
          > SuccessfulCreate: Created pod: #1
          > job j: active=1 start=+0s
        exit #1 0
          > Completed: Job completed
          > job j: succeeded=1 start=+0s end=+0s SuccessCriteriaMet:CompletionsReached
          >   Complete:CompletionsReached
        wait 59s
        wait due
          > after 1s
          > delete j after its pods
    "#,
    );
}

#[test]
fn a_time_of_nothing_lets_the_job_go_at_once() {
    check(
        &[job(json!({"ttlSecondsAfterFinished": 0, "backoffLimit": 0}))],
        r#"
           > SuccessfulCreate: Created pod: #1
           > job j: active=1 start=+0s
         exit #1 1
         wait due
           > after 2s
           > Warning BackoffLimitExceeded: Job has reached the specified backoff limit
           > delete j after its pods
        "#,
    );
}

/// As recorded in `job-suspend-resume.jsonl`.
#[test]
fn a_suspended_job_starts_when_it_is_resumed() {
    check(
        &[job(json!({"suspend": true}))],
        r#"
          > Suspended: Job suspended
          > job j: Suspended:JobSuspended
        wait 4s
        set job/j {"suspend":false}
          > SuccessfulCreate: Created pod: #1
          > Resumed: Job resumed
          > job j: active=1 start=+4s !Suspended:JobResumed
        exit #1 0
          > Completed: Job completed
          > job j: succeeded=1 start=+4s end=+4s !Suspended:JobResumed
          >   SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached
    "#,
    );
}

#[test]
fn suspending_stops_the_pods_and_resuming_starts_the_clock_anew() {
    check(
        &[job(json!({"activeDeadlineSeconds": 30}))],
        r#"
          > SuccessfulCreate: Created pod: #1
          > job j: active=1 start=+0s
        run #1
          > job j: active=1 ready=1 start=+0s
        wait 20s
        set job/j {"suspend":true}
          > SuccessfulDelete: Deleted pod: #1
          > delete #1
          > Suspended: Job suspended
          > job j: terminating=1 Suspended:JobSuspended
        stopped #1
          > job j: Suspended:JobSuspended
        wait 100s
        set job/j {"suspend":false}
          > SuccessfulCreate: Created pod: #2
          > Resumed: Job resumed
          > job j: active=1 start=+120s !Suspended:JobResumed
        wait due
          > after 30s
          > SuccessfulDelete: Deleted pod: #2
          > delete #2
          > job j: terminating=1 failed=1 start=+120s !Suspended:JobResumed
          >   FailureTarget:DeadlineExceeded
    "#,
    );
}

fn failure_policy(rules: Value) -> Value {
    json!({"podFailurePolicy": {"rules": rules}, "podReplacementPolicy": "Failed"})
}

#[test]
fn an_exit_code_can_fail_the_job() {
    let rules = json!([
        {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [7]}},
        {"action": "FailJob", "onExitCodes":
            {"containerName": "main", "operator": "NotIn", "values": [1, 2]}},
    ]);
    let mut spec = failure_policy(rules);
    spec["parallelism"] = json!(2);
    spec["completions"] = json!(2);
    check(
        &[job(spec)],
        r#"
          > SuccessfulCreate: Created pod: #1
          > SuccessfulCreate: Created pod: #2
          > job j: active=2 start=+0s
        run #1
          > job j: active=2 ready=1 start=+0s
        exit #2 7
        wait due
          > after 2s
          > job j: ready=1 start=+0s
        wait due
          > after 8s
          > SuccessfulCreate: Created pod: #3
          > job j: active=2 ready=1 start=+0s
        exit #3 2
        wait due
          > after 2s
          > job j: ready=1 failed=1 start=+0s
        wait due
          > after 18s
          > SuccessfulCreate: Created pod: #4
          > job j: active=2 ready=1 failed=1 start=+0s
        exit #4 42
        wait due
          > after 2s
          > SuccessfulDelete: Deleted pod: #1
          > delete #1
          > job j: terminating=1 failed=3 start=+0s FailureTarget:PodFailurePolicy
        exit #1 143
          > Warning PodFailurePolicy: Container main for pod default/#4 failed with exit
          >   code 42 matching FailJob rule at index 1
          > job j: failed=3 start=+0s FailureTarget:PodFailurePolicy
          >   Failed:PodFailurePolicy
    "#,
    );
}

#[test]
fn a_rule_for_another_container_matches_nothing() {
    let rules = json!([{"action": "FailJob", "onExitCodes":
        {"containerName": "other", "operator": "In", "values": [3]}}]);
    check(
        &[job(failure_policy(rules))],
        r#"
           > SuccessfulCreate: Created pod: #1
           > job j: active=1 start=+0s
         exit #1 3
         wait due
           > after 2s
           > job j: failed=1 start=+0s
        "#,
    );
}

#[test]
fn a_disruption_can_be_ignored() {
    let rules = json!([
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "Count", "onExitCodes": {"operator": "In", "values": [1]}},
        {"action": "FailJob", "onExitCodes": {"operator": "NotIn", "values": [2]}},
    ]);
    let mut spec = failure_policy(rules);
    spec["backoffLimit"] = json!(1);
    check(
        &[job(spec)],
        r#"
          > SuccessfulCreate: Created pod: #1
          > job j: active=1 start=+0s
        condition #1 DisruptionTarget
        wait due
          > after 2s
          > job j: start=+0s
        wait due
          > after 8s
          > SuccessfulCreate: Created pod: #2
          > job j: active=1 start=+0s
        condition #2 DisruptionTarget
        wait due
          > after 2s
          > job j: start=+0s
        wait due
          > after 18s
          > SuccessfulCreate: Created pod: #3
          > job j: active=1 start=+0s
        exit #3 1
        wait due
          > after 2s
          > job j: failed=1 start=+0s
        wait due
          > after 38s
          > SuccessfulCreate: Created pod: #4
          > job j: active=1 failed=1 start=+0s
        exit #4 1
        wait due
          > after 2s
          > Warning BackoffLimitExceeded: Job has reached the specified backoff limit
          > job j: failed=2 start=+0s FailureTarget:BackoffLimitExceeded
          >   Failed:BackoffLimitExceeded
    "#,
    );
}

#[test]
fn a_condition_can_fail_the_job() {
    let rules = json!([{"action": "FailJob",
        "onPodConditions": [{"type": "ConfigIssue", "status": "True"}]}]);
    check(
        &[job(failure_policy(rules))],
        r#"
          > SuccessfulCreate: Created pod: #1
          > job j: active=1 start=+0s
        condition #1 ConfigIssue
        wait due
          > after 2s
          > Warning PodFailurePolicy: Pod default/#1 has condition ConfigIssue matching
          >   FailJob rule at index 0
          > job j: failed=1 start=+0s FailureTarget:PodFailurePolicy
          >   Failed:PodFailurePolicy
    "#,
    );
}

#[test]
fn a_rule_can_fail_an_index_at_once() {
    let rules = json!([{"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [9]}}]);
    let mut spec = failure_policy(rules);
    spec["backoffLimitPerIndex"] = json!(5);
    spec["backoffLimit"] = json!(2147483647);
    check(
        &[indexed(2, spec)],
        r#"
          > SuccessfulCreate: Created pod: #1
          > SuccessfulCreate: Created pod: #2
          > job j: active=2 failedIndexes= start=+0s
        exit #1 9
        wait due
          > after 2s
          > job j: active=1 failed=1 failedIndexes=0 start=+0s
        exit #2 1
        wait due
          > after 2s
          > job j: failed=1 failedIndexes=0 start=+0s
        wait due
          > after 8s
          > SuccessfulCreate: Created pod: #3
          > job j: active=1 failed=2 failedIndexes=0 start=+0s
        exit #3 0
          > Warning FailedIndexes: Job has failed indexes
          > job j: succeeded=1 failed=2 completedIndexes=1 failedIndexes=0 start=+0s
          >   FailureTarget:FailedIndexes Failed:FailedIndexes
    "#,
    );
}

#[test]
fn a_success_policy_needs_some_indexes() {
    let spec = json!({"successPolicy": {"rules": [
        {"succeededIndexes": "0"},
        {"succeededIndexes": "1-3", "succeededCount": 2},
    ]}});
    check(
        &[indexed(4, spec)],
        r#"
          > SuccessfulCreate: Created pod: #1
          > SuccessfulCreate: Created pod: #2
          > SuccessfulCreate: Created pod: #3
          > SuccessfulCreate: Created pod: #4
          > job j: active=4 start=+0s
        run #1
          > job j: active=4 ready=1 start=+0s
        exit #2 0
          > job j: active=3 ready=1 succeeded=1 completedIndexes=1 start=+0s
        exit #4 0
          > SuccessfulDelete: Deleted pod: #1
          > delete #1
          > SuccessfulDelete: Deleted pod: #3
          > delete #3
          > job j: terminating=2 succeeded=2 completedIndexes=1,3 start=+0s
          >   SuccessCriteriaMet:SuccessPolicy
        stopped #1
          > job j: terminating=1 succeeded=2 completedIndexes=1,3 start=+0s
          >   SuccessCriteriaMet:SuccessPolicy
        stopped #3
          > Completed: Job completed
          > job j: succeeded=2 completedIndexes=1,3 start=+0s end=+0s
          >   SuccessCriteriaMet:SuccessPolicy Complete:SuccessPolicy
    "#,
    );
}

#[test]
fn a_success_policy_may_need_a_number_of_indexes() {
    let spec = json!({"successPolicy": {"rules": [{"succeededCount": 1}]}});
    check(
        &[indexed(2, spec)],
        r#"
          > SuccessfulCreate: Created pod: #1
          > SuccessfulCreate: Created pod: #2
          > job j: active=2 start=+0s
        exit #2 0
          > SuccessfulDelete: Deleted pod: #1
          > delete #1
          > job j: terminating=1 succeeded=1 completedIndexes=1 start=+0s
          >   SuccessCriteriaMet:SuccessPolicy
        exit #1 143
          > Completed: Job completed
          > job j: succeeded=1 completedIndexes=1 start=+0s end=+0s
          >   SuccessCriteriaMet:SuccessPolicy Complete:SuccessPolicy
    "#,
    );
}

#[test]
fn a_pod_that_is_deleted_has_failed_and_is_replaced() {
    check(
        &[job(json!({}))],
        r#"
          > SuccessfulCreate: Created pod: #1
          > job j: active=1 start=+0s
        run #1
          > job j: active=1 ready=1 start=+0s
        delete pod #1
        wait due
          > after 2s
          > job j: terminating=1 failed=1 start=+0s
        stopped #1
          > job j: failed=1 start=+0s
        wait due
          > after 8s
          > SuccessfulCreate: Created pod: #2
          > job j: active=1 failed=1 start=+0s
        exit #2 0
          > Completed: Job completed
          > job j: succeeded=1 failed=1 start=+0s end=+10s
          >   SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached
    "#,
    );
}

#[test]
fn a_pod_is_replaced_only_when_it_has_failed() {
    check(
        &[job(json!({"podReplacementPolicy": "Failed"}))],
        r#"
          > SuccessfulCreate: Created pod: #1
          > job j: active=1 start=+0s
        run #1
          > job j: active=1 ready=1 start=+0s
        delete pod #1
        wait 3s
          > job j: terminating=1 start=+0s
        exit #1 143
        wait due
          > after 2s
          > job j: failed=1 start=+0s
        wait due
          > after 8s
          > SuccessfulCreate: Created pod: #2
          > job j: active=1 failed=1 start=+0s
        stopped #1
        exit #2 0
          > Completed: Job completed
          > job j: succeeded=1 failed=1 start=+0s end=+13s
          >   SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached
    "#,
    );
}

#[test]
fn less_parallelism_stops_the_least_useful_pods() {
    check(
        &[job(json!({"parallelism": 4, "completions": 8}))],
        r#"
           > SuccessfulCreate: Created pod: #1
           > SuccessfulCreate: Created pod: #2
           > SuccessfulCreate: Created pod: #3
           > SuccessfulCreate: Created pod: #4
           > job j: active=4 start=+0s
         run #1
           > job j: active=4 ready=1 start=+0s
         wait 1s
         run #2
           > job j: active=4 ready=2 start=+0s
         restarts #3 2
           > job j: active=4 ready=3 start=+0s
         set job/j {"parallelism":1}
           > SuccessfulDelete: Deleted pod: #4
           > delete #4
           > SuccessfulDelete: Deleted pod: #3
           > delete #3
           > SuccessfulDelete: Deleted pod: #2
           > delete #2
           > job j: active=1 ready=1 terminating=3 start=+0s
         stopped #4
           > job j: active=1 ready=1 terminating=2 start=+0s
         stopped #3
           > job j: active=1 ready=1 terminating=1 start=+0s
         stopped #2
           > job j: active=1 ready=1 start=+0s
        "#,
    );
}

#[test]
fn an_indexed_job_can_shrink() {
    check(
        &[indexed(3, json!({}))],
        r#"
          > SuccessfulCreate: Created pod: #1
          > SuccessfulCreate: Created pod: #2
          > SuccessfulCreate: Created pod: #3
          > job j: active=3 start=+0s
        run #1
          > job j: active=3 ready=1 start=+0s
        exit #2 0
          > job j: active=2 ready=1 succeeded=1 completedIndexes=1 start=+0s
        set job/j {"completions":1,"parallelism":1}
          > SuccessfulDelete: Deleted pod: #3
          > delete #3
          > job j: active=1 ready=1 terminating=1 start=+0s
        stopped #3
          > job j: active=1 ready=1 start=+0s
        exit #1 0
          > Completed: Job completed
          > job j: succeeded=1 completedIndexes=0 start=+0s end=+0s
          >   SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached
    "#,
    );
}

#[test]
fn another_controller_is_left_alone() {
    check(
        &[job(json!({"managedBy": "example.com/queue"}))],
        r#"
        > job j:
        wait 10s
    "#,
    );
}

#[test]
fn nothing_starts_when_the_service_stops() {
    check(
        &[job(json!({"completions": 2, "parallelism": 1}))],
        r#"
           > SuccessfulCreate: Created pod: #1
           > job j: active=1 start=+0s
         stopping
         exit #1 0
           > job j: succeeded=1 start=+0s
        "#,
    );
}

/// `ControllerRefManager`: an orphan that matches is taken in, with the finalizer, before another
/// pod is made for it.
#[test]
fn a_pod_without_an_owner_is_taken_in() {
    check(
        &[job(json!({}))],
        r#"
          > SuccessfulCreate: Created pod: #1
          > job j: active=1 start=+0s
        patch pod/#1 {"metadata":{"ownerReferences":null,"finalizers":null}}
        owner #1
          > #1 of [j] batch.kubernetes.io/job-tracking
        wait 1s
        exit #1 0
          > Completed: Job completed
          > job j: succeeded=1 start=+0s end=+1s SuccessCriteriaMet:CompletionsReached
          >   Complete:CompletionsReached
        patch pod/#1 {"metadata":{"ownerReferences":null}}
        owner #1
          > #1 of []
    "#,
    );
}

#[test]
fn a_pod_that_no_longer_matches_is_let_go() {
    check(
        &[job(json!({}))],
        r#"
          > SuccessfulCreate: Created pod: #1
          > job j: active=1 start=+0s
        patch pod/#1 {"metadata":{"labels":{"batch.kubernetes.io/controller-uid":null}}}
          > SuccessfulCreate: Created pod: #2
        owner #1
          > #1 of []
        patch pod/#1 {"metadata":{"labels":{"batch.kubernetes.io/controller-uid":"other"}}}
        owner #2
          > #2 of [j] batch.kubernetes.io/job-tracking
    "#,
    );
}

/// A Job that is being deleted takes nothing in and lets nothing go; a pod that is being deleted,
/// or is another's, is not taken in.
#[test]
fn what_is_being_deleted_stays_as_it_is() {
    let other = json!({"metadata": {"ownerReferences": [{"apiVersion": "batch/v1",
        "kind": "Job", "name": "j", "uid": "another", "controller": true}]}});
    let going = json!({"metadata": {"ownerReferences": null,
        "deletionTimestamp": "2026-11-23T11:07:32Z"}});
    check(
        &[job(json!({}))],
        &r#"
          > SuccessfulCreate: Created pod: #1
          > job j: active=1 start=+0s
        patch pod/#1 OTHER
          > SuccessfulCreate: Created pod: #2
        patch pod/#2 GOING
          > SuccessfulCreate: Created pod: #3
        owner #2
          > #2 of [] batch.kubernetes.io/job-tracking
        patch job/j {"metadata":{"deletionTimestamp":"2026-11-23T11:07:02Z"}}
        patch pod/#3 {"metadata":{"labels":{"batch.kubernetes.io/controller-uid":null}}}
          > job j: start=+0s
        owner #3
          > #3 of [j]
        patch pod/#3 {"metadata":{"ownerReferences":null}}
        owner #3
          > #3 of []
    "#
        .replace("OTHER", &other.to_string())
        .replace("GOING", &going.to_string()),
    );
}
