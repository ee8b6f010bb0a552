//! A machine in qemu with the kernel of Debian's package, busybox and cronlet, and nothing else:
//! for what the kernel under the tests was not built with.

use super::program;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long the machine may take: far above what it takes, since no test measures time.
const PATIENCE: Duration = Duration::from_secs(300);

/// Of a kernel package that was unpacked.
const KERNEL: &str = "CRONLET_KERNEL";

/// Modules, in the order in which they need each other.
const MODULES: [&str; 3] = ["loop", "quota_tree", "quota_v2"];

/// The first program: leaves the file system of the kernel's own, from which no container's root
/// can be made.
const INIT: &str = "#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mkdir /new
mount -t tmpfs root /new
cp -a /bin /lib* /disk /modules /script /files /new
cd /new
mkdir dev proc run state sys tmp
exec switch_root /new /script
";

/// What every script begins with: the machine as a Linux system has it, with cgroups of version 2,
/// and at `/state` a disk whose file system counts what projects take.
const BEGIN: &str = "#!/bin/busybox sh
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t tmpfs run /run
ip link set lo up
for module in /modules/*; do insmod $module; done
losetup /dev/loop0 /disk
mount -t ext4 -o prjquota /dev/loop0 /state
echo @begin
";

const END: &str = "\necho @end\npoweroff -f\n";

pub fn needs() -> Vec<(&'static str, bool)> {
    vec![
        ("x86-64", cfg!(target_arch = "x86_64")),
        ("CRONLET_KERNEL, what a package linux-image-cloud-amd64 holds", kernel().is_some()),
        ("qemu-system-x86_64 (package qemu-system-x86)", program("qemu-system-x86_64")),
        ("busybox (package busybox-static)", program("busybox")),
        ("mke2fs (package e2fsprogs)", program("mke2fs")),
    ]
}

/// Boots it, runs the script with these files in `/files`, and gives what the script prints.
pub fn run(script: &str, files: &[(&str, &[u8])]) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path().join("root");
    for name in ["bin", "files", "modules"] {
        fs::create_dir_all(root.join(name)).expect("a folder");
    }
    add_programs(&root);
    for (number, name) in MODULES.iter().enumerate() {
        let module = shell("find \"$1\" -name \"$2.ko*\"", &[&kernel().expect("needed"), name]);
        copy(Path::new(module.trim()), &root.join(format!("modules/{number}-{name}.ko")));
    }
    let disk = root.join("disk");
    File::create(&disk).and_then(|file| file.set_len(64 << 20)).expect("a disk");
    let make = "mke2fs -q -t ext4 -O quota,project -E quotatype=prjquota \"$1\"";
    shell(make, &[path(&disk)]);
    for (name, bytes) in files {
        add_file(&root.join("files").join(name), bytes);
    }
    add_file(&root.join("init"), INIT.as_bytes());
    add_file(&root.join("script"), format!("{BEGIN}{script}{END}").as_bytes());
    let image = folder.path().join("image");
    let pack = "cd \"$1\" && find . | busybox cpio -o -H newc > \"$2\"";
    shell(pack, &[path(&root), path(&image)]);
    let console = boot(&image, &folder.path().join("console"));
    let printed = console.split("@begin\n").nth(1).and_then(|rest| rest.split("@end\n").next());
    printed.unwrap_or_else(|| panic!("the script did not run: {console}")).to_owned()
}

/// busybox, and cronlet with the libraries that it is linked to.
fn add_programs(root: &Path) {
    copy(Path::new(shell("command -v busybox", &[]).trim()), &root.join("bin/busybox"));
    let cronlet = env!("CARGO_BIN_EXE_cronlet");
    copy(Path::new(cronlet), &root.join("bin/cronlet"));
    let linked = shell("ldd \"$1\"", &[cronlet]);
    let libraries = linked.split_whitespace().filter(|word| word.starts_with('/'));
    for library in libraries {
        copy(Path::new(library), &root.join(library.trim_start_matches('/')));
    }
}

fn add_file(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("a file is written");
    fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("a mode is set");
}

/// What the console shows from the power on to the power off.
fn boot(image: &Path, console: &Path) -> String {
    let kernel = shell("ls \"$1\"/boot/vmlinuz-*", &[&kernel().expect("needed")]);
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(["-accel", "tcg", "-m", "1024", "-kernel", kernel.trim(), "-initrd"]).arg(image);
    qemu.args(["-append", "console=ttyS0 quiet panic=-1"]);
    qemu.args(["-nodefaults", "-nographic", "-no-reboot", "-serial", "stdio"]);
    let output = File::create(console).expect("a file is made");
    qemu.stdin(Stdio::null()).stdout(output.try_clone().expect("a copy")).stderr(output);
    let mut qemu = qemu.spawn().expect("qemu starts");
    let begun = Instant::now();
    while qemu.try_wait().expect("it can be waited for").is_none() {
        if begun.elapsed() > PATIENCE {
            let _ = qemu.kill();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    String::from_utf8_lossy(&fs::read(console).expect("a console")).replace('\r', "")
}

fn kernel() -> Option<String> {
    std::env::var(KERNEL).ok().filter(|folder| Path::new(folder).is_dir())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().expect("a file is in a folder")).expect("a folder");
    fs::copy(from, to).unwrap_or_else(|error| panic!("{} is copied: {error}", from.display()));
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// What the command prints, with these as `$1` and so on; it must succeed.
fn shell(command: &str, words: &[&str]) -> String {
    let mut sh = Command::new("sh");
    let search = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    sh.args(["-c", command, "sh"]).args(words).env("PATH", search).stderr(Stdio::inherit());
    let output = sh.output().expect("a shell");
    assert!(output.status.success(), "{command}");
    String::from_utf8(output.stdout).expect("UTF-8")
}
