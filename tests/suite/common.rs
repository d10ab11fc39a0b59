//! What several test files share: a comparer that NaN cannot pass, zips, and random encoders and batches.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::io::{Cursor, Write as _};

use softprompt::data::batch::{Example, PackedBatch};
use softprompt::data::table::Table;
use softprompt::engine::{Entry, Pooling, Route};
use softprompt::model::spec::{EncoderSpec, EncoderWeights, LayerWeights, LinearWeights, NormWeights};
use softprompt::rng::Rng;
use wasm_bindgen_test::*;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A zip of these files.
pub(crate) fn zipped<N: AsRef<str>, B: AsRef<[u8]>>(files: &[(N, B)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(name.as_ref(), SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes.as_ref()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The table of a file that must be read.
pub(crate) fn table(bytes: impl AsRef<[u8]>) -> Table {
    Table::from_bytes(bytes.as_ref()).unwrap_or_else(|error| panic!("{error} ({})", error.hint()))
}

/// Compares element by element: `|got - want| <= atol + rtol |want|`. The message names the element that is worst against
/// its tolerance. NaN and infinity are never close to anything, different lengths are not close, and comparing nothing is an
/// error of the test.
pub(crate) fn compare<A: Copy + Into<f64>, B: Copy + Into<f64>>(
    got: &[A],
    want: &[B],
    rtol: f64,
    atol: f64,
) -> Result<(), String> {
    if got.len() != want.len() {
        return Err(format!("{} elements instead of {}", got.len(), want.len()));
    }
    if got.is_empty() {
        return Err("nothing to compare".to_owned());
    }
    let mut wrong = 0;
    let mut worst = (0.0, String::new());
    for (index, (&got, &want)) in got.iter().zip(want).enumerate() {
        let (got, want): (f64, f64) = (got.into(), want.into());
        let (error, tolerance) = ((got - want).abs(), atol + rtol * want.abs());
        // True for NaN too; an infinite `want` must not allow everything.
        if error <= tolerance && tolerance.is_finite() {
            continue;
        }
        wrong += 1;
        let excess = if error.is_finite() { error / tolerance } else { f64::INFINITY };
        if wrong == 1 || excess > worst.0 {
            worst = (excess, format!("at {index}: {got:e} instead of {want:e}, error {error:e}, tolerance {tolerance:e}"));
        }
    }
    match wrong {
        0 => Ok(()),
        _ => Err(format!("{wrong} of {} elements differ (rtol {rtol:e}, atol {atol:e}); worst {}", got.len(), worst.1)),
    }
}

/// [`compare`], and fails the test.
#[track_caller]
pub(crate) fn assert_close<A: Copy + Into<f64>, B: Copy + Into<f64>>(got: &[A], want: &[B], rtol: f64, atol: f64) {
    if let Err(difference) = compare(got, want, rtol, atol) {
        panic!("{difference}");
    }
}

/// `size` draws with mean 0 and this standard deviation.
pub(crate) fn random(rng: &mut Rng, size: usize, deviation: f64) -> Vec<f64> {
    (0..size).map(|_| rng.normal() * deviation).collect()
}

/// The same in f32.
pub(crate) fn random_f32(rng: &mut Rng, size: usize, deviation: f64) -> Vec<f32> {
    random(rng, size, deviation).into_iter().map(|value| value as f32).collect()
}

/// The sizes of an encoder small enough for finite differences, all of them odd in one way or another.
pub(crate) fn tiny_spec() -> EncoderSpec {
    EncoderSpec { layers: 2, hidden: 12, heads: 3, ffn: 20, vocab: 31, max_positions: 16, layer_norm_eps: 1e-6 }
}

/// Random weights that keep activations and attention scores of the order of 1.
pub(crate) fn random_weights(spec: &EncoderSpec, seed: u64) -> EncoderWeights {
    let rng = &mut Rng::stream(seed, "weights");
    let hidden = spec.hidden;
    let linear = |rng: &mut Rng, outputs: usize, inputs: usize| LinearWeights {
        weight: random_f32(rng, outputs * inputs, 1.0 / (inputs as f64).sqrt()),
        bias: random_f32(rng, outputs, 0.1),
    };
    let norm = |rng: &mut Rng| NormWeights {
        gamma: random_f32(rng, hidden, 0.1).into_iter().map(|value| 1.0 + value).collect(),
        beta: random_f32(rng, hidden, 0.1),
    };
    EncoderWeights {
        spec: spec.clone(),
        word: std::sync::Arc::new(random_f32(rng, spec.vocab * hidden, 1.0)),
        position: random_f32(rng, spec.max_positions * hidden, 0.3),
        embed_norm: norm(rng),
        layers: (0..spec.layers)
            .map(|_| LayerWeights {
                qkv: linear(rng, 3 * hidden, hidden),
                attention_out: linear(rng, hidden, hidden),
                attention_norm: norm(rng),
                ffn_in: linear(rng, spec.ffn, hidden),
                ffn_out: linear(rng, hidden, spec.ffn),
                ffn_norm: norm(rng),
            })
            .collect(),
        pooler: Some(linear(rng, hidden, hidden)),
    }
}

/// A batch of examples with these numbers of random tokens, behind `prompt_length` prompt rows each.
pub(crate) fn random_batch(lengths: &[usize], prompt_length: usize, vocab: usize, seed: u64) -> PackedBatch {
    PackedBatch::new(&random_examples(lengths, vocab, seed), prompt_length)
}

/// Examples with these numbers of random tokens, in two classes.
pub(crate) fn random_examples(lengths: &[usize], vocab: usize, seed: u64) -> Vec<Example> {
    let rng = &mut Rng::stream(seed, "batch");
    let example = |(index, &length): (usize, &usize)| Example {
        tokens: (0..length).map(|_| rng.below(vocab) as u32).collect(),
        label: index as u32 % 2,
    };
    lengths.iter().enumerate().map(example).collect()
}

/// Every way through an encoder of so many layers, with the prompt rows of the batch. The update has a row more than it needs.
pub(crate) fn routes(batch: &PackedBatch, layers: usize) -> Vec<Route> {
    let prompt = batch.prompt_length() as u32;
    let update = batch.longest() - batch.prompt_length() + 1;
    let words = Route::words(Pooling::Mean);
    let mut routes = vec![
        words,
        Route { per_example: true, ..words },
        Route { update, pooling: Pooling::Row(0), ..words },
        Route { update, per_example: true, pooling: Pooling::MeanFrom(prompt), ..words },
        Route { prefix: true, pooling: Pooling::MeanFrom(prompt), ..words },
        Route { prefix: true, update, pooling: Pooling::Row(prompt), ..words },
    ];
    for entry in (0..layers).map(Entry::After) {
        routes.push(Route { entry, ..words });
        routes.push(Route { entry, per_example: true, pooling: Pooling::MeanFrom(prompt), ..words });
    }
    routes
}

/// Negative control of the comparer: what must not pass.
#[wasm_bindgen_test(unsupported = test)]
fn comparer_refuses_what_differs() {
    let want = [1.0, -2.0, 0.0];
    compare(&want, &want, 0.0, 0.0).expect("equal numbers are close");
    compare(&[1.001, -2.0, 0.0], &want, 1e-2, 0.0).expect("inside the relative tolerance");
    compare(&[1.0, -2.0, 0.009], &want, 0.0, 1e-2).expect("inside the absolute tolerance");
    assert!(compare(&[1.0, -2.0, 0.011], &want, 0.0, 1e-2).is_err(), "outside the absolute tolerance");
    assert!(compare(&[1.0, -2.0, 1e-9], &want, 0.5, 0.0).is_err(), "a relative tolerance says nothing about 0");
    assert!(compare(&[1.0, 2.0, 0.0], &want, 0.1, 0.1).is_err(), "another sign");
    assert!(compare(&[1.0, -2.0], &want, 1.0, 1.0).is_err(), "another length");
    assert!(compare::<f64, f64>(&[], &[], 1.0, 1.0).is_err(), "nothing");
    for broken in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(compare(&[1.0, broken, 0.0], &want, 1.0, 1.0).is_err(), "{broken} is not close to a number");
        assert!(compare(&want, &[1.0, broken, 0.0], 1.0, 1.0).is_err(), "a number is not close to {broken}");
        assert!(compare(&[broken], &[broken], 1.0, 1.0).is_err(), "{broken} is not close to itself");
    }
}

/// The message names the element with the largest excess, and NaN before all others.
#[wasm_bindgen_test(unsupported = test)]
fn comparer_names_the_worst_element() {
    let message = compare(&[1.1, 5.0, 1.2, 1.0], &[1.0; 4], 0.0, 1e-3).expect_err("different numbers");
    assert!(message.contains("3 of 4") && message.contains("at 1: 5e0 instead of 1e0"), "{message}");
    let message = compare(&[9.0, f64::NAN], &[1.0; 2], 0.0, 1e-3).expect_err("different numbers");
    assert!(message.contains("at 1: NaN"), "{message}");
}
