//! The WGSL kernels against their CPU twins in f64 on odd sizes, and the WGSL encoder against the CPU encoder. Runs on
//! whatever adapter there is: lavapipe natively, SwiftShader in a headless browser, a real GPU on a desk.

use std::sync::Arc;

use softprompt::config::Recompute;
use softprompt::data::batch::PackedBatch;
use softprompt::engine::cpu::matmul::Epilogue;
use softprompt::engine::cpu::{CpuEncoder, Saved};
use softprompt::engine::wgsl::attention::{Blocking, LARGEST_HEAD_OF_TWO_ROWS};
use softprompt::engine::wgsl::device::Gpu;
use softprompt::engine::wgsl::encoder::WgslEncoder;
use softprompt::engine::wgsl::kernel::Kernel;
use softprompt::engine::wgsl::matmul::{self, Variant};
use softprompt::engine::wgsl::self_test::{Bench, Errors, Shape};
use softprompt::engine::wgsl::source::Shader;
use softprompt::engine::wgsl::tile::{Operands, Tile};
use softprompt::engine::wgsl::tune::{self, Choice, Tiles};
use softprompt::engine::wgsl::{
    attention, attention_grad_key, attention_grad_query, embed, embed_grad, layer_norm, layer_norm_grad, pool, pool_grad,
};
use softprompt::engine::{Pooling, Route};
use softprompt::error::Error;
use softprompt::model::spec::{EncoderSpec, EncoderWeights};
use softprompt::rng::Rng;
use wasm_bindgen_test::*;

use super::common::{assert_close, random_batch, random_f32, random_weights};
use super::device::adapter;

/// What rounding in f32 may do to values of the order of 1.
const TOLERANCE: f64 = 2e-5;

fn shape(lengths: &[usize], prompt: usize, heads: usize, head_size: usize) -> Shape {
    Shape { lengths: lengths.to_vec(), prompt, heads, head_size }
}

#[track_caller]
fn expect_small(errors: Errors, case: &str) {
    assert!(!errors.is_empty());
    for (kernel, error) in errors {
        // NaN is not small.
        assert!(error <= TOLERANCE, "{kernel}, {case}: error {error:e}");
    }
}

async fn compile(gpu: &Gpu, shader: Shader) -> Kernel {
    Kernel::compile(gpu, &shader).await.expect("the kernel compiles")
}

/// Rows, columns and sums of a product: one value, one less and one more than a tile, primes, several stages, several tiles.
const ANY_SIZE: [(usize, usize, usize); 5] = [(1, 1, 1), (63, 65, 3), (65, 63, 67), (7, 131, 17), (37, 129, 1)];
/// The same for operands that are read four values at a time.
const SIZE_OF_FOURS: [(usize, usize, usize); 5] = [(1, 4, 4), (63, 68, 36), (65, 60, 68), (13, 132, 16), (129, 260, 20)];

/// A product of random size: rows, columns, sums.
fn random_size(rng: &mut Rng, operands: Operands) -> (usize, usize, usize) {
    let mut below = |most| 1 + rng.below(most);
    let (m, n, k) = (below(140), below(140), below(70));
    if operands == Operands::Scalar { (m, n | 1, k) } else { (m, n.next_multiple_of(4), k.next_multiple_of(4)) }
}

/// Every epilogue with this adapter's own tile, every tile with the plain epilogues: the parts know nothing of each other.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn products_equal_their_twin() {
    let Some(gpu) = adapter("products_equal_their_twin").await else { return };
    let own = Tiles::usual(&gpu).storage();
    let plain = |variant: &Variant| matches!(variant.epilogue, Epilogue::Bias | Epilogue::Plain);
    let rng = &mut Rng::stream(5, "sizes");
    for variant in Variant::all().filter(|variant| variant.tile == own || plain(variant)) {
        let kernel = compile(&gpu, matmul::shader(variant)).await;
        let mut sizes = if variant.operands == Operands::Scalar { ANY_SIZE } else { SIZE_OF_FOURS }.to_vec();
        sizes.extend((0..2).map(|_| random_size(rng, variant.operands)));
        for (m, n, k) in sizes {
            assert_eq!(variant.tile.operands(n, k), variant.operands);
            let mut bench = Bench::new(&gpu, &shape(&[m], 0, 1, 1), (m + n + k) as u64);
            let errors = bench.matmul(&kernel, variant, n, k).await.expect("no device error");
            expect_small(errors, &format!("{variant:?} {m} x {n} x {k}"));
        }
    }
}

/// Every tile through the whole encoder, with the same bits, so that a run does not depend on which one is measured to be the
/// fastest; one of each kind with neurons that are not read four at a time.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn every_tile_makes_the_same_encoder() {
    let Some(gpu) = adapter("every_tile_makes_the_same_encoder").await else { return };
    let gpu = Arc::new(gpu);
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

/// A measured choice is one of the adapter's candidates, is made once, and can be taken over from a text.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn tiles_are_measured_once() {
    let Some(gpu) = adapter("tiles_are_measured_once").await else { return };
    // Sizes that no other test has: they share what is remembered.
    let spec = spec(132, 3, 260);
    let own = |tiles: &Tiles| -> Vec<Choice> {
        tiles.choices().iter().filter(|choice| choice.n % 132 == 0 || choice.n == 260).copied().collect()
    };
    let first = tune::tiles(&gpu, &spec).await;
    assert!(!own(&first).is_empty());
    assert!(own(&first).iter().all(|choice| Tile::candidates(&gpu).contains(&choice.tile)));
    let second = tune::tiles(&gpu, &spec).await;
    assert_eq!(own(&second), own(&first));
    let text = serde_json::to_string(&first).expect("text");
    tune::remember(serde_json::from_str(&text).expect("the same tiles"));
    assert_eq!(own(&tune::remembered(&gpu).expect("what was measured")), own(&first));
    // A forced tile is not measured, and the next encoder takes it.
    tune::remember(Tiles::forced(&gpu, Tile::DIRECT_8));
    let forced = tune::tiles(&gpu, &spec).await;
    assert_eq!((own(&forced), forced.storage()), (Vec::new(), Tile::DIRECT_8));
    tune::remember(first.clone());
    // Small products are not worth it.
    tune::tiles(&gpu, &self::spec(44, 1, 52)).await;
    let remembered = tune::remembered(&gpu).expect("what was measured");
    assert!(remembered.choices().iter().all(|choice| choice.n != 44 && choice.n != 52));
    gpu.check().expect("no device error");
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_sweep_times_every_tile() {
    let Some(gpu) = adapter("a_sweep_times_every_tile").await else { return };
    for (epilogue, n, k) in [(Epilogue::BiasGelu, 68, 36), (Epilogue::GeluGrad, 64, 132)] {
        let rates = tune::sweep(&gpu, epilogue, 40, n, k, 2).await.expect("rates");
        assert_eq!(rates.len(), Tile::ALL.len());
        assert!(rates.iter().all(|rate| rate.seconds > 0.0 && rate.flops.is_finite()), "{rates:?}");
        assert!(rates.is_sorted_by(|a, b| a.flops >= b.flops));
    }
    assert!(tune::copy_bandwidth(&gpu, 1 << 20).await.expect("a rate") > 1e6);
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn attention_equals_its_twin() {
    let Some(gpu) = adapter("attention_equals_its_twin").await else { return };
    // Lengths below, at and above a block, and prompts that end in the first block and behind it.
    let shapes: [(&[usize], usize, usize, usize); 7] = [
        (&[1], 1, 1, 4),
        (&[1, 63, 2], 0, 1, 4),
        (&[5, 2, 13, 7], 2, 3, 12),
        (&[65, 40], 37, 2, 32),
        (&[17, 32, 16, 33], 1, 2, 64),
        (&[18, 31], 17, 1, 36),
        (&[2, 5], 2, 1, 128),
    ];
    for ((lengths, prompt, heads, head_size), blocking) in shapes.into_iter().flat_map(|s| Blocking::ALL.map(|b| (s, b))) {
        let size = head_size as u32;
        if blocking.rows > 1 && size > LARGEST_HEAD_OF_TWO_ROWS {
            continue;
        }
        let forward = compile(&gpu, attention::shader(size, blocking)).await;
        let query = compile(&gpu, attention_grad_query::shader(size, blocking)).await;
        let key = compile(&gpu, attention_grad_key::shader(size, blocking)).await;
        let mut bench = Bench::new(&gpu, &shape(lengths, prompt, heads, head_size), 3);
        let errors = bench.attention([&forward, &query, &key], blocking).await.expect("no device error");
        expect_small(errors, &format!("{lengths:?}, prompt {prompt}, {heads} heads of {head_size}, {blocking:?}"));
    }
}

/// Hidden sizes below, at and above the threads of a row, primes, and a real one.
const HIDDEN: [usize; 6] = [1, 7, 36, 65, 127, 384];

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn norms_and_embedding_equal_their_twins() {
    let Some(gpu) = adapter("norms_and_embedding_equal_their_twins").await else { return };
    for lanes in [8, 64] {
        let norm = compile(&gpu, layer_norm::shader(lanes)).await;
        let norm_grad = compile(&gpu, layer_norm_grad::shader(lanes)).await;
        let embedding = compile(&gpu, embed::shader(lanes)).await;
        let embedding_grad = compile(&gpu, embed_grad::shader(lanes)).await;
        for hidden in HIDDEN {
            for (lengths, prompt) in [(&[1][..], 0), (&[1], 1), (&[5, 3, 13], 3), (&[2, 7, 2, 31], 2)] {
                let case = format!("{lanes} lanes, hidden {hidden}, lengths {lengths:?}, prompt {prompt}");
                let mut bench = Bench::new(&gpu, &shape(lengths, prompt, 1, hidden), hidden as u64);
                expect_small(bench.embedding(&embedding, &embedding_grad).await.expect("no device error"), &case);
                expect_small(bench.layer_norm(&norm, &norm_grad).await.expect("no device error"), &case);
            }
        }
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn pooling_equals_its_twin() {
    let Some(gpu) = adapter("pooling_equals_its_twin").await else { return };
    let (forward, grad) = (compile(&gpu, pool::shader()).await, compile(&gpu, pool_grad::shader()).await);
    for hidden in HIDDEN {
        for lengths in [&[3][..], &[3, 65, 7], &[4, 3, 3, 3, 11]] {
            for pooling in [Pooling::Mean, Pooling::Row(0), Pooling::Row(2)] {
                let mut bench = Bench::new(&gpu, &shape(lengths, 0, 1, hidden), 5);
                let errors = bench.pool(&forward, &grad, pooling).await.expect("no device error");
                expect_small(errors, &format!("{pooling:?}, hidden {hidden}, lengths {lengths:?}"));
            }
        }
    }
}

/// More workgroups than one dimension has.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_long_dispatch_is_folded() {
    let Some(gpu) = adapter("a_long_dispatch_is_folded").await else { return };
    let (forward, grad) = (compile(&gpu, layer_norm::shader(8)).await, compile(&gpu, layer_norm_grad::shader(8)).await);
    let mut bench = Bench::new(&gpu, &shape(&[65_537], 0, 1, 36), 7);
    expect_small(bench.layer_norm(&forward, &grad).await.expect("no device error"), "65,537 rows");
}

/// The comparison must be able to fail: a reduction over a number of threads that is no power of two loses values.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_wrong_kernel_is_seen() {
    let Some(gpu) = adapter("a_wrong_kernel_is_seen").await else { return };
    let (forward, grad) = (compile(&gpu, layer_norm::shader(7)).await, compile(&gpu, layer_norm_grad::shader(7)).await);
    let errors = Bench::new(&gpu, &shape(&[5], 0, 1, 65), 1).layer_norm(&forward, &grad).await.expect("no device error");
    for (kernel, error) in errors {
        assert!(error.is_nan() || error > 1e-2, "{kernel}: {error}");
    }
}

/// wgpu only logs it in a browser, and the pipeline then leaves its output as it was.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn a_kernel_that_does_not_compile_is_named() {
    let Some(gpu) = adapter("a_kernel_that_does_not_compile_is_named").await else { return };
    let error = Kernel::compile(&gpu, &attention_grad_key::shader(0, Blocking::GPU)).await.expect_err("heads of size 0");
    assert_eq!(error.code(), "device");
    assert!(error.to_string().contains("attention_grad_key"), "{error}");
    // Too many threads is refused when the pipeline is made, not when the text is read.
    let error = Kernel::compile(&gpu, &layer_norm::shader(1 << 16)).await.expect_err("65,536 threads");
    assert!(error.to_string().contains("layer_norm"), "{error}");
    gpu.check().expect("the errors were caught where they happened");
}

/// An error outside of every call must not pass unseen, not even where a value is read afterwards.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn an_uncaptured_error_is_reported() {
    let Some(gpu) = adapter("an_uncaptured_error_is_reported").await else { return };
    gpu.check().expect("nothing happened yet");
    let buffer = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("only a uniform"),
        size: 16,
        usage: wgpu::BufferUsages::UNIFORM,
        mapped_at_creation: false,
    });
    let error = gpu.read(&buffer, 4).await.expect_err("the buffer may not be copied from");
    assert_eq!(error.code(), "device");
    let error = gpu.check().expect_err("it was stored");
    assert_eq!(error.code(), "device");
    assert!(error.to_string().contains("only a uniform") || cfg!(target_family = "wasm"), "{error}");
}

fn spec(hidden: usize, heads: usize, ffn: usize) -> EncoderSpec {
    EncoderSpec { layers: 2, hidden, heads, ffn, vocab: 97, max_positions: 48, layer_norm_eps: 1e-12 }
}

/// A WGSL encoder beside the CPU's.
struct Pair {
    weights: Arc<EncoderWeights>,
    gpu: WgslEncoder,
    cpu: CpuEncoder<f64>,
}

impl Pair {
    async fn new(gpu: Gpu, spec: &EncoderSpec) -> Self {
        let weights = Arc::new(random_weights(spec, 11));
        let gpu = WgslEncoder::new(Arc::new(gpu), &weights).await.expect("the kernels compile");
        Self { cpu: CpuEncoder::new(weights.clone()), weights, gpu }
    }

    /// Compares pooled rows, with and without tracking, and the prompt's gradient.
    async fn compare(&self, batch: &PackedBatch, pooling: Pooling, seed: u64) {
        let hidden = self.weights.spec.hidden;
        let rng = &mut Rng::stream(seed, "prompt");
        let prompt = random_f32(rng, batch.prompt_length() * hidden, 1.0);
        let d_pooled = random_f32(rng, batch.examples() * hidden, 1.0);
        let wide = |values: &[f32]| -> Vec<f64> { values.iter().map(|&value| f64::from(value)).collect() };
        let mut saved = Saved::default();
        let route = Route::words(pooling);
        let pooled = self.cpu.forward(batch, &wide(&prompt), &[], route, Some(&mut saved));
        let d_prompt = self.cpu.backward(batch, &wide(&prompt), route, &saved, &wide(&d_pooled));

        let encoder = &self.gpu;
        encoder.prepare(batch).expect("a good batch");
        assert_eq!((encoder.examples(), encoder.prompt_length()), (batch.examples(), batch.prompt_length()));
        for keep in [false, true] {
            // The last pass's results must not count as this one's.
            self.write(&encoder.pooled_buffer(), &vec![f32::NAN; d_pooled.len()]);
            self.write(&encoder.prompt_buffer(), &prompt);
            self.submit(|commands| encoder.forward(commands, keep, pooling));
            let got = encoder.read(&encoder.pooled_buffer(), d_pooled.len()).await.expect("no device error");
            assert_close(&got, &pooled, 1e-4, 1e-4);
        }
        self.write(&encoder.d_prompt_buffer(), &vec![f32::NAN; prompt.len()]);
        self.write(&encoder.d_pooled_buffer(), &d_pooled);
        self.submit(|commands| encoder.backward(commands, pooling));
        let got = encoder.read(&encoder.d_prompt_buffer(), prompt.len()).await.expect("no device error");
        if !prompt.is_empty() {
            assert_close(&got, &d_prompt, 1e-3, 1e-4);
        }
    }

    fn write(&self, buffer: &wgpu::Buffer, values: &[f32]) {
        self.gpu.gpu().queue.write_buffer(buffer, 0, bytemuck::cast_slice(values));
    }

    fn submit(&self, record: impl FnOnce(&mut wgpu::CommandEncoder)) {
        let gpu = self.gpu.gpu();
        let mut commands = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        record(&mut commands);
        gpu.queue.submit([commands.finish()]);
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
        encoder.prepare(&batch).expect("a good batch");
        pair.write(&encoder.prompt_buffer(), &prompt);
        pair.write(&encoder.d_pooled_buffer(), &d_pooled);
        pair.submit(|commands| {
            encoder.forward(commands, true, Pooling::Mean);
            encoder.backward(commands, Pooling::Mean);
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
    assert!(pair.gpu.profile(Pooling::Mean).await.is_err(), "there is no batch yet");
    let batch = random_batch(&[4, 17, 1, 9], 5, spec.vocab, 2);
    pair.gpu.prepare(&batch).expect("a good batch");
    let (_, timings) = pair.gpu.profile(Pooling::Mean).await.expect("no device error");
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
        let error = pair.gpu.prepare(batch).expect_err("refused");
        assert!(matches!(error, Error::Model { .. }), "{error:?}");
        error.to_string()
    };
    assert!(refused(&random_batch(&[45], 4, spec.vocab, 1)).contains("49 prompt and text rows"));
    let foreign = random_batch(&[40, 40], 1, 100_000, 1);
    assert!(foreign.tokens().iter().any(|&id| id as usize >= spec.vocab));
    assert!(refused(&foreign).contains("97 word embeddings"));
    refused(&random_batch(&[], 1, spec.vocab, 1));
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
    let wrong: [(Record, &str); 4] = [
        (|encoder, commands| encoder.backward(commands, Pooling::Mean), "without a forward pass"),
        (|encoder, commands| encoder.forward(commands, false, Pooling::Row(3)), "no row 3"),
        (
            |encoder, commands| {
                encoder.forward(commands, true, Pooling::Mean);
                encoder.forward(commands, false, Pooling::Mean);
                encoder.backward(commands, Pooling::Mean);
            },
            "without a forward pass",
        ),
        (
            |encoder, commands| {
                encoder.reserve(500, 2, 2).expect("room");
                encoder.forward(commands, false, Pooling::Mean);
            },
            "no batch",
        ),
    ];
    for (record, text) in wrong {
        let Some(gpu) = adapter("a_pass_that_cannot_be_made_is_an_error").await else { return };
        let spec = spec(36, 3, 50);
        let pair = Pair::new(gpu, &spec).await;
        pair.gpu.prepare(&random_batch(&[2, 1], 2, spec.vocab, 1)).expect("a good batch");
        pair.gpu.gpu().check().expect("nothing happened yet");
        pair.submit(|commands| record(&pair.gpu, commands));
        let error = pair.gpu.gpu().check().expect_err("the pass cannot be made");
        assert!(error.to_string().contains(text), "{error}");
    }
}

/// Encoders that the kernels cannot do, or whose weights do not fit their sizes.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn an_encoder_that_cannot_work_is_refused() {
    let Some(gpu) = adapter("an_encoder_that_cannot_work_is_refused").await else { return };
    let gpu = Arc::new(gpu);
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
