//! What is said about a result: intervals, calibration, single rows, neighbours of the prompt, the report.

use softprompt::adapter::Adapter;
use softprompt::config::{Generator, Method, PruneConfig, RunConfig};
use softprompt::data::{dataset::Dataset, table::Table};
use softprompt::eval::answers::Answers;
use softprompt::eval::calibration::Calibration;
use softprompt::eval::interval::{Interval, macro_f1, wilson};
use softprompt::eval::majority_accuracy;
use softprompt::nearest::{Nearest, nearest};
use softprompt::report::{Course, Report};
use softprompt::train::checkpoint::Checkpoint;
use softprompt::train::event::Event;
use softprompt::train::job::Job;
use softprompt::train::run::{Run, SampleLimits};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::every_method::{base, dataset};
use crate::tiny::tiny_model;

#[track_caller]
fn near(got: Interval, low: f64, high: f64, tolerance: f64) {
    assert!((got.low - low).abs() <= tolerance && (got.high - high).abs() <= tolerance, "{got:?}, want {low} to {high}");
}

#[wasm_bindgen_test(unsupported = test)]
fn wilson_s_interval_is_the_published_one() {
    // Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3 (four decimals).
    near(wilson(81, 263), 0.2553, 0.3662, 5e-5);
    near(wilson(15, 148), 0.0624, 0.1605, 5e-5);
    near(wilson(0, 20), 0.0, 0.1611, 5e-5);
    near(wilson(1, 29), 0.0061, 0.1718, 5e-5);
    // The formula in Python, with all digits.
    near(wilson(130, 140), 0.873_510_212_628_654_2, 0.960_741_615_626_134_7, 1e-12);
    assert_eq!(wilson(10, 10).high, 1.0);
    assert_eq!(wilson(0, 0), Interval { low: 0.0, high: 1.0 });
}

/// 100 rows of three classes, 16 of them wrong.
fn labelled() -> (Vec<u32>, Vec<u32>) {
    let truth: Vec<u32> = (0..100).map(|row| u32::from(row >= 60) + u32::from(row >= 90)).collect();
    let mut predicted = truth.clone();
    predicted[..6].fill(1);
    predicted[60..66].fill(0);
    predicted[90..94].fill(0);
    (truth, predicted)
}

#[wasm_bindgen_test(unsupported = test)]
fn the_bootstrap_agrees_with_another_one() {
    // 20,000 resamples in NumPy 2.4, percentiles 2.5 and 97.5: 0.6811 to 0.8965. The end of a percentile of 1,000 resamples has a
    // standard error of about 0.005 here.
    let (truth, predicted) = labelled();
    let interval = macro_f1(3, &truth, &predicted);
    near(interval, 0.6811, 0.8965, 0.015);
    assert_eq!(interval, macro_f1(3, &truth, &predicted), "the same rows, the same interval");
    near(macro_f1(2, &[0, 1, 0], &[0, 1, 0]), 1.0, 1.0, 0.0);
    near(macro_f1(2, &[], &[]), 0.0, 1.0, 0.0);
    // More rows of the same kind are surer.
    let ten = |rows: &[u32]| rows.repeat(10);
    let more = macro_f1(3, &ten(&truth), &ten(&predicted));
    assert!(more.high - more.low < 0.5 * (interval.high - interval.low), "{more:?}");
}

#[wasm_bindgen_test(unsupported = test)]
fn calibration_is_what_it_is_by_hand() {
    // Bin 7 (0.6 to 0.7): 0.65 and 0.7 (the upper end belongs to it), one right. Bin 10: 0.95 and 0.95 and 1, all right; bin 1:
    // 0, wrong.
    let answers = [(0.65, true), (0.7, false), (0.95, true), (0.95, true), (1.0, true), (0.0, false)];
    let Calibration { error, excess, bins } = Calibration::new(answers);
    assert_eq!(bins.iter().map(|bin| bin.count).collect::<Vec<_>>(), [1, 0, 0, 0, 0, 0, 2, 0, 0, 3]);
    let close = |got: f64, want: f64| assert!((got - want).abs() < 1e-6, "{got} instead of {want}");
    close(bins[6].confidence, 0.675);
    close(bins[6].accuracy, 0.5);
    close(bins[9].confidence, 2.9 / 3.0);
    close(bins[9].accuracy, 1.0);
    // 2/6 of 0.175, and 3/6 of 0.1/3.
    close(error, 2.0 / 6.0 * 0.175 + 3.0 / 6.0 * (0.1 / 3.0));
    close(excess, 2.0 / 6.0 * 0.175 - 3.0 / 6.0 * (0.1 / 3.0));
    assert_eq!(Calibration::new([]).error, 0.0);
}

#[wasm_bindgen_test(unsupported = test)]
fn the_surest_mistake_comes_first() {
    let labels: Vec<String> = ["a", "b"].map(String::from).into();
    let scores = [3.0, 0.0, 0.0, 1.0, 0.0, 2.0, 1.0, 0.0, 0.0, 4.0];
    let answers = Answers::new(labels.clone(), vec![3, 5, 8, 9, 11], vec![0, 0, 0, 1, 1], &scores).expect("answers");
    assert_eq!(answers.predicted, [0, 1, 1, 0, 1]);
    // Sure by 2; two by 1, in the order of the rows.
    assert_eq!(answers.mistakes(), [2, 1, 3]);
    assert_eq!(answers.cell(0, 1), [2, 1]);
    assert_eq!(answers.cell(1, 1), [4]);
    assert!((answers.confidence(2) - 0.880_797).abs() < 1e-5, "{}", answers.confidence(2));
    assert!((answers.probabilities(2)[0] - 0.119_203).abs() < 1e-5);
    assert_eq!(answers.metrics().expect("figures").accuracy, 0.4);
    near(answers.accuracy_interval(), wilson(2, 5).low, wilson(2, 5).high, 0.0);
    for (rows, truth, scores) in
        [(vec![], vec![], &[][..]), (vec![0], vec![0, 1], &scores[..4]), (vec![0], vec![0], &scores[..4])]
    {
        assert!(Answers::new(labels.clone(), rows, truth, scores).is_err());
    }
}

async fn finished(mut run: Run) -> (Run, Vec<Event>) {
    let mut events = Vec::new();
    while let Some(event) = run.next().await.expect("an event") {
        events.push(event);
    }
    (run, events)
}

/// The rows say what `Done` said, and the predictor of the run says what the rows say.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn held_out_rows_are_those_of_the_figures() {
    let config = base(24);
    let few = SampleLimits { watched: 9, ..SampleLimits::default() };
    for (limits, stop) in [(SampleLimits::default(), false), (few, false), (few, true)] {
        let data = dataset(100, &config);
        let mut run = Run::with_limits(tiny_model(), data.clone(), config.clone(), limits).await.expect("a run");
        assert!(run.held_out().is_err(), "before the first evaluation");
        if stop {
            while !matches!(run.next().await.expect("an event"), Some(Event::Eval { .. })) {}
            run.stop();
        }
        let (run, events) = finished(run).await;
        let Some(Event::Done { accuracy, macro_f1, confusion, per_class, majority_accuracy: majority, .. }) = events.last()
        else {
            panic!("{:?}", events.last())
        };
        let answers = run.held_out().expect("answers");
        let all = data.held_out.len();
        assert_eq!(answers.count(), if stop { 9 } else { all });
        let metrics = answers.metrics().expect("figures");
        assert_eq!((metrics.accuracy, metrics.macro_f1), (*accuracy, *macro_f1));
        assert_eq!((&metrics.confusion, &metrics.per_class), (confusion, per_class));
        let texts: Vec<&str> = answers.rows.iter().map(|&row| data.held_out[row].text.as_str()).collect();
        let predictor = run.predictor().expect("a predictor");
        for (answer, prediction) in predictor.predict(&texts).await.expect("predictions").iter().enumerate() {
            assert_eq!(prediction.label, answers.labels[answers.predicted[answer] as usize]);
            assert_eq!(data.held_out[answers.rows[answer]].label, answers.truth[answer]);
            let difference = (prediction.probabilities[0].probability - answers.confidence(answer)).abs();
            assert!(difference < 1e-4, "row {answer} differs by {difference}");
        }
        if !stop {
            let train: Vec<u32> = data.train.iter().map(|row| row.label).collect();
            assert_eq!(*majority, majority_accuracy(&train, &answers.truth));
        }
    }
}

/// What a checkpoint carries is enough to know the rows where the best was reached before it.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_resumed_run_knows_its_rows_at_once() {
    let config = base(24);
    let mut run = Run::start(tiny_model(), dataset(60, &config), config.clone()).await.expect("a run");
    while !matches!(run.next().await.expect("an event"), Some(Event::Eval { .. })) {}
    let bytes = run.checkpoint().await.expect("a checkpoint").to_bytes().expect("bytes");
    let checkpoint = Checkpoint::from_bytes(&bytes).expect("the same checkpoint");
    let resumed = Run::resume(tiny_model(), dataset(60, &config), checkpoint).await.expect("a run");
    assert_eq!(run.held_out().expect("answers"), resumed.held_out().expect("answers"));
}

async fn trained(change: impl FnOnce(&mut RunConfig)) -> Adapter {
    let mut config = base(6);
    change(&mut config);
    let run = Run::start(tiny_model(), dataset(48, &config), config).await.expect("a run");
    finished(run).await.0.adapter().expect("an adapter")
}

fn neighbours(adapter: &Adapter) -> Nearest {
    let model = tiny_model();
    nearest(adapter, model.weights(), model.tokenizer(), 3)
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn prompt_rows_have_the_neighbours_that_a_plain_search_finds() {
    let model = tiny_model();
    let (hidden, vocab) = (model.spec().hidden, model.spec().vocab);
    let words = model.tokenizer().words(vocab);
    assert!(words.iter().flatten().all(|word| !["[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"].contains(&word.as_str())));
    let kept = words.iter().flatten().count();
    assert!(kept > vocab / 2 && kept < vocab, "{kept} of {vocab}");
    let adapter = trained(|config| config.prompt.method = Method::Efficient).await;
    let found = neighbours(&adapter);
    assert_eq!((found.rows.len(), &found.why_not), (4, &None));
    for (row, prompt) in found.rows.iter().zip(adapter.stored[0].values.chunks(hidden)) {
        let length = |values: &[f32]| values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let cosine = |id: usize| {
            let word = &model.weights().word[id * hidden..][..hidden];
            let dot: f64 = word.iter().zip(prompt).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            dot / length(word) / length(prompt)
        };
        let mut all: Vec<(f64, &String)> =
            words.iter().enumerate().filter_map(|(id, word)| word.as_ref().map(|word| (cosine(id), word))).collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        for ((cosine, word), near) in all.iter().zip(&row.tokens) {
            assert!(
                *word == &near.token && (cosine - f64::from(near.cosine)).abs() < 1e-5,
                "{near:?} instead of {word} {cosine}"
            );
        }
        assert_eq!(row.tokens.len(), 3);
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn only_prompts_among_the_words_have_neighbours() {
    let ensemble = neighbours(&trained(|config| config.prompt.method = Method::Ensemble).await);
    let places: Vec<(usize, usize)> = ensemble.rows.iter().map(|row| (row.member, row.row)).collect();
    assert_eq!((places.len(), places[0], places[4], places[11]), (12, (1, 1), (2, 1), (3, 4)));
    let progressive = neighbours(&trained(|config| config.prompt.method = Method::Progressive).await);
    assert_eq!(progressive.rows.len(), 4);
    let pruned = trained(|config| config.prompt.prune = Some(PruneConfig { tokens: 0.5, ..PruneConfig::default() })).await;
    let empty = neighbours(&pruned).rows.iter().filter(|row| row.tokens.is_empty()).count();
    assert_eq!(empty, 2, "two of four rows are pruned");
    for (change, word) in [
        ((|c| c.prompt.method = Method::Probe) as fn(&mut RunConfig), "no prompt"),
        (|c| c.prompt.method = Method::Deep, "every layer"),
        (|c| c.prompt.method = Method::Late, "inside the encoder"),
        (|c| (c.prompt.method, c.prompt.late.generator) = (Method::Late, Generator::None), "inside the encoder"),
        (|c| (c.prompt.method, c.prompt.progressive.base) = (Method::Progressive, Method::Deep), "every layer"),
    ] {
        let found = neighbours(&trained(change).await);
        let why = found.why_not.expect("a reason");
        assert!(found.rows.is_empty() && why.contains(word), "{why}");
    }
}

/// Hostile words in every place that a file can put them; what leaves is text.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_report_shows_everything_and_runs_nothing() {
    let hostile = "</style><script>alert(1)</script><img src=x onerror=\"alert('2')\">";
    let quoted = hostile.replace('"', "\"\"");
    let mut file = String::from("text,label\n");
    for i in 0..40 {
        let (text, label) = if i % 2 == 0 { ("card lost bank", "bank") } else { ("play song", hostile) };
        file += &format!("\"{text} {i} {}\",\"{}\"\n", if i < 20 { &quoted } else { "" }, label.replace('"', "\"\""));
    }
    let mut config = base(6);
    config.prompt.method = Method::Auto;
    config.prompt.auto.candidates = vec![Method::Prompt, Method::Probe];
    let table = Table::from_bytes(file.as_bytes()).expect("a table");
    let data = Dataset::from_table(&table, &config.data, config.seed).expect("a data set");
    let mut run = Job::start(tiny_model(), data.clone(), config).await.expect("a run");
    let mut course = Course::default();
    while let Some(event) = run.next().await.expect("an event") {
        course.take(&event);
    }
    let (adapter, mut answers) = (run.adapter().expect("an adapter"), run.held_out().expect("answers"));
    // Mistakes, so that texts are shown.
    for (answer, predicted) in answers.predicted.iter_mut().enumerate().take(5) {
        *predicted = 1 - answers.truth[answer];
    }
    // Whichever method was chosen: one with neighbours.
    let near = neighbours(&trained(|_| {}).await);
    let report = Report {
        file: hostile,
        data: &data.report,
        adapter: &adapter,
        course: &course,
        answers: &answers,
        held_out: &data.held_out,
        nearest: &near,
    };
    let html = report.to_html().expect("a report");
    assert_eq!(html, report.to_html().expect("a report"), "the same report twice");
    for element in ["<script", "<img", "onerror=\"", "javascript:", "http://", "https://", "<link", "@import", "url("] {
        assert!(!html.contains(element), "{element} in the report");
    }
    // The style's own end is the only one.
    assert_eq!(html.matches("</style>").count(), 1);
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=&quot;alert(&#39;2&#39;)&quot;&gt;"));
    assert!(html.contains("default-src 'none'"));
    let accuracy = format!("<p class=\"big\">{:.1}%</p>", answers.metrics().expect("figures").accuracy * 100.0);
    let reason = course.reason.clone().expect("a reason").replace('\'', "&#39;").replace('<', "&lt;");
    let sha256 = adapter.data_sha256.clone().expect("a hash");
    for part in [
        accuracy.as_str(),
        "Macro-F1, 95% confidence interval",
        "Linear probe (no prompt)",
        "Expected calibration error",
        "Trials",
        reason.as_str(),
        "optim.batch_size",
        "prompt.late.bottleneck",
        "Nearest tokens",
        "Confusion matrix",
        "<svg",
        "prefers-color-scheme: dark",
        sha256.as_str(),
        adapter.base_model.sha256.as_deref().expect("a hash"),
    ] {
        assert!(html.contains(part), "no {part:?} in {html}");
    }
    let prompt = trained(|_| {}).await;
    let said = |probe: f64, majority: f64, by_user: bool| {
        let baselines = Course { probe_accuracy: Some(probe), majority_accuracy: majority, ..course.clone() };
        let course = &Course { stopped_early: true, stopped_by_user: by_user, ..baselines };
        Report { adapter: &prompt, course, ..report }.to_html().expect("a report")
    };
    let below = said(1.0, 0.0, true);
    assert!(below.contains("This is below the linear probe") && below.contains("--method probe"), "{below}");
    assert!(below.contains(", stopped by the user") && !below.contains("early stopping"), "{below}");
    let worse = said(1.0, 1.0, false);
    assert!(worse.contains("no better than always predicting") && worse.contains(", ended by early stopping"), "{worse}");
    assert!(!said(0.0, 0.0, true).contains("no better") && !said(0.0, 0.0, true).contains("linear probe, which"));
    for answer in answers.mistakes() {
        let number = format!("<tr><th scope=\"row\">{}</th>", data.held_out[answers.rows[answer]].row);
        assert!(html.contains(&number), "row {number}");
    }
    // As many mistakes in a long text as there are.
    assert_eq!(html.matches("class=\"text\"").count(), answers.mistakes().len());
}
