//! Objects with several texts, or with one text in parts, as in the exports of chatbot tools: an intent with its phrases
//! (`{"tag": "greeting", "patterns": ["hi", "hello"]}`; Amazon Lex, Dialogflow), or a phrase with marked entities (Snips).

use super::super::header::is_text_name;
use super::value::{Json, Members, member};

/// Names of lists of texts. Lower case, only letters and digits.
const TEXTS: &[&str] = &[
    "patterns",
    "utterances",
    "sampleutterances",
    "examples",
    "texts",
    "sentences",
    "phrases",
    "trainingphrases",
    "samples",
    "questions",
    "expressions",
    "usersays",
];
/// Names of lists of the parts of one text.
const PARTS: &[&str] = &["data", "parts"];

/// One object for each text of a list, with the other members of the object; the second value is the name of the list. An object
/// without such a list, or with its own text, is returned unchanged.
pub(super) fn expand(members: Members) -> (Vec<Members>, Option<String>) {
    // Most objects have no list at all, and are many.
    if members.iter().all(|(_, value)| value.as_list().is_none()) {
        return (vec![members], None);
    }
    let members = with_text(members);
    let has_text = members.iter().any(|(name, value)| value.as_text().is_some() && is_text_name(name));
    let found = members.iter().position(|(name, value)| TEXTS.contains(&bare(name).as_str()) && texts(value).is_some());
    let Some(at) = found.filter(|_| !has_text) else { return (vec![members], None) };
    let name = members[at].0.clone();
    let row = |text: String| {
        let mut row = members.clone();
        row[at] = ("text".to_owned(), Json::Text(text));
        row
    };
    (texts(&members[at].1).unwrap_or_default().into_iter().map(row).collect(), Some(name))
}

/// Joins the parts of an object's text to one text; an object without such parts is returned unchanged.
pub(super) fn with_text(mut members: Members) -> Members {
    if member(&members, "text").is_none()
        && let Some(at) = members.iter().position(|(name, value)| PARTS.contains(&name.as_str()) && joined(value).is_some())
    {
        members[at] = ("text".to_owned(), Json::Text(joined(&members[at].1).unwrap_or_default()));
    }
    members
}

/// The texts of a list, each plain or in parts; `None` for any other value.
fn texts(value: &Json) -> Option<Vec<String>> {
    let items = value.as_list().filter(|items| !items.is_empty())?;
    let text = |item: &Json| match item {
        Json::Text(text) => Some(text.clone()),
        Json::Object(members) => {
            let text =
                member(members, "text").or_else(|| member(members, "utterance")).and_then(Json::as_text).map(str::to_owned);
            text.or_else(|| PARTS.iter().find_map(|name| joined(member(members, name)?)))
        }
        _ => None,
    };
    items.iter().map(text).collect()
}

/// The text that consists of parts, such as `[{"text": "a table at "}, {"text": "noon", "entity": "time"}]`; `None` for any other
/// value.
fn joined(value: &Json) -> Option<String> {
    let parts = value.as_list().filter(|parts| !parts.is_empty())?;
    parts.iter().map(|part| part.get("text").and_then(Json::as_text)).collect()
}

fn bare(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
