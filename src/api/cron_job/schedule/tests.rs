//! Schedules as data: what is read, what is refused and why, and when it is due.

use super::Dst::{Kubernetes, Once};
use super::*;
use crate::seed::Seed;

/// `times` are the next times due after `from`, each as the wall time with its offset.
fn check_times(schedule: &Schedule, zone: &str, dst: Dst, from: &str, times: &[&str]) {
    let named = Zone::load(zone).expect("a known zone");
    let at = |text: &str| text.parse::<Timestamp>().expect("a time");
    let got: Vec<Timestamp> = schedule.upcoming(at(from), &named, dst).take(times.len()).collect();
    let want: Vec<Timestamp> = times.iter().map(|text| at(text)).collect();
    assert_eq!(got, want, "{schedule:?} in {zone}, {dst:?}, from {from}");
}

#[test]
fn reads_what_the_library_reads_and_means_the_same() {
    let check = |text: &str, plain: &str| {
        let read = |text| {
            Schedule::parse(text).map(|s| match s.form {
                // Whether it recurs depends on how it is written; that is for `Dst::Once` alone.
                Form::Fields(fields) => Form::Fields(Fields { recurs: false, ..fields }),
                other => other,
            })
        };
        assert_eq!(read(text), read(plain), "{text:?} is {plain:?}");
        assert!(read(text).is_ok(), "{text:?}");
    };
    check("0\t0 \u{a0}* *\n*", "0 0 * * *");
    check("? ? ? ? ?", "* * * * *");
    check("*/49,47 0 1 1 0", "0,47,49 0 1 1 0");
    check("0-59/70 * * * *", "0 * * * *");
    check("*/61 * * * *", "0 * * * *");
    check("5/20 * * * *", "5,25,45 * * * *");
    check("*-nonsense * * * *", "* * * * *");
    check("*-1/30 * * * *", "0,30 * * * *");
    check("+5 007 * * *", "5 7 * * *");
    check("1,,2, * * * *", "1,2 * * * *");
    check("0 0 * JAN-mar,Dec WED-5", "0 0 * 1-3,12 3-5");
    check("0 0 * * FR\u{130}", "0 0 * * 5");
    check("0 0 */1 * 1", "0 0 * * 1");
    check("0 0 1-31 * *", "0 0 * * *");
    check("@midnight", "@daily");
    check("@annually", "0 0 1 1 *");
    check("@every 1500ms", "@every 1s");
    check("@every -5h", "@every 1s");
    check("@every 1h59.9s", "@every 3659s");
    check("TZ=UTC 0 0 * * *", "CRON_TZ=UTC   0 0 * * *");
    check("TZ= 0 0 * * *", "TZ=UTC 0 0 * * *");
    check("TZ=Local @daily", "@daily");
    assert_ne!(Schedule::parse("0 0 */2 * 1"), Schedule::parse("0 0 1-31/2 * *"));
    let never = Schedule::parse(", * * * *").expect("the library reads a field of nothing");
    check_times(&never, "UTC", Kubernetes, "2026-01-01T00:00:00Z", &[]);
    assert_eq!(never.next_after(Timestamp::UNIX_EPOCH, &Zone::utc(), Kubernetes), None);
}

#[test]
fn refusals_say_the_field_and_what_is_accepted() {
    let check = |text: &str, want: &str| {
        let got = Schedule::parse(text).expect_err(text).to_string();
        assert!(got.contains(want), "{text:?}: {got}");
    };
    check("", "the schedule is empty: accepted: minute, hour");
    check(" @daily", "expected exactly 5 fields, found 1");
    check("@daily ", "unrecognized descriptor: @daily : accepted: @yearly");
    check("@reboot", "unrecognized descriptor: @reboot");
    check("@every", "unrecognized descriptor: @every");
    check("@every 1d", "failed to parse duration 1d: the unit \"d\" is unknown: accepted:");
    check("* * * *", "expected exactly 5 fields, found 4: * * * *");
    check("* * * * * *", "expected exactly 5 fields, found 6");
    check("60 * * * *", "minute: \"60\": end of range (60) above maximum (59); accepted: 0-59");
    check("* 24 * * *", "hour: \"24\": end of range (24) above maximum (23); accepted: 0-23");
    check("* * 0 * *", "day of month: \"0\": beginning of range (0) below minimum (1)");
    check("* * * 13 *", "month: \"13\": end of range (13) above maximum (12)");
    check("* * * * 7", "day of week: \"7\": end of range (7) above maximum (6)");
    check("0 0 * * FRI-MON", "beginning of range (5) beyond end of range (1)");
    check("0 0 * * Sunday", "not a number (names have three letters)");
    check("10-5 * * * *", "beginning of range (10) beyond end of range (5)");
    check("1-2-3 * * * *", "too many hyphens");
    check("*/2/3 * * * *", "too many slashes");
    check("*/0 * * * *", "step of range should be a positive number");
    check("*/-1 * * * *", "negative numbers are not allowed");
    check("-5 * * * *", "minute: \"-5\": not a number");
    check("1.5 * * * *", "not a number");
    check("99999999999999999999 * * * *", "not a number");
    for beyond in ["0 0 L * *", "0 0 15W * *", "0 0 * * 1#2", "H * * * *", "0 0 * * 5L"] {
        check(beyond, "(L, W, # and H are read in the annotation cronlet.dev/schedule)");
    }
    check("TZ=UTC", "a time zone stands without a schedule");
    check("TZ=Europe/paris 0 0 * * *", "provided bad location Europe/paris: unknown time zone");
    check(&"9".repeat(1 << 20), "999…: accepted");
}

/// The next times under each rule.
fn check_both(text: &str, zone: &str, from: &str, once: &[&str], kubernetes: &[&str]) {
    let schedule = Schedule::parse(text).expect("a schedule");
    check_times(&schedule, zone, Once, from, once);
    check_times(&schedule, zone, Kubernetes, from, kubernetes);
}

#[test]
fn a_fixed_time_runs_once_at_a_change_and_an_interval_in_both_passes() {
    let (gap, fold) = ("2026-03-29T00:00+01:00", "2026-10-25T00:00+02:00");
    // Paris leaves out 02:00 to 03:00 on March 29 and repeats them on October 25.
    check_both(
        "30 2 * * *",
        "Europe/Paris",
        gap,
        &["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"],
        &["2026-03-30T02:30+02:00", "2026-03-31T02:30+02:00"],
    );
    check_both(
        "30 2 * * *",
        "Europe/Paris",
        fold,
        &["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"],
        &["2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00"],
    );
    check_both(
        "15,45 1-3 * * *",
        "Europe/Paris",
        gap,
        &[
            "2026-03-29T01:15+01:00",
            "2026-03-29T01:45+01:00",
            "2026-03-29T03:00+02:00",
            "2026-03-29T03:15+02:00",
        ],
        &["2026-03-29T01:15+01:00", "2026-03-29T01:45+01:00", "2026-03-29T03:15+02:00"],
    );
    let half_hours = ["2026-03-29T01:30+01:00", "2026-03-29T03:00+02:00", "2026-03-29T03:30+02:00"];
    let from = "2026-03-29T01:00+01:00";
    check_both("*/30 * * * *", "Europe/Paris", from, &half_hours, &half_hours);
    check_both(
        "30 */2 * * *",
        "Europe/Paris",
        fold,
        &["2026-10-25T00:30+02:00", "2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00"],
        &["2026-10-25T00:30+02:00", "2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00"],
    );
}

#[test]
fn gaps_at_midnight_of_half_an_hour_and_of_a_day() {
    // Cairo leaves out midnight: Kubernetes' library misses the day, and Lord Howe's half hour
    // costs it 03:00.
    check_both(
        "0 0 24 4 *",
        "Africa/Cairo",
        "2026-04-20T00:00+02:00",
        &["2026-04-24T01:00+03:00", "2027-04-24T00:00+02:00"],
        &["2027-04-24T00:00+02:00"],
    );
    check_both(
        "0 3 * * *",
        "Australia/Lord_Howe",
        "2026-10-04T00:00+10:30",
        &["2026-10-04T03:00+11:00"],
        &["2026-10-05T03:00+11:00"],
    );
    // Apia had no December 30 in 2011.
    check_both(
        "0 9 * * *",
        "Pacific/Apia",
        "2011-12-29T10:00-10:00",
        &["2011-12-31T00:00+14:00", "2011-12-31T09:00+14:00"],
        &["2011-12-31T09:00+14:00"],
    );
    check_both(
        "@every 36h",
        "Europe/Paris",
        "2026-03-29T00:00+01:00",
        &["2026-03-30T13:00+02:00"],
        &["2026-03-30T13:00+02:00"],
    );
}

#[test]
fn runs_beside_a_change_are_marked() {
    let check = |text: &str, at: &str, want: Option<Shift>| {
        let schedule = Schedule::parse(text).expect(text);
        let zone = Zone::load("Europe/Paris").expect("a zone");
        assert_eq!(schedule.shift(at.parse().expect("a time"), &zone), want, "{text} at {at}");
    };
    let wall = |text: &str| text.parse::<Timestamp>().expect("a time").as_second();
    let moved = Shift::Moved { wall: wall("2026-03-29T02:30Z") };
    check("30 2 * * *", "2026-03-29T03:00+02:00", Some(moved));
    check("30 2 * * *", "2026-03-30T02:30+02:00", None);
    check("0 3 * * *", "2026-03-29T03:00+02:00", None);
    check("30 2,3 * * *", "2026-03-29T03:30+02:00", None);
    check("0 * * * *", "2026-03-29T03:00+02:00", None);
    check("30 2 * * *", "2026-10-25T02:30+02:00", Some(Shift::FirstPass));
    check("0 * * * *", "2026-10-25T02:00+01:00", Some(Shift::SecondPass));
    check("0 * * * *", "2026-10-25T03:00+01:00", None);
    check("0 * * * *", "2026-10-25T01:00+02:00", None);
    check("@every 1h", "2026-10-25T02:00+01:00", None);
}

#[test]
fn a_prefix_goes_before_the_zone_and_part_seconds_round_down() {
    let schedule = Schedule::parse("TZ=Asia/Tokyo 0 9 * * *").expect("a schedule");
    check_times(&schedule, "Europe/Paris", Once, "2026-01-01T00:00Z", &["2026-01-02T09:00+09:00"]);
    let schedule = Schedule::parse("* * * * *").expect("a schedule");
    check_times(&schedule, "UTC", Once, "2025-12-31T23:59:59.9Z", &["2026-01-01T00:00Z"]);
    check_times(&schedule, "UTC", Once, "1969-12-31T23:59:59.9Z", &["1970-01-01T00:00Z"]);
    let schedule = Schedule::parse("@every 90s").expect("a schedule");
    check_times(&schedule, "UTC", Once, "2026-01-01T00:00:00.9Z", &["2026-01-01T00:01:30Z"]);
    assert_eq!(schedule.next_after(Timestamp::MAX, &Zone::utc(), Once), None);
}

#[test]
fn the_annotation_adds_seconds_last_days_workdays_and_counted_weekdays() {
    let check = |text: &str, days: &[&str]| {
        let schedule = Schedule::parse_extended(text, "default/backup").expect(text);
        let times: Vec<String> = days.iter().map(|day| format!("{day}:00Z")).collect();
        let times: Vec<&str> = times.iter().map(String::as_str).collect();
        check_times(&schedule, "UTC", Once, "2026-01-01T00:00Z", &times);
        check_times(&schedule, "UTC", Kubernetes, "2026-01-01T00:00Z", &times);
    };
    check("0 2 * * 1", &["2026-01-05T02:00", "2026-01-12T02:00"]);
    check("0 2 L * *", &["2026-01-31T02:00", "2026-02-28T02:00", "2026-03-31T02:00"]);
    check("0 2 L-2,5 * *", &["2026-01-05T02:00", "2026-01-29T02:00", "2026-02-05T02:00"]);
    check("0 2 L-30 * *", &["2026-01-01T02:00", "2026-03-01T02:00", "2026-05-01T02:00"]);
    // 2026-01-31, 2026-02-28 are Saturdays; 2026-03-01 is a Sunday, 2026-08-01 a Saturday,
    // 2026-05-31 a Sunday.
    check("0 2 LW * *", &["2026-01-30T02:00", "2026-02-27T02:00", "2026-03-31T02:00"]);
    check("0 2 1W 3,8 *", &["2026-03-02T02:00", "2026-08-03T02:00"]);
    check("0 2 31W * *", &["2026-01-30T02:00", "2026-03-31T02:00", "2026-05-29T02:00"]);
    check("0 2 15W 2,8,11 *", &["2026-02-16T02:00", "2026-08-14T02:00", "2026-11-16T02:00"]);
    check("0 2 * * FRIL", &["2026-01-30T02:00", "2026-02-27T02:00", "2026-03-27T02:00"]);
    check("0 2 * * 1#1,tue#2", &["2026-01-05T02:00", "2026-01-13T02:00", "2026-02-02T02:00"]);
    check("0 2 * * 0#5", &["2026-03-29T02:00", "2026-05-31T02:00", "2026-08-30T02:00"]);
    check("0 2 1 * 5L", &["2026-01-01T02:00", "2026-01-30T02:00", "2026-02-01T02:00"]);
    check("0 */15 8 * * *", &["2026-01-01T08:00", "2026-01-01T08:15", "2026-01-01T08:30"]);
    let schedule = Schedule::parse_extended("*/20 30 2 * * *", "").expect("seconds first");
    let seconds =
        ["2026-03-28T02:30:20+01:00", "2026-03-28T02:30:40+01:00", "2026-03-29T03:00+02:00"];
    check_times(&schedule, "Europe/Paris", Once, "2026-03-28T02:30:00+01:00", &seconds);
    assert!(schedule.is_finer_than_minutes());
    let reboot = Schedule::parse_extended("@reboot", "").expect("a macro");
    assert!(reboot.is_reboot() && !reboot.is_finer_than_minutes());
    assert_eq!(reboot.next_after(Timestamp::UNIX_EPOCH, &Zone::utc(), Once), None);
}

#[test]
fn the_annotation_refuses_what_could_mean_two_things() {
    let check = |text: &str, want: &str| {
        let got = Schedule::parse_extended(text, "a/b").expect_err(text).to_string();
        assert!(got.contains(want), "{text:?}: {got}");
    };
    check("0 0 * * L", "L alone is Saturday to some programs");
    check("0 0 1-5W * *", "W takes one day");
    check("0 0 32W * *", "above maximum (31)");
    check("0 0 L/2 * *", "L takes days back");
    check("0 0 L-31 * *", "no month has more than 30");
    check("0 0 * * 1#6", "# takes a weekday and 1 to 5");
    check("0 0 * * 1-3#2", "# takes a weekday");
    check("0 0 1#2 * *", "# counts weekdays, in the day of week");
    check("0 0 * * 3W", "W stands in the day of month only");
    check("0 L * * *", "L, W and # stand in the two day fields only");
    check("H(9) * * * *", "H is written H, H(0-7), H/15");
    check("H(0-99) * * * *", "above maximum (59)");
    check("H/90 * * * *", "the step of H is longer than its range");
    check("H/0 * * * *", "step of range should be a positive number");
    check("0 0 0 1 1 * 2027", "found 7: 0 0 0 1 1 * 2027: a field for the year is not offered");
    check("* * *", "expected 5 or 6 fields (seconds first), found 3");
}

#[test]
fn h_is_drawn_from_the_name_and_stays() {
    let drawn =
        |text: &str, name: &str| match Schedule::parse_extended(text, name).expect(text).form {
            Form::Fields(fields) => fields,
            form => panic!("{text}: {form:?}"),
        };
    // These must never change: a new draw moves every such schedule of every user.
    let backup = drawn("H H H H H", "default/backup");
    let values = [
        backup.minute.trailing_zeros(),
        backup.hour.trailing_zeros(),
        backup.day.trailing_zeros(),
        backup.month.trailing_zeros(),
        backup.weekday.trailing_zeros(),
    ];
    assert_eq!(values, [53, 13, 9, 4, 1]);
    let mut minutes = std::collections::BTreeSet::new();
    for number in 0..500 {
        let name = format!("default/job-{number}");
        minutes.insert(drawn("H * * * *", &name).minute);
        let fields = drawn("H(10-29)/10 H(0-7) H * *", &name);
        let start = fields.minute.trailing_zeros();
        assert!((10..20).contains(&start) && fields.minute == (1 | 1 << 10) << start, "{name}");
        assert!(fields.hour.count_ones() == 1 && fields.hour.trailing_zeros() <= 7, "{name}");
        assert!(fields.day.count_ones() == 1 && fields.day < 1 << 29, "{name}");
        assert_eq!(drawn("H/15 * * * *", &name).minute.count_ones(), 4);
    }
    assert_eq!(minutes.len(), 60, "500 names reach every minute");
}

#[test]
fn missed_slots_are_counted_to_a_limit_and_the_last_is_exact() {
    let check = |text: &str, after: &str, now: &str, count: u32, latest: Option<&str>| {
        let schedule = Schedule::parse(text).expect(text);
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let zone = Zone::load("America/New_York").expect("a zone");
        for dst in [Once, Kubernetes] {
            let missed = schedule.missed(at(after), at(now), &zone, dst);
            assert_eq!(missed, Missed { count, latest: latest.map(at) }, "{text} {dst:?}");
        }
    };
    let (start, later) = ("2026-01-05T00:00-05:00", "2026-01-05T00:05:30-05:00");
    check("* * * * *", start, start, 0, None);
    check("* * * * *", start, later, 5, Some("2026-01-05T00:05-05:00"));
    check("* * * * *", later, start, 0, None);
    check("* * * * *", "2016-01-05T00:00-05:00", later, 101, Some("2026-01-05T00:05-05:00"));
    check(
        "@every 7m",
        "2016-01-05T00:00:01Z",
        "2026-01-05T00:05:30Z",
        101,
        Some("2026-01-05T00:05:01Z"),
    );
    check("30 6-16/4 * * 1-5", "2016-01-05T00:00Z", later, 101, Some("2026-01-02T14:30-05:00"));
    check("0 0 31 2 *", "2016-01-05T00:00Z", later, 0, None);
    check("0 12 4 7 *", "2016-01-05T00:00Z", later, 10, Some("2025-07-04T12:00-04:00"));
}

#[test]
fn is_small() {
    assert!(size_of::<Schedule>() <= 64, "{} bytes", size_of::<Schedule>());
    assert_eq!(size_of::<Zone>(), size_of::<usize>());
}

/// A part of a field: plain, a range, a step, with names.
fn random_part(seed: &mut Seed, low: u64, high: u64) -> String {
    let width = high - low + 1;
    let first = low + seed.below(width);
    let last = first + seed.below(high - first + 1);
    match seed.below(8) {
        0 | 1 => "*".to_owned(),
        2 => format!("*/{}", 1 + seed.below(width + 5)),
        3 => format!("{first}/{}", 1 + seed.below(width)),
        4 => format!("{first}-{last}"),
        5 => format!("{first}-{last}/{}", 1 + seed.below(width)),
        6 => format!("{first},{}", low + seed.below(width)),
        _ => first.to_string(),
    }
}

fn random_schedule(seed: &mut Seed) -> String {
    [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)]
        .map(|(low, high)| random_part(seed, low, high))
        .join(" ")
}

/// Instants of which most lie within two days of a change of the zone's clock.
fn random_instant(seed: &mut Seed, zone: Zone) -> i64 {
    let any = -1_500_000_000 + seed.below(6_000_000_000) as i64;
    let span = zone.span(any);
    match seed.below(4) {
        0 => any,
        _ if span.end == i64::MAX => any,
        _ => span.end - 2 * 86_400 + seed.below(3 * 86_400) as i64,
    }
}

#[test]
fn jumps_end_where_single_steps_do_in_every_zone() {
    let mut seed = Seed::new(36);
    let (mut compared, mut never_end) = (0, 0);
    for name in Zone::names() {
        let zone = Zone::load(&name).expect("a name of the database");
        let truth = jiff::tz::TimeZoneDatabase::bundled().get(&name).expect("the same name");
        for _ in 0..25 {
            let text = random_schedule(&mut seed);
            let schedule = Schedule::parse(&text).expect("made to be read");
            let Form::Fields(fields) = &schedule.form else { panic!("{text} has fields") };
            let from = random_instant(&mut seed, zone);
            match stepwise::next(fields, from, &truth) {
                Ok(want) => {
                    let got = kubernetes::next(fields, from, zone);
                    assert_eq!(got, want, "{text:?} in {name} from {from}");
                    compared += 1;
                }
                Err(stepwise::NeverEnds) => never_end += 1,
            }
        }
    }
    assert!(compared > 10_000 && never_end < compared / 100, "{compared}, {never_end}");
}
