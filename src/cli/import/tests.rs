//! Crontabs in, manifests out; each must pass the checks of `cronlet check`.

use super::accounts::tests::accounts;
use super::*;
use crate::kinds::{Object, admission};
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{Container, PodSpec};

fn convert_text(path: &str, text: &str) -> Output {
    let file = path.into();
    let args = CrontabArgs { file, system: false, user: None, time_zone: None };
    convert(&args, text.as_bytes(), &accounts(), "Europe/Paris")
}

/// The CronJobs of the output, read as a manifest, admitted as the daemon would.
fn cron_jobs(output: &Output) -> Vec<CronJob> {
    let documents = crate::manifest::read(output.yaml.as_bytes(), "import");
    let admit = |document: Result<crate::manifest::Document, _>| {
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
        let args = CrontabArgs { file: "-".into(), system: false, user: None, time_zone: None };
        let output = convert(&args, bytes, &accounts(), "UTC");
        assert_eq!(output.remarks.len(), refused, "{:?}", output.remarks);
        if entries > 0 {
            assert_eq!(cron_jobs(&output).len(), entries);
        }
    }
}
