//! Visible content of cells: blank cells, and keys that identify equal texts.

use unicode_normalization_alignments::UnicodeNormalization as _;

/// Characters that show nothing: control characters, Unicode's default ignorable code points (zero-width spaces, byte order
/// marks, soft hyphens, direction marks) and the Braille blank. White space is not included.
pub(crate) fn is_invisible(letter: char) -> bool {
    let ignorable = matches!(
        letter,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}'
    );
    ignorable || letter.is_control() && !letter.is_whitespace()
}

/// Whether a text shows nothing: it is empty, or contains only white space and invisible characters.
#[must_use]
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|letter| letter.is_whitespace() || is_invisible(letter))
}

/// A key that is equal for texts that are the same to the user and to an uncased encoder: it ignores case, white space, invisible
/// characters and the Unicode form (composed or decomposed).
pub(crate) fn normalised(text: &str) -> String {
    if !text.is_ascii() {
        let visible = text.nfc().map(|(letter, _)| letter).filter(|&letter| !is_invisible(letter));
        return folded(&visible.collect::<String>());
    }
    folded(text)
}

/// The words in lower case, separated by single spaces.
fn folded(text: &str) -> String {
    let mut key = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !key.is_empty() {
            key.push(' ');
        }
        if word.is_ascii() {
            key.extend(word.bytes().map(|byte| char::from(byte.to_ascii_lowercase())));
        } else {
            key.push_str(&word.to_lowercase());
        }
    }
    key
}

/// A label for a note: invisible characters are written as code points.
pub(crate) fn shown(label: &str) -> String {
    let mut text = String::with_capacity(label.len());
    for letter in label.chars() {
        let combining = unicode_normalization_alignments::char::is_combining_mark(letter);
        if is_invisible(letter) || combining || letter.is_whitespace() && letter != ' ' || is_odd_hyphen(letter) {
            text.push_str(&format!("<U+{:04X}>", u32::from(letter)));
        } else {
            text.push(letter);
        }
    }
    text
}

/// Characters that look like the hyphen `-`.
pub(crate) fn is_odd_hyphen(letter: char) -> bool {
    matches!(letter, '\u{2010}' | '\u{2011}')
}
