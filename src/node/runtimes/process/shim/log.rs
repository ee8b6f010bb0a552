//! A container's log files: rotated, and never in the program's way.
//!
//! A disk that is full loses lines, and the log says how many as soon as there is room again.

use crate::runtimes::process::paths::{self, LOG_FILES_MAX};
use cronlet_api::pod::log::{Entry, LINE_BYTES_MAX, Stream};
use cronlet_api::time::Timestamp;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const FILE_BYTES_MAX: u64 = 10 << 20;

/// The files of one attempt.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: Option<File>,
    bytes: u64,
    lost_lines: u64,
}

impl Log {
    /// The file is made with the first line: many programs print nothing, and a file costs more
    /// than the rest of a short run. Output that the disk has no room for is counted.
    pub(crate) fn new(path: PathBuf) -> Log {
        Log { path, file: None, bytes: 0, lost_lines: 0 }
    }

    fn append_to(&mut self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        let file = options.open(&self.path).or_else(|error| match self.path.parent() {
            // The pod's folder is made with the first file in it.
            Some(folder) if error.kind() == io::ErrorKind::NotFound => {
                paths::make_private(folder).and_then(|()| options.open(&self.path))
            }
            _ => Err(error),
        })?;
        self.bytes = file.metadata()?.len();
        Ok(file)
    }

    /// Writes whole lines.
    pub(crate) fn write(&mut self, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        let written = self.confess().and_then(|()| self.put(lines));
        if written.is_err() {
            self.lost_lines += lines.iter().filter(|byte| **byte == b'\n').count() as u64;
        }
    }

    /// Says what was lost, where something was.
    fn confess(&mut self) -> io::Result<()> {
        if self.lost_lines == 0 {
            return Ok(());
        }
        let text = format!("cronlet: {} lines of output were lost here", self.lost_lines);
        let mut entry = Vec::new();
        Entry::write(Timestamp::now(), Stream::Stderr, false, text.as_bytes(), &mut entry);
        self.put(&entry)?;
        self.lost_lines = 0;
        Ok(())
    }

    fn put(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(self.append_to()?);
        }
        if self.bytes > 0 && self.bytes + lines.len() as u64 > FILE_BYTES_MAX {
            self.rotate()?;
            self.file = Some(self.append_to()?);
        }
        let file = self.file.as_mut().expect("opened above");
        if let Err(error) = file.write_all(lines) {
            // A line cut in its middle would spoil the next one.
            let _ = file.set_len(self.bytes);
            return Err(error);
        }
        self.bytes += lines.len() as u64;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..LOG_FILES_MAX).rev() {
            let from = match number {
                1 => self.path.clone(),
                _ => paths::rotated(&self.path, number - 1),
            };
            match std::fs::rename(from, paths::rotated(&self.path, number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.file = None;
        self.bytes = 0;
        Ok(())
    }
}

/// Kubernetes' bounds of a termination message that is taken from the log.
const TAIL_LINES: usize = 80;
const TAIL_BYTES: usize = 2048;

/// The end of what the container wrote, for `FallbackToLogsOnError`.
pub(crate) fn tail(path: &Path) -> String {
    let mut text = Vec::new();
    if let Ok(mut file) = File::open(path) {
        let length = file.metadata().map_or(0, |m| m.len());
        let stamps = (TAIL_LINES * 64 + TAIL_BYTES + LINE_BYTES_MAX) as u64;
        let _ = file.seek(SeekFrom::Start(length.saturating_sub(stamps)));
        let _ = file.read_to_end(&mut text);
    }
    let mut content = Vec::new();
    let entries: Vec<Entry<'_>> =
        text.split(|byte| *byte == b'\n').filter_map(Entry::parse).collect();
    for entry in &entries[entries.len().saturating_sub(TAIL_LINES)..] {
        content.extend_from_slice(entry.text);
        if !entry.partial {
            content.push(b'\n');
        }
    }
    String::from_utf8_lossy(&content[content.len().saturating_sub(TAIL_BYTES)..]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_rotated_and_the_tail_is_the_newest() {
        let folder = tempfile::tempdir().expect("tempdir");
        let path = folder.path().join("main.0.log");
        let mut log = Log::new(path.clone());
        let stamp = "1970-01-01T00:00:00.000000000Z stdout F ";
        let line = format!("{stamp}{}\n", "x".repeat(1 << 10));
        for _ in 0..70_000 {
            log.write(line.as_bytes());
        }
        log.write(format!("{stamp}last\n").as_bytes());
        let sizes: Vec<u64> = (1..=LOG_FILES_MAX)
            .map(|n| std::fs::metadata(paths::rotated(&path, n)).map_or(0, |m| m.len()))
            .collect();
        assert!(sizes[..4].iter().all(|n| *n > 9 << 20 && *n <= FILE_BYTES_MAX), "{sizes:?}");
        assert_eq!(sizes[4], 0);
        assert!(tail(&path).ends_with("last\n"));
        assert_eq!(tail(&path).len(), TAIL_BYTES);
    }
}
