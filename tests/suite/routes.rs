//! What the routes through the encoder mean, on the CPU: late entry, prefix and update against passes that must give the same
//! numbers, and hidden states with and without their cache.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use softprompt::data::batch::{Example, PackedBatch};
use softprompt::engine::boundary::{Inputs, Prompt};
use softprompt::engine::compute::{Compute, read};
use softprompt::engine::cpu::insert::insert;
use softprompt::engine::cpu::matmul::{Epilogue, MatmulSize, matmul};
use softprompt::engine::cpu::neuron_scores::neuron_scores;
use softprompt::engine::cpu::{Activations, CpuEncoder, FastEncoder, Saved};
use softprompt::engine::{Entry, PROMPT_BIT, Pooling, Route, RowInfo, check_route};
use softprompt::model::spec::{EncoderSpec, EncoderWeights, LayerWeights};
use softprompt::rng::Rng;
use wasm_bindgen_test::*;

use super::common::{
    assert_close, compare, random, random_batch, random_examples, random_f32, random_weights, routes, tiny_spec,
};

fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// The twin in f64 of the tiny encoder.
fn tiny() -> (EncoderSpec, EncoderWeights, CpuEncoder<f64>) {
    let spec = tiny_spec();
    let weights = random_weights(&spec, 3);
    let encoder = CpuEncoder::new(Arc::new(weights.clone()));
    (spec, weights, encoder)
}

/// Rows of `h` `[T, D]` that come from the prompt, and the text's, each one after another.
fn split_rows(batch: &PackedBatch, h: &[f64], hidden: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut prompt, mut text) = (Vec::new(), Vec::new());
    for (row, h) in Route::words(Pooling::Mean).row_infos(batch, |id| id).iter().zip(h.chunks_exact(hidden)) {
        if row.source & PROMPT_BIT == 0 { &mut text } else { &mut prompt }.extend_from_slice(h);
    }
    (prompt, text)
}

#[wasm_bindgen_test(unsupported = test)]
fn insert_takes_the_right_rows() {
    let source = |source| RowInfo { start: 0, end: 0, source, example: 0 };
    let rows = [source(PROMPT_BIT | 1), source(0), source(PROMPT_BIT), source(1)];
    let mut h = [f64::NAN; 8];
    insert(&rows, &[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0, 7.0, 8.0], &mut h, 2);
    assert_eq!(h, [3.0, 4.0, 5.0, 6.0, 1.0, 2.0, 7.0, 8.0]);
}

#[wasm_bindgen_test(unsupported = test)]
fn rows_know_their_sources() {
    let batch = random_batch(&[2, 1], 2, 31, 1);
    let sources = |route: Route| route.row_infos(&batch, |id| 1000 + id).iter().map(|row| row.source).collect::<Vec<_>>();
    let [a, b, c] = [0, 1, 2].map(|t| batch.tokens()[t]);
    let words = Route::words(Pooling::Mean);
    let p = |row: u32| PROMPT_BIT | row;
    assert_eq!(sources(words), [p(0), p(1), 1000 + a, 1000 + b, p(0), p(1), 1000 + c]);
    assert_eq!(sources(Route { per_example: true, ..words }), [p(0), p(1), 1000 + a, 1000 + b, p(2), p(3), 1000 + c]);
    assert_eq!(sources(Route { entry: Entry::After(1), ..words }), [p(0), p(1), 0, 1, p(0), p(1), 2]);
    assert_eq!(sources(Route { entry: Entry::After(0), per_example: true, ..words }), [p(0), p(1), 0, 1, p(2), p(3), 2]);
}

/// A pass that enters after some layers with the rows of another pass continues that one, bit by bit.
#[wasm_bindgen_test(unsupported = test)]
fn a_late_pass_continues_an_early_one() {
    let (spec, _, encoder) = tiny();
    let batch = random_batch(&[4, 1, 6], 2, spec.vocab, 1);
    let prompt = random(&mut Rng::stream(1, "prompt"), 2 * spec.hidden, 1.0);
    let words = Route::words(Pooling::Mean);
    let want = encoder.forward(&batch, &prompt, &[], words, None);
    for (layers, h) in encoder.hidden_states(&batch, &prompt)[..spec.layers].iter().enumerate() {
        let (rows, states) = split_rows(&batch, h, spec.hidden);
        let route = Route { entry: Entry::After(layers), per_example: true, ..words };
        assert_eq!(encoder.forward(&batch, &rows, &states, route, None), want, "after {layers} layers");
        if layers == 0 {
            // The embeddings of the prompt are the same in every example.
            let shared = Route { per_example: false, ..route };
            assert_eq!(encoder.forward(&batch, &rows[..2 * spec.hidden], &states, shared, None), want);
        }
    }
}

/// Behind the embeddings, a prompt has no norm, and the text's positions start at 0.
#[wasm_bindgen_test(unsupported = test)]
fn a_prompt_behind_the_embeddings_is_another_prompt() {
    let (spec, _, encoder) = tiny();
    let examples = random_examples(&[4, 1, 6], spec.vocab, 1);
    let [batch, text] = [2, 0].map(|length| PackedBatch::new(&examples, length));
    let prompt = random(&mut Rng::stream(1, "prompt"), 2 * spec.hidden, 1.0);
    let words = Route::words(Pooling::Mean);
    let late = Route { entry: Entry::After(0), ..words };
    let want = encoder.forward(&batch, &prompt, &[], words, None);
    let (rows, states) = split_rows(&batch, &encoder.hidden_states(&batch, &prompt)[0], spec.hidden);
    let own = &encoder.hidden_states(&text, &[])[0];
    let differs =
        |prompt: &[f64], states: &[f64]| compare(&encoder.forward(&batch, prompt, states, late, None), &want, 0.0, 1e-2).is_err();
    assert!(differs(&prompt, own), "as it is used");
    assert!(differs(&prompt, &states), "the norm matters");
    assert!(differs(&rows[..2 * spec.hidden], own), "the text's positions matter");
}

/// Keys and values that a prompt's rows would have had, given as a prefix, give the text the same rows. Of one example alone: in
/// the others the prompt's rows saw another text.
#[wasm_bindgen_test(unsupported = test)]
fn a_prefix_replaces_the_keys_and_values_of_a_prompt() {
    let (spec, weights, encoder) = tiny();
    let EncoderSpec { layers, hidden, .. } = spec;
    let batch = random_batch(&[5], 3, spec.vocab, 1);
    let prompt = random(&mut Rng::stream(1, "prompt"), 3 * hidden, 1.0);
    let mut prefix = vec![f64::NAN; 3 * 2 * layers * hidden];
    for (l, h) in encoder.hidden_states(&batch, &prompt)[..layers].iter().enumerate() {
        let (w, bias) = (widened(&weights.layers[l].qkv.weight), widened(&weights.layers[l].qkv.bias));
        let mut qkv = vec![f64::NAN; 3 * 3 * hidden];
        let size = MatmulSize { m: 3, n: 3 * hidden, k: hidden };
        matmul(&h[..3 * hidden], &w, &bias, &[], &mut qkv, &mut [], Epilogue::Bias, size);
        for (p, qkv) in qkv.chunks_exact(3 * hidden).enumerate() {
            // PEFT: of a row, k of the first layer, v of the first layer, k of the second..
            prefix[(p * 2 * layers + 2 * l) * hidden..][..2 * hidden].copy_from_slice(&qkv[hidden..]);
        }
    }
    for pooling in [Pooling::MeanFrom(3), Pooling::Row(3), Pooling::Row(7)] {
        let words = Route::words(pooling);
        let want = encoder.forward(&batch, &prompt, &[], words, None);
        let got = encoder.forward(&batch, &prefix, &[], Route { prefix: true, ..words }, None);
        assert_close(&got, &want, 1e-10, 1e-10);
    }
}

/// What stands in the prefix's own rows reaches neither the text nor a gradient: here, what their positions make of zeros.
#[wasm_bindgen_test(unsupported = test)]
fn the_rows_of_a_prefix_are_not_seen() {
    let (spec, mut weights, encoder) = tiny();
    let rng = &mut Rng::stream(1, "prompt");
    let junk = random_f32(rng, 2 * spec.hidden, 5.0);
    weights.position[..junk.len()].copy_from_slice(&junk);
    let other = CpuEncoder::<f64>::new(Arc::new(weights.clone()));
    let fast = [FastEncoder::new(Arc::new(weights)), FastEncoder::new(Arc::new(tiny().1))];
    let batch = random_batch(&[4, 1, 6], 2, spec.vocab, 1);
    let prefixes: Vec<Route> = routes(&batch, spec.layers).into_iter().filter(|route| route.prefix).collect();
    assert!(prefixes.len() > 1, "with and without an update");
    for route in prefixes {
        let size = route.input_rows(&batch, spec.layers).iter().sum::<usize>() * spec.hidden;
        let (input, d_pooled) = (random_f32(rng, size, 1.0), random_f32(rng, 3 * spec.hidden, 1.0));
        let step = |encoder: &CpuEncoder<f64>| {
            let mut saved = Saved::default();
            let pooled = encoder.forward(&batch, &widened(&input), &[], route, Some(&mut saved));
            [pooled, encoder.backward(&batch, &widened(&input), route, &saved, &widened(&d_pooled))]
        };
        assert_eq!(step(&encoder), step(&other));
        let [one, two] = fast.each_ref().map(|fast| {
            let mut buffers = Activations::default();
            let pooled = fast.forward(&batch, &input, &[], route, true, &mut buffers);
            [pooled, fast.backward(&batch, &input, route, &d_pooled, &mut buffers)]
        });
        assert_eq!(one, two);
    }
    let words = Route::words(Pooling::MeanFrom(2));
    let prompt = random(rng, 2 * spec.hidden, 1.0);
    let [one, two] = [&encoder, &other].map(|encoder| encoder.forward(&batch, &prompt, &[], words, None));
    assert_ne!(one, two, "the rows of a prompt are seen");
}

/// An update of the text is an update of the positions behind the prompt (it does not depend on the token).
#[wasm_bindgen_test(unsupported = test)]
fn an_update_moves_the_positions_of_the_text() {
    let (spec, mut weights, encoder) = tiny();
    let hidden = spec.hidden;
    let rng = &mut Rng::stream(1, "prompt");
    let (prompt, update) = (random(rng, 2 * hidden, 1.0), random(rng, 6 * hidden, 1.0));
    for (place, update) in weights.position[2 * hidden..].iter_mut().zip(&update) {
        *place += *update as f32;
    }
    let moved = CpuEncoder::<f64>::new(Arc::new(weights));
    let batch = random_batch(&[4, 1, 6], 2, spec.vocab, 1);
    let words = Route::words(Pooling::Mean);
    let got = encoder.forward(&batch, &[&prompt[..], &update].concat(), &[], Route { update: 6, ..words }, None);
    assert_close(&got, &moved.forward(&batch, &prompt, &[], words, None), 0.0, 1e-6);
    assert!(compare(&got, &encoder.forward(&batch, &prompt, &[], words, None), 0.0, 1e-2).is_err(), "it matters");
}

#[wasm_bindgen_test(unsupported = test)]
fn neuron_scores_are_means_of_absolute_activations_in_each_text() {
    // A text of one row and one of two: its rows count half.
    let mut scores = [f64::NAN; 3];
    neuron_scores(&[0, 1, 3], &[1.0, -2.0, 0.0, -0.5, 4.0, 3.0, 1.5, 1.0, -6.0], &mut scores);
    assert_eq!(scores, [2.0, 4.5, 4.5]);

    let (spec, mut weights, _) = tiny();
    let batch = random_batch(&[4, 1, 6], 2, spec.vocab, 1);
    let prompt = random(&mut Rng::stream(1, "prompt"), 2 * spec.hidden, 1.0);
    // Neurons that see nothing but their bias: |gelu(b)| in every row, however long the texts are.
    let biases = [1.0, -0.7];
    for (layer, &bias) in weights.layers.iter_mut().zip(&biases) {
        layer.ffn_in.weight[3 * spec.hidden..4 * spec.hidden].fill(0.0);
        layer.ffn_in.bias[3] = bias;
    }
    let weights = Arc::new(weights);
    let scores = CpuEncoder::<f64>::new(Arc::clone(&weights)).neuron_scores(&batch, &prompt);
    assert_eq!(scores.len(), spec.layers * spec.ffn);
    let gelu = |u: f32| softprompt::engine::cpu::matmul::gelu(f64::from(u));
    let got = [scores[3], scores[spec.ffn + 3]];
    assert_close(&got, &biases.map(|bias| gelu(bias).abs() * 3.0), 1e-12, 0.0);
    let narrow: Vec<f32> = prompt.iter().map(|&value| value as f32).collect();
    let fast = FastEncoder::new(weights).neuron_scores(&batch, &narrow, &mut Activations::default());
    assert_close(&fast, &scores, 1e-5, 1e-5);
}

/// Texts of 1, 4 and 11 rows behind 2 prompt rows, against the definition written out: in an encoder whose attention adds
/// nothing, a neuron sees the norm of the row that comes into its layer.
#[wasm_bindgen_test(unsupported = test)]
fn neuron_scores_are_those_of_the_definition() {
    let (spec, mut weights, _) = tiny();
    for layer in &mut weights.layers {
        layer.attention_out.weight.fill(0.0);
        layer.attention_out.bias.fill(0.0);
    }
    let batch = random_batch(&[1, 4, 11], 2, spec.vocab, 1);
    let prompt = random(&mut Rng::stream(1, "prompt"), 2 * spec.hidden, 1.0);
    let encoder = CpuEncoder::<f64>::new(Arc::new(weights.clone()));
    let states = encoder.hidden_states(&batch, &prompt);
    let dot = |weights: &[f32], row: &[f64]| weights.iter().zip(row).map(|(&w, x)| f64::from(w) * x).sum::<f64>();
    let mut want = Vec::new();
    for (layer, states) in weights.layers.iter().zip(&states) {
        let LayerWeights { ffn_in, attention_norm: norm, .. } = layer;
        let mut scores = vec![0.0; spec.ffn];
        for ends in batch.offsets().windows(2) {
            let rows = &states[ends[0] as usize * spec.hidden..ends[1] as usize * spec.hidden];
            for row in rows.chunks_exact(spec.hidden) {
                let mean = row.iter().sum::<f64>() / spec.hidden as f64;
                let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / spec.hidden as f64;
                let scale = 1.0 / (variance + spec.layer_norm_eps).sqrt();
                let normed: Vec<f64> = (row.iter().zip(&norm.gamma).zip(&norm.beta))
                    .map(|((x, &gamma), &beta)| (x - mean) * scale * f64::from(gamma) + f64::from(beta))
                    .collect();
                for (neuron, score) in scores.iter_mut().enumerate() {
                    let argument = dot(&ffn_in.weight[neuron * spec.hidden..][..spec.hidden], &normed);
                    let activation = softprompt::engine::cpu::matmul::gelu(argument + f64::from(ffn_in.bias[neuron]));
                    *score += activation.abs() / f64::from(ends[1] - ends[0]);
                }
            }
        }
        want.extend(scores);
    }
    assert_close(&encoder.neuron_scores(&batch, &prompt), &want, 1e-6, 1e-9);
    let narrow: Vec<f32> = prompt.iter().map(|&value| value as f32).collect();
    let fast = FastEncoder::new(Arc::new(weights)).neuron_scores(&batch, &narrow, &mut Activations::default());
    assert_close(&fast, &want, 1e-4, 1e-5);
}

#[wasm_bindgen_test(unsupported = test)]
fn routes_that_no_encoder_takes_are_refused() {
    let spec = tiny_spec();
    let batch = random_batch(&[4, 1, 6], 2, spec.vocab, 1);
    for route in routes(&batch, spec.layers) {
        check_route(&batch, &route, &spec).expect("a good route");
    }
    let words = Route::words(Pooling::MeanFrom(2));
    let late = Route { entry: Entry::After(1), ..words };
    let bad = [
        Route { entry: Entry::After(spec.layers), ..words },
        Route { update: 6, ..late },
        Route { update: 5, ..words },
        Route { prefix: true, ..late },
        Route { prefix: true, per_example: true, ..words },
        Route { prefix: true, pooling: Pooling::Mean, ..words },
        Route { prefix: true, pooling: Pooling::Row(1), ..words },
    ];
    for route in bad {
        assert!(check_route(&batch, &route, &spec).is_err(), "{route:?}");
    }
    // Behind the embeddings, the prompt takes no positions.
    let long = random_batch(&[15], 2, spec.vocab, 1);
    check_route(&long, &late, &spec).expect("15 of 16 positions");
    assert!(check_route(&long, &words, &spec).is_err(), "17 of 16 positions");
}

/// Through burn's graph, every part of the input gets the gradient of the encoder below, bit by bit.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn every_route_passes_through_the_graph() {
    let spec = tiny_spec();
    let weights = Arc::new(random_weights(&spec, 1));
    let (compute, fast) = (Compute::cpu(&weights), FastEncoder::new(weights));
    let batch = Arc::new(random_batch(&[4, 1, 6], 2, spec.vocab, 1));
    let rng = &mut Rng::stream(1, "graph");
    let mut tensor = |rows: usize, width: usize| {
        let values = random_f32(rng, rows * width, 1.0);
        (Tensor::<2>::from_data(TensorData::new(values.clone(), [rows, width]), &compute.device), values)
    };
    for route in routes(&batch, spec.layers) {
        let [prompt_rows, update_rows, prefix_rows] = route.input_rows(&batch, spec.layers);
        let width = if route.prefix { 2 * spec.layers * spec.hidden } else { spec.hidden };
        let (prompt, prompt_values) = tensor((prompt_rows + prefix_rows) * spec.hidden / width, width);
        let (update, update_values) = tensor(update_rows.max(1), spec.hidden);
        let (states, state_values) = tensor(batch.tokens().len(), spec.hidden);
        let (c, d_pooled) = tensor(batch.examples(), spec.hidden);
        let tracked = [prompt, update].map(|tensor| tensor.autodiff().require_grad());
        let [prompt, update] = tracked.clone();
        let inputs = Inputs {
            prompt: match route {
                Route { prefix: true, .. } => Prompt::Prefix(prompt),
                Route { per_example: true, .. } => Prompt::PerExample(prompt),
                _ => Prompt::Shared(prompt),
            },
            update: (route.update > 0).then_some(update),
            states: match route.entry {
                Entry::Words => None,
                Entry::After(layers) => Some((layers, states)),
            },
        };
        let pooled = compute.encoder.encode(&batch, inputs, route.pooling).expect("a forward pass");
        let gradients = (pooled.clone() * c.autodiff()).sum().backward();
        let mut buffers = Activations::default();
        let update_values = &update_values[..update_rows * spec.hidden];
        let parts = if route.prefix { [update_values, &prompt_values] } else { [&prompt_values, update_values] };
        let input = parts.concat();
        assert_eq!(
            read(pooled).await.expect("pooled rows"),
            fast.forward(&batch, &input, &state_values, route, true, &mut buffers)
        );
        let want = fast.backward(&batch, &input, route, &d_pooled, &mut buffers);
        let (first, second) = want.split_at(parts[0].len());
        let want = if route.prefix { [second, first] } else { [first, second] };
        for (tensor, want) in tracked.iter().zip(want).filter(|(_, want)| !want.is_empty()) {
            let gradient = tensor.grad(&gradients).expect("a gradient");
            assert_eq!(read(gradient).await.expect("a gradient"), want, "{route:?}");
        }
    }
}

/// Hidden states have the same bits computed alone or in a batch, without a cache, and with one that is empty, partly filled,
/// full, or too small.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn cached_states_are_the_computed_ones() {
    let spec = EncoderSpec { layers: 3, hidden: 96, heads: 3, ffn: 200, vocab: 97, max_positions: 64, layer_norm_eps: 1e-12 };
    let compute = Compute::cpu(&Arc::new(random_weights(&spec, 1)));
    let encoder = &compute.encoder;
    let like = Tensor::<2>::zeros([1, spec.hidden], &compute.device);
    let examples = random_examples(&[17, 1, 40, 1, 9, 48, 2, 33], spec.vocab, 1);
    let batch_of = |keys: &[u32]| {
        let examples: Vec<Example> = keys.iter().map(|&key| examples[key as usize].clone()).collect();
        Arc::new(PackedBatch::new(&examples, 0))
    };
    let bytes = |rows: usize| (rows * spec.hidden * size_of::<f32>()) as u64;
    for layers in 0..=spec.layers {
        let mut alone = Vec::new();
        for key in 0..examples.len() as u32 {
            let states = encoder.states(&batch_of(&[key]), layers, None, &like).expect("states");
            alone.push(read(states).await.expect("states"));
        }
        let all: Vec<u32> = (0..examples.len() as u32).collect();
        let want = |keys: &[u32]| keys.iter().flat_map(|&key| alone[key as usize].clone()).collect::<Vec<f32>>();
        let states = encoder.states(&batch_of(&all), layers, None, &like).expect("states");
        assert!(read(states).await.expect("states") == want(&all), "together, after {layers} layers");
        // Room for all, for a few, for none.
        for budget in [u64::MAX, bytes(60), 0] {
            let cache = encoder.cache(budget);
            for keys in [&[4, 1][..], &[2, 4, 3, 0], &all, &[7, 6, 7, 1], &all] {
                let states = encoder.states(&batch_of(keys), layers, Some((&cache, keys)), &like).expect("states");
                assert!(read(states).await.expect("states") == want(keys), "{budget} bytes, examples {keys:?}, {layers} layers");
            }
        }
    }
}

/// The cache is used: under a key that is kept, other tokens change nothing. And it keeps to its budget.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn the_cache_is_used_within_its_budget() {
    let spec = tiny_spec();
    let compute = Compute::cpu(&Arc::new(random_weights(&spec, 1)));
    let encoder = &compute.encoder;
    let like = Tensor::<2>::zeros([1, spec.hidden], &compute.device);
    let [first, second] = [1, 2].map(|seed| Arc::new(random_batch(&[3, 4], 0, spec.vocab, seed)));
    // The budget of the first example, and one byte too little for both.
    let row = spec.hidden * size_of::<f32>();
    for (budget, kept) in
        [(3 * row as u64, 3 * spec.hidden), (7 * row as u64 - 1, 3 * spec.hidden), (7 * row as u64, 7 * spec.hidden)]
    {
        let cache = encoder.cache(budget);
        let mut results = Vec::new();
        for batch in [&first, &second] {
            let cached = encoder.states(batch, 1, Some((&cache, &[5, 9])), &like).expect("states");
            let computed = encoder.states(batch, 1, None, &like).expect("states");
            results.push((read(cached).await.expect("states"), read(computed).await.expect("states")));
        }
        let [(cached, computed), (cached_second, computed_second)] = &results[..] else { panic!("two results") };
        assert_eq!(cached, computed);
        assert_eq!(cached_second[..kept], computed[..kept], "what is kept");
        assert_eq!(cached_second[kept..], computed_second[kept..], "what is not");
        assert_ne!(computed_second[..kept], computed[..kept], "or the test proves nothing");
    }
    let keys = encoder.states(&first, 1, Some((&encoder.cache(0), &[5])), &like);
    assert!(keys.is_err(), "one key for two examples");
    assert!(encoder.states(&Arc::new(random_batch(&[3], 2, spec.vocab, 1)), 1, None, &like).is_err(), "prompt rows");
    assert!(encoder.states(&first, spec.layers + 1, None, &like).is_err(), "more layers than there are");
}
