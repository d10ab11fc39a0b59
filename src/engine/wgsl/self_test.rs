//! Each kernel against its CPU twin in f64, on random inputs: when a GPU is opened, and in the tests with odd sizes.
//!
//! A check returns the largest error of each kernel, `|got - want| / (1 + |want|)`. Outputs are filled with junk first. A kernel
//! that leaves a value unchanged, or writes beyond its output, has an infinite error; one that produces NaN has the error NaN.

use super::attention::Blocking;
use super::device::Gpu;
use super::kernel::{Kernel, Launch};
use super::matmul::{self, Variant, Weight};
use super::pipelines::{Pipelines, Product};
use super::recorder::{BatchSize, Step};
use super::{attention, attention_grad_key, attention_grad_query, layer_norm, layer_norm_grad, pool, pool_grad};
use crate::engine::cpu::attention::Sight;
use crate::engine::cpu::{self, matmul::MatmulSize};
use crate::engine::{GradRows, PROMPT_BIT, Pooling, RowInfo};
use crate::error::{Error, Result};
use crate::model::spec::EncoderSpec;
use crate::rng::Rng;

mod inputs;

/// Tolerance for a correct kernel. Rounding errors are below 1e-5 if `exp` and division have the precision that WebGPU requires.
pub const TOLERANCE: f64 = 1e-3;

/// The kernels with their largest errors.
pub type Errors = Vec<(&'static str, f64)>;

/// Runs every kernel of an encoder on a few rows of the real widths.
///
/// # Errors
/// [`Error::Device`] with the name of the first kernel that computes wrong results, or with the error of the device.
pub async fn self_test(gpu: &Gpu, pipelines: &Pipelines, spec: &EncoderSpec) -> Result<()> {
    let shape = Shape { lengths: vec![5, 3, 9], prompt: 3, heads: spec.heads, head_size: spec.head_size() };
    let mut bench = Bench::new(gpu, &shape, 1);
    let Pipelines { embed, embed_grad, attention, attention_grad_query, attention_grad_key, .. } = pipelines;
    for other in [false, true] {
        judge(bench.embedding(embed, embed_grad, other, other).await?)?;
        judge(bench.insertion(&pipelines.insert, &pipelines.insert_grad, other).await?)?;
    }
    judge(bench.update(&pipelines.update_grad).await?)?;
    judge(bench.prefix(&pipelines.prefix, &pipelines.prefix_grad).await?)?;
    judge(bench.neuron_scores(&pipelines.neuron_scores).await?)?;
    for Product { kernel, variant, size: (n, k) } in pipelines.products() {
        // A few tiles are as informative as all of them.
        let few = if *n > 260 { 260 + n % 4 } else { *n };
        judge(bench.matmul(kernel, *variant, few, *k).await?)?;
    }
    judge(bench.attention([attention, attention_grad_query, attention_grad_key], pipelines.blocking).await?)?;
    judge(bench.layer_norm(&pipelines.layer_norm, &pipelines.layer_norm_grad).await?)?;
    for pooling in [Pooling::Mean, Pooling::MeanFrom(2), Pooling::Row(2)] {
        judge(bench.pool(&pipelines.pool, &pipelines.pool_grad, pooling).await?)?;
    }
    gpu.check()
}

fn judge(errors: Errors) -> Result<()> {
    // NaN is wrong, too.
    match errors.into_iter().find(|(_, error)| error.is_nan() || *error > TOLERANCE) {
        None => Ok(()),
        Some((kernel, error)) => Err(Error::device(
            format!("the kernel {kernel} computes wrong results on this GPU (error {error:.1e})"),
            "update the browser or the driver, or use the CPU; please report this message with the name of the GPU",
        )),
    }
}

/// Sizes of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Rows of each example, prompt rows included.
    pub lengths: Vec<usize>,
    /// Prompt rows P, at most the shortest length.
    pub prompt: usize,
    /// Heads H.
    pub heads: usize,
    /// Size of a head.
    pub head_size: usize,
}

/// Initial value of outputs.
const JUNK: f32 = 9.0;
/// Number of values after an output that must stay unchanged.
const GUARD: usize = 70;

/// Runs kernels on random values.
#[derive(Debug)]
pub struct Bench<'a> {
    gpu: &'a Gpu,
    shape: Shape,
    rows: Vec<RowInfo>,
    offsets: Vec<u32>,
    size: BatchSize,
    batch: wgpu::Buffer,
    rng: Rng,
}

/// An output buffer, its name, and the expected content.
struct Output {
    buffer: wgpu::Buffer,
    want: Vec<f64>,
}

impl<'a> Bench<'a> {
    /// A bench for a shape; the same seed gives the same values.
    #[must_use]
    pub fn new(gpu: &'a Gpu, shape: &Shape, seed: u64) -> Self {
        let mut rng = Rng::stream(seed, "self_test");
        let mut offsets = vec![0];
        let mut rows = Vec::new();
        for (example, &length) in shape.lengths.iter().enumerate() {
            let start = rows.len() as u32;
            let end = start + length as u32;
            rows.extend((0..length).map(|row| RowInfo {
                start,
                end,
                source: if row < shape.prompt { PROMPT_BIT | row as u32 } else { rng.below(TABLE) as u32 },
                example: example as u32,
            }));
            offsets.push(end);
        }
        let size =
            BatchSize { rows: rows.len() as u32, examples: shape.lengths.len() as u32, prompt: shape.prompt as u32, blocks: 0 };
        let batch = gpu.uniform("batch", &size);
        Self { gpu, shape: shape.clone(), rows, offsets, size, batch, rng }
    }

    /// A product over all rows.
    ///
    /// # Errors
    /// [`Error::Device`] with the error of the device, here and in the other checks.
    pub async fn matmul(&mut self, kernel: &Kernel, variant: Variant, n: usize, k: usize) -> Result<Errors> {
        let (m, epilogue) = (self.rows.len(), variant.epilogue);
        let (has_bias, has_extra, has_pre) = matmul::takes(epilogue);
        // The twin takes it as a separate argument, the shader in `out`.
        let in_place = epilogue == cpu::matmul::Epilogue::GeluGrad;
        let (a, w) = (self.values(m * k, 1.0), self.values(n * k, 2.0 / (k as f64).sqrt()));
        let bias = self.values(if has_bias { n } else { 0 }, 1.0);
        let extra = self.values(if has_extra || in_place { m * n } else { 0 }, 3.0);
        let (mut out, mut pre) = (junk(m * n), junk(if has_pre { m * n } else { 0 }));
        cpu::matmul::matmul(&a, &w, &bias, &extra, &mut out, &mut pre, epilogue, MatmulSize { m, n, k });

        let (out, pre) = (self.output(out)?, self.output(pre)?);
        if in_place {
            self.gpu.queue.write_buffer(&out.buffer, 0, bytemuck::cast_slice(&narrow(&extra)));
        }
        let columns = if epilogue.transposed() { k } else { n };
        let w = Weight::upload(self.gpu, "input", &narrow(&w), columns, variant.operands)?;
        let [a, bias, extra] = [self.input(&a)?, self.input(&bias)?, self.input(&extra)?];
        let buffers = matmul::Buffers {
            a: &a,
            w: &w,
            bias: has_bias.then_some(&bias),
            extra: has_extra.then_some(&extra),
            out: &out.buffer,
            pre: has_pre.then_some(&pre.buffer),
        };
        let step = matmul::step((kernel, variant), &self.launch(), &buffers, n as u32, k as u32);
        Ok(vec![self.run(kernel, &step, &[out, pre]).await?])
    }

    /// Attention and its two gradients.
    ///
    /// # Errors
    /// As [`Self::matmul`].
    pub async fn attention(&mut self, [forward, grad_query, grad_key]: [&Kernel; 3], blocking: Blocking) -> Result<Errors> {
        let blocks = blocking.blocks(&self.offsets);
        self.size.blocks = blocks.len() as u32;
        self.gpu.queue.write_buffer(&self.batch, 0, bytemuck::bytes_of(&self.size));
        let (t, d) = (self.rows.len(), self.hidden());
        let Shape { heads, head_size, .. } = self.shape;
        let (qkv, d_ctx) = (self.values(3 * t * d, 2.0), self.values(t * d, 1.0));
        let (mut ctx, mut lse) = (junk(t * d), junk(t * heads));
        cpu::attention::attention(&self.rows, &qkv, &mut ctx, &mut lse, heads, head_size, &Sight::ALL);
        // The gradients receive these rounded to f32.
        let lse_in = rounded(&lse);
        let gradient = |made: GradRows| {
            let junk_d_qkv = || junk(3 * made.list(&self.rows).len() * d);
            let (mut d_q, mut delta, mut d_kv) = (junk_d_qkv(), junk(t * heads), junk_d_qkv());
            let rows = &self.rows;
            cpu::attention_grad_query::attention_grad_query(
                rows,
                &qkv,
                &d_ctx,
                &lse_in,
                &mut d_q,
                &mut delta,
                heads,
                head_size,
                made,
                &Sight::ALL,
            );
            let delta_in = rounded(&delta);
            cpu::attention_grad_key::attention_grad_key(
                rows,
                &qkv,
                &d_ctx,
                &lse_in,
                &delta_in,
                &mut d_kv,
                heads,
                head_size,
                made,
                &Sight::ALL,
            );
            (made, d_q, delta, d_kv)
        };
        let gradients = [GradRows::All, GradRows::Prompt].map(gradient);

        let (rows, blocks) = (self.gpu.upload("rows", &self.rows)?, self.gpu.upload("blocks", &blocks)?);
        let [qkv, d_ctx, lse_in] = [self.input(&qkv)?, self.input(&d_ctx)?, self.input(&lse_in)?];
        let params = attention::Params::new(heads as u32, head_size as u32);
        let (ctx, lse) = (self.output(ctx)?, self.output(lse)?);
        let step = attention::step(forward, &self.launch(), [&rows, &blocks, &qkv, &ctx.buffer, &lse.buffer], params);
        let mut errors = vec![self.run(forward, &step, &[ctx, lse]).await?];
        for (made, d_q, delta, d_kv) in gradients {
            let params = params.at(made);
            let delta_in = self.input(&rounded(&delta))?;
            let (d_q, delta, d_kv) = (self.output(d_q)?, self.output(delta)?, self.output(d_kv)?);
            let buffers = [&rows, &blocks, &qkv, &d_ctx, &lse_in, &d_q.buffer, &delta.buffer];
            let step = attention_grad_query::step(grad_query, &self.launch(), buffers, params);
            errors.push(self.run(grad_query, &step, &[d_q, delta]).await?);
            let buffers = [&rows, &blocks, &qkv, &d_ctx, &lse_in, &delta_in, &d_kv.buffer];
            let step = attention_grad_key::step(grad_key, &self.launch(), buffers, params);
            errors.push(self.run(grad_key, &step, &[d_kv]).await?);
        }
        Ok(errors)
    }

    /// Layer norm and its gradient.
    ///
    /// # Errors
    /// As [`Self::matmul`].
    pub async fn layer_norm(&mut self, forward: &Kernel, grad: &Kernel) -> Result<Errors> {
        let (t, d) = (self.rows.len(), self.hidden());
        let (x, d_y) = (self.values(t * d, 3.0), self.values(t * d, 1.0));
        let (gamma, beta) = (self.values(d, 1.0), self.values(d, 1.0));
        let (mut y, mut stats) = (junk(t * d), junk(2 * t));
        cpu::layer_norm::layer_norm(&x, &gamma, &beta, &mut y, &mut stats, EPS);
        let stats_in = rounded(&stats);
        let mut d_x = junk(t * d);
        cpu::layer_norm_grad::layer_norm_grad(&d_y, &x, &stats_in, &gamma, &mut d_x);

        let [x, d_y, gamma, beta] = [self.input(&x)?, self.input(&d_y)?, self.input(&gamma)?, self.input(&beta)?];
        let stats_in = self.input(&stats_in)?;
        let params = layer_norm::Params { columns: d as u32, eps: EPS as f32, pad: [0; 2] };
        let (y, stats) = (self.output(y)?, self.output(stats)?);
        let step = layer_norm::step(forward, &self.launch(), [&x, &gamma, &beta, &y.buffer, &stats.buffer], params);
        let first = self.run(forward, &step, &[y, stats]).await?;
        let d_x = self.output(d_x)?;
        let step = layer_norm_grad::step(grad, &self.launch(), [&d_y, &x, &stats_in, &gamma, &d_x.buffer], d as u32);
        Ok(vec![first, self.run(grad, &step, &[d_x]).await?])
    }

    /// Pooling and its gradient.
    ///
    /// # Errors
    /// As [`Self::matmul`].
    pub async fn pool(&mut self, forward: &Kernel, grad: &Kernel, pooling: Pooling) -> Result<Errors> {
        let d = self.hidden();
        let (h, d_pooled) = (self.values(self.rows.len() * d, 1.0), self.values(self.shape.lengths.len() * d, 1.0));
        let (mut pooled, mut d_h) = (junk(d_pooled.len()), junk(h.len()));
        cpu::pool::pool(&self.offsets, &h, &mut pooled, pooling, d);
        cpu::pool_grad::pool_grad(&self.rows, &d_pooled, &mut d_h, pooling, d);

        let (rows, offsets) = (self.gpu.upload("rows", &self.rows)?, self.gpu.upload("offsets", &self.offsets)?);
        let (h, d_pooled) = (self.input(&h)?, self.input(&d_pooled)?);
        let params = pool::Params::new(pooling, d as u32);
        let pooled = self.output(pooled)?;
        let step = pool::step(forward, &self.launch(), [&offsets, &h, &pooled.buffer], params);
        let first = self.run(forward, &step, &[pooled]).await?;
        let d_h = self.output(d_h)?;
        let step = pool_grad::step(grad, &self.launch(), [&rows, &d_pooled, &d_h.buffer], params);
        Ok(vec![first, self.run(grad, &step, &[d_h]).await?])
    }

    fn hidden(&self) -> usize {
        self.shape.heads * self.shape.head_size
    }

    fn launch(&self) -> Launch<'_> {
        Launch { gpu: self.gpu, batch: &self.batch, rows: GradRows::All }
    }

    /// Uniformly distributed values up to `scale` that f32 represents exactly.
    fn values(&mut self, len: usize, scale: f64) -> Vec<f64> {
        (0..len).map(|_| f64::from(((2.0 * self.rng.uniform() - 1.0) * scale) as f32)).collect()
    }

    fn input(&self, values: &[f64]) -> Result<wgpu::Buffer> {
        self.gpu.upload("input", &narrow(values))
    }

    /// An output with its expected content; values that should stay unchanged are [`JUNK`].
    fn output(&self, want: Vec<f64>) -> Result<Output> {
        let buffer = self.gpu.upload("output", &vec![JUNK; want.len() + GUARD])?;
        Ok(Output { buffer, want })
    }

    async fn run(&self, kernel: &Kernel, step: &Step, outputs: &[Output]) -> Result<(&'static str, f64)> {
        let mut commands = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some(kernel.name) });
        step.replay(&mut commands.begin_compute_pass(&wgpu::ComputePassDescriptor::default()), self.size);
        self.gpu.queue.submit([commands.finish()]);
        let mut worst = 0.0;
        for Output { buffer, want } in outputs {
            let got = self.gpu.read(buffer, want.len() + GUARD).await?;
            worst = worse(worst, error(&got, want));
        }
        Ok((kernel.name, worst))
    }
}

/// Rows of the word table.
const TABLE: usize = 11;
/// Epsilon of the norms.
const EPS: f64 = 1e-5;

fn junk(len: usize) -> Vec<f64> {
    vec![f64::from(JUNK); len]
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}

fn rounded(values: &[f64]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value as f32)).collect()
}

/// The larger of two errors; NaN is larger than everything.
fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

/// Largest `|got - want| / (1 + |want|)`; infinite if the guard after the output was written.
fn error(got: &[f32], want: &[f64]) -> f64 {
    let guard = got.get(want.len()..).unwrap_or_default();
    if got.len() < want.len() || guard.iter().any(|&value| value != JUNK) {
        return f64::INFINITY;
    }
    got.iter().zip(want).map(|(&got, &want)| (f64::from(got) - want).abs() / (1.0 + want.abs())).fold(0.0, worse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_comparison_sees_a_difference_a_nan_and_a_stray_write() {
        assert_eq!(error(&[1.0, 3.0, JUNK], &[1.0, 3.0]), 0.0);
        assert_eq!(error(&[1.0, 5.0, JUNK], &[1.0, 3.0]), 0.5);
        assert!(error(&[f32::NAN, 3.0, JUNK], &[1.0, 3.0]).is_nan());
        assert!(error(&[1.0, 3.0, 0.0], &[1.0, 3.0]).is_infinite());
        assert!(error(&[1.0], &[1.0, 3.0]).is_infinite());
    }

    #[test]
    fn a_wrong_kernel_is_named() {
        assert_eq!(judge(vec![("embed", 1e-6), ("pool", 0.0)]), Ok(()));
        let wrong = judge(vec![("embed", 1e-6), ("pool", 0.2), ("matmul", 0.3)]).expect_err("pool is wrong");
        assert!(wrong.to_string().contains("the kernel pool"), "{wrong}");
        assert!(judge(vec![("embed", f64::NAN)]).is_err());
    }
}
