//! What a claim has used of the host.

/// One look at its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimUsage {
    pub used_bytes: u64,
    /// What it cannot go beyond; `None` where the file system holds it to nothing.
    pub limit_bytes: Option<u64>,
}
