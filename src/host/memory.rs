//! Memory that this process holds and does not use.

/// Gives back what the allocator holds and nobody uses, where the allocator knows how (glibc).
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes no pointer and may be called at any time from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Makes all threads allocate from one arena, where the allocator has several (glibc): each holds
/// memory in reserve, and the daemon's threads seldom work at once. To be called before there is a
/// second thread.
pub fn share_arena() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes numbers alone.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

fn page_bytes() -> usize {
    // SAFETY: sysconf has no preconditions.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.cast_unsigned() as usize
}

/// Far below the deepest that a first thread's stack is used here.
const STACK_BYTES_MAX: usize = 1 << 20;

/// What this function and the system call that it makes may use of the stack.
const OWN_FRAME_BYTES: usize = 1024;

/// Gives back what only deeper calls than this one used of the stack. For a process's first thread:
/// below its stack alone there is nothing else near.
#[inline(never)]
pub fn give_back_stack() {
    let is_first = rustix::thread::gettid() == rustix::process::getpid();
    if !is_first {
        return;
    }
    let here = std::hint::black_box(0_u8);
    let end = (&raw const here)
        .wrapping_byte_sub(OWN_FRAME_BYTES)
        .map_addr(|at| at & !(page_bytes() - 1));
    let begin = end.wrapping_byte_sub(STACK_BYTES_MAX);
    // SAFETY: the pages lie below every frame in use, so nobody reads what they hold. Below the
    // first thread's stack the system leaves a gap of at least 128 MiB: nothing else is in the
    // range. That part of it is not mapped yet is an error that changes nothing.
    unsafe {
        libc::madvise(begin.cast_mut().cast(), STACK_BYTES_MAX, libc::MADV_DONTNEED);
    }
}
