//! Every route through the WGSL encoder: against the CPU encoder, in bits with and without recomputation, in memory; hidden
//! states with and without their cache; and the same through burn's graph.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use softprompt::config::Recompute;
use softprompt::data::batch::{Example, PackedBatch};
use softprompt::engine::boundary::{Inputs, Prompt};
use softprompt::engine::compute::{Compute, read};
use softprompt::engine::wgsl::cache::StateCache;
use softprompt::engine::{Entry, Pooling, Route};
use softprompt::model::spec::EncoderSpec;
use softprompt::rng::Rng;
use wasm_bindgen_test::*;

use super::common::{assert_close, random_batch, random_examples, random_f32, random_weights, routes};
use super::device::adapter;
use super::wgsl_encoder::{Pair, spec};

/// Larger and smaller batches in turn, on every route, in one encoder: the arena grows for one route and is used for another.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn every_route_equals_the_cpu_encoder() {
    for (hidden, heads, ffn) in [(36, 3, 50), (64, 2, 128)] {
        let Some(gpu) = adapter("every_route_equals_the_cpu_encoder").await else { return };
        let spec = EncoderSpec { layers: 3, ..spec(hidden, heads, ffn) };
        let pair = Pair::new(gpu, &spec).await;
        for (lengths, prompt) in [(&[3, 1, 7][..], 2), (&[11, 40, 5, 9, 2, 31], 5), (&[1], 1), (&[9, 2, 23], 3)] {
            let batch = random_batch(lengths, prompt, spec.vocab, 3);
            for (seed, route) in (0..).zip(routes(&batch, spec.layers)) {
                pair.compare_on(&batch, route, seed).await;
            }
        }
        // An update alone.
        let batch = random_batch(&[4, 9, 1], 0, spec.vocab, 3);
        pair.compare_on(&batch, Route { update: 12, ..Route::words(Pooling::Mean) }, 1).await;
        pair.gpu.gpu().check().expect("no device error");
    }
}

/// Activations made again have the bits of those that were kept.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn every_route_can_be_recomputed() {
    let Some(gpu) = adapter("every_route_can_be_recomputed").await else { return };
    let spec = EncoderSpec { layers: 3, ..spec(36, 3, 50) };
    let pair = Pair::new(gpu, &spec).await;
    for lengths in [&[4, 17, 1, 9][..], &[3, 8]] {
        let batch = random_batch(lengths, 5, spec.vocab, 5);
        for (seed, route) in (0..).zip(routes(&batch, spec.layers)) {
            pair.gpu.set_recompute(Recompute::Off);
            let kept = pair.compare_on(&batch, route, seed).await;
            pair.gpu.set_recompute(Recompute::On);
            assert!(pair.compare_on(&batch, route, seed).await == kept, "{route:?}");
        }
    }
}

/// Layers below the prompt keep nothing.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_late_prompt_keeps_the_layers_above_it() {
    let Some(gpu) = adapter("a_late_prompt_keeps_the_layers_above_it").await else { return };
    let spec = EncoderSpec { layers: 4, ..spec(36, 3, 50) };
    let pair = Pair::new(gpu, &spec).await;
    pair.gpu.set_recompute(Recompute::Off);
    let batch = random_batch(&[14, 9], 5, spec.vocab, 1);
    let mut bytes = Vec::new();
    for layers in 0..spec.layers {
        let route = Route { entry: Entry::After(layers), ..Route::words(Pooling::Mean) };
        pair.compare_on(&batch, route, 1).await;
        bytes.push(pair.gpu.activation_bytes());
    }
    // Every layer takes the same, so that half of the layers are half of what is kept.
    let layer = bytes[0] - bytes[1];
    let scratch = bytes[3] - layer;
    assert!(layer > 0);
    assert_eq!(bytes.iter().map(|bytes| bytes - scratch).collect::<Vec<_>>(), [4 * layer, 3 * layer, 2 * layer, layer]);
    // What the spec says a layer keeps of a row, for the 64 rows that there is room for.
    assert_eq!(layer, 64 * 4 * (5 * 36 + 50 + 3 + 4));
    pair.gpu.prepare(&batch, Route::words(Pooling::Mean)).expect("a good batch");
    // The hidden states that a late prompt joins.
    assert_eq!(pair.gpu.activation_bytes() + 64 * 4 * 36, bytes[0]);
    // With recomputation, too, layers below are not counted.
    pair.gpu.set_recompute(Recompute::On);
    assert!(pair.gpu.activation_bytes() < bytes[0] - 64 * 4 * 36);
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_route_that_cannot_work_is_refused() {
    let Some(gpu) = adapter("a_route_that_cannot_work_is_refused").await else { return };
    let spec = spec(36, 3, 50);
    let pair = Pair::new(gpu, &spec).await;
    let batch = random_batch(&[3, 8], 2, spec.vocab, 1);
    let words = Route::words(Pooling::MeanFrom(2));
    for route in [
        Route { entry: Entry::After(spec.layers), ..words },
        Route { entry: Entry::After(0), update: 8, ..words },
        Route { update: 7, ..words },
        Route { prefix: true, ..Route::words(Pooling::Mean) },
        Route::words(Pooling::MeanFrom(5)),
    ] {
        assert!(pair.gpu.prepare(&batch, route).is_err(), "{route:?}");
    }
    pair.compare(&batch, Pooling::Mean, 1).await;
}

/// Hidden states have the same bits computed alone or in a batch, without a cache, and with one that is empty, partly filled,
/// full, or too small.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn cached_states_are_the_computed_ones_on_the_gpu() {
    let Some(gpu) = adapter("cached_states_are_the_computed_ones_on_the_gpu").await else { return };
    let spec = spec(36, 3, 50);
    let pair = Pair::new(gpu, &spec).await;
    let encoder = &pair.gpu;
    let examples = random_examples(&[17, 1, 40, 1, 9, 48, 2, 33], spec.vocab, 1);
    let batch_of = |keys: &[u32]| {
        let examples: Vec<Example> = keys.iter().map(|&key| examples[key as usize].clone()).collect();
        PackedBatch::new(&examples, 0)
    };
    let row = spec.hidden * size_of::<f32>();
    // Behind something else in the target, as in one of burn's buffers.
    let before = 256;
    let target = encoder.gpu().device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("target"),
        size: (before + 200 * row) as u64,
        usage: wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let states = async |keys: &[u32], layers: usize, cache: Option<(&StateCache, &[u32])>| {
        let batch = batch_of(keys);
        pair.write(&target, &vec![f32::NAN; before / 4 + 200 * spec.hidden]);
        pair.submit(|commands| {
            let place = (&target, before as u64);
            encoder.states(commands, &batch, layers, cache, place).expect("states");
        });
        let got = encoder.read(&target, before / 4 + (batch.rows() + 1) * spec.hidden).await.expect("no device error");
        let (got, guard) = got.split_at(got.len() - spec.hidden);
        assert!(got[..before / 4].iter().chain(guard).all(|value| value.is_nan()), "what is around stays");
        got[before / 4..].to_vec()
    };
    let all: Vec<u32> = (0..examples.len() as u32).collect();
    for layers in 0..=spec.layers {
        let want = &pair.cpu.hidden_states(&batch_of(&all), &[])[layers];
        let mut alone = Vec::new();
        for key in 0..examples.len() as u32 {
            alone.push(states(&[key], layers, None).await);
        }
        assert_close(&alone.concat(), want, 1e-4, 1e-4);
        let want = |keys: &[u32]| keys.iter().flat_map(|&key| alone[key as usize].clone()).collect::<Vec<f32>>();
        assert!(states(&all, layers, None).await == want(&all), "together, after {layers} layers");
        // Room for all, for a few, for none.
        for (budget, most) in [(u64::MAX, 8), (60 * row as u64, 7), (0, 0)] {
            let cache = encoder.cache(budget);
            for keys in [&[4, 1][..], &[2, 4, 3, 0], &all, &[7, 6, 7, 1], &all] {
                let got = states(keys, layers, Some((&cache, keys))).await;
                assert!(got == want(keys), "{budget} bytes, examples {keys:?}, {layers} layers");
            }
            assert!(if most == 7 { (3..=most).contains(&cache.examples()) } else { cache.examples() == most });
        }
    }
    encoder.gpu().check().expect("no device error");
}

/// The cache is used: under a key that is kept, other tokens change nothing. And it keeps to its budget.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn the_cache_on_the_gpu_is_used_within_its_budget() {
    if adapter("the_cache_on_the_gpu_is_used_within_its_budget").await.is_none() {
        return;
    }
    let spec = spec(36, 3, 50);
    let compute = Compute::gpu(&Arc::new(random_weights(&spec, 1))).await.expect("the GPU path");
    let encoder = &compute.encoder;
    let like = Tensor::<2>::zeros([1, spec.hidden], &compute.device);
    let [first, second] = [1, 2].map(|seed| Arc::new(random_batch(&[3, 4], 0, spec.vocab, seed)));
    let row = (spec.hidden * size_of::<f32>()) as u64;
    for (budget, kept) in [(3 * row, 3 * spec.hidden), (7 * row - 1, 3 * spec.hidden), (7 * row, 7 * spec.hidden)] {
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
    assert!(encoder.states(&first, 1, Some((&encoder.cache(0), &[5])), &like).is_err(), "one key for two examples");
    assert!(encoder.states(&Arc::new(random_batch(&[3], 2, spec.vocab, 1)), 1, None, &like).is_err(), "prompt rows");
    assert!(encoder.states(&first, spec.layers + 1, None, &like).is_err(), "more layers than there are");
}

/// Pooled rows, and the gradients of all that is trained, through burn's graph on one device.
async fn step(compute: &Compute, batch: &Arc<PackedBatch>, route: Route, layers: usize, hidden: usize) -> Vec<Vec<f32>> {
    let rng = &mut Rng::stream(3, "step");
    let mut trained = Vec::new();
    let mut tensor = |rows: usize, columns: usize| {
        let values = TensorData::new(random_f32(rng, rows * columns, 1.0), [rows, columns]);
        let tensor = Tensor::<2>::from_data(values, &compute.device).autodiff().require_grad();
        trained.push(tensor.clone());
        tensor
    };
    let [prompt, update, prefix] = route.input_rows(batch, layers);
    let prompt = match (route.prefix, route.per_example) {
        (true, _) => Prompt::Prefix(tensor(batch.prompt_length(), prefix / batch.prompt_length() * hidden)),
        (false, true) => Prompt::PerExample(tensor(prompt, hidden)),
        (false, false) => Prompt::Shared(tensor(prompt, hidden)),
    };
    let update = (update > 0).then(|| tensor(update, hidden));
    let states = match route.entry {
        Entry::Words => None,
        Entry::After(layers) => {
            let like = Tensor::<2>::zeros([1, hidden], &compute.device);
            let text: Vec<Example> = texts(batch);
            let text = Arc::new(PackedBatch::new(&text, 0));
            let cache = compute.encoder.cache(1 << 20);
            let keys: Vec<u32> = (0..text.examples() as u32).collect();
            // Half of them are there already.
            let half = Arc::new(PackedBatch::new(&texts(batch)[..2], 0));
            compute.encoder.states(&half, layers, Some((&cache, &keys[..2])), &like).expect("states");
            Some((layers, compute.encoder.states(&text, layers, Some((&cache, &keys)), &like).expect("states")))
        }
    };
    let pooled = compute.encoder.encode(batch, Inputs { prompt, update, states }, route.pooling).expect("a good batch");
    let weights = TensorData::new(random_f32(rng, batch.examples() * hidden, 1.0), [batch.examples(), hidden]);
    let weights = Tensor::<2>::from_data(weights, &compute.device);
    let mut results = vec![read(pooled.clone().inner()).await.expect("pooled rows")];
    let gradients = (pooled * Tensor::from_inner(weights)).sum().backward();
    for tensor in trained {
        results.push(read(tensor.grad(&gradients).expect("a gradient")).await.expect("a gradient"));
    }
    compute.encoder.check().expect("no device error");
    results
}

/// The texts of a batch, without its prompt rows.
fn texts(batch: &PackedBatch) -> Vec<Example> {
    let mut tokens = batch.tokens();
    let lengths = batch.offsets().windows(2).map(|pair| (pair[1] - pair[0]) as usize - batch.prompt_length());
    let examples = lengths.zip(batch.labels()).map(|(length, &label)| {
        let (text, rest) = tokens.split_at(length);
        tokens = rest;
        Example { tokens: text.to_vec(), label }
    });
    examples.collect()
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn every_route_is_in_the_graph() {
    if adapter("every_route_is_in_the_graph").await.is_none() {
        return;
    }
    let spec = spec(36, 3, 50);
    let weights = Arc::new(random_weights(&spec, 1));
    let computes = [Compute::cpu(&weights), Compute::gpu(&weights).await.expect("the GPU path")];
    let batch = Arc::new(random_batch(&[4, 17, 1, 9], 3, spec.vocab, 1));
    for route in routes(&batch, spec.layers) {
        let cpu = step(&computes[0], &batch, route, spec.layers, spec.hidden).await;
        let gpu = step(&computes[1], &batch, route, spec.layers, spec.hidden).await;
        assert_eq!(cpu.len(), gpu.len());
        for (cpu, gpu) in cpu.iter().zip(&gpu) {
            assert_close(gpu, cpu, 1e-3, 2e-4);
        }
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn neuron_scores_equal_the_cpu_encoder() {
    if adapter("neuron_scores_equal_the_cpu_encoder").await.is_none() {
        return;
    }
    let spec = spec(36, 3, 50);
    let weights = Arc::new(random_weights(&spec, 1));
    let batch = Arc::new(random_batch(&[4, 17, 1, 9], 3, spec.vocab, 1));
    let values = random_f32(&mut Rng::stream(1, "prompt"), 3 * spec.hidden, 1.0);
    let mut scores = Vec::new();
    for compute in [Compute::cpu(&weights), Compute::gpu(&weights).await.expect("the GPU path")] {
        let prompt = Tensor::<2>::from_data(TensorData::new(values.clone(), [3, spec.hidden]), &compute.device);
        let tensor = compute.encoder.neuron_scores(&batch, &prompt).expect("scores");
        assert_eq!(tensor.dims(), [spec.layers, spec.ffn]);
        scores.push(read(tensor).await.expect("scores"));
    }
    assert_close(&scores[1], &scores[0], 1e-4, 1e-4);
}
