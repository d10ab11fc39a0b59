//! The encoding of bytes without a mark: UTF-8, an 8-bit one, or both, in files that were put together from several.

use chardetng::EncodingDetector;
use encoding_rs::{Encoding, MACINTOSH, UTF_8};

use super::{Decoded, lines_have};
use crate::data::cells::shown;

/// Number of bytes that are examined to guess an encoding.
const SAMPLE: usize = 1 << 20;
/// Number of valid characters for each invalid byte from which a text is UTF-8.
const FEW: usize = 20;
/// Number of lines in another encoding for each valid character from which the characters may be valid by chance.
const CHANCE: usize = 30;
/// How many times fewer odd characters Mac Roman must give.
const MAC: usize = 4;
/// Number of lines among which the example is chosen.
const EXAMINED: usize = 1000;
/// Maximum length of the example in a note, in characters.
const EXAMPLE: usize = 30;

/// Decodes bytes without a byte order mark. What is not UTF-8 is said in a note.
pub(super) fn decode(bytes: &[u8]) -> Decoded {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Decoded { text: text.to_owned(), encoding: UTF_8.name(), notes: Vec::new() };
    }
    let end = if bytes.contains(&b'\n') { b'\n' } else { b'\r' };
    let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == end).collect();
    let invalid = |line: &&[u8]| std::str::from_utf8(line).is_err();
    let others: Vec<u8> = lines.iter().copied().filter(invalid).flatten().copied().take(SAMPLE).collect();
    let encoding = guess(&others);
    let (mut utf8, mut other, mut whole, mut long, mut odd) = (0_usize, 0_usize, 0_usize, 0_usize, (0, 0));
    for line in lines.iter().filter(|line| !line.is_ascii()) {
        if let Ok(text) = std::str::from_utf8(line) {
            utf8 += 1;
            whole += text.chars().filter(|letter| !letter.is_ascii()).count();
            long += text.chars().filter(|letter| letter.len_utf8() > 2).count();
            odd = (odd.0 + oddities(text), odd.1 + oddities(&encoding.decode_without_bom_handling(line).0));
        } else {
            other += 1;
        }
    }
    let (mut letters, mut broken) = (0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        letters += chunk.valid().chars().filter(|letter| !letter.is_ascii()).count();
        broken += usize::from(!chunk.invalid().is_empty());
    }
    // A few short lines of other encodings can be valid UTF-8 by chance; long sequences and many of them are not.
    let few = broken * FEW <= letters;
    let single = encoding.is_single_byte();
    if few || (single && long > 0 && long * CHANCE >= other) || (odd.0 < odd.1 && whole * CHANCE >= other) {
        return mixed(&lines, encoding, utf8, few);
    }
    let encoding = if utf8 > 0 { guess(bytes) } else { encoding };
    let (text, broken) = encoding.decode_without_bom_handling(bytes);
    let mut notes = vec![said(&text, encoding)];
    notes.extend(broken.then(|| format!("some bytes are not valid {} and were replaced by \u{FFFD}", encoding.name())));
    Decoded { text: text.into_owned(), encoding: encoding.name(), notes }
}

/// A line of damaged UTF-8, if it is that rather than a line of this encoding; `few`: nearly all of the text is UTF-8.
fn lossy(line: &[u8], encoding: &'static Encoding, few: bool) -> Option<String> {
    let text = String::from_utf8_lossy(line);
    let broken = oddities(&text);
    let other = encoding.decode_without_bom_handling(line).0;
    let whole = text.chars().any(|letter| !letter.is_ascii() && letter != '\u{FFFD}');
    // Damage is certain only where the encoding gives nothing that is written.
    let odd = oddities(&other);
    (whole && broken < odd || few && odd > 0 && broken <= odd).then(|| text.into_owned())
}

/// Lines that are UTF-8, and lines that are not.
fn mixed(lines: &[&[u8]], encoding: &'static Encoding, utf8: usize, few: bool) -> Decoded {
    let mut text = String::with_capacity(lines.iter().map(|line| line.len()).sum());
    let (mut damaged, mut others, mut example) = (Vec::new(), Vec::new(), None);
    for (line, number) in lines.iter().zip(1..) {
        match std::str::from_utf8(line) {
            Ok(line) => text.push_str(line),
            Err(_) => match lossy(line, encoding, few) {
                Some(line) => {
                    damaged.push(number);
                    text.push_str(&line);
                }
                None => {
                    let line = encoding.decode_without_bom_handling(line).0;
                    others.push(number);
                    example = example.or_else(|| word(&line));
                    text.push_str(&line);
                }
            },
        }
    }
    let mut notes = Vec::new();
    if !others.is_empty() {
        let example = example.map(|word| format!(", such as `{word}`")).unwrap_or_default();
        notes.push(format!(
            "the file mixes encodings: {utf8} {} UTF-8 with special characters; {} other bytes, which are read as {}{example}; if that is wrong, save the file as UTF-8",
            if utf8 == 1 { "line is" } else { "lines are" },
            lines_have(&others),
            encoding.name()
        ));
    }
    if !damaged.is_empty() {
        notes.push(format!("{} bytes that are not valid UTF-8 and were replaced by \u{FFFD}", lines_have(&damaged)));
    }
    Decoded { text, encoding: UTF_8.name(), notes }
}

/// The likeliest encoding of bytes that are not UTF-8.
fn guess(bytes: &[u8]) -> &'static Encoding {
    let first = bytes.iter().position(|byte| !byte.is_ascii()).unwrap_or(0);
    let sample = &bytes[first.saturating_sub(1 << 10)..bytes.len().min(first + SAMPLE)];
    let mut detector = EncodingDetector::new();
    detector.feed(sample, true);
    let found = detector.guess(None, false);
    // The detector does not know Mac Roman: its letters are symbols and capitals inside words elsewhere.
    if found.is_single_byte() {
        let odd = |encoding: &'static Encoding| oddities(&encoding.decode_without_bom_handling(sample).0);
        let here = odd(found);
        if here > 0 && odd(MACINTOSH) * MAC <= here {
            return MACINTOSH;
        }
    }
    found
}

/// What a file that is not UTF-8 was taken for, with an example.
fn said(text: &str, encoding: &'static Encoding) -> String {
    let words = || text.lines().zip(1..).filter_map(|(line, number)| Some((word(line)?, number)));
    // If the encoding is the wrong one, a word shows it.
    let found = words().take(EXAMINED).find(|(word, _)| word.contains("<U+") || oddities(word) > 0).or_else(|| words().next());
    let example = found.map(|(word, number)| format!(", such as `{word}` in line {number}")).unwrap_or_default();
    format!("the file is not UTF-8: it is read as {}{example}; if that is wrong, save the file as UTF-8", encoding.name())
}

/// The first word with a character that is not ASCII.
fn word(line: &str) -> Option<String> {
    let apart = |letter: char| letter.is_whitespace() || matches!(letter, ',' | ';' | '|' | '"');
    line.split(apart).find(|word| !word.is_ascii()).map(|word| shown(&word.chars().take(EXAMPLE).collect::<String>()))
}

/// Number of characters that are not written as they are here: capitals and symbols inside words, letters of another script
/// beside Latin ones, control characters.
fn oddities(text: &str) -> usize {
    let mut letters = text.chars().peekable();
    let (mut before, mut odd) = (' ', 0);
    while let Some(letter) = letters.next() {
        odd += usize::from(!letter.is_ascii() && is_odd(before, letter, letters.peek().copied().unwrap_or(' ')));
        before = letter;
    }
    odd
}

fn is_odd(before: char, letter: char, after: char) -> bool {
    match letter {
        '\u{80}'..='\u{9F}'
        | '\u{2200}'..='\u{22FF}'
        | '\u{25CA}'
        | '\u{F8FF}'
        | '\u{131}'
        | 'Ω'
        | 'π'
        | '\u{FFFD}'
        | '\u{FB00}'..='\u{FB06}' => true,
        '\u{370}'..='\u{6FF}' | '\u{E00}'..='\u{E7F}' => before.is_ascii_alphabetic() || after.is_ascii_alphabetic(),
        '†' | '‡' | '‰' | 'ˆ' | '˜' | '¸' | '¨' | '¯' | '¤' | '¦' | '¬' | '©' | '±' | '§' | '¶' => {
            before.is_lowercase()
        }
        '€' | '»' => matches!(before, 'â' | 'ï') && !after.is_whitespace(),
        '™' | '®' | 'º' | 'ª' => before.is_lowercase() && after.is_lowercase(),
        _ if letter.is_uppercase() => before.is_lowercase() || !(before.is_alphabetic() || after.is_alphabetic()),
        _ => false,
    }
}
