//! PersistentVolume: a folder of this host that an administrator gives to claims.

pub mod defaults;

pub mod check;

pub mod columns;

mod strategy;
