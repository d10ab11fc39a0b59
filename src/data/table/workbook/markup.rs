//! Markup of a sheet besides its cell values: hidden rows, merged cells, formulas without a value. Scanned from its XML, tag by
//! tag.

use std::io::{Cursor, Read};

use zip::ZipArchive;

/// Row numbers, counted from 1 and ascending.
#[derive(Debug, Default)]
pub(super) struct Markup {
    /// Rows hidden manually or by a filter.
    pub(super) hidden: Vec<u64>,
    /// Rows with a formula whose value has not been computed by the program that wrote the file.
    pub(super) uncomputed: Vec<u64>,
    /// Whether there are merged cells.
    pub(super) merged: bool,
}

/// The markup of a sheet, by its position in the workbook; empty if its part is not found.
pub(super) fn of(bytes: &[u8], sheet: usize) -> Markup {
    part(bytes, sheet).map_or_else(Markup::default, |xml| read(&xml))
}

/// The XML of a sheet.
fn part(bytes: &[u8], sheet: usize) -> Option<String> {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let workbook = unpacked(&mut zip, "xl/workbook.xml")?;
    let relations = unpacked(&mut zip, "xl/_rels/workbook.xml.rels")?;
    let id = Tags(&workbook).filter(|tag| tag.name == "sheet").nth(sheet)?.attribute("id")?;
    let target = Tags(&relations)
        .filter(|tag| tag.name == "Relationship" && tag.attribute("Id") == Some(id))
        .find_map(|tag| tag.attribute("Target"))?;
    let path = target.strip_prefix('/').map_or_else(|| format!("xl/{}", target.trim_start_matches("./")), str::to_owned);
    unpacked(&mut zip, &path)
}

/// A part of the workbook; its size has been checked before.
fn unpacked(zip: &mut ZipArchive<Cursor<&[u8]>>, path: &str) -> Option<String> {
    let index = (0..zip.len()).find(|&index| {
        zip.by_index_data(index)
            .ok()
            .and_then(|entry| entry.name().ok().map(|name| name.replace('\\', "/").eq_ignore_ascii_case(path)))
            .unwrap_or(false)
    })?;
    let mut content = Vec::new();
    zip.by_index(index).ok()?.read_to_end(&mut content).ok()?;
    Some(String::from_utf8_lossy(&content).into_owned())
}

fn read(xml: &str) -> Markup {
    let mut markup = Markup::default();
    let mut row = 0_u64;
    // For the current cell: whether it has a formula and a value.
    let (mut formula, mut valued) = (false, false);
    for tag in Tags(xml) {
        match (tag.name, tag.closes) {
            ("row", false) => {
                row = tag.attribute("r").and_then(|number| number.parse().ok()).unwrap_or(row + 1);
                if tag.attribute("hidden").is_some_and(|hidden| hidden == "1" || hidden == "true") {
                    markup.hidden.push(row);
                }
            }
            ("c", false) => (formula, valued) = (false, matches!(tag.attribute("t"), Some("str" | "inlineStr" | "e"))),
            ("f", false) => formula = true,
            ("v", false) => valued |= !tag.behind.is_empty(),
            ("c", true) if formula && !valued && markup.uncomputed.last() != Some(&row) => markup.uncomputed.push(row),
            ("mergeCell", false) => markup.merged = true,
            _ => {}
        }
    }
    markup.hidden.sort_unstable();
    markup.hidden.dedup();
    markup.uncomputed.sort_unstable();
    markup.uncomputed.dedup();
    markup
}

/// An XML tag.
struct Tag<'a> {
    /// The name without its namespace prefix.
    name: &'a str,
    /// `</name>`.
    closes: bool,
    attributes: &'a str,
    /// The text between this tag and the next.
    behind: &'a str,
}

impl<'a> Tag<'a> {
    /// The value of an attribute, with or without a namespace prefix.
    fn attribute(&self, name: &str) -> Option<&'a str> {
        let mut rest = self.attributes;
        while let Some((before, behind)) = rest.split_once('=') {
            let quote = behind.trim_start().chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
            let (value, next) = behind.trim_start()[1..].split_once(quote)?;
            let found = before.trim();
            if found == name || found.rsplit_once(':').is_some_and(|(_, local)| local == name) {
                return Some(value);
            }
            rest = next;
        }
        None
    }
}

/// The tags of an XML text, in order.
struct Tags<'a>(&'a str);

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        let (_, rest) = self.0.split_once('<')?;
        if let Some(comment) = rest.strip_prefix("!--") {
            self.0 = comment.split_once("-->").map_or("", |(_, behind)| behind);
            return self.next();
        }
        let (inside, behind) = rest.split_once('>')?;
        self.0 = behind;
        let closes = inside.starts_with('/');
        let inside = inside.trim_start_matches('/').trim_end_matches('/');
        let (name, attributes) = inside.split_once(char::is_whitespace).unwrap_or((inside, ""));
        let name = name.rsplit_once(':').map_or(name, |(_, local)| local);
        Some(Tag { name, closes, attributes, behind: behind.split('<').next().unwrap_or_default() })
    }
}
