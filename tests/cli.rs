//! The commands, run as programs against a real server: what they print, and their exit codes.

// Shared with the tests of the API.
#[path = "api/server.rs"]
#[allow(dead_code)]
mod server;

use cronlet_engine::Event;
use cronlet_plan::order::{ContainerEvent, Exit, HookState, Report};
use server::Server;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const MANIFEST: &str = r#"
apiVersion: batch/v1
kind: CronJob
metadata: {name: hi, labels: {app: hi}}
spec:
  schedule: "0 0 1 1 *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: OnFailure
          containers:
          - {name: main, image: busybox:1.28, command: [/bin/sh, -c, echo hi]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: cm}
data: {mode: "0644"}
---
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {password: hunter2}
---
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - {name: main, image: x, command: ["true"]}
  - {name: side, image: x, command: ["true"]}
"#;

/// What a command said.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    error: String,
}

fn run(socket: &Path, arguments: &[&str], input: &str) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cronlet"));
    command.args(arguments).env("CRONLET_SOCKET", socket);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // A command that does not read its input may have gone.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("the command ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let code = output.status.code().expect("an exit code");
    Said { code, out: text(output.stdout), error: text(output.stderr) }
}

impl Server {
    fn say(&self, arguments: &[&str]) -> Said {
        run(&self.path("socket"), arguments, "")
    }

    fn with_manifest() -> Server {
        let server = Server::start();
        let said = run(&server.path("socket"), &["apply", "-f", "-"], MANIFEST);
        let want =
            "cronjob.batch/hi created\nconfigmap/cm created\nsecret/s created\npod/web created\n";
        assert_eq!((said.code, said.out.as_str()), (0, want), "{}", said.error);
        server
    }

    /// Exit code, and words of both outputs; an empty `error` wants no error at all.
    fn check(&self, arguments: &[&str], code: i32, out: &str, error: &str) {
        let said = self.say(arguments);
        assert_eq!(said.code, code, "{arguments:?}: {said:?}");
        assert!(said.out.contains(out), "{arguments:?}: {said:?}");
        assert!(said.error.contains(error), "{arguments:?}: {said:?}");
        assert!(!error.is_empty() || said.error.is_empty(), "{arguments:?}: {said:?}");
        assert!(said.error.lines().count() <= 1 || code == 2, "one line: {said:?}");
    }
}

#[test]
fn get_shows_objects_in_every_form() {
    let server = Server::with_manifest();
    let said = server.say(&["get", "cj"]);
    let mut lines = said.out.lines();
    let head = "NAME   SCHEDULE    TIMEZONE   SUSPEND   ACTIVE   LAST SCHEDULE   AGE";
    assert_eq!(lines.next(), Some(head));
    let row = lines.next().expect("a row");
    assert!(row.starts_with("hi     0 0 1 1 *   <none>     False     0        <none>"), "{row}");
    server.check(&["get", "cronjob", "hi", "-o", "wide"], 0, "busybox:1.28", "");
    server.check(&["get", "cronjob/hi", "-o", "name"], 0, "cronjob.batch/hi\n", "");
    server.check(&["get", "cm,secrets"], 0, "secret/s", "");
    server.check(&["get", "all", "-A"], 0, "default     pod/web", "");
    server.check(&["get", "cj", "-l", "app=hi", "--no-headers"], 0, "hi ", "");
    server.check(&["get", "pods", "-l", "app=hi"], 0, "", "No resources found in default");
    let json = server.say(&["get", "cj", "hi", "-o", "json"]).out;
    assert!(json.starts_with("{\n    \"apiVersion\": \"batch/v1\",\n"), "{json}");
    let list: serde_json::Value =
        serde_json::from_str(&server.say(&["get", "cm", "-o", "json"]).out).expect("JSON");
    assert_eq!(
        (&list["kind"], &list["items"][0]["metadata"]["name"]),
        (&"List".into(), &"cm".into())
    );
    server.check(
        &["get", "cm", "cm", "-o", "yaml"],
        0,
        "data:\n  mode: \"0644\"\nkind: ConfigMap\n",
        "",
    );
}

#[test]
fn what_yaml_shows_can_be_applied_again() {
    let server = Server::with_manifest();
    let yaml = server.say(&["get", "cj", "hi", "-o", "yaml"]).out;
    let again = run(&server.path("socket"), &["apply", "-f", "-"], &yaml);
    assert_eq!((again.code, again.out.as_str()), (0, "cronjob.batch/hi unchanged\n"), "{again:?}");
}

#[test]
fn apply_says_what_it_did() {
    let server = Server::with_manifest();
    let socket = server.path("socket");
    let apply =
        |text: &str, more: &[&str]| run(&socket, &[&["apply", "-f", "-"], more].concat(), text);
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm}\ndata: {mode: \"0600\"}\n";
    let said = apply(map, &["--dry-run"]);
    assert_eq!((said.code, &*said.out), (0, "configmap/cm configured (dry run)\n"), "{said:?}");
    assert_eq!(apply(map, &[]).out, "configmap/cm configured\n");
    assert_eq!(apply(map, &[]).out, "configmap/cm unchanged\n");
    let said = apply(
        "kind: CronJob\napiVersion: batch/v1\nmetadata: {name: x}\nspec: {shedule: x}\n",
        &[],
    );
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.error.contains("STDIN:4:") && said.error.contains("shedule"), "{said:?}");
    let said = apply(&MANIFEST.replace("0 0 1 1 *", "nonsense"), &[]);
    assert_eq!(said.code, 1, "the good ones are applied: {said:?}");
    assert!(said.error.contains("(Invalid)") && said.error.contains("spec.schedule"), "{said:?}");
    assert!(said.out.contains("secret/s unchanged"), "{said:?}");
    server.check(&["apply", "-f", "/nonsense.yaml"], 1, "", "/nonsense.yaml: cannot be read");
    server.check(&["apply"], 2, "", "--filename");
}

#[test]
fn errors_are_one_line_with_a_code() {
    let server = Server::with_manifest();
    let not_found = "Error from server (NotFound): cronjobs.batch \"none\" not found\n";
    server.check(&["get", "cj", "none"], 1, "", not_found);
    server.check(&["describe", "cj", "none"], 1, "", not_found);
    server.check(&["delete", "cj", "none"], 1, "", not_found);
    server.check(&["delete", "cj", "none", "--ignore-not-found"], 0, "", "");
    server.check(&["trigger", "none"], 1, "", not_found);
    server.check(&["suspend", "none"], 1, "", not_found);
    server.check(&["logs", "cronjob/none"], 1, "", not_found);
    server.check(&["logs", "cronjob/hi"], 1, "", "did not run yet");
    server.check(&["logs", "none"], 1, "", "pods \"none\" not found");
    server.check(&["get", "nonsense"], 2, "", "there is no kind \"nonsense\"; the kinds are");
    server.check(&["get"], 2, "", "Usage");
    server.check(&["nonsense"], 2, "", "unrecognized subcommand");
    server.check(&["delete", "pods"], 2, "", "no name was specified");
    server.check(&["suspend", "pod/web"], 2, "", "cannot be suspended");
    server.check(&["get", "cj", "hi", "-A"], 2, "", "by name across all namespaces");
    server.check(&["get", "cj,pods", "-w"], 2, "", "single resource type");
    server.check(&["logs", "web", "--since", "5"], 2, "", "is not a duration");
    server.check(&["get", "pods", "-l", "a b"], 1, "", "(BadRequest)");
}

#[test]
fn without_a_daemon_the_socket_is_named() {
    let none = Path::new("/nonexistent/cronlet.sock");
    for arguments in [&["get", "cj"][..], &["trigger", "x"], &["history"], &["logs", "x"]] {
        let said = run(none, arguments, "");
        assert_eq!(said.code, 3, "{said:?}");
        assert!(said.error.contains("/nonexistent/cronlet.sock"), "{said:?}");
        assert!(said.error.contains("cronlet run"), "how to go on: {said:?}");
        assert_eq!(said.error.lines().count(), 1, "{said:?}");
    }
    let said = run(none, &["version"], "");
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("daemon: not running"), "{said:?}");
}

#[test]
fn suspend_trigger_and_history_go_together() {
    let server = Server::with_manifest();
    server.check(&["suspend", "hi"], 0, "cronjob.batch/hi suspended\n", "");
    server.check(&["get", "cj", "hi"], 0, "True", "");
    server.check(&["resume", "cronjob/hi"], 0, "cronjob.batch/hi resumed\n", "");
    server.check(&["get", "cj", "hi"], 0, "False", "");
    server.check(&["history"], 0, "", "No runs found");
    let said = server.say(&["trigger", "hi"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.starts_with("job.batch/hi-") && said.out.ends_with(" created\n"), "{said:?}");
    server.check(&["history", "hi"], 0, "Running", "");
    server.check(&["history", "-A", "-o", "wide"], 0, "default     hi", "");
    server.check(&["history", "other"], 0, "", "No runs found");
    let json = server.say(&["history", "-o", "json"]).out;
    let runs: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&runs["kind"], &runs["items"][0]["manual"]), (&"RunList".into(), &true.into()));
    server.check(&["history", "-o", "yaml"], 0, "kind: RunList\n", "");
    server.check(&["history", "hi", "-A"], 2, "", "across all namespaces");
}

#[test]
fn describe_is_in_kubectls_words() {
    let server = Server::with_manifest();
    let cron_job = server.say(&["describe", "cj", "hi"]).out;
    let want = "\
Name:                          hi
Namespace:                     default
Labels:                        app=hi
Annotations:                   <none>
Schedule:                      0 0 1 1 *
Concurrency Policy:            Allow
Suspend:                       False
Successful Job History Limit:  3
Failed Job History Limit:      1
Starting Deadline Seconds:     <unset>
Selector:                      <unset>
Parallelism:                   <unset>
Completions:                   <unset>
Pod Template:
  Labels:  <none>
  Containers:
   main:
    Image:      busybox:1.28
    Port:       <none>
    Host Port:  <none>
    Command:
      /bin/sh
      -c
      echo hi
    Environment:     <none>
    Mounts:          <none>
  Volumes:           <none>
  Node-Selectors:    <none>
  Tolerations:       <none>
Last Schedule Time:  <unset>
Active Jobs:         <none>
Events:              <none>
";
    assert_eq!(cron_job, want);
    server.check(&["describe", "cm", "cm"], 0, "\nData\n====\nmode:\n----\n0644\n", "");
    let secret = server.say(&["describe", "secret", "s"]).out;
    assert!(secret.contains("password:  7 bytes"), "{secret}");
    assert!(!secret.contains("hunter2"), "a secret's value is not shown");
    server.check(&["describe", "pod", "web"], 0, "Containers:\n  main:\n", "");
    server.check(&["describe", "job"], 0, "", "No resources found");
}

#[test]
fn logs_are_selected_and_followed() {
    let server = Server::with_manifest();
    server.check(&["logs", "web", "-c", "main"], 1, "", "is waiting to start");
    server.check(&["logs", "web", "-c", "none"], 1, "", "container none is not valid for pod web");
    let uid = server.say(&["get", "pod", "web", "-o", "json"]).out;
    let uid: serde_json::Value = serde_json::from_str(&uid).expect("JSON");
    let uid = uid["metadata"]["uid"].as_str().expect("a uid").to_owned();
    let report = |event| {
        let (pod_uid, container) = (uid.clone(), "main".to_owned());
        server.happens(Event::Report(Report { pod_uid, container, attempt: 0, event }));
    };
    let at = |time: &str| time.parse().expect("a time");
    let id = format!("cronlet://{}", "0".repeat(64));
    report(ContainerEvent::Started {
        id: id.clone(),
        pid: 1,
        at: at("2026-11-23T11:10:40Z"),
        post_start: HookState::Done,
    });
    let folder = server.path("pods").join(&uid);
    std::fs::create_dir_all(&folder).expect("a folder");
    let entry =
        |second: u32, text: &str| format!("2026-11-23T11:10:{second}.000000000Z stdout F {text}\n");
    std::fs::write(folder.join("main.0.log.1"), entry(41, "one") + &entry(42, "two"))
        .expect("a log");
    std::fs::write(folder.join("main.0.log"), entry(43, "three")).expect("a log");
    let check = |more: &[&str], want: &str| {
        let said = server.say(&[&["logs", "web", "-c", "main"], more].concat());
        assert_eq!((said.code, said.out.as_str()), (0, want), "{more:?}: {said:?}");
    };
    check(&[], "one\ntwo\nthree\n");
    check(&["--tail", "2"], "two\nthree\n");
    check(&["--tail", "0"], "");
    check(&["--tail", "9"], "one\ntwo\nthree\n");
    check(&["--limit-bytes", "5"], "one\nt");
    check(&["--since-time", "2026-11-23T11:10:42Z"], "two\nthree\n");
    check(&["--since", "1s"], "");
    check(&["--tail", "1", "--timestamps"], "2026-11-23T11:10:43.000000000Z three\n");
    server.check(&["logs", "web", "-c", "main", "--previous"], 1, "", "previous terminated");
    let mut follow = Command::new(env!("CARGO_BIN_EXE_cronlet"));
    follow.args(["logs", "-f", "web", "main"]).env("CRONLET_SOCKET", server.path("socket"));
    let mut follow = follow.stdout(Stdio::piped()).spawn().expect("the command starts");
    let mut lines =
        std::io::BufRead::lines(std::io::BufReader::new(follow.stdout.take().expect("a pipe")));
    let mut next = || lines.next().map(|line| line.expect("a line"));
    assert_eq!([next(), next(), next()].map(Option::unwrap_or_default), ["one", "two", "three"]);
    std::fs::rename(folder.join("main.0.log"), folder.join("main.0.log.2")).expect("rotated");
    std::fs::write(folder.join("main.0.log"), entry(44, "four")).expect("a log");
    assert_eq!(next().as_deref(), Some("four"), "the next file is read on");
    let (started_at, finished_at) = (at("2026-11-23T11:10:40Z"), at("2026-11-23T11:10:45Z"));
    let (reason, message) = ("Completed".to_owned(), String::new());
    let exit =
        Exit { id, code: 0, signal: None, left: 0, reason, message, started_at, finished_at };
    report(ContainerEvent::Exited(exit));
    assert_eq!(next(), None, "it ends with the container");
    assert_eq!(follow.wait().expect("it ends").code(), Some(0));
}

#[test]
fn delete_waits_until_objects_are_gone() {
    let server = Server::with_manifest();
    server.check(&["delete", "cm", "cm"], 0, "configmap \"cm\" deleted\n", "");
    server.check(&["get", "cm", "cm"], 1, "", "NotFound");
    server.check(&["delete", "cj", "-l", "app=hi"], 0, "cronjob.batch \"hi\" deleted\n", "");
    server.check(&["delete", "secrets", "--all"], 0, "secret \"s\" deleted\n", "");
    let said = run(
        &server.path("socket"),
        &["delete", "-f", "-"],
        MANIFEST.split("---").next().expect("one"),
    );
    assert_eq!(said.code, 1, "it is gone already: {said:?}");
}

#[test]
fn a_watch_shows_what_changes() {
    let server = Server::with_manifest();
    let mut watch = Command::new(env!("CARGO_BIN_EXE_cronlet"));
    watch.args(["get", "cj", "-w"]).env("CRONLET_SOCKET", server.path("socket"));
    let mut watch = watch.stdout(Stdio::piped()).spawn().expect("the command starts");
    let out = watch.stdout.take().expect("a pipe");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(out));
    let mut next = || lines.next().expect("it goes on").expect("a line");
    assert!(next().starts_with("NAME"));
    assert!(next().contains("False"));
    server.check(&["suspend", "hi"], 0, "suspended", "");
    assert!(next().contains("True"));
    watch.kill().expect("it is ended");
    watch.wait().expect("it ends");
}

#[test]
fn completions_and_manuals_come_from_the_table() {
    let none = Path::new("/nonexistent");
    for shell in ["bash", "zsh", "fish"] {
        let said = run(none, &["completion", shell], "");
        assert_eq!(said.code, 0, "{shell}");
        assert!(said.out.contains("trigger") && said.out.contains("history"), "{shell}");
    }
    let page = run(none, &["man"], "").out;
    assert!(page.contains(".TH cronlet 1") && page.contains("Exit codes"), "{page}");
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().to_str().expect("a path");
    assert_eq!(run(none, &["man", "--to", to], "").code, 0);
    assert!(folder.path().join("cronlet-get.1").exists());
    let help = run(none, &["--help"], "").out;
    assert!(help.contains("3  no daemon answers"), "{help}");
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cronlet"))
        .args(["completion", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
