//! A CronJob that runs every second, whatever else happens.

use crate::common::daemon::Daemon;
use std::fs;

const MANIFEST: &str = r#"
apiVersion: batch/v1
kind: CronJob
metadata: {name: canary, annotations: {cronlet.dev/schedule: "* * * * * *"}}
spec:
  schedule: "* * * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers:
            - name: main
              image: none
              workingDir: HOME
              command: [/bin/sh, -c, echo sings >> canary]
"#;

/// A daemon with the canary, not yet started.
pub fn caged() -> Daemon {
    let daemon = Daemon::prepare();
    let home = daemon.path("home");
    daemon.write_job("canary.yaml", &MANIFEST.replace("HOME", &home.to_string_lossy()));
    daemon
}

/// A daemon with the canary, which sings.
pub fn singing() -> Daemon {
    let mut daemon = caged();
    daemon.start();
    sings_on(&daemon);
    daemon
}

/// Waits for two more runs, and looks that it is still the first daemon.
pub fn sings_on(daemon: &Daemon) {
    let songs = || {
        let text = fs::read_to_string(daemon.path("home").join("canary")).unwrap_or_default();
        text.lines().count()
    };
    let before = songs();
    daemon.until("the canary sings", || (songs() >= before + 2).then_some(()));
    let log = daemon.log();
    assert!(!log.contains("panicked"), "{log}");
}

/// Waits until the daemon logs a line with all of these words.
pub fn says(daemon: &Daemon, words: &[&str]) {
    daemon.until(&format!("it says {words:?}"), || {
        let log = daemon.log();
        log.lines().any(|line| words.iter().all(|word| line.contains(word))).then_some(())
    });
}
