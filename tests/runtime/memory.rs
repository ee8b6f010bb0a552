//! What a shim keeps of memory while its container is silent: hundreds of them may wait so.

use crate::volumes::{mount, with};
use crate::world::{World, sh, until};
use cronlet_plan::order::{File, Launch, MountSource};
use std::fs;

/// The few pages that a program writes to: its stack, its heap, the C library's data.
const OWN_KIBIBYTES_MAX: u64 = 56;

#[test]
fn a_shim_keeps_no_memory_that_only_the_start_wanted() {
    check(&sh("exec sleep 1000"), OWN_KIBIBYTES_MAX);
}

#[test]
fn a_shim_keeps_no_memory_that_only_files_wanted() {
    let file = |n| File { path: format!("{n}"), content: vec![b'x'; 4 << 10], mode: 0o644 };
    let source = MountSource::Files { files: (0..1000).map(file).collect(), secret: true };
    let launch = with(vec![mount("/many", "many", source)], "exec sleep 1000");
    // It still knows the files' names.
    check(&launch, OWN_KIBIBYTES_MAX + 300);
}

/// The shim of the launch has at last so little that it shares with nobody.
fn check(launch: &Launch, own_kibibytes_max: u64) {
    let mut world = World::new();
    let shim = start(&mut world, launch);
    until(|| own_kibibytes(shim, "") <= own_kibibytes_max);
}

#[test]
fn a_shim_keeps_no_memory_that_only_output_wanted() {
    let mut world = World::new();
    let launch = sh("head -c 1000000 /dev/zero | tr '\\0' x; echo; echo end; exec sleep 1000");
    let shim = start(&mut world, &launch);
    until(|| world.output(&launch).ends_with("end\n"));
    // The pages that lines went through are not all free.
    until(|| own_kibibytes(shim, "") <= OWN_KIBIBYTES_MAX + 28);
}

#[test]
fn a_shim_shares_with_the_zygote_what_it_does_not_write() {
    let mut world = World::new();
    let shim = start(&mut world, &sh("exec sleep 1000"));
    // It writes to two pages of the allocator's, and to no library else.
    let libraries = own_kibibytes(shim, ".so.");
    assert!(libraries <= 8, "{libraries} KiB");
}

fn start(world: &mut World, launch: &Launch) -> u32 {
    world.start(launch);
    let pid = world.started(launch);
    world.shim_of(pid)
}

/// Of the mappings that may be written to and have this in their names. Others count for a while
/// where their files were written just now.
fn own_kibibytes(pid: u32, named: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps")).expect("it lives");
    let (mut is_wanted, mut sum) = (false, 0);
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["Private_Dirty:", number, "kB"] if is_wanted => {
                sum += number.parse::<u64>().expect("a number");
            }
            [name, ..] if name.ends_with(':') => {}
            [_, access, ..] => is_wanted = access.contains('w') && line.contains(named),
            _ => panic!("no line of smaps: {line}"),
        }
    }
    sum
}
