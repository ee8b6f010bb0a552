//! The mark of the state file: the number of its format, and the version that wrote it.
//!
//! A file without a mark is of the first format, or of the time before the mark: it is read and
//! marked. The mark lies in the facts, whose table keeps its form in every format, so that any
//! version can read by whom it is refused.

use super::disk::DiskError;
use super::tables::{FACTS, OBJECTS, read_json, to_json};
use redb::{Database, ReadableDatabase, ReadableTable, TableError, TableHandle, WriteTransaction};

/// Number of the format that this version writes. It is raised when an older version would misread
/// what is written from then on.
pub const FORMAT: u32 = 1;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The fact that holds the mark.
pub(super) const MARK: &str = "format";

#[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Mark {
    pub format: u32,
    /// Version of cronlet that opened the file last.
    pub writer: String,
}

/// Refuses the file of a newer version, and of another program. True if nothing is in it yet.
pub(super) fn check(database: &Database) -> Result<bool, DiskError> {
    let transaction = database.begin_read()?;
    let names: Vec<String> = transaction.list_tables()?.map(|table| table.name().into()).collect();
    if names.is_empty() {
        return Ok(true);
    }
    if !names.iter().any(|name| [FACTS.name(), OBJECTS.name()].contains(&&**name)) {
        return Err(DiskError::Foreign);
    }
    let facts = match transaction.open_table(FACTS) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(false),
        facts => facts?,
    };
    let Some(mark) = facts.get(MARK)? else { return Ok(false) };
    let Mark { format, writer } = read_json(mark.value(), "a mark of its format")?;
    if format > FORMAT { Err(DiskError::Newer { format, writer }) } else { Ok(false) }
}

/// Marks the file as written by this version, if it is not marked so already.
pub(super) fn mark(transaction: &WriteTransaction) -> Result<(), DiskError> {
    let mark = to_json(&Mark { format: FORMAT, writer: VERSION.to_owned() });
    let mut facts = transaction.open_table(FACTS)?;
    let is_marked = facts.get(MARK)?.is_some_and(|before| before.value() == mark);
    if !is_marked {
        facts.insert(MARK, mark.as_slice())?;
    }
    Ok(())
}
