//! What a container is started with: command, environment, user, limits, mounts, and why it is not.

use crate::kubelet::launch::{Launched, Problem, launch};
use crate::plan::{Lookup, View};
use cronlet_api::kind::{Key, Kind, Object};
use cronlet_api::settings::{ImageProgram, Settings};
use cronlet_api::time::{ClockSteps, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

/// A ConfigMap `cm`, a Secret `s`.
struct Shelf;

impl Lookup for Shelf {
    fn get(&self, key: &Key) -> Option<Object> {
        let object = match (key.kind, &*key.name) {
            (Kind::ConfigMap, "cm") => json!({
                "data": {"a": "1", "b.c": "2", "path": "x/$(A)"}, "binaryData": {"bin": "AAEC"}}),
            (Kind::Secret, "s") => json!({"data": {"p": "aHVudGVyMg==", "nul": "AA=="}}),
            (Kind::PersistentVolumeClaim, "bound") => json!({
                "spec": {"volumeName": "pvc-1"}, "status": {"phase": "Bound"}}),
            (Kind::PersistentVolumeClaim, "new") => json!({}),
            _ => return None,
        };
        Some(key.kind.read_json(&serde_json::to_vec(&object).expect("JSON")).expect("an object"))
    }

    fn list(&self, _: Kind, _: &str) -> Vec<Object> {
        Vec::new()
    }

    fn orphans(&self, _: Kind, _: &str) -> Vec<Object> {
        Vec::new()
    }
}

fn settings() -> Settings {
    let mut settings = Settings {
        host_ip: "10.0.0.7".into(),
        host_cpu_millis: 3500,
        host_memory_bytes: 5 << 30,
        ..Settings::default()
    };
    settings.images.insert(
        "redis".into(),
        ImageProgram {
            command: vec!["redis-server".into()],
            args: vec!["--port".into(), "0".into()],
            env: [("MODE".to_owned(), "image".to_owned())].into(),
        },
    );
    settings
}

fn pod(spec: &Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "p", "namespace": "ns", "uid": "u", "labels": {"k": "v"},
            "annotations": {"z": "q\"uote\n", "a/b": "é"}},
        "spec": spec}))
    .expect("a pod")
}

fn launched(spec: &Value, settings: &Settings) -> Result<Launched, Problem> {
    let steps = ClockSteps::default();
    let (now, lookup, stopping) = (Timestamp::UNIX_EPOCH, &Shelf, false);
    let view = View { now, steps: &steps, settings, owned: &[], lookup, stopping };
    let pod = pod(spec);
    launch(&pod, &pod.spec.as_ref().expect("a spec").containers[0], 0, &view)
}

/// A spec of one container, with fields of the pod's own.
fn spec(container: Value, more: Value) -> Value {
    let mut container = container;
    container["name"] = json!("main");
    let mut spec = more;
    spec["containers"] = json!([container]);
    spec
}

/// Compares one part of the launch, by its JSON pointer.
#[track_caller]
fn check(container: Value, more: Value, pointer: &str, want: Value) {
    let spec = spec(container, more);
    let launched = launched(&spec, &settings()).unwrap_or_else(|why| panic!("{spec}: {why}"));
    let got = serde_json::to_value(&launched.launch).expect("JSON");
    assert_eq!(got.pointer(pointer), Some(&want), "{spec}");
}

/// The container waits for this reason, with a message that holds no secret.
#[track_caller]
fn refuse(container: Value, more: Value, reason: &str, message: &str) {
    let spec = spec(container, more);
    let problem = launched(&spec, &settings()).err().expect("a problem");
    assert_eq!((problem.reason, &*problem.message), (reason, message), "{spec}");
    assert!(!problem.message.contains("hunter2"), "{problem}");
}

const CONFIG: &str = "CreateContainerConfigError";

#[test]
fn command_and_args_over_the_image() {
    let argv = |container: Value, want: Value| check(container, json!({}), "/argv", want);
    argv(json!({"image": "x", "command": ["a", "b"]}), json!(["a", "b"]));
    argv(json!({"image": "x", "command": ["a"], "args": ["b"]}), json!(["a", "b"]));
    argv(json!({"image": "redis:7"}), json!(["redis-server", "--port", "0"]));
    argv(json!({"image": "redis:7", "args": ["-v"]}), json!(["redis-server", "-v"]));
    argv(json!({"image": "redis", "command": ["sh"]}), json!(["sh"]));
    argv(json!({"image": "busybox", "args": ["sh", "-c", "x"]}), json!(["sh", "-c", "x"]));
    let env = json!([{"name": "A", "value": "1"}]);
    argv(
        json!({"image": "x", "env": env, "command": ["$(A)", "$$(A)", "$(B)"], "args": ["-$(A)"]}),
        json!(["1", "$(A)", "$(B)", "-1"]),
    );
    refuse(
        json!({"image": "docker.io/velero/velero:v1"}),
        json!({}),
        "ImageNotMapped",
        "image \"docker.io/velero/velero:v1\" is not pulled: containers are host programs here; \
         give the container a command, or add a line to images: in the configuration, such as \
         velero: [velero]",
    );
}

/// The environment less what every process has.
#[track_caller]
fn env(container: Value, want: Value) {
    let mut container = container;
    container["command"] = json!(["x"]);
    let spec = spec(container, json!({"nodeName": "n", "serviceAccountName": "sa"}));
    let launched = launched(&spec, &settings()).unwrap_or_else(|why| panic!("{spec}: {why}"));
    let basics = ["PATH", "HOME", "HOSTNAME"];
    let own = launched.launch.env.iter().filter(|(name, _)| !basics.contains(&&**name));
    let own: Value = own.map(|(name, value)| (name.clone(), json!(value))).collect();
    assert_eq!(own, want, "{spec}");
}

#[test]
fn values_expand_what_came_before() {
    env(
        json!({"env": [
            {"name": "A", "value": "1"}, {"name": "B", "value": "$(A)$(C)"},
            {"name": "C", "value": "$$(A)"}, {"name": "A", "value": "$(A)2"},
            {"name": "E"}]}),
        json!({"A": "12", "B": "1$(C)", "C": "$(A)", "E": ""}),
    );
    // The basics of the host are not the manifest's to refer to.
    env(json!({"env": [{"name": "A", "value": "$(PATH)"}]}), json!({"A": "$(PATH)"}));
}

#[test]
fn env_from_maps_and_secrets() {
    let of = |source: Value| json!({"envFrom": [source]});
    let all = json!({"a": "1", "b.c": "2", "path": "x/$(A)"});
    env(of(json!({"configMapRef": {"name": "cm"}})), all);
    env(
        of(json!({"configMapRef": {"name": "cm"}, "prefix": "P_"})),
        json!({"P_a": "1", "P_b.c": "2", "P_path": "x/$(A)"}),
    );
    env(of(json!({"configMapRef": {"name": "no", "optional": true}})), json!({}));
    env(of(json!({"secretRef": {"name": "no", "optional": true}})), json!({}));
    env(
        json!({"envFrom": [{"configMapRef": {"name": "cm"}}],
            "env": [{"name": "a", "value": "$(a)0"}]}),
        json!({"a": "10", "b.c": "2", "path": "x/$(A)"}),
    );
    let missing = |source: Value, message: &str| {
        let container = json!({"command": ["x"], "envFrom": [source]});
        refuse(container, json!({}), CONFIG, message);
    };
    missing(json!({"configMapRef": {"name": "no"}}), "configmap \"no\" not found");
    missing(json!({"secretRef": {"name": "no"}}), "secret \"no\" not found");
}

#[test]
fn names_that_are_none_are_told_and_left_out() {
    let container = json!({"command": ["x"],
        "envFrom": [{"configMapRef": {"name": "cm"}, "prefix": "ü"}]});
    let launched = launched(&spec(container, json!({})), &settings()).expect("launches");
    assert!(launched.launch.env.iter().all(|(name, _)| name.is_ascii()));
    let want = "Keys [üa, üb.c, üpath] from the EnvFrom configMap ns/cm were skipped since they \
                are considered invalid environment variable names.";
    assert_eq!(launched.warnings, [want]);
}

/// One variable by its source.
fn from(source: Value) -> Value {
    json!({"env": [{"name": "V", "valueFrom": source}]})
}

#[test]
fn values_from_keys() {
    let map = |name: &str, key: &str, optional: bool| {
        from(json!({"configMapKeyRef": {"name": name, "key": key, "optional": optional}}))
    };
    let secret = |name: &str, key: &str, optional: bool| {
        from(json!({"secretKeyRef": {"name": name, "key": key, "optional": optional}}))
    };
    env(map("cm", "path", false), json!({"V": "x/$(A)"}));
    env(secret("s", "p", false), json!({"V": "hunter2"}));
    for container in [map("no", "a", true), map("cm", "no", true), secret("s", "no", true)] {
        env(container, json!({}));
    }
    let missing = |container: Value, message: &str| {
        let mut container = container;
        container["command"] = json!(["x"]);
        refuse(container, json!({}), CONFIG, message);
    };
    missing(map("no", "a", false), "configmap \"no\" not found");
    missing(map("cm", "no", false), "couldn't find key no in ConfigMap ns/cm");
    missing(secret("no", "a", false), "secret \"no\" not found");
    missing(secret("s", "no", false), "couldn't find key no in Secret ns/s");
    missing(
        secret("s", "nul", false),
        "container main cannot run with a NUL byte in the environment variable V",
    );
}

#[test]
fn values_from_fields() {
    let check = |path: &str, want: &str| {
        env(from(json!({"fieldRef": {"fieldPath": path}})), json!({"V": want}));
    };
    check("metadata.name", "p");
    check("metadata.namespace", "ns");
    check("metadata.uid", "u");
    check("metadata.labels['k']", "v");
    check("metadata.labels['none']", "");
    check("metadata.annotations['a/b']", "é");
    check("spec.nodeName", "n");
    check("spec.serviceAccountName", "sa");
    for path in ["status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"] {
        check(path, "10.0.0.7");
    }
}

#[test]
fn values_from_resources() {
    let check = |resource: &str, divisor: &str, want: &str| {
        let mut container = from(json!({"resourceFieldRef":
            {"resource": resource, "divisor": divisor}}));
        container["resources"] = json!({"limits": {"cpu": "1500m"},
            "requests": {"cpu": "250m", "memory": "100Mi"}});
        env(container, json!({"V": want}));
    };
    check("limits.cpu", "0", "2");
    check("limits.cpu", "1m", "1500");
    check("requests.cpu", "1", "1");
    check("requests.memory", "1Mi", "100");
    check("requests.memory", "64Mi", "2");
    check("requests.memory", "0", "104857600");
    check("requests.ephemeral-storage", "1", "0");
    // What has no limit may use the whole host.
    check("limits.memory", "1Gi", "5");
    env(from(json!({"resourceFieldRef": {"resource": "limits.cpu"}})), json!({"V": "4"}));
}

#[test]
fn every_process_has_its_basics() {
    let container = json!({"image": "redis", "env": [{"name": "HOME", "value": "/own"}]});
    let launched = launched(&spec(container, json!({"hostname": "h"})), &settings());
    let env = launched.expect("launches").launch.env;
    let get = |name: &str| env.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    assert_eq!(get("PATH"), Some("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
    assert_eq!(
        (get("HOME"), get("HOSTNAME"), get("MODE")),
        (Some("/own"), Some("h"), Some("image"))
    );
}

#[test]
fn users_groups_and_what_breaks_them() {
    let plain = || json!({"command": ["x"]});
    let own = |context: Value| json!({"command": ["x"], "securityContext": context});
    let pod = |context: Value| json!({"securityContext": context});
    check(plain(), pod(json!({"runAsUser": 7})), "/user", json!(7));
    check(own(json!({"runAsUser": 8})), pod(json!({"runAsUser": 7})), "/user", json!(8));
    check(own(json!({"runAsGroup": 8})), pod(json!({"runAsGroup": 7})), "/group", json!(8));
    check(
        plain(),
        pod(json!({"supplementalGroups": [9, 5], "fsGroup": 6})),
        "/groups",
        json!([5, 6, 9]),
    );
    check(plain(), pod(json!({"fsGroup": 6})), "/fs_group", json!(6));
    check(own(json!({"readOnlyRootFilesystem": true})), json!({}), "/read_only_root", json!(true));
    check(own(json!({"runAsNonRoot": true, "runAsUser": 1})), json!({}), "/user", json!(1));
    refuse(
        plain(),
        pod(json!({"runAsNonRoot": true})),
        CONFIG,
        "container has runAsNonRoot and image will run as root (pod: \"p_ns(u)\", container: main)",
    );
    refuse(
        own(json!({"runAsUser": 0})),
        pod(json!({"runAsNonRoot": true})),
        CONFIG,
        "container's runAsUser breaks non-root policy (pod: \"p_ns(u)\", container: main)",
    );
    let settings = Settings { host_user: 1000, ..settings() };
    let spec = spec(plain(), pod(json!({"runAsNonRoot": true})));
    assert!(launched(&spec, &settings).is_ok(), "an ordinary user is not root");
}

#[test]
fn limits_hooks_and_the_rest() {
    let container = json!({"command": ["x"], "workingDir": "/w",
        "terminationMessagePath": "/t", "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": {"limits": {"cpu": "100m", "memory": "1Mi"}, "requests": {"cpu": "1"}},
        "lifecycle": {"postStart": {"exec": {"command": ["$(A)"]}},
            "preStop": {"sleep": {"seconds": 3}},
            "stopSignal": "SIGINT"}});
    let check = |pointer, want| check(container.clone(), json!({}), pointer, want);
    check("/working_dir", json!("/w"));
    check("/termination_message_path", json!("/t"));
    check("/message_from_logs", json!(true));
    check("/limits/cpu_millis_max", json!(100));
    check("/limits/cpu_millis_request", json!(1000));
    check("/limits/memory_bytes_max", json!(1 << 20));
    check("/post_start", json!({"Exec": ["$(A)"]}));
    check("/pre_stop", json!({"Sleep": {"seconds": 3}}));
    check("/stop_signal", json!("SIGINT"));
    check("/host_name", json!("p"));
    check("/hosts_line", json!("10.0.0.7\tp"));
}

#[test]
fn what_follows_from_the_users_entry() {
    let check = |env: Value, want: &[&str]| {
        let container = json!({"command": ["x"], "env": env});
        check(container, json!({}), "/account_variables", json!(want));
    };
    check(json!([]), &["HOME", "LOGNAME", "USER"]);
    check(json!([{"name": "HOME", "value": "/h"}]), &["LOGNAME", "USER"]);
    check(
        json!([{"name": "HOME", "value": ""}, {"name": "USER", "value": ""}]),
        &["HOME", "LOGNAME"],
    );
}

/// No API can be reached from a pod yet: a client would wait for one that is not there.
#[test]
fn no_variable_leads_to_an_api_server() {
    let mut want = json!([]);
    let names = ["HOME", "HOSTNAME", "PATH"];
    let values = ["/root", "p", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"];
    for pair in names.iter().zip(values) {
        want.as_array_mut().expect("an array").push(json!(pair));
    }
    check(json!({"command": ["x"]}), json!({}), "/env", want);
}

/// Checks that limits that a container lacks are its pod's.
#[test]
fn limits_of_the_pod() {
    let pod =
        json!({"resources": {"limits": {"memory": "50Mi", "cpu": "1"}, "requests": {"cpu": "1"}}});
    let container = json!({"command": ["x"], "resources": {"limits": {"cpu": "100m"}}});
    let check = |pointer, want| check(container.clone(), pod.clone(), pointer, want);
    check("/limits/cpu_millis_max", json!(100));
    check("/limits/cpu_millis_request", json!(null));
    check("/limits/memory_bytes_max", json!(50 << 20));
    check("/pod_limits/cpu_millis_max", json!(1000));
    check("/pod_limits/cpu_millis_request", json!(1000));
    check("/pod_limits/memory_bytes_max", json!(50 << 20));
}

/// Checks the names in messages, which show no value that may be secret.
#[test]
fn expanded_words_are_called_as_they_are_written() {
    let env = json!([{"name": "A", "value": "sub"}]);
    let called = |command: Value, want: Value| {
        check(json!({"command": command, "env": env}), json!({}), "/called", want);
    };
    called(json!(["x", "$(A)"]), json!(null));
    called(json!(["$(A)"]), json!("$(A)"));
    called(json!(["/bin/$(A)"]), json!("/bin/$(A)"));
    let empty_dir = || json!({"emptyDir": {}});
    volume(empty_dir(), json!({"subPathExpr": "x/$(A)"}), "/sub_path_called", json!("x/$(A)"));
    volume(empty_dir(), json!({"subPath": "x"}), "/sub_path_called", json!(null));
}

/// The first mount of a container with one volume.
#[track_caller]
fn volume(source: Value, mount: Value, pointer: &str, want: Value) {
    let (container, more) = mounted(source, mount);
    check(container, more, &format!("/mounts/0{pointer}"), want);
}

fn mounted(source: Value, mount: Value) -> (Value, Value) {
    let (mut source, mut mount) = (source, mount);
    source["name"] = json!("v");
    mount["name"] = json!("v");
    mount["mountPath"] = json!("/m");
    let env = json!([{"name": "A", "value": "sub"}]);
    let container = json!({"command": ["x"], "volumeMounts": [mount], "env": env});
    (container, json!({"volumes": [source]}))
}

#[test]
fn volumes_of_the_host() {
    let none = || json!({});
    volume(json!({"emptyDir": {}}), none(), "/at", json!("/m"));
    volume(
        json!({"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}),
        json!({"readOnly": true}),
        "",
        json!({"at": "/m", "read_only": true, "sub_path": null, "sub_path_called": null,
            "volume": "v", "source": {"EmptyDir": {"memory": true, "size_bytes_max": 1 << 20}}}),
    );
    let host = || json!({"hostPath": {"path": "/srv", "type": "Directory"}});
    volume(host(), none(), "/source", json!({"HostPath": {"path": "/srv", "kind": "Directory"}}));
    volume(host(), json!({"subPath": "a/b"}), "/sub_path", json!("a/b"));
    let claim =
        |read_only| json!({"persistentVolumeClaim": {"claimName": "bound", "readOnly": read_only}});
    volume(
        claim(false),
        none(),
        "/source",
        json!({"Claim": {"volume": "pvc-1", "size_bytes_max": null}}),
    );
    volume(claim(false), none(), "/read_only", json!(false));
    volume(claim(true), none(), "/read_only", json!(true));
    volume(host(), json!({"subPathExpr": "x/$(A)"}), "/sub_path", json!("x/sub"));
    let (container, more) = mounted(host(), json!({"subPathExpr": "$(B)"}));
    refuse(container, more, CONFIG, "failed to expand subPathExpr: missing value for \"B\"");
    let (container, more) = mounted(host(), json!({"subPath": "a/../../b"}));
    refuse(container, more, CONFIG, "subPath must not contain \"..\"");
}

/// The files of a volume as `path`, text, octal mode.
#[track_caller]
fn files(source: Value, want: &[(&str, &str, u32)]) {
    let (container, more) = mounted(source, json!({}));
    let spec = spec(container, more);
    let launched = launched(&spec, &settings()).unwrap_or_else(|why| panic!("{spec}: {why}"));
    let crate::order::MountSource::Files { files, .. } = &launched.launch.mounts[0].source else {
        panic!("{spec}: no files");
    };
    let got: Vec<(&str, String, u32)> = files
        .iter()
        .map(|file| (&*file.path, String::from_utf8_lossy(&file.content).into_owned(), file.mode))
        .collect();
    let want: Vec<(&str, String, u32)> =
        want.iter().map(|(path, text, mode)| (*path, (*text).to_owned(), *mode)).collect();
    assert_eq!(got, want, "{spec}");
}

#[test]
fn volumes_of_files() {
    files(
        json!({"configMap": {"name": "cm"}}),
        &[
            ("a", "1", 0o644),
            ("b.c", "2", 0o644),
            ("bin", "\0\u{1}\u{2}", 0o644),
            ("path", "x/$(A)", 0o644),
        ],
    );
    files(
        json!({"configMap": {"name": "cm", "defaultMode": 0o400, "items": [
            {"key": "a", "path": "d/x"}, {"key": "b.c", "path": "y", "mode": 0o755}]}}),
        &[("d/x", "1", 0o400), ("y", "2", 0o755)],
    );
    files(json!({"configMap": {"name": "no", "optional": true}}), &[]);
    files(
        json!({"secret": {"secretName": "s", "items": [{"key": "p", "path": "p"}]}}),
        &[("p", "hunter2", 0o644)],
    );
    files(
        json!({"downwardAPI": {"items": [
            {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
            {"path": "notes", "fieldRef": {"fieldPath": "metadata.annotations"}},
            {"path": "cpu", "mode": 0o600, "resourceFieldRef":
                {"containerName": "main", "resource": "limits.cpu"}}]}}),
        &[
            ("labels", "k=\"v\"", 0o644),
            ("notes", "a/b=\"é\"\nz=\"q\\\"uote\\n\"", 0o644),
            ("cpu", "4", 0o600),
        ],
    );
    files(
        json!({"projected": {"defaultMode": 0o440, "sources": [
            {"configMap": {"name": "cm", "items": [{"key": "a", "path": "a"}]}},
            {"secret": {"name": "s", "items": [{"key": "p", "path": "p"}]}},
            {"secret": {"name": "no", "optional": true}},
            {"downwardAPI": {"items":
                [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}}]}}),
        &[("a", "1", 0o440), ("p", "hunter2", 0o440), ("n", "p", 0o440)],
    );
}

#[test]
fn volumes_that_cannot_be_filled() {
    let refuse = |source: Value, reason: &str, why: &str| {
        let (container, more) = mounted(source, json!({}));
        let message = format!("MountVolume.SetUp failed for volume \"v\" : {why}");
        refuse(container, more, reason, &message);
    };
    let creating = "ContainerCreating";
    refuse(json!({"configMap": {"name": "no"}}), creating, "configmap \"no\" not found");
    refuse(json!({"secret": {"secretName": "no"}}), creating, "secret \"no\" not found");
    let items = json!([{"key": "no", "path": "x"}]);
    let missing = "references non-existent config key: no";
    refuse(json!({"configMap": {"name": "cm", "items": items}}), creating, missing);
    let missing = "references non-existent secret key: no";
    refuse(json!({"secret": {"secretName": "s", "items": items}}), creating, missing);
    let items = json!([{"key": "p", "path": "../p"}]);
    refuse(
        json!({"secret": {"secretName": "s", "items": items}}),
        creating,
        "invalid path \"../p\"",
    );
    let claim = |name: &str| json!({"persistentVolumeClaim": {"claimName": name}});
    refuse(claim("no"), creating, "persistentvolumeclaim \"no\" not found");
    refuse(claim("new"), creating, "persistentvolumeclaim \"new\" is not bound");
    let unsupported = "VolumeNotSupported";
    refuse(
        json!({"nfs": {"server": "h", "path": "/"}}),
        unsupported,
        "volumes of type nfs are not supported by this runtime",
    );
    refuse(
        json!({"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}),
        unsupported,
        "service account tokens are not available on this host",
    );
}
