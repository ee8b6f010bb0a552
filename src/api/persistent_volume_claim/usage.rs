//! Usage of a claim's folder on the host.

/// A measurement of the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimUsage {
    pub used_bytes: u64,
    /// The size that the folder cannot exceed; `None` if the file system sets no limit.
    pub limit_bytes: Option<u64>,
}
