//! How containers start, what they are given, and how they end.

use crate::world::{World, alive, read_when_there, sh, until};
use cronlet_api::time::{SignedDuration, Timestamp};
use cronlet_plan::order::Launch;

#[test]
fn exit_codes_and_signals() {
    let mut world = World::new();
    let mut check = |script: &str, code: i32, signal: Option<i32>, reason: &str| {
        let exit = world.run(&sh(script));
        assert_eq!((exit.code, exit.signal, exit.reason.as_str()), (code, signal, reason));
        assert!(exit.started_at <= exit.finished_at, "{exit:?}");
        assert!(exit.id.starts_with("cronlet://") && exit.id.len() == 74, "{exit:?}");
    };
    check("exit 0", 0, None, "Completed");
    check("exit 42", 42, None, "Error");
    check("kill -SEGV $$", 139, Some(11), "Error");
    check("kill -KILL $$", 137, Some(9), "Error");
}

/// With a cgroup and without one; by descent what is left is known, too.
#[test]
fn what_is_left_in_the_background_is_counted_and_ended() {
    for cgroups in [true, false] {
        let mut world = World::with(cgroups);
        let mut check = |script: &str, code: i32, left: u32| {
            let exit = world.run(&sh(script));
            assert_eq!((exit.code, exit.left), (code, left), "{script}");
        };
        check("exit 3", 3, 0);
        check("sleep 0.01 & wait", 0, 0);
        check("sleep 1000 & exit 3", 3, 1);
        check("sleep 1000 & setsid sleep 1000 & :", 0, 2);
        check("sleep 1000 & kill -KILL $$", 137, 0);
    }
}

#[test]
fn what_cannot_be_run_says_why() {
    let mut world = World::new();
    let mut check = |change: &dyn Fn(&mut Launch), want: &str| {
        let mut launch = sh("true");
        change(&mut launch);
        let exit = world.run(&launch);
        assert_eq!((exit.code, exit.reason.as_str()), (128, "StartError"), "{exit:?}");
        assert_eq!(exit.message, want);
    };
    let argv = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    check(
        &|l| l.argv = argv(&["no-such-program"]),
        "exec: \"no-such-program\": executable file not found in $PATH",
    );
    check(&|l| l.argv = argv(&["/no/such"]), "exec: \"/no/such\": no such file or directory");
    check(&|l| l.argv = argv(&["/etc/passwd"]), "exec: \"/etc/passwd\": permission denied");
    check(
        &|l| l.working_dir = Some("/etc/passwd".into()),
        "chdir to cwd (\"/etc/passwd\"): not a directory",
    );
    check(&|l| l.argv = argv(&["true", "a\0b"]), "a NUL byte in command, args or env");
}

#[test]
fn a_program_gets_just_what_it_is_given() {
    let mut world = World::new();
    let script = "env | sort; pwd; umask; ls /proc/self/fd | wc -l; readlink /proc/self/fd/0; \
                  grep -E 'Sig(Blk|Ign)' /proc/self/status; ps -o sid= -p $$ | tr -d ' '; echo $$";
    let mut launch = sh(script);
    launch.env.push(("GREETING".into(), "a b\nc".into()));
    launch.working_dir = Some("/usr".into());
    assert_eq!(world.run(&launch).code, 0);
    let output = world.output(&launch);
    let lines: Vec<&str> = output.lines().collect();
    let want =
        ["GREETING=a b", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"];
    assert_eq!(lines[..1], want[..1]);
    assert!(output.contains(want[1]) && !output.contains("CARGO"), "{output}");
    assert!(output.contains("\n/usr\n0022\n4\n/dev/null\n"), "{output}");
    assert!(output.contains("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"), "{output}");
    assert_eq!(lines[lines.len() - 1], lines[lines.len() - 2], "its own session: {output}");
}

#[test]
fn users_and_groups() {
    let mut world = World::new();
    let mut check = |user, group, groups: &[u32], fs_group, want: &str| {
        let mut launch = sh("id -u; id -g; id -G");
        (launch.user, launch.group, launch.fs_group) = (user, group, fs_group);
        launch.groups = groups.into();
        assert_eq!(world.run(&launch).code, 0, "{}", world.log(&launch));
        assert_eq!(world.output(&launch).replace('\n', ";"), want);
    };
    check(Some(1234), Some(55), &[7, 8], Some(9), "1234;55;55 7 8 9;");
    check(Some(1234), None, &[], None, "1234;1234;1234;");
    check(Some(65534), None, &[], None, "65534;65534;65534;");
    check(None, None, &[], None, "0;0;0;");
}

#[test]
fn term_then_kill_after_the_grace() {
    let mut world = World::new();
    let polite = sh("trap 'echo got it; exit 7' TERM; echo ready; while :; do sleep 0.05; done");
    world.start(&polite);
    world.started(&polite);
    until(|| world.output(&polite) == "ready\n");
    world.stop(&polite, 60);
    assert_eq!(world.exited(&polite).code, 7);
    assert_eq!(world.output(&polite), "ready\ngot it\n");

    let stubborn = sh("trap '' TERM; echo ready; while :; do sleep 0.05; done");
    world.start(&stubborn);
    world.started(&stubborn);
    until(|| world.output(&stubborn) == "ready\n");
    world.stop(&stubborn, 3600);
    // A later order with less grace shortens it.
    world.stop(&stubborn, 1);
    let exit = world.exited(&stubborn);
    assert_eq!((exit.code, exit.signal), (137, Some(9)));

    let own_signal = sh("trap 'exit 9' USR1; echo ready; while :; do sleep 0.05; done");
    let own_signal = Launch { stop_signal: Some("SIGUSR1".into()), ..own_signal };
    world.start(&own_signal);
    world.started(&own_signal);
    until(|| world.output(&own_signal) == "ready\n");
    world.stop(&own_signal, 60);
    assert_eq!(world.exited(&own_signal).code, 9);
}

/// A script that leaves a daemon behind: a session of its own, orphaned, its streams elsewhere.
fn leaver(pid_file: &str, then: &str) -> String {
    format!(
        "( setsid sh -c 'trap \"\" TERM HUP; echo $$ > {pid_file}; while :; do sleep 0.05; done' \
         > /dev/null 2>&1 & ) ; while [ ! -s {pid_file} ]; do sleep 0.01; done; echo ready; {then}"
    )
}

#[test]
fn no_grandchild_is_left() {
    for cgroups in [true, false] {
        let mut world = World::with(cgroups);
        let folder = tempfile::tempdir().expect("tempdir");
        for (case, then, grace) in [
            ("ends", "exit 3", None),
            ("term", "sleep 1000", Some(2)),
            ("kill", "sleep 1000", Some(0)),
        ] {
            let file = folder.path().join(case);
            let launch = sh(&leaver(file.to_str().expect("utf-8"), then));
            world.start(&launch);
            let stranger: u32 = read_when_there(&file).parse().expect("a pid");
            assert!(alive(stranger) || case == "ends");
            if let Some(grace) = grace {
                world.stop(&launch, grace);
            }
            let exit = world.exited(&launch);
            assert!(!alive(stranger), "{case}, cgroups {cgroups}: {stranger} lives, {exit:?}");
        }
    }
}

#[test]
fn two_containers_of_a_pod_end_apart() {
    for cgroups in [true, false] {
        let mut world = World::with(cgroups);
        let one = sh("sleep 1000");
        let two = Launch { container: "two".into(), ..sh("sleep 1000 & sleep 1001") };
        let two = Launch { pod_uid: one.pod_uid.clone(), ..two };
        world.start(&one);
        world.start(&two);
        let (pid, _) = (world.started(&one), world.started(&two));
        world.stop(&two, 0);
        assert_eq!(world.exited(&two).code, 137);
        assert!(alive(pid));
        world.clean(&one);
        assert!(!alive(pid));
    }
}

#[test]
fn output_is_kept_to_the_byte() {
    let mut world = World::new();
    let launch =
        sh("printf 'one\\ntwo'; sleep 0.1; printf 'three\\n\\000\\377\\n' >&2; printf end");
    world.run(&launch);
    let log = world.log(&launch);
    let mut tags: Vec<String> = log
        .lines()
        .map(|line| {
            let fields: Vec<&str> = line.splitn(4, ' ').collect();
            assert!(fields[0].parse::<cronlet_api::time::Timestamp>().is_ok(), "{line}");
            assert_eq!(fields[0].len(), 30, "{line}");
            fields[1..].join(" ")
        })
        .collect();
    tags.sort();
    let want = ["stderr F \0\u{fffd}", "stderr F three", "stdout F one", "stdout P twoend"];
    assert_eq!(tags, want);
}

#[test]
fn long_output_is_rotated() {
    let mut world = World::new();
    let line = "x".repeat(1023);
    let launch = sh(&format!("yes {line} | head -n 61440; echo last"));
    assert_eq!(world.run(&launch).code, 0);
    let base = world.folder(&launch).join("main.0.log");
    for (suffix, exists) in [("", true), (".1", true), (".4", true), (".5", false)] {
        let path = format!("{}{suffix}", base.display());
        let size = std::fs::metadata(&path).map_or(0, |m| m.len());
        assert_eq!(size > 0, exists, "{path}");
        assert!(size <= 10 << 20, "{path}: {size}");
    }
    assert!(world.output(&launch).ends_with(&format!("{line}\nlast\n")));
}

#[test]
fn a_start_that_was_ordered_ahead_waits_for_its_time() {
    let mut world = World::new();
    let at = Timestamp::now() + SignedDuration::from_millis(300);
    world.not_before(at);
    let launch = sh("date +%s%N");
    let exit = world.run(&launch);
    let began: i64 = world.output(&launch).trim().parse().expect("nanoseconds");
    assert!(exit.started_at >= at && i128::from(began) >= at.as_nanosecond(), "{exit:?}, {at}");
}
