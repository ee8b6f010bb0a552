//! `pod-template-hash`: what tells the ReplicaSets of one Deployment apart, and their pods.

use k8s_openapi::api::core::v1::PodTemplateSpec;

/// The label of a ReplicaSet, in its selector and on its pods (`DefaultDeploymentUniqueLabelKey`).
pub const LABEL: &str = "pod-template-hash";

/// Kubernetes' letters for names: no vowels, so that no words come about, and no digits that look
/// like letters.
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// A hash of the template, the same for the same template. `collisions` tells apart two templates
/// that have the same hash (`status.collisionCount`). Kubernetes hashes Go's own dump of the
/// template, so its hashes are others.
pub fn of(template: &PodTemplateSpec, collisions: Option<i32>) -> String {
    // A map, whose keys are in order whatever order the fields are declared in.
    let value = serde_json::to_value(template).expect("Kubernetes' types always serialize");
    let mut bytes = value.to_string().into_bytes();
    bytes.extend(collisions.iter().flat_map(|count| i64::from(*count).to_le_bytes()));
    let letter = |digit: u8| char::from(LETTERS[usize::from(digit) % LETTERS.len()]);
    fnv_1a(&bytes).to_string().bytes().map(letter).collect()
}

/// The 32 bit FNV-1a hash.
fn fnv_1a(bytes: &[u8]) -> u32 {
    let step = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    bytes.iter().fold(0x811c_9dc5, step)
}

/// Equal but for the label that tells ReplicaSets apart (`EqualIgnoreHash`).
pub fn same_template(a: &PodTemplateSpec, b: &PodTemplateSpec) -> bool {
    a.spec == b.spec && bare(a).metadata == bare(b).metadata
}

/// The template without the label.
pub fn bare(template: &PodTemplateSpec) -> PodTemplateSpec {
    let mut template = template.clone();
    if let Some(meta) = &mut template.metadata {
        if let Some(labels) = &mut meta.labels {
            labels.remove(LABEL);
        }
        meta.labels.take_if(|labels| labels.is_empty());
    }
    template.metadata.take_if(|meta| *meta == Default::default());
    template
}

/// The template with the label.
pub fn labeled(template: &PodTemplateSpec, hash: &str) -> PodTemplateSpec {
    let mut template = template.clone();
    let labels = template.metadata.get_or_insert_default().labels.get_or_insert_default();
    labels.insert(LABEL.to_owned(), hash.to_owned());
    template
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn template(json: serde_json::Value) -> PodTemplateSpec {
        serde_json::from_value(json).expect("a template")
    }

    #[test]
    fn a_hash_is_stable_and_tells_templates_apart() {
        // The test vectors of FNV.
        assert_eq!((fnv_1a(b""), fnv_1a(b"foobar")), (0x811c_9dc5, 0xbf9c_f968));
        let a = template(json!({"metadata": {"labels": {"a": "1"}}, "spec": {"containers": []}}));
        let b = template(json!({"metadata": {"labels": {"a": "2"}}, "spec": {"containers": []}}));
        assert_eq!(of(&a, None), of(&a.clone(), None));
        assert_eq!(of(&a, None), "dfcfc7f5d", "other versions of cronlet hash the same");
        assert_ne!(of(&a, None), of(&b, None));
        assert_ne!(of(&a, Some(1)), of(&a, None));
        assert_ne!(of(&a, Some(1)), of(&a, Some(2)));
    }

    #[test]
    fn the_label_makes_no_difference() {
        let check = |a: serde_json::Value, b: serde_json::Value, want: bool| {
            assert_eq!(same_template(&template(a.clone()), &template(b.clone())), want, "{a} {b}");
        };
        let labels = |labels: serde_json::Value| json!({"metadata": {"labels": labels}});
        check(labels(json!({"a": "1"})), labels(json!({"a": "1", LABEL: "x"})), true);
        check(labels(json!({"a": "1", LABEL: "y"})), labels(json!({"a": "1", LABEL: "x"})), true);
        check(json!({}), labels(json!({LABEL: "x"})), true);
        check(labels(json!({"a": "1"})), labels(json!({"a": "2"})), false);
        check(json!({}), json!({"spec": {"containers": []}}), false);
        let one = template(labels(json!({"a": "1"})));
        assert_eq!(bare(&labeled(&one, "x")), one);
    }
}
