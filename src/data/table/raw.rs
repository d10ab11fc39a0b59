//! Cells as they are in the file, with their quotes and the spaces around them. Where a text has quoted parts and separators
//! (`"a", he said, "b"`), the parser takes it apart and removes quotes that belong to it.

use csv::StringRecord;

/// The raw cells of the records that may have been taken apart: those with a quote and more cells than others, or with a cell
/// that begins with a space. `parsed` is the text of the records; it has the same line breaks as `text`. `spaced`: spaces around
/// quotes were removed.
pub(super) fn cells(
    text: &str,
    parsed: &str,
    records: &[StringRecord],
    separator: u8,
    spaced: bool,
) -> Vec<Option<StringRecord>> {
    let shortest = records.iter().map(StringRecord::len).filter(|&length| length > 1).min().unwrap_or(0);
    let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let (mut at, mut line) = (0, 0);
    let mut starts = Vec::with_capacity(records.len() + 1);
    for record in records {
        let start = record.position().map_or(0, |position| position.byte() as usize).clamp(at, parsed.len());
        let start = start + parsed.as_bytes()[start..].iter().take_while(|byte| is_break(byte)).count();
        let breaks = parsed.as_bytes()[at..start].iter().filter(|byte| is_break(byte)).count();
        at = start;
        line += behind(&text.as_bytes()[line..], breaks);
        starts.push(line);
    }
    starts.push(text.len());
    let raw = |(record, ends): (&StringRecord, &[usize])| {
        let line = text.get(ends[0]..ends[1])?.trim_end_matches(['\n', '\r']);
        let apart = record.len() > shortest || spaced || record.iter().any(|cell| cell.starts_with(' '));
        let cells = (apart && line.contains('"')).then(|| split(line, separator, spaced))?;
        (cells.len() == record.len()).then(|| StringRecord::from(cells))
    };
    records.iter().zip(starts.windows(2)).map(raw).collect()
}

/// The offset behind so many line breaks.
fn behind(bytes: &[u8], breaks: usize) -> usize {
    let mut places = bytes.iter().enumerate().filter(|(_, byte)| matches!(byte, b'\n' | b'\r')).map(|(at, _)| at + 1);
    match breaks {
        0 => 0,
        _ => places.nth(breaks - 1).unwrap_or(bytes.len()),
    }
}

/// The cells of a record, divided as the parser divides them.
fn split(line: &str, separator: u8, spaced: bool) -> Vec<&str> {
    let bytes = line.as_bytes();
    let end_of = |at: usize| at + bytes[at..].iter().take_while(|&&byte| byte != separator).count();
    let behind_blanks = |at: usize| at + bytes[at..].iter().take_while(|&&byte| byte == b' ').count();
    let mut cells = Vec::new();
    let mut at = 0;
    loop {
        let open = if spaced { behind_blanks(at) } else { at };
        let mut end = end_of(at);
        if bytes.get(open) == Some(&b'"') {
            let close = closing(bytes, open);
            let after = (close + 1).min(bytes.len());
            let alone = bytes.get(behind_blanks(after)).is_none_or(|&byte| byte == separator);
            if open == at || alone {
                end = end_of(after);
            }
        }
        cells.push(&line[at..end]);
        if end >= bytes.len() {
            return cells;
        }
        at = end + 1;
    }
}

/// The offset of the quote that closes the one at `open`; the end if there is none.
fn closing(bytes: &[u8], open: usize) -> usize {
    let mut at = open + 1;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'"', Some(b'"')) => at += 2,
            (b'"', _) => return at,
            _ => at += 1,
        }
    }
    bytes.len()
}
