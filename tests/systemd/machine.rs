//! A machine with a real systemd: a Debian or Ubuntu made by debootstrap, booted in systemd-nspawn,
//! its changes forgotten when it goes. An agent in it runs the test's commands.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long anything may take that a test waits for: far above what it takes, since no test
/// measures time.
const PATIENCE: Duration = Duration::from_secs(180);

const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Reads numbers of commands and runs them one after the other.
const AGENT: &str = r#"#!/bin/bash
cd /channel
exec 3<> commands
touch ready
while read -r number <&3; do
    bash "$number.command" > "$number.output" 2>&1 3>&-
    echo $? > "$number.code.part"
    mv "$number.code.part" "$number.code"
done
"#;

const AGENT_UNIT: &str = "[Service]\nExecStart=/channel/agent\n";

pub struct Machine {
    /// `/channel` in the machine.
    channel: tempfile::TempDir,
    process: Child,
    commands: u32,
}

/// What this host needs for it, each with whether it is there.
pub fn needs(program: impl Fn(&str) -> bool) -> Vec<(&'static str, bool)> {
    vec![
        ("root", rustix::process::geteuid().is_root()),
        ("systemd-nspawn (package systemd-container)", program("systemd-nspawn")),
        ("debootstrap", program("debootstrap")),
    ]
}

impl Machine {
    /// Boots it with these files of the host, each at its path in the machine.
    pub fn boot(files: &[(&Path, &str)]) -> Machine {
        let channel = tempfile::Builder::new().prefix("machine-").tempdir();
        let channel = channel.expect("a temporary folder");
        let at = |name: &str| channel.path().join(name);
        fs::write(at("agent"), AGENT).expect("a file is written");
        fs::set_permissions(at("agent"), PermissionsExt::from_mode(0o755)).expect("a mode is set");
        fs::write(at("agent.service"), AGENT_UNIT).expect("a file is written");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("commands"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .expect("a pipe is made");
        let mut nspawn = Command::new("systemd-nspawn");
        nspawn.args(["--quiet", "--keep-unit", "--register=no", "--private-network"]);
        nspawn.args(["--volatile=overlay", "--console=pipe", "--directory"]).arg(root());
        nspawn.arg(format!("--bind={}:/channel", channel.path().display()));
        let agent = at("agent.service");
        let files = files.iter().copied();
        for (from, to) in files.chain([(&*agent, "/etc/systemd/system/agent.service")]) {
            nspawn.arg(format!("--bind-ro={}:{to}", from.display()));
        }
        nspawn.args(["--boot", "systemd.wants=agent.service"]).stdin(Stdio::null());
        let console = File::create(at("console")).expect("a file is made");
        nspawn.stdout(console.try_clone().expect("a copy")).stderr(console);
        let process = nspawn.spawn().expect("systemd-nspawn starts");
        let mut machine = Machine { channel, process, commands: 0 };
        machine.wait_for("ready");
        machine
    }

    /// What the script prints and its exit code.
    pub fn try_run(&mut self, script: &str) -> (i32, String) {
        self.commands += 1;
        let number = self.commands;
        let at = |what: &str| self.channel.path().join(format!("{number}.{what}"));
        fs::write(at("command"), script).expect("a command is written");
        fs::write(self.channel.path().join("commands"), format!("{number}\n"))
            .expect("the agent is told");
        let (code, output) = (at("code"), at("output"));
        self.wait_for(&format!("{number}.code"));
        let code = fs::read_to_string(code).expect("a code").trim().parse().expect("a number");
        (code, String::from_utf8_lossy(&fs::read(output).expect("output")).into_owned())
    }

    /// What the script prints; it must succeed.
    pub fn run(&mut self, script: &str) -> String {
        let (code, output) = self.try_run(script);
        assert_eq!(code, 0, "{script}\n{output}\n{}", self.journal());
        output
    }

    /// Runs the script until it succeeds, patiently; gives what it prints then.
    pub fn until(&mut self, script: &str) -> String {
        let begun = Instant::now();
        loop {
            let (code, output) = self.try_run(script);
            if code == 0 {
                return output;
            }
            let patient = begun.elapsed() < PATIENCE;
            assert!(patient, "it never came to: {script}\n{output}\n{}", self.journal());
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    pub fn journal(&mut self) -> String {
        self.try_run("journalctl --no-pager --unit cronlet --output cat").1
    }

    /// A folder of the host that is `/channel` in the machine.
    pub fn channel(&self) -> &Path {
        self.channel.path()
    }

    fn wait_for(&mut self, name: &str) {
        let (path, begun) = (self.channel.path().join(name), Instant::now());
        while !path.exists() {
            let ended = self.process.try_wait().expect("the machine is looked at");
            let console = || fs::read(self.channel.path().join("console")).unwrap_or_default();
            let console = || String::from_utf8_lossy(&console()).into_owned();
            assert!(ended.is_none(), "the machine ended, {ended:?}:\n{}", console());
            assert!(begun.elapsed() < PATIENCE, "no {name}:\n{}", console());
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Everything in it ends with its first process, which systemd-nspawn is the parent of and
        // leaves behind where it is killed itself.
        let parent = self.process.id();
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
        for child in children.unwrap_or_default().split_whitespace() {
            if let Some(pid) = child.parse().ok().and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The machine's files, made once and kept in `target/`.
fn root() -> PathBuf {
    static MAKING: Mutex<()> = Mutex::new(());
    let _alone = MAKING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let (suite, mirror) = distribution();
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("machines");
    let root = cache.join(&suite);
    if root.exists() {
        return root;
    }
    fs::create_dir_all(&cache).expect("a folder is made");
    let part = cache.join(format!("{suite}.{}", std::process::id()));
    eprintln!("making a {suite} with debootstrap, once");
    let mut debootstrap = Command::new("debootstrap");
    debootstrap.args(["--variant=minbase", "--include=systemd,systemd-sysv,dbus,cron"]);
    let output = debootstrap.arg(&suite).arg(&part).arg(mirror).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    fs::rename(&part, &root).expect("it is put in its place");
    root
}

/// The host's own release, so that the binary finds the libc that it was linked with.
fn distribution() -> (String, &'static str) {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let field = |name: &str| {
        let value = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_default().trim_matches('"').to_owned()
    };
    match field("ID").as_str() {
        "debian" => (field("VERSION_CODENAME"), "http://deb.debian.org/debian"),
        "ubuntu" => (field("VERSION_CODENAME"), "http://archive.ubuntu.com/ubuntu"),
        _ => ("stable".to_owned(), "http://deb.debian.org/debian"),
    }
}
