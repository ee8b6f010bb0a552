//! Rollouts on a real daemon, by cronlet's own commands: what they print, what their exit codes
//! are, and what comes of it.

mod common;

use common::daemon::Daemon;
use serde_json::{Value, json};

/// A Deployment whose pods are ready at once, unless they are told not to be.
fn deployment(name: &str, replicas: i32, ready: &str) -> String {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "terminationGracePeriodSeconds": 2,
                    "containers": [{
                        "name": "main", "image": "busybox:1.28",
                        "command": ["/bin/sh", "-c", "trap exit TERM; while :; do sleep 0.1; done"],
                        "readinessProbe": {
                            "exec": {"command": [ready]}, "periodSeconds": 1,
                        },
                    }],
                },
            },
        },
    })
    .to_string()
}

fn applied(manifest: &str) -> Daemon {
    let mut daemon = Daemon::prepare();
    daemon.start();
    apply(&daemon, manifest);
    daemon
}

fn apply(daemon: &Daemon, manifest: &str) {
    let path = daemon.path("manifest.json");
    std::fs::write(&path, manifest).expect("a file is written");
    daemon.tell(&["apply", "-f", path.to_str().expect("UTF-8")]);
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}

/// Wanted pods of each ReplicaSet, by revision.
fn sizes(daemon: &Daemon) -> Vec<(String, i64)> {
    let sets = daemon.get(&["rs"]);
    let size = |set: &Value| {
        let revision = &set["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
        let revision = revision.as_str().expect("a revision").to_owned();
        (revision, set["spec"]["replicas"].as_i64().expect("a number"))
    };
    let mut sizes: Vec<_> = sets["items"].as_array().expect("a list").iter().map(size).collect();
    sizes.sort();
    sizes
}

fn finished(daemon: &Daemon) {
    let told = daemon.tell(&["rollout", "status", "deploy/web"]);
    assert_eq!(last_line(&told), "deployment \"web\" successfully rolled out");
}

#[test]
fn a_deployment_is_rolled_out_and_back() {
    let daemon = applied(&deployment("web", 3, "true"));
    finished(&daemon);
    let pods = daemon.get(&["pods"])["items"].as_array().expect("a list").len();
    assert_eq!(pods, 3);
    assert_eq!(
        daemon.tell(&["set", "env", "deploy/web", "V=2"]),
        "deployment.apps/web env updated\n"
    );
    finished(&daemon);
    assert_eq!(sizes(&daemon), [("1".into(), 0), ("2".into(), 3)]);
    assert_eq!(daemon.tell(&["set", "env", "deploy/web", "V=2"]), "", "nothing changes");
    let listed = daemon.tell(&["set", "env", "deploy", "web", "--list"]);
    assert_eq!(listed, "# Deployment web, container main\nV=2\n");
    let history =
        "deployment.apps/web \nREVISION  CHANGE-CAUSE\n1         <none>\n2         <none>\n\n";
    assert_eq!(daemon.tell(&["rollout", "history", "deploy/web"]), history);
    let second = daemon.tell(&["rollout", "history", "deploy/web", "--revision=2"]);
    assert!(
        second.starts_with("deployment.apps/web with revision #2\nPod Template:\n"),
        "{second}"
    );
    assert!(second.contains("V:\t2"), "{second}");
    assert_eq!(
        daemon.tell(&["rollout", "undo", "deploy/web"]),
        "deployment.apps/web rolled back\n"
    );
    finished(&daemon);
    assert_eq!(sizes(&daemon), [("2".into(), 0), ("3".into(), 3)]);
    let undo = daemon.tell(&["rollout", "undo", "deploy/web", "--to-revision=3"]);
    let skipped = "skipped rollback (current template already matches revision 3)";
    assert_eq!(undo, format!("deployment.apps/web {skipped}\n"));
    let unknown = daemon.ask(&["rollout", "undo", "deploy/web", "--to-revision=9"]);
    assert_eq!(unknown.code, 1);
    assert_eq!(unknown.error, "error: unable to find specified revision 9 in history\n");
    let image = daemon.tell(&["set", "image", "deploy/web", "main=busybox:2"]);
    assert_eq!(image, "deployment.apps/web image updated\n");
    let unknown = daemon.ask(&["set", "image", "deploy/web", "side=busybox:2"]);
    assert_eq!(
        (unknown.code, &*unknown.error),
        (1, "error: unable to find container named \"side\"\n")
    );
    finished(&daemon);
    assert_eq!(
        daemon.tell(&["rollout", "restart", "deploy/web"]),
        "deployment.apps/web restarted\n"
    );
    finished(&daemon);
    assert_eq!(
        sizes(&daemon),
        [("2".into(), 0), ("3".into(), 0), ("4".into(), 0), ("5".into(), 3)]
    );
}

#[test]
fn a_deployment_is_scaled() {
    let daemon = applied(&deployment("web", 1, "true"));
    finished(&daemon);
    assert_eq!(
        daemon.tell(&["scale", "deploy/web", "--replicas=3"]),
        "deployment.apps/web scaled\n"
    );
    finished(&daemon);
    assert_eq!(sizes(&daemon), [("1".into(), 3)]);
    let said = daemon.ask(&["scale", "deploy/web", "--replicas=1", "--current-replicas=2"]);
    assert_eq!((said.code, &*said.error), (1, "error: Expected replicas to be 2, was 3\n"));
    daemon.tell(&["scale", "deploy/web", "--replicas=0", "--current-replicas=3"]);
    daemon.until("the pods go", || {
        daemon.get(&["pods"])["items"].as_array().expect("a list").is_empty().then_some(())
    });
    assert_eq!(daemon.ask(&["scale", "pod/web", "--replicas=1"]).code, 2);
    let said = daemon.ask(&["scale", "deploy/none", "--replicas=1"]);
    assert_eq!(said.code, 1);
    assert_eq!(said.error, "Error from server (NotFound): deployments.apps \"none\" not found\n");
}

#[test]
fn a_paused_deployment_waits() {
    let daemon = applied(&deployment("web", 2, "true"));
    finished(&daemon);
    assert_eq!(daemon.tell(&["rollout", "pause", "deploy/web"]), "deployment.apps/web paused\n");
    let again = daemon.ask(&["rollout", "pause", "deploy/web"]);
    assert_eq!(
        (again.code, &*again.error),
        (1, "error: deployments.apps \"web\" is already paused\n")
    );
    daemon.tell(&["set", "env", "deploy/web", "V=2"]);
    let waits = daemon.tell(&["rollout", "status", "deploy/web", "--watch=false"]);
    let words = "0 out of 2 new replicas have been updated...";
    assert_eq!(waits, format!("Waiting for deployment \"web\" rollout to finish: {words}\n"));
    let undo = daemon.ask(&["rollout", "undo", "deploy/web"]);
    assert!(
        undo.code == 1 && undo.error.contains("cannot rollback a paused deployment"),
        "{undo:?}"
    );
    let restart = daemon.ask(&["rollout", "restart", "deploy/web"]);
    assert!(restart.code == 1 && restart.error.contains("can't restart paused"), "{restart:?}");
    assert_eq!(daemon.tell(&["rollout", "resume", "deploy/web"]), "deployment.apps/web resumed\n");
    finished(&daemon);
    assert_eq!(sizes(&daemon), [("1".into(), 0), ("2".into(), 2)]);
    let again = daemon.ask(&["rollout", "resume", "deploy/web"]);
    assert_eq!((again.code, &*again.error), (1, "error: deployments.apps \"web\" is not paused\n"));
}

#[test]
fn a_rollout_that_gets_nowhere_is_told() {
    let daemon = applied(&deployment("web", 2, "true"));
    finished(&daemon);
    let mut stuck: Value = serde_json::from_str(&deployment("web", 2, "false")).expect("JSON");
    stuck["spec"]["progressDeadlineSeconds"] = json!(3);
    apply(&daemon, &stuck.to_string());
    let said = daemon.ask(&["rollout", "status", "deploy/web", "--timeout=0.2s"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(said.error, "error: timed out waiting for the condition\n");
    let said = daemon.ask(&["rollout", "status", "deploy/web"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(said.error, "error: deployment \"web\" exceeded its progress deadline\n");
    daemon.tell(&["rollout", "undo", "deploy/web"]);
    finished(&daemon);
    assert_eq!(sizes(&daemon), [("2".into(), 0), ("3".into(), 2)]);
}

#[test]
fn a_crash_in_the_middle_of_a_rollout_changes_nothing() {
    let mut daemon = applied(&deployment("web", 3, "true"));
    finished(&daemon);
    daemon.tell(&["set", "env", "deploy/web", "V=2"]);
    daemon.kill();
    daemon.start();
    finished(&daemon);
    assert_eq!(sizes(&daemon), [("1".into(), 0), ("2".into(), 3)]);
    daemon.until("the old pods go", || {
        let count = daemon.get(&["pods"])["items"].as_array().expect("a list").len();
        (count == 3).then_some(())
    });
}

#[test]
fn revisions_are_shown_as_objects() {
    let mut set: Value = serde_json::from_str(&deployment("db", 1, "true")).expect("JSON");
    set["kind"] = json!("StatefulSet");
    set["spec"]["serviceName"] = json!("db");
    let daemon = applied(&deployment("web", 1, "true"));
    finished(&daemon);
    apply(&daemon, &set.to_string());
    for kind in ["deploy/web", "sts/db"] {
        daemon.tell(&["set", "env", kind, "V=2"]);
        daemon.tell(&["rollout", "status", kind]);
    }
    let history = |words: &[&str]| daemon.ask(&[&["rollout", "history"], words].concat());
    let sets = history(&["deploy/web", "-o", "name"]).out;
    let sets: Vec<&str> = sets.lines().collect();
    assert!(sets.len() == 2 && sets.iter().all(|set| set.starts_with("replicaset.apps/web-")));
    let names = history(&["sts/db", "-o", "name"]).out;
    assert_eq!(names, "statefulset.apps/db\nstatefulset.apps/db\n");
    let env = |revision: &str| {
        let shown = history(&["sts/db", revision, "-o", "json"]).out;
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        shown["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"].clone()
    };
    assert_eq!((env("--revision=1"), env("--revision=2")), (Value::Null, json!("2")));
    let documents = history(&["sts/db", "-o", "yaml"]).out;
    assert_eq!(documents.lines().filter(|line| *line == "---").count(), 1, "{documents}");
    let unknown = history(&["deploy/web", "-o", "name", "--revision=9"]);
    let words = "error: unable to find the specified revision\n";
    assert_eq!((unknown.code, &*unknown.error), (1, words));
    let tried = daemon.tell(&["rollout", "undo", "deploy/web", "--dry-run=server"]);
    assert_eq!(tried, "deployment.apps/web would be rolled back to revision 1 (dry run)\n");
}

#[test]
fn variables_come_from_config_maps_and_secrets() {
    let daemon = applied(&deployment("web", 1, "true"));
    let data = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "conf"},
        "data": {"log.level": "debug", "mode": "fast"}});
    apply(&daemon, &data.to_string());
    let data = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "word"},
        "stringData": {"pass": "open"}});
    apply(&daemon, &data.to_string());
    let set = |words: &[&str]| daemon.ask(&[&["set", "env", "deploy/web"], words].concat());
    let updated = "deployment.apps/web env updated\n";
    assert_eq!(set(&["--from=configmap/conf", "--prefix=C_"]).out, updated);
    assert_eq!(set(&["--from=secret/word", "A=1"]).out, updated);
    let head = "# Deployment web, container main\n";
    let refers = "# C_LOG_LEVEL from configmap conf, key log.level\n\
                  # C_MODE from configmap conf, key mode\n\
                  A=1\n\
                  # PASS from secret word, key pass\n";
    assert_eq!(set(&["--list"]).out, format!("{head}{refers}"));
    let values = "C_LOG_LEVEL=debug\nC_MODE=fast\nA=1\nPASS=open\n";
    assert_eq!(set(&["--list", "--resolve"]).out, format!("{head}{values}"));
    assert_eq!(set(&["--from=configmap/conf", "--keys=mode"]).out, updated);
    assert!(set(&["--list"]).out.ends_with("# MODE from configmap conf, key mode\n"));
    let refused = |words: &[&str], code: i32, error: &str| {
        let said = set(words);
        assert_eq!((said.code, said.error), (code, format!("{error}\n")), "{words:?}");
    };
    let taken = "error: 'A' already has a value (1), and --overwrite is false";
    refused(&["A=2", "--overwrite=false"], 1, taken);
    let missing = "Error from server (NotFound): configmaps \"none\" not found";
    refused(&["--from=configmap/none"], 1, missing);
    let other = "error: --from: not configmap/NAME or secret/NAME: pod/x";
    refused(&["--from=pod/x"], 2, other);
    assert_eq!(set(&["B=2", "--overwrite=false"]).out, updated);
}

#[test]
fn a_stateful_set_is_rolled_out_and_back() {
    let mut manifest: Value = serde_json::from_str(&deployment("web", 2, "true")).expect("JSON");
    manifest["kind"] = json!("StatefulSet");
    manifest["spec"]["serviceName"] = json!("web");
    let daemon = applied(&manifest.to_string());
    let finished = |revision: &str| {
        let told = daemon.tell(&["rollout", "status", "sts/web"]);
        let line = last_line(&told).to_owned();
        assert!(line.contains(revision), "{line}");
    };
    finished("2 new pods have been updated...");
    daemon.tell(&["set", "env", "sts/web", "V=2"]);
    finished("2 new pods have been updated...");
    let history = daemon.tell(&["rollout", "history", "sts/web"]);
    assert_eq!(
        history,
        "statefulset.apps/web \nREVISION  CHANGE-CAUSE\n1         <none>\n2         <none>\n\n"
    );
    assert_eq!(daemon.tell(&["rollout", "undo", "sts/web"]), "statefulset.apps/web rolled back\n");
    finished("2 new pods have been updated...");
    let env = daemon.get(&["pod", "web-0"])["spec"]["containers"][0]["env"].clone();
    assert_eq!(env, Value::Null);
    let pause = daemon.ask(&["rollout", "pause", "sts/web"]);
    assert_eq!(pause.error, "error: statefulsets.apps \"web\" pausing is not supported\n");
}

#[test]
fn top_tells_what_pods_use() {
    let busy = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "busy", "labels": {"app": "x"}},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {"name": "busy", "image": "x", "command": ["/bin/sh", "-c", "while :; do :; done"]},
                {"name": "idle", "image": "x", "command": ["/bin/sleep", "1000"]},
            ],
        },
    });
    let daemon = applied(&busy.to_string());
    daemon.until("both containers run", || {
        let pod = daemon.get(&["pod", "busy"]);
        (pod["status"]["phase"] == "Running").then_some(())
    });
    let table = daemon.tell(&["top", "pods"]);
    let head = "NAME   CPU(cores)   MEMORY(bytes)   ";
    assert_eq!(table.lines().next(), Some(head));
    let cells = |line: &str| -> (String, i64) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let cpu = words[words.len() - 2].strip_suffix('m').expect("millicores");
        (words[words.len() - 3].to_owned(), cpu.parse().expect("a number"))
    };
    let (name, cpu) = cells(last_line(&table));
    assert!(name == "busy" && cpu > 0, "{table}");
    let each = daemon.tell(&["top", "pods", "busy", "--containers", "--sort-by=cpu"]);
    let lines: Vec<&str> = each.lines().collect();
    assert_eq!(lines.len(), 3, "{each}");
    assert_eq!((cells(lines[1]).0, cells(lines[2]).0), ("busy".into(), "idle".into()), "{each}");
    assert!(cells(lines[2]).1 < cells(lines[1]).1, "{each}");
    let none = daemon.ask(&["top", "pods", "-l", "app=y"]);
    assert_eq!((none.code, &*none.error), (0, "No resources found in default namespace.\n"));
    let unknown = daemon.ask(&["top", "pods", "nobody"]);
    assert_eq!(unknown.code, 1);
    assert_eq!(unknown.error, "Error from server (NotFound): pods \"nobody\" not found\n");
}

#[test]
fn the_host_is_a_node_in_top_and_describe() {
    let daemon = Daemon::start_with(&[]);
    let name = daemon.until("this host is a Node", || {
        let names = daemon.tell(&["get", "nodes", "-o", "name"]);
        names.trim().strip_prefix("node/").map(str::to_owned)
    });
    let name = name.as_str();
    let table = daemon.tell(&["top", "nodes"]);
    let head: Vec<&str> = table.lines().next().expect("a head").split_whitespace().collect();
    assert_eq!(head, ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"]);
    let cells: Vec<&str> = last_line(&table).split_whitespace().collect();
    let number = |cell: &str, unit: &str| -> u64 {
        cell.strip_suffix(unit).and_then(|digits| digits.parse().ok()).expect("a number")
    };
    let [is, cpu, cpu_share, memory, memory_share] = cells[..] else { panic!("{table}") };
    assert_eq!(is, name);
    assert!(number(memory, "Mi") > 0, "{table}");
    // A host may have done next to nothing, and more is rounded up.
    let _ = [number(cpu, "m"), number(cpu_share, "%"), number(memory_share, "%")];
    let one = daemon.tell(&["top", "node", name, "--no-headers"]);
    assert_eq!(one.lines().count(), 1, "{one}");
    let unknown = daemon.ask(&["top", "node", "nobody"]);
    assert_eq!(unknown.error, "Error from server (NotFound): nodes \"nobody\" not found\n");
    let page = daemon.tell(&["describe", "node", name]);
    for words in ["\nNon-terminated Pods:          (0 in total)\n", "\n  Ready   True "] {
        assert!(page.contains(words), "{words} is not in {page}");
    }
}
