//! The death of one thread: the daemon ends with an error, and the next one takes its pods back.

use crate::common::daemon::Daemon;

const SERVICE: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: stays}
spec:
  containers: [{name: main, image: none, command: [sleep, "1000"]}]
"#;

#[test]
fn a_panic_in_any_thread_ends_the_daemon_and_no_pod() {
    let mut daemon = Daemon::start_with(&[("stays.yaml", SERVICE)]);
    let running = |daemon: &Daemon| {
        let status = daemon.get(&["pod", "stays"])["status"].clone();
        let id = &status["containerStatuses"][0]["containerID"];
        (status["phase"] == "Running").then(|| id.as_str().expect("an id").to_owned())
    };
    let id = daemon.until("it runs", || running(&daemon));
    daemon.kill();
    for thread in ["main", "folder", "signals", "api"] {
        let panics = |daemon: &Daemon| {
            let mut command = daemon.run_command();
            let output = command.env("CRONLET_PANIC_IN", thread).output().expect("it ends");
            (
                output.status.code(),
                String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
            )
        };
        let (code, said) = panics(&daemon);
        assert_eq!(code, Some(101), "{thread}: {said}");
        assert!(said.contains(&format!("the thread {thread} panicked at src/daemon")), "{said}");
    }
    daemon.start();
    assert_eq!(daemon.until("it runs", || running(&daemon)), id);
}
