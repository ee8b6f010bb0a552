//! JSON as Go writes it, where Kubernetes' types and ours differ: an empty required list is `null`,
//! and an empty name is left out.

use serde_json::Value;

/// Paths of a pod's spec: in a Pod, in a template, and in a CronJob.
const POD_SPECS: [&str; 3] =
    ["/spec", "/spec/template/spec", "/spec/jobTemplate/spec/template/spec"];
const JOB_SPECS: [&str; 2] = ["/spec", "/spec/jobTemplate/spec"];

/// Changes an object's JSON to what the API server would return.
pub fn as_go_writes(object: &mut Value) {
    for at in JOB_SPECS {
        if let Some(policy) = object.pointer_mut(&format!("{at}/podFailurePolicy")) {
            null_if_empty(policy, "rules");
        }
    }
    for at in POD_SPECS {
        let Some(pod) = object.pointer_mut(at) else { continue };
        for volume in list_mut(pod, "volumes") {
            if let Some(projected) = volume.get_mut("projected") {
                null_if_empty(projected, "sources");
            }
        }
        for secret in list_mut(pod, "imagePullSecrets") {
            if let Some(secret) = secret.as_object_mut() {
                secret.retain(|field, value| field != "name" || value != "");
            }
        }
    }
}

fn null_if_empty(owner: &mut Value, field: &str) {
    let list = owner.get(field).and_then(Value::as_array);
    if owner.is_object() && list.is_none_or(Vec::is_empty) {
        owner[field] = Value::Null;
    }
}

fn list_mut<'v>(owner: &'v mut Value, field: &str) -> &'v mut [Value] {
    owner.get_mut(field).and_then(Value::as_array_mut).map(Vec::as_mut_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn empty_lists_and_names() {
        let check = |spec: Value, want: Value| {
            let mut object = json!({"spec": spec});
            as_go_writes(&mut object);
            assert_eq!(object["spec"], want);
        };
        check(
            json!({"podFailurePolicy": {"rules": []}}),
            json!({"podFailurePolicy": {"rules": null}}),
        );
        let pod = |sources: Value| json!({"volumes": [{"name": "v", "projected": sources}]});
        check(pod(json!({})), pod(json!({"sources": null})));
        check(pod(json!({"sources": [{}]})), pod(json!({"sources": [{}]})));
        check(
            json!({"template": {"spec": {"imagePullSecrets": [{"name": ""}, {"name": "a"}]}}}),
            json!({"template": {"spec": {"imagePullSecrets": [{}, {"name": "a"}]}}}),
        );
        check(Value::Null, Value::Null);
    }
}
