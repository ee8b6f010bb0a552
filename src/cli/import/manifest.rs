//! One entry of a crontab as a CronJob that does the same.

use super::accounts::{Account, Accounts};
use super::crontab::Entry;
use super::shell::{self, Background};
use cronlet_api::cron_job::annotations;
use cronlet_api::cron_job::schedule::Zone;
use serde_json::{Map, Value, json};

/// What an entry became, and what it could not take along.
pub(super) struct Imported {
    pub value: Value,
    /// One sentence each.
    pub remarks: Vec<String>,
}

/// What holds for all entries.
pub(super) struct Setting<'a> {
    /// The crontab.
    pub source: &'a str,
    pub accounts: &'a Accounts,
    /// The user that runs an entry which names none.
    pub owner: Option<&'a str>,
    /// A sentence on why the owner may be the wrong user.
    pub doubt: Option<&'a str>,
    /// Lines whose command may begin with a user.
    pub mixed: &'a [usize],
    /// The zone that cron runs in.
    pub time_zone: &'a str,
}

/// cron starts what was missed for at most so long, after the clock was set forward or the host
/// slept.
const STARTING_DEADLINE_SECONDS: i64 = 300;

/// Where cron looks for programs, unless the crontab says.
const PATH: &str = "/usr/bin:/bin";

/// Variables for cron itself. All but a few have no counterpart.
const FOR_CRON: &[&str] =
    &["CONTENT_TRANSFER_ENCODING", "CONTENT_TYPE", "CRON_TZ", "MAILFROM", "MAILTO", "RANDOM_DELAY"];

pub(super) fn cron_job(entry: &Entry, name: &str, setting: &Setting<'_>) -> Imported {
    let mut remarks = Vec::new();
    let mut suspend = entry.cadence.differs.is_some();
    remarks.extend(entry.cadence.differs.clone());
    let account = account(entry, setting, &mut remarks, &mut suspend);
    let command = wait_for_background(entry, &mut remarks, &mut suspend);
    let pod = pod(entry, name, &command, account.as_ref(), &mut remarks);
    let mut spec = json!({
        "schedule": entry.cadence.schedule,
        "timeZone": time_zone(entry, setting, &mut remarks),
        "concurrencyPolicy": "Allow",
        "jobTemplate": { "spec": { "backoffLimit": 0, "template": { "spec": pod } } },
    });
    // cron runs @reboot however late it starts.
    if !entry.cadence.is_reboot() {
        spec["startingDeadlineSeconds"] = json!(STARTING_DEADLINE_SECONDS);
    }
    if suspend {
        spec["suspend"] = json!(true);
        remarks.push(
            "it is imported suspended: look at it, then let it run with `cronlet resume`".into(),
        );
    }
    let mut annotations = annotations(entry, &mut remarks);
    annotations.insert(annotations::IMPORTED_FROM.into(), json!(setting.source));
    let metadata = json!({ "name": name, "annotations": annotations });
    let value = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": spec,
    });
    Imported { value, remarks }
}

fn annotations(entry: &Entry, remarks: &mut Vec<String>) -> Map<String, Value> {
    let mut found = Map::new();
    if !entry.comment.is_empty() {
        found.insert("kubernetes.io/description".into(), json!(entry.comment.join("\n").trim()));
    }
    if let Some(extended) = &entry.cadence.extended {
        found.insert(annotations::SCHEDULE.into(), json!(extended));
    }
    if let Some(delay) = entry.variables.get("RANDOM_DELAY") {
        match delay.parse::<u32>() {
            Ok(minutes @ 0..=1440) => {
                found.insert(annotations::JITTER.into(), json!(format!("{minutes}m")));
            }
            _ => remarks.push(format!(
                "RANDOM_DELAY={delay} is not carried over: it is no number of minutes"
            )),
        }
    }
    found
}

/// The user that runs the entry; `None` if no user of this host does.
fn account(
    entry: &Entry,
    setting: &Setting<'_>,
    remarks: &mut Vec<String>,
    suspend: &mut bool,
) -> Option<Account> {
    let mut doubts = Vec::new();
    if entry.user.is_none() {
        doubts.extend(setting.doubt.map(str::to_owned));
        if setting.mixed.contains(&entry.line) {
            let word = entry.command.split_whitespace().next().unwrap_or_default();
            doubts.push(format!(
                "its first word, {word}, is a user of this host, as in a system crontab: say \
                 --system, or --user NAME"
            ));
        }
    }
    let user = entry.user.as_deref().or(setting.owner);
    let account = user.and_then(|user| setting.accounts.find(user));
    if let Some(user) = user.filter(|_| account.is_none()) {
        doubts.push(format!(
            "the user {user} is not known on this host; set securityContext.runAsUser"
        ));
    }
    *suspend |= !doubts.is_empty();
    remarks.append(&mut doubts);
    account
}

/// cron lets a command's background processes live; a container ends with its main process. So the
/// shell waits for its children, and keeps its exit code.
fn wait_for_background(entry: &Entry, remarks: &mut Vec<String>, suspend: &mut bool) -> String {
    let command = &entry.command;
    let shell = shell_of(entry);
    let hidden = match shell::background(command) {
        Background::Nothing => return command.clone(),
        Background::Children { last } if shell::is_shell(shell::base(shell)) => {
            remarks
                .push("its background processes (&) are part of the run: it waits for them".into());
            let last = if last { "\nwait $!" } else { "" };
            return format!("trap wait EXIT\n{command}{last}");
        }
        Background::Children { .. } => format!("& in {shell}"),
        Background::Hidden(words) => words,
    };
    *suspend = true;
    remarks.push(format!(
        "{hidden}: cron lets processes in the background live, a container ends with its main \
         process; have the program stay in the foreground"
    ));
    command.clone()
}

fn shell_of(entry: &Entry) -> &str {
    entry.variables.get("SHELL").map_or("/bin/sh", String::as_str)
}

fn time_zone<'a>(entry: &'a Entry, setting: &Setting<'a>, remarks: &mut Vec<String>) -> &'a str {
    let Some(zone) = entry.variables.get("CRON_TZ") else { return setting.time_zone };
    match Zone::load(zone) {
        Ok(_) if !zone.is_empty() => zone,
        Err(error) => {
            remarks.push(format!("CRON_TZ={zone} is not carried over: {error}"));
            setting.time_zone
        }
        Ok(_) => setting.time_zone,
    }
}

fn pod(
    entry: &Entry,
    name: &str,
    command: &str,
    account: Option<&Account>,
    remarks: &mut Vec<String>,
) -> Value {
    if entry.variables.get("MAILTO").is_some_and(|to| !to.is_empty()) {
        remarks.push(
            "MAILTO is not carried over: output is kept by `cronlet logs`, not mailed".into(),
        );
    }
    for name in ["MAILFROM", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING"] {
        if entry.variables.contains_key(name) {
            remarks.push(format!("{name} is not carried over: it is about mail"));
        }
    }
    let mut container = json!({
        "name": name,
        // Nothing is pulled: the command is the host's own.
        "image": "host",
        "command": argv(entry, command),
        "env": variables(entry, account),
    });
    // Under the host's name, as scripts of cron expect.
    let mut pod = json!({ "restartPolicy": "Never", "hostNetwork": true });
    if let Some(account) = account {
        let home = entry.variables.get("HOME").unwrap_or(&account.home);
        if home.starts_with('/') {
            container["workingDir"] = json!(home);
        }
        let mut context = json!({ "runAsUser": account.uid, "runAsGroup": account.gid });
        if !account.groups.is_empty() {
            context["supplementalGroups"] = json!(account.groups);
        }
        pod["securityContext"] = context;
    } else {
        // Nobody's command must not become root's when someone resumes it.
        pod["securityContext"] = json!({ "runAsNonRoot": true });
    }
    pod["containers"] = json!([container]);
    pod
}

/// The command in its shell. What it reads comes as a here-document; the outer shell gives way to
/// the command's.
fn argv(entry: &Entry, command: &str) -> Vec<String> {
    let shell = shell_of(entry);
    let words: Vec<&str> = match &entry.input {
        None => vec![shell, "-c", command],
        Some(input) => {
            let script = "exec \"$0\" -c \"$1\" <<.\n$2\n.\n";
            let input = input.strip_suffix('\n').unwrap_or(input);
            vec!["/bin/sh", "-c", script, shell, command, input]
        }
    };
    words.into_iter().map(unexpanded).collect()
}

fn variables(entry: &Entry, account: Option<&Account>) -> Vec<Value> {
    let mut all = entry.variables.clone();
    all.retain(|name, _| !FOR_CRON.contains(&name.as_str()));
    all.entry("PATH".into()).or_insert_with(|| PATH.into());
    all.entry("SHELL".into()).or_insert_with(|| "/bin/sh".into());
    if let Some(account) = account {
        all.entry("HOME".into()).or_insert_with(|| account.home.clone());
        all.insert("LOGNAME".into(), account.name.clone());
        all.insert("USER".into(), account.name.clone());
    }
    all.iter().map(|(name, value)| json!({ "name": name, "value": unexpanded(value) })).collect()
}

/// Kubernetes puts variables in place of `$(NAME)` and reads `$$` as `$`; a crontab's text has
/// neither.
fn unexpanded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        if c == '$' && matches!(chars.peek(), Some('$' | '(')) {
            out.push('$');
        }
    }
    out
}
