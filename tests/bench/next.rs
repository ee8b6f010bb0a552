//! The next slot of a random schedule, beside the `cron` crate.

use super::Size;
use super::table::Table;
use cronlet_api::cron_job::schedule::{Schedule, Zone};
use cronlet_api::seed::Seed;
use cronlet_api::settings::Dst;
use cronlet_api::time::Timestamp;
use std::hint::black_box;
use std::str::FromStr;
use std::time::Instant;

const SCHEDULES: usize = 1000;

/// Then it begins anew: a yearly schedule would leave the years that the crate knows.
const ROUNDS_ONWARD: usize = 50;

pub fn measure(size: &Size, table: &mut Table) {
    let rounds = (size.next_calls / SCHEDULES).max(1);
    table.section(&format!("next slot of {SCHEDULES} random schedules, each {rounds} times"));
    let texts = random_schedules();
    let zone = Zone::load("Europe/Berlin").expect("a zone");
    let ours: Vec<Schedule> =
        texts.iter().map(|text| Schedule::parse(text).expect("valid")).collect();
    let begun = Instant::now();
    let from: Timestamp = "2026-11-23T12:00:00Z".parse().expect("an instant");
    for schedule in &ours {
        let mut at = from;
        for round in 0..rounds {
            if round % ROUNDS_ONWARD == 0 {
                at = from;
            }
            at = black_box(schedule.next_after(at, &zone, Dst::Once)).expect("it is due again");
        }
    }
    let per_call = begun.elapsed().as_secs_f64() / (SCHEDULES * rounds) as f64;
    table.line("cronlet, in Berlin", &format!("{:.3} us", per_call * 1e6));
    let theirs: Vec<cron::Schedule> = texts
        .iter()
        .map(|text| cron::Schedule::from_str(&format!("0 {text}")).expect("valid"))
        .collect();
    let begun = Instant::now();
    let from = chrono::DateTime::from_timestamp(from.as_second(), 0)
        .expect("an instant")
        .with_timezone(&chrono_tz::Europe::Berlin);
    for schedule in &theirs {
        let mut at = from;
        for round in 0..rounds {
            if round % ROUNDS_ONWARD == 0 {
                at = from;
            }
            at = black_box(schedule.after(&at).next()).expect("it is due again");
        }
    }
    let peer = begun.elapsed().as_secs_f64() / (SCHEDULES * rounds) as f64;
    table.peer("the cron crate", &format!("{:.3} us", peer * 1e6), per_call, peer);
    table.aim("at most two microseconds", per_call <= 2e-6);
}

/// Minute, hour and one more field, of all kinds; the same ones each time.
fn random_schedules() -> Vec<String> {
    let mut seed = Seed::new(1);
    let mut below = |bound: u64| seed.below(bound);
    let mut texts = Vec::with_capacity(SCHEDULES);
    for _ in 0..SCHEDULES {
        let minute = match below(3) {
            0 => format!("*/{}", 1 + below(30)),
            1 => format!("{}", below(60)),
            _ => format!("{},{}", below(30), 30 + below(30)),
        };
        let hour = match below(3) {
            0 => "*".to_owned(),
            1 => format!("{}", below(24)),
            _ => format!("{}-{}", below(12), 12 + below(12)),
        };
        let (day, month, weekday) = match below(4) {
            0 => (format!("{}", 1 + below(28)), "*".to_owned(), "*".to_owned()),
            1 => ("*".to_owned(), format!("{}", 1 + below(12)), "*".to_owned()),
            2 => (
                "*".to_owned(),
                "*".to_owned(),
                ["MON-FRI", "SAT", "SUN,WED"][below(3) as usize].to_owned(),
            ),
            _ => ("*".to_owned(), "*".to_owned(), "*".to_owned()),
        };
        texts.push(format!("{minute} {hour} {day} {month} {weekday}"));
    }
    texts
}
