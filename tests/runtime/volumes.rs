//! What a container sees of files: volumes of each type, their mount points, and the host behind
//! them.

use crate::world::{World, sh, until};
use cronlet_plan::order::{File, Launch, Mount, MountSource, Order, VolumeFiles};
use std::path::Path;

pub fn mount(at: &str, volume: &str, source: MountSource) -> Mount {
    Mount {
        at: at.into(),
        read_only: false,
        sub_path: None,
        sub_path_called: None,
        volume: volume.into(),
        source,
    }
}

fn empty_dir() -> MountSource {
    MountSource::EmptyDir { memory: false, size_bytes_max: None }
}

fn host_path(path: &Path, kind: &str) -> MountSource {
    let path = path.to_str().expect("utf-8").into();
    MountSource::HostPath { path, kind: kind.into(), group_change: None }
}

fn files(secret: bool) -> MountSource {
    let file =
        |path: &str, content: &str, mode| File { path: path.into(), content: content.into(), mode };
    let files = vec![file("user", "admin\n", 0o644), file("deep/password", "s3cret\n", 0o400)];
    MountSource::Files { files, secret }
}

pub fn with(mounts: Vec<Mount>, script: &str) -> Launch {
    Launch { mounts, ..sh(script) }
}

/// Runs it and gives what it printed; it must end well.
fn output(world: &mut World, launch: &Launch) -> String {
    let exit = world.run(launch);
    assert_eq!(exit.code, 0, "{exit:?}\n{}", world.log(launch));
    world.output(launch)
}

#[test]
fn a_folder_of_the_pod_is_shared_by_its_containers_and_lives_with_it() {
    let mut world = World::new();
    for memory in [false, true] {
        let source = MountSource::EmptyDir { memory, size_bytes_max: memory.then_some(1 << 20) };
        let first = with(
            vec![mount("/data", "work", source.clone())],
            "echo kept > /data/file; stat -c %a /data; stat -f -c %T /data",
        );
        let said = output(&mut world, &first);
        assert!(said.starts_with("777\n") && said.contains("tmpfs") == memory, "{said}");
        let second = Launch {
            container: "second".into(),
            pod_uid: first.pod_uid.clone(),
            user: Some(1234),
            ..with(vec![mount("/elsewhere", "work", source)], "cat /elsewhere/file")
        };
        assert_eq!(output(&mut world, &second), "kept\n");
        assert!(!Path::new("/data").exists() && !Path::new("/elsewhere").exists());
        world.clean(&first);
    }
}

#[test]
fn a_claim_outlives_its_pods() {
    let mut world = World::new();
    let claim = || MountSource::Claim { volume: "pvc-1".into(), size_bytes_max: None };
    let first = with(vec![mount("/data", "v", claim())], "echo kept > /data/file");
    output(&mut world, &first);
    world.clean(&first);
    let second = Launch {
        pod_uid: "another".into(),
        ..with(vec![mount("/other", "w", claim())], "cat /other/file; stat -c %a /other")
    };
    assert_eq!(output(&mut world, &second), "kept\n777\n");
}

#[test]
fn memory_has_its_limit() {
    let mut world = World::new();
    let source = MountSource::EmptyDir { memory: true, size_bytes_max: Some(1 << 20) };
    let script =
        "head -c 2000000 /dev/zero > /data/big 2>/dev/null && exit 1; stat -c %s /data/big";
    let launch = with(vec![mount("/data", "work", source)], script);
    assert_eq!(output(&mut world, &launch), "1048576\n");
}

#[test]
fn the_host_is_shown_and_checked() {
    let mut world = World::new();
    let folder = tempfile::tempdir().expect("tempdir");
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("file"), "of the host\n").expect("write");
    let launch = with(
        vec![
            mount("/srv/there/deep", "a", host_path(folder.path(), "Directory")),
            Mount { read_only: true, ..mount("/ro", "b", host_path(folder.path(), "")) },
            mount("/etc/one-file", "c", host_path(&at("file"), "File")),
            mount("/made", "d", host_path(&at("made/deep"), "DirectoryOrCreate")),
        ],
        "cat /srv/there/deep/file /etc/one-file; echo new > /srv/there/deep/new; \
         touch /ro/x 2>/dev/null || echo read-only; touch /made/x; \
         grep -q root /etc/passwd && ls /proc/self > /dev/null && echo rest of the host",
    );
    let said = output(&mut world, &launch);
    assert_eq!(said, "of the host\nof the host\nread-only\nrest of the host\n");
    assert_eq!(std::fs::read_to_string(at("new")).expect("written through"), "new\n");
    assert!(at("made/deep/x").exists());
    for stray in ["/srv/there", "/ro", "/etc/one-file", "/made"] {
        assert!(!Path::new(stray).exists(), "{stray} was made on the host");
    }
    let bad = with(vec![mount("/x", "v", host_path(&at("file"), "Directory"))], "true");
    world.start(&bad);
    let want = format!(
        "volume \"v\": hostPath type check failed: {} is not a directory",
        at("file").display()
    );
    assert_eq!(world.failed(&bad), ("CreateContainerConfigError".into(), want));
    // The same attempt may be ordered again, and runs once the reason is gone.
    std::fs::remove_file(at("file")).expect("remove");
    std::fs::create_dir(at("file")).expect("mkdir");
    world.forget();
    assert_eq!(world.run(&bad).code, 0);
}

#[test]
fn files_are_shown_read_only_and_secrets_stay_in_memory() {
    let mut world = World::new();
    for secret in [false, true] {
        let launch = with(
            vec![
                mount("/etc/app", "conf", files(secret)),
                Mount {
                    sub_path: Some("deep/password".into()),
                    ..mount("/run-password", "conf", files(secret))
                },
            ],
            "cat /etc/app/user /etc/app/deep/password /run-password; stat -Lc %a /etc/app/user; \
             stat -Lc %a /etc/app/deep/password; stat -f -c %T /etc/app; \
             touch /etc/app/x 2>/dev/null || echo read-only; sleep 0.1",
        );
        let said = output(&mut world, &launch);
        let medium = if secret { "tmpfs" } else { "ext2/ext3" };
        let want = format!("admin\ns3cret\ns3cret\n644\n400\n{medium}\nread-only\n");
        // The state folder may lie on a tmpfs itself.
        assert!(said == want || said == want.replace("ext2/ext3", "tmpfs"), "{said}");
        let read = |path| std::fs::read_to_string(path).expect("read");
        let records: String = world.journal().into_iter().map(read).collect();
        assert!(records.contains(&launch.pod_uid) && !records.contains("s3cret"), "no secret");
        if secret {
            let volume = world.folder(&launch).join("volumes/conf");
            assert_eq!(std::fs::read_dir(volume).expect("the mount point").count(), 0);
        }
    }
}

#[test]
fn files_are_replaced_under_a_running_program() {
    let mut world = World::new();
    for secret in [false, true] {
        let part = Mount { sub_path: Some("user".into()), ..mount("/one", "v", files(secret)) };
        let script = "cat /v/user; until [ -e /v/new ]; do sleep 0.01; done; \
                      cat /v/user /v/new; stat -Lc '%a %g' /v/new; \
                      ls /v/deep 2>/dev/null; cat /one; ls /v/..data/";
        let launch = Launch {
            fs_group: Some(4321),
            groups: vec![4321],
            user: Some(1234),
            ..with(vec![mount("/v", "v", files(secret)), part], script)
        };
        world.start(&launch);
        world.started(&launch);
        until(|| world.output(&launch) == "admin\n");
        let file = |path: &str, content: &str, mode| File {
            path: path.into(),
            content: content.into(),
            mode,
        };
        let files = vec![file("new", "3\n", 0o400), file("user", "2\n", 0o644)];
        let volume = VolumeFiles { volume: "v".into(), files, secret };
        // Of a volume that no container has: nothing is made.
        let stranger = VolumeFiles { volume: "w".into(), ..volume.clone() };
        world.order(Order::Refresh {
            pod_uid: launch.pod_uid.clone(),
            fs_group: launch.fs_group,
            volumes: vec![stranger, volume],
        });
        assert_eq!(world.exited(&launch).code, 0);
        assert_eq!(world.output(&launch), "admin\n2\n3\n440 4321\nadmin\nnew\nuser\n");
        assert!(!world.folder(&launch).join("volumes/w").exists());
    }
}

#[test]
fn parts_of_volumes_and_mounts_in_mounts() {
    let mut world = World::new();
    let launch = with(
        vec![
            Mount { sub_path: Some("a/b".into()), ..mount("/part", "work", empty_dir()) },
            mount("/whole", "work", empty_dir()),
            mount("/whole/nested/conf", "conf", files(false)),
        ],
        "echo x > /part/file; cat /whole/a/b/file; cat /whole/nested/conf/user; \
         ln -s /etc /whole/out",
    );
    assert_eq!(output(&mut world, &launch), "x\nadmin\n");
    let escape = Launch {
        attempt: 1,
        mounts: vec![Mount { sub_path: Some("out".into()), ..mount("/p", "work", empty_dir()) }],
        ..launch.clone()
    };
    world.start(&escape);
    let (reason, message) = world.failed(&escape);
    assert_eq!(reason, "CreateContainerConfigError");
    assert!(message.starts_with("volume \"work\": opening"), "{message}");
}

#[test]
fn a_read_only_root_has_writable_volumes() {
    let mut world = World::new();
    let launch = with(
        vec![mount("/tmp", "work", empty_dir())],
        "touch /usr/x /x /etc/x /var/x 2>/dev/null; ls /usr/x /x /etc/x /var/x 2>/dev/null; \
         touch /tmp/x && echo hi > /dev/null && ls /tmp && echo end > /dev/termination-log",
    );
    let launch = Launch { read_only_root: true, ..launch };
    assert_eq!(output(&mut world, &launch), "x\n");
    assert_eq!(world.exited(&launch).message, "end\n");
    assert!(!Path::new("/x").exists());
}

#[test]
fn fs_group_owns_the_volumes() {
    let mut world = World::new();
    let launch = with(
        vec![mount("/data", "work", empty_dir()), mount("/conf", "conf", files(true))],
        "stat -c '%a %g' /data; touch /data/x; stat -c %g /data/x; cat /conf/deep/password",
    );
    let launch = Launch { user: Some(1234), fs_group: Some(4321), ..launch };
    assert_eq!(output(&mut world, &launch), "2777 4321\n4321\ns3cret\n");
}

#[test]
fn termination_messages() {
    let mut world = World::new();
    let mut check = |launch: Launch, want: &str| {
        assert_eq!(world.run(&launch).message, want);
    };
    check(sh("echo why > /dev/termination-log; echo no; exit 1"), "why\n");
    check(Launch { user: Some(1234), ..sh("echo mine > /dev/termination-log") }, "mine\n");
    check(sh("echo loud; exit 1"), "");
    let from_logs = |script| Launch { message_from_logs: true, ..sh(script) };
    check(from_logs("echo loud; printf more; exit 1"), "loud\nmore");
    check(from_logs("echo loud; exit 0"), "");
    check(from_logs("echo why > /dev/termination-log; echo loud; exit 1"), "why\n");
    let last: String = (21..=100).map(|n| format!("{n}\n")).collect();
    check(from_logs("seq 100; exit 1"), &last);
    let long = sh("head -c 5000 /dev/zero | tr '\\0' x > /dev/termination-log");
    check(long, &"x".repeat(4096));
    let elsewhere = |at: &str| Launch {
        termination_message_path: at.into(),
        ..sh(&format!("echo there > {at}"))
    };
    check(elsewhere("/opt/nowhere/message"), "there\n");
    assert!(!Path::new("/opt/nowhere").exists());
}
