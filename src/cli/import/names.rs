//! A name for an entry of a crontab, made from its command: `run-parts /etc/cron.daily` becomes
//! `cron-daily`, `[ -x /usr/bin/certbot ] && flock /run/x certbot renew` becomes `certbot`.

use super::shell::{self, base};
use std::collections::BTreeSet;

/// A CronJob's name may have 52 characters; this leaves room for a number behind it.
const LENGTH_MAX: usize = 46;

/// Names that were given, so that each is given once.
#[derive(Debug, Default)]
pub(super) struct Names {
    given: BTreeSet<String>,
}

impl Names {
    /// A name, and what is to be said of it. `holder` returns the file that has a name already.
    pub(super) fn for_command<'h>(
        &mut self,
        command: &str,
        holder: impl Fn(&str) -> Option<&'h str>,
    ) -> (String, Option<String>) {
        let (stem, mut number, mut remark) = (stem(command), 1, None);
        loop {
            let name = if number == 1 { stem.clone() } else { format!("{stem}-{number}") };
            number += 1;
            if let Some(file) = holder(&name) {
                remark.get_or_insert_with(|| {
                    format!(
                        "it is not named {name}, which {file} has: if that is this entry, remove \
                         it there"
                    )
                });
            } else if self.given.insert(name.clone()) {
                return (name, remark);
            }
        }
    }
}

/// How much a word says of what an entry is for; a later one says more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Says {
    /// It waits or prepares: `sleep`, `cd`.
    Least,
    /// It may be all, as in `date >> file`.
    Little,
    Much,
}

/// Programs that start the one behind them: options with a value, and operands before it.
const WRAPPERS: &[(&str, &[&str], usize)] = &[
    ("builtin", &[], 0),
    ("chpst", &["-u", "-U", "-e", "-n", "-l", "-L", "-m", "-d"], 0),
    ("chronic", &[], 0),
    ("chroot", &[], 1),
    ("chrt", &["-T", "-P", "-D"], 1),
    ("command", &[], 0),
    ("cpulimit", &["-l"], 0),
    ("cronic", &[], 0),
    ("doas", &["-u", "-C"], 0),
    ("eatmydata", &[], 0),
    ("env", &["-u", "-C"], 0),
    ("exec", &["-a"], 0),
    ("flock", &["-w", "-E", "--timeout", "--wait"], 1),
    ("ionice", &["-c", "-n"], 0),
    ("lckdo", &["-W"], 1),
    ("nice", &["-n"], 0),
    ("nohup", &[], 0),
    ("run-one", &[], 0),
    ("runuser", &["-u", "-g", "-G"], 0),
    ("setpriv", &[], 0),
    ("setsid", &[], 0),
    ("setuidgid", &[], 1),
    ("stdbuf", &["-i", "-o", "-e"], 0),
    ("sudo", &["-u", "-g", "-h", "-p", "-C", "-U"], 0),
    ("systemd-cat", &["-t", "-p"], 0),
    ("systemd-inhibit", &[], 0),
    ("systemd-run", &["-u", "-p", "-E"], 0),
    ("taskset", &[], 1),
    ("time", &["-f", "-o"], 0),
    ("timeout", &["-k", "-s"], 1),
    ("unbuffer", &[], 0),
];

/// Programs that run a script: options with a value, and options with the program text itself.
const INTERPRETERS: &[(&str, &[&str], &[&str])] = &[
    ("java", &["-cp", "-classpath"], &[]),
    ("lua", &[], &["-e"]),
    ("node", &["-r"], &["-e", "-p"]),
    ("perl", &[], &["-e", "-E", "-ne", "-pe"]),
    ("php", &["-d", "-c"], &["-r"]),
    ("python", &["-W", "-X"], &["-c"]),
    ("python2", &["-W", "-X"], &["-c"]),
    ("python3", &["-W", "-X"], &["-c"]),
    ("ruby", &["-I", "-r"], &["-e"]),
    ("run-parts", &["--regex"], &[]),
];

/// Programs that wait or prepare.
const LEAST: &[&str] = &["cd", "false", "mkdir", "sleep", "true"];

/// Programs that may be all that an entry runs, or no more than a step of it.
const LITTLE: &[&str] = &["cat", "date", "echo", "logger", "printf"];

/// True for a builtin that names an entry where nothing says more.
fn is_named(name: &str) -> bool {
    LEAST.contains(&name) || LITTLE.contains(&name)
}

/// Names of scripts that say nothing without the folder that they lie in.
const GENERIC: &[&str] = &[
    "app", "cron", "execute", "index", "init", "job", "main", "manage", "run", "script", "start",
    "task", "update", "wrapper",
];

/// Folders that say nothing of what lies in them.
const COMMON_FOLDERS: &[&str] = &[
    "bin", "cron", "etc", "home", "lib", "libexec", "local", "opt", "root", "sbin", "script",
    "scripts", "share", "srv", "tmp", "usr", "var", "www",
];

/// The name of the program or script that says most; the first of those that say as much.
fn stem(command: &str) -> String {
    telling(command, 0).map_or_else(|| "job".to_owned(), |(_, name)| name)
}

fn telling(text: &str, depth: usize) -> Option<(Says, String)> {
    let mut best: Option<(Says, String)> = None;
    for words in shell::simple_commands(text) {
        let found = of_words(&words, depth);
        if let Some(found) = found
            && best.as_ref().is_none_or(|(says, _)| found.0 > *says)
        {
            best = Some(found);
        }
    }
    best
}

fn of_words(words: &[String], depth: usize) -> Option<(Says, String)> {
    if depth < shell::DEPTH_MAX
        && let Some(script) = shell::script_of(words)
    {
        return telling(script, depth + 1);
    }
    let is_passed = |word: &&String| {
        shell::KEYWORDS.contains(&word.as_str()) || is_assignment(word) || word.starts_with('-')
    };
    let start = words.iter().take_while(is_passed).count();
    let (program, rest) = words.get(start..)?.split_first()?;
    let name = base(program);
    if let Some((_, options, operands)) = WRAPPERS.iter().find(|(one, ..)| *one == name) {
        let rest = operands_of(rest, options);
        return of_words(rest.get(*operands..)?, depth);
    }
    if shell::is_shell(name) {
        return match operands_of(rest, &[]).first() {
            Some(script) => named(script, Says::Much),
            None => named(program, Says::Little),
        };
    }
    if let Some((_, options, inline)) = INTERPRETERS.iter().find(|(one, ..)| *one == name) {
        if rest.iter().any(|word| inline.contains(&word.as_str())) {
            return named(program, Says::Least);
        }
        return match operands_of(rest, options).first() {
            Some(script) => named(script, Says::Much),
            None => named(program, Says::Little),
        };
    }
    let says = match name {
        name if shell::BUILTINS.contains(&name) && !is_named(name) => return None,
        name if LEAST.contains(&name) => Says::Least,
        name if LITTLE.contains(&name) => Says::Little,
        _ => Says::Much,
    };
    named(program, says)
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// The words behind the options, their values and assignments.
fn operands_of<'a>(words: &'a [String], with_value: &[&str]) -> &'a [String] {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += match word.as_str() {
            "--" => return &words[at + 1..],
            option if with_value.contains(&option) => 2,
            option if option.starts_with(['-', '+']) => 1,
            word if is_assignment(word) => 1,
            _ => return &words[at..],
        };
    }
    &[]
}

/// The name of a program or script, with its folder's where it says nothing alone.
fn named(path: &str, says: Says) -> Option<(Says, String)> {
    let name = dns_label(base(path));
    if name.is_empty() {
        return None;
    }
    let folder = path.trim_end_matches('/').rsplit('/').skip(1);
    let mut folders = folder.take(2).filter(|folder| {
        !COMMON_FOLDERS.contains(folder) && !dns_label(folder).is_empty() && !folder.contains('$')
    });
    match folders.next() {
        Some(folder) if GENERIC.contains(&name.as_str()) => {
            Some((says, dns_label(&format!("{folder}-{name}"))))
        }
        _ => Some((says, name)),
    }
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
        check(
            "[ -x /x ] && if [ ! -d /run/systemd/system ]; then /usr/lib/php/sessionclean; fi",
            "sessionclean",
        );
        check(
            "test -x /usr/bin/certbot -a \\! -d /run/systemd/system && \
             perl -e 'sleep int(rand(43200))' && certbot -q renew",
            "certbot",
        );
        check("test -e /run/systemd/system || SERVICE_MODE=1 /sbin/e2scrub_all -A", "e2scrub-all");
        check("/usr/bin/flock -n /run/x.lock /usr/local/bin/sync.sh", "sync");
        check("flock /run/x.lock -c '/usr/local/bin/sync.sh'", "sync");
        check("( flock -n 9 || exit 1; /opt/rotate ) 9>/run/x.lock", "rotate");
        check("while read x; do purge \"$x\"; done < /list", "purge");
        check("for f in a b; do gzip $f; done", "gzip");
        check("/usr/bin/python3 -u /srv/app/Report_Daily.py", "report-daily");
        check("python3 -m http.server 80", "http-server");
        check("java -Xmx1g -jar /opt/indexer.jar", "indexer");
        check("php -d memory_limit=1G -f /var/www/wordpress/wp-cron.php", "wp-cron");
        check("MAILTO=x nice -n 19 ionice -c3 rsync -a /a /b", "rsync");
        check("sudo -u www-data env A=b php /srv/shop/cron.php", "shop-cron");
        check("su - postgres -c 'pg_dumpall > /x'", "pg-dumpall");
        check("timeout -k 5 5m curl -s https://example.org/", "curl");
        check("sh -c 'cd /srv && ./deploy.sh'", "deploy");
        check("bash /opt/app/run.sh", "app-run");
        check("./run.sh", "run");
        check("mysqldump shop | gzip > /backup/x.gz", "mysqldump");
        check("sleep 1; date +%T >> /x", "date");
        check("echo hello", "echo");
        check("sleep 5", "sleep");
        check("test -x /a", "job");
        check("$HOME/bin/x", "x");
        check("日本", "job");
        check(&"x".repeat(300), &"x".repeat(LENGTH_MAX));
        check("...", "job");
    }

    #[test]
    fn each_name_is_given_once() {
        let mut names = Names::default();
        let mut named = |command| names.for_command(command, |_| None).0;
        let given: Vec<String> = (0..3).map(|_| named("backup")).collect();
        assert_eq!(given, ["backup", "backup-2", "backup-3"]);
        assert_eq!(named("backup-2"), "backup-2-2");
        let other = |name: &str| (name == "sync").then_some("/jobs/a.yaml");
        let (name, remark) = names.for_command("sync", other);
        assert_eq!(name, "sync-2");
        assert!(remark.is_some_and(|remark| remark.contains("/jobs/a.yaml")));
    }
}
