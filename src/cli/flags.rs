//! The flags as a whole: the command line with the names that settings have in other tools, and which flags were given.

use std::collections::BTreeSet;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory};

use crate::cli::args::Cli;
use crate::cli::settings::{FLAGS, flag_of};
use crate::config::describe::{self, SettingKind};
use crate::error::Error;

mod unused;

/// Flags that are no settings of a run, by the name of their field in errors.
const OTHERS: &[(&str, &str)] = &[("methods", "--methods"), ("seeds", "--seeds"), ("budget", "--budget"), ("resume", "--resume")];

/// The setting of a flag, such as `--lr`.
fn setting_of(flag: &str) -> Option<&'static describe::Setting> {
    FLAGS.iter().find(|(_, known)| *known == flag).and_then(|(path, _)| describe::setting(path))
}

/// The command line, with what holds for all flags alike.
#[must_use]
pub(crate) fn command() -> Command {
    let mut command = Cli::command();
    for name in ["train", "compare", "eval", "predict", "inspect"] {
        command = command.mut_subcommand(name, |command| command.mut_args(finished));
    }
    // They say how a file is read.
    command.mut_subcommand("predict", |predict| {
        ["header_row", "sheet"].into_iter().fold(predict, |predict, id| predict.mut_arg(id, |arg| arg.requires("file")))
    })
}

/// A flag whose value may begin with a hyphen, so that a negative number gets a proper answer, and whose help has the names of its
/// setting that are no flags here because their values are counted or written otherwise.
fn finished(arg: Arg) -> Arg {
    let Some(long) = arg.get_long().map(|long| format!("--{long}")) else { return arg };
    let setting = setting_of(&long);
    let is_number = |kind| {
        use SettingKind::{Decimal, Integer, Percent, Stages};
        matches!(kind, Integer { .. } | Decimal { .. } | Percent { .. } | Stages { .. })
    };
    let arg = match setting {
        _ if !arg.get_action().takes_values() => arg,
        Some(setting) if is_number(setting.kind) => arg.allow_hyphen_values(true),
        _ => arg.allow_negative_numbers(true),
    };
    let Some(setting) = setting else { return arg };
    let aliases = arg.get_all_aliases().unwrap_or_default();
    let hints = setting.also.iter().filter(|name| !name.contains(' ') && !aliases.contains(name));
    let hints = hints.copied().collect::<Vec<_>>().join(", ");
    match arg.get_help().map(ToString::to_string) {
        Some(help) if !hints.is_empty() => arg.help(format!("{help} [known as: {hints}]")),
        _ => arg,
    }
}

/// The flags that were given, by their own names, such as `--lr`.
#[derive(Debug, Default)]
pub(crate) struct Given(BTreeSet<String>);

impl Given {
    /// Those among the matches of [`command`].
    #[must_use]
    pub(crate) fn of(command: &Command, matches: &ArgMatches) -> Self {
        let Some((name, matches)) = matches.subcommand() else { return Self::default() };
        let args = command.find_subcommand(name).into_iter().flat_map(Command::get_arguments);
        let given = |arg: &&Arg| {
            let id = arg.get_id().as_str();
            matches.try_contains_id(id).is_ok() && matches.value_source(id) == Some(ValueSource::CommandLine)
        };
        Self(args.filter(given).filter_map(Arg::get_long).map(|long| format!("--{long}")).collect())
    }

    /// Whether this flag was given.
    #[must_use]
    pub(crate) fn has(&self, flag: &str) -> bool {
        self.0.contains(flag)
    }

    /// The same error, with the flag instead of the path of a setting, unless the setting may be from a `--config` file.
    #[must_use]
    pub(crate) fn named(&self, error: Error) -> Error {
        let Error::Config { field, problem, hint } = error else { return error };
        let other = || OTHERS.iter().find(|(known, _)| *known == field).map(|(_, flag)| *flag);
        match flag_of(field).filter(|flag| self.has(flag) || !self.has("--config")).or_else(other) {
            Some(flag) => Error::Config { field: flag, problem, hint },
            None => Error::Config { field, problem, hint },
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;
    use crate::cli::args;

    /// All settings with a flag of their own; an optional group counts as one.
    fn settings() -> impl Iterator<Item = &'static describe::Setting> {
        let all = describe::groups().iter().flat_map(|group| group.options);
        all.filter(|setting| !setting.path.starts_with("prompt.prune."))
    }

    #[test]
    fn every_setting_has_the_flag_that_is_named() {
        let command = command();
        let train = command.find_subcommand("train").expect("it is there");
        let flags: Vec<String> = train.get_arguments().filter_map(|arg| arg.get_long()).map(|long| format!("--{long}")).collect();
        for setting in settings() {
            let named: Vec<_> = FLAGS.iter().filter(|(path, _)| *path == setting.path).collect();
            assert!(matches!(named[..], [(_, flag)] if flags.iter().any(|known| known == flag)), "{}: {named:?}", setting.path);
        }
    }

    /// What `softprompt train data.csv` says to these flags.
    fn answer(flags: &[&str]) -> String {
        let command = command();
        let words = [&["softprompt", "train", "data.csv"], flags].concat();
        let matches = match command.clone().try_get_matches_from(words) {
            Ok(matches) => matches,
            Err(error) => return error.render().to_string(),
        };
        let cli = Cli::from_arg_matches(&matches).expect("the flags fit");
        let args::Command::Train(train) = &cli.command else { return "no training".to_owned() };
        let answer = train.run_config().map(drop).map_err(|error| Given::of(&command, &matches).named(error).report());
        answer.map_or_else(|report| format!("{} {}", report.message, report.hint), |()| "accepted".to_owned())
    }

    #[test]
    fn a_number_outside_the_limits_gets_the_limits_and_the_flag() {
        let mut numbers = 0;
        for setting in settings() {
            let (limits, whole) = match setting.kind {
                SettingKind::Integer { limits } => (limits, true),
                SettingKind::Decimal { limits } | SettingKind::Percent { limits } => (limits, false),
                _ => continue,
            };
            numbers += 1;
            let flag = flag_of(setting.path).expect("every setting has one");
            let other = if whole { ["-0x1", "1.5"] } else { ["-.5", "-inf"] };
            for word in ["-1", "-1e-3", "x", "-7777777777777777777777777"].into_iter().chain(other) {
                let said = answer(&[flag, word]);
                assert!(said.contains(flag) && said.contains(&limits.words()), "{flag} {word}: {said}");
                let path = setting.path.contains('.') && said.contains(setting.path);
                assert!(!said.contains("unexpected argument") && !path, "{flag} {word}: {said}");
            }
        }
        assert!(numbers > 25, "{numbers}");
        let large = answer(&["--steps", "99999999999999999999999"]);
        assert!(large.contains("it is too large; use 1 to 100000000"), "{large}");
        for flags in [["--patience", "-1"], ["--stages", "-1:0.5"], ["--text-column", "-1"]] {
            assert!(!answer(&flags).contains("unexpected argument"), "{flags:?}: {}", answer(&flags));
        }
        assert_eq!(answer(&["--lr", "0.1", "--steps", "3"]), "accepted");
    }

    #[test]
    fn an_error_names_the_path_only_if_it_may_be_from_a_file() {
        let error = || Error::config("optim.prompt_lr", "-1 is too small", "use more than 0");
        let given = |flags: &[&str]| Given(flags.iter().map(|flag| (*flag).to_owned()).collect());
        for (flags, wanted) in
            [(&[][..], "--lr: "), (&["--lr"], "--lr: "), (&["--lr", "--config"], "--lr: "), (&["--config"], "optim.prompt_lr: ")]
        {
            let said = given(flags).named(error()).to_string();
            assert!(said.starts_with(wanted), "{flags:?}: {said}");
        }
        let pieces = Error::config("prompt.prune.pieces", "no", "leave it out");
        assert!(given(&[]).named(pieces).to_string().starts_with("--prune: "));
        assert!(given(&[]).named(Error::config("seeds", "no", "")).to_string().starts_with("--seeds: "));
    }

    #[test]
    fn help_tells_names_that_are_flags_from_hints() {
        let mut command = command();
        let help = command.find_subcommand_mut("train").expect("it is there").render_long_help().to_string();
        let of = |flag: &str| {
            let start = help.find(&format!("      {flag} <")).unwrap_or_else(|| panic!("no {flag} in {help}"));
            help[start + 8..].split("\n      --").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert!(of("--warmup").contains("[known as: warmup_steps] [alias: --warmup_ratio]"), "{}", of("--warmup"));
        assert!(of("--lr").ends_with("[alias: --learning_rate]"), "{}", of("--lr"));
        assert!(of("--evaluations").contains("[known as: eval_steps, eval_strategy"), "{}", of("--evaluations"));
        assert!(!help.contains("also:"), "{help}");
    }
}
