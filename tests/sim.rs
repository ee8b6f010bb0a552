//! Simulated lives: fixed seeds always, fresh ones on request, and one again by its number.
//!
//! `CRONLET_SIM_SEEDS=fresh` lives that many lives that nobody has seen (`CRONLET_SIM_COUNT`, 200
//! unless set); `CRONLET_SIM_SEED=N cargo test --release --test sim replay -- --nocapture` lives
//! the life of seed N once more.

use cronlet::seed::Seed;
use cronlet::sim::{Outcome, Setup, live};
use cronlet::time::Timestamp;
use std::time::Instant;

/// Everything about a life follows from its seed: also where it starts, some near a change of the
/// clocks.
fn setup(seed: u64) -> Setup {
    let starts = [
        "2026-01-15T00:00:00Z",
        "2026-03-28T22:00:00Z",
        "2026-10-24T22:00:00Z",
        "2026-03-08T04:00:00Z",
        "2026-11-01T04:00:00Z",
        "2026-04-04T12:00:00Z",
    ];
    let mut draw = Seed::new(seed ^ 0x5eed);
    let start: Timestamp =
        starts[draw.below(starts.len() as u64) as usize].parse().expect("a timestamp");
    Setup {
        seed,
        start,
        seconds: 12 * 3600,
        cron_jobs: draw.below(6) as usize + 1,
        mischief_per_hour: [0, 3, 12, 60][draw.below(4) as usize],
    }
}

fn check(seed: u64) -> Outcome {
    live(&setup(seed)).unwrap_or_else(|broken| {
        panic!(
            "{broken}\nagain: \
             CRONLET_SIM_SEED={seed} cargo test --release --test sim replay -- --nocapture"
        )
    })
}

#[test]
fn fixed_seeds_hold() {
    let mut all = Outcome::default();
    // Unoptimised, a life takes twenty times as long: CI lives all of them in release.
    for seed in 0..if cfg!(debug_assertions) { 8 } else { 60 } {
        let outcome = check(seed);
        all.runs += outcome.runs;
        all.crashes += outcome.crashes;
        all.skipped += outcome.skipped;
    }
    println!("{} runs, {} crashes, {} slots skipped on record", all.runs, all.crashes, all.skipped);
    // A simulation in which nothing happens proves nothing.
    assert!(all.runs > 500 && all.crashes > 50 && all.skipped > 0, "{all:?}");
}

#[test]
fn the_same_seed_lives_the_same_life() {
    let seed = (0..).find(|seed| setup(*seed).mischief_per_hour == 60).expect("one in four");
    assert_eq!(check(seed), check(seed));
    assert_ne!(check(seed).trace, check(seed + 1).trace);
}

#[test]
fn replay() {
    let Ok(seed) = std::env::var("CRONLET_SIM_SEED") else { return };
    let seed = seed.parse().expect("CRONLET_SIM_SEED is a number");
    println!("{:?}\n{:?}", setup(seed), check(seed));
}

#[test]
fn fresh_seeds_hold() {
    if std::env::var("CRONLET_SIM_SEEDS").as_deref() != Ok("fresh") {
        return;
    }
    let count = std::env::var("CRONLET_SIM_COUNT").map_or(200, |n| n.parse().expect("a number"));
    let mut fresh = Seed::from_host();
    let first = fresh.draw();
    println!("fresh seeds from {first}: {count}");
    for n in 0..count {
        check(first.wrapping_add(n));
    }
}

/// How fast a calm life goes: printed, for the README's figure.
#[test]
fn speed() {
    let calm = Setup {
        seed: 1,
        start: "2026-01-15T00:00:00Z".parse().expect("a timestamp"),
        seconds: if cfg!(debug_assertions) { 600 } else { 6 * 3600 },
        cron_jobs: 200,
        mischief_per_hour: 0,
    };
    let begun = Instant::now();
    let outcome = live(&calm).expect("holds");
    let seconds = begun.elapsed().as_secs_f64();
    let rate = outcome.runs as f64 / seconds;
    println!(
        "{} runs, {} turns in {seconds:.2} s: {rate:.0} a second",
        outcome.runs, outcome.turns
    );
    assert!(outcome.runs > 300);
}
