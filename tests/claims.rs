//! Volumes on a real daemon: what claims hold is told, outlives them unless the configuration says
//! otherwise, and is limited where the file system can; mounted files follow their objects.

mod common;

use common::daemon::Daemon;
use common::virtual_machine;
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

#[test]
fn a_claim_grows_with_its_manifest() {
    let text = |size: &str| manifests("grows", 1).replace("8Mi", size);
    let daemon = Daemon::start_with(&[("claim.yaml", &text("8Mi"))]);
    let capacity = || daemon.get(&["pvc", "grows"])["status"]["capacity"]["storage"].clone();
    daemon.until("it is bound", || (capacity() == "8Mi").then_some(()));
    daemon.write_job("claim.yaml", &text("24Mi"));
    daemon.until("it has grown", || (capacity() == "24Mi").then_some(()));
    daemon.write_job("claim.yaml", &text("4Mi"));
    let refusal = "field can not be less than status.capacity";
    daemon.until("it is refused", || daemon.log().contains(refusal).then_some(()));
    assert_eq!(capacity(), "24Mi");
}

#[test]
fn a_pod_sees_what_a_persistent_volume_holds() {
    let daemon = Daemon::start_with(&[]);
    let data = daemon.path("data");
    std::fs::create_dir(&data).expect("a folder");
    std::fs::write(data.join("db.txt"), "of the host").expect("a file");
    let spec = json!({"storageClassName": "manual", "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"}, "hostPath": {"path": data, "type": "Directory"}});
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": "pg"}, "spec": spec});
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "pg"}, "spec": {"storageClassName": "manual", "volumeName": "pg",
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    let script = "cat /data/db.txt > /data/seen";
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pg"}, "spec": {
        "restartPolicy": "Never", "containers": [{"name": "c", "image": "b",
            "command": ["sh", "-c", script],
            "volumeMounts": [{"name": "d", "mountPath": "/data"}]}],
        "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "pg"}}]}});
    daemon.write_job("pg.yaml", &format!("{pod}\n---\n{claim}\n---\n{volume}\n"));
    let seen = || std::fs::read_to_string(data.join("seen")).ok();
    daemon.until("the pod sees it", || seen().filter(|text| text == "of the host"));
    let table = daemon.tell(&["get", "pv"]);
    assert!(table.contains("1Gi        RWO            Retain           Bound"), "{table}");
    assert!(table.contains("default/pg   manual"), "{table}");
    let described = daemon.tell(&["describe", "pv", "pg"]);
    let source = format!(
        "Type:          HostPath (bare host directory volume)\n    Path:          {}",
        data.display()
    );
    assert!(described.contains(&source), "{described}");
    daemon.remove_job("pg.yaml");
    daemon.until("both are gone", || {
        let left = daemon.tell(&["get", "pv"]) + &daemon.tell(&["get", "pvc"]);
        (!left.contains("pg ")).then_some(())
    });
    assert!(data.join("db.txt").exists(), "what a volume holds stays");
}

#[test]
fn mounted_files_follow_their_objects() {
    let text = |value: &str, optional: &str| {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "live"},
            "data": {"a": value}});
        let late = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": optional},
            "stringData": {"late": value}});
        let script = "while :; do echo \"whole=$(cat /cm/a) part=$(cat /part/a) \
                      late=$(cat /late/late)\" > /seen/next; mv /seen/next /seen/now; \
                      sleep 0.05; done";
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "live"}, "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "c", "image": "b", "command": ["sh", "-c", script],
                "volumeMounts": [{"name": "v", "mountPath": "/cm"},
                    {"name": "v", "mountPath": "/part/a", "subPath": "a"},
                    {"name": "late", "mountPath": "/late"}, {"name": "seen", "mountPath": "/seen"}]
            }],
            "volumes": [{"name": "v", "configMap": {"name": "live"}},
                {"name": "late", "secret": {"secretName": "late", "optional": true}},
                {"name": "seen", "emptyDir": {}}]}});
        format!("{map}\n---\n{late}\n---\n{pod}\n")
    };
    let mut daemon = Daemon::start_with(&[("live.yaml", &text("1", "other"))]);
    let seen = |daemon: &Daemon, want: &str| {
        daemon.until(want, || {
            let uid = daemon.get(&["pod", "live"])["metadata"]["uid"].clone();
            let pods = daemon.path("state").join("pods");
            let folder = pods.join(uid.as_str()?).join("volumes/seen/now");
            (std::fs::read_to_string(folder).ok()?.trim_end() == want).then_some(())
        });
    };
    seen(&daemon, "whole=1 part=1 late=");
    daemon.write_job("live.yaml", &text("2", "late"));
    seen(&daemon, "whole=2 part=1 late=2");
    // While no daemon is there the program sees what was; the next one catches up.
    daemon.stop();
    daemon.write_job("live.yaml", &text("3", "late"));
    daemon.start();
    seen(&daemon, "whole=3 part=1 late=3");
    assert_eq!(daemon.get(&["pod", "live"])["status"]["containerStatuses"][0]["restartCount"], 0);
}

/// On a disk that counts, and a host that has a name which no Node may have: a pod writes more than
/// its claim, and once more when the claim is larger.
const TRY: &str = r#"
hostname Build_Box
export CRONLET_SOCKET=/run/socket
cronlet run /files/none --state /state/cronlet > /run/log 2>&1 &
until cronlet version > /run/version 2> /run/error && [ -S /run/socket ]; do sleep 0.1; done
for size in small large; do
    cronlet apply -f /files/$size.yaml
    until cronlet get pod data -o json | grep -E '"phase": "(Failed|Succeeded)"'; do
        sleep 0.1
    done
    stat -c '%s bytes' /state/cronlet/claims/*/file
    cronlet describe pvc data | grep Limit
    cronlet delete pod data
done
"#;

#[test]
fn a_claim_is_held_to_its_size_where_the_file_system_counts() {
    if !common::has(&virtual_machine::needs()) {
        return;
    }
    let small = manifests("data", 16 << 10);
    let large = small.replace("8Mi", "24Mi");
    let files = [("small.yaml", small.as_bytes()), ("large.yaml", large.as_bytes())];
    let said = virtual_machine::run(TRY, &files);
    let wanted = |line: &&str| !line.contains("ed") || line.contains("phase");
    let lines: Vec<&str> = said.lines().map(str::trim).filter(wanted).collect();
    assert_eq!(lines[0], "\"phase\": \"Failed\",", "{said}");
    let (bytes, _) = lines[1].split_once(' ').expect("a number of bytes");
    let bytes: u64 = bytes.parse().expect("a number");
    assert!((7 << 20..8 << 20).contains(&bytes), "{said}");
    let large = ["\"phase\": \"Succeeded\",", "16777216 bytes", "Limit:         24Mi"];
    assert_eq!(lines[2..], [&["Limit:         8Mi"][..], &large].concat(), "{said}");
}
