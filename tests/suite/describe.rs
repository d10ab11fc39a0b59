//! The description of the settings against the settings themselves.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use softprompt::config::describe::{Limits, Setting, SettingKind, groups, setting, value_at};
use softprompt::config::{Generator, Method, PruneConfig, RunConfig};
use softprompt::error::Error;
use wasm_bindgen_test::wasm_bindgen_test;

fn settings() -> impl Iterator<Item = &'static Setting> {
    groups().iter().flat_map(|group| group.options)
}

/// The defaults, with the one part that is usually left out.
fn whole() -> Value {
    let mut config = RunConfig::default();
    config.prompt.prune = Some(PruneConfig::default());
    serde_json::to_value(config).unwrap()
}

/// Every path to a value that is no group of its own. A list is one value.
fn leaves(value: &Value, above: &str, found: &mut BTreeSet<String>) {
    let Value::Object(fields) = value else {
        found.insert(above.to_owned());
        return;
    };
    for (name, value) in fields {
        leaves(value, &if above.is_empty() { name.clone() } else { format!("{above}.{name}") }, found);
    }
}

/// `whole()` with another value at a path, as a config; none where it is of another kind.
fn with(path: &str, value: Value) -> Option<RunConfig> {
    let mut config = whole();
    let (place, name) = path.rsplit_once('.').map_or(("", path), |(place, name)| (place, name));
    let place =
        if place.is_empty() { &mut config } else { config.pointer_mut(&format!("/{}", place.replace('.', "/"))).unwrap() };
    place[name] = value;
    serde_json::from_value(config).ok()
}

fn refused(config: &RunConfig) -> Option<&'static str> {
    match config.validate() {
        Ok(()) => None,
        Err(Error::Config { field, .. }) => Some(field),
        Err(other) => panic!("{other}"),
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn every_leaf_of_the_config_is_described_once() {
    let mut leaf = BTreeSet::new();
    leaves(&whole(), "", &mut leaf);
    // The part itself can be left out: it is described beside its leaves.
    leaf.insert("prompt.prune".to_owned());
    let described: Vec<String> = settings().map(|setting| setting.path.to_owned()).collect();
    assert_eq!(described.iter().cloned().collect::<BTreeSet<_>>(), leaf);
    assert_eq!(described.len(), leaf.len(), "one of them twice");
    let labels: BTreeSet<&str> = settings().map(|setting| setting.label).collect();
    assert_eq!(labels.len(), described.len(), "two settings with the same name");
    for setting in settings() {
        assert!(setting.help.ends_with('.') && !setting.label.ends_with('.'), "{}", setting.path);
        for condition in setting.when.iter().copied().flatten() {
            assert!(value_at(&whole(), condition.path).is_some(), "{} depends on {}", setting.path, condition.path);
        }
    }
}

/// A name as a search compares it: case, spaces, `_` and `-` do not matter.
fn folded(name: &str) -> String {
    name.chars().filter(|sign| !matches!(sign, ' ' | '_' | '-')).flat_map(char::to_lowercase).collect()
}

#[wasm_bindgen_test(unsupported = test)]
fn no_name_is_given_to_two_settings() {
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    for setting in settings() {
        let also: BTreeSet<String> = setting.also.iter().map(|name| folded(name)).collect();
        assert_eq!(also.len(), setting.also.len(), "{}: a name twice", setting.path);
        for name in setting.also {
            assert!(name.trim() == *name && name.len() > 3, "{}: {name:?}", setting.path);
            assert!(
                !(name.contains('_') && name.contains([' ', '-'])),
                "{}: {name:?} is neither an identifier nor a term",
                setting.path
            );
        }
        for name in also.into_iter().chain([folded(setting.label), folded(setting.path)]).collect::<BTreeSet<_>>() {
            if let Some(other) = owners.insert(name.clone(), setting.path) {
                panic!("{name} is {other} and {}", setting.path);
            }
        }
    }
}

/// What others call it, by the names of the settings alone; the page's search has the same table
/// (`web/tests/unit/options.test.ts`).
#[wasm_bindgen_test(unsupported = test)]
fn settings_are_found_by_their_usual_names() {
    let table: BTreeMap<String, Vec<String>> = serde_json::from_str(include_str!("../files/setting-names.json")).unwrap();
    assert!(table.len() >= 30);
    for (search, expected) in table {
        let wanted = folded(&search);
        let is_called = |setting: &Setting| {
            let names = setting.also.iter().copied().chain([setting.label, setting.path]);
            names.map(folded).any(|name| name.contains(&wanted))
        };
        let found: Vec<&str> = settings().filter(|setting| is_called(setting)).map(|setting| setting.path).collect();
        assert_eq!(found, expected, "{search}");
    }
    // The Trainer has one for each of these.
    for setting in settings().filter(|setting| ["optim.", "eval."].iter().any(|group| setting.path.starts_with(group))) {
        assert!(!setting.also.is_empty(), "{}", setting.path);
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn what_can_be_left_out_is_said() {
    for setting in settings() {
        let without = with(setting.path, Value::Null);
        assert_eq!(without.is_some(), setting.absent.is_some(), "{}", setting.path);
        if let Some(config) = without {
            assert_eq!(refused(&config), None, "{}", setting.path);
        }
    }
}

/// Values at the limits are taken, those just beyond are refused, by the name of the setting.
#[wasm_bindgen_test(unsupported = test)]
fn the_limits_are_those_of_the_checks() {
    let mut looked_at = 0;
    for setting in settings() {
        let (limits, step) = match setting.kind {
            SettingKind::Integer { limits } => (limits, 1.0),
            SettingKind::Decimal { limits } | SettingKind::Percent { limits } => (limits, 1e-9),
            _ => continue,
        };
        let number = |value: f64| if step == 1.0 { json!(value as i64) } else { json!(value) };
        let Limits { minimum, above, maximum, below } = limits;
        let inside = [minimum, above.map(|least| least + step), maximum, below.map(|most| most - step)];
        let outside = [minimum.map(|least| least - step), above, maximum.map(|most| most + step), below];
        for value in inside.into_iter().flatten() {
            let config = with(setting.path, number(value)).unwrap();
            assert_eq!(refused(&config), None, "{}: {value}", setting.path);
        }
        for value in outside.into_iter().flatten() {
            looked_at += 1;
            // Below zero a whole number is not even of the right kind.
            if let Some(config) = with(setting.path, number(value)) {
                assert_eq!(refused(&config), Some(setting.path), "{value}");
            } else {
                assert!(value < 0.0, "{}: {value}", setting.path);
            }
        }
        // And nothing is refused that the description allows.
        if maximum.is_none() && below.is_none() {
            assert_eq!(refused(&with(setting.path, number(1e9)).unwrap()), None, "{}", setting.path);
        }
    }
    assert!(looked_at > 25, "only {looked_at} limits");
    for infinite in [f64::NAN, f64::INFINITY] {
        let mut config = RunConfig::default();
        config.optim.prompt_lr = infinite;
        assert_eq!(refused(&config), Some("optim.prompt_lr"));
    }
}

/// The words are exactly those that serde and the checks take.
#[wasm_bindgen_test(unsupported = test)]
fn every_choice_can_be_chosen() {
    for setting in settings() {
        match setting.kind {
            SettingKind::Choice { choices } => {
                for choice in choices {
                    let mut config = with(setting.path, json!(choice.value)).unwrap_or_else(|| panic!("{}", choice.value));
                    config.prompt.prune = None;
                    assert_eq!(refused(&config), None, "{}={}", setting.path, choice.value);
                }
                assert!(with(setting.path, json!("something else")).is_none(), "{}", setting.path);
            }
            SettingKind::List { choices } => {
                let all: Vec<&str> = choices.iter().map(|choice| choice.value).collect();
                assert_eq!(refused(&with(setting.path, json!(all)).unwrap()), None);
                assert_eq!(refused(&with(setting.path, json!([])).unwrap()), Some(setting.path));
            }
            SettingKind::ChoiceOrText { choices } => {
                for choice in choices {
                    let value = if choice.value == "text" { json!({"text": "a task"}) } else { json!(choice.value) };
                    assert_eq!(refused(&with(setting.path, value).unwrap()), None, "{}", choice.value);
                }
            }
            SettingKind::Switch => assert!(value_at(&whole(), setting.path).unwrap().is_boolean()),
            _ => {}
        }
    }
    let words = |path: &str| match setting(path).unwrap().kind {
        SettingKind::Choice { choices } | SettingKind::List { choices } => choices.len(),
        _ => 0,
    };
    // A method, or a generator, that is added must be described.
    let all = |taken: &dyn Fn(&str) -> bool| {
        ["probe", "prompt", "late", "progressive", "efficient", "deep", "ensemble", "auto"].iter().filter(|w| taken(w)).count()
    };
    assert_eq!(words("prompt.method"), all(&|_| true));
    let base = |word: &str| with("prompt.progressive.base", json!(word)).is_some_and(|config| refused(&config).is_none());
    assert_eq!(words("prompt.progressive.base"), all(&base));
    let tried = |word: &str| with("prompt.auto.candidates", json!([word])).is_some_and(|config| refused(&config).is_none());
    assert_eq!(words("prompt.auto.candidates"), all(&tried));
}

/// Pruning is offered where there are rows that can be pruned, and refused elsewhere.
#[wasm_bindgen_test(unsupported = test)]
fn pruning_has_a_meaning_where_a_prompt_has_rows_of_its_own() {
    use Method::{Auto, Deep, Efficient, Ensemble, Late, Probe, Progressive, Prompt};
    let pruning = setting("prompt.prune").unwrap();
    for method in [Probe, Prompt, Late, Progressive, Efficient, Deep, Ensemble, Auto] {
        for base in [Prompt, Efficient, Deep, Ensemble] {
            for generator in [Generator::None, Generator::Naive] {
                let mut config: RunConfig = serde_json::from_value(whole()).unwrap();
                config.prompt.method = method;
                config.prompt.progressive.base = base;
                config.prompt.late.generator = generator;
                let expected = match if method == Progressive { base } else { method } {
                    Prompt | Efficient | Ensemble => true,
                    Late => generator == Generator::None,
                    _ => false,
                };
                let json = serde_json::to_value(&config).unwrap();
                assert_eq!(pruning.applies(&json), expected, "{method:?} {base:?} {generator:?}");
                assert_eq!(refused(&config), (!expected).then_some("prompt.prune"), "{method:?} {base:?} {generator:?}");
            }
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn limits_are_told_in_words() {
    let told = |path: &str, value: Value| {
        let error = with(path, value).unwrap().validate().unwrap_err();
        format!("{error}; {}", error.hint())
    };
    assert_eq!(told("prompt.length", json!(501)), "prompt.length: 501 is too large; use 1 to 500");
    assert_eq!(told("optim.prompt_lr", json!(0)), "optim.prompt_lr: 0.0 is too small; use more than 0");
    assert_eq!(
        told("data.held_out_fraction", json!(1)),
        "data.held_out_fraction: 1.0 is too large; give a share of more than 0 and less than 1"
    );
}
