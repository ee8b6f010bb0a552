//! A runtime in a folder of its own, and what a test asks of it.

use crate::common::untested;
use cronlet_api::time::Timestamp;
use cronlet_node::probes::exec::{Exec, Run};
use cronlet_node::runtimes::process::{Options, ProcessRuntime, log_files};
use cronlet_plan::order::{
    Confinement, ContainerEvent, Exit, Launch, Order, PodObserved, Report, ResourceLimits,
};
use cronlet_plan::runtime::Runtime;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Far beyond what any step takes: a test that waits so long has failed.
pub const LONG: Duration = Duration::from_secs(60);

pub struct World {
    pub state: PathBuf,
    options: Options,
    runtime: Option<ProcessRuntime>,
    reports: Receiver<Report>,
    seen: Vec<Report>,
    _folder: tempfile::TempDir,
}

impl World {
    pub fn new() -> World {
        World::with(true)
    }

    pub fn with(cgroups: bool) -> World {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let state = folder.path().join("state");
        // A test that is run again as another user has a copy that this user may read.
        let program = std::env::var_os("CRONLET_TEST_PROGRAM");
        let program = program.unwrap_or_else(|| env!("CARGO_BIN_EXE_cronlet").into());
        let options = Options { program: program.into(), cgroups };
        let (runtime, reports) = make(&state, &options);
        World { state, options, runtime: Some(runtime), reports, seen: Vec::new(), _folder: folder }
    }

    /// The daemon goes; its shims stay.
    pub fn close(&mut self) {
        self.runtime = None;
    }

    /// A new daemon comes and takes the pods back.
    pub fn reopen(&mut self) -> HashMap<String, PodObserved> {
        self.runtime = None;
        let (mut runtime, reports) = make(&self.state, &self.options);
        let found = runtime.recover().expect("recover");
        (self.runtime, self.reports) = (Some(runtime), reports);
        self.seen.clear();
        found.into_iter().collect()
    }

    pub fn order(&mut self, order: Order) {
        self.runtime.as_mut().expect("open").order(order);
    }

    /// Runs a program in a container, as its probes do.
    pub fn exec(&self, run: Run) {
        self.runtime.as_ref().expect("open").exec_door().run(run);
    }

    /// What is ordered from here on starts then.
    pub fn not_before(&mut self, at: Timestamp) {
        self.runtime.as_mut().expect("open").not_before(at);
    }

    pub fn start(&mut self, launch: &Launch) {
        self.order(Order::Start(Box::new(launch.clone())));
    }

    pub fn stop(&mut self, launch: &Launch, grace_seconds: i64) {
        let (pod_uid, container) = (launch.pod_uid.clone(), launch.container.clone());
        self.order(Order::Stop { pod_uid, container, attempt: launch.attempt, grace_seconds });
    }

    /// Waits for the first report of this attempt, seen or to come, that `wanted` makes something
    /// of.
    pub fn wait<T>(&mut self, launch: &Launch, wanted: impl Fn(&ContainerEvent) -> Option<T>) -> T {
        let deadline = Instant::now() + LONG;
        let pick = |report: &Report| {
            let of_it = report.pod_uid == launch.pod_uid
                && (report.container == launch.container && report.attempt == launch.attempt
                    || report.event == ContainerEvent::Cleaned);
            if of_it { wanted(&report.event) } else { None }
        };
        if let Some(found) = self.seen.iter().find_map(pick) {
            return found;
        }
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let report = self.reports.recv_timeout(left).unwrap_or_else(|_| {
                panic!("waited too long for {launch:?}; seen: {:?}", self.seen)
            });
            let found = pick(&report);
            self.seen.push(report);
            if let Some(found) = found {
                return found;
            }
        }
    }

    pub fn started(&mut self, launch: &Launch) -> u32 {
        self.wait(launch, |event| match event {
            ContainerEvent::Started { pid, .. } => Some(*pid),
            ContainerEvent::Failed { reason, message, .. } => {
                panic!("not started: {reason}: {message}")
            }
            ContainerEvent::Exited(exit) => panic!("ended before it was seen to start: {exit:?}"),
            _ => None,
        })
    }

    pub fn exited(&mut self, launch: &Launch) -> Exit {
        self.wait(launch, |event| match event {
            ContainerEvent::Exited(exit) => Some(exit.clone()),
            ContainerEvent::Failed { reason, message, .. } => {
                panic!("not started: {reason}: {message}")
            }
            _ => None,
        })
    }

    pub fn failed(&mut self, launch: &Launch) -> (String, String) {
        self.wait(launch, |event| match event {
            ContainerEvent::Failed { reason, message, .. } => {
                Some((reason.clone(), message.clone()))
            }
            ContainerEvent::Exited(exit) => panic!("ran: {exit:?}"),
            _ => None,
        })
    }

    /// Its pid, or why it was not started.
    pub fn begun(&mut self, launch: &Launch) -> Result<u32, String> {
        self.wait(launch, |event| match event {
            ContainerEvent::Started { pid, .. } => Some(Ok(*pid)),
            ContainerEvent::Failed { message, .. } => Some(Err(message.clone())),
            _ => None,
        })
    }

    /// The host does not let the runtime limit that. Where `CRONLET_TEST_LIMITS` is set it must.
    pub fn cannot(&self, what: &str) -> bool {
        let all = self.runtime.as_ref().expect("open").cannot();
        let cannot = all.iter().any(|sentence| sentence.starts_with(what));
        assert!(!cannot || std::env::var_os("CRONLET_TEST_LIMITS").is_none(), "{all:?}");
        if cannot {
            untested::record(&format!("{what} limits of this host"));
        }
        cannot
    }

    /// Starts it, waits for its end and gives how it ended.
    pub fn run(&mut self, launch: &Launch) -> Exit {
        self.start(launch);
        self.exited(launch)
    }

    pub fn clean(&mut self, launch: &Launch) {
        self.order(Order::Clean { pod_uid: launch.pod_uid.clone() });
        self.wait(launch, |event| (*event == ContainerEvent::Cleaned).then_some(()));
        assert!(!self.folder(launch).exists(), "a cleaned pod has no folder");
    }

    /// Forgets the reports so far, so that one waits for new ones.
    pub fn forget(&mut self) {
        self.seen.extend(self.reports.try_iter());
        self.seen.clear();
    }

    pub fn seen(&mut self) -> &[Report] {
        self.seen.extend(self.reports.try_iter());
        &self.seen
    }

    pub fn folder(&self, launch: &Launch) -> PathBuf {
        self.state.join("pods").join(&launch.pod_uid)
    }

    /// The journal's segments.
    pub fn journal(&self) -> Vec<PathBuf> {
        let all = std::fs::read_dir(self.state.join("journal")).expect("a journal").flatten();
        let is_segment = |path: &PathBuf| {
            path.file_name().is_some_and(|n| n.to_string_lossy().parse::<u64>().is_ok())
        };
        all.map(|entry| entry.path()).filter(is_segment).collect()
    }

    /// All that the log files of the attempt hold, oldest first.
    pub fn log(&self, launch: &Launch) -> String {
        let (uid, name) = (&launch.pod_uid, &launch.container);
        let files = log_files(&self.state, uid, name, launch.attempt);
        let text = |path: PathBuf| std::fs::read(path).expect("a log file");
        String::from_utf8_lossy(&files.into_iter().flat_map(text).collect::<Vec<u8>>()).into()
    }

    /// What the program wrote, without the log's stamps; pieces of lines joined.
    pub fn output(&self, launch: &Launch) -> String {
        let mut output = String::new();
        for line in self.log(launch).lines() {
            let fields: Vec<&str> = line.splitn(4, ' ').collect();
            output.push_str(fields[3]);
            output.push_str(if fields[2] == "F" { "\n" } else { "" });
        }
        output
    }

    /// The pod's shim, by its lock on nothing but the kernel's word: the parent of the container.
    pub fn shim_of(&self, pid: u32) -> u32 {
        stat(pid).expect("the container runs")[1].parse().expect("a pid")
    }
}

impl Drop for World {
    /// Everything that the test started ends, by its pod.
    fn drop(&mut self) {
        let uids: Vec<String> = self.reopen().into_keys().collect();
        for pod_uid in &uids {
            self.order(Order::Clean { pod_uid: pod_uid.clone() });
        }
        let mut left = uids.len();
        while left > 0
            && self.reports.recv_timeout(LONG).is_ok_and(|r| {
                left -= usize::from(r.event == ContainerEvent::Cleaned);
                true
            })
        {}
    }
}

fn make(state: &Path, options: &Options) -> (ProcessRuntime, Receiver<Report>) {
    let (sender, reports) = channel();
    let tell = move |report| {
        // A test that has seen enough hears no more.
        let _ = sender.send(report);
    };
    (ProcessRuntime::new(state, tell, options.clone()).expect("a runtime"), reports)
}

/// A container `main` of a new pod that runs a shell script.
pub fn sh(script: &str) -> Launch {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    Launch {
        pod_uid: format!("{}-{number}", std::process::id()),
        namespace: "default".into(),
        pod: format!("pod-{number}"),
        container: "main".into(),
        attempt: 0,
        argv: ["/bin/sh", "-c", script].map(String::from).into(),
        called: None,
        env: vec![("PATH".into(), path.into())],
        working_dir: None,
        user: None,
        group: None,
        groups: Vec::new(),
        fs_group: None,
        mounts: Vec::new(),
        limits: ResourceLimits::default(),
        pod_limits: ResourceLimits::default(),
        confinement: Confinement::default(),
        termination_message_path: "/dev/termination-log".into(),
        message_from_logs: false,
        post_start: None,
        pre_stop: None,
        stop_signal: None,
        grace_seconds: 30,
        read_only_root: false,
        host_name: String::new(),
        hosts_line: String::new(),
        account_variables: Vec::new(),
        contested: Vec::new(),
    }
}

/// The fields of `/proc/<pid>/stat` from the state on; `None`: there is no such process.
pub fn stat(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(')')?.1.split_ascii_whitespace().map(String::from).collect())
}

/// Is there such a process, and is it more than a zombie?
pub fn alive(pid: u32) -> bool {
    stat(pid).is_some_and(|fields| fields[0] != "Z" && fields[0] != "X")
}

/// Waits until the file holds something, and gives it.
pub fn read_when_there(path: &Path) -> String {
    let mut text = String::new();
    until(|| {
        text = std::fs::read_to_string(path).unwrap_or_default();
        text.ends_with('\n')
    });
    text.trim().to_owned()
}

pub fn until(mut true_at_last: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !true_at_last() {
        assert!(Instant::now() < deadline, "waited too long");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("kill");
}
