//! Every gradient of the CPU twins, and of the whole encoder, against central differences in f64. Valid because every function
//! here is smooth (GELU is exact, nothing is clipped); a step of 1e-5 leaves an error near 1e-10 of the function's value.

use std::sync::Arc;

use softprompt::engine::cpu::attention::{Sight, attention};
use softprompt::engine::cpu::attention_grad_key::attention_grad_key;
use softprompt::engine::cpu::attention_grad_query::attention_grad_query;
use softprompt::engine::cpu::embed::embed;
use softprompt::engine::cpu::embed_grad::embed_grad;
use softprompt::engine::cpu::layer_norm::layer_norm;
use softprompt::engine::cpu::layer_norm_grad::layer_norm_grad;
use softprompt::engine::cpu::matmul::{Epilogue, MatmulSize, gelu, gelu_grad, matmul};
use softprompt::engine::cpu::pool::pool;
use softprompt::engine::cpu::pool_grad::pool_grad;
use softprompt::engine::cpu::{CpuEncoder, Saved};
use softprompt::engine::{Entry, GradRows, Pooling, Route, row_infos};
use softprompt::rng::Rng;
use wasm_bindgen_test::*;

use super::common::{assert_close, compare, random, random_batch, random_weights, routes, tiny_spec};

/// Numbers of tokens, uneven and with the shortest that exists.
const LENGTHS: [usize; 4] = [3, 1, 6, 2];
const EPS: f64 = 1e-6;

/// An output buffer in which every element that a kernel forgets to write, or reads, shows.
fn junk(size: usize) -> Vec<f64> {
    vec![f64::NAN; size]
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Gradient of `f` at `x` by central differences.
fn differences(x: &[f64], mut f: impl FnMut(&[f64]) -> f64) -> Vec<f64> {
    const STEP: f64 = 1e-5;
    let mut x = x.to_vec();
    (0..x.len())
        .map(|i| {
            let at = x[i];
            x[i] = at + STEP;
            let above = f(&x);
            x[i] = at - STEP;
            let below = f(&x);
            x[i] = at;
            (above - below) / (2.0 * STEP)
        })
        .collect()
}

/// Close to 1e-7 of the element, or of the largest element: differences of a sum cannot see less.
#[track_caller]
fn assert_gradient(got: &[f64], x: &[f64], f: impl FnMut(&[f64]) -> f64) {
    let want = differences(x, f);
    let largest = want.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    assert!(largest > 1e-3, "a gradient of nothing proves nothing");
    assert_close(got, &want, 1e-7, 1e-7 * largest);
}

/// Negative control: a gradient that is wrong by one part in a million is found.
#[wasm_bindgen_test(unsupported = test)]
fn differences_find_a_wrong_gradient() {
    let x = [0.3, -1.2, 0.8];
    let want = differences(&x, |x| x.iter().map(|x| x.sin()).sum());
    let right = x.map(f64::cos);
    compare(&right, &want, 1e-7, 1e-7).expect("the cosine");
    assert!(compare(&right.map(|value| value * (1.0 + 1e-6)), &want, 1e-7, 1e-7).is_err());
}

#[wasm_bindgen_test(unsupported = test)]
fn gelu_gradient() {
    let u: Vec<f64> = (-60..=60).map(|i| f64::from(i) * 0.1).collect();
    let got: Vec<f64> = u.iter().map(|&u| gelu_grad(u)).collect();
    assert_gradient(&got, &u, |u| u.iter().map(|&u| gelu(u)).sum());
}

#[wasm_bindgen_test(unsupported = test)]
fn layer_norm_gradient() {
    let rng = &mut Rng::stream(1, "layer_norm");
    let (rows, hidden) = (5, 13);
    let [x, c] = [2.0, 1.0].map(|deviation| random(rng, rows * hidden, deviation));
    let [gamma, beta] = [random(rng, hidden, 1.0), random(rng, hidden, 1.0)];
    let forward = |x: &[f64]| {
        let (mut y, mut stats) = (junk(x.len()), junk(rows * 2));
        layer_norm(x, &gamma, &beta, &mut y, &mut stats, EPS);
        (y, stats)
    };
    let mut d_x = junk(x.len());
    layer_norm_grad(&c, &x, &forward(&x).1, &gamma, &mut d_x);
    assert_gradient(&d_x, &x, |x| dot(&forward(x).0, &c));
}

#[wasm_bindgen_test(unsupported = test)]
fn pool_gradient() {
    let rng = &mut Rng::stream(1, "pool");
    let (batch, hidden) = (random_batch(&LENGTHS, 2, 9, 1), 5);
    let h = random(rng, batch.rows() * hidden, 1.0);
    let c = random(rng, batch.examples() * hidden, 1.0);
    for pooling in [Pooling::Mean, Pooling::MeanFrom(2), Pooling::Row(0), Pooling::Row(2)] {
        let mut d_h = junk(h.len());
        pool_grad(&row_infos(&batch, |id| id), &c, &mut d_h, pooling, hidden);
        assert_gradient(&d_h, &h, |h| {
            let mut pooled = junk(c.len());
            pool(batch.offsets(), h, &mut pooled, pooling, hidden);
            dot(&pooled, &c)
        });
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn embed_gradient() {
    let rng = &mut Rng::stream(1, "embed");
    let (hidden, vocab, prompt_length) = (7, 9, 3);
    let batch = random_batch(&LENGTHS, prompt_length, vocab, 2);
    let rows = row_infos(&batch, |id| id);
    let [table, position, prompt] = [vocab, 16, prompt_length].map(|rows| random(rng, rows * hidden, 1.0));
    let [gamma, beta] = [random(rng, hidden, 1.0), random(rng, hidden, 1.0)];
    let c = random(rng, rows.len() * hidden, 1.0);
    let mut d_prompt = junk(prompt.len());
    // Part of the gradient comes along the residual, the rest of the prompt rows' through the product.
    let made = GradRows::Prompt.list(&rows);
    let d_product: Vec<f64> = made.iter().flat_map(|&t| c[t * hidden..][..hidden].iter().map(|&c| 0.25 * c)).collect();
    let d_residual: Vec<f64> = c.iter().map(|&c| 0.75 * c).collect();
    embed_grad(batch.offsets(), &d_residual, &d_product, &prompt, &position, &gamma, &mut d_prompt, EPS, false);
    assert_gradient(&d_prompt, &prompt, |prompt| {
        let mut h = junk(c.len());
        embed(&rows, &table, prompt, &[], &position, &gamma, &beta, &mut h, prompt_length, EPS);
        dot(&h, &c)
    });
}

#[wasm_bindgen_test(unsupported = test)]
fn attention_gradients() {
    let rng = &mut Rng::stream(1, "attention");
    for (heads, head_size) in [(3, 4), (2, 11), (1, 1)] {
        let hidden = heads * head_size;
        let batch = random_batch(&LENGTHS, 2, 9, 3);
        let rows = row_infos(&batch, |id| id);
        let (qkv, c) = (random(rng, rows.len() * 3 * hidden, 1.5), random(rng, rows.len() * hidden, 1.0));
        let forward = |qkv: &[f64]| {
            let (mut ctx, mut lse) = (junk(c.len()), junk(rows.len() * heads));
            attention(&rows, qkv, &mut ctx, &mut lse, heads, head_size, &Sight::ALL);
            (ctx, lse)
        };
        let (_, lse) = forward(&qkv);
        let gradient = |made: GradRows| {
            let (mut d_qkv, mut delta) = (junk(made.list(&rows).len() * 3 * hidden), junk(lse.len()));
            attention_grad_query(&rows, &qkv, &c, &lse, &mut d_qkv, &mut delta, heads, head_size, made, &Sight::ALL);
            attention_grad_key(&rows, &qkv, &c, &lse, &delta, &mut d_qkv, heads, head_size, made, &Sight::ALL);
            d_qkv
        };
        let d_qkv = gradient(GradRows::All);
        assert_gradient(&d_qkv, &qkv, |qkv| dot(&forward(qkv).0, &c));
        let of_prompt = GradRows::Prompt.list(&rows).into_iter().flat_map(|t| d_qkv[3 * t * hidden..][..3 * hidden].to_vec());
        assert_eq!(gradient(GradRows::Prompt), of_prompt.collect::<Vec<_>>());
    }
}

/// The NN products give the gradients of the NT products, with the same weight in the same place.
#[wasm_bindgen_test(unsupported = test)]
fn matmul_gradients() {
    let rng = &mut Rng::stream(1, "matmul");
    for (m, n, k) in [(5, 7, 3), (1, 9, 4), (17, 2, 33)] {
        // y = x w^T + b is [m, n]; its gradient at x is [m, k].
        let (nt, nn) = (MatmulSize { m, n, k }, MatmulSize { m, n: k, k: n });
        let [w, x, c, e] = [n * k, m * k, m * n, m * k].map(|size| random(rng, size, 1.0));
        let bias = random(rng, n, 1.0);
        let product = |x: &[f64]| {
            let mut y = junk(m * n);
            matmul(x, &w, &bias, &[], &mut y, &mut [], Epilogue::Bias, nt);
            y
        };
        let grad = |epilogue, extra: &[f64]| {
            let mut d_x = junk(m * k);
            matmul(&c, &w, &[], extra, &mut d_x, &mut [], epilogue, nn);
            d_x
        };
        assert_gradient(&grad(Epilogue::Plain, &[]), &x, |x| dot(&product(x), &c));
        assert_gradient(&grad(Epilogue::Residual, &e), &x, |x| dot(&product(x), &c) + dot(x, &e));
        let activated = |u: &[f64]| u.iter().map(|&u| gelu(u)).collect::<Vec<_>>();
        assert_gradient(&grad(Epilogue::GeluGrad, &x), &x, |u| dot(&product(&activated(u)), &c));
    }
}

/// The whole encoder on every route, with uneven lengths; no gradient is left out and none is for something else.
#[wasm_bindgen_test(unsupported = test)]
fn encoder_gradient() {
    let spec = tiny_spec();
    let encoder = CpuEncoder::<f64>::new(Arc::new(random_weights(&spec, 1)));
    let rng = &mut Rng::stream(1, "encoder");
    let mut saved = Saved::default();
    for prompt_length in [1, 3] {
        let batch = random_batch(&LENGTHS, prompt_length, spec.vocab, 4);
        let c = random(rng, batch.examples() * spec.hidden, 1.0);
        for route in routes(&batch, spec.layers) {
            let size = |rows: usize| rows * spec.hidden;
            let input = random(rng, size(route.input_rows(&batch, spec.layers).iter().sum()), 1.0);
            // The gradient does not depend on where the states come from.
            let states = random(rng, if route.entry == Entry::Words { 0 } else { size(batch.tokens().len()) }, 1.0);
            encoder.forward(&batch, &input, &states, route, Some(&mut saved));
            let d_input = encoder.backward(&batch, &input, route, &saved, &c);
            let of = |input: &[f64]| dot(&encoder.forward(&batch, input, &states, route, None), &c);
            assert_gradient(&d_input, &input, of);
            if route.update > 0 {
                let [prompt, update, _] = route.input_rows(&batch, spec.layers).map(size);
                let unused = &d_input[prompt + update - spec.hidden..prompt + update];
                assert!(unused.iter().all(|&value| value == 0.0), "no text is so long: {route:?}");
            }
        }
    }
}

/// Without a prompt there is nothing to train, or the update alone.
#[wasm_bindgen_test(unsupported = test)]
fn encoder_gradient_without_prompt() {
    let spec = tiny_spec();
    let encoder = CpuEncoder::<f64>::new(Arc::new(random_weights(&spec, 1)));
    let rng = &mut Rng::stream(2, "encoder");
    let mut saved = Saved::default();
    let batch = random_batch(&LENGTHS, 0, spec.vocab, 4);
    let route = Route::words(Pooling::Mean);
    let pooled = encoder.forward(&batch, &[], &[], route, Some(&mut saved));
    assert!(pooled.iter().all(|value| value.is_finite()));
    assert!(encoder.backward(&batch, &[], route, &saved, &pooled).is_empty(), "no prompt, no gradient");

    let route = Route { update: batch.longest(), ..route };
    let update = random(rng, route.update * spec.hidden, 1.0);
    encoder.forward(&batch, &update, &[], route, Some(&mut saved));
    let d_update = encoder.backward(&batch, &update, route, &saved, &pooled);
    assert_gradient(&d_update, &update, |update| dot(&encoder.forward(&batch, update, &[], route, None), &pooled));
}

/// What one batch left in the saved buffers does not reach the next, whatever their routes, and a tracked pass computes what an
/// untracked one does.
#[wasm_bindgen_test(unsupported = test)]
fn saved_buffers_are_reused() {
    let spec = tiny_spec();
    let encoder = CpuEncoder::<f64>::new(Arc::new(random_weights(&spec, 2)));
    let rng = &mut Rng::stream(2, "encoder");
    let mut reused = Saved::default();
    for lengths in [&[7, 1, 5][..], &[2], &[4, 3, 2, 1]] {
        let batch = random_batch(lengths, 2, spec.vocab, 5);
        let states = random(rng, batch.tokens().len() * spec.hidden, 1.0);
        for route in routes(&batch, spec.layers) {
            let input = random(rng, route.input_rows(&batch, spec.layers).iter().sum::<usize>() * spec.hidden, 1.0);
            let step = |saved: &mut Saved<f64>| {
                let pooled = encoder.forward(&batch, &input, &states, route, Some(saved));
                assert_eq!(pooled, encoder.forward(&batch, &input, &states, route, None), "tracked and untracked");
                encoder.backward(&batch, &input, route, saved, &pooled)
            };
            assert_eq!(step(&mut reused), step(&mut Saved::default()));
        }
    }
}
