//! HTML from data. Everything from outside is escaped here, and numbers are formatted here.

use std::fmt::Write as _;

/// A text as HTML, for elements and quoted attributes. Control characters that are invalid in HTML become spaces.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A message of the crate as HTML: what is in backticks is code.
pub(super) fn message(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once('`') {
        out += &escape(before);
        rest = match behind.split_once('`') {
            Some((code, after)) if !code.is_empty() => {
                let _ = write!(out, "<code>{}</code>", escape(code));
                after
            }
            // It is a character of the text.
            _ => {
                out.push('`');
                behind
            }
        };
    }
    out + &escape(rest)
}

/// The first characters of a text, escaped.
pub(super) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => escape(&text[..end]) + "…",
        None => escape(text),
    }
}

/// A share as a percentage.
pub(super) fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.1}%", share * 100.0) } else { "-".to_owned() }
}

/// `12,345`
pub(super) fn count(n: impl TryInto<u64>) -> String {
    let digits = n.try_into().unwrap_or(u64::MAX).to_string();
    let mut out = String::with_capacity(digits.len() + 4);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 row`, `2,000 rows`
pub(super) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// A section under a heading; `body` is HTML.
pub(super) fn section(title: &str, body: &str) -> String {
    format!("<section>\n<h2>{}</h2>\n{body}</section>\n", escape(title))
}

/// A paragraph; the text is a [`message`].
pub(super) fn paragraph(text: &str) -> String {
    format!("<p>{}</p>\n", message(text))
}

/// Names and values; the values are HTML.
pub(super) fn facts(facts: &[(&str, String)]) -> String {
    let mut out = String::from("<dl>\n");
    for (name, value) in facts {
        let _ = writeln!(out, "<div><dt>{}</dt><dd>{value}</dd></div>", escape(name));
    }
    out + "</dl>\n"
}

/// A scrollable table; the first cell of a row is its heading. Cells are HTML. `figures`: all other columns are numbers.
pub(super) fn table(name: &str, head: &[&str], rows: &[Vec<String>], figures: bool) -> String {
    let class = if figures { " class=\"figures\"" } else { "" };
    let mut out =
        format!("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{}\">\n<table{class}>\n", escape(name));
    let head: String = head.iter().map(|cell| format!("<th scope=\"col\">{}</th>", escape(cell))).collect();
    let _ = writeln!(out, "<thead><tr>{head}</tr></thead>\n<tbody>");
    for row in rows {
        let mut cells = row.iter();
        let first = cells.next().map_or("", String::as_str);
        let rest: String = cells.map(|cell| format!("<td>{cell}</td>")).collect();
        let _ = writeln!(out, "<tr><th scope=\"row\">{first}</th>{rest}</tr>");
    }
    out + "</tbody>\n</table>\n</div>\n"
}

#[cfg(test)]
mod tests {
    use super::message;

    #[test]
    fn backticks_become_code_and_everything_is_escaped() {
        assert_eq!(
            message("the sheet `a <b>` is read; `c` not"),
            "the sheet <code>a &lt;b&gt;</code> is read; <code>c</code> not"
        );
        assert_eq!(message("no <code> here"), "no &lt;code&gt; here");
        // Backticks without a partner stay, and no character is lost.
        assert_eq!(message("it`s `x`"), "it<code>s </code>x`");
        assert_eq!(message("``x``"), "`<code>x</code>`");
        assert_eq!(message("`"), "`");
        assert_eq!(message(""), "");
    }
}
