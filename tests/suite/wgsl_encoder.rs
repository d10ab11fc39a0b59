//! The WGSL encoder against the CPU encoder in f64, on whatever adapter there is.

use std::sync::Arc;

use softprompt::config::Recompute;
use softprompt::data::batch::PackedBatch;
use softprompt::engine::cpu::matmul::Epilogue;
use softprompt::engine::cpu::{CpuEncoder, Saved};
use softprompt::engine::wgsl::device::Gpu;
use softprompt::engine::wgsl::encoder::WgslEncoder;
use softprompt::engine::wgsl::matmul;
use softprompt::engine::wgsl::tile::Tile;
use softprompt::engine::wgsl::tune::Tiles;
use softprompt::engine::{Entry, Pooling, Route};
use softprompt::error::Error;
use softprompt::model::spec::{EncoderSpec, EncoderWeights};
use softprompt::rng::Rng;
use wasm_bindgen_test::*;

use super::common::{assert_close, random_batch, random_f32, random_weights};
use super::device::{adapter, own_adapter};

pub(super) fn spec(hidden: usize, heads: usize, ffn: usize) -> EncoderSpec {
    EncoderSpec { layers: 2, hidden, heads, ffn, vocab: 97, max_positions: 48, layer_norm_eps: 1e-12 }
}

/// A WGSL encoder beside the CPU's.
pub(super) struct Pair {
    pub(super) weights: Arc<EncoderWeights>,
    pub(super) gpu: WgslEncoder,
    pub(super) cpu: CpuEncoder<f64>,
}

impl Pair {
    pub(super) async fn new(gpu: Arc<Gpu>, spec: &EncoderSpec) -> Self {
        let weights = Arc::new(random_weights(spec, 11));
        let gpu = WgslEncoder::new(gpu, &weights).await.expect("the kernels compile");
        Self { cpu: CpuEncoder::new(weights.clone()), weights, gpu }
    }

    /// [`Self::compare_on`] with prompt rows at the word embeddings.
    pub(super) async fn compare(&self, batch: &PackedBatch, pooling: Pooling, seed: u64) {
        self.compare_on(batch, Route::words(pooling), seed).await;
    }

    /// Compares pooled rows and the gradient of the trained input; with and without tracking, pooled rows have the same bits.
    /// Returns the bits of all that.
    pub(super) async fn compare_on(&self, batch: &PackedBatch, route: Route, seed: u64) -> Vec<f32> {
        let EncoderSpec { hidden, layers, .. } = self.weights.spec;
        let rng = &mut Rng::stream(seed, "prompt");
        let input = random_f32(rng, route.input_rows(batch, layers).iter().sum::<usize>() * hidden, 1.0);
        let d_pooled = random_f32(rng, batch.examples() * hidden, 1.0);
        let text_rows = if route.entry == Entry::Words { 0 } else { batch.tokens().len() };
        let states = random_f32(rng, text_rows * hidden, 1.0);
        let wide = |values: &[f32]| -> Vec<f64> { values.iter().map(|&value| f64::from(value)).collect() };
        let mut saved = Saved::default();
        let want = self.cpu.forward(batch, &wide(&input), &wide(&states), route, Some(&mut saved));
        let d_input = self.cpu.backward(batch, &wide(&input), route, &saved, &wide(&d_pooled));

        let encoder = &self.gpu;
        encoder.prepare(batch, route).expect("a good batch");
        assert_eq!((encoder.examples(), encoder.prompt_length()), (batch.examples(), batch.prompt_length()));
        let mut pooled = Vec::new();
        for keep in [false, true] {
            // The last pass's results must not count as this one's.
            self.write(&encoder.pooled_buffer(), &vec![f32::NAN; d_pooled.len()]);
            self.write_parts(&encoder.input(), &input);
            self.write(&encoder.states_buffer(), &states);
            self.submit(|commands| encoder.forward(commands, keep));
            let got = encoder.read(&encoder.pooled_buffer(), d_pooled.len()).await.expect("no device error");
            assert_close(&got, &want, 1e-4, 1e-4);
            pooled.push(got);
        }
        assert!(pooled[0] == pooled[1], "tracking changes nothing: {route:?}");
        self.write_parts(&encoder.gradients(), &vec![f32::NAN; input.len()]);
        self.write(&encoder.d_pooled_buffer(), &d_pooled);
        self.submit(|commands| encoder.backward(commands));
        let mut bits = pooled.swap_remove(0);
        let mut got = Vec::new();
        for (gradient, rows) in encoder.gradients() {
            got.extend(encoder.read(&gradient, rows * hidden).await.expect("no device error"));
        }
        if !input.is_empty() {
            assert_close(&got, &d_input, 1e-3, 1e-4);
        }
        bits.extend(got);
        bits
    }

    fn write_parts(&self, parts: &[(wgpu::Buffer, usize)], mut values: &[f32]) {
        for (buffer, rows) in parts {
            let (part, rest) = values.split_at(rows * self.weights.spec.hidden);
            self.write(buffer, part);
            values = rest;
        }
        assert!(values.is_empty(), "the parts are the whole input");
    }

    pub(super) fn write(&self, buffer: &wgpu::Buffer, values: &[f32]) {
        self.gpu.gpu().queue.write_buffer(buffer, 0, bytemuck::cast_slice(values));
    }

    pub(super) fn submit(&self, record: impl FnOnce(&mut wgpu::CommandEncoder)) {
        let gpu = self.gpu.gpu();
        let mut commands = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        record(&mut commands);
        gpu.queue.submit([commands.finish()]);
    }
}

/// Every tile through the whole encoder, with the same bits, so that a run does not depend on which one is measured to be the
/// fastest; one of each kind with neurons that are not read four at a time.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn every_tile_makes_the_same_encoder() {
    let Some(gpu) = adapter("every_tile_makes_the_same_encoder").await else { return };
    let mut first: Option<Vec<f32>> = None;
    for tile in Tile::ALL {
        let mixed = [Tile::STAGED_128X64, Tile::TEXTURE_16].contains(&tile);
        for (hidden, heads, ffn) in [Some((64, 2, 128)), mixed.then_some((36, 3, 50))].into_iter().flatten() {
            let spec = spec(hidden, heads, ffn);
            let weights = Arc::new(random_weights(&spec, 11));
            let tiles = Tiles::forced(&gpu, tile);
            let encoder = WgslEncoder::with_tiles(gpu.clone(), &weights, tiles).await.expect("the kernels compile");
            assert_eq!(encoder.tiles().storage(), tile);
            let pair = Pair { cpu: CpuEncoder::new(weights.clone()), weights, gpu: encoder };
            pair.gpu.self_test().await.expect("every kernel is right");
            pair.compare(&random_batch(&[11, 40, 5, 9], 4, spec.vocab, 7), Pooling::Mean, 7).await;
            let encoder = &pair.gpu;
            let mut bits = encoder.read(&encoder.pooled_buffer(), 4 * hidden).await.expect("no device error");
            bits.extend(encoder.read(&encoder.d_prompt_buffer(), 4 * hidden).await.expect("no device error"));
            if hidden == 64 {
                assert!(*first.get_or_insert_with(|| bits.clone()) == bits, "{}", tile.name());
            }
        }
    }
}

/// Hidden size, heads and neurons: heads of 12 and 32, neurons that take the scalar products and such that do not.
const ENCODERS: [(usize, usize, usize); 2] = [(36, 3, 50), (64, 2, 128)];

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn encoder_equals_the_cpu_encoder() {
    for (hidden, heads, ffn) in ENCODERS {
        let Some(gpu) = adapter("encoder_equals_the_cpu_encoder").await else { return };
        let spec = spec(hidden, heads, ffn);
        let pair = Pair::new(gpu, &spec).await;
        pair.gpu.self_test().await.expect("every kernel is right");
        // Larger and smaller in turn: the arena grows, and holds junk of larger batches.
        let batches: [(&[usize], usize, Pooling); 6] = [
            (&[3, 1, 7], 2, Pooling::Mean),
            (&[11, 40, 5, 9, 23, 2, 31, 17, 8, 12], 5, Pooling::Mean),
            (&[1], 1, Pooling::Row(0)),
            (&[2, 9, 4], 0, Pooling::Mean),
            (&[13, 6], 7, Pooling::Row(7)),
            (&[43, 1, 2], 5, Pooling::Mean),
        ];
        for (seed, (lengths, prompt, pooling)) in (0..).zip(batches) {
            pair.compare(&random_batch(lengths, prompt, spec.vocab, seed), pooling, seed).await;
        }
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn hidden_states_equal_the_cpu_encoder() {
    let Some(gpu) = adapter("hidden_states_equal_the_cpu_encoder").await else { return };
    let spec = spec(36, 3, 50);
    let pair = Pair::new(gpu, &spec).await;
    let batch = random_batch(&[4, 17, 1, 9], 3, spec.vocab, 1);
    let prompt = random_f32(&mut Rng::stream(1, "prompt"), 3 * 36, 1.0);
    let wide: Vec<f64> = prompt.iter().map(|&value| f64::from(value)).collect();
    let got = pair.gpu.hidden_states(&batch, &prompt).await.expect("no device error");
    let want = pair.cpu.hidden_states(&batch, &wide);
    assert_eq!(got.len(), spec.layers + 1);
    for (got, want) in got.iter().zip(&want) {
        assert_close(got, want, 1e-4, 1e-4);
    }
}

/// The table starts with room for 1,024 word embeddings.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn the_word_table_grows() {
    let Some(gpu) = adapter("the_word_table_grows").await else { return };
    let spec = EncoderSpec { vocab: 3001, ..spec(36, 3, 50) };
    let pair = Pair::new(gpu, &spec).await;
    pair.compare(&random_batch(&[9, 4], 2, spec.vocab, 1), Pooling::Mean, 1).await;
    pair.gpu.load_tokens((0..3000).step_by(2)).expect("ids of the vocabulary");
    // Rows from before and after, in buffers that did not have to grow themselves.
    pair.compare(&random_batch(&[9, 4], 2, spec.vocab, 1), Pooling::Mean, 1).await;
    pair.compare(&random_batch(&[30, 2, 17], 2, spec.vocab, 2), Pooling::Mean, 2).await;
    pair.gpu.load_tokens(0..3001).expect("the whole vocabulary");
    pair.compare(&random_batch(&[30, 2, 17], 2, spec.vocab, 3), Pooling::Mean, 3).await;
}

/// The same work twice gives the same bits: no sum depends on the order in which threads finish.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn the_same_pass_gives_the_same_bits() {
    let Some(gpu) = adapter("the_same_pass_gives_the_same_bits").await else { return };
    let spec = spec(36, 3, 50);
    let pair = Pair::new(gpu, &spec).await;
    let batch = random_batch(&[4, 17, 1, 9, 30], 5, spec.vocab, 2);
    let prompt = random_f32(&mut Rng::stream(2, "prompt"), 5 * 36, 1.0);
    let d_pooled = random_f32(&mut Rng::stream(2, "d_pooled"), 5 * 36, 1.0);
    let mut passes = Vec::new();
    for _ in 0..3 {
        let encoder = &pair.gpu;
        encoder.prepare(&batch, Route::words(Pooling::Mean)).expect("a good batch");
        pair.write(&encoder.prompt_buffer(), &prompt);
        pair.write(&encoder.d_pooled_buffer(), &d_pooled);
        pair.submit(|commands| {
            encoder.forward(commands, true);
            encoder.backward(commands);
        });
        passes.push(encoder.read(&encoder.d_prompt_buffer(), prompt.len()).await.expect("no device error"));
    }
    assert!(passes.iter().all(|pass| *pass == passes[0]));
}

/// Activations made again have the bits of those that were kept, in a larger and a smaller batch, and take less memory.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn recomputation_changes_memory_only() {
    let Some(gpu) = adapter("recomputation_changes_memory_only").await else { return };
    let spec = EncoderSpec { layers: 3, ..spec(36, 3, 50) };
    let pair = Pair::new(gpu, &spec).await;
    let encoder = &pair.gpu;
    let mut kept = Vec::new();
    for recompute in [Recompute::Off, Recompute::On, Recompute::Off, Recompute::On, Recompute::Auto] {
        encoder.set_recompute(recompute);
        let mut gradients = Vec::new();
        for (lengths, seed) in [(&[4, 17, 1, 9, 30][..], 5), (&[3, 8], 6)] {
            let batch = random_batch(lengths, 5, spec.vocab, seed);
            pair.compare(&batch, Pooling::Mean, seed).await;
            gradients.push(encoder.read(&encoder.d_prompt_buffer(), 5 * 36).await.expect("no device error"));
        }
        kept.push((encoder.activation_bytes(), gradients));
    }
    let [off, on, off_again, on_again, auto] = &kept[..] else { unreachable!("five settings") };
    assert!(on.0 < off.0, "{} bytes, {} bytes", on.0, off.0);
    assert_eq!((off.0, off.0, on.0), (off_again.0, auto.0, on_again.0));
    assert!(kept.iter().all(|(_, gradients)| *gradients == off.1));
}

/// A profile has every dispatch of a step, counts the work of the rows that are there, and leaves the encoder as good as new.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_profile_has_every_dispatch() {
    let Some(gpu) = adapter("a_profile_has_every_dispatch").await else { return };
    let spec = spec(36, 3, 50);
    let pair = Pair::new(gpu, &spec).await;
    assert!(pair.gpu.profile().await.is_err(), "there is no batch yet");
    let batch = random_batch(&[4, 17, 1, 9], 5, spec.vocab, 2);
    pair.gpu.prepare(&batch, Route::words(Pooling::Mean)).expect("a good batch");
    let (_, timings) = pair.gpu.profile().await.expect("no device error");
    // Embedding, pooling and their gradients; 7 steps of a layer forward, 8 backward.
    assert_eq!(timings.iter().map(|timing| timing.dispatches).sum::<usize>(), 4 + 15 * spec.layers);
    assert!(timings.iter().all(|timing| timing.seconds >= 0.0));
    let flops = |label: String| timings.iter().find(|timing| timing.label == label).map(|timing| timing.flops);
    // The lowest layer makes its input's gradient for the 4 * 5 prompt rows, the other one for all.
    let (all, prompt) = (matmul::label(Epilogue::Residual, 36, 108), matmul::label(Epilogue::Plain, 36, 108));
    assert_eq!(flops(all), Some(2.0 * 36.0 * 108.0 * batch.rows() as f64));
    assert_eq!(flops(prompt), Some(2.0 * 36.0 * 108.0 * 20.0));
    let pairs: f64 = [9.0, 22.0, 6.0, 14.0].iter().map(|length| length * length).sum();
    assert_eq!(flops("attention".to_owned()), Some(4.0 * 36.0 * pairs * spec.layers as f64));
    pair.compare(&batch, Pooling::Mean, 2).await;
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_batch_that_cannot_work_is_refused() {
    let Some(gpu) = adapter("a_batch_that_cannot_work_is_refused").await else { return };
    let spec = spec(36, 3, 50);
    let pair = Pair::new(gpu, &spec).await;
    let refused = |batch: &PackedBatch| {
        let error = pair.gpu.prepare(batch, Route::words(Pooling::Mean)).expect_err("refused");
        assert!(matches!(error, Error::Model { .. }), "{error:?}");
        error.to_string()
    };
    assert!(refused(&random_batch(&[45], 4, spec.vocab, 1)).contains("49 prompt and text rows"));
    let foreign = random_batch(&[40, 40], 1, 100_000, 1);
    assert!(foreign.tokens().iter().any(|&id| id as usize >= spec.vocab));
    assert!(refused(&foreign).contains("97 word embeddings"));
    refused(&random_batch(&[], 1, spec.vocab, 1));
    let short = random_batch(&[2, 1], 2, spec.vocab, 1);
    for pooling in [Pooling::Row(3), Pooling::MeanFrom(3)] {
        let error = pair.gpu.prepare(&short, Route::words(pooling)).expect_err("refused");
        assert!(error.to_string().contains("no row 3"), "{error}");
    }
    // The encoder goes on working after a refusal.
    pair.compare(&random_batch(&[44, 2], 4, spec.vocab, 1), Pooling::Mean, 1).await;
    assert!(pair.gpu.load_tokens([96, 97]).is_err());
    pair.gpu.load_tokens([96, 3]).expect("ids of the vocabulary");
    pair.gpu.reserve(1000, 20, 6).expect("room");
    pair.compare(&random_batch(&[5, 2], 4, spec.vocab, 3), Pooling::Row(1), 3).await;
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_pass_that_cannot_be_made_is_an_error() {
    type Record = fn(&WgslEncoder, &mut wgpu::CommandEncoder);
    let wrong: [(Record, &str); 3] = [
        (|encoder, commands| encoder.backward(commands), "without a forward pass"),
        (
            |encoder, commands| {
                encoder.forward(commands, true);
                encoder.forward(commands, false);
                encoder.backward(commands);
            },
            "without a forward pass",
        ),
        (
            |encoder, commands| {
                encoder.reserve(500, 2, 2).expect("room");
                encoder.forward(commands, false);
            },
            "no batch",
        ),
    ];
    for (record, text) in wrong {
        let Some(gpu) = own_adapter("a_pass_that_cannot_be_made_is_an_error").await else { return };
        let spec = spec(36, 3, 50);
        let pair = Pair::new(gpu, &spec).await;
        let batch = random_batch(&[2, 1], 2, spec.vocab, 1);
        pair.gpu.prepare(&batch, Route::words(Pooling::Mean)).expect("a good batch");
        pair.gpu.gpu().check().expect("nothing happened yet");
        pair.submit(|commands| record(&pair.gpu, commands));
        let error = pair.gpu.gpu().check().expect_err("the pass cannot be made");
        assert!(error.to_string().contains(text), "{error}");
        // Every later reading says so too, after the work that could be done: no device goes away with work in flight.
        let error = pair.gpu.read(&pair.gpu.pooled_buffer(), 1).await.expect_err("the pass was not made");
        assert!(error.to_string().contains(text), "{error}");
    }
}

/// Encoders that the kernels cannot do, or whose weights do not fit their sizes.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn an_encoder_that_cannot_work_is_refused() {
    let Some(gpu) = adapter("an_encoder_that_cannot_work_is_refused").await else { return };
    let odd_heads = random_weights(&spec(30, 3, 20), 1);
    let mut short = random_weights(&spec(36, 3, 50), 1);
    short.layers[1].ffn_in.bias.pop();
    for (weights, text) in [(odd_heads, "3 heads share a hidden size of 30"), (short, "ffn_in.bias has 49 values")] {
        let error = WgslEncoder::new(gpu.clone(), &Arc::new(weights)).await.expect_err("refused");
        assert!(matches!(error, Error::Model { .. }), "{error:?}");
        assert!(error.to_string().contains(text), "{error}");
    }
}

/// burn's graph holds the encoder behind an `Arc` that threads share.
#[wasm_bindgen_test(unsupported = test)]
fn the_encoder_crosses_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<WgslEncoder>();
    shared::<Gpu>();
}

/// On a GPU that binds less than the largest weight: said at once, with both figures and the way out. Natively alone: a browser
/// gives no device that can do less than WebGPU's defaults.
#[cfg(not(target_family = "wasm"))]
#[pollster::test]
async fn an_encoder_that_does_not_fit_is_refused() {
    if adapter("an encoder that does not fit").await.is_none() {
        return;
    }
    let small = |limit: u64| Gpu::open_within(move |limits| wgpu::Limits { max_storage_buffer_binding_size: limit, ..limits });
    let spec = spec(32, 4, 200);
    let weights = Arc::new(random_weights(&spec, 1));
    // Of the four, the feed-forward's is the largest: 200 x 32 numbers of 4 bytes.
    let gpu = small(25_596).await.unwrap();
    let Err(Error::DeviceMemory { problem, hint }) = WgslEncoder::new(gpu.into(), &weights).await else {
        panic!("it was accepted");
    };
    assert!(
        problem.contains("feed-forward weight (200 x 32) has 25600 bytes") && problem.contains("is 25596 bytes"),
        "{problem}"
    );
    assert!(hint.contains("CPU"), "{hint}");
    // Exactly as large, it is not what is refused.
    let gpu = small(25_600).await.unwrap();
    if let Err(error) = WgslEncoder::new(gpu.into(), &weights).await {
        assert!(!error.to_string().contains("does not fit"), "{error}");
    }
}
