//! The script of a character, by its Unicode range, and an encoder whose vocabulary covers it.

/// Covers a hundred languages, with the layers of BERT and the vocabulary of XLM-R.
const MULTILINGUAL: &str = "intfloat/multilingual-e5-small";

/// First and last code point, name in messages, and whether [`MULTILINGUAL`] covers the range. In ascending order.
const RANGES: &[(u32, u32, &str, bool)] = &[
    (0x0000, 0x024F, "Latin letters", true),
    (0x0250, 0x02FF, "phonetic letters", false),
    (0x0300, 0x036F, "combining marks", false),
    (0x0370, 0x03FF, "Greek script", true),
    (0x0400, 0x052F, "Cyrillic script (Russian, Ukrainian)", true),
    (0x0530, 0x058F, "Armenian script", true),
    (0x0590, 0x05FF, "Hebrew script", true),
    (0x0600, 0x06FF, "Arabic script (Arabic, Persian, Urdu)", true),
    (0x0700, 0x074F, "Syriac script", false),
    (0x0750, 0x077F, "Arabic script (Arabic, Persian, Urdu)", true),
    (0x0780, 0x07BF, "Thaana script (Dhivehi)", false),
    (0x07C0, 0x07FF, "N'Ko script", false),
    (0x0900, 0x097F, "Devanagari script (Hindi, Marathi, Nepali)", true),
    (0x0980, 0x09FF, "Bengali script (Bengali, Assamese)", true),
    (0x0A00, 0x0A7F, "Gurmukhi script (Punjabi)", true),
    (0x0A80, 0x0AFF, "Gujarati script", true),
    (0x0B00, 0x0B7F, "Odia script", true),
    (0x0B80, 0x0BFF, "Tamil script", true),
    (0x0C00, 0x0C7F, "Telugu script", true),
    (0x0C80, 0x0CFF, "Kannada script", true),
    (0x0D00, 0x0D7F, "Malayalam script", true),
    (0x0D80, 0x0DFF, "Sinhala script", true),
    (0x0E00, 0x0E7F, "Thai script", true),
    (0x0E80, 0x0EFF, "Lao script", true),
    (0x0F00, 0x0FFF, "Tibetan script", false),
    (0x1000, 0x109F, "Myanmar script (Burmese)", true),
    (0x10A0, 0x10FF, "Georgian script", true),
    (0x1100, 0x11FF, "Hangul (Korean)", true),
    (0x1200, 0x139F, "Ethiopic script (Amharic, Tigrinya)", true),
    (0x13A0, 0x13FF, "Cherokee script", false),
    (0x1400, 0x167F, "Canadian syllabics (Inuktitut, Cree)", false),
    (0x1680, 0x169F, "Ogham script", false),
    (0x16A0, 0x16FF, "runes", false),
    (0x1780, 0x17FF, "Khmer script", true),
    (0x1800, 0x18AF, "Mongolian script", false),
    (0x1E00, 0x1EFF, "Latin letters", true),
    (0x1F00, 0x1FFF, "Greek script", true),
    (0x2000, 0x206F, "punctuation marks", true),
    (0x20A0, 0x20CF, "currency signs", true),
    (0x2100, 0x25FF, "symbols", false),
    (0x2600, 0x27BF, "emoji", true),
    (0x2800, 0x28FF, "Braille", false),
    (0x2900, 0x2BFF, "symbols", false),
    (0x2C80, 0x2CFF, "Coptic script", false),
    (0x2D00, 0x2D2F, "Georgian script", true),
    (0x2D30, 0x2D7F, "Tifinagh script (Berber)", false),
    (0x2D80, 0x2DDF, "Ethiopic script (Amharic, Tigrinya)", true),
    (0x2E80, 0x303F, "Chinese characters", true),
    (0x3040, 0x30FF, "kana (Japanese)", true),
    (0x3100, 0x312F, "Bopomofo", false),
    (0x3130, 0x318F, "Hangul (Korean)", true),
    (0x31F0, 0x31FF, "kana (Japanese)", true),
    (0x3400, 0x9FFF, "Chinese characters", true),
    (0xA000, 0xA4CF, "Yi script", false),
    (0xA500, 0xA63F, "Vai script", false),
    (0xA960, 0xA97F, "Hangul (Korean)", true),
    (0xAA60, 0xAA7F, "Myanmar script (Burmese)", true),
    (0xAB00, 0xAB2F, "Ethiopic script (Amharic, Tigrinya)", true),
    (0xAC00, 0xD7FF, "Hangul (Korean)", true),
    (0xF900, 0xFAFF, "Chinese characters", true),
    (0xFB50, 0xFDFF, "Arabic script (Arabic, Persian, Urdu)", true),
    (0xFE70, 0xFEFE, "Arabic script (Arabic, Persian, Urdu)", true),
    (0xFF00, 0xFFEF, "full-width forms", true),
    (0x1D400, 0x1D7FF, "mathematical letters", false),
    (0x1F000, 0x1FAFF, "emoji", true),
    (0x20000, 0x323AF, "Chinese characters", false),
];

/// The name of a character's script in messages, or of its kind if it is not a letter.
#[must_use]
pub fn name(c: char) -> &'static str {
    find(c).map_or("rare characters", |&(_, _, name, _)| name)
}

/// An encoder on the hub whose vocabulary covers the characters with this [`name`], if one is known.
#[must_use]
pub fn encoder_for(name: &str) -> Option<&'static str> {
    RANGES.iter().any(|&(_, _, found, has)| found == name && has).then_some(MULTILINGUAL)
}

fn find(c: char) -> Option<&'static (u32, u32, &'static str, bool)> {
    let c = u32::from(c);
    let after = RANGES.partition_point(|&(first, ..)| first <= c);
    RANGES[..after].last().filter(|&&(_, last, ..)| c <= last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ranges_are_in_order_and_do_not_overlap() {
        assert!(RANGES.iter().all(|(first, last, ..)| first <= last));
        assert!(RANGES.windows(2).all(|pair| pair[0].1 < pair[1].0));
    }
}
