//! The time of every step of a training pass, kernel by kernel: with timestamp queries if the adapter supports them, otherwise
//! with the wall time of repetitions.

use web_time::Instant;

use super::device::Gpu;
use super::recorder::{BatchSize, Step};
use crate::error::{Error, Result};

/// One kernel of a pass, summed over its dispatches.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    /// The kernel's name, with the sizes of a product.
    pub label: String,
    /// Seconds of all dispatches.
    pub seconds: f64,
    /// Number of dispatches.
    pub dispatches: usize,
    /// FLOPs that its result requires.
    pub flops: f64,
    /// Size of its operands in bytes, read and written once.
    pub bytes: f64,
}

/// How [`profile`] measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// Timestamp queries around each dispatch.
    Timestamps,
    /// Wall time of repeated dispatches.
    Wall,
}

impl Clock {
    fn of(gpu: &Gpu) -> Self {
        let timestamps = gpu.device.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        if timestamps { Self::Timestamps } else { Self::Wall }
    }
}

/// Seconds of each step, as the mean of several repetitions.
///
/// # Errors
/// [`Error::Device`] with the error of the device.
pub(super) async fn time(gpu: &Gpu, steps: &[Step], repetitions: usize, batch: BatchSize) -> Result<Vec<f64>> {
    match Clock::of(gpu) {
        Clock::Timestamps => by_timestamps(gpu, steps, repetitions, batch).await,
        Clock::Wall => by_wall(gpu, steps, repetitions, batch).await,
    }
}

/// Repetitions of a dispatch with [`Clock::Wall`].
const REPETITIONS: usize = 10;

/// Times each step separately, in order, and sums those with the same label. `pairs`: number of pairs of rows of the same
/// example, `sum(n_i^2)`.
///
/// # Errors
/// [`Error::Device`] with the error of the device.
pub async fn profile(gpu: &Gpu, steps: &[Step], batch: BatchSize, pairs: u64) -> Result<(Clock, Vec<Timing>)> {
    let clock = Clock::of(gpu);
    let seconds = match clock {
        Clock::Timestamps => by_timestamps(gpu, steps, 1, batch).await?,
        Clock::Wall => by_wall(gpu, steps, REPETITIONS, batch).await?,
    };
    let mut timings: Vec<Timing> = Vec::new();
    for (step, seconds) in steps.iter().zip(seconds) {
        let (cost, rows) = (step.cost, f64::from(step.size(batch).rows));
        let (flops, bytes) = (
            cost.flops_per_row as f64 * rows + cost.flops_per_pair as f64 * pairs as f64,
            cost.bytes_per_row as f64 * rows + cost.bytes as f64,
        );
        match timings.iter_mut().find(|timing| timing.label == step.label) {
            Some(timing) => {
                timing.seconds += seconds;
                timing.dispatches += 1;
                timing.flops += flops;
                timing.bytes += bytes;
            }
            None => timings.push(Timing { label: step.label.clone(), seconds, dispatches: 1, flops, bytes }),
        }
    }
    Ok((clock, timings))
}

async fn by_timestamps(gpu: &Gpu, steps: &[Step], repetitions: usize, batch: BatchSize) -> Result<Vec<f64>> {
    let count = 2 * steps.len() as u32;
    if count > wgpu::QUERY_SET_MAX_QUERIES {
        return Err(Error::device(format!("{count} timestamps are too many"), "profile an encoder with fewer layers"));
    }
    let queries =
        gpu.device.create_query_set(&wgpu::QuerySetDescriptor { label: Some("profile"), ty: wgpu::QueryType::Timestamp, count });
    let bytes = u64::from(count) * size_of::<u64>() as u64;
    let resolved = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("profile"),
        size: bytes,
        usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    });
    let mut commands = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("profile") });
    for (index, step) in (0..).step_by(2).zip(steps) {
        let writes = wgpu::ComputePassTimestampWrites {
            query_set: &queries,
            beginning_of_pass_write_index: Some(index),
            end_of_pass_write_index: Some(index + 1),
        };
        let descriptor = wgpu::ComputePassDescriptor { label: Some(&step.label), timestamp_writes: Some(writes) };
        let mut pass = commands.begin_compute_pass(&descriptor);
        for _ in 0..repetitions {
            step.replay(&mut pass, batch);
        }
    }
    commands.resolve_query_set(&queries, 0..count, &resolved, 0);
    gpu.queue.submit([commands.finish()]);
    let words = gpu.read(&resolved, (bytes / 4) as usize).await?;
    let ticks: Vec<u64> =
        words.chunks_exact(2).map(|word| u64::from(word[0].to_bits()) | u64::from(word[1].to_bits()) << 32).collect();
    let period = f64::from(gpu.queue.get_timestamp_period()) * 1e-9;
    Ok(ticks.chunks_exact(2).map(|pair| pair[1].saturating_sub(pair[0]) as f64 * period / repetitions as f64).collect())
}

async fn by_wall(gpu: &Gpu, steps: &[Step], repetitions: usize, batch: BatchSize) -> Result<Vec<f64>> {
    let end = gpu.storage("profile", 4)?;
    let mut seconds = Vec::new();
    for step in steps {
        // One warm-up run.
        for (last, repetitions) in [(false, 1), (true, repetitions)] {
            let begin = Instant::now();
            let mut commands = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("profile") });
            for _ in 0..repetitions {
                step.replay(&mut commands.begin_compute_pass(&wgpu::ComputePassDescriptor::default()), batch);
            }
            gpu.queue.submit([commands.finish()]);
            gpu.read(&end, 1).await?;
            if last {
                seconds.push(begin.elapsed().as_secs_f64() / repetitions as f64);
            }
        }
    }
    Ok(seconds)
}
