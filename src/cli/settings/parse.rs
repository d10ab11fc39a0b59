//! The values of the flags. A value that is not even a number gets the limits of its setting as the answer; a number outside the
//! limits is refused by [`RunConfig::validate`](crate::config::RunConfig::validate).

use std::str::FromStr;

use serde::de::{DeserializeOwned, IntoDeserializer, value};

use crate::config::PromptInit;
use crate::config::describe::{self, SettingKind};

/// A parser of the whole numbers of the setting with this path.
pub(crate) fn whole<T>(path: &'static str) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: FromStr + Clone + Send + Sync + 'static,
{
    move |word| word.trim().parse().map_err(|_| refusal(path, word.trim()))
}

/// A parser of the numbers of the setting with this path.
pub(super) fn decimal(path: &'static str) -> impl Fn(&str) -> Result<f64, String> + Clone + Send + Sync + 'static {
    move |word| word.trim().parse().map_err(|_| refusal(path, word.trim()))
}

/// What is wrong with a word for the number of a setting, and what to do.
fn refusal(path: &str, word: &str) -> String {
    let digits = |word: &str| !word.is_empty() && word.bytes().all(|letter| letter.is_ascii_digit());
    let kind = describe::setting(path).map(|setting| setting.kind);
    let problem = match word.strip_prefix('-') {
        Some(number) if digits(number) => "it is too small",
        _ if digits(word) => "it is too large",
        _ if word.parse::<f64>().is_ok() => "it is not a whole number",
        _ => "it is not a number",
    };
    match kind {
        Some(SettingKind::Integer { limits } | SettingKind::Decimal { limits } | SettingKind::Percent { limits }) => {
            format!("{problem}; use {}", limits.words())
        }
        _ => problem.to_owned(),
    }
}

/// A setting with a fixed set of values, by its serde name.
///
/// # Errors
/// The valid values.
pub(crate) fn choice<T: DeserializeOwned>(word: &str) -> Result<T, value::Error> {
    T::deserialize(word.into_deserializer())
}

/// # Errors
/// The valid words.
pub(super) fn init(word: &str) -> Result<PromptInit, String> {
    match word.split_once(':') {
        Some(("text", text)) => Ok(PromptInit::Text(text.to_owned())),
        _ => match word {
            "random" => Ok(PromptInit::Random),
            "vocabulary" => Ok(PromptInit::Vocabulary),
            "labels" => Ok(PromptInit::Labels),
            _ => Err("expected `random`, `vocabulary`, `labels` or `text:` followed by a text".to_owned()),
        },
    }
}

/// Evaluations without a lower held-out loss before a run stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patience(pub(super) Option<usize>);

/// # Errors
/// What it can be.
pub(super) fn patience(word: &str) -> Result<Patience, String> {
    match word {
        "never" => Ok(Patience(None)),
        number => number.trim().parse().map(|n| Patience(Some(n))).map_err(|_| refusal("eval.patience", number) + ", or `never`"),
    }
}
