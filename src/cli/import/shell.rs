//! A command line as a shell splits it: into words and simple commands, and what it leaves in the
//! background. It is read to find a name and a remark, never to run it.

/// A token of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// A word without its quotes.
    Word(String),
    /// A redirection; the word that follows is its target.
    Redirect,
    /// `&&`, `||`, `|`, `;` or a line break.
    Separator,
    /// A single `&`; `&>` is one too for a POSIX shell.
    Background {
        redirects: bool,
    },
    Open,
    Close,
}

/// Processes that a command leaves in the background.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Background {
    Nothing,
    /// Children of the command's own shell, which can wait for them; `last`: the line ends in `&`.
    Children {
        last: bool,
    },
    /// Processes that its shell cannot wait for, and the words that say so.
    Hidden(String),
}

/// At most this many shells are looked into below one another (`sh -c "sh -c ..."`).
pub(super) const DEPTH_MAX: usize = 3;

/// Words that a command may stand behind.
pub(super) const KEYWORDS: &[&str] =
    &["!", "{", "}", "if", "then", "elif", "else", "fi", "while", "until", "do", "done", "esac"];

/// Commands of the shell that ask or set something.
pub(super) const BUILTINS: &[&str] = &[
    ".", ":", "[", "[[", "break", "case", "continue", "eval", "exit", "export", "for", "local",
    "read", "return", "set", "shift", "source", "test", "trap", "type", "ulimit", "umask", "unset",
    "wait", "which", "cd", "echo", "printf", "exec", "true", "false", "command", "time",
];

/// Splits a command line into its simple commands, without redirections. Subshells and groups are
/// opened.
pub(super) fn simple_commands(text: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut is_target = false;
    for token in tokens(text) {
        match token {
            Token::Word(word) if !is_target => {
                commands.last_mut().expect("never empty").push(word);
            }
            Token::Redirect => {
                is_target = true;
                continue;
            }
            Token::Background { redirects: true } => {
                commands.push(Vec::new());
                is_target = true;
                continue;
            }
            Token::Word(_) => {}
            _ => commands.push(Vec::new()),
        }
        is_target = false;
    }
    commands.retain(|words| !words.is_empty());
    commands
}

/// The command line that these words give a shell with `-c`.
pub(super) fn script_of(words: &[String]) -> Option<&str> {
    let runs = |word: &String| is_shell(base(word)) || is_su(base(word));
    let at = words.iter().position(runs)?;
    let passes_operands = !is_shell(base(&words[at]));
    let mut rest = words[at + 1..].iter();
    while let Some(word) = rest.next() {
        match word.strip_prefix('-') {
            Some(letters) if !letters.starts_with('-') && letters.ends_with('c') => {
                return rest.next().map(String::as_str);
            }
            None if !passes_operands || is_path_of_program(word) => return None,
            _ => {}
        }
    }
    None
}

/// A lock file has no such folder, nor has a user's name.
fn is_path_of_program(word: &str) -> bool {
    word.contains("bin/")
}

/// A POSIX shell: it has `trap` and `wait`.
pub(super) fn is_shell(name: &str) -> bool {
    matches!(name, "sh" | "bash" | "dash" | "ash" | "ksh" | "mksh" | "zsh")
}

/// A keyword or builtin, which may begin a command.
pub(super) fn is_word_of_shell(word: &str) -> bool {
    KEYWORDS.contains(&word) || BUILTINS.contains(&word)
}

fn is_su(name: &str) -> bool {
    matches!(name, "su" | "runuser" | "flock")
}

/// The last part of a path.
pub(super) fn base(word: &str) -> &str {
    word.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

/// Finds what a command line leaves running when its shell has ended.
pub(super) fn background(text: &str) -> Background {
    look(text, 0)
}

fn look(text: &str, depth: usize) -> Background {
    let hidden = simple_commands(text).iter().find_map(|words| hides(words, depth));
    if let Some(words) = hidden {
        return Background::Hidden(words);
    }
    let (mut open, mut children, mut last) = (0_usize, false, false);
    for token in tokens(text) {
        match token {
            Token::Open => open += 1,
            Token::Close => open = open.saturating_sub(1),
            Token::Background { .. } if open > 0 => return Background::Hidden("(... &)".into()),
            Token::Background { redirects } => {
                (children, last) = (true, !redirects);
                continue;
            }
            _ => {}
        }
        last = false;
    }
    let execs = || simple_commands(text).iter().any(|words| words[0] == "exec" && words.len() > 1);
    match children {
        false => Background::Nothing,
        true if execs() => Background::Hidden("exec behind &".into()),
        true => Background::Children { last },
    }
}

/// Words by which a simple command leaves processes that no shell waits for.
fn hides(words: &[String], depth: usize) -> Option<String> {
    if depth < DEPTH_MAX
        && let Some(script) = script_of(words)
        && look(script, depth + 1) != Background::Nothing
    {
        return Some(format!("{} -c \"... &\"", base(&words[0])));
    }
    let has = |options: &[&str]| words.iter().find(|word| options.contains(&word.as_str()));
    let program = words.iter().find(|word| DETACHERS.contains(&base(word)))?;
    let option = match base(program) {
        "disown" | "daemonize" => return Some(base(program).to_owned()),
        "setsid" => {
            return has(&["-w", "--wait"]).is_none().then(|| "setsid without --wait".to_owned());
        }
        "start-stop-daemon" => has(&["-b", "--background", "-Sb", "-bS"])?,
        "screen" => words.iter().find(|word| word.starts_with("-d") && word.contains('m'))?,
        _ => has(&["-d"])?,
    };
    Some(format!("{} {option}", base(program)))
}

const DETACHERS: &[&str] =
    &["daemonize", "disown", "screen", "setsid", "start-stop-daemon", "tmux"];

fn tokens(text: &str) -> Vec<Token> {
    let mut scanner = Scanner { rest: text, word: None, out: Vec::new() };
    while scanner.step() {}
    scanner.end_word();
    scanner.out
}

struct Scanner<'a> {
    rest: &'a str,
    /// The word that is being read, perhaps empty as in `""`.
    word: Option<String>,
    out: Vec<Token>,
}

/// Longest first.
const OPERATORS: &[(&str, Token)] = &[
    ("&>>", Token::Background { redirects: true }),
    ("<<<", Token::Redirect),
    ("&&", Token::Separator),
    ("&>", Token::Background { redirects: true }),
    ("||", Token::Separator),
    ("|&", Token::Separator),
    (";;", Token::Separator),
    (">>", Token::Redirect),
    (">&", Token::Redirect),
    (">|", Token::Redirect),
    ("<&", Token::Redirect),
    ("<<", Token::Redirect),
    ("<>", Token::Redirect),
    ("&", Token::Background { redirects: false }),
    ("|", Token::Separator),
    (";", Token::Separator),
    ("\n", Token::Separator),
    (">", Token::Redirect),
    ("<", Token::Redirect),
    ("(", Token::Open),
    (")", Token::Close),
];

impl Scanner<'_> {
    /// False at the end.
    fn step(&mut self) -> bool {
        let Some(c) = self.rest.chars().next() else { return false };
        if self.word.is_none() && c == '#' {
            self.rest = self.rest.find('\n').map_or("", |end| &self.rest[end..]);
            return true;
        }
        if let Some((text, token)) = OPERATORS.iter().find(|(text, _)| self.rest.starts_with(text))
        {
            let is_number = |word: &String| word.bytes().all(|byte| byte.is_ascii_digit());
            // The number before a redirection is no word.
            if *token == Token::Redirect && self.word.as_ref().is_some_and(is_number) {
                self.word = None;
            }
            self.end_word();
            self.out.push(token.clone());
            self.rest = &self.rest[text.len()..];
            return true;
        }
        self.rest = &self.rest[c.len_utf8()..];
        match c {
            ' ' | '\t' | '\r' => self.end_word(),
            '\'' => self.take_to("'", 0),
            '"' => self.take_double(),
            '`' => self.take_to("`", 0),
            '\\' => {
                if let Some(next) = self.rest.chars().next() {
                    self.push(next);
                    self.rest = &self.rest[next.len_utf8()..];
                }
            }
            '$' => self.take_expansion(),
            c => self.push(c),
        }
        true
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn end_word(&mut self) {
        self.out.extend(self.word.take().map(Token::Word));
    }

    /// Takes all before `end` into the word, and `end` along with `kept` of its characters.
    fn take_to(&mut self, end: &str, kept: usize) {
        let at = self.rest.find(end).unwrap_or(self.rest.len());
        let word = self.word.get_or_insert_default();
        word.push_str(&self.rest[..at]);
        word.push_str(&end[..kept]);
        self.rest = self.rest.get(at + end.len()..).unwrap_or_default();
    }

    fn take_double(&mut self) {
        self.word.get_or_insert_default();
        while let Some(c) = self.rest.chars().next() {
            self.rest = &self.rest[c.len_utf8()..];
            match c {
                '"' => return,
                '\\' => {
                    let Some(next) = self.rest.chars().next() else { return };
                    self.push(next);
                    self.rest = &self.rest[next.len_utf8()..];
                }
                c => self.push(c),
            }
        }
    }

    /// `$(...)` and `${...}` are part of the word as written; what they run is waited for.
    fn take_expansion(&mut self) {
        self.push('$');
        if self.rest.starts_with('{') {
            return self.take_to("}", 1);
        }
        let mut depth = 0_usize;
        while let Some(c) = self.rest.chars().next().filter(|c| depth > 0 || *c == '(') {
            self.push(c);
            self.rest = &self.rest[c.len_utf8()..];
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_as_a_shell_does() {
        let check = |text: &str, want: &[&[&str]]| {
            assert_eq!(simple_commands(text), want, "{text}");
        };
        check("a b  c", &[&["a", "b", "c"]]);
        check("a && b || c; d | e", &[&["a"], &["b"], &["c"], &["d"], &["e"]]);
        check("a 2>&1 >>log <in &", &[&["a"]]);
        check("a 2 >x", &[&["a", "2"]]);
        check("(a; { b; }) 9>/x", &[&["a"], &["{", "b"], &["}"]]);
        check("a 'b && c' \"d \\\" e\" f\\ g ''", &[&["a", "b && c", "d \" e", "f g", ""]]);
        check("a $(b && c) ${d} `e f`", &[&["a", "$(b && c)", "${d}", "e f"]]);
        check("a # b & c", &[&["a"]]);
        check("a#b", &[&["a#b"]]);
        check("a &>/x", &[&["a"]]);
        check("a 'unclosed", &[&["a", "unclosed"]]);
        check("", &[]);
    }

    #[test]
    fn what_stays_in_the_background_is_found() {
        use Background::{Children, Hidden, Nothing};
        let check = |text: &str, want: Background| assert_eq!(background(text), want, "{text}");
        check("a && b > x 2>&1", Nothing);
        check("curl 'http://x/?a=1&b=2' \"&\" a\\&b", Nothing);
        check("echo $(a & b) # &", Nothing);
        check("setsid -w a", Nothing);
        check("screen -r", Nothing);
        check("a &", Children { last: true });
        check("a & b &", Children { last: true });
        check("a & b", Children { last: false });
        check("a & # one", Children { last: true });
        check("{ a & }", Children { last: false });
        check("nohup a >/dev/null 2>&1 &", Children { last: true });
        check("a &> /dev/null", Children { last: false });
        check("(a &)", Hidden("(... &)".into()));
        check("a & disown", Hidden("disown".into()));
        check("a & exec b", Hidden("exec behind &".into()));
        check("flock -n /run/x rsync -a b", Nothing);
        check("flock /run/x -c 'a &'", Hidden("flock -c \"... &\"".into()));
        check("sh -c 'a &'", Hidden("sh -c \"... &\"".into()));
        check("su - joe -c \"nohup a &\"", Hidden("su -c \"... &\"".into()));
        check("setsid a", Hidden("setsid without --wait".into()));
        check("/usr/bin/screen -dmS x a", Hidden("screen -dmS".into()));
        check("tmux new-session -d -s x", Hidden("tmux -d".into()));
        check("start-stop-daemon -S -b -x a", Hidden("start-stop-daemon -b".into()));
    }
}
