//! Rules of the CronJob controller, each in a script that fails without it.

use crate::world::check;
use serde_json::{Value, json};

fn cron_job(spec: Value) -> Value {
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
                    "containers": [{"name": "main", "command": ["true"]}],
                    "restartPolicy": "Never",
                }},
            }},
        },
    });
    let all = cron_job["spec"].as_object_mut().expect("an object");
    all.extend(spec.as_object().expect("an object").clone());
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
