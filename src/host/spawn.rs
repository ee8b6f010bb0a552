//! Bearing a process that soon executes another program: until then it works in its parent's
//! memory, and its parent waits. Nothing is copied, so it costs a fifth of a fork.

use super::process::{exit_now, positive};
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::process::{Pid, WaitOptions};
use std::ffi::{c_int, c_void};
use std::io;

/// What a child does; it returns only if it did not become another program.
type Work<'a> = &'a mut dyn FnMut();

/// Far more than the way to exec needs, and only what is touched is memory.
const STACK_BYTES: usize = 256 << 10;
/// Below the stack, so that who needs more ends and spoils nothing; a page of every system.
const GUARD_BYTES: usize = 64 << 10;

const CLONE_FLAGS: c_int = libc::CLONE_VM | libc::CLONE_VFORK;

/// Runs `work` in a new process; returns when that has executed another program, or has ended. What
/// `work` changes in memory is changed for the caller, and what it allocates and still holds when
/// it executes is lost. Only its memory is shared: descriptors, working directory, user and signals
/// are the child's own. Handlers of signals would run in shared memory: the caller has none.
pub fn spawn_child(work: Work<'_>) -> io::Result<Pid> {
    let stack = Stack::new()?;
    let mut work = work;
    let argument = (&raw mut work).cast::<c_void>();
    // SAFETY: the stack is the child's alone and outlives it: by CLONE_VFORK this call returns when
    // the child has left this memory for good. Until then this thread does nothing, so the child
    // may stand in for it: use what `work` borrows, and the thread's own variables. `begin` is
    // given what it expects.
    let pid = unsafe { libc::clone(begin, stack.top(), CLONE_FLAGS | libc::SIGCHLD, argument) };
    positive(pid).ok_or_else(io::Error::last_os_error)
}

/// Spawns a child like [`spawn_child`], in the cgroup (version 2) of the folder `cgroup`: without
/// the costly move of a process. Not on every host.
#[cfg(target_arch = "x86_64")]
pub fn spawn_child_in(cgroup: BorrowedFd<'_>, work: Work<'_>) -> io::Result<Pid> {
    let stack = Stack::new()?;
    let mut work = work;
    let arguments = CloneArguments {
        flags: CLONE_FLAGS as u64 | CLONE_INTO_CGROUP,
        exit_signal: libc::SIGCHLD as u64,
        stack: stack.base as u64,
        stack_size: (STACK_BYTES + GUARD_BYTES) as u64,
        cgroup: cgroup.as_raw_fd() as u64,
        ..CloneArguments::default()
    };
    let argument = (&raw mut work).cast::<c_void>();
    let begin: extern "C" fn(*mut c_void) -> c_int = begin;
    let returned: i64;
    // SAFETY: as in `spawn_child`; the C library has no such call. The struct lives through it, and
    // its size is passed. The child finds its registers as they are here but for the stack, which
    // is its own, aligned and empty, and calls `begin`, which does not return. What the kernel and
    // this code change is named; the child's changes to registers are its own.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, {argument}",
            "call {begin}",
            "ud2",
            "2:",
            argument = in(reg) argument,
            begin = in(reg) begin,
            inout("rax") libc::SYS_clone3 => returned,
            in("rdi") &raw const arguments,
            in("rsi") size_of::<CloneArguments>(),
            out("rcx") _,
            out("r11") _,
        );
    }
    // A pid, or an error's number below zero.
    positive(returned as i32).ok_or_else(|| io::Error::from_raw_os_error(-returned as i32))
}

/// Nobody wrote this system's way to call `clone3` with a stack: the child joins by itself.
#[cfg(not(target_arch = "x86_64"))]
pub fn spawn_child_in(_cgroup: BorrowedFd<'_>, _work: Work<'_>) -> io::Result<Pid> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Takes note of the end of a child that did not become another program.
pub fn reap_child(pid: Pid) {
    let wait = || rustix::process::waitpid(Some(pid), WaitOptions::empty());
    let _ = rustix::io::retry_on_intr(wait);
}

/// With this code a child ends that did not become another program.
const NOT_RUN_CODE: i32 = 126;

/// The child's first function. A panic ends the child (it cannot leave `extern "C"`).
extern "C" fn begin(work: *mut c_void) -> c_int {
    // SAFETY: `spawn_child` and `spawn_child_in` pass a pointer to a `Work` that outlives the
    // child, and leave it alone meanwhile.
    let work = unsafe { &mut *work.cast::<Work<'_>>() };
    work();
    exit_now(NOT_RUN_CODE)
}

#[cfg(target_arch = "x86_64")]
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// The arguments of `clone3`, first version and `cgroup`.
#[cfg(target_arch = "x86_64")]
#[repr(C, align(8))]
#[derive(Default)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Memory for a child's stack.
struct Stack {
    base: *mut c_void,
}

impl Stack {
    fn new() -> io::Result<Stack> {
        let size = GUARD_BYTES + STACK_BYTES;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK;
        // SAFETY: a new mapping where the system finds room; its lowest part is then closed.
        unsafe {
            let base = libc::mmap(std::ptr::null_mut(), size, access, flags, -1, 0);
            if base == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            let stack = Stack { base };
            match libc::mprotect(base, GUARD_BYTES, libc::PROT_NONE) {
                0 => Ok(stack),
                _ => Err(io::Error::last_os_error()),
            }
        }
    }

    /// Where a stack that grows downwards begins.
    fn top(&self) -> *mut c_void {
        self.base.wrapping_byte_add(GUARD_BYTES + STACK_BYTES)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and the child that used it has left this memory.
        unsafe { libc::munmap(self.base, GUARD_BYTES + STACK_BYTES) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::{self, Strings};

    /// The tests' process has threads, which do nothing that the child's few steps would mind.
    #[test]
    fn a_child_tells_in_memory_what_went_wrong() {
        let strings = Strings::new(Vec::new(), Vec::new());
        let mut told = None;
        let pid = spawn_child(&mut || {
            told = Some(process::exec(c"/no/such", &strings).kind());
        });
        reap_child(pid.expect("a child"));
        assert_eq!(told, Some(io::ErrorKind::NotFound));
    }
}
