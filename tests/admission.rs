//! Every manifest that a real Kubernetes answered, answered by cronlet: the same object, or the
//! same refusal.

mod common;

use cronlet::kinds::refused::Refused;
use cronlet::kinds::{Kind, admission};
use cronlet::manifest::{self, Strictness};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Rows of these kinds must all agree; the others are counted as not served.
const SERVED: &[Kind] = &[
    Kind::ConfigMap,
    Kind::CronJob,
    Kind::DaemonSet,
    Kind::Deployment,
    Kind::Job,
    Kind::PersistentVolumeClaim,
    Kind::Pod,
    Kind::ReplicaSet,
    Kind::Secret,
    Kind::StatefulSet,
];

#[derive(Default)]
struct Score {
    agreed: usize,
    disagreed: Vec<String>,
}

/// What cronlet answers to the object posted to the path of `kind`, in the form of a row.
fn answer(kind: Kind, input: &Value) -> Value {
    let body = input.to_string();
    let admitted = manifest::decode_json(kind, body.as_bytes(), Strictness::Strict)
        .map_err(Refused::from)
        .and_then(|(object, _)| admission::preview(object, "default"));
    match admitted {
        Ok(admitted) => json!({
            "code": 201,
            "output": serde_json::to_value(&admitted.object).expect("an object"),
        }),
        Err(refused) => {
            let status = refused.status();
            let causes = status.details.and_then(|details| details.causes).unwrap_or_default();
            let mut causes: Vec<(String, String)> = causes
                .into_iter()
                .map(|cause| (cause.field.unwrap_or_default(), cause.reason.unwrap_or_default()))
                .collect();
            causes.sort();
            let causes: Vec<Value> = causes
                .into_iter()
                .map(|(field, reason)| json!({"field": field, "reason": reason}))
                .collect();
            json!({"code": status.code, "error": {"causes": causes, "reason": status.reason}})
        }
    }
}

#[test]
fn the_oracle_agrees() {
    let Some(path) = common::oracle("admission.jsonl") else { return };
    let rows = std::fs::read_to_string(path).expect("the oracle can be read");
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    let mut not_served: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows.lines().filter(|row| !row.is_empty()) {
        let row: Value = serde_json::from_str(row).expect("a row is JSON");
        let id = row["id"].as_str().expect("a row has an id");
        // A row's path is that of the kind in its id, whatever its body says.
        let name = id.split('-').next().unwrap_or_default().to_owned();
        let served = SERVED.iter().find(|kind| kind.info().kind == name);
        let Some(kind) = served else {
            *not_served.entry(name).or_default() += 1;
            continue;
        };
        let mut want = json!({"code": row["code"]});
        for part in ["output", "error"] {
            if let Some(value) = row.get(part) {
                want[part] = value.clone();
            }
        }
        let found = answer(*kind, &row["input"]);
        let score = scores.entry(name).or_default();
        if found == want {
            score.agreed += 1;
        } else {
            score
                .disagreed
                .push(format!("{id}\n  input {}\n  want  {want}\n  found {found}", row["input"]));
        }
    }
    report(&scores, &not_served);
}

fn report(scores: &BTreeMap<String, Score>, not_served: &BTreeMap<String, usize>) {
    for (kind, score) in scores {
        let total = score.agreed + score.disagreed.len();
        println!("{kind:12} {:4} of {total:4} rows agree", score.agreed);
    }
    for (kind, rows) in not_served {
        println!("{kind:12} {rows:4} rows, not served");
    }
    let disagreed: Vec<&str> =
        scores.values().flat_map(|score| &score.disagreed).map(String::as_str).collect();
    assert!(disagreed.is_empty(), "{} rows disagree:\n{}", disagreed.len(), disagreed.join("\n"));
    assert!(!scores.is_empty(), "no row was compared");
}
