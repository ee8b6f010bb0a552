//! Files that no one should write, in the jobs folder and for the commands.

use crate::canary::{caged, says, singing, sings_on};
use crate::common::daemon::Daemon;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fmt::Write;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};

const LIMIT: &str = "at most 33554432 are read";

/// A list of ten of the list before, nine times over.
fn billion_laughs() -> String {
    let mut text = String::from("a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]\n");
    for level in 1..10 {
        let ten = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(text, "a{level}: &a{level} [{ten}]").expect("writing to a String");
    }
    text
}

/// File, its bytes, and what is said of it, with its place where it has one.
fn bad_files() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let good = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n";
    vec![
        ("laughs.yaml", billion_laughs().into_bytes(), ""),
        ("deep.yaml", format!("{good}data: {}", "[".repeat(500_000)).into_bytes(), ":4:"),
        ("deep.json", "[".repeat(500_000).into_bytes(), ":1:"),
        ("maps.yaml", format!("{good}data: {}", "{a: ".repeat(100_000)).into_bytes(), ":4:"),
        ("nul.yaml", format!("{good}data: {{a: \"b\0c\"}}").into_bytes(), ":4:"),
        ("nul.json", vec![0; 4096], ":1:"),
        ("latin.yaml", [good.as_bytes(), b"data: {a: caf\xe9}"].concat(), ":4:14"),
        ("binary.yml", (0..=255).cycle().take(100_000).collect(), ":2:118"),
        ("tabs.yaml", b"\tapiVersion: v1".to_vec(), ":1:"),
    ]
}

#[test]
fn bad_files_are_each_told_and_nothing_else_is_disturbed() {
    let daemon = singing();
    for (name, bytes, place) in bad_files() {
        let path = daemon.path("jobs").join(name);
        fs::write(&path, bytes).expect("a file is written");
        let file = format!("{}{place}", path.display());
        says(&daemon, &["ERROR", &file]);
        let said = daemon.ask(&["check", &path.to_string_lossy()]);
        assert!(said.code != 0 && said.error.len() < 10_000, "{name}: {}", said.error.len());
        assert!((said.out + &said.error).contains(&file), "{name}: {}", said.error);
    }
    let large = daemon.path("jobs").join("large.yaml");
    // Without blocks of its own; whoever reads it gets 100 MB of zeros.
    let file = File::create(&large).and_then(|file| file.set_len(100 << 20));
    file.expect("a file is made");
    says(&daemon, &["ERROR", &large.to_string_lossy(), LIMIT]);
    let said = daemon.ask(&["apply", "-f", &large.to_string_lossy()]);
    assert!(said.code != 0 && said.error.contains(LIMIT), "{said:?}");
    sings_on(&daemon);
}

#[test]
fn links_in_a_circle_and_a_pipe_are_no_trap() {
    let daemon = singing();
    let jobs = daemon.path("jobs");
    symlink(&jobs, jobs.join("round")).expect("a link is made");
    symlink("self.yaml", jobs.join("self.yaml")).expect("a link is made");
    symlink(daemon.path("nowhere"), jobs.join("dangling.yaml")).expect("a link is made");
    mknodat(CWD, jobs.join("x.yaml"), FileType::Fifo, Mode::from_raw_mode(0o600), 0)
        .expect("a pipe is made");
    let pipe = jobs.join("x.yaml").to_string_lossy().into_owned();
    says(&daemon, &["ERROR", "self.yaml", "ymbolic link"]);
    says(&daemon, &["ERROR", "dangling.yaml"]);
    says(&daemon, &["ERROR", &pipe, "not a regular file"]);
    let said = daemon.ask(&["check", &pipe]);
    assert!(said.code != 0 && said.error.contains("not a regular file"), "{said:?}");
    daemon.write_job("after.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: after}}");
    daemon.until("it still reads", || {
        (daemon.ask(&["get", "configmap", "after"]).code == 0).then_some(())
    });
    sings_on(&daemon);
}

#[test]
fn five_thousand_manifests_in_one_file() {
    let daemon = singing();
    let text: String = (0..5000)
        .map(|n| format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{n}}}\n"))
        .collect();
    daemon.write_job("many.yaml", &text);
    let count =
        |daemon: &Daemon| daemon.get(&["configmaps"])["items"].as_array().expect("a list").len();
    daemon.until("all are there", || (count(&daemon) == 5000).then_some(()));
    sings_on(&daemon);
    daemon.remove_job("many.yaml");
    daemon.until("all are gone", || (count(&daemon) == 0).then_some(()));
}

/// What the daemon may not read is said; what it said before stays.
#[test]
fn a_folder_without_permission_loses_nothing() {
    let mut daemon = caged();
    let folder = daemon.path("jobs").join("closed");
    fs::create_dir(&folder).expect("a folder is made");
    let text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: inside}}";
    fs::write(folder.join("inside.yaml"), text).expect("a file is written");
    crate::host::start_as_ordinary_user(&mut daemon, &[]);
    let there = || daemon.ask(&["get", "configmap", "inside"]).code == 0;
    daemon.until("it is read", || there().then_some(()));
    let mode = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode));
    mode(0o000).expect("a mode is set");
    says(&daemon, &["ERROR", &folder.to_string_lossy(), "ermission denied"]);
    sings_on(&daemon);
    assert!(there(), "it stays");
    mode(0o755).expect("a mode is set");
    fs::remove_file(folder.join("inside.yaml")).expect("a file is removed");
    daemon.until("it goes", || (!there()).then_some(()));
}
