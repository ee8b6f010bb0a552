//! Memory that this process holds and does not use.

/// Gives back what the allocator holds and nobody uses, where the allocator knows how (glibc).
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes no pointer and may be called at any time from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Leaves the pages of this program that are never written to, code for the most part, to the
/// host's page cache: what is used again is found there, at the price of a fault for some pages.
/// Else all that was used once, as at the start, counts as in use for ever.
pub fn give_back_program() {
    // SAFETY: the function called upholds what the system asks of it; see there.
    unsafe { libc::dl_iterate_phdr(Some(leave_segments), std::ptr::null_mut()) };
}

/// For the first object that the system tells of, which is the program, and no other.
// SAFETY: only the system calls it, with a pointer to an object that lives through the call.
unsafe extern "C" fn leave_segments(
    object: *mut libc::dl_phdr_info,
    _size: usize,
    _data: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: see above; the object has so many headers.
    let (base, headers) = unsafe {
        let object = &*object;
        (object.dlpi_addr, std::slice::from_raw_parts(object.dlpi_phdr, object.dlpi_phnum.into()))
    };
    let loaded = headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
    for header in loaded.filter(|header| header.p_flags & libc::PF_W == 0) {
        let begin = (base + header.p_vaddr) as usize;
        let (first, end) = (begin & !(page_bytes() - 1), begin + header.p_memsz as usize);
        // SAFETY: what is never written to is as its file has it, and is read from there again,
        // also by a thread that runs in it meanwhile.
        unsafe { libc::madvise(first as *mut _, end - first, libc::MADV_DONTNEED) };
    }
    1
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
