//! Tests of a program's view: its user's variables, the pod's name, its streams, its folder.

use crate::world::{World, sh};
use cronlet_plan::order::{Hook, Launch, Mount, MountSource};

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("it is readable");
    name.trim().to_owned()
}

fn said(world: &mut World, launch: &Launch) -> String {
    let exit = world.run(launch);
    let output = world.output(launch);
    assert_eq!(exit.code, 0, "{exit:?} {output}");
    output
}

/// Users of every Debian; one that is in no file.
#[test]
fn variables_follow_from_the_users_entry() {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let all = ["HOME", "LOGNAME", "USER"];
    let mut check = |user: Option<u32>, variables: &[&str], env: &[(&str, &str)], want: &str| {
        let mut launch = sh("echo \"$HOME ${USER-none} ${LOGNAME-none}\"");
        launch.user = user;
        launch.account_variables = variables.iter().map(ToString::to_string).collect();
        launch.env.extend(env.iter().map(|(name, value)| (name.to_string(), value.to_string())));
        assert_eq!(said(&mut world, &launch), format!("{want}\n"));
    };
    let fallback = ("HOME", "/");
    check(None, &all, &[fallback], "/root root root");
    check(Some(33), &all, &[fallback], "/var/www www-data www-data");
    check(Some(4711), &all, &[fallback], "/ none none");
    check(Some(33), &["LOGNAME"], &[("HOME", "/srv"), ("USER", "me")], "/srv me www-data");
    check(Some(33), &[], &[], " none none");
}

/// The shim of a pod is given to the next one, which has another name, or the host's.
#[test]
fn a_pods_programs_see_its_name() {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let script = "uname -n; cat /proc/sys/kernel/hostname /etc/hostname; tail -n 1 /etc/hosts";
    let mut check = |name: &str| {
        let mut launch = sh(script);
        launch.host_name = name.to_owned();
        launch.hosts_line = format!("127.1.0.9 {name}.sub {name}");
        let want = format!("{name}\n{name}\n{name}\n127.1.0.9 {name}.sub {name}\n");
        match name {
            "" => assert!(said(&mut world, &launch).starts_with(&format!("{}\n", host_name()))),
            _ => assert_eq!(said(&mut world, &launch), want),
        }
    };
    for name in ["mysql-0", "other", "", "third"] {
        check(name);
    }
    let left = std::fs::read_dir("/dev/shm").expect("a folder").flatten().filter(|entry| {
        let name = entry.file_name().into_string().unwrap_or_default();
        name.starts_with(&format!("cronlet-{}-", std::process::id())) && name.contains(".etc.host")
    });
    assert_eq!(left.count(), 0, "files without their names");
}

#[test]
fn a_hook_sees_the_pods_name() {
    if !is_root() {
        return;
    }
    let mut world = World::new();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("name");
    let mut launch = sh(&format!("until [ -s {0} ]; do sleep 0.01; done; cat {0}", file.display()));
    launch.host_name = "mine".into();
    let script = format!("uname -n > {0}.part; mv {0}.part {0}", file.display());
    launch.post_start = Some(Hook::Exec(["sh", "-c", &script].map(String::from).into()));
    assert_eq!(said(&mut world, &launch), "mine\n");
}

/// Opened anew they append to the log, whoever the user is.
#[test]
fn standard_streams_are_the_users() {
    let mut world = World::new();
    for user in if is_root() { vec![None, Some(33), Some(4711)] } else { vec![None] } {
        let mut launch = sh("echo one > /dev/stdout; echo two >> /proc/self/fd/1; echo three; \
                             echo four > /dev/stderr; stat -Lc %u /proc/self/fd/1");
        launch.user = user;
        let own = rustix::process::geteuid().as_raw();
        let output = said(&mut world, &launch);
        let lines: std::collections::BTreeSet<&str> = output.lines().collect();
        let uid = user.unwrap_or(own).to_string();
        assert_eq!(lines, ["one", "two", "three", "four", &uid].into(), "{user:?}");
    }
}

#[test]
fn a_missing_working_folder_is_made_for_the_container_alone() {
    let mut world = World::new();
    let at = format!("/no-such-{}/a/b", std::process::id());
    let mut launch = sh("pwd; stat -c '%u %a' .");
    launch.working_dir = Some(at.clone());
    let own = rustix::process::geteuid().as_raw();
    assert_eq!(said(&mut world, &launch), format!("{at}\n{own} 755\n"));
    let top = at.split("/a/").next().expect("a part");
    assert!(!std::path::Path::new(top).exists(), "it is on the host");

    let mut launch = sh("pwd; touch it; ls /data/made/here");
    launch.mounts.push(Mount {
        volume: "data".into(),
        at: "/data".into(),
        read_only: false,
        sub_path: None,
        sub_path_called: None,
        source: MountSource::EmptyDir { memory: false, size_bytes_max: None },
    });
    launch.working_dir = Some("/data/made/here".into());
    assert_eq!(said(&mut world, &launch), "/data/made/here\nit\n");
}
