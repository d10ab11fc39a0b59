//! The WGSL kernels against their CPU twins in f64 on odd sizes. Runs on whatever adapter there is: lavapipe natively,
//! SwiftShader in a headless browser, a real GPU on a desk.

use softprompt::engine::Pooling;
use softprompt::engine::cpu::matmul::Epilogue;
use softprompt::engine::wgsl::attention::{Blocking, LARGEST_HEAD_OF_TWO_ROWS};
use softprompt::engine::wgsl::device::Gpu;
use softprompt::engine::wgsl::kernel::Kernel;
use softprompt::engine::wgsl::matmul::{self, Variant};
use softprompt::engine::wgsl::self_test::{Bench, Errors, Shape};
use softprompt::engine::wgsl::source::Shader;
use softprompt::engine::wgsl::tile::{Operands, Tile};
use softprompt::engine::wgsl::tune::{self, TileChoice, Tiles};
use softprompt::engine::wgsl::{
    attention, attention_grad_key, attention_grad_query, embed, embed_grad, insert, insert_grad, layer_norm, layer_norm_grad,
    neuron_scores, pool, pool_grad, prefix, prefix_grad, update_grad,
};
use softprompt::rng::Rng;
use wasm_bindgen_test::*;

use super::device::{adapter, own_adapter};
use super::wgsl_encoder::spec;

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

/// A measured choice is one of the adapter's candidates, is made once, and can be taken over from a text.
#[wasm_bindgen_test(unsupported = pollster::test)]
async fn tiles_are_measured_once() {
    let Some(gpu) = adapter("tiles_are_measured_once").await else { return };
    // Sizes that no other test has: they share what is remembered.
    let spec = spec(132, 3, 260);
    let own = |tiles: &Tiles| -> Vec<TileChoice> {
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
    tune::tiles(&gpu, &super::wgsl_encoder::spec(44, 1, 52)).await;
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
        let update = compile(&gpu, update_grad::shader(lanes)).await;
        for hidden in HIDDEN {
            for (lengths, prompt) in [(&[1][..], 0), (&[1], 1), (&[5, 3, 13], 3), (&[2, 7, 2, 31], 2)] {
                let case = format!("{lanes} lanes, hidden {hidden}, lengths {lengths:?}, prompt {prompt}");
                let mut bench = Bench::new(&gpu, &shape(lengths, prompt, 1, hidden), hidden as u64);
                for (per_example, updates) in [(false, false), (true, false), (false, true), (true, true)] {
                    let errors = bench.embedding(&embedding, &embedding_grad, per_example, updates).await;
                    let case = format!("{case}, prompts per example: {per_example}, update: {updates}");
                    expect_small(errors.expect("no device error"), &case);
                }
                expect_small(bench.update(&update).await.expect("no device error"), &case);
                expect_small(bench.layer_norm(&norm, &norm_grad).await.expect("no device error"), &case);
            }
        }
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn insertion_prefix_and_scores_equal_their_twins() {
    let Some(gpu) = adapter("insertion_prefix_and_scores_equal_their_twins").await else { return };
    let (insertion, insertion_grad) = (compile(&gpu, insert::shader()).await, compile(&gpu, insert_grad::shader()).await);
    let (keys, keys_grad) = (compile(&gpu, prefix::shader()).await, compile(&gpu, prefix_grad::shader()).await);
    let scores = compile(&gpu, neuron_scores::shader()).await;
    for hidden in HIDDEN {
        for (lengths, prompt) in [(&[1][..], 0), (&[1], 1), (&[5, 3, 13], 3), (&[2, 7, 2, 31], 2)] {
            let case = format!("hidden {hidden}, lengths {lengths:?}, prompt {prompt}");
            let mut bench = Bench::new(&gpu, &shape(lengths, prompt, 1, hidden), hidden as u64);
            for per_example in [false, true] {
                let errors = bench.insertion(&insertion, &insertion_grad, per_example).await.expect("no device error");
                expect_small(errors, &format!("{case}, prompts per example: {per_example}"));
            }
            expect_small(bench.prefix(&keys, &keys_grad).await.expect("no device error"), &case);
            expect_small(bench.neuron_scores(&scores).await.expect("no device error"), &case);
        }
    }
}

#[wasm_bindgen_test(unsupported = pollster::test)]
async fn pooling_equals_its_twin() {
    let Some(gpu) = adapter("pooling_equals_its_twin").await else { return };
    let (forward, grad) = (compile(&gpu, pool::shader()).await, compile(&gpu, pool_grad::shader()).await);
    for hidden in HIDDEN {
        for lengths in [&[3][..], &[3, 65, 7], &[4, 3, 3, 3, 11]] {
            for pooling in [Pooling::Mean, Pooling::MeanFrom(2), Pooling::Row(0), Pooling::Row(2)] {
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
    let Some(gpu) = own_adapter("an_uncaptured_error_is_reported").await else { return };
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
