//! The largest value of every whole number among the settings, and what lies beyond.

use serde_json::{Value, json};
use softprompt::config::describe::{Setting, SettingKind, groups};
use softprompt::config::{DeviceChoice, Generator, HeadTransition, Method, PruneConfig, RunConfig};
use softprompt::error::Error;
use softprompt::train::compare::plan::{Plan, Spend};
use softprompt::train::event::Event;
use softprompt::train::job::Job;
use softprompt::train::run::{Run, SampleLimits};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::every_method::{base, dataset};
use crate::tiny::tiny_model;

/// Settings under which the one at a path has a meaning.
fn config_for(path: &str) -> RunConfig {
    let mut config = base(20);
    config.prompt.method = match path.split('.').nth(1) {
        Some("late") => Method::Late,
        Some("progressive") => Method::Progressive,
        Some("efficient") => Method::Efficient,
        Some("ensemble") => Method::Ensemble,
        Some("auto") => Method::Auto,
        _ => Method::Prompt,
    };
    config.prompt.late.generator = Generator::Average;
    config.prompt.auto.candidates = vec![Method::Prompt];
    config.prompt.progressive.head = HeadTransition::Refit;
    if path.starts_with("prompt.prune") {
        config.prompt.prune = Some(PruneConfig { pieces: 4, ..PruneConfig::default() });
    }
    if path == "optim.epochs" {
        config.optim.steps = None;
    }
    config
}

fn with(config: &RunConfig, path: &str, value: u64) -> RunConfig {
    let mut json = serde_json::to_value(config).expect("JSON");
    *json.pointer_mut(&format!("/{}", path.replace('.', "/"))).expect("it is there") = json!(value);
    serde_json::from_value(json).expect("a config")
}

fn numbers() -> impl Iterator<Item = (&'static Setting, Option<f64>)> {
    groups().iter().flat_map(|group| group.options).filter_map(|setting| match setting.kind {
        SettingKind::Integer { limits } => Some((setting, limits.maximum)),
        _ => None,
    })
}

fn field(error: &Error) -> &'static str {
    match error {
        Error::Config { field, .. } => field,
        other => panic!("{other}"),
    }
}

/// At its largest, a number either works for a step or is an error of a setting; beyond, it is an error of its own.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn the_largest_number_of_every_setting_works_or_is_refused() {
    let (mut worked, mut refused) = (Vec::new(), Vec::new());
    for (setting, maximum) in numbers() {
        let path = setting.path;
        let most = maximum.unwrap_or_else(|| panic!("{path} has no largest number")) as u64;
        let config = config_for(path);
        assert!(setting.applies(&serde_json::to_value(&config).expect("JSON")), "{path} has no meaning here");
        let beyond = with(&config, path, most + 1).validate().expect_err("beyond the largest");
        assert_eq!(field(&beyond), path, "{beyond}");
        // And as large as the field can hold, as a file may say; of 32 bits, every seed is one.
        if usize::MAX as u64 > most {
            let huge = with(&config, path, usize::MAX as u64).validate().expect_err("far beyond the largest");
            assert_eq!(field(&huge), path, "{huge}");
        }

        let config = with(&config, path, most);
        config.validate().unwrap_or_else(|error| panic!("{path}: {error}"));
        let limits = SampleLimits { learned: 0, ..SampleLimits::default() };
        match Job::with_limits(tiny_model(), dataset(48, &config), config, limits).await {
            Ok(mut job) => {
                let mut events = 0;
                while let Some(event) = job.next().await.unwrap_or_else(|error| panic!("{path}: {error}")) {
                    events += 1;
                    if matches!(event, Event::Step { .. }) {
                        break;
                    }
                }
                assert!(events > 0, "{path}");
                worked.push(path);
            }
            Err(error) => {
                field(&error);
                refused.push(path);
            }
        }
    }
    // The tiny encoder has 64 positions, 2 layers and rows of 32.
    assert_eq!(refused, ["prompt.late.layer", "prompt.length", "prompt.prune.pieces"]);
    assert!(worked.len() >= 17, "{worked:?}");
}

/// Products of settings and rows: more steps than any run can have.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn too_many_epochs_of_many_rows_are_refused() {
    for method in [Method::Prompt, Method::Probe, Method::Auto] {
        let mut config = base(1);
        config.prompt.method = method;
        (config.optim.steps, config.optim.epochs, config.optim.batch_size) = (None, 1_000_000, 1);
        config.validate().expect("each by itself is allowed");
        let error = Job::start(tiny_model(), dataset(300, &config), config.clone()).await.err().expect("refused");
        assert_eq!(field(&error), "optim.epochs");
        assert!(error.to_string().contains("1000000 epochs"), "{error}");
        assert!(error.hint().starts_with("use at most "), "{}", error.hint());
        // With as many steps as are allowed, the same rows are no problem.
        (config.optim.epochs, config.device) = (1000, DeviceChoice::Cpu);
        assert!(Job::start(tiny_model(), dataset(300, &config), config).await.is_ok());
    }
}

/// Numbers that are each allowed, and together more than memory holds.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn what_would_be_trained_has_a_limit() {
    let mut config = base(5);
    config.prompt.method = Method::Late;
    (config.prompt.length, config.prompt.late.generator, config.prompt.late.bottleneck) = (60, Generator::Naive, 4096);
    // 60 x 32 x 4096 numbers are 8 million; with an encoder of 65536 they would be 16,000 million.
    assert!(Run::start(tiny_model(), dataset(48, &config), config.clone()).await.is_ok());
    config.prompt.method = Method::Efficient;
    (config.prompt.length, config.prompt.efficient.spaces, config.prompt.efficient.space_width) = (4, 64, 1024);
    assert!(Run::start(tiny_model(), dataset(48, &config), config).await.is_ok());
}

#[wasm_bindgen_test(unsupported = test)]
fn a_comparison_has_limits() {
    for word in ["steps:100000001", "steps:1e300", "steps:18446744073709551616"] {
        assert_eq!(field(&word.parse::<Spend>().expect_err("too many")), "budget", "{word}");
    }
    assert_eq!("steps:100000000".parse(), Ok(Spend::Steps(100_000_000)));
    let plan = |seed: u64| Plan::new(RunConfig::default(), &["prompt".to_owned()], vec![seed], None);
    assert!(plan((1 << 53) - 1).is_ok());
    assert_eq!(field(&plan(1 << 53).expect_err("JavaScript would round it")), "seeds");
}

#[wasm_bindgen_test(unsupported = test)]
fn a_number_that_no_field_holds_is_refused() {
    let mut json: Value = serde_json::to_value(RunConfig::default()).expect("JSON");
    json["optim"]["epochs"] = json!(1e40);
    assert!(serde_json::from_value::<RunConfig>(json).is_err());
}
