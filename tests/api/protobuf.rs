//! Bodies in protocol buffers, as clients that are written in Go send them.

use crate::CONFIG_MAPS;
use crate::server::Server;
use proptest::prelude::*;
use serde_json::{Value, json};

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// A field that holds bytes: a text, or the fields of another message.
fn bytes(number: u64, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    [&varint(number << 3 | 2), &varint(value.len() as u64), value].concat()
}

fn number(number: u64, value: i64) -> Vec<u8> {
    [varint(number << 3), varint(value.cast_unsigned())].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// An object as it is sent.
fn sent(api_version: &str, kind: &str, fields: &[Vec<u8>]) -> Vec<u8> {
    let of_type = [bytes(1, api_version), bytes(2, kind)].concat();
    [b"k8s\0".to_vec(), bytes(1, of_type), bytes(2, fields.concat())].concat()
}

/// With the zero values that Go sends along.
fn metadata(name: &str) -> Vec<u8> {
    let empty = bytes(2, "");
    bytes(1, [bytes(1, name), empty, bytes(6, ""), number(7, 0), bytes(8, "")].concat())
}

fn entry(key: &str, value: impl AsRef<[u8]>) -> Vec<u8> {
    [bytes(1, key), bytes(2, value)].concat()
}

fn config_map(name: &str) -> Vec<u8> {
    let data = [bytes(2, entry("a", "1")), bytes(2, bytes(1, "b"))].concat();
    let binary = bytes(3, entry("c", [0, 255]));
    sent("v1", "ConfigMap", &[metadata(name), data, binary])
}

fn post(server: &Server, path: &str, body: &[u8]) -> Value {
    let answer = server.send("POST", path, PROTOBUF, body);
    assert_eq!(answer.code, 201, "{}", answer.text());
    answer.json()
}

#[test]
fn maps_hold_texts_and_bytes() {
    let server = Server::start();
    let made = post(&server, CONFIG_MAPS, &config_map("m"));
    assert_eq!(made["data"], json!({"a": "1", "b": ""}));
    assert_eq!(made["binaryData"], json!({"c": "AP8="}));
    assert_eq!(made["metadata"]["name"], "m");
}

/// A zero that was sent is not an absent one; quantities, numbers with texts, and what lies deeper
/// in a message than in JSON.
#[test]
fn a_deployment_is_what_its_json_says() {
    let labels = || bytes(11, entry("app", "web"));
    let limits = bytes(8, bytes(1, entry("cpu", bytes(1, "250m"))));
    let http = [bytes(1, "/up"), bytes(2, [number(1, 1), bytes(3, "web")].concat())].concat();
    let probe = [bytes(1, bytes(2, http)), number(2, 0), number(4, 7)].concat();
    let container = [bytes(1, "main"), bytes(2, "x"), limits, bytes(10, probe)].concat();
    let source = bytes(2, bytes(19, bytes(1, bytes(1, "conf"))));
    let volume = bytes(1, [bytes(1, "v"), source].concat());
    let template = [bytes(1, labels()), bytes(2, [volume, bytes(2, container)].concat())].concat();
    let surge = bytes(2, bytes(2, [number(1, 0), number(2, 3)].concat()));
    let strategy = bytes(4, [bytes(1, ""), surge].concat());
    let selector = bytes(2, bytes(1, entry("app", "web")));
    let spec = [number(1, 0), selector, bytes(3, template), strategy].concat();
    let body = sent("apps/v1", "Deployment", &[metadata("web"), bytes(2, spec)]);
    let server = Server::start();
    let made = post(&server, "/apis/apps/v1/namespaces/default/deployments", &body);
    let spec = &made["spec"];
    assert_eq!(spec["replicas"], 0);
    assert_eq!(spec["strategy"]["rollingUpdate"]["maxSurge"], 3);
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["volumes"][0]["configMap"]["name"], "conf");
    let container = &pod["containers"][0];
    assert_eq!(container["resources"]["limits"], json!({"cpu": "250m"}));
    assert_eq!(container["livenessProbe"]["httpGet"]["port"], "web");
    assert_eq!(container["livenessProbe"]["periodSeconds"], 7);
}

/// Fields of `PersistentVolumeSource` by their numbers.
const VOLUME_SOURCES: [&str; 22] = [
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "hostPath",
    "glusterfs",
    "nfs",
    "rbd",
    "iscsi",
    "cinder",
    "cephfs",
    "fc",
    "flocker",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "portworxVolume",
    "scaleIO",
    "local",
    "storageos",
    "csi",
];

#[test]
fn a_volume_keeps_its_source_whatever_its_type() {
    let server = Server::start();
    for (name, at) in VOLUME_SOURCES.iter().zip(1..) {
        let second = if ["hostPath", "fc"].contains(name) { Vec::new() } else { bytes(2, "/b") };
        let source = bytes(at, [bytes(1, "/a"), second].concat());
        let capacity = bytes(1, entry("storage", bytes(1, "1Gi")));
        let host = [bytes(1, "kubernetes.io/hostname"), bytes(2, "Exists")].concat();
        let affinity = bytes(9, bytes(1, bytes(1, bytes(1, host))));
        let spec = [capacity, bytes(2, source), bytes(3, "ReadWriteOnce"), affinity].concat();
        let body = sent("v1", "PersistentVolume", &[metadata(&format!("v{at}")), bytes(2, spec)]);
        let made = post(&server, "/api/v1/persistentvolumes", &body);
        let found = made["spec"][name].to_string();
        assert!(found.contains("/a"), "{name}: {made}");
        assert!(found.contains("/b") || ["hostPath", "fc"].contains(name), "{name}: {made}");
    }
}

#[test]
fn a_deletion_has_options() {
    let server = Server::start();
    post(&server, CONFIG_MAPS, &config_map("m"));
    let path = format!("{CONFIG_MAPS}/m");
    let options = |uid: &str| sent("v1", "DeleteOptions", &[bytes(2, bytes(1, uid))]);
    let own = server.get(&path).json()["metadata"]["uid"].clone();
    assert_eq!(server.send("DELETE", &path, PROTOBUF, &options("other")).code, 409);
    let own = own.as_str().expect("a uid");
    assert_eq!(server.send("DELETE", &path, PROTOBUF, &options(own)).code, 200);
}

#[test]
fn what_cannot_be_read_is_refused() {
    let server = Server::start();
    let check = |body: &[u8], why: &str| {
        let answer = server.send("POST", CONFIG_MAPS, PROTOBUF, body);
        assert_eq!(answer.code, 400, "{}", answer.text());
        assert!(answer.text().contains(why), "{}", answer.text());
    };
    check(b"{}", "it does not begin with k8s and NUL");
    check(&sent("v1", "Unheard", &[]), "nothing is known of its kind");
    check(&sent("v1", "ConfigMap", &[number(1, 1)]), "a field is of another type");
    check(&sent("v1", "ConfigMap", &[metadata("m"), vec![0x12, 9]]), "it is cut off");
    let whole = config_map("m");
    for length in 0..whole.len() {
        let answer = server.send("POST", CONFIG_MAPS, PROTOBUF, &whole[..length]);
        assert!([201, 400, 409, 422].contains(&answer.code), "{length}: {}", answer.text());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_bytes_break_it(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
        let server = Server::start();
        let body = sent("apps/v1", "Deployment", &[noise]);
        let path = "/apis/apps/v1/namespaces/default/deployments";
        let answer = server.send("POST", path, PROTOBUF, &body);
        prop_assert!((400..500).contains(&answer.code), "{}", answer.text());
    }
}
