//! CPU time and memory of a container: from its cgroup where that counts them, else from `/proc`.
//! The same of the whole host.

use super::process::descendants;
use rustix::process::Pid;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Since the start, children that have ended among it.
    pub cpu_nanoseconds: u64,
    pub memory_bytes: u64,
}

/// What `leader` and its descendants use, or all that is in the cgroup with these folders.
pub fn of(leader: Pid, cgroup: &[PathBuf]) -> Usage {
    let folders = || cgroup.iter().map(PathBuf::as_path);
    let (cpu, memory) = (folders().find_map(cgroup_cpu), folders().find_map(cgroup_memory));
    if let (Some(cpu_nanoseconds), Some(memory_bytes)) = (cpu, memory) {
        return Usage { cpu_nanoseconds, memory_bytes };
    }
    let mut family = descendants(leader);
    family.push(leader);
    let sum = |count: fn(Pid) -> Option<u64>| family.iter().filter_map(|pid| count(*pid)).sum();
    Usage {
        cpu_nanoseconds: cpu.unwrap_or_else(|| sum(process_cpu)),
        memory_bytes: memory.unwrap_or_else(|| sum(process_memory)),
    }
}

fn cgroup_cpu(folder: &Path) -> Option<u64> {
    if let Ok(stat) = fs::read_to_string(folder.join("cpu.stat"))
        && let Some(microseconds) = field(&stat, "usage_usec")
    {
        return Some(microseconds * 1000);
    }
    fs::read_to_string(folder.join("cpuacct.usage")).ok()?.trim().parse().ok()
}

/// The working set, as the kubelet reckons it: less the file pages that nobody looked at lately.
fn cgroup_memory(folder: &Path) -> Option<u64> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let used = read("memory.current").or_else(|| read("memory.usage_in_bytes"))?;
    let stat = read("memory.stat").unwrap_or_default();
    let cold = field(&stat, "total_inactive_file").or_else(|| field(&stat, "inactive_file"));
    Some(used.trim().parse::<u64>().ok()?.saturating_sub(cold.unwrap_or(0)))
}

/// The number behind a word at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let mut values = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    values.next()?.trim().parse().ok()
}

/// All that this host's processors were busy with, and all memory but what is free to be had.
pub fn of_host() -> Option<Usage> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    host(&stat, &fs::read_to_string("/proc/meminfo").ok()?)
}

fn host(stat: &str, meminfo: &str) -> Option<Usage> {
    let processors = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> =
        processors.split_ascii_whitespace().map_while(|ticks| ticks.parse().ok()).collect();
    // User, nice, system, then interrupts, hard and soft; idle and waiting lie between.
    let busy = ticks.get(..3)?.iter().chain(ticks.get(5..7)?).sum::<u64>();
    let kilobytes = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    let used = kilobytes("MemTotal:")?.saturating_sub(kilobytes("MemAvailable:")?);
    Some(Usage { cpu_nanoseconds: busy * NANOSECONDS_PER_TICK, memory_bytes: used * 1024 })
}

/// Linux tells times in hundredths of a second, whatever the kernel counts in (`USER_HZ`).
const NANOSECONDS_PER_TICK: u64 = 10_000_000;

fn process_cpu(pid: Pid) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid())).ok()?;
    // The program's name is in parentheses and may hold anything, also parentheses.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    // User and system time, its own and of the children that it has reaped.
    let ticks: Option<Vec<u64>> =
        fields.get(11..15)?.iter().map(|ticks| ticks.parse().ok()).collect();
    Some(ticks?.iter().sum::<u64>() * NANOSECONDS_PER_TICK)
}

/// Its share of pages that several have, where that may be read.
fn process_memory(pid: Pid) -> Option<u64> {
    let pid = pid.as_raw_pid();
    let line = |file: &str, name: &str| {
        let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    Some(line("smaps_rollup", "Pss:").or_else(|| line("status", "VmRSS:"))? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgroup_counts() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| {
            fs::write(folder.path().join(name), text).expect("a file is written");
        };
        write("cpu.stat", "usage_usec 1500\nuser_usec 1000\n");
        write("memory.current", "10000\n");
        write("memory.stat", "anon 1\ninactive_file 4000\n");
        let own = rustix::process::getpid();
        let usage = of(own, &[folder.path().to_owned()]);
        assert_eq!(usage, Usage { cpu_nanoseconds: 1_500_000, memory_bytes: 6000 });
    }

    #[test]
    fn a_host_counts() {
        let stat = "cpu  1 2 3 400 500 6 7 8 1 0\ncpu0 1 2 3 400 500 6 7 8 1 0\n";
        let meminfo = "MemTotal:  1000 kB\nMemFree:  1 kB\nMemAvailable:  600 kB\n";
        let want = Usage { cpu_nanoseconds: 190_000_000, memory_bytes: 400 << 10 };
        assert_eq!(host(stat, meminfo), Some(want));
        assert_eq!(host("", ""), None);
    }

    #[test]
    fn a_process_counts() {
        let usage = of(rustix::process::getpid(), &[]);
        assert!(usage.memory_bytes > 100 << 10, "{usage:?}");
        // A loop that takes CPU time until some is counted.
        let begun = usage.cpu_nanoseconds;
        while of(rustix::process::getpid(), &[]).cpu_nanoseconds == begun {}
    }
}
