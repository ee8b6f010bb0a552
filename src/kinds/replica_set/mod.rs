//! ReplicaSet: so many pods of one template.

pub mod check;
pub mod columns;
pub mod defaults;

pub mod plan;

mod status;

pub use status::OLD_POD_GOES;
