//! A user who renames and links in folders of its own while root makes pods ready there.

use crate::volumes::{mount, with};
use crate::world::World;
use cronlet_plan::order::{ContainerEvent, Launch, Mount, MountSource};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs;
use std::os::unix::fs::{chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// A user that nobody is.
const ATTACKER: u32 = 64_987;
const PODS: usize = 300;

/// Exchanges a folder and a symlink that leads out, for as long as pods start.
fn swap(folder: &Path, link: &Path, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        renameat_with(CWD, folder, CWD, link, RenameFlags::EXCHANGE).expect("an exchange");
        std::thread::yield_now();
    }
}

fn empty_dir() -> MountSource {
    MountSource::EmptyDir { memory: false, size_bytes_max: None }
}

/// A pod that has something made below `folder`: another way for each number.
fn pod(number: usize, home: &Path, folder: &Path) -> Launch {
    let at =
        |name: &str| folder.join(format!("{name}-{number}")).to_str().expect("utf-8").to_owned();
    let host = |path: String, kind: &str| MountSource::HostPath {
        path,
        kind: kind.into(),
        group_change: None,
    };
    let in_a_volume = |sub_path: Option<String>| {
        let source = host(home.to_str().expect("utf-8").into(), "Directory");
        Mount { sub_path, ..mount("/seen", "home", source) }
    };
    let mounts = match number % 6 {
        0 => vec![mount(&at("mount"), "v", empty_dir())],
        1 => vec![mount(&format!("{}/deep/er", at("mount")), "v", empty_dir())],
        2 => vec![mount("/seen", "v", host(at("made"), "DirectoryOrCreate"))],
        3 => vec![mount("/seen", "v", host(at("file"), "FileOrCreate"))],
        4 => vec![in_a_volume(Some(format!("swapped/part-{number}")))],
        _ => {
            let nested = format!("/seen/swapped/nested-{number}");
            vec![in_a_volume(None), mount(&nested, "v", empty_dir())]
        }
    };
    Launch { termination_message_path: at("message"), ..with(mounts, "true") }
}

/// Paths below a folder that nothing made there.
fn strays(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).expect("readable").map(|entry| entry.expect("an entry").path()).collect()
}

#[test]
fn a_folder_that_becomes_a_symlink_leads_nowhere() {
    let mut world = World::new();
    let base = tempfile::tempdir().expect("tempdir");
    let base = base.path().canonicalize().expect("canonical");
    let (home, outside) = (base.join("home"), base.join("outside"));
    let (folder, link) = (home.join("swapped"), home.join("link"));
    fs::create_dir_all(&folder).expect("mkdir");
    fs::create_dir(&outside).expect("mkdir");
    symlink(&outside, &link).expect("symlink");
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        for path in [&home, &folder] {
            chown(path, Some(ATTACKER), Some(ATTACKER)).expect("chown");
        }
        lchown(&link, Some(ATTACKER), Some(ATTACKER)).expect("lchown");
    }
    // Its own symlinks an ordinary user may follow.
    let is_tried = |number: &usize| is_root || !matches!(number % 6, 2 | 3);
    let over = AtomicBool::new(false);
    let ran = std::thread::scope(|scope| {
        scope.spawn(|| swap(&folder, &link, &over));
        let pods = (0..PODS).filter(is_tried).map(|number| pod(number, &home, &folder));
        let pods: Vec<Launch> = pods.collect();
        pods.iter().for_each(|pod| world.start(pod));
        let ended = pods.iter().map(|pod| {
            world.wait(pod, |event| match event {
                ContainerEvent::Exited(_) => Some(1),
                ContainerEvent::Failed { .. } => Some(0),
                _ => None,
            })
        });
        let ran: usize = ended.sum();
        over.store(true, Ordering::Relaxed);
        ran
    });
    assert_eq!(strays(&outside), Vec::<PathBuf>::new());
    println!("{ran} of {PODS} pods ran");
    assert!(ran > 0, "some met the folder as it was");
}
