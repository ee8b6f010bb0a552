//! The controller of Deployment: ReplicaSets, one for each revision.

pub mod plan;

pub mod bounds;

pub mod progress;

pub mod revisions;

pub mod rollback;

pub mod rolling;

pub mod scale;

pub mod sets;

pub mod status;
