//! What a user types, one command after the other on one cluster: each answers as a cluster's does.

use crate::cluster::Cluster;

/// A command line, what it reads, its exit code, and a part of what it says.
type Row = (&'static str, &'static str, i32, &'static str);

fn check(rows: &[Row]) {
    let cluster = Cluster::start("node1");
    for (line, input, exit, says) in rows {
        let words = ["kubectl"].into_iter().chain(line.split(' ')).map(str::to_owned);
        let answer = cluster.run(&words.collect::<Vec<_>>(), input);
        let said = format!("{}{}", answer.out, answer.error);
        assert_eq!(answer.exit, *exit, "{line}: {said}");
        assert!(said.contains(says), "{line} says {said:?} and not {says:?}");
    }
}

const WAITS_FOR_A_MAP: &str = r#"{"apiVersion": "v1", "kind": "Pod",
    "metadata": {"name": "waits", "labels": {"app": "waits"}},
    "spec": {"containers": [{"name": "main", "image": "x", "command": ["sleep", "100"],
        "env": [{"name": "A",
            "valueFrom": {"configMapKeyRef": {"name": "absent", "key": "a"}}}]}]}}"#;

const RUNS: &str = r#"{"apiVersion": "v1", "kind": "Pod",
    "metadata": {"name": "runs", "labels": {"app": "runs"}},
    "spec": {"terminationGracePeriodSeconds": 1, "containers": [{"name": "main", "image": "x",
        "command": ["sh", "-c", "echo out; exec sleep 100"]}]}}"#;

const TWO_MAPS: &str = r#"{"apiVersion": "v1", "kind": "List", "items": [
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"a": "1"}},
    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "two"}, "data": {"a": "1"}}]}"#;

/// These make objects by themselves and send them as protocol buffers.
#[test]
fn create_makes_what_it_is_told() {
    if !crate::has_kubectl() {
        return;
    }
    check(&[
        ("create configmap c --from-literal=a=1", "", 0, "configmap/c created"),
        ("get configmap c -o jsonpath={.data.a}", "", 0, "1"),
        ("create secret generic s --from-literal=p=x", "", 0, "secret/s created"),
        ("get secret s -o jsonpath={.data.p}", "", 0, "eA=="),
        ("create namespace n", "", 0, "namespace/n created"),
        ("create deployment d --image=x --replicas=0 -- true", "", 0, "deployment.apps/d created"),
        ("get deployment d -o jsonpath={.spec.replicas}", "", 0, "0"),
        ("create service clusterip d --tcp=80:8080", "", 0, "service/d created"),
        ("create cronjob t --image=x --schedule=@yearly -- true", "", 0, "cronjob.batch/t created"),
        ("create job j --from=cronjob/t", "", 0, "job.batch/j created"),
        ("wait --for=condition=complete job/j --timeout=60s", "", 0, "job.batch/j condition met"),
        ("create job j --image=x -- true", "", 1, "\"j\" already exists"),
        ("create job x --image=x --dry-run=server -- true", "", 0, "created (server dry run)"),
        ("get job x", "", 1, "Error from server (NotFound): jobs.batch \"x\" not found"),
    ]);
}

#[test]
fn manifests_are_validated_by_the_server() {
    if !crate::has_kubectl() {
        return;
    }
    check(&[
        ("apply -f -", TWO_MAPS, 0, "configmap/two created"),
        ("apply -f -", TWO_MAPS, 0, "configmap/two unchanged"),
        (
            "create -f -",
            r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "dat": {}}"#,
            1,
            "strict decoding error: unknown field \"dat\"",
        ),
        ("explain configmap", "", 1, "not found in OpenAPI schema"),
    ]);
}

#[test]
fn pods_come_and_go() {
    if !crate::has_kubectl() {
        return;
    }
    check(&[
        ("apply -f -", WAITS_FOR_A_MAP, 0, "pod/waits created"),
        ("get pod waits", "", 0, "CreateContainerConfigError"),
        ("logs waits", "", 1, "is waiting to start: CreateContainerConfigError"),
        ("events --for pod/waits", "", 0, "Error: configmap \"absent\" not found"),
        ("delete pod waits --timeout=60s", "", 0, "pod \"waits\" deleted"),
        ("apply -f -", RUNS, 0, "pod/runs created"),
        ("wait --for=condition=Ready pod/runs --timeout=60s", "", 0, "pod/runs condition met"),
        ("get pods -l app=runs --no-headers", "", 0, "1/1"),
        ("get pods --field-selector=status.phase=Running -o name", "", 0, "pod/runs"),
        ("logs runs --previous", "", 1, "previous terminated container \"main\" in pod \"runs\""),
        ("label pod runs a=b", "", 0, "pod/runs labeled"),
        ("label pod runs a=c", "", 1, "'a' already has a value (b), and --overwrite is false"),
        ("delete pod runs --grace-period=0 --force", "", 0, "pod \"runs\" force deleted"),
        ("wait --for=delete pod/runs --timeout=60s", "", 0, ""),
        ("delete pod runs", "", 1, "Error from server (NotFound): pods \"runs\" not found"),
        ("cordon node1", "", 0, "node/node1 cordoned"),
        ("run late --image=x --restart=Never --command -- true", "", 0, "pod/late created"),
        ("get pod late --no-headers", "", 0, "Pending"),
        ("events --for pod/late", "", 0, "1 node(s) were unschedulable"),
        ("uncordon node1", "", 0, "node/node1 uncordoned"),
        ("wait --for=jsonpath={.status.phase}=Succeeded pod/late", "", 0, "condition met"),
    ]);
}
