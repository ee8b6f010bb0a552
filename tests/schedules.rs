//! Schedules against the recorded answers of Kubernetes' own cron library, and against themselves
//! in every zone.

use cronlet_api::cron_job::schedule::{Schedule, Zone};
use cronlet_api::seed::Seed;
use cronlet_api::settings::Dst;
use cronlet_api::time::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::{Duration, Instant};

mod common;

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    schedule: String,
    time_zone: String,
    from: Timestamp,
    next: Vec<Timestamp>,
}

#[test]
fn every_recorded_answer_of_kubernetes() {
    let rows: Vec<Row> = common::recording("schedules.jsonl");
    let wrong: Vec<&Row> = rows.iter().filter(|row| answer(row) != row.next).collect();
    for row in wrong.iter().take(20) {
        println!("{:?} in {} from {}:", row.schedule, row.time_zone, row.from);
        println!("  Kubernetes {:?}\n  cronlet    {:?}", row.next, answer(row));
    }
    println!("schedules: {} of {} rows as Kubernetes", rows.len() - wrong.len(), rows.len());
    assert!(!rows.is_empty() && wrong.is_empty(), "{} rows differ", wrong.len());
}

fn answer(row: &Row) -> Vec<Timestamp> {
    let schedule = Schedule::parse(&row.schedule).expect("Kubernetes reads it");
    let zone = Zone::load(&row.time_zone).expect("Kubernetes knows it");
    schedule.upcoming(row.from, &zone, Dst::Kubernetes).take(row.next.len()).collect()
}

/// How far the tests look, in Unix seconds: 1971 to 2099.
const EPOCHS: std::ops::Range<i64> = 31_536_000..4_070_908_800;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn wall(at: Timestamp, zone: &Zone) -> i64 {
    at.as_second() + zone.offset_seconds(at)
}

/// One field: any value, some values, a range, a step.
fn field(low: u32, high: u32) -> impl Strategy<Value = String> {
    let one = (low..=high, low..=high, 1..=high + 2).prop_flat_map(move |(a, b, step)| {
        let (first, last) = (a.min(b), a.max(b));
        prop_oneof![
            3 => Just("*".to_owned()),
            1 => Just("?".to_owned()),
            2 => Just(first.to_string()),
            1 => Just(format!("{first}-{last}")),
            1 => Just(format!("{first}-{last}/{step}")),
            1 => Just(format!("{first}/{step}")),
            1 => Just(format!("*/{step}")),
        ]
    });
    prop::collection::vec(one, 1..3).prop_map(|parts| parts.join(","))
}

fn schedule() -> impl Strategy<Value = String> {
    (field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 6)).prop_map(
        |(minute, hour, day, month, weekday)| format!("{minute} {hour} {day} {month} {weekday}"),
    )
}

/// Runs a property for every zone there is, with fresh schedules and instants for each.
fn in_every_zone(
    cases: u32,
    property: impl Fn(&str, &Zone, Timestamp) -> Result<(), TestCaseError>,
) {
    let config = ProptestConfig { cases, failure_persistence: None, ..Default::default() };
    for name in Zone::names() {
        let zone = Zone::load(&name).expect("a name of the database");
        let inputs = (schedule(), EPOCHS, 0..200_000i64);
        TestRunner::new(config.clone())
            .run(&inputs, |(text, anywhere, near)| {
                // Half of the instants lie shortly before a change of the clocks.
                let from = match change_after(&zone, anywhere) {
                    Some(change) if near % 2 == 0 => change - near,
                    _ => anywhere,
                };
                property(&text, &zone, at(from))
            })
            .unwrap_or_else(|failure| panic!("{name}: {failure}"));
    }
}

/// The first change of the zone's offset in the year after `second`, found by halving.
fn change_after(zone: &Zone, second: i64) -> Option<i64> {
    let offset = |second| zone.offset_seconds(at(second));
    let mut low = second;
    let mut high =
        (1..53).map(|week| second + week * 604_800).find(|&s| offset(s) != offset(low))?;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if offset(middle) == offset(second) { low = middle } else { high = middle }
    }
    Some(high)
}

#[test]
fn the_next_time_is_later_and_asking_later_never_answers_earlier() {
    in_every_zone(8, |text, zone, from| {
        let schedule = Schedule::parse(text).expect("made to be read");
        for dst in [Dst::Once, Dst::Kubernetes] {
            let Some(next) = schedule.next_after(from, zone, dst) else { continue };
            prop_assert!(next > from, "{text} {dst:?}: {next} after {from}");
            let middle = at((from.as_second() + next.as_second()) / 2);
            let again = schedule.next_after(middle, zone, dst);
            // Kubernetes' walk depends on where it starts once a change of the clocks lies on its
            // way, which begins at the start of the month.
            if dst == Dst::Once || is_calm(zone, from.as_second() - 32 * 86_400, next.as_second()) {
                prop_assert_eq!(again, Some(next), "{} {:?} from {}", text, dst, middle);
            }
        }
        Ok(())
    });
}

/// Is there no change of the clocks from one Unix second to the other?
fn is_calm(zone: &Zone, from: i64, until: i64) -> bool {
    let years = (from..=until).step_by(52 * 7 * 86_400);
    years.filter_map(|year| change_after(zone, year)).all(|change| change > until)
}

/// What `Dst::Once` promises, said in the plainest way: minute by minute over four days.
#[test]
fn once_runs_each_fixed_time_once_and_each_interval_whenever_it_shows() {
    in_every_zone(3, |text, zone, from| {
        let from = at(from.as_second().div_euclid(60) * 60);
        let schedule = Schedule::parse(text).expect("made to be read");
        let until = at(from.as_second() + 3 * 86_400);
        let got: Vec<Timestamp> =
            schedule.upcoming(from, zone, Dst::Once).take_while(|next| *next <= until).collect();
        // On a clock without changes the answers are plain: there, wall times pass for UTC.
        let day = SignedDuration::from_hours(24);
        let matches: BTreeSet<i64> = schedule
            .upcoming(from - 3 * day, &Zone::utc(), Dst::Kubernetes)
            .take_while(|next| *next <= until + 2 * day)
            .map(|next| next.as_second())
            .collect();
        let recurs = text.split(' ').take(2).any(|field| field.contains(['*', '?', '/']));
        let mut want = Vec::new();
        let mut shown_to = wall(at(from.as_second() - 86_400), zone);
        for second in (from.as_second() - 86_400..=until.as_second()).step_by(60) {
            let shown = wall(at(second), zone);
            let due = if recurs {
                matches.contains(&shown)
            } else {
                // Every minute that the clock has come past since it last showed a later one than
                // ever.
                let passed =
                    shown > shown_to && matches.range(shown_to + 1..=shown).next().is_some();
                shown_to = shown_to.max(shown);
                passed
            };
            if due && second > from.as_second() {
                want.push(at(second));
            }
        }
        // Clocks that were off by seconds (local mean time) do not strike on our full minutes.
        let even = |at: Timestamp| zone.offset_seconds(at) % 60 == 0;
        if even(at(from.as_second() - 86_400)) && even(until) {
            prop_assert_eq!(got, want, "{} from {}", text, from);
        }
        Ok(())
    });
}

/// The database of `chrono-tz`, made from the same source by other hands. It is of another year, so
/// what was decreed or found out since is not compared.
#[test]
fn offsets_are_those_of_another_database() {
    use chrono::{Offset, TimeZone};
    const YEAR_2000: i64 = 946_684_800;
    const YEAR_2025: i64 = 1_735_689_600;
    let mut compared = 0;
    for other in chrono_tz::TZ_VARIANTS {
        let Ok(zone) = Zone::load(other.name()) else { continue };
        for second in (YEAR_2000..YEAR_2025).step_by(86_400 * 5 + 977) {
            let utc = chrono::DateTime::from_timestamp(second, 0).expect("in range").naive_utc();
            let want = i64::from(other.offset_from_utc_datetime(&utc).fix().local_minus_utc());
            assert_eq!(zone.offset_seconds(at(second)), want, "{} at {}", other.name(), at(second));
        }
        compared += 1;
    }
    assert!(compared > 550, "{compared} zones");
}

/// The `cron` crate is an independent judge where it means the same: at most one day field, one
/// clock for all time.
#[test]
fn the_cron_crate_agrees_where_it_means_the_same() {
    let config = ProptestConfig {
        cases: 2_000,
        max_global_rejects: 20_000,
        failure_persistence: None,
        ..Default::default()
    };
    // Its leap days end in 2099, as its years do.
    let inputs = (schedule(), prop::bool::ANY, EPOCHS.start..EPOCHS.end - 10 * 366 * 86_400);
    TestRunner::new(config)
        .run(&inputs, |(text, by_weekday, from)| {
            let mut fields: Vec<&str> = text.split(' ').collect();
            fields[if by_weekday { 2 } else { 4 }] = "*";
            let ours = fields.join(" ");
            // Its weekdays are counted from 1, so they are given by name; a step would count from
            // another day.
            let names = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
            let named = |c: char| {
                c.to_digit(10).map_or(c.to_string(), |day| names[day as usize].to_owned())
            };
            prop_assume!(!fields[4].contains('/'));
            let weekdays: String = fields[4].chars().map(named).collect();
            fields[4] = &weekdays;
            let theirs = format!("0 {}", fields.join(" "));
            let Ok(theirs) = cron::Schedule::from_str(&theirs) else {
                // It refuses steps beyond the field and steps of a single value.
                prop_assume!(false);
                return Ok(());
            };
            let from_chrono = chrono::DateTime::from_timestamp(from, 0).expect("in range");
            let want: Vec<i64> =
                theirs.after(&from_chrono).take(5).map(|t| t.timestamp()).collect();
            let schedule = Schedule::parse(&ours).expect("made to be read");
            for dst in [Dst::Once, Dst::Kubernetes] {
                let got: Vec<i64> = schedule
                    .upcoming(at(from), &Zone::utc(), dst)
                    .take(5)
                    .map(|t| t.as_second())
                    .collect();
                prop_assert_eq!(&got, &want, "{} from {}", ours, at(from));
            }
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

/// Hostile text: bytes at random, and schedules with letters changed. Nothing panics or hangs, what
/// Kubernetes' grammar takes the extended one takes alike, and each next time is later. Runs for
/// `CRONLET_FUZZ_SECONDS`.
#[test]
fn hostile_schedules_are_read_or_refused() {
    let seconds = std::env::var("CRONLET_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let until = Instant::now() + Duration::from_secs(seconds.unwrap_or(1));
    let start = Seed::from_host().draw();
    println!("fuzz seed {start}");
    let mut seed = Seed::new(start);
    let zones = Zone::names();
    let (mut read, mut refused) = (0u64, 0u64);
    while Instant::now() < until {
        let text = hostile(&mut seed);
        let zone = Zone::load(&zones[seed.below(zones.len() as u64) as usize]).expect("a zone");
        let parsed = Schedule::parse(&text);
        let extended = Schedule::parse_extended(&text, "default/fuzz");
        if let Ok(schedule) = &parsed {
            assert_eq!(Some(schedule), extended.as_ref().ok(), "{text:?}, fuzz seed {start}");
        }
        match extended {
            Ok(schedule) => {
                let from = at(seed.below(EPOCHS.end as u64) as i64);
                let now = at(from.as_second() + seed.below(1 << 30) as i64);
                for dst in [Dst::Once, Dst::Kubernetes] {
                    let next = schedule.next_after(from, &zone, dst);
                    assert!(next.is_none_or(|next| next > from), "{text:?}, fuzz seed {start}");
                    let missed = schedule.missed(from, now, &zone, dst);
                    assert!(
                        missed.latest.is_none_or(|slot| from < slot && slot <= now),
                        "{text:?}"
                    );
                    assert_eq!(missed.count == 0, missed.latest.is_none(), "{text:?}");
                }
                read += 1;
            }
            Err(error) => {
                assert!(error.to_string().len() < 1000, "{text:?}");
                refused += 1;
            }
        }
    }
    println!("{read} read, {refused} refused");
    assert!(read > 0 && refused > 0);
}

fn hostile(seed: &mut Seed) -> String {
    const WHOLE: [&str; 12] = [
        "*/5 * * * *",
        "0 2 L * *",
        "0 0 15W * 5#2",
        "H H(0-7) * * 5L",
        "@every 1h30m",
        "@daily",
        "TZ=Europe/Paris 0 0 * * MON-FRI",
        "CRON_TZ=UTC @hourly",
        "0-59/70 1,2,,3 ?/2 jan-DEC WED-5",
        "*/10 30 2 1-7 * *",
        "@reboot",
        "0 0 31 2 *",
    ];
    const LETTERS: &[char] = &[
        '*',
        '?',
        '/',
        '-',
        ',',
        ' ',
        '0',
        '1',
        '5',
        '9',
        'L',
        'W',
        '#',
        'H',
        '(',
        ')',
        '@',
        '=',
        'Z',
        '+',
        '.',
        '\0',
        '\t',
        '\u{a0}',
        '\u{130}',
        '\u{1f600}',
    ];
    if seed.below(4) == 0 {
        let bytes: Vec<u8> = (0..seed.below(64)).map(|_| seed.draw() as u8).collect();
        return String::from_utf8_lossy(&bytes).into_owned();
    }
    let mut text: Vec<char> = WHOLE[seed.below(WHOLE.len() as u64) as usize].chars().collect();
    for _ in 0..seed.below(5) {
        let place = seed.below(text.len() as u64 + 1) as usize;
        let letter = LETTERS[seed.below(LETTERS.len() as u64) as usize];
        match seed.below(4) {
            0 => text.insert(place, letter),
            1 if place < text.len() => text[place] = letter,
            2 if place < text.len() => drop(text.remove(place)),
            _ => text.extend_from_within(place..),
        }
    }
    text.into_iter().collect()
}
