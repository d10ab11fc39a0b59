//! Classifies the content of a cell: words, a number, a date, an id, a URL, a user agent.

/// The kind of a cell's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Words,
    Number,
    /// A date, a time, or other digits with punctuation.
    Time,
    /// An id, a hash, an identifier.
    Code,
    /// A URL, an email address or a file name.
    Link,
    /// A user agent.
    Agent,
}

impl Kind {
    /// The kind as a phrase, for notes.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Words => "words",
            Self::Number => "numbers",
            Self::Time => "dates or times",
            Self::Code => "ids",
            Self::Link => "URLs, email addresses or file names",
            Self::Agent => "user agents",
        }
    }

    /// The kind of a non-empty cell.
    pub(super) fn of(cell: &str) -> Self {
        if is_number(cell) {
            Self::Number
        } else if is_time(cell) {
            Self::Time
        } else if is_agent(cell) {
            Self::Agent
        } else if cell.contains(char::is_whitespace) {
            Self::Words
        } else if is_link(cell) {
            Self::Link
        } else if is_code(cell) {
            Self::Code
        } else {
            Self::Words
        }
    }
}

fn is_number(cell: &str) -> bool {
    if cell.len() > 40 || !cell.bytes().any(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let bare = cell.trim_matches(|sign: char| "%$€£¥ +~<>".contains(sign));
    bare.parse::<f64>().is_ok() || bare.replace([',', ' ', '\u{a0}', '\''], "").parse::<f64>().is_ok()
}

/// Words in dates and times, in lower case. For months and days, the first three letters are compared.
#[rustfmt::skip]
const TIME_WORDS: &[&str] = &[
    "t", "z", "am", "pm", "utc", "gmt", "est", "edt", "cst", "cdt", "mst", "mdt", "pst", "pdt", "cet", "cest", "bst", "ist", "jst",
    "st", "nd", "rd", "th", "h", "uhr", "de",
];
#[rustfmt::skip]
const TIME_STEMS: &[&str] = &[
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "mon", "tue", "wed", "thu", "fri", "sat", "sun",
    "mai", "okt", "dez", "mär", "fév", "avr", "ene", "abr", "ago", "dic",
];

/// At least two groups of digits, and otherwise only punctuation and words of dates.
fn is_time(cell: &str) -> bool {
    if cell.len() > 60 {
        return false;
    }
    let (mut figures, mut in_figure, mut word) = (0, false, String::new());
    for letter in cell.chars().chain([' ']) {
        if letter.is_alphabetic() && !"年月日时分秒時年월일시분초".contains(letter) {
            word.extend(letter.to_lowercase());
            in_figure = false;
            continue;
        }
        if !word.is_empty() {
            let stem: String = word.chars().take(3).collect();
            let month = TIME_STEMS.contains(&stem.as_str()) && word.chars().count() <= 10;
            if !month && !TIME_WORDS.contains(&word.as_str()) {
                return false;
            }
            word.clear();
        }
        if letter.is_ascii_digit() {
            figures += usize::from(!in_figure);
            in_figure = true;
        } else {
            in_figure = false;
            if !letter.is_alphabetic() && !" -/.:,+()'–".contains(letter) {
                return false;
            }
        }
    }
    figures >= 2
}

fn is_agent(cell: &str) -> bool {
    ["Mozilla/", "Opera/", "Dalvik/", "curl/", "okhttp/", "python-requests/"].iter().any(|start| cell.starts_with(start))
}

/// For a cell without white space.
fn is_link(cell: &str) -> bool {
    let separators = |sign: char| cell.chars().filter(|&letter| letter == sign).count();
    let extension = cell.rsplit_once('.').map_or("", |(_, extension)| extension);
    let mail = cell.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    let file = !cell.starts_with('.')
        && (2..=5).contains(&extension.len())
        && extension.bytes().all(|byte| byte.is_ascii_alphanumeric());
    cell.contains("://")
        || cell.starts_with("www.")
        || mail
        || cell.is_ascii() && (separators('/') >= 2 || separators('\\') >= 2)
        || cell.is_ascii() && file && FILES.contains(&extension.to_ascii_lowercase().as_str())
}

/// File name extensions.
#[rustfmt::skip]
const FILES: &[&str] = &[
    "txt", "csv", "tsv", "json", "jsonl", "xml", "html", "htm", "pdf", "doc", "docx", "xls", "xlsx", "png", "jpg", "jpeg", "gif", "svg",
    "wav", "mp3", "mp4", "flac", "ogg", "zip", "eml", "log", "md", "py", "com", "org", "net",
];

/// For a cell without white space: ASCII letters and a digit, a name with underscores, or longer than any word.
fn is_code(cell: &str) -> bool {
    cell.is_ascii() && (cell.bytes().any(|byte| byte.is_ascii_digit()) || cell.contains('_') || cell.len() >= 40)
}

/// Number of words in a cell. In scripts without spaces, a character counts half.
pub(super) fn words(cell: &str) -> f64 {
    let word = |token: &str| {
        let unspaced = token.chars().filter(|&letter| is_unspaced(letter)).count();
        if unspaced > 0 {
            (unspaced as f64 / 2.0).max(1.0)
        } else if token.chars().any(char::is_alphabetic) && !(token.is_ascii() && token.bytes().any(|byte| byte.is_ascii_digit()))
        {
            1.0
        } else {
            0.0
        }
    };
    cell.split_whitespace().map(word).sum()
}

/// Characters of scripts that are written without spaces: Thai, Lao, Tibetan, Burmese, Khmer, Japanese and Chinese.
fn is_unspaced(letter: char) -> bool {
    matches!(
        letter,
        '\u{E00}'..='\u{EFF}' | '\u{F00}'..='\u{FFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' | '\u{3040}'..='\u{30FF}'
            | '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{FF66}'..='\u{FF9D}' | '\u{20000}'..='\u{3FFFF}'
    )
}

/// A cell with every number replaced by 0: cells with the same pattern have the same shape.
pub(super) fn shape(cell: &str) -> String {
    let mut shape = String::with_capacity(cell.len());
    for letter in cell.chars() {
        let letter = if letter.is_ascii_digit() { '0' } else { letter };
        if letter != '0' || !shape.ends_with('0') {
            shape.push(letter);
        }
    }
    shape
}
