//! The API over its socket: Kubernetes' shapes, codes and rules, and that no bytes break it.

mod fuzz;
mod protobuf;
// Shared with the tests of the commands.
#[allow(dead_code)]
mod server;

use cronlet_api::settings::Settings;
use cronlet_engine::Event;
use cronlet_plan::order::{ContainerEvent, Report};
use serde_json::{Value, json};
use server::Server;

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const CRON_JOBS: &str = "/apis/batch/v1/namespaces/default/cronjobs";

/// As kubectl asks.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

fn config_map(name: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": name, "labels": { "app": name } }, "data": { "key": value },
    })
}

fn cron_job(name: &str) -> Value {
    let container = json!({ "name": "main", "image": "x", "command": ["true"] });
    let pod = json!({ "restartPolicy": "Never", "containers": [container] });
    json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": name },
        "spec": {
            "schedule": "0 0 1 1 *",
            "jobTemplate": { "spec": { "template": { "spec": pod } } },
        },
    })
}

#[test]
fn discovery_names_every_kind() {
    let server = Server::start();
    assert_eq!(server.get("/readyz").text(), "ok");
    assert_eq!(server.get("/version").json()["major"], "1");
    assert_eq!(server.get("/api").json()["versions"], json!(["v1"]));
    let groups = server.get("/apis").json()["groups"].clone();
    assert_eq!([&groups[0]["name"], &groups[1]["name"]], ["apps", "batch"]);
    assert_eq!(server.get("/apis/batch").json()["kind"], "APIGroup");
    for kind in cronlet_api::kind::Kind::ALL {
        let info = kind.info();
        let path = match info.group {
            "" => "/api/v1".to_owned(),
            group => format!("/apis/{group}/v1"),
        };
        let resources = server.get(&path).json();
        let all = resources["resources"].as_array().expect("a list");
        let found = all.iter().find(|one| one["name"] == info.plural).expect("the kind");
        assert_eq!(found["kind"], info.kind);
        assert_eq!(found["namespaced"], !info.is_cluster_scoped);
        let status = format!("{}/status", info.plural);
        assert_eq!(all.iter().any(|one| one["name"] == *status), info.has_status, "{status}");
    }
}

/// kubectl sends a manifest to a server that validates fields itself, and to no other unless it has
/// validated them.
#[test]
fn the_description_says_that_fields_are_validated_here() {
    let server = Server::start();
    for kind in cronlet_api::kind::Kind::ALL {
        let info = kind.info();
        let at = match info.group {
            "" => "api/v1".to_owned(),
            group => format!("apis/{group}/v1"),
        };
        let index = server.get("/openapi/v3").json();
        let url = index["paths"][&at]["serverRelativeURL"].as_str().expect("a URL").to_owned();
        let paths = server.get(&url).json()["paths"].clone();
        let mut patches = paths.as_object().expect("paths").values().map(|path| &path["patch"]);
        let own = json!({"group": info.group, "version": "v1", "kind": info.kind});
        let patch = patches.find(|patch| patch["x-kubernetes-group-version-kind"] == own);
        let parameters = patch.expect("the kind")["parameters"].as_array().expect("a list");
        assert!(parameters.iter().any(|one| one["name"] == "fieldValidation"), "{at}");
    }
    let binary = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
    let second = server.accept(binary, "/openapi/v2");
    assert_eq!((second.code, &second.body[..5]), (200, &b"\n\x032.0"[..]));
    assert_eq!(server.get("/openapi/v2").json()["swagger"], "2.0");
}

/// As recorded: a deletion is a change that is asked for, and nothing waits for what does not run.
#[test]
fn a_deletion_is_a_new_generation_and_waits_for_what_runs() {
    let server = Server::start();
    let pods = "/api/v1/namespaces/default/pods";
    let pod = |name: &str, env: Value| {
        let container = json!({"name": "main", "image": "x", "command": ["true"], "env": env});
        let made = server.post(
            pods,
            &json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec":
                {"terminationGracePeriodSeconds": 7, "containers": [container]}}),
        );
        assert_eq!(made.code, 201, "{}", made.text());
        format!("{pods}/{name}")
    };
    let delete = |path: &str, options: &str| {
        let gone = server.send("DELETE", path, "application/json", options.as_bytes());
        let meta = gone.json()["metadata"].clone();
        [meta["generation"].clone(), meta["deletionGracePeriodSeconds"].clone()]
    };
    let runs = pod("runs", json!([]));
    assert_eq!(delete(&runs, ""), [2, 7]);
    assert_eq!(delete(&runs, r#"{"gracePeriodSeconds": 3}"#), [2, 3]);
    let foreground = pod("foreground", json!([]));
    assert_eq!(delete(&foreground, r#"{"propagationPolicy": "Foreground"}"#), [2, 7]);
    let ended = pod("ended", json!([]));
    let mut object = server.get(&ended).json();
    object["status"] = json!({"phase": "Succeeded"});
    let body = object.to_string();
    let put = server.send("PUT", &format!("{ended}/status"), "application/json", body.as_bytes());
    assert_eq!(put.code, 200, "{}", put.text());
    assert_eq!(delete(&ended, ""), [2, 0]);
    let absent = json!({"configMapKeyRef": {"name": "absent", "key": "a"}});
    let waits = pod("waits", json!([{"name": "A", "valueFrom": absent}]));
    let pod_uid = server.get(&waits).json()["metadata"]["uid"].as_str().expect("a uid").to_owned();
    assert_eq!(delete(&waits, ""), [2, 7]);
    let state = &server.get(&waits).json()["status"]["containerStatuses"][0]["state"];
    assert_eq!(state["terminated"]["reason"], "ContainerStatusUnknown");
    let (container, attempt, event) = (String::new(), 0, ContainerEvent::Cleaned);
    server.happens(Event::Report(Report { pod_uid, container, attempt, event }));
    // What only ends may be committed with what is asked for next.
    pod("next", json!([]));
    assert_eq!(server.get(&waits).code, 404);
}

/// A pod that a port keeps waiting takes no place among the `limits.runs`.
#[test]
fn who_waits_for_a_port_holds_up_no_other() {
    let server = Server::start();
    let mut settings = Settings::default();
    settings.limits.runs = Some(1);
    server.happens(Event::Settings(Box::new(settings)));
    let spec = |ports: Value| {
        let container = json!({"name": "main", "image": "x", "command": ["true"], "ports": ports});
        json!({"restartPolicy": "Never", "containers": [container]})
    };
    let port = || json!([{"containerPort": 80, "hostPort": 80}]);
    let make = |path: &str, object: Value| {
        let made = server.post(path, &object);
        assert_eq!(made.code, 201, "{}", made.text());
    };
    let pods = "/api/v1/namespaces/default/pods";
    let meta = |name: &str| json!({"name": name});
    make(
        pods,
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta("holder"),
            "spec": spec(port())}),
    );
    for (name, ports) in [("blocked", port()), ("runs", json!([])), ("next", json!([]))] {
        make(
            "/apis/batch/v1/namespaces/default/jobs",
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": meta(name), "spec":
                {"template": {"spec": spec(ports)}}}),
        );
    }
    let pod = |job: &str| {
        let list = server.get(&format!("{pods}?labelSelector=job-name%3D{job}")).json();
        list["items"][0].clone()
    };
    let node = |job: &str| pod(job)["spec"]["nodeName"].clone();
    assert_eq!(
        ["blocked", "runs", "next"].map(node),
        [json!(null), json!("localhost"), json!(null)]
    );
    let mut ended = pod("runs");
    ended["status"] = json!({"phase": "Succeeded"});
    let path = format!("{pods}/{}/status", ended["metadata"]["name"].as_str().expect("a name"));
    let put = server.send("PUT", &path, "application/json", ended.to_string().as_bytes());
    assert_eq!(put.code, 200, "{}", put.text());
    assert_eq!(["blocked", "next"].map(node), [json!(null), json!("localhost")]);
}

#[test]
fn what_has_no_namespace() {
    let server = Server::start();
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    let created = server.post("/api/v1/namespaces", &namespace);
    assert_eq!(created.code, 201, "{}", created.text());
    assert_eq!(created.json()["metadata"]["namespace"], Value::Null);
    assert_eq!(server.post("/api/v1/namespaces", &namespace).code, 409);
    assert_eq!(server.get("/api/v1/namespaces/shop").json()["status"]["phase"], "Active");
    let list = server.get("/api/v1/namespaces").json();
    let names =
        list["items"].as_array().expect("a list").iter().map(|one| &one["metadata"]["name"]);
    assert!(names.clone().any(|name| name == "shop"), "{list}");
    assert_eq!(server.get("/api/v1/namespaces/shop/namespaces").code, 404);
    assert_eq!(server.get("/api/v1/configmaps/x").code, 404);
}

#[test]
fn a_namespace_is_made_for_what_comes_and_takes_it_along() {
    let server = Server::start();
    let held = |name: &str, finalizers: Value| {
        let mut map = config_map(name, "1");
        map["metadata"] = json!({"name": name, "finalizers": finalizers});
        server.post("/api/v1/namespaces/lab/configmaps", &map)
    };
    let delete = |path: &str| server.send("DELETE", path, "", b"");
    assert_eq!(server.get("/api/v1/namespaces/lab").code, 404);
    assert_eq!(held("free", json!([])).code, 201);
    assert_eq!(held("held", json!(["example.com/mine"])).code, 201);
    assert_eq!(server.get("/api/v1/namespaces/lab").json()["status"]["phase"], "Active");

    assert_eq!(delete("/api/v1/namespaces/lab").code, 200);
    assert_eq!(server.get("/api/v1/namespaces/lab").json()["status"]["phase"], "Terminating");
    assert_eq!(server.get("/api/v1/namespaces/lab/configmaps/free").code, 404);
    let late = held("late", json!([]));
    assert_eq!((late.code, &late.json()["reason"]), (403, &json!("Forbidden")));
    let freed = json!({"metadata": {"finalizers": null}}).to_string();
    let held = "/api/v1/namespaces/lab/configmaps/held";
    let patched = server.send("PATCH", held, "application/merge-patch+json", freed.as_bytes());
    assert_eq!(patched.code, 200, "{}", patched.text());
    assert_eq!(server.get("/api/v1/namespaces/lab").code, 404);

    assert_eq!(delete("/api/v1/namespaces/default").code, 403);
}

#[test]
fn this_host_is_a_node() {
    let server = Server::start();
    server.post(CRON_JOBS, &cron_job("nightly"));
    let settings = Settings { host_cpu_millis: 2500, ..Settings::default() };
    let path = "/api/v1/nodes/localhost";
    assert_eq!(server.get(path).json()["status"]["capacity"]["cpu"], "1");
    let label = json!({"metadata": {"labels": {"disk": "ssd"}}}).to_string();
    let patched = server.send("PATCH", path, "application/merge-patch+json", label.as_bytes());
    assert_eq!(patched.code, 200, "{}", patched.text());
    server.happens(Event::Settings(Box::new(settings)));
    let node = server.get(path).json();
    assert_eq!(node["status"]["capacity"]["cpu"], "2500m");
    assert_eq!(node["status"]["conditions"][0]["type"], "Ready");
    assert_eq!(node["metadata"]["labels"]["disk"], "ssd");
    assert_eq!(node["metadata"]["labels"]["kubernetes.io/hostname"], "localhost");
}

#[test]
fn objects_live_and_die() {
    let server = Server::start();
    let created = server.post(CRON_JOBS, &cron_job("nightly"));
    assert_eq!(created.code, 201, "{}", created.text());
    let created = created.json();
    assert_eq!(created["spec"]["concurrencyPolicy"], "Allow", "defaults are set");
    assert!(created["metadata"]["uid"].is_string() && created["metadata"]["generation"] == 1);
    let path = format!("{CRON_JOBS}/nightly");
    assert_eq!(server.get(&path).json(), created);
    let mut changed = created.clone();
    changed["spec"]["suspend"] = true.into();
    let put =
        |body: &Value| server.send("PUT", &path, "application/json", body.to_string().as_bytes());
    let updated = put(&changed);
    assert_eq!(updated.code, 200, "{}", updated.text());
    assert_eq!(updated.json()["metadata"]["generation"], 2);
    let conflict = put(&changed);
    assert_eq!((conflict.code, &conflict.json()["reason"]), (409, &json!("Conflict")));
    let deleted = server.send("DELETE", &path, "", b"");
    assert_eq!((deleted.code, &deleted.json()["status"]), (200, &json!("Success")));
    assert_eq!(deleted.json()["details"]["uid"], created["metadata"]["uid"]);
    assert_eq!(server.get(&path).code, 404);
}

#[test]
fn refusals_are_kubernetes_status() {
    let server = Server::start();
    assert_eq!(server.post(CONFIG_MAPS, &config_map("there", "1")).code, 201);
    let check = |method: &str, path: &str, body: &str, code: u16, reason: &str, words: &str| {
        let answer = server.send(method, path, "application/json", body.as_bytes());
        let status = answer.json();
        assert_eq!(answer.code, code, "{method} {path}: {status}");
        assert_eq!(status["kind"], "Status", "{method} {path}");
        assert_eq!(status["reason"], reason, "{method} {path}: {status}");
        assert_eq!(status["code"], code, "{method} {path}");
        let message = status["message"].as_str().unwrap_or_default();
        assert!(message.contains(words), "{method} {path}: {message}");
    };
    let map = |name: &str| config_map(name, "1").to_string();
    let there = format!("{CONFIG_MAPS}/there");
    let none = format!("{CONFIG_MAPS}/none");
    let missing = "configmaps \"none\" not found";
    check("GET", &none, "", 404, "NotFound", missing);
    check("DELETE", &none, "", 404, "NotFound", missing);
    check("PUT", &none, &map("none"), 404, "NotFound", missing);
    check("GET", "/api/v1/nonsense", "", 404, "NotFound", "could not find");
    check("PATCH", CONFIG_MAPS, "{}", 405, "MethodNotAllowed", "does not allow");
    check("POST", "/api/v1/configmaps", &map("x"), 405, "MethodNotAllowed", "does not allow");
    check("POST", CONFIG_MAPS, &map("there"), 409, "AlreadyExists", "already exists");
    check("POST", CONFIG_MAPS, "{", 400, "BadRequest", "");
    check("POST", CONFIG_MAPS, "", 400, "BadRequest", "");
    check("POST", CONFIG_MAPS, &map("Not_A_Name"), 422, "Invalid", "metadata.name");
    check("PUT", &there, &map("other"), 400, "BadRequest", "does not match the name on the URL");
    let nameless = map("");
    check("PUT", &there, &nameless, 400, "BadRequest", "name must be provided");
    let elsewhere = map("x").replace("\"name\"", "\"namespace\":\"other\",\"name\"");
    check("POST", CONFIG_MAPS, &elsewhere, 400, "BadRequest", "namespace");
    let unknown = map("x").replace("\"data\"", "\"dota\"");
    let strict = format!("{CONFIG_MAPS}?fieldValidation=Strict");
    check("POST", &strict, &unknown, 400, "BadRequest", "unknown field \"dota\"");
    let odd = format!("{CONFIG_MAPS}?fieldValidation=Maybe");
    check("POST", &odd, &map("x"), 400, "BadRequest", "fieldValidation");
    let odd = format!("{CONFIG_MAPS}?dryRun=Some");
    check("POST", &odd, &map("x"), 400, "BadRequest", "dryRun");
    for query in ["labelSelector=a%20b", "fieldSelector=spec.x%3d1", "limit=x", "continue=%20"] {
        check("GET", &format!("{CONFIG_MAPS}?{query}"), "", 400, "BadRequest", "");
    }
    let exact = format!("{CONFIG_MAPS}?resourceVersion=999999&resourceVersionMatch=Exact");
    check("GET", &exact, "", 410, "Expired", "too old resource version");
    for (precondition, words) in [
        (r#"{"preconditions":{"uid":"another"}}"#, "does not match the UID in record ("),
        (
            r#"{"preconditions":{"resourceVersion":"1"}}"#,
            "Operation cannot be fulfilled on ConfigMap \"there\": the ResourceVersion in the \
             precondition (1) does not match the ResourceVersion in record (",
        ),
    ] {
        check("DELETE", &there, precondition, 409, "Conflict", words);
    }
    check("DELETE", &there, r#"{"propagationPolicy":"Maybe"}"#, 400, "BadRequest", "propagation");
    let wrong = server.send("POST", CONFIG_MAPS, "text/csv", b"a,b");
    assert_eq!((wrong.code, &wrong.json()["reason"]), (415, &json!("UnsupportedMediaType")));
}

#[test]
fn values_in_refusals_are_json() {
    let server = Server::start();
    let template = json!({
        "metadata": {"labels": {"a": "b"}},
        "spec": {"restartPolicy": "Always", "containers": [{"name": "m", "image": "x"}]},
    });
    let mut once = template.clone();
    once["spec"]["restartPolicy"] = json!("Never");
    let check = |kind: &str, spec: &Value, patch: Value, want: &str| {
        let group = if kind == "jobs" { "batch" } else { "apps" };
        let all = format!("/apis/{group}/v1/namespaces/default/{kind}");
        let object = json!({"metadata": {"name": "x"}, "spec": spec});
        let made = server.post(&all, &object);
        assert!([201, 409].contains(&made.code), "{}", made.text());
        let merge = "application/merge-patch+json";
        let body = json!({"spec": patch}).to_string();
        let answer = server.send("PATCH", &format!("{all}/x"), merge, body.as_bytes());
        let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains(want), "{message}");
        for rust in ["Some(", "None", "match_labels", " { "] {
            assert!(!message.contains(rust), "{message}");
        }
    };
    let service =
        json!({"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template});
    let other = json!({"matchLabels": {"a": "z"}});
    let want = r#"spec.selector: Invalid value: {"matchLabels":{"a":"z"}}: field is immutable"#;
    check("deployments", &service, json!({"selector": other}), want);
    check("replicasets", &service, json!({"selector": other}), want);
    check("daemonsets", &service, json!({"selector": other}), want);
    check("statefulsets", &service, json!({"podManagementPolicy": "Parallel"}), "Forbidden");
    let job = json!({"suspend": true, "completions": 2, "template": once});
    let want = "spec.completions: Invalid value: 3: field is immutable";
    check("jobs", &job, json!({"completions": 3}), want);
    let want = r#"spec.completions: Invalid value: "null": field is immutable"#;
    check("jobs", &job, json!({"completions": null, "parallelism": 1}), want);
}

#[test]
fn nobody_acts_in_the_name_of_another() {
    let server = Server::start();
    let check = |method: &str, path: &str, header: &str, code: u16| {
        let head = format!("application/json\r\n{header}: x");
        let answer = server.send(method, path, &head, config_map("a", "1").to_string().as_bytes());
        assert_eq!(answer.code, code, "{header}: {}", answer.text());
        if code == 403 {
            let status = answer.json();
            assert_eq!(
                (&status["kind"], &status["reason"]),
                (&json!("Status"), &json!("Forbidden"))
            );
        }
    };
    for header in
        ["Impersonate-User", "impersonate-group", "Impersonate-Uid", "Impersonate-Extra-a"]
    {
        check("POST", CONFIG_MAPS, header, 403);
        check("GET", CONFIG_MAPS, header, 403);
        check("GET", "/version", header, 403);
        check("GET", "/api/v1/nonsense", header, 403);
    }
    check("GET", &format!("{CONFIG_MAPS}/a"), "x-impersonate", 404);
    check("POST", CONFIG_MAPS, "impersonated", 201);
}

#[test]
fn an_unknown_field_is_a_warning_by_default() {
    let server = Server::start();
    let mut map = config_map("odd", "1");
    map["dota"] = json!({});
    let answer = server.post(CONFIG_MAPS, &map);
    assert_eq!(answer.code, 201, "{}", answer.text());
    assert!(answer.head.contains("warning: 299 - "), "{}", answer.head);
    assert!(answer.head.contains("dota"), "{}", answer.head);
    let ignored = format!("{CONFIG_MAPS}?fieldValidation=Ignore");
    map["metadata"]["name"] = "quiet".into();
    assert!(!server.post(&ignored, &map).head.contains("warning"));
}

#[test]
fn a_body_may_be_yaml_and_has_a_limit() {
    let server = Server::start();
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: yam\ndata:\n  mode: \"0644\"\n";
    let answer = server.send("POST", CONFIG_MAPS, "application/yaml", yaml.as_bytes());
    assert_eq!(answer.code, 201, "{}", answer.text());
    assert_eq!(answer.json()["data"]["mode"], "0644");
    let huge = vec![b' '; 3 * 1024 * 1024 + 1];
    let answer = server.send("POST", CONFIG_MAPS, "application/json", &huge);
    assert_eq!((answer.code, &answer.json()["reason"]), (413, &json!("RequestEntityTooLarge")));
}

#[test]
fn a_dry_run_changes_nothing() {
    let server = Server::start();
    let dry = format!("{CRON_JOBS}?dryRun=All");
    let answer = server.post(&dry, &cron_job("maybe"));
    assert_eq!(answer.code, 201, "{}", answer.text());
    assert_eq!(answer.json()["spec"]["suspend"], false, "defaults are shown");
    assert_eq!(server.get(&format!("{CRON_JOBS}/maybe")).code, 404);
    assert_eq!(server.post(CRON_JOBS, &cron_job("real")).code, 201);
    assert_eq!(server.post(&dry, &cron_job("real")).code, 409);
    let path = format!("{CRON_JOBS}/real?dryRun=All");
    let patch = br#"{"spec":{"suspend":true}}"#;
    let answer = server.send("PATCH", &path, "application/merge-patch+json", patch);
    assert_eq!(answer.json()["spec"]["suspend"], true);
    assert_eq!(server.send("DELETE", &path, "", b"").code, 200);
    assert_eq!(server.get(&format!("{CRON_JOBS}/real")).json()["spec"]["suspend"], false);
}

#[test]
fn patches_of_each_style() {
    let server = Server::start();
    assert_eq!(server.post(CRON_JOBS, &cron_job("p")).code, 201);
    let path = format!("{CRON_JOBS}/p");
    let patch = |style: &str, body: Value| {
        let content_type = format!("application/{style}");
        server.send("PATCH", &path, &content_type, body.to_string().as_bytes())
    };
    let merged = patch("merge-patch+json", json!({ "spec": { "suspend": true } }));
    assert_eq!(merged.json()["spec"]["suspend"], true, "{}", merged.text());
    let op = json!([{ "op": "replace", "path": "/spec/suspend", "value": false }]);
    assert_eq!(patch("json-patch+json", op).json()["spec"]["suspend"], false);
    let container = json!({ "name": "main", "env": [{ "name": "A", "value": "1" }] });
    let template = json!({ "spec": { "containers": [container] } });
    let spec = json!({ "jobTemplate": { "spec": { "template": template } } });
    let merged = patch("strategic-merge-patch+json", json!({ "spec": spec })).json();
    let pod = &merged["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    assert_eq!(pod["containers"][0]["command"], json!(["true"]), "merged by name");
    assert_eq!(pod["containers"][0]["env"][0]["value"], "1");
    let stale = json!({ "metadata": { "resourceVersion": "1" } });
    assert_eq!(patch("merge-patch+json", stale).code, 409);
    let wrong = patch("merge-patch+json", json!({ "spec": { "schedule": "nonsense" } }));
    assert_eq!((wrong.code, &wrong.json()["reason"]), (422, &json!("Invalid")));
    let missing = json!([{ "op": "remove", "path": "/spec/nothing" }]);
    assert_eq!(patch("json-patch+json", missing).code, 400);
    assert_eq!(patch("nonsense", json!({})).code, 415);
    assert_eq!(patch("apply-patch+yaml", cron_job("p")).code, 400, "fieldManager is required");
}

#[test]
fn apply_creates_and_changes() {
    let server = Server::start();
    let path = format!("{CONFIG_MAPS}/applied?fieldManager=test");
    let apply = |value: &str| {
        let body = config_map("applied", value).to_string();
        server.send("PATCH", &path, "application/apply-patch+yaml", body.as_bytes())
    };
    assert_eq!(apply("1").code, 201);
    let again = apply("1");
    let changed = apply("2");
    assert_eq!((again.code, changed.code), (200, 200));
    assert_eq!(changed.json()["data"]["key"], "2");
    assert_ne!(
        again.json()["metadata"]["resourceVersion"],
        changed.json()["metadata"]["resourceVersion"]
    );
}

#[test]
fn lists_select_and_come_in_pages() {
    let server = Server::start();
    for name in ["a", "b", "c", "d", "e"] {
        assert_eq!(server.post(CONFIG_MAPS, &config_map(name, "1")).code, 201);
    }
    let other = CONFIG_MAPS.replace("default", "other");
    assert_eq!(server.post(&other, &config_map("z", "1")).code, 201);
    let names = |list: &Value| {
        let items = list["items"].as_array().expect("items").iter();
        items.map(|one| one["metadata"]["name"].as_str().unwrap_or("?")).collect::<String>()
    };
    let check = |path: &str, want: &str| {
        let list = server.get(path).json();
        assert_eq!(list["kind"], "ConfigMapList", "{path}");
        assert_eq!(names(&list), want, "{path}");
    };
    check(CONFIG_MAPS, "abcde");
    check("/api/v1/configmaps", "abcdez");
    check(&format!("{CONFIG_MAPS}?labelSelector=app%20in%20(a,d)"), "ad");
    check(&format!("{CONFIG_MAPS}?labelSelector=app!%3da"), "bcde");
    check(&format!("{CONFIG_MAPS}?fieldSelector=metadata.name%3dc"), "c");
    check("/api/v1/configmaps?fieldSelector=metadata.namespace%3dother", "z");
    let first = server.get(&format!("{CONFIG_MAPS}?limit=2")).json();
    assert_eq!((&*names(&first), &first["metadata"]["remainingItemCount"]), ("ab", &json!(3)));
    let token = first["metadata"]["continue"].as_str().expect("there is more").replace('/', "%2f");
    let second = server.get(&format!("{CONFIG_MAPS}?limit=3&continue={token}")).json();
    assert_eq!(names(&second), "cde");
    assert!(second["metadata"]["continue"].is_null(), "the last page");
    assert_eq!(
        second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"],
        "one list, one version"
    );
    let gone = server.send("DELETE", &format!("{CONFIG_MAPS}?labelSelector=app%3db"), "", b"");
    assert_eq!(names(&gone.json()), "b");
    check("/api/v1/configmaps", "acdez");
}

#[test]
fn tables_are_what_kubectl_asks_for() {
    let server = Server::start();
    assert_eq!(server.post(CRON_JOBS, &cron_job("t")).code, 201);
    let table = server.accept(TABLE, CRON_JOBS).json();
    assert_eq!((&table["kind"], &table["apiVersion"]), (&json!("Table"), &json!("meta.k8s.io/v1")));
    assert!(table["metadata"]["resourceVersion"].is_string());
    let columns = table["columnDefinitions"].as_array().expect("columns");
    let row = &table["rows"][0];
    assert_eq!((columns[0]["name"].as_str(), &row["cells"][0]), (Some("Name"), &json!("t")));
    assert_eq!(row["cells"].as_array().map(Vec::len), Some(columns.len()));
    assert_eq!(row["object"]["kind"], "PartialObjectMetadata");
    assert_eq!(row["object"]["metadata"]["name"], "t");
    let one = server.accept(TABLE, &format!("{CRON_JOBS}/t?includeObject=Object")).json();
    assert_eq!(one["rows"][0]["object"]["spec"]["schedule"], "0 0 1 1 *");
    let events = server.accept(TABLE, &format!("{CRON_JOBS}?watch=1&timeoutSeconds=0")).text();
    assert!(events.starts_with(r#"{"type":"ADDED","object":{"apiVersion":"meta.k8s.io/v1""#));
}

#[test]
fn a_watch_tells_what_enters_changes_and_leaves() {
    let server = Server::start();
    assert_eq!(server.post(CONFIG_MAPS, &config_map("a", "1")).code, 201);
    let list = server.get(CONFIG_MAPS).json();
    let version = list["metadata"]["resourceVersion"].as_str().expect("a version").to_owned();
    let mut all = server.lines(&format!("{CONFIG_MAPS}?watch=1"));
    let mut since = server.lines(&format!("{CONFIG_MAPS}?watch=1&resourceVersion={version}"));
    let selected = format!("{CONFIG_MAPS}?watch=1&resourceVersion={version}&labelSelector=on%3d1");
    let mut selected = server.lines(&selected);
    let relabel = |value: Value| {
        let patch = json!({ "metadata": { "labels": { "on": value } } }).to_string();
        let path = format!("{CONFIG_MAPS}/a");
        server.send("PATCH", &path, "application/merge-patch+json", patch.as_bytes())
    };
    assert_eq!(relabel("1".into()).code, 200);
    assert_eq!(relabel("2".into()).code, 200);
    assert_eq!(server.send("DELETE", &format!("{CONFIG_MAPS}/a"), "", b"").code, 200);
    let types = |lines: &mut server::Lines, count: usize| {
        let mut event = || lines.next().map(|event| event["type"].clone());
        (0..count).filter_map(|_| event()).collect::<Vec<_>>()
    };
    assert_eq!(types(&mut all, 4), ["ADDED", "MODIFIED", "MODIFIED", "DELETED"]);
    assert_eq!(types(&mut since, 3), ["MODIFIED", "MODIFIED", "DELETED"]);
    assert_eq!(types(&mut selected, 2), ["ADDED", "DELETED"], "by its selector");
}

#[test]
fn a_watch_ends_in_time_and_marks_where_it_is() {
    let server = Server::start();
    assert_eq!(server.post(CONFIG_MAPS, &config_map("a", "1")).code, 201);
    let query = "watch=1&timeoutSeconds=0&allowWatchBookmarks=true&sendInitialEvents=true\
                 &resourceVersionMatch=NotOlderThan";
    let mut lines = server.lines(&format!("{CONFIG_MAPS}?{query}"));
    assert_eq!(lines.next().expect("an event")["type"], "ADDED");
    let mark = lines.next().expect("a bookmark");
    assert_eq!(mark["type"], "BOOKMARK");
    let annotations = &mark["object"]["metadata"]["annotations"];
    assert_eq!(annotations["k8s.io/initial-events-end"], "true");
    assert_eq!(lines.next().expect("the last bookmark")["type"], "BOOKMARK");
    assert!(lines.next().is_none(), "its time is over");
    let mut old = server.lines(&format!("{CONFIG_MAPS}?watch=1&resourceVersion=999999"));
    let error = old.next().expect("an event");
    assert_eq!((&error["type"], &error["object"]["code"]), (&json!("ERROR"), &json!(410)));
    assert!(old.next().is_none());
}

#[test]
fn cronlets_own_routes_answer() {
    let server = Server::start();
    let base = "/apis/cronlet.dev/v1";
    assert_eq!(server.post(CRON_JOBS, &cron_job("hand")).code, 201);
    let runs = server.get(&format!("{base}/runs")).json();
    assert_eq!((&runs["kind"], &runs["items"]), (&json!("RunList"), &json!([])));
    let trigger = format!("{base}/namespaces/default/cronjobs/hand/trigger");
    let job = server.send("POST", &trigger, "", b"");
    assert_eq!((job.code, &job.json()["kind"]), (201, &json!("Job")), "{}", job.text());
    let name = |answer: &Value| answer["metadata"]["name"].as_str().map(str::to_owned);
    let mut names = vec![name(&job.json())];
    for _ in 0..3 {
        let again = server.send("POST", &trigger, "", b"");
        assert_eq!(again.code, 201, "in the same second: {}", again.text());
        names.push(name(&again.json()));
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 4, "{names:?}");
    let runs = server.get(&format!("{base}/namespaces/default/cronjobs/hand/runs")).json();
    assert_eq!(runs["items"].as_array().map(Vec::len), Some(4));
    assert_eq!(runs["items"][0]["manual"], true);
    assert_eq!(server.send("POST", &trigger.replace("hand", "none"), "", b"").code, 404);
    assert_eq!(server.get(&trigger).code, 405);
    assert_eq!(server.send("POST", &format!("{base}/reload"), "", b"").code, 200);
    let metrics = server.get("/metrics");
    assert!(metrics.text().contains("cronlet_cronjob_active_jobs"), "{}", metrics.text());
}

#[test]
fn the_socket_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start();
    let path = server.path("socket");
    let mode = std::fs::metadata(&path).expect("the socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let _entered = runtime.as_ref().expect("a runtime").enter();
    let second = cronlet_server::bind(&path).map(drop).expect_err("one answers already");
    assert!(second.to_string().contains("another cronlet answers"), "{second}");
    let stale = server.path("stale");
    drop(std::os::unix::net::UnixListener::bind(&stale).expect("a socket"));
    assert!(cronlet_server::bind(&stale).is_ok(), "a socket nobody answers on is replaced");
    std::fs::write(server.path("file"), "mine").expect("a file");
    assert!(cronlet_server::bind(&server.path("file")).is_err(), "a file is not");
}
