//! Supervisors that services are measured against, each on a folder of its own, without a backoff
//! that would be due.

use super::common;
use super::idle::children;
use super::table::Table;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

pub struct Kind {
    pub name: &'static str,
    program: &'static str,
    /// Whether `.ci/run` installs it, so that a strict run may not miss it.
    is_demanded: bool,
    /// Writes what it reads, and gives the command that supervises so many of the service.
    prepare: fn(&Path, &[&str], usize) -> Command,
}

pub const ALL: &[Kind] = &[
    Kind {
        name: "supervisord",
        program: "supervisord",
        is_demanded: true,
        prepare: prepare_supervisord,
    },
    Kind { name: "runit", program: "runsvdir", is_demanded: true, prepare: prepare_runit },
    Kind { name: "s6", program: "s6-svscan", is_demanded: false, prepare: prepare_s6 },
];

/// A supervisor that runs, and ends with all of its services when it is dropped.
pub struct Supervisor {
    process: Child,
    _folder: tempfile::TempDir,
}

impl Kind {
    /// Starts it on `count` services of this command. `None`: it is absent here, and the table says
    /// so.
    pub fn start(&self, command: &[&str], count: usize, table: &mut Table) -> Option<Supervisor> {
        if !common::program(self.program) {
            if self.is_demanded {
                common::has(&[(self.program, false)]);
            }
            table.line(self.name, "absent here, not measured");
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut program = (self.prepare)(folder.path(), command, count);
        program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        program.current_dir(folder.path());
        let process = program.spawn().expect("the supervisor starts");
        Some(Supervisor { process, _folder: folder })
    }
}

impl Supervisor {
    /// It and all that descends from it, parents first.
    pub fn processes(&self) -> Vec<i32> {
        let mut found = vec![Pid::from_child(&self.process).as_raw_pid()];
        let mut next = 0;
        while let Some(&pid) = found.get(next) {
            found.extend(children(pid));
            next += 1;
        }
        found
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // Parents first, so that none starts anew what has ended.
        for pid in self.processes().into_iter().filter_map(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = self.process.wait();
    }
}

fn prepare_supervisord(folder: &Path, command: &[&str], count: usize) -> Command {
    // Three pipes and two logs for each.
    let files = 100 + count * 8;
    let folder = folder.display();
    let text = format!(
        "[supervisord]\nnodaemon=true\nminfds={files}\nlogfile={folder}/log\npidfile={folder}/pid\n\
         childlogdir={folder}\n[program:service]\ncommand={}\nautorestart=true\n\
         process_name=%(program_name)s-%(process_num)d\nnumprocs={count}\n",
        command.join(" ")
    );
    let file = format!("{folder}/configuration");
    fs::write(&file, text).expect("a configuration is written");
    let mut program = Command::new("supervisord");
    program.args(["-c", &file]);
    program
}

fn prepare_runit(folder: &Path, command: &[&str], count: usize) -> Command {
    write_run_scripts(folder, command, count);
    let mut program = Command::new("runsvdir");
    program.arg(folder);
    program
}

fn prepare_s6(folder: &Path, command: &[&str], count: usize) -> Command {
    write_run_scripts(folder, command, count);
    let mut program = Command::new("s6-svscan");
    program.args(["-c", &(count + 10).to_string()]).arg(folder);
    program
}

/// A folder for each service, with what runs it.
fn write_run_scripts(folder: &Path, command: &[&str], count: usize) {
    for number in 0..count {
        let service = folder.join(format!("service-{number}"));
        fs::create_dir(&service).expect("a folder is made");
        let script = service.join("run");
        let text = format!("#!/bin/sh\nexec {}\n", command.join(" "));
        fs::write(&script, text).expect("a script is written");
        fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).expect("a mode is set");
    }
}
