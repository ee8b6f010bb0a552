//! The time fields of a crontab in Kubernetes' grammar. cron's own is a little different: Sunday is
//! also 7, a range may be drawn from with `~`, and a day field that begins with `*` counts as no
//! restriction even with a step.

use cronlet_api::cron_job::schedule::Schedule;

/// When an entry runs, as a CronJob says it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Cadence {
    /// For `spec.schedule`.
    pub schedule: String,
    /// For the annotation `cronlet.dev/schedule`, where Kubernetes' grammar is not enough.
    pub extended: Option<String>,
    /// How it differs from cron's reading. Such an entry is imported suspended.
    pub differs: Option<String>,
}

/// Stands where Kubernetes itself has nothing to offer: a day that never comes.
const NEVER: &str = "0 0 31 2 *";

impl Cadence {
    /// True if the entry runs once for each start of the host.
    pub(super) fn is_reboot(&self) -> bool {
        self.extended.as_deref() == Some(REBOOT)
    }
}

const REBOOT: &str = "@reboot";

/// Reads the one macro, or the five fields.
pub(super) fn cadence(fields: &[&str]) -> Result<Cadence, String> {
    let cadence = match fields {
        [word] => named(word)?,
        [_, _, _, _, last] if !last.is_empty() => of_fields(fields)?,
        _ => return Err("there must be five time fields, or one such as @daily".into()),
    };
    Schedule::parse(&cadence.schedule).map_err(|error| error.to_string())?;
    if let Some(extended) = &cadence.extended {
        Schedule::parse_extended(extended, "").map_err(|error| error.to_string())?;
    }
    Ok(cadence)
}

fn named(word: &str) -> Result<Cadence, String> {
    let plain = |schedule: &str| Cadence { schedule: schedule.into(), ..Cadence::default() };
    Ok(match word.to_ascii_lowercase().as_str() {
        REBOOT => Cadence { extended: Some(REBOOT.into()), ..plain(NEVER) },
        "@every_minute" => plain("* * * * *"),
        word @ ("@yearly" | "@annually" | "@monthly" | "@weekly" | "@daily" | "@midnight"
        | "@hourly") => plain(word),
        _ => return Err(format!("{word} is no time that cron knows")),
    })
}

fn of_fields(fields: &[&str]) -> Result<Cadence, String> {
    let mut plain = Vec::new();
    let mut extended = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        if field.contains('?') {
            return Err(format!("{field}: cron knows no ?"));
        }
        let field = if index == 4 { sundays(field)? } else { (*field).to_owned() };
        // For Kubernetes, one fixed choice of what cron draws.
        plain.push(drawn(&field, |low, _| low.to_owned()));
        extended.push(drawn(&field, |low, high| format!("H({low}-{high})")));
    }
    let schedule = plain.join(" ");
    let extended = extended.join(" ");
    let differs = both_days(&plain[2], &plain[4]).then(|| {
        format!(
            "cron runs this only on days that match both day fields, {} and {}; Kubernetes \
             on those that match one",
            plain[2], plain[4]
        )
    });
    let extended = (extended != schedule).then_some(extended);
    Ok(Cadence { schedule, extended, differs })
}

/// `a~b` in cron is a time drawn anew at each start of cron; here it is drawn from the name and
/// stays.
fn drawn(field: &str, choose: impl Fn(&str, &str) -> String) -> String {
    let parts = field.split(',').map(|part| match part.split_once('~') {
        Some((low, high)) => choose(low, high),
        None => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join(",")
}

/// Weekdays without 7: a range that ends there is cut in two.
fn sundays(field: &str) -> Result<String, String> {
    let mut parts = Vec::new();
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        let first = match range.split_once('-') {
            Some((first, "7")) => first,
            None if range == "7" => {
                parts.push("0".to_owned());
                continue;
            }
            _ => {
                parts.push(part.to_owned());
                continue;
            }
        };
        let number = |text: &str| match text.parse::<u32>() {
            Ok(number @ 0..=7) => Ok(number),
            _ => weekday(text).ok_or_else(|| format!("{part}: {text} is no weekday")),
        };
        let step = step.map_or(Ok(1), str::parse::<usize>);
        let step = step
            .ok()
            .filter(|step| *step > 0)
            .ok_or_else(|| format!("{part}: a step is 1 or more"))?;
        let days = (number(first)?..=7).step_by(step).map(|day| (day % 7).to_string());
        parts.extend(days);
    }
    Ok(parts.join(","))
}

fn weekday(name: &str) -> Option<u32> {
    let names = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    names.iter().position(|one| name.eq_ignore_ascii_case(one)).map(|day| day as u32)
}

/// Do both day fields restrict for Kubernetes, while cron would have both match since one begins
/// with `*`?
fn both_days(day: &str, weekday: &str) -> bool {
    let star = |field: &str| field.split(',').any(|part| matches!(part, "*" | "*/1"));
    (day.starts_with('*') || weekday.starts_with('*')) && !star(day) && !star(weekday)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Cadence, String> {
        cadence(&text.split(' ').collect::<Vec<_>>())
    }

    #[test]
    fn fields_become_kubernetes() {
        let check = |text: &str, schedule: &str, extended: Option<&str>| {
            let got = read(text).expect(text);
            assert_eq!(
                (got.schedule.as_str(), got.extended.as_deref()),
                (schedule, extended),
                "{text}"
            );
        };
        check("17 * * * *", "17 * * * *", None);
        check("0 0 * * 7", "0 0 * * 0", None);
        check("0 0 * * 5-7", "0 0 * * 5,6,0", None);
        check("0 0 * * FRI-7,1", "0 0 * * 5,6,0,1", None);
        check("0 0 * * 0-7", "0 0 * * 0,1,2,3,4,5,6,0", None);
        check("0 0 * * 1-7/2", "0 0 * * 1,3,5,0", None);
        check("0 0 * JAN,DEC mon", "0 0 * JAN,DEC mon", None);
        check("0~59 2 * * *", "0 2 * * *", Some("H(0-59) 2 * * *"));
        check("@Daily", "@daily", None);
        check("@every_minute", "* * * * *", None);
        check("@reboot", NEVER, Some("@reboot"));
    }

    #[test]
    fn what_kubernetes_reads_otherwise_is_told() {
        let check = |text: &str, differs: bool| {
            assert_eq!(read(text).expect(text).differs.is_some(), differs, "{text}");
        };
        check("0 0 */2 * 1", true);
        check("0 0 1 * */2", true);
        check("0 0 */2 * */3", true);
        check("0 0 1 * 1", false);
        check("0 0 */2 * *", false);
        check("0 0 */1 * 1", false);
        check("0 0 * * 1", false);
        check("0 0 1-7 * 1", false);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "60 * * * *",
            "* * L * *",
            "? * * * *",
            "* * * * 8",
            "@never",
            "@every 5m",
            "x",
            "* * * * ",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
