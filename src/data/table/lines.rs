//! Files of texts alone: one column, which is no table to learn from but can be classified.

use csv::{ReaderBuilder, StringRecord};

use super::{HEADER_WORDS, Table, decode};
use crate::error::Result;

/// Separates cells in no file.
const NOTHING: u8 = 0x1F;

impl Table {
    /// The cells of a file with a single column, blank ones too, and whether the first is a name; `quoted` says that `"` encloses
    /// cells, which may then have line breaks. The name, where there is one, comes first.
    ///
    /// # Errors
    /// [`crate::error::Error::Data`] for a file that is empty or no text.
    pub fn single_column(bytes: &[u8], quoted: bool) -> Result<(Vec<String>, bool)> {
        let text = decode::decode(bytes)?.text;
        let cells: Vec<String> = if quoted {
            let mut reader = ReaderBuilder::new();
            let reader = reader.has_headers(false).flexible(true).delimiter(NOTHING).from_reader(text.as_bytes());
            // A reader of text in memory gives every record.
            let first = |record: StringRecord| record.get(0).unwrap_or_default().to_owned();
            reader.into_records().map_while(Result::<_, csv::Error>::ok).map(first).collect()
        } else {
            text.lines().map(str::to_owned).collect()
        };
        let named = cells.first().is_some_and(|name| HEADER_WORDS.contains(&name.trim().to_lowercase().as_str()));
        Ok((cells, named))
    }
}
