//! cgroups: one for each container attempt, to find and kill all of it, and to hold it to its
//! limits.
//!
//! Version 2 is used wherever it is mounted: to track and kill (`cgroup.kill`), and for limits
//! where it has the controllers. Where the controllers belong to version 1 (hybrid hosts), limits
//! are set there, in folders that are made only for containers that have limits. A host without any
//! is said plainly ([`Layout::cannot`]).
//!
//! Version 2 wants processes in leaves only, so the daemon moves itself to `supervisor` and
//! containers live in `pods` beside it. A systemd unit needs `Delegate=yes` and
//! `DelegateSubgroup=supervisor` for that; where systemd is older than 254 and knows no subgroup,
//! containers live at the top, as the kubelet's do.

use super::process;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::process::Pid;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Where this host lets us make cgroups; found once by the daemon and handed to each shim.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Layout {
    /// Version 2 folder for containers.
    unified: Option<PathBuf>,
    memory: Option<Controller>,
    cpu: Option<Controller>,
    /// A version 1 folder to track containers by, where version 2 is not mounted.
    tracker: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Controller {
    /// In the folder of `Layout::unified`.
    Unified,
    /// In this version 1 folder.
    Legacy(PathBuf),
}

/// Ends the names of pods' own cgroups.
pub const POD_SUFFIX: &str = ".pod";

/// What a container may use; `None`: no limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    pub cpu_millis_max: Option<u64>,
    pub cpu_millis_request: Option<u64>,
    pub memory_bytes_max: Option<u64>,
}

impl Layout {
    /// Looks at the host's mounts and prepares the folders. Moves this process to `supervisor`
    /// where version 2 wants it; to be called before other processes are made.
    pub fn prepare() -> Layout {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mut layout = Layout::default();
        let mut mounts: Vec<CgroupMount> = mounts.lines().filter_map(CgroupMount::parse).collect();
        mounts.sort_by_key(|mount| !mount.unified);
        for mount in &mounts {
            layout.add(mount, &own);
        }
        layout
    }

    fn add(&mut self, mount: &CgroupMount, own: &str) {
        if mount.unified {
            let Some((folder, controllers)) = prepare_unified(&mount.folder(own), &mount.at) else {
                return;
            };
            let has = |name: &str| controllers.split_ascii_whitespace().any(|c| c == name);
            if has("memory") {
                self.memory = Some(Controller::Unified);
            }
            if has("cpu") {
                self.cpu = Some(Controller::Unified);
            }
            self.unified = Some(folder);
            return;
        }
        let folder = mount.folder(own).join("cronlet");
        let tracker = self.unified.is_none() && mount.has("freezer");
        let wanted = tracker || mount.has("memory") || mount.has("cpu");
        if !wanted || make_folder(&folder).is_err() || !is_ours(&folder) {
            return;
        }
        if mount.has("memory") {
            self.memory = Some(Controller::Legacy(folder.clone()));
        }
        if mount.has("cpu") {
            self.cpu = Some(Controller::Legacy(folder.clone()));
        }
        if tracker {
            self.tracker = Some(folder);
        }
    }

    /// What cannot be done here, one sentence each; empty where all can.
    pub fn cannot(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        let mut say = |missing: bool, what: &str| {
            if missing {
                sentences.push(what.to_owned());
            }
        };
        say(
            self.memory.is_none(),
            "memory limits cannot be enforced: no memory cgroup can be made here",
        );
        say(self.cpu.is_none(), "CPU limits cannot be enforced: no cpu cgroup can be made here");
        say(
            self.unified.is_none() && self.tracker.is_none(),
            "containers are tracked by their descent alone: no cgroup can be made here",
        );
        sentences
    }

    /// The folders that an attempt with these limits will have its own in.
    fn bases(&self, limits: &Limits) -> Vec<&PathBuf> {
        let mut bases: Vec<&PathBuf> = Vec::new();
        bases.extend(self.unified.as_ref().or(self.tracker.as_ref()));
        let cpu_wanted = limits.cpu_millis_max.or(limits.cpu_millis_request).is_some();
        let memory_wanted = limits.memory_bytes_max.is_some();
        for (controller, wanted) in [(&self.memory, memory_wanted), (&self.cpu, cpu_wanted)] {
            // Controllers that are mounted together share a folder.
            if let Some(Controller::Legacy(base)) = controller
                && (wanted || is_of_pod(base))
                && !bases.contains(&base)
            {
                bases.push(base);
            }
        }
        bases
    }

    /// Makes the cgroup of one attempt, with its limits set and nothing in it yet.
    pub fn create(&self, name: &str, limits: &Limits) -> io::Result<Cgroup> {
        let folders = self.bases(limits).into_iter().map(|base| base.join(name)).collect();
        let cgroup = Cgroup { born_in: self.unified.is_some(), folders };
        for folder in &cgroup.folders {
            make_folder(folder)?;
        }
        self.limit(name, limits)?;
        if limits.memory_bytes_max.is_some() && self.memory == Some(Controller::Unified) {
            // A container out of memory goes whole. A pod does not: its other containers stay.
            let _ = fs::write(self.folder_of(&Controller::Unified, name).join(OOM_GROUP), "1");
        }
        Ok(cgroup)
    }

    /// Makes the cgroup of a pod that has limits itself, or sets them anew; `name` ends in
    /// [`POD_SUFFIX`]. Returns the layout for its containers, whose cgroups lie in it.
    pub fn within(&self, name: &str, limits: &Limits) -> io::Result<Layout> {
        let bases = self.bases(limits);
        for base in &bases {
            let folder = base.join(name);
            make_folder(&folder)?;
            // Version 1 before Linux 5.11: what is below counts. Others lack the file.
            let _ = fs::write(folder.join("memory.use_hierarchy"), "1");
        }
        self.limit(name, limits)?;
        let below =
            |base: &PathBuf| if bases.contains(&base) { base.join(name) } else { base.clone() };
        let controller = |controller: &Option<Controller>| match controller {
            Some(Controller::Legacy(base)) => Some(Controller::Legacy(below(base))),
            other => other.clone(),
        };
        if let Some(unified) = &self.unified {
            let enabled = fs::read_to_string(unified.join("cgroup.subtree_control"));
            let enable: String = enabled
                .unwrap_or_default()
                .split_ascii_whitespace()
                .map(|name| format!("+{name} "))
                .collect();
            fs::write(unified.join(name).join("cgroup.subtree_control"), enable)?;
        }
        Ok(Layout {
            unified: self.unified.as_ref().map(below),
            memory: controller(&self.memory),
            cpu: controller(&self.cpu),
            tracker: self.tracker.as_ref().map(below),
        })
    }

    fn limit(&self, name: &str, limits: &Limits) -> io::Result<()> {
        if let (Some(bytes), Some(controller)) = (limits.memory_bytes_max, &self.memory) {
            limit_memory(controller, &self.folder_of(controller, name), bytes)?;
        }
        if let Some(controller) = &self.cpu {
            limit_cpu(controller, &self.folder_of(controller, name), limits)?;
        }
        Ok(())
    }

    fn folder_of(&self, controller: &Controller, name: &str) -> PathBuf {
        match controller {
            Controller::Legacy(base) => base.join(name),
            Controller::Unified => {
                let base = self.unified.as_ref().expect("a unified controller has its folder");
                base.join(name)
            }
        }
    }
}

fn limit_memory(controller: &Controller, folder: &Path, bytes: u64) -> io::Result<()> {
    let bytes = bytes.to_string();
    // Kubernetes gives its containers no swap. Kernels without swap accounting lack these files.
    match controller {
        Controller::Unified => {
            fs::write(folder.join("memory.max"), bytes)?;
            let _ = fs::write(folder.join("memory.swap.max"), "0");
        }
        Controller::Legacy(_) => {
            fs::write(folder.join("memory.limit_in_bytes"), &bytes)?;
            let _ = fs::write(folder.join("memory.memsw.limit_in_bytes"), &bytes);
        }
    }
    Ok(())
}

const OOM_GROUP: &str = "memory.oom.group";
const CPU_PERIOD_MICROSECONDS: u64 = 100_000;
const CPU_QUOTA_MICROSECONDS_MIN: u64 = 1_000;

fn limit_cpu(controller: &Controller, folder: &Path, limits: &Limits) -> io::Result<()> {
    if let Some(millis) = limits.cpu_millis_max {
        let quota = (millis * CPU_PERIOD_MICROSECONDS / 1000).max(CPU_QUOTA_MICROSECONDS_MIN);
        match controller {
            Controller::Unified => {
                let max = format!("{quota} {CPU_PERIOD_MICROSECONDS}");
                fs::write(folder.join("cpu.max"), max)?;
            }
            Controller::Legacy(_) => {
                let period = CPU_PERIOD_MICROSECONDS.to_string();
                fs::write(folder.join("cpu.cfs_period_us"), period)?;
                fs::write(folder.join("cpu.cfs_quota_us"), quota.to_string())?;
            }
        }
    }
    if let Some(millis) = limits.cpu_millis_request.or(limits.cpu_millis_max) {
        let shares = (millis * 1024 / 1000).clamp(2, 262_144);
        match controller {
            Controller::Unified => {
                let weight = 1 + (shares - 2) * 9999 / 262_142;
                fs::write(folder.join("cpu.weight"), weight.to_string())?;
            }
            Controller::Legacy(_) => fs::write(folder.join("cpu.shares"), shares.to_string())?,
        }
    }
    Ok(())
}

/// The cgroup of one attempt: a folder in each hierarchy that is used.
#[derive(Debug, Clone, Default)]
pub struct Cgroup {
    /// The first folder is of version 2: a process can be born in it.
    born_in: bool,
    folders: Vec<PathBuf>,
}

impl Cgroup {
    /// One that was made earlier, by its folders.
    pub fn of(folders: Vec<PathBuf>) -> Cgroup {
        Cgroup { born_in: false, folders }
    }

    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// Can tell its processes from others?
    pub fn tracks(&self) -> bool {
        !self.folders.is_empty()
    }

    /// The folder for `fork_into`, where there is one.
    pub fn open(&self) -> Option<OwnedFd> {
        let folder = self.folders.first().filter(|_| self.born_in)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(folder, flags, Mode::empty()).ok()
    }

    /// Moves this process in; `born`: it is in the version 2 folder already.
    pub fn join(&self, born: bool) -> io::Result<()> {
        for folder in self.folders.iter().skip(usize::from(born)) {
            fs::write(folder.join("cgroup.procs"), "0")?;
        }
        Ok(())
    }

    /// Kills all that is in it. A process that is being born meanwhile may be missed: see
    /// [`Cgroup::remove`].
    pub fn kill(&self) {
        for folder in &self.folders {
            if fs::write(folder.join("cgroup.kill"), "1").is_err() {
                self.members(folder).into_iter().for_each(process::kill);
            }
        }
    }

    fn members(&self, folder: &Path) -> Vec<Pid> {
        let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        let own = rustix::process::getpid();
        let pids = text.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?));
        pids.filter(|pid| *pid != own).collect()
    }

    /// Counts the living processes in it.
    pub fn count(&self) -> usize {
        let Some(folder) = self.folders.first() else { return 0 };
        let Ok(text) = fs::read_to_string(folder.join("cgroup.procs")) else { return 0 };
        let pids = text.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?));
        pids.filter(|pid| process::is_alive(*pid)).count()
    }

    /// Removes the folders, and those of a pod with nothing left in them. False: something in it is
    /// still alive.
    pub fn remove(&self) -> bool {
        let is_gone = |folder: &PathBuf| match fs::remove_dir(folder) {
            Ok(()) => true,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        let all_gone = self.folders.iter().all(is_gone);
        for pod in self.folders.iter().filter_map(|folder| folder.parent()) {
            if is_of_pod(pod) {
                // Another container of the pod may still be there, and removes it then.
                let _ = fs::remove_dir(pod);
            }
        }
        all_gone
    }

    /// Did the kernel kill something in it for want of memory?
    pub fn out_of_memory(&self) -> bool {
        let killed = |text: String| {
            let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
            line.is_some_and(|count| count.trim() != "0")
        };
        self.folders.iter().any(|folder| {
            let files = ["memory.events", "memory.oom_control"];
            files.iter().any(|file| fs::read_to_string(folder.join(file)).is_ok_and(killed))
        })
    }
}

/// True if the folder is a pod's own: all of its containers lie in it.
fn is_of_pod(folder: &Path) -> bool {
    folder.to_str().is_some_and(|name| name.ends_with(POD_SUFFIX))
}

/// One line of `/proc/self/mountinfo` that mounts cgroups.
struct CgroupMount {
    unified: bool,
    root: String,
    at: PathBuf,
    options: String,
}

impl CgroupMount {
    fn parse(line: &str) -> Option<CgroupMount> {
        let (front, back) = line.split_once(" - ")?;
        let mut back = back.split_ascii_whitespace();
        let unified = match back.next()? {
            "cgroup2" => true,
            "cgroup" => false,
            _ => return None,
        };
        let mut front = front.split_ascii_whitespace().skip(3);
        let root = front.next()?.to_owned();
        let at = PathBuf::from(front.next()?);
        Some(CgroupMount { unified, root, at, options: back.nth(1)?.to_owned() })
    }

    fn has(&self, controller: &str) -> bool {
        self.options.split(',').any(|option| option == controller)
    }

    /// The folder of our own cgroup in this hierarchy, by `/proc/self/cgroup`.
    fn folder(&self, own: &str) -> PathBuf {
        let mine = own.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let controllers = fields.next()?;
            let path = fields.next()?;
            let ours = match self.unified {
                true => controllers.is_empty(),
                false => controllers.split(',').any(|name| self.has(name)),
            };
            ours.then_some(path)
        });
        let mine = mine.unwrap_or("/");
        let below = mine.strip_prefix(self.root.trim_end_matches('/')).unwrap_or(mine);
        let folder = self.at.join(below.trim_start_matches('/'));
        if folder.is_dir() { folder } else { self.at.clone() }
    }
}

/// The folder for containers, and the controllers that they will have. `own` is our own cgroup's
/// folder, `top` that of the whole hierarchy.
fn prepare_unified(own: &Path, top: &Path) -> Option<(PathBuf, String)> {
    let in_subgroup = own.file_name().is_some_and(|name| name == "supervisor");
    let own = if in_subgroup { own.parent()? } else { own };
    let has = fs::read_to_string(own.join("cgroup.controllers")).unwrap_or_default();
    let wanted: Vec<&str> =
        has.split_ascii_whitespace().filter(|c| ["memory", "cpu", "pids"].contains(c)).collect();
    // systemd starts the next daemon in the service's own cgroup unless told otherwise, and could
    // not while the pods of this one have controllers below it.
    let is_service = own.extension().is_some_and(|extension| extension == "service");
    let at_top = is_service && !in_subgroup && !wanted.is_empty();
    let own = if at_top { top } else { own };
    let at_top = at_top || !own.join("cgroup.type").exists();
    if !wanted.is_empty() && !at_top {
        let supervisor = own.join("supervisor");
        make_folder(&supervisor).ok()?;
        fs::write(supervisor.join("cgroup.procs"), "0").ok()?;
    }
    let pods = own.join(if at_top { "cronlet" } else { "pods" });
    make_folder(&pods).ok()?;
    let enable: String = wanted.iter().map(|name| format!("+{name} ")).collect();
    for folder in [own, &pods] {
        let _ = fs::write(folder.join("cgroup.subtree_control"), &enable);
    }
    let enabled = fs::read_to_string(pods.join("cgroup.subtree_control")).unwrap_or_default();
    is_ours(&pods).then_some((pods, enabled))
}

/// May we make cgroups in it, and put processes in them? It may be there from another user's
/// daemon.
fn is_ours(folder: &Path) -> bool {
    let write = rustix::fs::Access::WRITE_OK;
    let may = |path: &Path| rustix::fs::access(path, write).is_ok();
    may(folder) && may(&folder.join("cgroup.procs"))
}

fn make_folder(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // systemd takes away what is empty of a unit that it starts again.
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir_all(folder),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_folder_by_mount_and_membership() {
        let check = |mountinfo: &str, own: &str, want: Option<&str>| {
            let found = CgroupMount::parse(mountinfo).map(|mount| mount.folder(own));
            assert_eq!(found, want.map(PathBuf::from), "{mountinfo}");
        };
        let own = "5:memory:/no/such\n3:cpu,cpuacct:/\n0::/no/unit.service\n";
        let at = "30 25 0:26 / /proc rw,nosuid shared:9 - ";
        check(&format!("{at}cgroup2 cgroup2 rw"), own, Some("/proc"));
        check(&format!("{at}cgroup cgroup rw,memory"), own, Some("/proc"));
        check(&format!("{at}proc proc rw"), own, None);
        check(&format!("{at}cgroup cgroup rw,memory"), "5:memory:/sys\n", Some("/proc/sys"));
    }

    #[test]
    fn a_service_without_a_subgroup_keeps_its_own_cgroup_free() {
        let check = |own: &str, controllers: &str, want: &str, free: bool| {
            let top = tempfile::tempdir().expect("tempdir");
            let own = top.path().join(own);
            for folder in [own.join("pods"), own.join("../pods"), top.path().join("cronlet")] {
                fs::create_dir_all(&folder).expect("a folder");
                fs::write(folder.join("cgroup.procs"), "").expect("a file");
            }
            for folder in [own.clone(), own.join("..")] {
                fs::write(folder.join("cgroup.controllers"), controllers).expect("a file");
                fs::write(folder.join("cgroup.type"), "domain").expect("a file");
            }
            let found = prepare_unified(&own, top.path()).expect("pods have a folder").0;
            assert_eq!(found, top.path().join(want), "{own:?}");
            assert_eq!(!own.join("cgroup.subtree_control").exists(), free, "{own:?}");
        };
        check("system.slice/cronlet.service", "cpu memory", "cronlet", true);
        check("system.slice/cronlet.service", "", "system.slice/cronlet.service/pods", false);
        let in_subgroup = "system.slice/cronlet.service/supervisor";
        check(in_subgroup, "cpu memory", "system.slice/cronlet.service/pods", true);
        check("user.slice/a.scope", "cpu memory", "user.slice/a.scope/pods", false);
    }

    #[test]
    fn limits_as_each_version_writes_them() {
        let base = tempfile::tempdir().expect("tempdir");
        let limits = Limits {
            cpu_millis_max: Some(500),
            cpu_millis_request: Some(250),
            memory_bytes_max: Some(64 << 20),
        };
        let check = |layout: &Layout, name: &str, want: &[(&str, &str)]| {
            let cgroup = layout.create(name, &limits).expect("create");
            assert_eq!(cgroup.folders(), [base.path().join(name)], "{name}");
            for (file, content) in want {
                let path = base.path().join(name).join(file);
                assert_eq!(fs::read_to_string(path).expect(file), *content, "{name} {file}");
            }
        };
        let unified = Layout {
            unified: Some(base.path().into()),
            memory: Some(Controller::Unified),
            cpu: Some(Controller::Unified),
            tracker: None,
        };
        let v2 = [("memory.max", "67108864"), ("cpu.max", "50000 100000"), ("cpu.weight", "10")];
        check(&unified, "two", &v2);
        let legacy = Some(Controller::Legacy(base.path().into()));
        let legacy = Layout {
            unified: None,
            memory: legacy.clone(),
            cpu: legacy,
            tracker: Some(base.path().into()),
        };
        let v1 = [("memory.limit_in_bytes", "67108864"), ("cpu.cfs_quota_us", "50000")];
        // One folder stands for all three here: a co-mounted hierarchy is entered once.
        let merged = Layout { tracker: None, ..legacy };
        check(&merged, "one", &v1);
        assert!(Layout::default().cannot().len() == 3 && unified.cannot().is_empty());
    }

    #[test]
    fn out_of_memory_is_read_from_either_version() {
        let base = tempfile::tempdir().expect("tempdir");
        let cgroup = Cgroup::of(vec![base.path().into()]);
        assert!(!cgroup.out_of_memory());
        fs::write(base.path().join("memory.events"), "low 0\noom 1\noom_kill 0\n").expect("write");
        assert!(!cgroup.out_of_memory());
        fs::write(base.path().join("memory.oom_control"), "under_oom 0\noom_kill 2\n").expect("w");
        assert!(cgroup.out_of_memory());
    }
}
