//! The controller of PersistentVolumeClaim: bound to a volume.

pub mod plan;
