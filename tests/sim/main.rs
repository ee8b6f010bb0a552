//! Simulated lives: fixed seeds always, fresh ones on request, and one again by its number.
//!
//! `cargo test --profile sim --test sim fresh -- --ignored --nocapture` lives lives that nobody has
//! seen (`CRONLET_SIM_COUNT`, 200 unless set), and as many with services; `CRONLET_SIM_SEED=N cargo
//! test --profile sim --test sim replay -- --ignored --nocapture` lives the life of seed N once
//! more, and `services_again` the one with services.

use cronlet_api::seed::Seed;
use cronlet_api::time::Timestamp;
use cronlet_simulate::{Outcome, Setup, live};
use rustix::time::{ClockId, clock_gettime};

mod bare;

/// Half of a turn is memory taken and given back, which this does in two thirds of the time that
/// the C library's takes. The daemon stays with that one: it keeps less at rest.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
        minutely: false,
        services: 0,
        mischief_per_hour: [0, 3, 12, 60][draw.below(4) as usize],
    }
}

/// A short life with services, in which much happens.
fn services(seed: u64) -> Setup {
    let mut draw = Seed::new(seed ^ 0x5e41);
    Setup {
        seconds: 3 * 3600,
        cron_jobs: draw.below(2) as usize,
        minutely: false,
        services: draw.below(4) as usize + 1,
        mischief_per_hour: [0, 12, 60, 240][draw.below(4) as usize],
        ..setup(seed)
    }
}

/// Says how to live a life again that ends in a panic, whoever panics.
struct Again<'a> {
    seed: u64,
    test: &'a str,
}

impl Drop for Again<'_> {
    fn drop(&mut self) {
        let Again { seed, test } = self;
        if std::thread::panicking() {
            let cargo = "cargo test --profile sim --test sim";
            eprintln!("again: CRONLET_SIM_SEED={seed} {cargo} {test} -- --ignored --nocapture");
        }
    }
}

fn lived(setup: &Setup, test: &str) -> Outcome {
    let _again = Again { seed: setup.seed, test };
    live(setup).unwrap_or_else(|broken| panic!("{broken}"))
}

fn check_services(seed: u64) -> Outcome {
    lived(&services(seed), "services_again")
}

/// What so many lives came to, from seed 0 on.
fn all(lives: u64, check: fn(u64) -> Outcome) -> Outcome {
    let mut all = Outcome::default();
    for outcome in (0..lives).map(check) {
        all.runs += outcome.runs;
        all.turns += outcome.turns;
        all.crashes += outcome.crashes;
        all.skipped += outcome.skipped;
    }
    all
}

#[test]
fn services_hold() {
    let all = all(if cfg!(debug_assertions) { 2 } else { 60 }, check_services);
    println!("{} starts, {} crashes, {} turns with services", all.runs, all.crashes, all.turns);
    assert!(all.runs > 100 && all.crashes > 10, "{all:?}");
}

/// Reads the seed of the life to live again.
fn asked() -> u64 {
    let seed = std::env::var("CRONLET_SIM_SEED").expect("CRONLET_SIM_SEED says which life");
    seed.parse().expect("CRONLET_SIM_SEED is a number")
}

#[test]
#[ignore = "lives the life of CRONLET_SIM_SEED again"]
fn services_again() {
    let seed = asked();
    println!("{:?}\n{:?}", services(seed), check_services(seed));
}

fn check(seed: u64) -> Outcome {
    lived(&setup(seed), "replay")
}

#[test]
fn fixed_seeds_hold() {
    // Unoptimised, a life takes twenty times as long: CI lives all of them in release.
    let all = all(if cfg!(debug_assertions) { 4 } else { 60 }, check);
    println!("{} runs, {} crashes, {} slots skipped on record", all.runs, all.crashes, all.skipped);
    // A simulation in which nothing happens proves nothing.
    assert!(all.runs > 500 && all.crashes > 50 && all.skipped > 0, "{all:?}");
}

#[test]
fn the_same_seed_lives_the_same_life() {
    let seed = (0..).find(|seed| setup(*seed).mischief_per_hour == 60).expect("one in four");
    let hours = if cfg!(debug_assertions) { 2 } else { 12 };
    let check = |seed| lived(&Setup { seconds: hours * 3600, ..setup(seed) }, "replay");
    let life = check(seed);
    assert!(life.crashes > 5, "{life:?}");
    assert_eq!(life, check(seed));
    assert_ne!(life.trace, check(seed + 1).trace);
}

#[test]
#[ignore = "lives the life of CRONLET_SIM_SEED again"]
fn replay() {
    let seed = asked();
    println!("{:?}\n{:?}", setup(seed), check(seed));
}

#[test]
#[ignore = "takes minutes"]
fn fresh_seeds_hold() {
    live_fresh("lives", check);
}

#[test]
#[ignore = "takes minutes"]
fn fresh_services_hold() {
    live_fresh("lives with services", check_services);
}

/// Lives from a seed that nobody has seen, and prints it.
fn live_fresh(what: &str, check: fn(u64) -> Outcome) {
    let count = std::env::var("CRONLET_SIM_COUNT").map_or(200, |n| n.parse().expect("a number"));
    let first = Seed::from_host().draw();
    println!("fresh {what} from seed {first}: {count}");
    for n in 0..count {
        check(first.wrapping_add(n));
    }
}

/// How fast calm lives go, in runs for each second of this thread's CPU: printed, for the README's
/// figures. Every run went through the real engine, store and plans, and every check was made after
/// every turn. Beside it, what a bare loop reaches that only writes what a run leaves, as many runs
/// a commit.
///
/// The small host has 200 CronJobs of the kind that every life draws: a sixth of them each minute,
/// the others rarer, their programs from milliseconds to an hour long; hardly two of them end at
/// once. The busy host has 500 that are all due each minute, their programs a second long at most:
/// what a turn and a commit cost is shared, as on the hosts that need the speed.
#[test]
fn speed() {
    for (host, minutely, cron_jobs, hours) in [("small", false, 200, 6), ("busy", true, 500, 1)] {
        let calm = Setup {
            seed: 1,
            start: "2026-01-15T00:00:00Z".parse().expect("a timestamp"),
            seconds: if cfg!(debug_assertions) { 120 } else { hours * 3600 },
            cron_jobs,
            minutely,
            services: 0,
            mischief_per_hour: 0,
        };
        let begun = cpu_seconds();
        let outcome = live(&calm).expect("holds");
        let seconds = cpu_seconds() - begun;
        let rate = outcome.runs as f64 / seconds;
        let Outcome { runs, turns, commits, .. } = outcome;
        println!(
            "{host} host: {runs} runs, {turns} turns, {commits} commits in {seconds:.2} s: \
             {rate:.0} a second"
        );
        let bare = bare::rate(runs, commits);
        println!("{host} host: a bare loop {bare:.0} a second, ratio {:.2}", rate / bare);
        assert!(runs > 60 && commits > 0);
    }
}

fn cpu_seconds() -> f64 {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
}
