//! Folders of claims on a file system that holds them to their sizes, where this kernel has one.

use cronlet_node::volumes::claim;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An ext4 of its own, with project quotas; unmounted at the end.
struct Quotas(tempfile::TempDir);

impl Quotas {
    fn top(&self) -> PathBuf {
        self.0.path().join("top")
    }

    /// `None`: this kernel counts no quotas, or this user may not mount.
    fn mount() -> Option<Quotas> {
        let quotas = Quotas(tempfile::tempdir().expect("a folder"));
        let image = quotas.0.path().join("image");
        File::create(&image).and_then(|file| file.set_len(64 << 20)).expect("an image");
        fs::create_dir(quotas.top()).expect("a folder");
        let features = ["-q", "-O", "quota,project", "-E", "quotatype=prjquota"];
        // Where administrators' programs are.
        let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
        let mut make = Command::new("mkfs.ext4");
        let made = make.env("PATH", path).args(features).arg(&image).output();
        assert!(made.expect("mkfs.ext4 runs").status.success());
        let options = ["-o", "loop,prjquota"];
        let mounted = Command::new("mount").args(options).arg(&image).arg(quotas.top()).output();
        mounted.expect("mount runs").status.success().then_some(quotas)
    }
}

impl Drop for Quotas {
    fn drop(&mut self) {
        // It may not be mounted.
        let _ = Command::new("umount").arg(self.top()).output();
    }
}

/// So much of a file of 4 MiB as can be written.
fn fill(file: &Path) -> usize {
    let mut file = File::create(file).expect("a file");
    let piece = [1; 64 << 10];
    (0..64).take_while(|_| file.write_all(&piece).and_then(|()| file.sync_data()).is_ok()).count()
        * piece.len()
}

#[test]
fn a_claim_does_not_outgrow_its_size() {
    let Some(quotas) = Quotas::mount() else {
        eprintln!("nobody but root mounts, or this kernel has no quotas: nothing is limited");
        return not_limited(tempfile::tempdir().expect("a folder").path());
    };
    assert!(claim::is_limited(&quotas.top()));
    let folders = ["pvc-1", "pvc-2"].map(|volume| claim::folder(&quotas.top(), volume));
    for folder in &folders {
        claim::make(folder, None, Some(2 << 20)).expect("it is made");
    }
    assert!((1 << 20..=2 << 20).contains(&fill(&folders[0].join("file"))));
    let usage = claim::usage(&folders[0]).expect("it is there");
    assert_eq!(usage.limit_bytes, Some(2 << 20));
    assert!(usage.used_bytes > 1 << 20, "{usage:?}");
    // What one holds is not taken from the other, and a claim may grow.
    claim::make(&folders[1], None, Some(8 << 20)).expect("it is there");
    assert_eq!(fill(&folders[1].join("file")), 4 << 20);
    // What was put aside stays as it is.
    claim::reclaim(&quotas.top(), "pvc-1", Some("kept")).expect("it is put aside");
    assert!(claim::all(&quotas.top()).join("released/kept/file").exists());
}

fn not_limited(state: &Path) {
    assert!(!claim::is_limited(state));
    let folder = claim::folder(state, "pvc-1");
    claim::make(&folder, None, Some(1 << 20)).expect("it is made all the same");
    assert_eq!(fill(&folder.join("file")), 4 << 20);
    assert_eq!(claim::usage(&folder).expect("it is there").limit_bytes, None);
}
