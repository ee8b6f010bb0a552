//! Prints what was measured: a line each for cronlet, its peers with the ratio, and the aim.

pub struct Table {
    missed: Vec<String>,
    full: bool,
}

impl Table {
    pub fn begin(full: bool) -> Table {
        let size = if full { "full" } else { "small: the numbers say that it works, no more" };
        let build = if cfg!(debug_assertions) { "a debug build" } else { "a release build" };
        println!("\nbench suite, {size}; {build}");
        Table { missed: Vec::new(), full }
    }

    pub fn section(&mut self, title: &str) {
        println!("\n{title}");
    }

    pub fn line(&mut self, who: &str, what: &str) {
        println!("  {who:<28} {what}");
    }

    /// `ours / theirs`, as a line of the peer's.
    pub fn peer(&mut self, who: &str, what: &str, ours: f64, theirs: f64) {
        let ratio = if theirs > 0.0 { ours / theirs } else { f64::INFINITY };
        println!("  {who:<28} {what}   [cronlet / this: {ratio:.3}]");
    }

    pub fn aim(&mut self, aim: &str, met: bool) {
        println!("  {:<28} {aim}: {}", "aim", if met { "met" } else { "MISSED" });
        if !met {
            self.missed.push(aim.to_owned());
        }
    }

    pub fn end(self) {
        if !self.full {
            println!("\nAims are judged by the full size alone.\n");
            return;
        }
        println!("\nAims missed: {}", self.missed.len());
        for aim in self.missed {
            println!("  {aim}");
        }
    }
}

/// Milliseconds for people.
pub fn ms(seconds: f64) -> String {
    format!("{:.3} ms", seconds * 1e3)
}

/// The value that the part `share` of all is not above.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}
