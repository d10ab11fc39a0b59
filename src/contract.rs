//! Generates the page's types from the crate's own, so that there is a single contract. A type that is passed derives `ts_rs::TS`
//! in tests and is in this list. `cargo xtask types` writes the file, and a test fails if it is out of date.

use ts_rs::{Config, TS};

use crate::config::describe::{Choice, Condition, ConditionValue, Group, Limits, Setting, SettingKind};
use crate::config::{
    AutoConfig, DataConfig, DeviceChoice, EfficientConfig, EnsembleConfig, EvalConfig, Generator, HeadConfig, HeadKind,
    HeadTransition, LateConfig, Method, OptimConfig, ProgressiveConfig, PromptConfig, PromptInit, PruneConfig, Reads, Recompute,
    RunConfig, Schedule, Shrink, StageConfig, Vote,
};
use crate::data::dataset::{ClassCount, DataReport, GivenSplit, LabelGroup, Lengths};
use crate::data::edit::Edit;
use crate::data::table::{Format, Line, Part};
use crate::data::view::TableView;
use crate::engine::compute::DeviceReport;
use crate::error::Report;
use crate::eval::ClassMetrics;
use crate::eval::calibration::Bin;
use crate::eval::interval::Interval;
use crate::model::folder::FolderChoice;
use crate::predict::file::{FileProgress, FileView};
use crate::predict::{LabelProbability, Prediction};
use crate::text::count::TokenCount;
use crate::train::compare::event::CompareEvent;
use crate::train::compare::result::{Cell, CellResult, Difference, Point, Row, Spread, TestResult, TestRow};
use crate::train::event::Event;

/// Calls `declared` for each type.
macro_rules! declare {
    ($($name:ty),* $(,)?) => {
        [$(declared::<$name>()),*]
    };
}

/// All types that are passed to the page, as TypeScript.
fn typescript() -> String {
    let types = declare![
        // Settings of a run.
        RunConfig,
        DataConfig,
        PromptConfig,
        Method,
        PromptInit,
        LateConfig,
        Generator,
        Reads,
        ProgressiveConfig,
        Shrink,
        StageConfig,
        HeadTransition,
        EfficientConfig,
        EnsembleConfig,
        Vote,
        PruneConfig,
        AutoConfig,
        HeadConfig,
        HeadKind,
        OptimConfig,
        Schedule,
        EvalConfig,
        DeviceChoice,
        Recompute,
        // Descriptions of the settings.
        Group,
        Setting,
        SettingKind,
        Limits,
        Choice,
        Condition,
        ConditionValue,
        // Reports, results and events.
        Report,
        DeviceReport,
        TableView,
        Line,
        Format,
        DataReport,
        GivenSplit,
        ClassCount,
        LabelGroup,
        Lengths,
        Part,
        Edit,
        TokenCount,
        FolderChoice,
        Prediction,
        LabelProbability,
        FileView,
        FileProgress,
        Interval,
        Bin,
        Event,
        ClassMetrics,
        CompareEvent,
        Cell,
        CellResult,
        TestResult,
        Point,
        Row,
        TestRow,
        Spread,
        Difference,
    ];
    let header = "// Written by `cargo xtask types` from the crate's types: change those.\n";
    std::iter::once(header.to_owned()).chain(types).collect::<Vec<_>>().join("\n")
}

/// A type with its documentation.
fn declared<T: TS>() -> String {
    // JavaScript numbers: the crate sends none that would be rounded.
    let config = Config::new().with_large_int("number");
    let text = format!("{}export {}", T::docs().unwrap_or_default(), T::decl(&config));
    let tidy = text.replace("/**\n * ", "/** ").replace("\n */", " */").replace(", };", ",\n};").replace(", }", ",\n}");
    let mut lines = Vec::new();
    let mut depth = 0_usize;
    for line in tidy.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let closes = line.starts_with(['}', ')']);
        lines.push(format!("{}{line}", "  ".repeat(depth.saturating_sub(usize::from(closes)))));
        let count = |sign: char| line.matches(sign).count();
        depth = (depth + count('{')).saturating_sub(count('}'));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_types_are_the_crates() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/web/src/contract.generated.ts");
        let now = typescript();
        if std::env::var_os("WRITE_TYPES").is_some() {
            std::fs::write(path, &now).expect("the folder of the page");
        }
        let there = std::fs::read_to_string(path).unwrap_or_default();
        assert!(there == now, "web/src/contract.generated.ts is out of date: `cargo xtask types` writes it");
    }
}
