//! Python and JavaScript literals: single quotes, tuples, unquoted keys, trailing commas.

use super::value::{Json, Members};

/// Maximum nesting depth of lists.
const DEPTH: usize = 64;

/// All values of a text: one, or several separated by commas or white space. `None` for anything that is not supported.
pub(super) fn values(text: &str) -> Option<Vec<Json>> {
    let mut reader = Reader { text, at: assignment(text) };
    let mut values = Vec::new();
    loop {
        reader.blanks();
        while reader.take(',') || reader.take(';') {
            reader.blanks();
        }
        if reader.rest().is_empty() {
            return Some(values);
        }
        values.push(reader.value(0)?);
    }
}

/// Whether a text begins like one of these.
pub(super) fn begins(text: &str) -> bool {
    let at = assignment(text);
    let mut letters = text[at..].chars().filter(|letter| !letter.is_whitespace());
    let name = |letter: char| letter.is_alphabetic() || letter == '_';
    match (letters.next(), letters.next(), letters.next()) {
        (Some('('), Some('\'' | '"'), _) | (Some('['), Some('(' | '\''), _) => true,
        (Some('['), Some('['), Some('\'')) | (Some('{'), Some('\''), _) => true,
        (Some('['), Some('{'), Some(letter)) => letter == '\'' || name(letter),
        (Some('{'), Some(letter), _) => name(letter) && text[at..].lines().next().is_some_and(|line| line.contains(':')),
        (Some('['), Some('"'), _) => at > 0,
        _ => false,
    }
}

/// The offset of the value of `const data = ...` or `data = ...`; 0 without an assignment.
fn assignment(text: &str) -> usize {
    let mut start = 0;
    let comment = |line: &str| {
        line.trim().is_empty() || ["#", "//", "import ", "from "].iter().any(|begin| line.trim_start().starts_with(begin))
    };
    for line in text.split_inclusive('\n').take_while(|line| comment(line)) {
        start += line.len();
    }
    let Some((before, _)) = text[start..].split_once(['[', '{', '(']) else { return 0 };
    let trimmed = before.trim_end();
    let assigned = trimmed.ends_with('=') || trimmed.ends_with("export default");
    let words = trimmed.trim_end_matches('=').split_whitespace().count();
    if assigned && words <= 4 && !before.contains('"') { start + before.len() } else { 0 }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, letter: char) -> bool {
        let found = self.peek() == Some(letter);
        self.at += if found { letter.len_utf8() } else { 0 };
        found
    }

    /// Skips white space and comments.
    fn blanks(&mut self) {
        loop {
            let rest = self.rest();
            let bare = rest.trim_start();
            self.at += rest.len() - bare.len();
            if !(bare.starts_with("//") || bare.starts_with('#')) {
                return;
            }
            self.at += bare.find('\n').unwrap_or(bare.len());
        }
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        self.blanks();
        match self.peek().filter(|_| depth < DEPTH)? {
            '[' => self.list(']', depth),
            '(' => self.list(')', depth),
            '{' => self.object(depth),
            '"' | '\'' | '`' => self.text().map(Json::Text),
            letter if letter.is_ascii_digit() || matches!(letter, '-' | '+' | '.') => self.number(),
            _ => self.word(),
        }
    }

    fn list(&mut self, close: char, depth: usize) -> Option<Json> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.blanks();
            if self.take(close) {
                return Some(Json::List(items));
            }
            items.push(self.value(depth + 1)?);
            self.blanks();
            if !self.take(',') && self.peek() != Some(close) {
                return None;
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<Json> {
        self.at += 1;
        let mut members = Members::new();
        loop {
            self.blanks();
            if self.take('}') {
                return Some(Json::Object(members));
            }
            let name = match self.peek()? {
                '"' | '\'' | '`' => self.text()?,
                _ => self.name()?,
            };
            self.blanks();
            if !self.take(':') {
                return None;
            }
            members.push((name, self.value(depth + 1)?));
            self.blanks();
            if !self.take(',') && self.peek() != Some('}') {
                return None;
            }
        }
    }

    fn text(&mut self) -> Option<String> {
        let quote = self.peek()?;
        self.at += 1;
        let mut text = String::new();
        loop {
            let letter = self.peek()?;
            self.at += letter.len_utf8();
            match letter {
                letter if letter == quote => return Some(text),
                '\n' if quote != '`' => return None,
                '\\' => self.escape(&mut text)?,
                letter => text.push(letter),
            }
        }
    }

    fn escape(&mut self, text: &mut String) -> Option<()> {
        let letter = self.peek()?;
        self.at += letter.len_utf8();
        let digits = match letter {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        if digits > 0 {
            let mut code = self.code(digits)?;
            // A surrogate pair.
            if (0xD800..0xDC00).contains(&code) && self.rest().starts_with("\\u") {
                let before = self.at;
                self.at += 2;
                match self.code(4).filter(|low| (0xDC00..0xE000).contains(low)) {
                    Some(low) => code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00),
                    None => self.at = before,
                }
            }
            text.push(char::from_u32(code).unwrap_or('\u{FFFD}'));
            return Some(());
        }
        match letter {
            'n' => text.push('\n'),
            't' => text.push('\t'),
            'r' => text.push('\r'),
            'b' => text.push('\u{8}'),
            'f' => text.push('\u{C}'),
            '0' | '\n' => {}
            letter @ ('\\' | '\'' | '"' | '`' | '/') => text.push(letter),
            letter => text.extend(['\\', letter]),
        }
        Some(())
    }

    fn code(&mut self, digits: usize) -> Option<u32> {
        let code = u32::from_str_radix(self.rest().get(..digits)?, 16).ok()?;
        self.at += digits;
        Some(code)
    }

    fn number(&mut self) -> Option<Json> {
        let rest = self.rest();
        let end = rest.find(|letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, '-' | '+' | '.' | '_')));
        let word = &rest[..end.unwrap_or(rest.len())];
        let value: f64 = word.replace('_', "").parse().ok()?;
        let whole = word.parse::<i64>().map(|number| number.to_string());
        let number = whole.unwrap_or_else(|_| super::super::workbook::number(value));
        self.at += word.len();
        Some(if value.is_finite() { Json::Number(number) } else { Json::Null })
    }

    fn name(&mut self) -> Option<String> {
        let rest = self.rest();
        let end = rest.find(|letter: char| !(letter.is_alphanumeric() || matches!(letter, '_' | '$')))?;
        let name = rest[..end].to_owned();
        self.at += end;
        (!name.is_empty()).then_some(name)
    }

    fn word(&mut self) -> Option<Json> {
        let rest = self.rest();
        let end = rest.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(rest.len());
        let value = match &rest[..end] {
            "true" | "True" => Json::Bool(true),
            "false" | "False" => Json::Bool(false),
            "null" | "None" | "undefined" | "NaN" | "nan" => Json::Null,
            // `u'text'` of Python 2.
            "u" | "r" if rest[end..].starts_with(['\'', '"']) => {
                self.at += end;
                return self.text().map(Json::Text);
            }
            _ => return None,
        };
        self.at += end;
        Some(value)
    }
}
