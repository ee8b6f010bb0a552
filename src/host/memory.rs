//! Memory that the allocator holds and nobody uses.

/// Gives it back to the system, where the allocator knows how (glibc).
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes no pointer and may be called at any time from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
