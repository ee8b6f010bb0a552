//! Crontabs in, manifests out; each must pass the checks of `cronlet check`.

use super::*;
use cronlet_api::admission;
use cronlet_api::kind::Object;
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{Container, PodSpec};

fn convert_text(path: &str, text: &str) -> Output {
    convert_bytes(path, text.as_bytes(), None)
}

struct Output {
    yaml: String,
    remarks: Vec<String>,
    complete: bool,
}

/// Converts as root imports it, of a file that `owner` owns.
fn convert_bytes(path: &str, bytes: &[u8], owner: Option<i64>) -> Output {
    let programs = tempfile::tempdir().expect("a folder");
    let host = whose::tests::host(programs.path());
    let args =
        CrontabArgs { files: Vec::new(), system: false, user: None, time_zone: None, jobs: None };
    let mut import = Import::new(&args, host, "Europe/Paris".into(), Taken::default());
    import.read(Path::new(path), bytes, owner);
    Output { yaml: import.yaml(), remarks: import.remarks, complete: import.complete }
}

/// The CronJobs of the output, read as a manifest, admitted as the daemon would.
fn cron_jobs(output: &Output) -> Vec<CronJob> {
    let documents = cronlet_api::manifest::read(output.yaml.as_bytes(), "import");
    let admit = |document: Result<cronlet_api::manifest::Document, _>| {
        let document = document.unwrap_or_else(|error| panic!("{error}\n{}", output.yaml));
        let admitted = admission::preview(document.object, "default");
        match admitted.unwrap_or_else(|error| panic!("{error}\n{}", output.yaml)).object {
            Object::CronJob(cron_job) => CronJob::clone(&cron_job),
            other => panic!("{other:?}"),
        }
    };
    documents.into_iter().map(admit).collect()
}

fn pod(cron_job: &CronJob) -> &PodSpec {
    let job = cron_job.spec.job_template.spec.as_ref().expect("a Job");
    job.template.spec.as_ref().expect("a Pod")
}

fn container(cron_job: &CronJob) -> &Container {
    &pod(cron_job).containers[0]
}

fn variable(cron_job: &CronJob, name: &str) -> Option<String> {
    let variables = container(cron_job).env.as_ref().expect("variables");
    variables.iter().find(|variable| variable.name == name)?.value.clone()
}

const SYSTEM: &str = "\
# /etc/crontab: system-wide crontab
SHELL=/bin/bash
PATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin
MAILTO=\"ops@example.org\"

# m h dom mon dow user\tcommand
17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly
25 6\t* * *\troot\ttest -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }
#

# Nightly dump,
# kept for a week
CRON_TZ=America/New_York
RANDOM_DELAY=10
30 2 * * 5-7 joe pg_dump -f \"/backup/$(date +\\%F).sql\" shop && echo $$
@reboot nobody-here /usr/local/bin/warm-up
0 0 */2 * 1 joe /usr/local/bin/odd
61 * * * * joe late
0 0 * * *
";

#[test]
fn a_system_crontab_becomes_cron_jobs_that_do_the_same() {
    let output = convert_text("/etc/crontab", SYSTEM);
    let found = cron_jobs(&output);
    let names: Vec<&str> =
        found.iter().map(|cron_job| cron_job.metadata.name.as_deref().expect("a name")).collect();
    assert_eq!(names, ["cron-hourly", "cron-daily", "pg-dump", "warm-up", "odd"]);
    let hourly = &found[0];
    assert_eq!(hourly.spec.schedule, "17 * * * *");
    assert_eq!(hourly.spec.time_zone.as_deref(), Some("Europe/Paris"));
    assert_eq!(hourly.spec.starting_deadline_seconds, Some(300));
    assert_eq!(pod(hourly).host_network, Some(true), "scripts see the host's name");
    let command = ["/bin/bash", "-c", "cd / && run-parts --report /etc/cron.hourly"];
    assert_eq!(container(hourly).command.as_deref().expect("a command"), command);
    assert_eq!(variable(hourly, "USER").as_deref(), Some("root"));
    assert_eq!(variable(hourly, "MAILTO"), None);

    let dump = &found[2];
    assert_eq!(dump.spec.schedule, "30 2 * * 5,6,0");
    assert_eq!(dump.spec.time_zone.as_deref(), Some("America/New_York"));
    let context = pod(dump).security_context.as_ref().expect("a user");
    assert_eq!((context.run_as_user, context.run_as_group), (Some(1000), Some(1000)));
    assert_eq!(context.supplemental_groups.as_deref(), Some(&[4, 34][..]));
    assert_eq!(container(dump).working_dir.as_deref(), Some("/home/joe"));
    assert_eq!(variable(dump, "HOME").as_deref(), Some("/home/joe"));
    let text = &container(dump).command.as_ref().expect("a command")[2];
    assert_eq!(text, "pg_dump -f \"/backup/$$(date +%F).sql\" shop && echo $$$");
    let annotations = dump.metadata.annotations.as_ref().expect("annotations");
    assert_eq!(annotations["cronlet.dev/jitter"], "10m");

    let warm_up = &found[3];
    assert_eq!(warm_up.spec.suspend, Some(true), "its user is unknown");
    assert_eq!(warm_up.spec.starting_deadline_seconds, None, "however late the daemon starts");
    let context = pod(warm_up).security_context.as_ref().expect("not root");
    assert_eq!(context.run_as_non_root, Some(true));
    assert_eq!(warm_up.spec.schedule, "0 0 31 2 *");
    let annotations = warm_up.metadata.annotations.as_ref().expect("annotations");
    assert_eq!(annotations["cronlet.dev/schedule"], "@reboot");
    assert_eq!(found[4].spec.suspend, Some(true), "cron reads its day fields otherwise");

    assert!(!output.complete);
    let told = output.remarks.join("\n");
    for part in [
        "/etc/crontab:7: cron-hourly: MAILTO is not carried over",
        "/etc/crontab:16: warm-up: the user nobody-here is not known",
        "/etc/crontab:17: odd: cron runs this only on days that match both day fields, */2 and 1",
        "/etc/crontab:18: not imported: minute: \"61\": end of range (61) above maximum (59)",
        "/etc/crontab:19: not imported: there is no command behind the user",
    ] {
        assert!(told.contains(part), "{part}\nin\n{told}");
        let comment = part.split_once(": ").expect("a place").1;
        let comment = comment.split_once(": ").map_or(comment, |(_, remark)| remark);
        assert!(output.yaml.contains(comment), "{comment}\nin\n{}", output.yaml);
    }
}

const USER: &str = "\
# Says hello

# every working day
0 9 * * mon-fri echo 'it''s 9: #1 & \"two\"' > /dev/null
*/10 * * * * mail -s \"100\\% sure\" joe%Hello,%% .%the end
X = y
HOME=/srv
-0~30 4 * * * ./run.sh é \\\\
@weekly  \t true
@yearly
* * * * *\t- dash
";

#[test]
fn a_users_crontab_runs_as_that_user() {
    let output = convert_text("/var/spool/cron/crontabs/joe", USER);
    let found = cron_jobs(&output);
    let names: Vec<&str> =
        found.iter().map(|cron_job| cron_job.metadata.name.as_deref().expect("a name")).collect();
    assert_eq!(names, ["echo", "mail", "run", "true", "dash"]);
    for cron_job in &found {
        let context = pod(cron_job).security_context.as_ref().expect("a user");
        assert_eq!(context.run_as_user, Some(1000));
    }
    let description = |cron_job: &CronJob| {
        cron_job.metadata.annotations.as_ref()?.get("kubernetes.io/description").cloned()
    };
    assert_eq!(description(&found[0]).as_deref(), Some("every working day"));
    assert_eq!(description(&found[1]), None);
    let command = |cron_job: &CronJob| container(cron_job).command.clone().expect("a command");
    assert_eq!(command(&found[0])[2], "echo 'it''s 9: #1 & \"two\"' > /dev/null");
    assert_eq!(
        command(&found[1])[3..],
        ["/bin/sh", "mail -s \"100% sure\" joe", "Hello,\n\n .\nthe end"]
    );
    assert_eq!(variable(&found[1], "X"), None);
    assert_eq!(variable(&found[2], "X").as_deref(), Some("y"));
    assert_eq!(container(&found[2]).working_dir.as_deref(), Some("/srv"));
    assert_eq!(found[2].spec.schedule, "0 4 * * *");
    let annotations = found[2].metadata.annotations.as_ref().expect("annotations");
    assert_eq!(annotations["cronlet.dev/schedule"], "H(0-30) 4 * * *");
    assert_eq!(output.remarks.len(), 1, "{:?}", output.remarks);
    assert!(output.remarks[0].contains(":10: not imported: there is no command"));
}

/// The here-document hands the command what cron would, and its shell and exit code.
#[test]
fn what_a_command_reads_arrives() {
    let text = "* * * * * cat; echo $((3+4)); exit 3%one%$HOME `x` \\% .%.%\n";
    let output = convert_text("-", text);
    let found = cron_jobs(&output);
    // What the daemon does to `$$` before it runs a command.
    let words: Vec<String> = container(&found[0]).command.clone().expect("a command");
    let words: Vec<String> = words.iter().map(|word| word.replace("$$", "$")).collect();
    let done = std::process::Command::new(&words[0]).args(&words[1..]).output().expect("sh runs");
    assert_eq!(String::from_utf8_lossy(&done.stdout), "one\n$HOME `x` % .\n.\n7\n");
    assert_eq!(done.status.code(), Some(3));
}

#[test]
fn hostile_crontabs_are_told_apart() {
    let long = format!("* * * * * {}\n@daily ok\n", "x".repeat(1 << 20));
    let bytes: [(&[u8], usize, usize); 5] = [
        (long.as_bytes(), 1, 1),
        (b"* * * * * a\0b\n@daily ok", 1, 1),
        (b"* * * * * \xff\xfe\n@daily ok\r\n", 1, 1),
        (b"\n\n   \n#\n", 0, 0),
        (b"no crontab at all, this\n---\n", 0, 2),
    ];
    for (bytes, entries, refused) in bytes {
        let output = convert_bytes("-", bytes, None);
        let is_about_line = |remark: &&String| remark.contains("not imported");
        let found = output.remarks.iter().filter(is_about_line).count();
        assert_eq!(found, refused, "{:?}", output.remarks);
        if entries > 0 {
            assert_eq!(cron_jobs(&output).len(), entries);
        }
    }
}

/// Runs the container's command as the daemon would.
fn run(cron_job: &CronJob) -> std::process::Output {
    let words: Vec<String> = container(cron_job).command.clone().expect("a command");
    let words: Vec<String> = words.iter().map(|word| word.replace("$$", "$")).collect();
    std::process::Command::new(&words[0]).args(&words[1..]).output().expect("a shell runs")
}

/// The pipe of its output would end with the shell if the shell did not wait: a child that writes
/// elsewhere shows it.
#[test]
fn a_command_waits_for_its_background() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |command: &str, shell: &str, code: i32| {
        let file = folder.path().join("out");
        let command = command.replace("FILE", file.to_str().expect("UTF-8"));
        let output = convert_text("-", &format!("SHELL={shell}\n@reboot {command}\n"));
        let found = cron_jobs(&output);
        assert_eq!(found[0].spec.suspend, Some(false), "{command}");
        assert!(output.yaml.contains("# its background processes"), "{}", output.yaml);
        assert_eq!(run(&found[0]).status.code(), Some(code), "{shell} {command}");
        assert_eq!(std::fs::read_to_string(&file).expect(&command), "done\n", "{command}");
        std::fs::remove_file(file).expect("it is removed");
    };
    let late = "sh -c 'sleep 0.2; echo done > FILE; exit 5' > /dev/null 2>&1";
    for shell in ["/bin/sh", "/bin/bash"] {
        check(&format!("{late} &"), shell, 5);
        check(&format!("cd / && {late} & # in the background"), shell, 5);
        check(&format!("{late} & true"), shell, 0);
        check(&format!("{late} & exit 3"), shell, 3);
        check(&format!("{{ {late} & }}; false"), shell, 1);
        check(&format!("{late} & true &"), shell, 0);
    }
}

#[test]
fn what_a_shell_cannot_wait_for_is_suspended_with_the_reason() {
    let check = |text: &str, why: &str| {
        let output = convert_text("-", text);
        assert_eq!(cron_jobs(&output)[0].spec.suspend, Some(true), "{text}");
        assert!(output.remarks.iter().any(|remark| remark.contains(why)), "{:?}", output.remarks);
        assert!(output.yaml.contains(why), "{}", output.yaml);
    };
    check("@reboot (/opt/boot.sh &)\n", "(... &): cron lets processes in the background live");
    check("@reboot screen -dmS x /opt/boot.sh\n", "screen -dmS: cron lets");
    check("SHELL=/bin/csh\n@reboot /opt/boot.sh &\n", "& in /bin/csh: cron lets");
}

/// A crontab that says nothing of users never gains the rights of root in silence.
#[test]
fn a_crontab_runs_as_its_owner_or_is_suspended() {
    let check = |path: &str, text: &str, owner, uid: Option<i64>, suspended: bool, said: &str| {
        let output = convert_bytes(path, text.as_bytes(), owner);
        let found = cron_jobs(&output);
        let context = pod(&found[0]).security_context.as_ref().expect("a user");
        assert_eq!(context.run_as_user, uid, "{}", output.yaml);
        assert_eq!(found[0].spec.suspend, Some(suspended), "{}", output.yaml);
        assert!(output.yaml.contains(said), "{said}\n{}", output.yaml);
        assert!(output.remarks.iter().any(|remark| remark.contains(said)), "{:?}", output.remarks);
    };
    let own = "*/5 * * * * ./bin/backup.sh >> backup.log 2>&1\n";
    check("-", own, None, Some(0), false, "-: taken for the crontab of root, who imports it");
    check("mine", own, Some(1000), Some(1000), false, "the crontab of joe, who owns the file");
    check("mine", own, Some(4711), Some(0), true, "it is not clear whose crontab this is");
    let system = "0 1 * * * joe /usr/local/bin/sync.sh\n";
    check("-", system, None, Some(1000), false, "-: read as a system crontab");
    let foreign = "0 1 * * * deploy /usr/local/bin/sync.sh\n";
    check("copy", foreign, Some(0), None, true, "the user deploy is not known on this host");
    let mixed = format!("{system}{own}");
    check("-", &mixed, None, Some(0), true, "its first word, joe, is a user of this host");
}

#[test]
fn names_of_the_jobs_folder_are_not_given_again_but_to_the_same_crontab() {
    let jobs = tempfile::tempdir().expect("a folder");
    let crontabs = tempfile::tempdir().expect("a folder");
    let import = |crontab: &str| {
        let path = crontabs.path().join(crontab);
        std::fs::write(&path, "0 1 * * * /opt/sync\n").expect("it is written");
        let programs = tempfile::tempdir().expect("a folder");
        let host = whose::tests::host(programs.path());
        let args = CrontabArgs {
            files: Vec::new(),
            system: false,
            user: Some("joe".to_owned()),
            time_zone: None,
            jobs: None,
        };
        let mut import = Import::new(&args, host, "UTC".into(), Taken::read(jobs.path()));
        import.read(&path, b"0 1 * * * /opt/sync\n", None);
        let output =
            Output { yaml: import.yaml(), remarks: import.remarks, complete: import.complete };
        let name = cron_jobs(&output)[0].metadata.name.clone().expect("a name");
        std::fs::write(jobs.path().join(format!("{crontab}.yaml")), &output.yaml).expect("written");
        (name, output.remarks.iter().any(|remark| remark.contains("it is not named sync, which")))
    };
    let named = |name: &str, is_said: bool| (name.to_owned(), is_said);
    assert_eq!(import("a"), named("sync", false));
    assert_eq!(import("a"), named("sync", false), "the same crontab again");
    assert_eq!(import("b"), named("sync-2", true), "another one");
    assert_eq!(import("b"), named("sync-2", true), "that one again");
    assert!(Taken::read(&jobs.path().join("nowhere")).unread.is_none());
}
