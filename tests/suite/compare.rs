//! Methods side by side, and the choice of one, on the tiny encoder.

use softprompt::config::describe::method_label;
use softprompt::config::{DeviceChoice, Method, RunConfig};
use softprompt::data::{dataset::Dataset, table::Table};
use softprompt::train::compare::event::CompareEvent;
use softprompt::train::compare::plan::{Plan, Spend, Variant, split};
use softprompt::train::compare::result::{CellResult, Difference, Spread, TestResult, rows};
use softprompt::train::compare::{Comparison, Tables};
use softprompt::train::event::Event;
use softprompt::train::job::Job;
use softprompt::train::run::Run;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::common::assert_close;
use crate::tiny::tiny_model;

/// Three classes that share no word.
fn table(rows: std::ops::Range<usize>) -> Table {
    let words = [["card", "lost", "bank"], ["play", "song", "happy"], ["rain", "cold", "weather"]];
    let row = |i: usize| {
        let (class, word) = (i % 3, |k: usize| words[i % 3][(i / 3 + k) % 3]);
        format!("the {} {} number {i},{}\n", word(0), word(i % 2 + 1), ["bank", "music", "weather"][class])
    };
    let text = rows.fold(String::from("text,label\n"), |text, i| text + &row(i));
    Table::from_bytes(text.as_bytes()).expect("a table")
}

fn tables() -> Tables {
    Tables { data: table(0..60), held_out: None, tests: vec![("other.csv".into(), table(60..90))] }
}

fn config(steps: usize) -> RunConfig {
    let mut config = RunConfig { device: DeviceChoice::Cpu, ..RunConfig::default() };
    config.prompt.length = 4;
    config.prompt.late.bottleneck = 8;
    config.head.feature_scale = 8.0;
    config.optim.head_lr = 2e-2;
    config.optim.steps = Some(steps);
    config.optim.batch_size = 8;
    config.eval.evaluations = 2;
    config.eval.patience = None;
    config
}

fn plan(methods: &str, seeds: &[u64], budget: Option<Spend>) -> Plan {
    Plan::new(config(12), &split(methods), seeds.to_vec(), budget).expect("a plan")
}

fn comparison(plan: Plan, done: &[CellResult]) -> Comparison {
    Comparison::start(tiny_model(), tables(), plan, done).expect("a comparison")
}

async fn finish(comparison: &mut Comparison) -> Vec<CompareEvent> {
    let mut events = Vec::new();
    while let Some(event) = comparison.next().await {
        events.push(event);
    }
    events
}

/// Losses of the steps of a cell.
fn losses(events: &[CompareEvent], wanted: usize) -> Vec<f32> {
    let loss = |event: &CompareEvent| match event {
        CompareEvent::Run { cell, run: Event::Step { loss, .. } } if *cell == wanted => Some(*loss),
        _ => None,
    };
    events.iter().filter_map(loss).collect()
}

#[wasm_bindgen_test(unsupported = test)]
fn variants_are_settings_over_the_shared_ones() {
    let base = config(12);
    let of = |name: &str| Variant::parse(name, &base).map(|variant| variant.config);
    let late = of("late+prompt.late.layer=1+optim.prompt_lr=3e-2").expect("a variant");
    assert_eq!((late.prompt.method, late.prompt.late.layer, late.optim.prompt_lr), (Method::Late, Some(1), 3e-2));
    let dept = of("dept").expect("a variant");
    assert_eq!((dept.prompt.method, dept.prompt.efficient.fusion, dept.prompt.efficient.spaces), (Method::Efficient, false, 0));
    let pruned = of("xprompt+prompt.prune.tokens=0.5").expect("a variant").prompt;
    assert_eq!((pruned.method, pruned.prune.map(|prune| prune.tokens)), (Method::Prompt, Some(0.5)));
    assert_eq!(of("prompt+prompt.prune.pieces=8").expect("a variant").prompt.prune.map(|prune| prune.pieces), Some(8));
    for (name, words) in [
        ("lat", ["lat", "no method"]),
        ("late+prompt.late.layers=2", ["prompt.late.layers", "no setting"]),
        ("late+prompt.late.layer=two", ["prompt.late.layer", "two"]),
        ("prompt+prompt.length", ["prompt.length", "no value"]),
        ("prompt+prompt.length=0", ["prompt.length", "0 is too small"]),
        ("prompt+seed=3", ["seed", "cannot be set for a single method"]),
        ("prompt+data.max_tokens=9", ["data.max_tokens", "cannot be set for a single method"]),
    ] {
        let message = of(name).expect_err(name).to_string();
        assert!(message.contains(name) && words.iter().all(|word| message.contains(word)), "{message}");
    }
    let list = r#"prompt, late+prompt.late.layer=1,progressive+prompt.progressive.stages=[{"share":0.5,"size":0.5}],"#;
    assert_eq!(split(list).len(), 3);
    assert!(Plan::new(base.clone(), &split("prompt,prompt"), vec![1], None).is_err(), "one name twice");
    assert!(Plan::new(base, &split("prompt"), vec![1, 1], None).is_err(), "one seed twice");
    assert_eq!("flops:2e12".parse(), Ok(Spend::Flops(2e12)));
    assert_eq!("steps:40".parse(), Ok(Spend::Steps(40)));
    for wrong in ["steps:0.5", "steps", "seconds:-1", "hours:2", "flops:inf"] {
        assert!(wrong.parse::<Spend>().is_err(), "{wrong}");
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn variants_of_a_seed_see_the_same_and_one_that_fails_does_not_end_the_others() {
    // The second has a setting that its method does not read; the third cannot work on two layers.
    let mut comparison = comparison(plan("prompt,prompt+prompt.late.bottleneck=5,late+prompt.late.layer=9", &[1, 2], None), &[]);
    let events = finish(&mut comparison).await;
    let Some(CompareEvent::Planned { cells }) = events.first() else { panic!("{:?}", events.first()) };
    assert_eq!(cells.len(), 10, "three variants, the probe and the majority under two seeds");
    let [first, second, other] = [0, 1, 5].map(|cell| losses(&events, cell));
    assert_eq!(first.len(), 12);
    assert_eq!(first, second, "the same split, order and first values");
    assert_ne!(first, other, "another seed, another split");
    let failed = |event: &CompareEvent| match event {
        CompareEvent::CellFailed { cell, error } => Some((*cell, error.clone())),
        _ => None,
    };
    let failed: Vec<_> = events.iter().filter_map(failed).collect();
    assert_eq!(failed.iter().map(|(cell, _)| *cell).collect::<Vec<_>>(), [2, 7], "{failed:?}");
    let Some(CompareEvent::Done { rows }) = events.last() else { panic!("{:?}", events.last()) };
    assert_eq!(
        rows.iter().map(|row| (row.name.as_str(), row.seeds)).collect::<Vec<_>>(),
        [("prompt", 2), ("prompt+prompt.late.bottleneck=5", 2), ("probe", 2), ("majority", 2),]
    );
    assert_eq!(rows[1].difference, Some(Difference { mean: 0.0, error: Some(0.0), seeds: 2 }));
    assert_close(&[rows[3].accuracy.mean], &[1.0 / 3.0], 0.0, 1e-12);
    for cell in comparison.results() {
        assert_eq!(cell.tests.len(), 1, "{cell:?}");
        if cell.name != "majority" {
            assert!(cell.steps == 12 && cell.curve.len() == 2 && cell.flops > 0.0 && cell.adapter_bytes > 0, "{cell:?}");
            assert!(cell.peak_bytes > 0 && cell.training_seconds <= cell.seconds, "{cell:?}");
        }
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn cells_that_are_done_are_not_run_again() {
    let mut whole = comparison(plan("prompt,late", &[1], None), &[]);
    finish(&mut whole).await;
    let done: Vec<CellResult> = whole.results().cloned().collect();
    let mut rest = comparison(plan("prompt,late", &[1], None), &done[..1]);
    let events = finish(&mut rest).await;
    let started = |event: &CompareEvent| if let CompareEvent::CellStarted { cell, .. } = event { Some(*cell) } else { None };
    assert_eq!(events.iter().filter_map(started).collect::<Vec<_>>(), [1, 2, 3]);
    let figures = |cells: &mut dyn Iterator<Item = &CellResult>| -> Vec<(String, f64, Option<f64>)> {
        cells.map(|cell| (cell.name.clone(), cell.accuracy, cell.loss)).collect()
    };
    assert_eq!(figures(&mut rest.results()), figures(&mut done.iter()), "the same results as without a break");

    let mut stopped = comparison(plan("prompt,late", &[1], None), &[]);
    while let Some(event) = stopped.next().await {
        if let CompareEvent::CellStarted { cell: 1, .. } = event {
            stopped.stop();
        }
    }
    assert_eq!(stopped.results().count(), 1, "the cell under way is given up");
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn budgets_end_the_schedule_where_they_say() {
    let mut same = comparison(plan("prompt", &[1], None), &[]);
    finish(&mut same).await;
    let budget = 5.0 * same.results().next().expect("a result").flops;
    let plan = plan("prompt,late", &[1], Some(Spend::Flops(budget)));
    let mut comparison = comparison(plan, &[]);
    let events = finish(&mut comparison).await;
    let results: Vec<&CellResult> = comparison.results().collect();
    for (cell, result) in results[..2].iter().enumerate() {
        assert!((result.flops / budget - 1.0).abs() < 0.06, "{}: {} of {budget}", result.name, result.flops);
        let rate = |event: &CompareEvent| match event {
            CompareEvent::Run { cell: of, run: Event::Step { learning_rate, .. } } if *of == cell => Some(*learning_rate),
            _ => None,
        };
        let rates: Vec<f64> = events.iter().filter_map(rate).collect();
        assert!(
            rates[rates.len() - 1] < 0.01 * rates.iter().fold(0.0, |a: f64, &b| a.max(b)),
            "the schedule is not over: {rates:?}"
        );
    }
    assert!(results[1].steps > results[0].steps, "a late prompt has more steps for it");
}

#[wasm_bindgen_test(unsupported = test)]
fn rows_are_means_over_seeds_and_differences_are_paired() {
    let cell = |name: &str, seed, accuracy, flops| CellResult {
        accuracy,
        flops,
        peak_bytes: seed,
        loss: Some(1.0 - accuracy),
        tests: vec![TestResult { name: "t".into(), accuracy: accuracy / 2.0, macro_f1: 0.0 }],
        ..CellResult::new(name.into(), seed)
    };
    let cells = [
        cell("a", 1, 0.5, 10.0),
        cell("a", 2, 0.7, 20.0),
        cell("b", 2, 0.8, 5.0),
        cell("b", 1, 0.9, 6.0),
        cell("b", 3, 0.1, 7.0),
    ];
    let table = rows(&["a".into(), "b".into(), "c".into()], &cells);
    assert_eq!(table.len(), 2, "a variant without a cell has no row");
    let [a, b] = &table[..] else { panic!("{table:?}") };
    // a: mean 0.6, squares 0.01 + 0.01, over n - 1 = 1. b: mean 0.6, squares 0.04 + 0.09 + 0.25 over 2.
    assert_close(&[a.accuracy.mean, a.accuracy.deviation], &[0.6, 0.02_f64.sqrt()], 1e-12, 0.0);
    assert_close(&[b.accuracy.mean, b.accuracy.deviation], &[0.6, 0.19_f64.sqrt()], 1e-12, 0.0);
    // Seed 1: 0.4, seed 2: 0.1; seed 3 has no pair. Deviation of those 0.3 / sqrt 2, error 0.3 / 2.
    let difference = b.difference.expect("pairs");
    assert_eq!((difference.seeds, a.difference), (2, None));
    assert_close(&[difference.mean, difference.error.expect("two pairs")], &[0.25, 0.15], 1e-12, 0.0);
    assert_eq!((a.flops, a.peak_bytes, b.peak_bytes, b.seeds), (15.0, 2, 3, 3));
    assert_close(&[a.tests[0].accuracy.mean], &[0.3], 1e-12, 0.0);
    // A file that only some cells were measured on, as in a `compare.json` that somebody has edited.
    let mut cells = cells;
    cells[1].tests.clear();
    let table = rows(&["a".into()], &cells);
    assert_close(&[table[0].tests[0].accuracy.mean], &[0.25], 1e-12, 0.0);
    assert_eq!(Spread::of(&[0.4]), Spread { mean: 0.4, deviation: 0.0 });
    assert_eq!(Difference::of(&[(0.1, 0.4)]).expect("a pair").error, None);
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn auto_takes_the_lowest_loss_and_runs_it_as_if_it_had_been_asked_for() {
    for (candidates, share) in
        [(vec![Method::Probe, Method::Prompt], 0.5), (vec![Method::Late, Method::Efficient, Method::Prompt], 0.9)]
    {
        let mut wanted = config(40);
        wanted.prompt.method = Method::Auto;
        wanted.prompt.auto.candidates = candidates.clone();
        wanted.prompt.auto.share = share;
        wanted.prompt.auto.rows = 24;
        let dataset = Dataset::from_table(&table(0..60), &wanted.data, wanted.seed).expect("a data set");
        let mut job = Job::start(tiny_model(), dataset.clone(), wanted.clone()).await.expect("a job");
        let mut events = Vec::new();
        while let Some(event) = job.next().await.expect("an event") {
            events.push(event);
        }
        let trial =
            |event: &Event| if let Event::Trial { method, loss, .. } = event { Some((method.clone(), *loss)) } else { None };
        let trials: Vec<(String, f64)> = events.iter().filter_map(trial).collect();
        assert_eq!(trials.len(), candidates.len());
        let total = events.iter().find_map(|event| if let Event::Trying { total, .. } = event { Some(*total) } else { None });
        assert_eq!(total, Some((40.0 * share) as usize / candidates.len() * candidates.len()), "the share of the steps");
        let best = trials.iter().min_by(|a, b| a.1.total_cmp(&b.1)).expect("a trial");
        let choice = |event: &Event| match event {
            Event::Chosen { method, reason, seconds } => Some((method.clone(), reason.clone(), *seconds)),
            _ => None,
        };
        let (chosen, reason, seconds) = events.iter().find_map(choice).expect("a choice");
        let tried: f64 =
            events.iter().filter_map(|e| if let Event::Trial { seconds, .. } = e { Some(*seconds) } else { None }).sum();
        assert!((seconds - tried).abs() <= 1e-9 && seconds > 0.0, "{seconds} s of {tried} s");
        let steps = total.unwrap_or_default();
        let share = format!("the trials took {:.0}% of the steps of the following run and {seconds:.1} s", steps as f64 / 0.4);
        assert_eq!(chosen, best.0);
        for words in
            [format!("{} is selected", method_label(&best.0)), format!("{:.3}", best.1), "24 training rows".to_owned(), share]
        {
            assert!(reason.contains(&words), "no {words} in {reason}");
        }
        let cost = job.cost();
        let adapter = job.adapter().expect("an adapter");

        let mut direct = wanted.clone();
        direct.prompt.method = serde_json::from_value(chosen.as_str().into()).expect("a method");
        let mut run = Run::start(tiny_model(), dataset, direct).await.expect("a run");
        while run.next().await.expect("an event").is_some() {}
        assert_eq!(adapter, run.adapter().expect("an adapter"), "bit for bit the run of the chosen method");
        assert!(cost.flops > run.cost().flops, "the trials are paid for");
    }
}
