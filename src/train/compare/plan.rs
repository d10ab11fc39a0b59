//! The plan of a comparison: variants, seeds and a budget, each parsed from text of the command line or the page.

use std::str::FromStr;

use serde_json::Value;

use crate::config::{LARGEST_SEED, MOST_STEPS, Method, PruneConfig, RunConfig};
use crate::error::{Error, Result};

/// The plan of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Settings common to all variants; the seed is set by each cell.
    pub config: RunConfig,
    /// What is compared; differences are relative to the first.
    pub variants: Vec<Variant>,
    /// Each seed gives a split, an order and initial values, the same for all variants.
    pub seeds: Vec<u64>,
    /// The budget of each run.
    pub budget: Option<Spend>,
}

/// Settings with a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// As written by the user.
    pub name: String,
    /// Its settings.
    pub config: RunConfig,
}

/// The training budget of each run. With a budget in seconds or FLOPs, the linear probe has the steps of the settings: its
/// features are computed once, and its steps cost almost nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Spend {
    /// Optimizer steps.
    Steps(usize),
    /// Seconds in steps, without evaluations.
    Seconds(f64),
    /// FLOPs of the encoder, without evaluations.
    Flops(f64),
}

impl FromStr for Spend {
    type Err = Error;

    /// Parses the text of the command line or the page.
    fn from_str(word: &str) -> Result<Self> {
        let expected = "expected `steps:N`, `seconds:S` or `flops:F` with a number above 0";
        let wrong = || Error::config("budget", expected, "steps:500 is an example");
        let (kind, number) = word.split_once(':').ok_or_else(wrong)?;
        let number: f64 = number.parse().map_err(|_| wrong())?;
        match kind {
            _ if !(number.is_finite() && number > 0.0) => Err(wrong()),
            "steps" if number > MOST_STEPS as f64 => {
                Err(Error::config("budget", format!("{word} is too large"), format!("use at most steps:{MOST_STEPS}")))
            }
            "steps" if number.fract() == 0.0 => Ok(Self::Steps(number as usize)),
            "seconds" => Ok(Self::Seconds(number)),
            "flops" => Ok(Self::Flops(number)),
            _ => Err(wrong()),
        }
    }
}

impl Plan {
    /// A plan of variants as written by the user; the linear probe is added if it is not among them.
    ///
    /// # Errors
    /// [`Error::Config`] for an invalid variant, two with the same name, or no variant or seed.
    pub fn new(config: RunConfig, names: &[String], seeds: Vec<u64>, budget: Option<Spend>) -> Result<Self> {
        let names = names.iter().map(String::as_str).filter(|name| *name != "majority");
        let mut variants = names.map(|name| Variant::parse(name, &config)).collect::<Result<Vec<_>>>()?;
        let twice = |i: usize| variants[..i].iter().any(|other| other.name == variants[i].name);
        if variants.is_empty() || (0..variants.len()).any(twice) {
            return Err(Error::config(
                "methods",
                "no method, or the same method twice",
                "use different methods, such as prompt,late,efficient",
            ));
        }
        if seeds.is_empty() || (1..seeds.len()).any(|i| seeds[..i].contains(&seeds[i])) {
            return Err(Error::config(
                "seeds",
                "no seed, or the same seed twice",
                "use a number of seeds, or a list such as 1,2,3",
            ));
        }
        if let Some(seed) = seeds.iter().find(|&&seed| seed > LARGEST_SEED) {
            return Err(Error::config("seeds", format!("{seed} is too large"), format!("use seeds of at most {LARGEST_SEED}")));
        }
        if variants.iter().all(|variant| variant.name != "probe") {
            variants.push(Variant::parse("probe", &config)?);
        }
        Ok(Self { config, variants, seeds, budget })
    }

    /// Names of the table's rows: the variants, then the majority class.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.variants.iter().map(|variant| variant.name.clone()).chain(["majority".to_owned()]).collect()
    }
}

impl Variant {
    /// Parses `METHOD[+path=value...]` on top of other settings: paths are those of [`RunConfig`], values are JSON or a word.
    /// `dept` is `efficient` without fusion and spaces, `xprompt` is `prompt` with pruning.
    ///
    /// # Errors
    /// [`Error::Config`] with the variant and the invalid path.
    pub fn parse(name: &str, base: &RunConfig) -> Result<Self> {
        let wrong = |problem: String, hint: &str| Error::config("methods", format!("{name}: {problem}"), hint);
        let mut parts = name.split('+');
        let mut config = base.clone();
        let method = parts.next().unwrap_or_default();
        config.prompt.prune = None;
        config.prompt.method = match method {
            "dept" => {
                (config.prompt.efficient.fusion, config.prompt.efficient.spaces) = (false, 0);
                Method::Efficient
            }
            "xprompt" => {
                config.prompt.prune = Some(PruneConfig::default());
                Method::Prompt
            }
            word => serde_json::from_value(Value::String(word.to_owned())).map_err(|_| {
                let hint = "methods are probe, prompt, late, progressive, efficient, dept, deep, ensemble, xprompt and auto";
                wrong(format!("there is no method `{word}`"), hint)
            })?,
        };
        for part in parts {
            let hint = "write +path=value with a path of the settings, such as +prompt.length=20";
            let (path, value) = part.split_once('=').ok_or_else(|| wrong(format!("`{part}` has no value"), hint))?;
            let shared = path == "seed" || path == "device" || path.starts_with("data.");
            if shared || path == "prompt.method" {
                return Err(wrong(format!("{path} cannot be set for a single method"), "leave it out"));
            }
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
            config = with(&config, path, value).map_err(|problem| wrong(format!("{path}: {problem}"), hint))?;
        }
        config.validate().map_err(|error| wrong(error.to_string(), &error.report().hint))?;
        Ok(Self { name: name.to_owned(), config })
    }
}

/// Settings with another value at a path.
fn with(config: &RunConfig, path: &str, value: Value) -> Result<RunConfig, String> {
    let mut all = serde_json::to_value(config).map_err(|error| error.to_string())?;
    let mut place = &mut all;
    for part in path.split('.') {
        if place.is_null() {
            // The only setting that is an optional group.
            *place = serde_json::to_value(PruneConfig::default()).map_err(|error| error.to_string())?;
        }
        place = place.get_mut(part).ok_or_else(|| format!("there is no setting `{part}`"))?;
    }
    *place = value;
    serde_json::from_value(all).map_err(|error| error.to_string())
}

/// Splits a list of variants at commas outside brackets and quotes.
#[must_use]
pub fn split(list: &str) -> Vec<String> {
    let (mut names, mut depth, mut quoted) = (vec![String::new()], 0_usize, false);
    for letter in list.chars() {
        match letter {
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => {
                names.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(name) = names.last_mut() {
            name.push(letter);
        }
    }
    names.into_iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}
