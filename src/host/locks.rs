//! Locks on single bytes of a file. An open file holds them, and they go with it.

use rustix::fd::{AsRawFd, BorrowedFd};
use std::io;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    Shared,
    Exclusive,
    /// Lets go.
    None,
}

/// Takes or changes the lock on the byte at `at`, which need not exist. False: others hold it so
/// that this is not possible now.
pub fn try_lock(file: BorrowedFd<'_>, at: u64, hold: Hold) -> io::Result<bool> {
    let kind = match hold {
        Hold::Shared => libc::F_RDLCK,
        Hold::Exclusive => libc::F_WRLCK,
        Hold::None => libc::F_UNLCK,
    };
    let wanted = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: at.cast_signed(),
        l_len: 1,
        l_pid: 0,
    };
    // SAFETY: the descriptor is open, and the struct lives through the call, which only reads it.
    let returned = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const wanted) };
    match returned {
        0 => Ok(true),
        _ => match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            error if error.raw_os_error() == Some(libc::EACCES) => Ok(false),
            error => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsFd;

    #[test]
    fn open_files_exclude_each_other_by_the_byte() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let open = || file.reopen().expect("it opens");
        let (one, other) = (open(), open());
        let check = |who: &std::fs::File, at, hold, want| {
            assert_eq!(
                try_lock(who.as_fd(), at, hold).expect("it is tried"),
                want,
                "{at} {hold:?}"
            );
        };
        check(&one, 7, Hold::Exclusive, true);
        check(&other, 7, Hold::Shared, false);
        check(&other, u64::MAX >> 2, Hold::Exclusive, true);
        check(&one, 7, Hold::None, true);
        check(&other, 7, Hold::Shared, true);
        check(&one, 7, Hold::Shared, true);
        check(&one, 7, Hold::Exclusive, false);
        drop(other);
        check(&one, 7, Hold::Exclusive, true);
    }
}
