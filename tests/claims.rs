//! Claims on a real daemon: what they hold is told, and outlives them unless the configuration says
//! otherwise.

mod common;

use common::daemon::Daemon;
use serde_json::json;
use std::path::PathBuf;

/// A claim, and a pod that writes so many KiB into it and ends.
fn manifests(name: &str, kibibytes: u32) -> String {
    let write = format!("head -c {kibibytes}k /dev/zero > /data/file");
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "8Mi"}},
        },
    });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "containers": [{
                "name": "main", "image": "busybox:1.28", "command": ["/bin/sh", "-c", write],
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            }],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": name}}],
        },
    });
    format!("{claim}\n---\n{pod}\n")
}

/// Has a pod fill a claim; gives the folder of the claim.
fn filled(daemon: &Daemon, name: &str) -> PathBuf {
    let path = daemon.path("manifest.yaml");
    std::fs::write(&path, manifests(name, 2048)).expect("a file is written");
    daemon.tell(&["apply", "-f", path.to_str().expect("UTF-8")]);
    daemon.until("the pod ends", || {
        (daemon.get(&["pod", name])["status"]["phase"] == "Succeeded").then_some(())
    });
    let claim = daemon.get(&["pvc", name]);
    assert_eq!(claim["status"]["capacity"]["storage"], "8Mi");
    let volume = claim["spec"]["volumeName"].as_str().expect("it is bound");
    daemon.path("state").join("claims").join(volume)
}

fn delete(daemon: &Daemon, name: &str) {
    daemon.tell(&["delete", "pod", name]);
    daemon.tell(&["delete", "pvc", name]);
}

#[test]
fn what_a_claim_holds_is_told_and_kept() {
    let mut daemon = Daemon::prepare();
    daemon.start();
    let folder = filled(&daemon, "kept");
    let described = daemon.tell(&["describe", "pvc", "kept"]);
    assert!(described.contains("Capacity:      8Mi\nUsed:          2Mi\nLimit:"), "{described}");
    delete(&daemon, "kept");
    let volume = folder.file_name().expect("a name").to_str().expect("UTF-8");
    let aside = folder.with_file_name("released").join(format!("default.kept.{volume}"));
    daemon.until("it is put aside", || aside.join("file").exists().then_some(()));
    assert!(!folder.exists());
    let events = daemon.get(&["events"]).to_string();
    assert!(events.contains(&format!("claims/released/default.kept.{volume}")), "{events}");

    let text = "volumes:\n  reclaim: delete\n";
    std::fs::write(daemon.path("config.yaml"), text).expect("a file is written");
    daemon.stop();
    daemon.start();
    let folder = filled(&daemon, "gone");
    delete(&daemon, "gone");
    daemon.until("it is removed", || (!folder.exists()).then_some(()));
    assert!(aside.join("file").exists());
}
