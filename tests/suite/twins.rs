//! The CPU twins against naive loops, f32 against f64, and what must hold of any packed encoder.

use std::sync::Arc;

use softprompt::data::batch::PackedBatch;
use softprompt::engine::cpu::attention::{Sight, attention};
use softprompt::engine::cpu::attention_grad_key::attention_grad_key;
use softprompt::engine::cpu::attention_grad_query::attention_grad_query;
use softprompt::engine::cpu::embed::embed;
use softprompt::engine::cpu::fast;
use softprompt::engine::cpu::layer_norm::layer_norm;
use softprompt::engine::cpu::matmul::{Epilogue, MatmulSize, gelu, gelu_grad, matmul};
use softprompt::engine::cpu::{Activations, CpuEncoder, FastEncoder, Saved, Scalar};
use softprompt::engine::{GradRows, PROMPT_BIT, Pooling, Route, RowInfo, row_infos};
use softprompt::model::spec::EncoderSpec;
use softprompt::rng::Rng;
use wasm_bindgen_test::*;

use super::common::{assert_close, random, random_batch, random_examples, random_f32, random_weights, routes, tiny_spec};

/// Reference values from Abramowitz and Stegun, table 7.1, and `exp`'s of the standard library.
#[wasm_bindgen_test(unsupported = test)]
fn scalar_functions() {
    let table = [(0.1, 0.112_462_916_0), (0.5, 0.520_499_877_8), (1.0, 0.842_700_792_9), (2.0, 0.995_322_265_0)];
    for (x, erf) in table {
        assert_close(&[Scalar::erf(x), -Scalar::erf(-x)], &[erf, erf], 0.0, 1e-10);
    }
    let x: Vec<f32> = (-20_000..=20_000).map(|i| i as f32 * 1e-3).collect();
    let wide = |f: fn(f64) -> f64| x.iter().map(|&x| f(f64::from(x))).collect::<Vec<_>>();
    let narrow = |f: fn(f32) -> f32| x.iter().map(|&x| f(x)).collect::<Vec<_>>();
    assert_close(&narrow(Scalar::erf), &wide(Scalar::erf), 0.0, 1e-7);
    assert_close(&narrow(Scalar::exp), &wide(f64::exp), 1.5e-7, 0.0);
    assert_close(&narrow(gelu), &wide(gelu), 2e-7, 2e-7);
    assert_close(&narrow(gelu_grad), &wide(gelu_grad), 0.0, 4e-7);
    assert!(Scalar::exp(f32::NAN).is_nan() && Scalar::erf(f32::NAN).is_nan() && gelu(f32::NAN).is_nan(), "NaN stays NaN");
    assert!(Scalar::exp(f32::NEG_INFINITY) < 1e-37 && Scalar::exp(-1e30_f32) < 1e-37);
    assert_eq!((Scalar::erf(f32::INFINITY), Scalar::erf(f32::NEG_INFINITY)), (1.0, -1.0));
}

/// `a w^T` or `a w` in the order of the definition.
fn naive_product(a: &[f64], w: &[f64], transposed: bool, MatmulSize { m, n, k }: MatmulSize) -> Vec<f64> {
    let weight = |l: usize, j: usize| if transposed { w[j * k + l] } else { w[l * n + j] };
    (0..m * n).map(|i| (0..k).map(|l| a[i / n * k + l] * weight(l, i % n)).sum()).collect()
}

#[wasm_bindgen_test(unsupported = test)]
fn matmul_is_the_naive_product() {
    let rng = &mut Rng::stream(1, "matmul");
    let sizes = [(1, 1, 1), (1, 7, 5), (6, 1, 9), (13, 17, 19), (65, 63, 31), (33, 129, 64), (127, 5, 257), (3, 4, 1)];
    for (m, n, k) in sizes {
        let size = MatmulSize { m, n, k };
        let [a, w, bias, extra] = [m * k, n * k, n, m * n].map(|size| random(rng, size, 1.0));
        for epilogue in
            [Epilogue::Bias, Epilogue::BiasResidual, Epilogue::BiasGelu, Epilogue::Plain, Epilogue::Residual, Epilogue::GeluGrad]
        {
            let product = naive_product(&a, &w, epilogue.transposed(), size);
            let with_bias = |i: usize| product[i] + bias[i % n];
            let want: Vec<f64> = (0..m * n)
                .map(|i| match epilogue {
                    Epilogue::Bias => with_bias(i),
                    Epilogue::BiasResidual => with_bias(i) + extra[i],
                    Epilogue::BiasGelu => with_bias(i) * 0.5 * (1.0 + Scalar::erf(with_bias(i) / 2.0_f64.sqrt())),
                    Epilogue::Plain => product[i],
                    Epilogue::Residual => product[i] + extra[i],
                    Epilogue::GeluGrad => product[i] * gelu_grad(extra[i]),
                })
                .collect();
            let mut out = vec![f64::NAN; m * n];
            let mut pre = vec![f64::NAN; if epilogue == Epilogue::BiasGelu { m * n } else { 0 }];
            matmul(&a, &w, &bias, &extra, &mut out, &mut pre, epilogue, size);
            assert_close(&out, &want, 1e-12, 1e-12);
            if epilogue == Epilogue::BiasGelu {
                assert_close(&pre, &(0..m * n).map(with_bias).collect::<Vec<_>>(), 1e-12, 1e-12);
            }
        }
    }
}

/// The product's lengths are checked before pointers are made of them.
#[cfg(not(target_family = "wasm"))]
#[test]
fn matmul_refuses_wrong_lengths() {
    let product = |a: usize, w: usize, out: usize| {
        let size = MatmulSize { m: 4, n: 5, k: 6 };
        let mut out = vec![0.0_f32; out];
        std::panic::catch_unwind(move || matmul(&vec![0.0; a], &vec![0.0; w], &[], &[], &mut out, &mut [], Epilogue::Plain, size))
    };
    assert!(product(24, 30, 20).is_ok());
    for (a, w, out) in [(23, 30, 20), (24, 29, 20), (24, 30, 19), (25, 30, 20), (24, 31, 20), (24, 30, 21)] {
        assert!(product(a, w, out).is_err(), "{a} {w} {out}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn attention_is_softmax_of_scores() {
    let rng = &mut Rng::stream(1, "attention");
    for (heads, head_size) in [(3, 4), (1, 32), (2, 37)] {
        let hidden = heads * head_size;
        let batch = random_batch(&[5, 1, 9, 2], 2, 9, 1);
        let rows = row_infos(&batch, |id| id);
        let qkv = random(rng, rows.len() * 3 * hidden, 2.0);
        let (mut want_ctx, mut want_lse) = (vec![0.0; rows.len() * hidden], vec![0.0; rows.len() * heads]);
        let element = |t: usize, third: usize, i: usize| qkv[t * 3 * hidden + third * hidden + i];
        for (t, row) in rows.iter().enumerate() {
            for head in 0..heads {
                let columns = head * head_size..(head + 1) * head_size;
                let score = |s: usize| {
                    columns.clone().map(|i| element(t, 0, i) * element(s, 1, i)).sum::<f64>() / (head_size as f64).sqrt()
                };
                let keys = row.start as usize..row.end as usize;
                let denominator: f64 = keys.clone().map(|s| score(s).exp()).sum();
                want_lse[t * heads + head] = denominator.ln();
                for i in columns.clone() {
                    want_ctx[t * hidden + i] = keys.clone().map(|s| score(s).exp() / denominator * element(s, 2, i)).sum();
                }
            }
        }
        let (mut ctx, mut lse) = (vec![f64::NAN; want_ctx.len()], vec![f64::NAN; want_lse.len()]);
        attention(&rows, &qkv, &mut ctx, &mut lse, heads, head_size, &Sight::ALL);
        assert_close(&ctx, &want_ctx, 1e-12, 1e-12);
        assert_close(&lse, &want_lse, 1e-12, 1e-12);
    }
}

/// Scores that overflow `exp` in f32 are no problem, and NaN does not hide.
#[wasm_bindgen_test(unsupported = test)]
fn attention_survives_large_scores() {
    let rows = [RowInfo { start: 0, end: 2, source: 0, example: 0 }; 2];
    // Head size 1: q, k, v of two rows. The first row's scores are 40,000 and -40,000.
    let mut qkv = [200.0_f32, 200.0, 3.0, 0.0, -200.0, 5.0];
    let (mut ctx, mut lse) = ([f32::NAN; 2], [f32::NAN; 2]);
    attention(&rows, &qkv, &mut ctx, &mut lse, 1, 1, &Sight::ALL);
    assert_close(&ctx, &[3.0, 4.0], 1e-6, 0.0);
    assert_close(&lse, &[40_000.0, 2.0_f64.ln()], 1e-6, 0.0);
    qkv[4] = f32::NAN;
    attention(&rows, &qkv, &mut ctx, &mut lse, 1, 1, &Sight::ALL);
    assert!(ctx.iter().chain(&lse).all(|value| value.is_nan()), "{ctx:?} {lse:?}");
}

#[wasm_bindgen_test(unsupported = test)]
fn layer_norm_is_the_definition() {
    let rng = &mut Rng::stream(1, "layer_norm");
    let (rows, eps) = (4, 1e-5);
    for hidden in [1, 7, 8, 9, 384] {
        // A mean that is large against the deviation: a variance from the sum of squares would lose its digits.
        let x: Vec<f64> = random(rng, rows * hidden, 1.0).into_iter().map(|x| x + 1e6).collect();
        let [gamma, beta] = [random(rng, hidden, 1.0), random(rng, hidden, 1.0)];
        let (mut want_y, mut want_stats) = (Vec::new(), Vec::new());
        for x in x.chunks_exact(hidden) {
            let mean = x.iter().sum::<f64>() / hidden as f64;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / hidden as f64;
            let deviation = (variance + eps).sqrt();
            want_stats.extend([mean, 1.0 / deviation]);
            want_y.extend(x.iter().zip(&gamma).zip(&beta).map(|((x, gamma), beta)| (x - mean) / deviation * gamma + beta));
        }
        let (mut y, mut stats) = (vec![f64::NAN; x.len()], vec![f64::NAN; rows * 2]);
        layer_norm(&x, &gamma, &beta, &mut y, &mut stats, eps);
        assert_close(&y, &want_y, 1e-6, 1e-6);
        assert_close(&stats, &want_stats, 1e-9, 0.0);
    }
}

/// Rows come from the table or the prompt, and positions count from the example's first row.
#[wasm_bindgen_test(unsupported = test)]
fn embed_takes_the_right_rows() {
    // Two columns normalise to (-1, 1) or (1, -1) with a small epsilon, so that gamma and beta show the arithmetic.
    let row = |start, source| RowInfo { start, end: 0, source, example: 0 };
    let rows = [row(0, PROMPT_BIT), row(0, 1), row(2, PROMPT_BIT | 1), row(2, 0)];
    let (table, prompt, position) = ([0.0, 1.0, 1.0, 0.0], [5.0, 3.0, 1.0, 2.0], [0.0, 0.5, 0.0, 4.0]);
    let mut h = [f64::NAN; 8];
    embed(&rows, &table, &prompt, &[], &position, &[2.0, 2.0], &[0.0, 1.0], &mut h, 1, 1e-15);
    // Before the norm: (5, 3.5), (1, 4), (1, 2.5), (0, 5).
    assert_close(&h, &[2.0, -1.0, -2.0, 3.0, -2.0, 3.0, -2.0, 3.0], 1e-12, 0.0);
    // The only text row of each example gets the first row of the update: (7, 4), (0, 5).
    let update = [6.0, 0.0, f64::NAN, f64::NAN];
    embed(&rows, &table, &prompt, &update, &position, &[2.0, 2.0], &[0.0, 1.0], &mut h, 1, 1e-15);
    assert_close(&h, &[2.0, -1.0, 2.0, -1.0, -2.0, 3.0, 2.0, -1.0], 1e-12, 0.0);
}

#[wasm_bindgen_test(unsupported = test)]
fn f32_agrees_with_f64() {
    let spec = EncoderSpec { layers: 3, hidden: 96, heads: 3, ffn: 200, vocab: 97, max_positions: 64, layer_norm_eps: 1e-12 };
    let weights = Arc::new(random_weights(&spec, 1));
    let (narrow, wide) = (CpuEncoder::<f32>::new(Arc::clone(&weights)), CpuEncoder::<f64>::new(weights));
    let batch = random_batch(&[17, 1, 40, 9], 5, spec.vocab, 1);
    let rng = &mut Rng::stream(1, "prompt");
    let prompt = random_f32(rng, 5 * spec.hidden, 1.0);
    let d_pooled = random_f32(rng, batch.examples() * spec.hidden, 1.0);
    let widened = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
    let states = narrow.hidden_states(&batch, &prompt);
    let wide_states = wide.hidden_states(&batch, &widened(&prompt));
    assert_eq!((states.len(), wide_states.len()), (4, 4), "the embeddings and three layers");
    for (state, wide) in states.iter().zip(&wide_states) {
        assert_close(state, wide, 0.0, 1e-4);
    }
    for route in [Pooling::Mean, Pooling::Row(0)].map(Route::words) {
        let (mut saved, mut wide_saved) = (Saved::default(), Saved::default());
        let pooled = narrow.forward(&batch, &prompt, &[], route, Some(&mut saved));
        let wide_pooled = wide.forward(&batch, &widened(&prompt), &[], route, Some(&mut wide_saved));
        assert_close(&pooled, &wide_pooled, 0.0, 1e-4);
        let d_prompt = narrow.backward(&batch, &prompt, route, &saved, &d_pooled);
        let wide_d_prompt = wide.backward(&batch, &widened(&prompt), route, &wide_saved, &widened(&d_pooled));
        let largest = wide_d_prompt.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        assert_close(&d_prompt, &wide_d_prompt, 0.0, 1e-4 * largest);
    }
}

fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// On random odd shapes, around the sizes of tiles, panels and blocks.
#[wasm_bindgen_test(unsupported = test)]
fn fast_attention_equals_its_twins() {
    let rng = &mut Rng::stream(1, "fast attention");
    let lengths: [&[usize]; 4] = [&[5, 1, 9, 2], &[33, 48, 49], &[97, 12], &[31, 64, 1]];
    for (heads, head_size) in [(3, 4), (1, 32), (2, 37), (2, 64)] {
        for lengths in lengths {
            let hidden = heads * head_size;
            let batch = random_batch(lengths, 2, 9, 1);
            let rows = row_infos(&batch, |id| id);
            let [qkv, d_ctx] = [3, 1].map(|parts| random_f32(rng, rows.len() * parts * hidden, 1.0));
            let (mut want_ctx, mut want_lse) = (vec![f64::NAN; d_ctx.len()], vec![f64::NAN; rows.len() * heads]);
            attention(&rows, &widened(&qkv), &mut want_ctx, &mut want_lse, heads, head_size, &Sight::ALL);
            let (mut ctx, mut lse) = (vec![f32::NAN; want_ctx.len()], vec![f32::NAN; want_lse.len()]);
            fast::attention::attention(batch.offsets(), &qkv, &mut ctx, &mut lse, heads, head_size);
            assert_close(&ctx, &want_ctx, 0.0, 2e-6);
            assert_close(&lse, &want_lse, 2e-6, 2e-6);

            let (wide, wide_d) = (widened(&qkv), widened(&d_ctx));
            let (mut want, mut delta) = (vec![f64::NAN; qkv.len()], vec![f64::NAN; want_lse.len()]);
            let made = GradRows::All;
            attention_grad_query(&rows, &wide, &wide_d, &want_lse, &mut want, &mut delta, heads, head_size, made, &Sight::ALL);
            attention_grad_key(&rows, &wide, &wide_d, &want_lse, &delta, &mut want, heads, head_size, made, &Sight::ALL);
            let mut d_qkv = vec![f32::NAN; qkv.len()];
            fast::attention::attention_grad(batch.offsets(), &qkv, &d_ctx, &lse, &mut d_qkv, None, heads, head_size);
            assert_close(&d_qkv, &want, 0.0, 2e-5);
            // Of the first rows alone: the same bits, nothing behind them.
            let mut first = vec![f32::NAN; qkv.len()];
            fast::attention::attention_grad(batch.offsets(), &qkv, &d_ctx, &lse, &mut first, Some(2), heads, head_size);
            let (first, rest) = first.split_at(batch.examples() * 2 * 3 * hidden);
            let wanted = batch.offsets()[..batch.examples()].iter();
            let wanted: Vec<f32> = wanted.flat_map(|&t| &d_qkv[t as usize * 3 * hidden..][..2 * 3 * hidden]).copied().collect();
            assert_eq!(first, wanted);
            assert!(rest.iter().all(|value| value.is_nan()));
        }
    }
}

/// As in its twin, scores that overflow `exp` are no problem, and NaN does not hide.
#[wasm_bindgen_test(unsupported = test)]
fn fast_attention_survives_large_scores() {
    let mut qkv = [200.0_f32, 200.0, 3.0, 0.0, -200.0, 5.0];
    let (mut ctx, mut lse) = ([f32::NAN; 2], [f32::NAN; 2]);
    fast::attention::attention(&[0, 2], &qkv, &mut ctx, &mut lse, 1, 1);
    assert_close(&ctx, &[3.0, 4.0], 1e-6, 0.0);
    assert_close(&lse, &[40_000.0, 2.0_f64.ln()], 1e-6, 0.0);
    qkv[4] = f32::NAN;
    fast::attention::attention(&[0, 2], &qkv, &mut ctx, &mut lse, 1, 1);
    assert!(ctx.iter().chain(&lse).all(|value| value.is_nan()), "{ctx:?} {lse:?}");
}

/// The whole fast path against the f64 twin, on random odd shapes; its buffers are used again for each batch.
#[wasm_bindgen_test(unsupported = test)]
fn fast_encoder_equals_its_twin() {
    let shapes = [(2, 12, 3, 20), (3, 96, 3, 200), (1, 37, 1, 5), (2, 64, 1, 130), (1, 128, 2, 257)];
    for (layers, hidden, heads, ffn) in shapes {
        let pair = Pair::new(EncoderSpec { layers, hidden, heads, ffn, vocab: 97, max_positions: 140, layer_norm_eps: 1e-12 });
        let mut buffers = Activations::default();
        for (lengths, prompt_length) in
            [(&[17, 1, 40, 9][..], 5), (&[130], 3), (&[1], 1), (&[7, 7, 51, 2, 30, 3, 3], 10), (&[6, 2], 0)]
        {
            let batch = random_batch(lengths, prompt_length, 97, 1);
            for pooling in [Pooling::Mean, Pooling::Row(0)] {
                pair.compare(&batch, Route::words(pooling), &mut buffers);
            }
        }
    }
}

/// The same on every route, one after another in the same buffers.
#[wasm_bindgen_test(unsupported = test)]
fn fast_encoder_equals_its_twin_on_every_route() {
    for (layers, hidden, heads, ffn) in [(3, 12, 3, 20), (2, 64, 1, 130)] {
        let pair = Pair::new(EncoderSpec { layers, hidden, heads, ffn, vocab: 97, max_positions: 140, layer_norm_eps: 1e-12 });
        let mut buffers = Activations::default();
        for (lengths, prompt_length) in [(&[17, 1, 40, 9][..], 5), (&[130], 3), (&[1], 1), (&[7, 7, 51, 2, 30, 3, 3], 10)] {
            let batch = random_batch(lengths, prompt_length, 97, 1);
            for route in routes(&batch, layers) {
                pair.compare(&batch, route, &mut buffers);
            }
        }
        let batch = random_batch(&[6, 2], 0, 97, 1);
        pair.compare(&batch, Route { update: 6, ..Route::words(Pooling::Mean) }, &mut buffers);
    }
}

/// The fast encoder and its twin in f64.
struct Pair {
    fast: FastEncoder,
    twin: CpuEncoder<f64>,
}

impl Pair {
    fn new(spec: EncoderSpec) -> Self {
        let weights = Arc::new(random_weights(&spec, 1));
        Self { fast: FastEncoder::new(Arc::clone(&weights)), twin: CpuEncoder::new(weights) }
    }

    /// Pooled rows, with and without tracking, and the input's gradient.
    #[track_caller]
    fn compare(&self, batch: &PackedBatch, route: Route, buffers: &mut Activations) {
        let &EncoderSpec { hidden, layers, .. } = self.fast.spec();
        let rng = &mut Rng::stream(1, "prompt");
        let input = random_f32(rng, route.input_rows(batch, layers).iter().sum::<usize>() * hidden, 1.0);
        let d_pooled = random_f32(rng, batch.examples() * hidden, 1.0);
        let states = random_f32(rng, batch.tokens().len() * hidden, 1.0);
        let mut saved = Saved::default();
        let want = self.twin.forward(batch, &widened(&input), &widened(&states), route, Some(&mut saved));
        let pooled = self.fast.forward(batch, &input, &states, route, true, buffers);
        assert_close(&pooled, &want, 0.0, 1e-4);
        let d_input = self.fast.backward(batch, &input, route, &d_pooled, buffers);
        let want = self.twin.backward(batch, &widened(&input), route, &saved, &widened(&d_pooled));
        let largest = want.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        assert_eq!(d_input.len(), want.len());
        if !input.is_empty() {
            assert_close(&d_input, &want, 0.0, 1e-4 * largest);
        }
        assert_eq!(self.fast.forward(batch, &input, &states, route, false, buffers), pooled, "the same without tracking");
    }
}

/// An example's result does not depend on what it is packed with.
#[wasm_bindgen_test(unsupported = test)]
fn examples_do_not_see_each_other() {
    let spec = tiny_spec();
    let encoder = CpuEncoder::<f64>::new(Arc::new(random_weights(&spec, 1)));
    let examples = random_examples(&[4, 1, 7, 7, 2], spec.vocab, 1);
    for prompt_length in [0, 2] {
        let prompt = random(&mut Rng::stream(1, "prompt"), prompt_length * spec.hidden, 1.0);
        let pooled = |batch| encoder.forward(&batch, &prompt, &[], Route::words(Pooling::Mean), None);
        let alone: Vec<f64> = examples.iter().flat_map(|example| pooled(PackedBatch::new([example], prompt_length))).collect();
        assert_close(&pooled(PackedBatch::new(&examples, prompt_length)), &alone, 1e-10, 1e-10);
    }
}

/// The same bits every time, whatever the number of threads; the sizes are large enough that the product is split.
#[cfg(not(target_family = "wasm"))]
#[test]
fn threads_do_not_change_a_bit() {
    let spec = EncoderSpec { layers: 1, hidden: 384, heads: 12, ffn: 1536, vocab: 50, max_positions: 64, layer_norm_eps: 1e-12 };
    let weights = Arc::new(random_weights(&spec, 1));
    let (twin, fast) = (CpuEncoder::<f32>::new(Arc::clone(&weights)), FastEncoder::new(weights));
    let batch = random_batch(&[31, 7, 20, 1, 44], 10, spec.vocab, 1);
    let prompt = random_f32(&mut Rng::stream(1, "prompt"), 10 * spec.hidden, 1.0);
    let step = || {
        let (mut saved, mut buffers) = (Saved::default(), Activations::default());
        let route = Route::words(Pooling::Mean);
        let pooled = twin.forward(&batch, &prompt, &[], route, Some(&mut saved));
        let d_prompt = twin.backward(&batch, &prompt, route, &saved, &pooled);
        let fast_pooled = fast.forward(&batch, &prompt, &[], route, true, &mut buffers);
        let fast_d_prompt = fast.backward(&batch, &prompt, route, &pooled, &mut buffers);
        [pooled, d_prompt, fast_pooled, fast_d_prompt].concat().into_iter().map(f32::to_bits).collect::<Vec<_>>()
    };
    let want = step();
    for threads in [1, 2, 3, 8] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool of threads");
        assert!(pool.install(step) == want, "{threads} threads");
    }
}
