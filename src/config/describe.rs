//! The label, description, other names and limits of every setting of a [`RunConfig`], for `--help` and the page.
//! [`RunConfig::validate`] checks against the same table.

use serde::Serialize;
use serde_json::Value;

use super::RunConfig;
use crate::error::{Error, Result};

mod methods;
mod settings;

/// A group of related settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS), ts(rename = "SettingGroup"))]
pub struct Group {
    /// The heading of the group.
    pub title: &'static str,
    /// In display order.
    pub options: &'static [Setting],
}

/// A setting.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct Setting {
    /// Its path in the config, such as `optim.batch_size`.
    pub path: &'static str,
    /// The name that is displayed.
    pub label: &'static str,
    /// Its other names: in the Hugging Face Trainer, PEFT, SetFit, PyTorch and scikit-learn, and further search terms.
    pub also: &'static [&'static str],
    /// What it does, in a sentence or two.
    pub help: &'static str,
    /// The unit of a number; for a share, what it is a percentage of.
    pub unit: Option<&'static str>,
    /// What is used if the setting is left out; `None` if it is required.
    pub absent: Option<&'static str>,
    /// Its type and limits.
    pub kind: SettingKind,
    /// Where the setting applies: if all conditions of at least one list hold. Without a list, it always applies.
    pub when: &'static [&'static [Condition]],
}

/// The type of a setting, and its limits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub enum SettingKind {
    /// A whole number.
    Integer {
        /// Its limits.
        limits: Limits,
    },
    /// A number.
    Decimal {
        /// Its limits.
        limits: Limits,
    },
    /// A share, 0.2 in the config and displayed as 20%.
    Percent {
        /// Its limits, as in the config.
        limits: Limits,
    },
    /// One of several choices.
    Choice {
        /// The choices.
        choices: &'static [Choice],
    },
    /// One of several choices, or `{ text }` with a text from the user.
    ChoiceOrText {
        /// The choices; the one for a text is `text`.
        choices: &'static [Choice],
    },
    /// A list with at least one of several choices.
    List {
        /// The choices.
        choices: &'static [Choice],
    },
    /// On or off.
    Switch,
    /// A group of settings that may be left out as a whole.
    Part,
    /// A column of the data: its name, or its number counted from 1.
    Column,
    /// A sheet of a workbook: its name.
    Sheet,
    /// Stages on partial encoders, at least one; their shares sum to less than 1.
    Stages {
        /// Limits of each stage's share of the steps.
        share: Limits,
        /// Limits of each stage's share of the encoder.
        size: Limits,
    },
}

/// One of the values of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct Choice {
    /// The value in the config.
    pub value: &'static str,
    /// The name that is displayed.
    pub label: &'static str,
    /// What it does, if the label does not say it.
    pub help: &'static str,
    /// The paper it comes from, if there is one.
    pub source: &'static str,
}

/// Limits of a number. An absent limit does not apply.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct Limits {
    /// The smallest allowed value.
    pub minimum: Option<f64>,
    /// The value must be larger than this.
    pub above: Option<f64>,
    /// The largest allowed value.
    pub maximum: Option<f64>,
    /// The value must be smaller than this.
    pub below: Option<f64>,
}

/// A condition on a config: the value at a path is one of some values, or none of some values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS))]
pub struct Condition {
    /// The path.
    pub path: &'static str,
    /// The value must be one of these, if there are any.
    pub one_of: &'static [ConditionValue],
    /// The value must be none of these.
    pub none_of: &'static [ConditionValue],
}

/// A value in a condition.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
#[cfg_attr(all(test, not(target_family = "wasm")), derive(ts_rs::TS), ts(rename = "Plain"))]
pub enum ConditionValue {
    /// A choice.
    Word(&'static str),
    /// A switch.
    Switch(bool),
    /// A whole number.
    Number(u32),
    /// Left out.
    Nothing,
}

/// All settings, in groups. Each leaf of the config occurs once.
#[must_use]
pub fn groups() -> &'static [Group] {
    settings::GROUPS
}

/// The setting with a path.
#[must_use]
pub fn setting(path: &str) -> Option<&'static Setting> {
    groups().iter().flat_map(|group| group.options).find(|setting| setting.path == path)
}

/// The displayed name of a method, by its name in the settings.
#[must_use]
pub fn method_label(method: &str) -> &str {
    let choices = match setting("prompt.method").map(|setting| setting.kind) {
        Some(SettingKind::Choice { choices }) => choices,
        _ => &[],
    };
    choices.iter().find(|choice| choice.value == method).map_or(method, |choice| choice.label)
}

/// The value at a path of a config's JSON; `None` if a parent is left out.
#[must_use]
pub fn value_at<'a>(config: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(config, |value, key| value.get(key))
}

impl Setting {
    /// Whether the setting applies to a config, given as JSON.
    #[must_use]
    pub fn applies(&self, config: &Value) -> bool {
        self.when.is_empty() || self.when.iter().any(|all| all.iter().all(|condition| condition.holds(config)))
    }

    /// Rejects a value outside the limits.
    fn check(&self, config: &Value) -> Result<()> {
        let Some(value) = value_at(config, self.path) else { return Ok(()) };
        let refuse = |(problem, hint): (String, String)| Err(Error::config(self.path, problem, hint));
        let found = match self.kind {
            _ if value.is_null() && self.absent.is_some() => None,
            SettingKind::Integer { limits } | SettingKind::Decimal { limits } => limits.refusal(value, "use"),
            SettingKind::Percent { limits } => limits.refusal(value, "give a share of"),
            SettingKind::Choice { choices } => unknown(std::slice::from_ref(value), choices),
            SettingKind::List { choices } => {
                let words = value.as_array().map_or(&[][..], Vec::as_slice);
                let none = words.is_empty().then(|| ("the list is empty".to_owned(), among(choices)));
                none.or_else(|| unknown(words, choices))
            }
            SettingKind::Stages { share, size } => {
                let stages = value.as_array().map_or(&[][..], Vec::as_slice);
                let one = |stage: &Value| {
                    let [of_steps, of_encoder] = ["share", "size"].map(|key| &stage[key]);
                    let shares = share.refusal(of_steps, "give each stage a share of the steps");
                    shares.or_else(|| size.refusal(of_encoder, "give each stage a share of the encoder"))
                };
                stages.iter().find_map(one)
            }
            SettingKind::Part if !value.is_null() && !self.applies(config) => {
                Some(("it does not apply to this method".to_owned(), "leave it out".to_owned()))
            }
            SettingKind::ChoiceOrText { .. }
            | SettingKind::Switch
            | SettingKind::Part
            | SettingKind::Column
            | SettingKind::Sheet => None,
        };
        found.map_or(Ok(()), refuse)
    }

    const fn new(path: &'static str, label: &'static str, help: &'static str, kind: SettingKind) -> Self {
        Self { path, label, also: &[], help, unit: None, absent: None, kind, when: &[] }
    }

    const fn also(self, also: &'static [&'static str]) -> Self {
        Self { also, ..self }
    }

    const fn unit(self, unit: &'static str) -> Self {
        Self { unit: Some(unit), ..self }
    }

    const fn or_absent(self, meaning: &'static str) -> Self {
        Self { absent: Some(meaning), ..self }
    }

    const fn when(self, when: &'static [&'static [Condition]]) -> Self {
        Self { when, ..self }
    }
}

impl Limits {
    const ANY: Self = Self { minimum: None, above: None, maximum: None, below: None };
    /// Above 0.
    const POSITIVE: Self = Self { above: Some(0.0), ..Self::ANY };
    /// From 0 to less than 1.
    const SHARE: Self = Self { minimum: Some(0.0), below: Some(1.0), ..Self::ANY };

    const fn from(minimum: u32) -> Self {
        Self { minimum: Some(minimum as f64), ..Self::ANY }
    }

    const fn to(self, maximum: u64) -> Self {
        Self { maximum: Some(maximum as f64), ..self }
    }

    const fn below(self, below: u32) -> Self {
        Self { below: Some(below as f64), ..self }
    }

    /// Whether a number is within the limits.
    #[must_use]
    pub fn contain(&self, number: f64) -> bool {
        self.large_enough(number) && self.small_enough(number)
    }

    fn large_enough(&self, number: f64) -> bool {
        number.is_finite() && self.minimum.is_none_or(|least| number >= least) && self.above.is_none_or(|least| number > least)
    }

    fn small_enough(&self, number: f64) -> bool {
        number.is_finite() && self.maximum.is_none_or(|most| number <= most) && self.below.is_none_or(|most| number < most)
    }

    /// In words: `1 to 500`, `1 or more`, `more than 0 and less than 1`.
    #[must_use]
    pub fn words(&self) -> String {
        if let (Some(least), Some(most)) = (self.minimum, self.maximum) {
            return format!("{least} to {most}");
        }
        let lower = self.minimum.map(|least| format!("{least} or more")).or(self.above.map(|least| format!("more than {least}")));
        let upper = self.maximum.map(|most| format!("at most {most}")).or(self.below.map(|most| format!("less than {most}")));
        lower.into_iter().chain(upper).collect::<Vec<_>>().join(" and ")
    }

    /// What is wrong with a value, and what to do: `ask`, then the limits in words.
    fn refusal(&self, value: &Value, ask: &str) -> Option<(String, String)> {
        // Non-finite numbers are null in JSON.
        let problem = match value.as_f64() {
            None => "that is not a number".to_owned(),
            Some(number) if !self.large_enough(number) => format!("{value} is too small"),
            Some(number) if !self.small_enough(number) => format!("{value} is too large"),
            Some(_) => return None,
        };
        Some((problem, format!("{ask} {}", self.words())))
    }
}

impl Condition {
    const fn is(path: &'static str, one_of: &'static [ConditionValue]) -> Self {
        Self { path, one_of, none_of: &[] }
    }

    const fn is_not(path: &'static str, none_of: &'static [ConditionValue]) -> Self {
        Self { path, one_of: &[], none_of }
    }

    /// Whether it holds for a config, given as JSON.
    #[must_use]
    pub fn holds(&self, config: &Value) -> bool {
        let value = value_at(config, self.path).unwrap_or(&Value::Null);
        let among = |list: &[ConditionValue]| list.iter().any(|plain| plain.is(value));
        (self.one_of.is_empty() || among(self.one_of)) && !among(self.none_of)
    }
}

impl ConditionValue {
    fn is(&self, value: &Value) -> bool {
        match *self {
            Self::Word(word) => value.as_str() == Some(word),
            Self::Switch(on) => value.as_bool() == Some(on),
            Self::Number(number) => value.as_u64() == Some(number.into()),
            Self::Nothing => value.is_null(),
        }
    }
}

impl Choice {
    const fn new(value: &'static str, label: &'static str) -> Self {
        Self { value, label, help: "", source: "" }
    }
}

fn unknown(words: &[Value], choices: &[Choice]) -> Option<(String, String)> {
    let known = |word: &&Value| choices.iter().any(|choice| word.as_str() == Some(choice.value));
    let word = words.iter().find(|word| !known(word))?;
    Some((format!("{word} is not a valid value"), among(choices)))
}

fn among(choices: &[Choice]) -> String {
    let words: Vec<&str> = choices.iter().map(|choice| choice.value).collect();
    format!("use {}", words.join(", "))
}

/// Checks every setting against its limits.
pub(super) fn check(config: &RunConfig) -> Result<()> {
    let config =
        serde_json::to_value(config).map_err(|error| Error::config("config", error.to_string(), "report this as a bug"))?;
    groups().iter().flat_map(|group| group.options).try_for_each(|setting| setting.check(&config))
}
