//! The measurement: products of zeros with every tile in turn.

use web_time::Instant;

use super::TileChoice;
use crate::engine::GradRows;
use crate::engine::cpu::matmul::Epilogue;
use crate::engine::wgsl::device::Gpu;
use crate::engine::wgsl::kernel::{Kernel, Launch, compile_all};
use crate::engine::wgsl::matmul::{self, Buffers, Variant, Weight};
use crate::engine::wgsl::profile::time;
use crate::engine::wgsl::recorder::{BatchSize, Step};
use crate::engine::wgsl::tile::{Operands, Tile};
use crate::error::Result;

/// Time for all measurements of an encoder, without compilation. On a software GPU, one product takes milliseconds, so few rows
/// are measured.
pub const SECONDS: f64 = 0.3;
/// Numbers of rows that tiles are chosen for: the upper limit, and the number used in the measurement.
const ROWS: [(u32, u32); 2] = [(512, 320), (u32::MAX, 2048)];
const SOFTWARE_ROWS: [(u32, u32); 1] = [(u32::MAX, 32)];
/// Duration of one measurement, large compared with the resolution of the clock and the start-up time.
const TARGET: f64 = 5e-4;
const ROUNDS: usize = 3;

pub(super) async fn measure(gpu: &Gpu, shapes: &[(bool, u32, u32)], choices: &mut Vec<TileChoice>) -> Result<()> {
    let candidates = Tile::candidates(gpu);
    // Other programs disturb a CPU more than a GPU.
    let (row_counts, gain) = if gpu.is_software() { (&SOFTWARE_ROWS[..], 1.15) } else { (&ROWS[..], 1.03) };
    let epilogue = |transposed: bool| if transposed { Epilogue::Bias } else { Epilogue::Plain };
    // Operands are vectors, or textures if the tile uses them: one kernel per direction and tile suffices for all shapes.
    let variants: Vec<_> = shapes
        .iter()
        .flat_map(|&(transposed, n, k)| {
            candidates.iter().map(move |&tile| Variant::of(epilogue(transposed), n as usize, k as usize, tile))
        })
        .fold(Vec::new(), |mut all, variant| {
            if !all.contains(&variant) {
                all.push(variant);
            }
            all
        });
    let shaders: Vec<_> = variants.into_iter().map(|variant| (variant, matmul::shader(variant))).collect();
    let kernels = compile_all(gpu, &shaders).await?;
    let begin = Instant::now();
    // Few rows first: if time runs out, all shapes have been measured for few rows.
    for &(most, rows) in row_counts {
        for &(transposed, n, k) in shapes {
            let bed = Bed::new(gpu, epilogue(transposed), rows, n, k)?;
            let steps: Vec<Step> = candidates
                .iter()
                .filter_map(|&tile| {
                    let variant = Variant::of(bed.epilogue, n as usize, k as usize, tile);
                    let (_, kernel) = kernels.iter().find(|(known, _)| *known == variant)?;
                    Some(bed.step(kernel, variant))
                })
                .collect();
            // With the default tile: a slow one must not take the time of the other shapes.
            let times = in_turn(gpu, &steps, bed.batch, ROUNDS, |once| once[0]).await?;
            choices.push(TileChoice { transposed, n, k, rows: most, tile: candidates[fastest(&times, gain)] });
            if begin.elapsed().as_secs_f64() > SECONDS {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Seconds of each step, `rounds` times, in turn. `gauge` receives the seconds of one run of each: a measurement repeats its step
/// until it takes [`TARGET`] seconds.
async fn in_turn(
    gpu: &Gpu,
    steps: &[Step],
    batch: BatchSize,
    rounds: usize,
    gauge: impl Fn(&[f64]) -> f64,
) -> Result<Vec<Vec<f64>>> {
    let once = time(gpu, steps, 1, batch).await?;
    let repetitions = (TARGET / gauge(&once).max(1e-6)).clamp(1.0, 50.0) as usize;
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); steps.len()];
    for _ in 0..rounds {
        for (times, seconds) in times.iter_mut().zip(time(gpu, steps, repetitions, batch).await?) {
            times.push(seconds);
        }
    }
    Ok(times)
}

/// The index with the smallest median, if all measurements of the first one are slower by more than `gain`; otherwise the first.
fn fastest(times: &[Vec<f64>], gain: f64) -> usize {
    let medians: Vec<f64> = times.iter().map(|times| median(times)).collect();
    let usual = times.first().map_or(0.0, |times| times.iter().copied().fold(f64::INFINITY, f64::min));
    let best = (0..medians.len()).min_by(|&a, &b| medians[a].total_cmp(&medians[b])).unwrap_or(0);
    // A clock that does not advance, or NaN, is not a gain.
    if medians.get(best).is_some_and(|&median| median > 0.0 && median * gain < usual) { best } else { 0 }
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Operands of a product that is only timed: zeros.
struct Bed<'a> {
    gpu: &'a Gpu,
    epilogue: Epilogue,
    batch: BatchSize,
    uniform: wgpu::Buffer,
    n: u32,
    k: u32,
    a: wgpu::Buffer,
    buffer: Weight,
    texture: Weight,
    bias: Option<wgpu::Buffer>,
    extra: Option<wgpu::Buffer>,
    out: wgpu::Buffer,
    pre: Option<wgpu::Buffer>,
}

impl<'a> Bed<'a> {
    fn new(gpu: &'a Gpu, epilogue: Epilogue, rows: u32, n: u32, k: u32) -> Result<Self> {
        let batch = BatchSize { rows, examples: 1, ..BatchSize::default() };
        let room = |name, values: u32| gpu.storage(name, u64::from(values) * size_of::<f32>() as u64);
        let weight = vec![0.0; (n * k) as usize];
        let columns = if epilogue.transposed() { k } else { n } as usize;
        let textured = Tile::TEXTURE_16.operands(n as usize, k as usize);
        let (bias, extra, pre) = matmul::takes(epilogue);
        Ok(Self {
            gpu,
            epilogue,
            batch,
            uniform: gpu.uniform("tune", &batch),
            n,
            k,
            a: room("tune a", rows * k)?,
            buffer: Weight::upload(gpu, "tune w", &weight, columns, Operands::Vector)?,
            texture: Weight::upload(gpu, "tune w", &weight, columns, textured)?,
            bias: bias.then(|| room("tune bias", n)).transpose()?,
            extra: extra.then(|| room("tune extra", rows * n)).transpose()?,
            out: room("tune out", rows * n)?,
            pre: pre.then(|| room("tune pre", rows * n)).transpose()?,
        })
    }

    fn step(&self, kernel: &Kernel, variant: Variant) -> Step {
        let launch = Launch { gpu: self.gpu, batch: &self.uniform, rows: GradRows::All };
        let buffers = Buffers {
            a: &self.a,
            w: if variant.operands == Operands::Texture { &self.texture } else { &self.buffer },
            bias: self.bias.as_ref(),
            extra: self.extra.as_ref(),
            out: &self.out,
            pre: self.pre.as_ref(),
        };
        matmul::step((kernel, variant), &launch, &buffers, self.n, self.k)
    }
}

/// The throughput of one tile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// The tile.
    pub tile: Tile,
    /// Median seconds of one product.
    pub seconds: f64,
    /// FLOP/s.
    pub flops: f64,
}

/// Times a product with every tile, in turn, `rounds` times; the fastest first.
///
/// # Errors
/// [`crate::error::Error::Device`] if a variant does not compile, an operand is larger than the device can bind, or the device
/// raised an error.
pub async fn sweep(gpu: &Gpu, epilogue: Epilogue, rows: u32, n: u32, k: u32, rounds: usize) -> Result<Vec<Rate>> {
    let variants = Tile::ALL.map(|tile| Variant::of(epilogue, n as usize, k as usize, tile));
    let mut tried: Vec<Variant> = Vec::new();
    for variant in variants {
        if !tried.contains(&variant) {
            tried.push(variant);
        }
    }
    let shaders: Vec<_> = tried.into_iter().map(|variant| (variant, matmul::shader(variant))).collect();
    let kernels = compile_all(gpu, &shaders).await?;
    let bed = Bed::new(gpu, epilogue, rows, n, k)?;
    let steps: Vec<Step> = kernels.iter().map(|(variant, kernel)| bed.step(kernel, *variant)).collect();
    let quickest = |once: &[f64]| once.iter().copied().fold(f64::INFINITY, f64::min);
    let times = in_turn(gpu, &steps, bed.batch, rounds.max(1), quickest).await?;
    let work = 2.0 * f64::from(rows) * f64::from(n) * f64::from(k);
    let rate = |((variant, _), times): (&(Variant, Kernel), &Vec<f64>)| {
        let seconds = median(times);
        Rate { tile: variant.tile, seconds, flops: work / seconds }
    };
    let mut rates: Vec<Rate> = kernels.iter().zip(&times).map(rate).collect();
    rates.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    Ok(rates)
}

/// Bytes per second, read plus written, of copies between two buffers of `bytes` bytes each.
///
/// # Errors
/// [`crate::error::Error::Device`] if they are larger than the device can bind, or the device raised an error.
pub async fn copy_bandwidth(gpu: &Gpu, bytes: u64) -> Result<f64> {
    const COPIES: usize = 8;
    let (from, to) = (gpu.storage("copy from", bytes)?, gpu.storage("copy to", bytes)?);
    let mut seconds = Vec::new();
    // The first round faults the pages in.
    for _ in 0..=ROUNDS {
        let mut commands = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("copy") });
        for _ in 0..COPIES {
            commands.copy_buffer_to_buffer(&from, 0, &to, 0, bytes);
        }
        let begin = Instant::now();
        gpu.queue.submit([commands.finish()]);
        gpu.read(&to, 1).await?;
        seconds.push(begin.elapsed().as_secs_f64());
    }
    Ok((2 * COPIES) as f64 * bytes as f64 / median(&seconds[1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_gain_changes_the_tile() {
        assert_eq!(fastest(&[vec![1.0, 1.1, 1.2], vec![0.7, 0.8, 5.0], vec![0.9, 0.9, 0.9]], 1.03), 1);
        // Within the noise of the usual one, or hardly faster.
        assert_eq!(fastest(&[vec![0.5, 1.1, 1.2], vec![0.7, 0.8, 0.9]], 1.03), 0);
        assert_eq!(fastest(&[vec![1.0, 1.0, 1.0], vec![0.98, 0.98, 0.98]], 1.03), 0);
        // A clock that stands still, a NaN, nothing.
        assert_eq!(fastest(&[vec![1.0], vec![0.0]], 1.03), 0);
        assert_eq!(fastest(&[vec![1.0], vec![f64::NAN]], 1.03), 0);
        assert_eq!(fastest(&[], 1.03), 0);
    }
}
