//! A name for an entry of a crontab, made from its command: `run-parts /etc/cron.daily` becomes
//! `cron-daily`.

use std::collections::BTreeSet;

/// A CronJob's name may have 52 characters; this leaves room for a number behind it.
const LENGTH_MAX: usize = 46;

/// Words that stand before what is really run.
const WRAPPERS: &[&str] = &[
    "bash",
    "cd",
    "chronic",
    "command",
    "dash",
    "env",
    "exec",
    "export",
    "flock",
    "ionice",
    "java",
    "ksh",
    "nice",
    "node",
    "nohup",
    "perl",
    "php",
    "python",
    "python3",
    "ruby",
    "run-parts",
    "setsid",
    "sh",
    "sleep",
    "stdbuf",
    "sudo",
    "test",
    "time",
    "timeout",
    "zsh",
];

/// Names that were given, so that each is given once.
#[derive(Debug, Default)]
pub struct Names {
    given: BTreeSet<String>,
}

impl Names {
    pub fn for_command(&mut self, command: &str) -> String {
        let stem = stem(command);
        let name = (1..)
            .map(|number| if number == 1 { stem.clone() } else { format!("{stem}-{number}") })
            .find(|name| !self.given.contains(name))
            .expect("numbers do not run out");
        self.given.insert(name.clone());
        name
    }
}

/// The first word that is a program of its own, without its folder and ending.
fn stem(command: &str) -> String {
    let words = command.split(|c: char| c.is_whitespace() || "&|;(){}<>`\"'".contains(c));
    let mut fallback = None;
    let mut behind_cd = false;
    for word in words.filter(|word| !word.is_empty()) {
        let is_folder =
            std::mem::replace(&mut behind_cd, word == "cd" || word == "test" || word == "[");
        let is_option = word.starts_with(['-', '+', '$', '[', '!', '#']) || word.contains('=');
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit() || b".smhd".contains(&byte));
        if is_option {
            behind_cd = is_folder || behind_cd;
            continue;
        }
        let base = word.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let name = dns_label(base);
        if name.is_empty() || is_folder || is_number || word.starts_with("/dev/") {
            continue;
        }
        if !WRAPPERS.contains(&base) {
            return name;
        }
        fallback.get_or_insert(name);
    }
    fallback.unwrap_or_else(|| "job".to_owned())
}

/// Lower case, digits and single hyphens; without a script's ending.
fn dns_label(base: &str) -> String {
    let endings = [".sh", ".bash", ".py", ".pl", ".rb", ".php", ".js", ".jar"];
    let base = endings.iter().find_map(|ending| base.strip_suffix(ending)).unwrap_or(base);
    let mut name = String::new();
    for c in base.chars().map(|c| c.to_ascii_lowercase()) {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
        if name.len() == LENGTH_MAX {
            break;
        }
    }
    name.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_what_is_run() {
        let check = |command: &str, want: &str| assert_eq!(stem(command), want, "{command}");
        check("/usr/local/bin/backup.sh --full", "backup");
        check("cd / && run-parts --report /etc/cron.hourly", "cron-hourly");
        check(
            "test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }",
            "cron-daily",
        );
        check("[ -x /usr/bin/certbot ] && certbot -q renew", "certbot");
        check("/usr/bin/python3 -u /srv/app/Report_Daily.py", "report-daily");
        check("MAILTO=x nice -n 19 ionice -c3 rsync -a /a /b", "rsync");
        check("timeout 5m curl -s https://example.org/", "curl");
        check("echo hello", "echo");
        check("sleep 5", "sleep");
        check("$HOME/bin/x", "job");
        check("日本", "job");
        check(&"x".repeat(300), &"x".repeat(LENGTH_MAX));
        check("...", "job");
    }

    #[test]
    fn each_name_is_given_once() {
        let mut names = Names::default();
        let given: Vec<String> = (0..3).map(|_| names.for_command("backup")).collect();
        assert_eq!(given, ["backup", "backup-2", "backup-3"]);
        assert_eq!(names.for_command("backup-2"), "backup-2-2");
    }
}
