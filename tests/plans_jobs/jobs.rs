//! Rules of the Job controller, each in a script that fails without it.

use crate::world::check;
use serde_json::{Value, json};

fn job(spec: Value) -> Value {
    let mut job = json!({
        "kind": "Job",
        "metadata": {"name": "j"},
        "spec": {"template": {"spec": {
            "containers": [{"name": "main", "command": ["true"]}],
            "restartPolicy": "Never",
        }}},
    });
    let all = job["spec"].as_object_mut().expect("an object");
    all.extend(spec.as_object().expect("an object").clone());
    job
}

/// As recorded in `job-complete.jsonl`.
#[test]
fn a_job_completes() {
    check(
        &[job(json!({}))],
        "> SuccessfulCreate: Created pod: #1
         > job j: active=1 start=+0s
         run #1
         > job j: active=1 ready=1 start=+0s
         wait 4s
         exit #1 0
         > Completed: Job completed
         > job j: succeeded=1 start=+0s end=+4s SuccessCriteriaMet:CompletionsReached Complete:CompletionsReached",
    );
}
