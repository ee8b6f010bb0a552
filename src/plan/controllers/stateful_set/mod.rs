//! The controller of StatefulSet: pods with an identity.

pub mod plan;

pub mod claims;

pub mod pods;

pub mod status;
