//! Objects that hold several texts, or one text in parts, as programs for chatbots write them: an intent with its phrases
//! (`{"tag": "greeting", "patterns": ["hi", "hello"]}`; Amazon Lex, Dialogflow), a phrase with its entities marked (Snips).

use super::super::header::is_text_name;
use super::value::{Json, Members, member};

/// Names of a list of texts that belong to one object. Lower case, without marks.
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
/// Names of a list of the parts of one text.
const PARTS: &[&str] = &["data", "parts"];

/// One object for each text, with the other members of the object; the second value is the name of the list. An object without such
/// a list, or with a text of its own, stays as it is.
pub(super) fn expand(members: Members) -> (Vec<Members>, Option<String>) {
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

/// The same object with the text whose parts are in a list as one text; for an object of another kind the same.
pub(super) fn with_text(mut members: Members) -> Members {
    if member(&members, "text").is_none()
        && let Some(at) = members.iter().position(|(name, value)| PARTS.contains(&name.as_str()) && joined(value).is_some())
    {
        members[at] = ("text".to_owned(), Json::Text(joined(&members[at].1).unwrap_or_default()));
    }
    members
}

/// A list of texts, each one plain or in parts.
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

/// The text of parts, `[{"text": "a table at "}, {"text": "noon", "entity": "time"}]`.
fn joined(value: &Json) -> Option<String> {
    let parts = value.as_list().filter(|parts| !parts.is_empty())?;
    parts.iter().map(|part| part.get("text").and_then(Json::as_text)).collect()
}

fn bare(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
