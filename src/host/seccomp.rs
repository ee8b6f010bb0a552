//! The filter of system calls that `RuntimeDefault` stands for.
//!
//! Its shape is that of the container runtimes' own: a call is allowed if it is known and not in
//! the table below; calls of the table need a capability of the container, or are refused to all.
//! Unknown calls are answered as by a kernel that lacks them, so that programs fall back.

use rustix::io::Errno;
use rustix::thread::CapabilitySet as Cap;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Compare,
    SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};
use std::collections::BTreeMap;
use std::io;

/// Calls that are refused without one of these capabilities; with none of them, to all.
const REFUSED: &[(Cap, &[i64])] = &[
    (
        Cap::SYS_ADMIN,
        &[
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_fsopen,
            libc::SYS_fsconfig,
            libc::SYS_fsmount,
            libc::SYS_fspick,
            libc::SYS_open_tree,
            libc::SYS_move_mount,
            libc::SYS_mount_setattr,
            libc::SYS_setns,
            libc::SYS_unshare,
            libc::SYS_sethostname,
            libc::SYS_setdomainname,
            libc::SYS_quotactl,
            libc::SYS_quotactl_fd,
            libc::SYS_fanotify_init,
            libc::SYS_lookup_dcookie,
            OPEN_TREE_ATTR,
        ],
    ),
    (Cap::SYS_ADMIN.union(Cap::BPF), &[libc::SYS_bpf]),
    (Cap::SYS_ADMIN.union(Cap::PERFMON), &[libc::SYS_perf_event_open]),
    (Cap::SYS_ADMIN.union(Cap::SYSLOG), &[libc::SYS_syslog]),
    (Cap::SYS_BOOT, &[libc::SYS_reboot]),
    (Cap::SYS_CHROOT, &[libc::SYS_chroot]),
    (Cap::SYS_MODULE, &[libc::SYS_init_module, libc::SYS_finit_module, libc::SYS_delete_module]),
    (Cap::SYS_PACCT, &[libc::SYS_acct]),
    (Cap::SYS_PTRACE, &[libc::SYS_kcmp, libc::SYS_pidfd_getfd, libc::SYS_process_madvise]),
    (Cap::SYS_TIME, &[libc::SYS_settimeofday, libc::SYS_clock_settime]),
    (Cap::SYS_TTY_CONFIG, &[libc::SYS_vhangup]),
    (
        Cap::SYS_NICE,
        &[
            libc::SYS_get_mempolicy,
            libc::SYS_set_mempolicy,
            libc::SYS_mbind,
            libc::SYS_set_mempolicy_home_node,
        ],
    ),
    (Cap::DAC_READ_SEARCH, &[libc::SYS_open_by_handle_at]),
    (
        Cap::empty(),
        &[
            libc::SYS_add_key,
            libc::SYS_keyctl,
            libc::SYS_request_key,
            libc::SYS_kexec_load,
            libc::SYS_kexec_file_load,
            libc::SYS_pivot_root,
            libc::SYS_swapon,
            libc::SYS_swapoff,
            libc::SYS_move_pages,
            libc::SYS_migrate_pages,
            libc::SYS_userfaultfd,
            libc::SYS_nfsservctl,
            libc::SYS_io_uring_setup,
            libc::SYS_io_uring_enter,
            libc::SYS_io_uring_register,
        ],
    ),
    #[cfg(target_arch = "x86_64")]
    (Cap::SYS_RAWIO, &[libc::SYS_iopl, libc::SYS_ioperm]),
    #[cfg(target_arch = "x86_64")]
    (Cap::empty(), &[libc::SYS__sysctl, libc::SYS_sysfs, libc::SYS_uselib, libc::SYS_ustat]),
];

/// `open_tree_attr`, which libc does not know yet; this number on every system.
const OPEN_TREE_ATTR: i64 = 467;
/// The last call that was looked at for the table: `file_setattr` of Linux 6.17.
const KNOWN_LAST: i64 = 469;

/// Namespaces that `clone` could make, `CLONE_NEWNS` to `CLONE_NEWNET`.
const NAMESPACES: [u64; 7] = [
    libc::CLONE_NEWNS as u64,
    libc::CLONE_NEWCGROUP as u64,
    libc::CLONE_NEWUTS as u64,
    libc::CLONE_NEWIPC as u64,
    libc::CLONE_NEWUSER as u64,
    libc::CLONE_NEWPID as u64,
    libc::CLONE_NEWNET as u64,
];

/// Linux as it is, and as older programs want it.
const PERSONALITIES: [u64; 5] = [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// The filter for a container with these capabilities: all of the programs are to be installed.
pub fn runtime_default(capabilities: u64) -> io::Result<Vec<BpfProgram>> {
    let has = Cap::from_bits_retain(capabilities);
    let arch = TargetArch::try_from(std::env::consts::ARCH)
        .map_err(|_| io::Error::from(io::ErrorKind::Unsupported))?;
    let program = |rules, otherwise, matched| {
        SeccompFilter::new(rules, otherwise, matched, arch)
            .and_then(BpfProgram::try_from)
            .map_err(io::Error::other)
    };
    let absent = SeccompAction::Errno(Errno::NOSYS.raw_os_error().cast_unsigned());
    let refused = SeccompAction::Errno(Errno::PERM.raw_os_error().cast_unsigned());
    // Of two programs' answers the stricter holds, and of two errors that of the later one.
    Ok(vec![
        program(known(has), absent, SeccompAction::Allow)?,
        program(refusals(has).map_err(io::Error::other)?, SeccompAction::Allow, refused)?,
    ])
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Allows every call up to the last known one. Namespaces in `clone3`'s arguments lie in
/// memory, where no filter looks: without the right to make them the C library uses `clone`.
fn known(has: Cap) -> Rules {
    let mut all: Rules = (0..=KNOWN_LAST).map(|number| (number, Vec::new())).collect();
    if !has.contains(Cap::SYS_ADMIN) {
        all.remove(&libc::SYS_clone3);
    }
    all
}

fn refusals(has: Cap) -> Result<Rules, seccompiler::BackendError> {
    let kept = REFUSED.iter().filter(|(needed, _)| !has.intersects(*needed));
    let calls = kept.flat_map(|(_, calls)| calls.iter());
    let mut all: Rules = calls.map(|call| (*call, Vec::new())).collect();
    let argument = |index, how, value| SeccompCondition::new(index, Length::Dword, how, value);
    let rule = |conditions| SeccompRule::new(conditions);
    if !has.contains(Cap::SYS_ADMIN) {
        let made = NAMESPACES.iter().map(|flag| {
            SeccompCondition::new(0, Length::Qword, Compare::MaskedEq(*flag), *flag)
                .and_then(|condition| rule(vec![condition]))
        });
        all.insert(libc::SYS_clone, made.collect::<Result<_, _>>()?);
    }
    let virtual_machines = argument(0, Compare::Eq, libc::AF_VSOCK as u64)?;
    all.insert(libc::SYS_socket, vec![rule(vec![virtual_machines])?]);
    let others = PERSONALITIES.iter().map(|one| argument(0, Compare::Ne, *one));
    let others = others.collect::<Result<_, _>>()?;
    all.insert(libc::SYS_personality, vec![rule(others)?]);
    Ok(all)
}

/// Installs the programs in this process for good. Needs `CAP_SYS_ADMIN` or no new privileges.
pub(crate) fn install(programs: &[BpfProgram]) -> io::Result<()> {
    for program in programs {
        let length = u16::try_from(program.len()).map_err(io::Error::other)?;
        let filter = program.as_ptr().cast::<libc::sock_filter>().cast_mut();
        let program = libc::sock_fprog { len: length, filter };
        // SAFETY: the library's instructions are laid out as the kernel's, there are as many as is
        // said, and the kernel copies them.
        let returned = unsafe {
            let (mode, program) = (libc::SECCOMP_SET_MODE_FILTER, &raw const program);
            libc::syscall(libc::SYS_seccomp, mode, 0, program)
        };
        if returned != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that the filter is bounded, and that each capability gives its calls back.
    #[test]
    fn capabilities_give_calls_back() {
        let refused = |has: u64| refusals(Cap::from_bits_retain(has)).expect("a filter");
        let check = |has: Cap, call: i64, want: bool| {
            assert_eq!(refused(has.bits()).contains_key(&call), want, "{has:?} {call}");
        };
        check(Cap::empty(), libc::SYS_mount, true);
        check(Cap::SYS_ADMIN, libc::SYS_mount, false);
        check(Cap::SYS_ADMIN, libc::SYS_reboot, true);
        check(Cap::BPF, libc::SYS_bpf, false);
        check(Cap::all(), libc::SYS_keyctl, true);
        check(Cap::empty(), libc::SYS_ptrace, false);
        for has in [0, u64::MAX] {
            let programs = runtime_default(has).expect("a filter");
            assert!(programs.iter().all(|program| program.len() <= 4096));
        }
    }
}
