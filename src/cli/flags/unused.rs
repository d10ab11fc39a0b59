//! Flags that were given but have no effect: each gets a note that says where it belongs. They are notes, not errors, so that a
//! script can run several methods or files with the same flags. A `--config` file may contain settings of any method: only flags
//! are looked at.

use super::Given;
use crate::cli::settings::{FLAGS, flag_of};
use crate::config::describe::{self, Condition, ConditionValue, Setting};
use crate::config::{Method, RunConfig};
use crate::data::table::Table;

impl Given {
    /// Notes on flags of settings that apply to none of these configs, of which one is for each method that is trained.
    #[must_use]
    pub(crate) fn without_effect(&self, configs: &[RunConfig]) -> Vec<String> {
        let all: Vec<_> = configs.iter().flat_map(trained).filter_map(|config| serde_json::to_value(config).ok()).collect();
        let idle = |(path, flag): &&(&str, &str)| {
            // Pruning a prompt that cannot be pruned is an error.
            self.has(flag)
                && *path != "prompt.prune"
                && describe::setting(path).is_some_and(|setting| !all.iter().any(|config| setting.applies(config)))
        };
        let note = |(path, flag): &(&str, &str)| {
            let place = describe::setting(path).map(place).unwrap_or_default();
            format!("{flag} has no effect here: it belongs to {place}")
        };
        FLAGS.iter().filter(idle).map(note).collect()
    }

    /// Notes on flags that say how a file is read, if none of these files is read that way. `header_row` is the one that was given.
    #[must_use]
    pub(crate) fn without_effect_on(&self, header_row: Option<usize>, tables: &[&Table]) -> Vec<String> {
        let mut notes = Vec::new();
        if self.has("--sheet") && tables.iter().all(|table| table.sheets.is_empty()) {
            notes.push("--sheet has no effect here: it belongs to workbooks (.xlsx)".to_owned());
        }
        let follows = |table: &&Table, row: usize| match row {
            0 => !table.has_header,
            row => table.has_header && table.header_row == Some(row as u64),
        };
        if let Some(row) = header_row.filter(|_| self.has("--header-row"))
            && !tables.iter().any(|table| follows(table, row))
        {
            notes.push(
                "--header-row has no effect here: this format has no header row; it belongs to CSV, TSV and workbooks".to_owned(),
            );
        }
        notes
    }

    /// Notes on any of these flags, which belong elsewhere.
    #[must_use]
    pub(crate) fn misplaced(&self, flags: &[&str], why: &str) -> Vec<String> {
        flags.iter().filter(|flag| self.has(flag)).map(|flag| format!("{flag} has no effect here: {why}")).collect()
    }
}

/// A config for each method that is trained with it: the candidates of the automatic selection are.
fn trained(config: &RunConfig) -> Vec<RunConfig> {
    let mut configs = vec![config.clone()];
    if config.prompt.method == Method::Auto {
        configs.extend(config.prompt.auto.candidates.iter().map(|&method| {
            let mut candidate = config.clone();
            candidate.prompt.method = method;
            candidate
        }));
    }
    configs
}

/// Where a setting applies, in flags.
fn place(setting: &Setting) -> String {
    let all = |conditions: &&[Condition]| {
        let words = conditions.iter().map(condition).collect::<Vec<_>>().join(" ");
        words.strip_prefix("with ").unwrap_or(&words).to_owned()
    };
    setting.when.iter().map(all).collect::<Vec<_>>().join(", or to ")
}

/// `with --method late`, `without --no-update`.
fn condition(Condition { path, one_of, none_of }: &Condition) -> String {
    let flag = flag_of(path).unwrap_or(path);
    let words = |values: &[ConditionValue]| {
        let words: Vec<String> = values.iter().map(word).collect();
        match words.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        }
    };
    match (one_of, none_of) {
        // A switch that is on by default has a flag that turns it off.
        ([ConditionValue::Switch(true)], []) => format!("without {flag}"),
        ([], [ConditionValue::Nothing]) => format!("with {flag}"),
        ([], values) => format!("with {flag} other than {}", words(values)),
        (values, _) => format!("with {flag} {}", words(values)),
    }
}

fn word(value: &ConditionValue) -> String {
    match value {
        ConditionValue::Word(word) => (*word).to_owned(),
        ConditionValue::Switch(on) => on.to_string(),
        ConditionValue::Number(number) => number.to_string(),
        ConditionValue::Nothing => "nothing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(flags: &[&str]) -> Given {
        Given(flags.iter().map(|flag| (*flag).to_owned()).collect())
    }

    fn with(method: Method) -> RunConfig {
        let mut config = RunConfig::default();
        config.prompt.method = method;
        config
    }

    #[test]
    fn every_flag_of_another_method_is_named_with_its_place() {
        let probe = [with(Method::Probe)];
        for (path, flag) in FLAGS.iter().filter(|(path, _)| *path != "prompt.prune") {
            let notes = given(&[flag]).without_effect(&probe);
            let setting = describe::setting(path).expect("it is described");
            if setting.when.is_empty() || *path == "head.feature_scale" {
                assert!(notes.is_empty(), "{notes:?}");
            } else {
                assert!(
                    notes.len() == 1 && notes[0].starts_with(&format!("{flag} has no effect here: it belongs to --")),
                    "{notes:?}"
                );
                assert!(!notes[0].contains("prompt.") && !notes[0].contains("nothing"), "a path: {notes:?}");
            }
        }
        assert!(given(&[]).without_effect(&probe).is_empty());
    }

    #[test]
    fn places_are_said_in_flags() {
        let of = |flag: &str, config: RunConfig| given(&[flag]).without_effect(&[config]).concat();
        let said = of("--layer", with(Method::Prompt));
        assert_eq!(said, "--layer has no effect here: it belongs to --method late");
        let said = of("--rank", with(Method::Prompt));
        let places =
            "--method efficient without --no-update, or to --method progressive with --base efficient without --no-update";
        assert!(said.ends_with(places), "{said}");
        let said = of("--lr", with(Method::Late));
        assert!(said.ends_with("--method other than probe or late, or to --method late with --generator none"), "{said}");
        let mut config = with(Method::Prompt);
        config.head.kind = crate::config::HeadKind::Peft;
        assert!(of("--feature-scale", config).ends_with("it belongs to --head other than peft"));
    }

    #[test]
    fn one_method_of_several_is_enough() {
        assert!(given(&["--layer"]).without_effect(&[with(Method::Prompt), with(Method::Late)]).is_empty());
        // The candidates of the automatic selection are prompt, late and deep.
        assert!(given(&["--layer", "--trial-rows"]).without_effect(&[with(Method::Auto)]).is_empty());
        assert_eq!(given(&["--members"]).without_effect(&[with(Method::Auto)]).len(), 1);
    }

    #[test]
    fn a_file_that_is_not_read_that_way() {
        let table = |text: &str| Table::from_bytes(text.as_bytes()).expect("a table");
        let csv = table("text,label\na card was lost,bank\nplay a song,music\n");
        let json =
            table("{\"text\": \"a card was lost\", \"label\": \"bank\"}\n{\"text\": \"play a song\", \"label\": \"music\"}\n");
        let both = given(&["--sheet", "--header-row"]);
        let said = |row: usize, tables: &[&Table]| both.without_effect_on(Some(row), tables).join("; ");
        assert!(said(1, &[&csv]).contains("--sheet has no effect") && !said(1, &[&csv]).contains("--header-row"));
        assert!(
            said(1, &[&json]).contains("--header-row has no effect here") && !said(1, &[&json, &csv]).contains("--header-row")
        );
        assert!(given(&[]).without_effect_on(Some(1), &[&json]).is_empty(), "a setting of a file is no flag");
    }
}
