//! The service on a real systemd: it starts, notifies, reloads, follows its folder, and is
//! restarted, killed and hung with a job running, without losing a run or doubling one. And the
//! package: installed, upgraded, removed.

#[path = "../common/mod.rs"]
mod common;
mod machine;

use machine::Machine;
use std::path::Path;

/// Appends a line when it starts and another when it is let go.
const SLOW: &str = "
apiVersion: batch/v1
kind: CronJob
metadata: {name: slow}
spec:
  schedule: '0 0 1 1 *'
  jobTemplate:
    spec:
      backoffLimit: 0
      template:
        spec:
          restartPolicy: Never
          containers:
          - name: slow
            image: busybox
            command:
            - /bin/sh
            - -c
            - |
              echo started >> /var/tmp/slow
              until [ -e /var/tmp/go-on ]; do sleep 0.1; done
              echo ended >> /var/tmp/slow
";

/// Appends the name of its Job, which holds the minute that it is for.
const MINUTES: &str = "
apiVersion: batch/v1
kind: CronJob
metadata: {name: minutes}
spec:
  schedule: '* * * * *'
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers:
          - name: append
            image: busybox
            command: [/bin/sh, -c, 'echo $NAME >> /var/tmp/minutes']
            env:
            - name: NAME
              valueFrom: {fieldRef: {fieldPath: \"metadata.labels['job-name']\"}}
";

/// Has no command: the configuration says what runs for its image.
const GREETER: &str = "
apiVersion: batch/v1
kind: Job
metadata: {name: greeter}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - {name: greeter, image: greeter}
";

const GREETER_IMAGE: &str = "images:\n  greeter: [/bin/echo, welcome]\n";

fn package(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A machine with the unit, the configuration and the binary in their places, and the service
/// running.
fn boot_with_service() -> Machine {
    let mut machine = Machine::boot(&[
        (Path::new(env!("CARGO_BIN_EXE_cronlet")), "/usr/bin/cronlet"),
        (&package("systemd/cronlet.service"), "/etc/systemd/system/cronlet.service"),
    ]);
    std::fs::copy(package("systemd/config.yaml"), machine.channel().join("config.yaml"))
        .expect("the configuration is copied");
    machine.run("mkdir -p /etc/cronlet/jobs && cp /channel/config.yaml /etc/cronlet/");
    // It returns when the daemon has told that it is ready.
    machine.run("systemctl enable --now cronlet");
    assert_eq!(machine.run("systemctl is-active cronlet").trim(), "active");
    machine
}

/// As an editor writes it: aside, then renamed.
fn write_job(machine: &mut Machine, name: &str, text: &str) {
    std::fs::write(machine.channel().join(name), text).expect("a manifest is written");
    machine.run(&format!("cp /channel/{name} /etc/cronlet/{name}.part"));
    machine.run(&format!("mv /etc/cronlet/{name}.part /etc/cronlet/jobs/{name}"));
}

fn skip() -> bool {
    !common::has(&machine::needs(common::program))
}

#[test]
fn the_unit_is_clean() {
    if skip() {
        return;
    }
    let mut machine = boot_with_service();
    let (code, said) = machine.try_run("systemd-analyze verify --man=no cronlet.service");
    // The one key that is newer than some of the systemd that it shall run on, as the unit says.
    let said: Vec<&str> = said.lines().filter(|line| !line.contains("DelegateSubgroup")).collect();
    assert!(code == 0 && said.is_empty(), "{said:#?}");
    let security = machine.run("systemd-analyze security --no-pager cronlet.service");
    assert!(security.contains("Overall exposure level"), "{security}");
    eprintln!("{security}");
}

#[test]
fn the_folder_and_the_configuration_are_followed() {
    if skip() {
        return;
    }
    let mut machine = boot_with_service();
    let version = "cronlet get cronjob minutes -o json | grep resourceVersion";
    write_job(&mut machine, "minutes.yaml", &MINUTES.replace("* * * * *", "0 0 1 1 *"));
    machine.until("cronlet get cronjob minutes");
    let untouched = machine.run(version);

    write_job(&mut machine, "slow.yaml", SLOW);
    machine.until("cronlet get cronjob slow -o json | grep '\"schedule\": \"0 0 1 1' ");
    write_job(&mut machine, "slow.yaml", &SLOW.replace("0 0 1 1 *", "5 5 5 5 *"));
    machine.until("cronlet get cronjob slow -o json | grep '\"schedule\": \"5 5 5 5'");

    let broken = SLOW.replace("schedule", "shedule");
    write_job(&mut machine, "slow.yaml", &broken);
    machine.until("journalctl -u cronlet -o cat | grep 'slow.yaml:6:3' | grep shedule");
    machine.run("cronlet get cronjob slow -o json | grep '\"schedule\": \"5 5 5 5'");

    machine.run("rm /etc/cronlet/jobs/slow.yaml");
    machine.until("! cronlet get cronjob slow");
    assert_eq!(machine.run(version), untouched, "an untouched manifest was disturbed");

    write_job(&mut machine, "greeter.yaml", GREETER);
    machine.until("cronlet get pods -o json | grep waiting");
    std::fs::write(machine.channel().join("image"), GREETER_IMAGE).expect("it is written");
    machine.run("cat /channel/image >> /etc/cronlet/config.yaml && systemctl reload cronlet");
    machine.until("cronlet logs job/greeter | grep welcome");
    assert_eq!(machine.run("systemctl is-active cronlet").trim(), "active");
}

/// What may befall the daemon while a job runs, and the command that waits until it has happened.
const BLOWS: &[(&str, &str)] = &[
    ("restart", "systemctl restart cronlet"),
    ("reload", "systemctl reload cronlet"),
    ("a crash", "systemctl kill --kill-whom=main --signal=KILL cronlet"),
    ("a stop and a start", "systemctl stop cronlet; sleep 1; systemctl start cronlet"),
    (
        "a hang, ended by the watchdog",
        "systemctl kill --kill-whom=main --signal=STOP cronlet; sleep 5",
    ),
];

#[test]
fn a_running_job_is_not_touched_by_what_befalls_the_daemon() {
    if skip() {
        return;
    }
    let mut machine = boot_with_service();
    let folder = "/run/systemd/system/cronlet.service.d";
    let hasty = "printf '[Service]\\nWatchdogSec=2s\\n'";
    machine.run(&format!("mkdir -p {folder} && {hasty} > {folder}/hasty.conf"));
    machine.run("systemctl daemon-reload && systemctl restart cronlet");
    write_job(&mut machine, "slow.yaml", SLOW);
    machine.until("cronlet get cronjob slow");
    for (name, blow) in BLOWS {
        machine.run("rm -f /var/tmp/slow /var/tmp/go-on");
        // Two in the same second would have one name: the second is refused.
        let said = machine.until("cronlet trigger slow");
        let job = said.split_whitespace().next().expect("a name").replace("job.batch/", "");
        machine.until("grep started /var/tmp/slow");
        let shell = "for p in /proc/[0-9]*; do tr '\\0' ' ' 2> /dev/null < $p/cmdline | \
                     grep -q 'sh -c echo started' && echo $p; done; true";
        let before = machine.run(shell);
        machine.run(blow);
        machine.until("systemctl is-active cronlet && cronlet get cronjob slow");
        assert_eq!(machine.run(shell), before, "{name}: other processes than before");
        machine.run("touch /var/tmp/go-on");
        machine.until(&format!("cronlet get job {job} -o json | grep '\"Complete\"'"));
        assert_eq!(machine.run("cat /var/tmp/slow"), "started\nended\n", "{name}");
    }
}

#[test]
fn no_minute_is_lost_or_doubled() {
    if skip() {
        return;
    }
    let mut machine = boot_with_service();
    write_job(&mut machine, "minutes.yaml", MINUTES);
    machine.until("cronlet get cronjob minutes");
    let at_second = |second: &str| format!("until [ $(date +%S) = {second} ]; do sleep 0.1; done");
    // Down when a minute begins.
    machine.run(&at_second("57"));
    machine.run("systemctl stop cronlet");
    machine.run(&at_second("02"));
    machine.run("systemctl start cronlet");
    machine.until("[ $(wc -l < /var/tmp/minutes) = 1 ]");
    // Killed again and again around the beginning of the next.
    machine.run(&at_second("58"));
    let kill = "systemctl kill --kill-whom=main --signal=KILL cronlet; sleep 0.2";
    for _ in 0..20 {
        machine.run(kill);
    }
    machine.until("systemctl is-active cronlet && [ $(wc -l < /var/tmp/minutes) = 2 ]");
    // Untouched.
    machine.until("[ $(wc -l < /var/tmp/minutes) = 3 ]");
    let names = machine.run("cat /var/tmp/minutes");
    let minutes = names.lines().map(|name| name.rsplit('-').next().and_then(|m| m.parse().ok()));
    let minutes: Vec<i64> = minutes.map(|minute| minute.expect("a minute ends the name")).collect();
    let expected: Vec<i64> = (minutes[0]..).take(minutes.len()).collect();
    assert_eq!(minutes, expected);
}

#[test]
fn the_package_is_installed_upgraded_and_removed() {
    let built = std::env::var_os("CRONLET_DEB").map(std::path::PathBuf::from);
    let mut needs = machine::needs(common::program);
    needs.push(("CRONLET_DEB, what systemd/build-deb.sh built", built.is_some()));
    if !common::has(&needs) {
        return;
    }
    let mut machine = Machine::boot(&[(&built.expect("it is set"), "/var/tmp/cronlet.deb")]);
    machine.run("dpkg --install /var/tmp/cronlet.deb");
    assert_eq!(machine.run("stat -c %a /etc/cronlet/jobs").trim(), "750", "Secrets are in it");
    assert_eq!(machine.run("systemctl is-active cronlet").trim(), "active");
    assert_eq!(machine.run("systemctl is-enabled cronlet").trim(), "enabled");
    write_job(&mut machine, "slow.yaml", SLOW);
    machine.until("cronlet get cronjob slow");
    machine.run("cronlet trigger slow");
    machine.until("grep started /var/tmp/slow");
    let daemon = machine.run("systemctl show --property MainPID cronlet");
    machine.run("dpkg --install /var/tmp/cronlet.deb");
    assert_ne!(machine.run("systemctl show --property MainPID cronlet"), daemon, "not restarted");
    machine.run("touch /var/tmp/go-on");
    machine.until("cronlet get jobs -o json | grep '\"Complete\"'");
    assert_eq!(machine.run("cat /var/tmp/slow"), "started\nended\n");

    removal_ends_what_runs(&mut machine);
    purge_takes_no_state_from_running_pods(&mut machine);
}

/// Prints the process ids of all shims.
const SHIMS: &str = "for p in /proc/[0-9]*; do [ \"$(cat $p/comm 2> /dev/null)\" = cronlet-shim ] \
                     && echo ${p#/proc/}; done; true";

/// Starts a run of the slow CronJob that nothing lets go on.
fn run_slowly(machine: &mut Machine) {
    machine.run("rm -f /var/tmp/slow /var/tmp/go-on");
    machine.until("cronlet trigger slow");
    machine.until("grep started /var/tmp/slow");
}

fn removal_ends_what_runs(machine: &mut Machine) {
    run_slowly(machine);
    let said = machine.run("dpkg --remove cronlet");
    assert!(said.contains("ending pid ") && said.contains("1 ended"), "{said}");
    assert_eq!(machine.run(SHIMS), "");
    machine.run("[ -e /etc/cronlet/config.yaml ] && [ -d /var/lib/cronlet ]");
    machine.run("! systemctl is-active cronlet && [ -e /etc/cronlet/jobs/slow.yaml ]");
    // The state is read again: a run that was ended failed, and is not run once more.
    machine.run("dpkg --install /var/tmp/cronlet.deb");
    machine.until("cronlet get jobs -o json | grep '\"Failed\"'");
    assert_eq!(machine.run("cat /var/tmp/slow"), "started\n");
    run_slowly(machine);
    machine.run("dpkg --purge cronlet && [ ! -e /var/lib/cronlet ]");
    assert_eq!(machine.run(SHIMS), "");
    machine.run("[ -e /etc/cronlet/jobs/slow.yaml ]");
}

/// A daemon that someone started by hand after the removal, and killed.
fn purge_takes_no_state_from_running_pods(machine: &mut Machine) {
    machine.run("dpkg --install /var/tmp/cronlet.deb");
    machine.until("cronlet get cronjob slow");
    machine.run("cp /usr/bin/cronlet /var/tmp/by-hand && dpkg --remove cronlet");
    machine.run("/var/tmp/by-hand run > /dev/null 2>&1 & echo $! > /var/tmp/pid");
    machine.run("rm -f /var/tmp/slow /var/tmp/go-on");
    machine.until("/var/tmp/by-hand trigger slow");
    machine.until("grep started /var/tmp/slow");
    machine.run("kill -9 $(cat /var/tmp/pid)");
    // Its free shims end with it.
    machine.until(&format!("[ $( ({SHIMS}) | wc -l) = 1 ]"));
    let (code, said) = machine.try_run("dpkg --purge cronlet");
    let shim = machine.run(SHIMS);
    assert!(code != 0 && said.contains(shim.trim()), "{code}: {said}");
    machine.run("[ -e /var/lib/cronlet/state.redb ]");
    machine.run(&format!("kill -USR2 {}", shim.trim()));
    machine.until(&format!("[ -z \"$({SHIMS})\" ]"));
    machine.run("dpkg --purge cronlet && [ ! -e /var/lib/cronlet ]");
}
