//! What cronlet is measured against, and the program that all of them run.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The first argument that makes this program a stamp: a job that writes down when it began, and
/// ends.
pub const STAMP: &str = "stamp";

pub fn stamp(path: &str) {
    let now = now_seconds();
    let mut file = OpenOptions::new().append(true).create(true).open(path).expect("it opens");
    file.write_all(format!("{now:.9}\n").as_bytes()).expect("a stamp is written");
}

pub fn now_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64()
}

/// The stamps so far, seconds since 1970.
pub fn stamps(path: &Path) -> Vec<f64> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text.lines().filter(|line| line.len() > 10);
    whole.filter_map(|line| line.parse().ok()).collect()
}

/// The command that writes a stamp.
pub fn stamp_command(path: &Path) -> [String; 3] {
    let program = std::env::current_exe().expect("this program has a path");
    let path = path.to_string_lossy().into_owned();
    [program.to_string_lossy().into_owned(), STAMP.to_owned(), path]
}

/// Waits until the wall clock says so.
pub fn sleep_until(seconds: f64) {
    loop {
        let left = seconds - now_seconds();
        if left <= 0.0 {
            return;
        }
        std::thread::sleep(Duration::from_secs_f64(left.min(1.0)));
    }
}

/// The next minute's beginning, once it is at least so many seconds away: what is started now is
/// due then and not before.
pub fn wait_for_minute_with(seconds: f64) -> f64 {
    let next = || ((now_seconds() / 60.0).floor() + 1.0) * 60.0;
    if next() - now_seconds() < seconds {
        sleep_until(next());
    }
    next()
}

/// Debian's cron with a crontab of its own: what it reads lies in mounts that only it sees.
pub struct Cron {
    process: Child,
}

pub fn cron_needs() -> Vec<(&'static str, bool)> {
    vec![
        ("root", rustix::process::geteuid().is_root()),
        ("cron", super::common::program("cron")),
        ("unshare", super::common::program("unshare")),
    ]
}

impl Cron {
    pub fn start(folder: &Path, crontab: &str) -> Cron {
        use std::os::unix::fs::PermissionsExt;
        fs::create_dir_all(folder).expect("a folder is made");
        let file = folder.join("root");
        fs::write(&file, crontab).expect("a crontab is written");
        fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("a mode is set");
        let script = format!(
            "mount -t tmpfs tmpfs /run && mount --bind '{}' /var/spool/cron/crontabs && \
             mount -t tmpfs tmpfs /etc/cron.d && mount --bind /dev/null /etc/crontab && \
             exec cron -f",
            folder.display()
        );
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--propagation", "private", "sh", "-c", &script]);
        unshare.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Cron { process: unshare.spawn().expect("cron starts") }
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Cron {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
