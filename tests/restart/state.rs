//! A state file that is damaged, or of a newer version: the daemon says what to do, and ends so
//! that no service manager starts it again and again.

use crate::common::daemon::{Daemon, Said, has_condition};
use std::fs;
use std::path::Path;

const JOB: &str = r#"
apiVersion: batch/v1
kind: Job
metadata: {name: quick}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: main, image: none, command: ["true"]}]
"#;

/// Exit code of a daemon whose state someone has to mend; the unit names it too.
const MEND: i32 = 4;

fn refusal(daemon: &Daemon) -> Said {
    let said = Said::new(daemon.run_command().output().expect("it ends"));
    assert_eq!(said.code, MEND, "{said:?}");
    let file = daemon.path("state").join("state.redb");
    assert!(said.error.contains(&*file.to_string_lossy()), "{said:?}");
    assert!(!said.error.contains("panicked"), "{said:?}");
    said
}

#[test]
fn a_damaged_state_file_says_what_to_do() {
    let mut daemon = Daemon::start_with(&[("quick.yaml", JOB)]);
    daemon.ended_job("quick");
    assert_eq!(daemon.stop(), Some(0));
    let file = daemon.path("state").join("state.redb");
    let whole = fs::read(&file).expect("a state file");
    let mut flipped = whole.clone();
    for at in (4096..flipped.len()).step_by(512) {
        flipped[at] ^= 0x10;
    }
    let garbage: Vec<u8> = (0..whole.len()).map(|n| (n * 7919 / 13) as u8).collect();
    let half = &whole[..whole.len() / 2];
    for bytes in [&[][..], &whole[..1024], half, &garbage, &flipped, b"PK\x03\x04 of another"] {
        fs::write(&file, bytes).expect("a file is written");
        let said = refusal(&daemon);
        let way_on = format!("mv {0} {0}.bad", file.display());
        assert!(said.error.contains("is damaged") && said.error.contains(&way_on), "{said:?}");
    }
    let said = daemon.ask(&["get", "pods"]);
    assert!(said.code == 3 && said.error.contains("no cronlet daemon answers"), "{said:?}");
    fs::rename(&file, file.with_extension("redb.bad")).expect("it is moved away");
    fs::create_dir(&file).expect("a folder is made");
    assert!(refusal(&daemon).error.contains("cannot be opened"));
    fs::remove_dir(&file).expect("the folder is removed");
    daemon.start();
    assert!(has_condition(&daemon.ended_job("quick"), "Complete"));
}

#[test]
fn a_newer_state_file_names_its_version() {
    let mut daemon = Daemon::start_with(&[]);
    assert_eq!(daemon.stop(), Some(0));
    let file = daemon.path("state").join("state.redb");
    mark(&file, r#"{"format":2,"writer":"7.8.9"}"#);
    let before = fs::read(&file).expect("a state file");
    for _ in 0..2 {
        let said = refusal(&daemon);
        assert!(said.error.contains("Install cronlet 7.8.9"), "{said:?}");
    }
    mark(&file, r#"{"format":1,"writer":"7.8.9"}"#);
    assert!(!before.is_empty());
    daemon.start();
}

fn mark(file: &Path, mark: &str) {
    let facts: redb::TableDefinition<&str, &[u8]> = redb::TableDefinition::new("facts");
    let database = redb::Database::open(file).expect("it opens");
    let transaction = database.begin_write().expect("it begins");
    let mut table = transaction.open_table(facts).expect("a table");
    table.insert("format", mark.as_bytes()).expect("it is written");
    drop(table);
    transaction.commit().expect("it commits");
}

#[test]
fn the_unit_is_not_started_again_where_someone_has_to_mend_the_state() {
    let unit = include_str!("../../systemd/cronlet.service");
    assert!(unit.lines().any(|line| line == format!("RestartPreventExitStatus={MEND}")));
}
