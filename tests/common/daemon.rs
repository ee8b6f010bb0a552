//! A daemon of its own for a test: the built binary on temporary folders, with everything it leaves
//! running ended when the test is over.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take that a test waits for: far above what it takes, since no test
/// measures time.
const PATIENCE: Duration = Duration::from_secs(120);

const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// `jobs/`, `state/`, `config.yaml`, a socket and the log, in a folder that goes with it.
pub struct Daemon {
    folder: tempfile::TempDir,
    /// Told by the daemon what it would tell systemd.
    notices: UnixDatagram,
    process: Option<Child>,
}

/// What a command of the CLI said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub error: String,
}

impl Daemon {
    /// Folders without a manifest, and no daemon yet.
    pub fn prepare() -> Daemon {
        let folder = tempfile::Builder::new().prefix("cronlet-").tempdir();
        let folder = folder.expect("a temporary folder");
        for name in ["jobs", "state", "home"] {
            fs::create_dir(folder.path().join(name)).expect("a folder is made");
        }
        fs::write(folder.path().join("config.yaml"), "").expect("a file is written");
        let notices = UnixDatagram::bind(folder.path().join("notify"));
        let notices = notices.expect("a socket is bound");
        Daemon { folder, notices, process: None }
    }

    /// Runs on these manifests, by file name, and is ready.
    pub fn start_with(manifests: &[(&str, &str)]) -> Daemon {
        let mut daemon = Daemon::prepare();
        for (name, text) in manifests {
            daemon.write_job(name, text);
        }
        daemon.start();
        daemon
    }

    /// A path in its folder: `jobs`, `state`, `home`, `config.yaml`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a manifest, whole at once as an editor does.
    pub fn write_job(&self, name: &str, text: &str) {
        let aside = self.path("aside");
        fs::write(&aside, text).expect("a manifest is written");
        fs::rename(aside, self.path("jobs").join(name)).expect("a manifest is renamed");
    }

    pub fn remove_job(&self, name: &str) {
        fs::remove_file(self.path("jobs").join(name)).expect("a manifest is removed");
    }

    /// Starts it, and returns when it says that it is ready.
    pub fn start(&mut self) {
        self.start_under(&[]);
    }

    /// As [`Daemon::start`], by a program that executes what its arguments end with, such as
    /// `prlimit --nofile=40`.
    pub fn start_under(&mut self, program: &[&str]) {
        self.launch(program);
        self.wait_for_notice("READY=1");
    }

    /// Starts it by that program, if any, and does not wait.
    pub fn launch(&mut self, program: &[&str]) {
        assert!(self.process.is_none(), "it runs already");
        self.forget_notices();
        let log = File::options().create(true).append(true).open(self.path("log"));
        let log = log.expect("the log is opened");
        let mut command = under(program, &self.run_command());
        command.env("NOTIFY_SOCKET", self.path("notify"));
        command.stdin(Stdio::null()).stderr(log.try_clone().expect("a copy")).stdout(log);
        self.process = Some(command.spawn().expect("the daemon starts"));
    }

    /// The daemon's own command on its folders.
    pub fn run_command(&self) -> Command {
        let mut command = self.command(&["run", "--config"]);
        command.arg(self.path("config.yaml"));
        command.arg("--state").arg(self.path("state")).arg(self.path("jobs"));
        command
    }

    /// Waits until the daemon tells systemd this, such as `READY=1` after a reload.
    pub fn wait_for_notice(&mut self, line: &str) {
        let (mut buffer, begun) = ([0; 4096], Instant::now());
        self.notices.set_read_timeout(Some(BETWEEN_LOOKS)).expect("a timeout is set");
        while begun.elapsed() < PATIENCE {
            if let Ok(length) = self.notices.recv(&mut buffer)
                && buffer[..length].split(|byte| *byte == b'\n').any(|told| told == line.as_bytes())
            {
                return;
            }
            let ended = self.process.as_mut().and_then(|process| process.try_wait().ok().flatten());
            assert!(ended.is_none(), "the daemon ended, {ended:?}:\n{}", self.log());
        }
        panic!("the daemon does not say {line}:\n{}", self.log());
    }

    pub fn forget_notices(&self) {
        self.notices.set_nonblocking(true).expect("a mode is set");
        while self.notices.recv(&mut [0; 4096]).is_ok() {}
        self.notices.set_nonblocking(false).expect("a mode is set");
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(self.process.as_ref().expect("the daemon runs"))
    }

    /// The shims of its pods and all that they run; the daemon itself, if it runs, is none of them.
    pub fn processes(&self) -> Vec<i32> {
        let own = self.process.as_ref().map(Pid::from_child);
        let all = processes_in(&self.path("state")).into_iter();
        all.filter(|pid| Some(*pid) != own).map(Pid::as_raw_pid).collect()
    }

    /// Its processes of that name that run no pod: those that descend from it.
    pub fn helpers(&self, name: &str) -> Vec<Pid> {
        let own = descendants_of(vec![self.pid().as_raw_pid()], &all_processes());
        let name_of = |pid: &Pid| fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_pid()));
        let is_it = |pid: &Pid| name_of(pid).is_ok_and(|found| found.trim_end() == name);
        own.into_iter().filter_map(Pid::from_raw).filter(is_it).collect()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the daemon takes a signal");
    }

    /// As a crash does: SIGKILL, and its pods run on.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("the daemon runs");
        process.kill().expect("the daemon is killed");
        process.wait().expect("the daemon is reaped");
    }

    /// As systemd does: SIGTERM, and the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        let mut process = self.process.take().expect("the daemon runs");
        process.wait().expect("the daemon is reaped").code()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// A command of the CLI that speaks to this daemon.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cronlet"));
        command.args(arguments).env("CRONLET_SOCKET", self.path("socket"));
        command.env("HOME", self.path("home")).current_dir(self.folder.path());
        for variable in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "XDG_CONFIG_HOME", "XDG_STATE_HOME"] {
            command.env_remove(variable);
        }
        command
    }

    /// What a command of the CLI says, whatever its exit code.
    pub fn ask(&self, arguments: &[&str]) -> Said {
        let output = self.command(arguments).output().expect("the command runs");
        Said::new(output)
    }

    /// What a command of the CLI prints; it must succeed.
    pub fn tell(&self, arguments: &[&str]) -> String {
        let said = self.ask(arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {}\nthe daemon:\n{}", said.error, self.log());
        said.out
    }

    /// `get KIND [NAME] -o json`; it must succeed.
    pub fn get(&self, arguments: &[&str]) -> Value {
        let out = self.tell(&[&["get", "-o", "json"], arguments].concat());
        serde_json::from_str(&out).expect("the answer is JSON")
    }

    /// Code and body of a GET on its socket.
    pub fn http_get(&self, path: &str) -> (u16, String) {
        let answer = self.http("GET", path);
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        (code.expect("a code"), body.to_owned())
    }

    /// Head and body of the answer to a request on its socket.
    pub fn http(&self, method: &str, path: &str) -> String {
        use std::io::{Read, Write};
        let socket = std::os::unix::net::UnixStream::connect(self.path("socket"));
        let mut socket = socket.expect("the daemon listens");
        let request = format!("{method} {path} HTTP/1.1\r\nhost: it\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).expect("the request is sent");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer");
        answer
    }

    /// Looks until it sees something, patiently.
    pub fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(seen) = look() {
                return seen;
            }
            std::thread::sleep(BETWEEN_LOOKS);
        }
        panic!("{what}: it never came to that; the daemon:\n{}", self.log());
    }

    /// Triggers a CronJob and gives the name of its Job.
    pub fn trigger(&self, cron_job: &str) -> String {
        let said = self.tell(&["trigger", cron_job]);
        let name = said.split_whitespace().next().and_then(|word| word.rsplit('/').next());
        name.expect("the Job's name comes first").to_owned()
    }

    /// The Job when it has ended, Complete or Failed.
    pub fn ended_job(&self, name: &str) -> Value {
        self.until(&format!("job {name} ends"), || {
            let job = self.get(&["job", name]);
            let ended = ["Complete", "Failed"].iter().any(|end| has_condition(&job, end));
            ended.then_some(job)
        })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
        // Pods outlive the daemon: that is the point of them, but not in a test's folder that goes
        // now.
        for _ in 0..10 {
            let left = processes_in(&self.path("state"));
            if left.is_empty() {
                break;
            }
            for pid in left {
                let _ = kill_process(pid, Signal::KILL);
            }
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }
}

impl Said {
    pub fn new(output: Output) -> Said {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let code = output.status.code().expect("it ended by itself");
        Said { code, out: text(output.stdout), error: text(output.stderr) }
    }
}

/// The command with another program before it, which executes it.
fn under(program: &[&str], command: &Command) -> Command {
    let words = program.iter().map(OsStr::new);
    let mut words = words.chain([command.get_program()]).chain(command.get_args());
    let mut whole = Command::new(words.next().expect("a program"));
    whole.args(words);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => whole.env(name, value),
            None => whole.env_remove(name),
        };
    }
    whole.current_dir(command.get_current_dir().expect("a daemon has its folder"));
    whole
}

/// Whether the object has this condition, and it is `True`.
pub fn has_condition(object: &Value, kind: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.is_some_and(|all| {
        all.iter().any(|condition| condition["type"] == kind && condition["status"] == "True")
    })
}

/// The shims of the pods in `state`, by the folder that they work in or are told to, and all that
/// descends from them.
fn processes_in(state: &Path) -> Vec<Pid> {
    let all = all_processes();
    let shims = all.iter().map(|(pid, _)| *pid).filter(|pid| names(*pid, state));
    descendants_of(shims.collect(), &all).into_iter().filter_map(Pid::from_raw).collect()
}

/// All processes with their parents.
fn all_processes() -> Vec<(i32, i32)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids =
        entries.flatten().filter_map(|e| e.file_name().to_string_lossy().parse::<i32>().ok());
    pids.filter_map(|pid| Some((pid, parent(pid)?))).collect()
}

/// These, and all that descends from them.
fn descendants_of(mut found: Vec<i32>, all: &[(i32, i32)]) -> Vec<i32> {
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        let children = all.iter().filter(|(_, parent)| *parent == pid).map(|(child, _)| *child);
        let new: Vec<i32> = children.filter(|child| !found.contains(child)).collect();
        found.extend(new);
        next += 1;
    }
    found
}

fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; after it come the state and the parent.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn names(pid: i32, state: &Path) -> bool {
    let works_there =
        fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(state));
    let told = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    works_there || String::from_utf8_lossy(&told).contains(&*state.to_string_lossy())
}
