//! The rules of a Secret, by its type. No message holds a value.

use crate::check::{Causes, Path};
use crate::{meta, names};
use k8s_openapi::api::core::v1::Secret;

const BYTES_MAX: usize = 1 << 20;

const SERVICE_ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";

/// The rules of a new Secret; those of `metadata` are checked elsewhere.
pub fn create(secret: &Secret, causes: &mut Causes) {
    let at = Path::root("data");
    let mut bytes = 0;
    for (key, value) in secret.data.iter().flatten() {
        causes.invalid_each(&at.key(key), key, names::config_map_key(key));
        bytes += value.0.len();
    }
    if bytes > BYTES_MAX {
        causes.too_long(&at, BYTES_MAX);
    }
    by_type(secret, &at, causes);
}

/// The rules of a change: the type stays, and all of it once it is `immutable`.
pub fn update(old: &Secret, new: &Secret, causes: &mut Causes) {
    meta::immutable(&old.type_, &new.type_, &Path::root("type"), causes);
    if old.immutable == Some(true) {
        let why = "field is immutable when `immutable` is set";
        if new.immutable != Some(true) {
            causes.forbidden(&Path::root("immutable"), why);
        }
        if old.data != new.data {
            causes.forbidden(&Path::root("data"), why);
        }
    }
    create(new, causes);
}

fn by_type(secret: &Secret, at: &Path<'_>, causes: &mut Causes) {
    let value = |key: &str| secret.data.as_ref().and_then(|data| data.get(key));
    match secret.type_.as_deref().unwrap_or_default() {
        "kubernetes.io/service-account-token" => {
            let annotations = secret.metadata.annotations.as_ref();
            let name = annotations.and_then(|all| all.get(SERVICE_ACCOUNT_NAME));
            if name.is_none_or(String::is_empty) {
                let at = Path::root("metadata");
                causes.required(&at.child("annotations").key(SERVICE_ACCOUNT_NAME), "");
            }
        }
        "kubernetes.io/dockercfg" => json_under(".dockercfg", secret, at, causes),
        "kubernetes.io/dockerconfigjson" => json_under(".dockerconfigjson", secret, at, causes),
        "kubernetes.io/basic-auth" => {
            let keys = ["username", "password"];
            if keys.iter().all(|key| value(key).is_none()) {
                keys.iter().for_each(|key| causes.required(&at.key(key), ""));
            }
        }
        "kubernetes.io/ssh-auth" if value("ssh-privatekey").is_none_or(|key| key.0.is_empty()) => {
            causes.required(&at.key("ssh-privatekey"), "");
        }
        "kubernetes.io/tls" => {
            for key in ["tls.crt", "tls.key"].iter().filter(|key| value(key).is_none()) {
                causes.required(&at.key(key), "");
            }
        }
        _ => {}
    }
}

/// A JSON object must lie under `key`.
fn json_under(key: &str, secret: &Secret, at: &Path<'_>, causes: &mut Causes) {
    let Some(value) = secret.data.as_ref().and_then(|data| data.get(key)) else {
        return causes.required(&at.key(key), "");
    };
    let read: Result<Option<serde_json::Map<String, serde_json::Value>>, _> =
        serde_json::from_slice(&value.0);
    if read.is_err() {
        causes.invalid(&at.key(key), "<secret contents redacted>", "it is not a JSON object");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::defaults;
    use serde_json::{Value, json};

    fn read(secret: Value) -> Secret {
        let mut secret: Secret = serde_json::from_value(secret).expect("a Secret");
        defaults::set(&mut secret);
        secret
    }

    fn told(causes: &Causes) -> Vec<String> {
        causes.found.iter().map(|c| format!("{} {:?}", c.field, c.reason)).collect()
    }

    #[test]
    fn rules_by_type() {
        let check = |kind: &str, data: Value, want: &[&str]| {
            let kind = format!("kubernetes.io/{kind}");
            let mut causes = Causes::default();
            create(&read(json!({"type": kind, "stringData": data})), &mut causes);
            assert_eq!(told(&causes), want, "{kind} {data}");
            let shown = format!("{causes:?}");
            assert!(!shown.contains("hush"), "a value is shown: {shown}");
        };
        check("dockerconfigjson", json!({".dockerconfigjson": "{}"}), &[]);
        check("dockerconfigjson", json!({}), &["data[.dockerconfigjson] Required"]);
        check(
            "dockerconfigjson",
            json!({".dockerconfigjson": "hush"}),
            &["data[.dockerconfigjson] Invalid"],
        );
        check("dockercfg", json!({".dockercfg": "[]"}), &["data[.dockercfg] Invalid"]);
        check("basic-auth", json!({"username": ""}), &[]);
        check("basic-auth", json!({}), &["data[username] Required", "data[password] Required"]);
        check("ssh-auth", json!({"ssh-privatekey": ""}), &["data[ssh-privatekey] Required"]);
        check("ssh-auth", json!({"ssh-privatekey": "hush"}), &[]);
        check("tls", json!({"tls.crt": ""}), &["data[tls.key] Required"]);
        check(
            "service-account-token",
            json!({}),
            &["metadata.annotations[kubernetes.io/service-account.name] Required"],
        );
        check("other", json!({"a b": "hush"}), &["data[a b] Invalid"]);
        check("other", json!({"a": "x".repeat(BYTES_MAX)}), &[]);
        check("other", json!({"a": "x".repeat(BYTES_MAX), "b": "x"}), &["data TooLong"]);
    }

    #[test]
    fn what_may_not_change() {
        let check = |old: Value, new: Value, want: &[&str]| {
            let mut causes = Causes::default();
            update(&read(old), &read(new.clone()), &mut causes);
            assert_eq!(told(&causes), want, "{new}");
        };
        check(json!({"stringData": {"a": "1"}}), json!({"stringData": {"a": "2"}}), &[]);
        check(json!({}), json!({"type": "mine"}), &["type Invalid"]);
        let fixed = json!({"immutable": true, "stringData": {"a": "1"}});
        check(fixed.clone(), fixed.clone(), &[]);
        check(fixed, json!({}), &["immutable Forbidden", "data Forbidden"]);
    }
}
