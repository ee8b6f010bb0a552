//! The door to containers.

use crate::order::{Order, PodObserved};
use cronlet_api::time::Timestamp;

/// The door to containers. Reports come back on the channel that the runtime was made with.
pub trait Runtime {
    type Error: std::error::Error;

    /// Takes back every pod that still has a folder, by uid: what runs, what has exited meanwhile,
    /// what was lost. Called once, before the first order. Reports that come later speak of changes
    /// from here on.
    fn recover(&mut self) -> Result<Vec<(String, PodObserved)>, Self::Error>;

    /// Carries an order out without waiting for it. What goes wrong comes back as a report.
    fn order(&mut self, order: Order);

    /// So many more of the reports, in their order, and all that was recovered are on disk now: the
    /// runtime may forget what it only kept for them.
    fn committed(&mut self, reports: usize);

    /// So many pods will probably be ordered in a moment.
    fn expect(&mut self, pods: usize);

    /// What is ordered to start from here on starts then and no sooner; it is a moment away. All
    /// that can be made ready is made ready at once.
    fn not_before(&mut self, at: Timestamp);
}
