//! Prints, at the end of `cargo test`, what this machine lacks for which tests: those were skipped.

#[path = "common/untested.rs"]
mod untested;

fn main() {
    let lines = untested::take();
    untested::record("nothing");
    assert_eq!(untested::take(), ["untested main: lacks nothing"], "the list is kept");
    if lines.is_empty() {
        println!("\nevery test had what it needs");
    } else {
        println!("\nNOT TESTED on this machine ({}):", lines.len());
        lines.iter().for_each(|line| println!("  {line}"));
    }
}
