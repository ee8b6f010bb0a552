//! What is described, beside the words of kubectl 1.36 for the same objects.

use super::*;
use serde_json::{Value, json};

fn read(mut value: Value) -> Object {
    let (version, kind) = (value["apiVersion"].clone(), value["kind"].clone());
    let words = (version.as_str().expect("a version"), kind.as_str().expect("a kind"));
    let kind = Kind::ALL.iter().copied().find(|one| {
        let info = one.info();
        info.kind == words.1 && info.api_version() == words.0
    });
    if value["metadata"]["namespace"].is_null() {
        value["metadata"]["namespace"] = "default".into();
    }
    kind.expect("a known kind").deserialize(value).expect("an object")
}

fn check(object: Value, related: Value, want: &str) {
    check_with(object, related, None, want);
}

fn check_with(object: Value, related: Value, usage: Option<ClaimUsage>, want: &str) {
    let related: Vec<Object> =
        related.as_array().expect("a list").iter().cloned().map(read).collect();
    let text = described(&read(object), &related, &[], usage);
    // A line may end with the blanks of a column.
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let wanted: Vec<&str> = want.lines().map(str::trim_end).collect();
    assert_eq!(lines.join("\n"), wanted.join("\n"));
}

/// Owned by the object of that uid.
fn owned(mut object: Value, uid: &str) -> Value {
    object["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "X", "name": "x", "uid": uid, "controller": true}]);
    object
}

fn template(app: &str) -> Value {
    let script = "trap exit TERM; while :; do sleep 0.2; done";
    json!({
        "metadata": {"labels": {"app": app}},
        "spec": {"containers": [{
            "name": "main", "image": "busybox:1.28", "command": ["/bin/sh", "-c", script],
        }]},
    })
}

const TEMPLATE: &str = "\
Pod Template:
  Labels:  app=st
  Containers:
   main:
    Image:      busybox:1.28
    Port:       <none>
    Host Port:  <none>
    Command:
      /bin/sh
      -c
      trap exit TERM; while :; do sleep 0.2; done
    Environment:   <none>
    Mounts:        <none>
  Volumes:         <none>
  Node-Selectors:  <none>
  Tolerations:     <none>
";

fn pod(name: &str, phase: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": spec, "status": {"phase": phase},
    })
}

/// As recorded in `deploy-stuck.jsonl`.
#[test]
fn a_deployment_and_its_sets() {
    let set = |name: &str, hash: &str, image: &str, replicas: u32| {
        let mut template = template("st");
        template["metadata"]["labels"]["pod-template-hash"] = hash.into();
        template["spec"]["containers"][0]["image"] = image.into();
        let set = json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name},
            "spec": {"replicas": replicas, "selector": {}, "template": template},
            "status": {"replicas": replicas},
        });
        owned(set, "d1")
    };
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "st", "uid": "d1", "creationTimestamp": "2026-11-23T11:08:15Z",
            "annotations": {"deployment.kubernetes.io/revision": "2"},
        },
        "spec": {
            "replicas": 3, "selector": {"matchLabels": {"app": "st"}}, "template": template("st"),
            "strategy": {"type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
        },
        "status": {
            "updatedReplicas": 1, "replicas": 4, "availableReplicas": 3, "unavailableReplicas": 1,
            "conditions": [
                {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
                {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"},
            ],
        },
    });
    let foreign = owned(set("other", "x", "busybox:1.28", 1), "d2");
    let related = json!([
        foreign,
        set("st-5fcff847dc", "5fcff847dc", "busybox:1.28", 1),
        set("st-656d7f7648", "656d7f7648", "old", 3),
    ]);
    let head = "\
Name:                   st
Namespace:              default
CreationTimestamp:      Mon, 23 Nov 2026 11:08:15 +0000
Labels:                 <none>
Annotations:            deployment.kubernetes.io/revision: 2
Selector:               app=st
Replicas:               3 desired | 1 updated | 4 total | 3 available | 1 unavailable
StrategyType:           RollingUpdate
MinReadySeconds:        0
RollingUpdateStrategy:  25% max unavailable, 25% max surge
";
    let rest = "\
Conditions:
  Type           Status  Reason
  ----           ------  ------
  Available      True    MinimumReplicasAvailable
  Progressing    False   ProgressDeadlineExceeded
OldReplicaSets:  st-656d7f7648 (3/3 replicas created)
NewReplicaSet:   st-5fcff847dc (1/1 replicas created)
Events:          <none>
";
    check(deployment, related, &[head, TEMPLATE, rest].concat());
}

#[test]
fn a_replica_set_and_its_pods() {
    let set = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": "st", "uid": "r1", "labels": {"app": "st"}},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "st"}},
            "template": template("st")},
        "status": {"replicas": 2, "conditions": [
            {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}]},
    });
    let pods = json!([
        owned(pod("a", "Running", json!({"containers": []})), "r1"),
        owned(pod("b", "Pending", json!({"containers": []})), "r1"),
        pod("c", "Running", json!({"containers": []})),
    ]);
    let head = "\
Name:           st
Namespace:      default
Selector:       app=st
Labels:         app=st
Annotations:    <none>
Controlled By:  X/x
Replicas:       2 current / 3 desired
Pods Status:    1 Running / 1 Waiting / 0 Succeeded / 0 Failed
";
    let rest = "\
Conditions:
  Type             Status  Reason
  ----             ------  ------
  ReplicaFailure   True    FailedCreate
Events:            <none>
";
    check(owned(set, "d1"), pods, &[head, TEMPLATE, rest].concat());
}

#[test]
fn a_stateful_set_and_its_claims() {
    let set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "st", "uid": "s1", "creationTimestamp": "2026-11-23T11:08:15Z"},
        "spec": {
            "replicas": 2, "selector": {"matchLabels": {"app": "st"}}, "template": template("st"),
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}},
            "volumeClaimTemplates": [{
                "metadata": {"name": "data"},
                "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
                    "resources": {"requests": {"storage": "1Gi"}}},
            }],
        },
        "status": {"replicas": 1},
    });
    let pods = json!([owned(pod("st-0", "Failed", json!({"containers": []})), "s1")]);
    let head = "\
Name:               st
Namespace:          default
CreationTimestamp:  Mon, 23 Nov 2026 11:08:15 +0000
Selector:           app=st
Labels:             <none>
Annotations:        <none>
Replicas:           2 desired | 1 total
Update Strategy:    RollingUpdate
  Partition:        1
Pods Status:        0 Running / 0 Waiting / 0 Succeeded / 1 Failed
";
    let rest = "\
Volume Claims:
  Name:          data
  StorageClass:  fast
  Labels:        <none>
  Annotations:   <none>
  Capacity:      1Gi
  Access Modes:  [ReadWriteOnce]
Events:          <none>
";
    check(set, pods, &[head, TEMPLATE, rest].concat());
}

#[test]
fn a_daemon_set_and_its_counts() {
    let mut template = template("st");
    template["spec"]["nodeSelector"] = json!({"disk": "ssd"});
    let set = json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "st", "uid": "s1"},
        "spec": {"selector": {"matchLabels": {"app": "st"}}, "template": template},
        "status": {
            "desiredNumberScheduled": 1, "currentNumberScheduled": 1, "updatedNumberScheduled": 1,
            "numberAvailable": 0, "numberMisscheduled": 0, "numberReady": 0,
        },
    });
    let pods = json!([owned(pod("st-x", "Running", json!({"containers": []})), "s1")]);
    let head = "\
Name:           st
Namespace:      default
Selector:       app=st
Node-Selector:  disk=ssd
Labels:         <none>
Annotations:    <none>
Desired Number of Nodes Scheduled: 1
Current Number of Nodes Scheduled: 1
Number of Nodes Scheduled with Up-to-date Pods: 1
Number of Nodes Scheduled with Available Pods: 0
Number of Nodes Misscheduled: 0
Pods Status:  1 Running / 0 Waiting / 0 Succeeded / 0 Failed
";
    let template = TEMPLATE.replace("Node-Selectors:  <none>", "Node-Selectors:  disk=ssd");
    check(set, pods, &[head, &template, "Events:            <none>\n"].concat());
}

#[test]
fn a_claim_and_who_uses_it() {
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "finalizers": ["kubernetes.io/pvc-protection"]},
        "spec": {"accessModes": ["ReadWriteOnce"], "volumeName": "pvc-1",
            "volumeMode": "Filesystem",
            "storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}},
        "status": {"phase": "Bound", "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "2Gi"}},
    });
    let with = |claim: &str| {
        let source = json!({"name": "v", "persistentVolumeClaim": {"claimName": claim}});
        json!({"containers": [], "volumes": [source]})
    };
    let pods = json!([
        pod("b", "Running", with("data")),
        pod("a", "Running", with("data")),
        pod("c", "Running", with("other")),
    ]);
    let want = "\
Name:          data
Namespace:     default
StorageClass:  fast
Status:        Bound
Volume:        pvc-1
Labels:        <none>
Annotations:   <none>
Finalizers:    [kubernetes.io/pvc-protection]
Capacity:      2Gi
Access Modes:  RWO
VolumeMode:    Filesystem
Used By:       a
               b
Events:        <none>
";
    check(claim.clone(), pods.clone(), want);
    let used = |used_bytes: u64, limit_bytes: Option<u64>, words: &str| {
        let want = want.replace("2Gi\n", &format!("2Gi\n{words}"));
        check_with(
            claim.clone(),
            pods.clone(),
            Some(ClaimUsage { used_bytes, limit_bytes }),
            &want,
        );
    };
    used(1_600_000_000, Some(2 << 30), "Used:          1.5Gi\nLimit:         2Gi\n");
    let nothing = "Limit:         <none> (the file system has no project quotas)\n";
    used(20_480, None, &format!("Used:          20Ki\n{nothing}"));
    let mut unbound = claim;
    unbound["spec"]["volumeName"] = "".into();
    unbound["status"] = json!({"phase": "Pending"});
    let want = want.replace("Bound", "Pending").replace("pvc-1", "").replace("2Gi", "");
    let want = want.replace("RWO", "").replace("a\n               b", "<none>");
    check(unbound, json!([]), &want);
}

#[test]
fn a_persistent_volume_and_its_source() {
    let here = json!([{"key": "kubernetes.io/hostname", "operator": "In", "values": ["a", "b"]}]);
    check(
        json!({
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": "disk", "labels": {"type": "local"},
                "finalizers": ["kubernetes.io/pv-protection"]},
            "spec": {"storageClassName": "manual", "capacity": {"storage": "1Gi"},
                "accessModes": ["ReadWriteOnce"], "volumeMode": "Filesystem",
                "persistentVolumeReclaimPolicy": "Retain", "local": {"path": "/mnt/disk"},
                "claimRef": {"name": "c", "namespace": "default"},
                "nodeAffinity": {"required":
                    {"nodeSelectorTerms": [{"matchExpressions": here}]}}},
            "status": {"phase": "Bound"},
        }),
        json!([]),
        "\
Name:              disk
Labels:            type=local
Annotations:       <none>
Finalizers:        [kubernetes.io/pv-protection]
StorageClass:      manual
Status:            Bound
Claim:             default/c
Reclaim Policy:    Retain
Access Modes:      RWO
VolumeMode:        Filesystem
Capacity:          1Gi
Node Affinity:
  Required Terms:
    Term 0:        kubernetes.io/hostname in [a, b]
Message:
Source:
    Type:  LocalVolume (a persistent volume backed by local storage on a node)
    Path:  /mnt/disk
Events:    <none>
",
    );
}

#[test]
fn a_node_and_its_pods() {
    let node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": "n", "creationTimestamp": "2026-11-23T11:08:15Z",
            "labels": {"node-role.kubernetes.io/worker": ""}},
        "spec": {"taints": [{"key": "b", "effect": "NoSchedule"},
            {"key": "a", "value": "1", "effect": "NoSchedule"}]},
        "status": {
            "capacity": {"cpu": "4", "memory": "8Gi"},
            "allocatable": {"cpu": "2", "memory": "4Gi"},
            "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady",
                "message": "fine", "lastHeartbeatTime": "2026-11-23T11:08:15Z",
                "lastTransitionTime": "2026-11-23T11:08:16Z"}],
            "nodeInfo": {"machineID": "m", "systemUUID": "u", "bootID": "b", "kernelVersion": "6.1",
                "osImage": "Debian", "operatingSystem": "linux", "architecture": "amd64",
                "containerRuntimeVersion": "process://1", "kubeletVersion": "v1.36.0",
                "kubeProxyVersion": ""},
        },
    });
    let asks = json!({"containers": [{"name": "c", "resources": {
        "requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "1"}}}]});
    let pods = json!([pod("p", "Running", asks.clone()), pod("done", "Succeeded", asks)]);
    check(node, pods, NODE);
}

const NODE: &str = "\
Name:               n
Roles:              worker
Labels:             node-role.kubernetes.io/worker=
Annotations:        <none>
CreationTimestamp:  Mon, 23 Nov 2026 11:08:15 +0000
Taints:             a=1:NoSchedule
                    b:NoSchedule
Unschedulable:      false
Conditions:
  Type    Status  LastHeartbeatTime                 LastTransitionTime                \
Reason         Message
  ----    ------  -----------------                 ------------------                \
------         -------
  Ready   True    Mon, 23 Nov 2026 11:08:15 +0000   Mon, 23 Nov 2026 11:08:16 +0000   \
KubeletReady   fine
Addresses:
  InternalIP:  10.0.0.1
Capacity:
  cpu:     4
  memory:  8Gi
Allocatable:
  cpu:     2
  memory:  4Gi
System Info:
  Machine ID:                 m
  System UUID:                u
  Boot ID:                    b
  Kernel Version:             6.1
  OS Image:                   Debian
  Operating System:           linux
  Architecture:               amd64
  Container Runtime Version:  process://1
  Kubelet Version:            v1.36.0
  Kube-Proxy Version:
Non-terminated Pods:          (1 in total)
  Namespace                   Name    CPU Requests  CPU Limits  Memory Requests  Memory Limits  Age
  ---------                   ----    ------------  ----------  ---------------  -------------  ---
  default                     p       500m (25%)    1 (50%)     1Gi (25%)        0 (0%)         \
<unknown>
Allocated resources:
  (Total limits may be over 100 percent, i.e., overcommitted.)
  Resource           Requests    Limits
  --------           --------    ------
  cpu                500m (25%)  1 (50%)
  memory             1Gi (25%)   0 (0%)
  ephemeral-storage  0 (0%)      0 (0%)
Events:              <none>
";
