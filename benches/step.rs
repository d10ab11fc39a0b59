//! One training step on the GPU and its parts, kernel by kernel.
//!
//! ```text
//! cargo bench --bench step -- [--only kernels,memory,lengths] [--sets snips,sms_spam,imdb] [--batches 16,32] [--repeats 7]
//!                             [--recompute] [--tile NAME] [--model DIR] [--json FILE]
//! ```
//!
//! * `kernels`: time of each kernel in a step (timestamp queries, or wall time of repetitions), GFLOP/s of useful work (the
//!   texts are packed: no padding is computed or counted), bytes moved, share, dispatches; and the whole step with its optimizer
//!   until the loss is on the host;
//! * `memory`: activations of a step of 32 texts of 64 tokens behind 10 prompt rows, saved and recomputed, with time and losses
//!   of both;
//! * `lengths`: a step of 4 texts of 16 to 500 tokens.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its results")]

mod common;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use serde_json::{Map, Value, json};
use softprompt::config::{Recompute, RunConfig};
use softprompt::data::batch::PackedBatch;
use softprompt::engine::compute::Compute;
use softprompt::engine::wgsl::device::Gpu;
use softprompt::engine::wgsl::encoder::WgslEncoder;
use softprompt::engine::wgsl::matmul;
use softprompt::engine::wgsl::profile::Timing;
use softprompt::engine::wgsl::tile::Tile;
use softprompt::engine::wgsl::tune::{self, Tiles};
use softprompt::engine::{Pooling, Route};
use softprompt::model::spec::EncoderWeights;

use common::{Ours, Outcome, Set, mean, median};

#[derive(Debug, Parser)]
#[command(name = "step", about = "One training step on the GPU and its parts, kernel by kernel")]
struct Args {
    /// Parts: kernels, memory, lengths
    #[arg(long, value_delimiter = ',', default_value = "kernels,memory,lengths")]
    only: Vec<String>,
    /// Sets of batches.json
    #[arg(long, value_delimiter = ',', default_value = "snips,sms_spam,imdb")]
    sets: Vec<String>,
    /// Texts per step, at most 32
    #[arg(long, value_delimiter = ',', default_value = "16,32")]
    batches: Vec<usize>,
    /// Timed steps, after one warm-up step
    #[arg(long, default_value_t = 7)]
    repeats: usize,
    /// Profile with recomputation
    #[arg(long)]
    recompute: bool,
    /// Use this tile for every product instead of the measured ones, such as "direct 8x128x4 by 8x16"
    #[arg(long)]
    tile: Option<String>,
    /// Folder of all-MiniLM-L6-v2 (default: the cache folder of the command line)
    #[arg(long)]
    model: Option<PathBuf>,
    /// Also write the results to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// One of two settings whose steps alternate.
struct Side {
    recompute: Recompute,
    ours: Ours,
    seconds: Vec<f64>,
    cpu: Vec<f64>,
    allocated: Option<u64>,
}

/// Bytes that the driver has allocated for a device: weights, activations, and burn's tensors for the optimizer.
fn allocated(device: &wgpu::Device) -> Option<u64> {
    Some(device.generate_allocator_report()?.total_allocated_bytes)
}

/// Allocations of at least 1 MB, grouped by name: ours have names, nameless ones are burn's.
fn by_name(device: &wgpu::Device) -> Vec<(String, u64)> {
    let mut sums = BTreeMap::<String, u64>::new();
    for allocation in device.generate_allocator_report().map(|report| report.allocations).unwrap_or_default() {
        *sums.entry(allocation.name).or_default() += allocation.size;
    }
    let mut sums: Vec<_> = sums.into_iter().filter(|(_, bytes)| *bytes >= 1_000_000).collect();
    sums.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    sums
}

struct Bench {
    args: Args,
    weights: Arc<EncoderWeights>,
    compute: Compute,
    /// The device of `compute`.
    device: wgpu::Device,
    encoder: WgslEncoder,
    /// Bytes per second of a copy, read plus written.
    bandwidth: f64,
}

impl Bench {
    async fn new(args: Args) -> Outcome<Self> {
        let (_, weights) = common::encoder(args.model.clone())?;
        let gpu = Gpu::open().await?;
        if let Some(name) = args.tile.clone() {
            tune::remember(Tiles::forced(&gpu, Tile::try_from(name)?));
        }
        let device = gpu.device.clone();
        let compute = Compute::on(gpu, &weights).await?;
        let encoder = WgslEncoder::new(Arc::new(Gpu::open().await?), &weights).await?;
        let recompute = if args.recompute { Recompute::On } else { Recompute::Off };
        encoder.set_recompute(recompute);
        compute.encoder.set_recompute(recompute);
        let bandwidth = tune::copy_bandwidth(encoder.gpu(), 64 << 20).await?;
        Ok(Self { args, weights, compute, device, encoder, bandwidth })
    }

    /// Medians of every kernel over the batches of a set, and of the whole step.
    async fn kernels(&self, name: &str, set: &Set, size: usize) -> Outcome<Value> {
        let mut ours = Ours::new(&self.compute, &self.weights, set, size)?;
        let length = RunConfig::default().prompt.length;
        let queue = &self.encoder.gpu().queue;
        let mut profiles: Vec<Vec<Timing>> = Vec::new();
        let mut clock = String::new();
        // The first one is a warm-up.
        for repeat in 0..=self.args.repeats {
            let batch = PackedBatch::new(&ours.batches[repeat % ours.batches.len()], length);
            self.encoder.prepare(&batch, Route::words(Pooling::Mean))?;
            let prompt = common::prompt_start(&self.weights, length);
            queue.write_buffer(&self.encoder.prompt_buffer(), 0, bytemuck::cast_slice(prompt));
            let d_pooled = vec![0.01f32; batch.examples() * self.weights.spec.hidden];
            queue.write_buffer(&self.encoder.d_pooled_buffer(), 0, bytemuck::cast_slice(&d_pooled));
            let (how, timings) = self.encoder.profile().await?;
            clock = format!("{how:?}");
            profiles.push(timings);
        }
        profiles.remove(0);
        ours.step(0)?;
        let cpu = common::cpu_seconds();
        let steps = (1..=self.args.repeats).map(|i| Ok(ours.step(i)?.0)).collect::<Outcome<Vec<f64>>>()?;
        let cpu = common::cpu_seconds().zip(cpu).map(|(end, begin)| (end - begin) / steps.len() as f64);
        let whole = median(steps);
        // The medians of every kernel over the batches.
        let middle = |field: fn(&Timing) -> f64, i: usize| median(profiles.iter().map(|profile| field(&profile[i])).collect());
        let medians = profiles[0].iter().enumerate().map(|(i, timing)| Timing {
            label: timing.label.clone(),
            seconds: middle(|t| t.seconds, i),
            dispatches: timing.dispatches,
            flops: middle(|t| t.flops, i),
            bytes: middle(|t| t.bytes, i),
        });
        let medians: Vec<Timing> = medians.collect();
        let total: f64 = medians.iter().map(|timing| timing.seconds).sum();
        let rows = mean(&ours.rows());
        println!("\n{name}, {size} texts, {rows:.0} rows; {clock}");
        let best = self.best(rows as u32).await?;
        println!("| kernel | dispatches | ms | share of step | GFLOP/s | GB/s | best tile, GFLOP/s | share of best |");
        println!("|---|--:|--:|--:|--:|--:|--:|--:|");
        let mut kernels = Vec::new();
        let (mut flops, mut bytes, mut dispatches) = (0.0, 0.0, 0);
        // Lower bounds of the seconds: products at the best rate of the sweep, everything else at the rate of a copy or the best
        // rate of all, whichever takes longer. And the seconds of the products, measured and at that rate.
        let (mut allowed, mut products) = (0.0, (0.0, 0.0));
        let fastest = best.iter().map(|&(_, _, rate)| rate).fold(0.0, f64::max);
        for Timing { label, seconds, dispatches: calls, flops: work, bytes: moved } in medians {
            let rate = |amount: f64| if amount > 0.0 { format!("{:.1}", amount / seconds * 1e-9) } else { String::new() };
            let (ms, share) = (1e3 * seconds, 100.0 * seconds / total);
            let found = best.iter().find(|(known, ..)| *known == label);
            let ceiling = found.map_or(String::from("|"), |(_, tile, rate)| {
                format!("{:.1} ({tile}) | {:.0}%", rate * 1e-9, 100.0 * work / seconds / rate)
            });
            println!("| {label} | {calls} | {ms:.3} | {share:.1}% | {} | {} | {ceiling} |", rate(work), rate(moved));
            kernels.push(json!({
                "label": label, "dispatches": calls, "seconds": seconds, "flops": work, "bytes": moved,
                "best_tile": found.map(|(_, tile, _)| tile), "best_flops_per_second": found.map(|(_, _, rate)| rate),
            }));
            match found {
                Some((_, _, rate)) => {
                    allowed += work / rate;
                    products = (products.0 + seconds, products.1 + work / rate);
                }
                None => allowed += (moved / self.bandwidth).max(work / fastest),
            }
            (flops, bytes, dispatches) = (flops + work, bytes + moved, dispatches + calls);
        }
        println!(
            "| all kernels | {dispatches} | {:.3} | | {:.1} | {:.1} | | |",
            1e3 * total,
            flops / total * 1e-9,
            bytes / total * 1e-9
        );
        println!("| whole step | | {:.3} | | {:.1} | | | |", 1e3 * whole, flops / whole * 1e-9);
        println!(
            "products: {:.0}% of the best rates of the sweep; all kernels: {:.0}% of what those and a copy allow",
            100.0 * products.1 / products.0,
            100.0 * allowed / total
        );
        if let Some(cpu) = cpu {
            println!("CPU time of all cores of a whole step: {:.1} ms", 1e3 * cpu);
        }
        Ok(json!({
            "set": name, "texts": size, "rows": rows, "clock": clock, "kernels": kernels, "kernel_seconds": total,
            "step_seconds": whole, "step_cpu_seconds": cpu, "seconds_allowed": allowed,
            "products_of_best": products.1 / products.0, "flops": flops, "bytes": bytes, "dispatches": dispatches,
        }))
    }

    /// The best rate of every product over this number of rows: label, tile, FLOP/s.
    async fn best(&self, rows: u32) -> Outcome<Vec<(String, String, f64)>> {
        let mut best = Vec::new();
        for (epilogue, n, k) in matmul::products(&self.weights.spec) {
            let (n, k) = (n as u32, k as u32);
            let rates = tune::sweep(self.encoder.gpu(), epilogue, rows, n, k, self.args.repeats.min(3)).await?;
            best.extend(rates.first().map(|rate| (matmul::label(epilogue, n, k), rate.tile.name(), rate.flops)));
        }
        Ok(best)
    }

    /// A step of 32 texts of 64 tokens, with saved and with recomputed activations, alternating.
    fn memory(&self, set: &Set) -> Outcome<Value> {
        let long = set.of_length(64, 32);
        let mut sides = Vec::new();
        for recompute in [Recompute::Off, Recompute::On] {
            sides.push(Side {
                recompute,
                ours: Ours::new(&self.compute, &self.weights, &long, 32)?,
                seconds: Vec::new(),
                cpu: Vec::new(),
                allocated: None,
            });
        }
        let mut losses = [Vec::new(), Vec::new()];
        for step in 0..=self.args.repeats {
            for (side, losses) in sides.iter_mut().zip(&mut losses) {
                self.compute.encoder.set_recompute(side.recompute);
                // The first step after a change allocates the buffers again and is not timed.
                for timed in [false, true] {
                    let cpu = common::cpu_seconds();
                    let (seconds, loss) = side.ours.step(2 * step + usize::from(timed))?;
                    losses.push(loss);
                    if timed && step > 0 {
                        side.seconds.push(seconds);
                        side.cpu.extend(common::cpu_seconds().zip(cpu).map(|(end, begin)| end - begin));
                        side.allocated = side.allocated.max(allocated(&self.device));
                    }
                }
            }
        }
        if losses[0] != losses[1] {
            return Err(format!("losses with saved activations {:?}, with recomputed ones {:?}", losses[0], losses[1]).into());
        }
        // The encoder that is only profiled gets the same words.
        for batch in long.examples(32) {
            self.encoder.prepare(&PackedBatch::new(&batch, 0), Route::words(Pooling::Mean))?;
        }
        let (weights, words) = self.encoder.weight_bytes();
        let megabytes = |bytes: u64| bytes as f64 * 1e-6;
        println!(
            "\n32 texts of 64 tokens, 10 prompt rows; weights {:.1} MB, word embeddings in use {:.1} MB",
            megabytes(weights),
            megabytes(words)
        );
        println!("| activations | MB | ms per step | CPU time of all cores, ms |\n|---|--:|--:|--:|");
        let mut result = Map::new();
        result.insert("weight_bytes".to_owned(), weights.into());
        result.insert("word_bytes".to_owned(), words.into());
        for side in sides {
            let beyond = side.allocated.map(|bytes| bytes.saturating_sub(weights));
            let beyond_text = beyond.map_or("unknown".to_owned(), |bytes| format!("{:.1}", megabytes(bytes)));
            let name = if side.recompute == Recompute::On { "recomputed" } else { "saved" };
            let (seconds, cpu) = (median(side.seconds), median(side.cpu));
            println!("| {name} | {beyond_text} | {:.1} | {:.1} |", 1e3 * seconds, 1e3 * cpu);
            result.insert(name.to_owned(), json!({ "bytes_beyond_weights": beyond, "seconds": seconds, "cpu_seconds": cpu }));
        }
        println!("the same {} losses, bit for bit", losses[0].len());
        for (name, bytes) in by_name(&self.device) {
            println!("  {name}: {:.1} MB", bytes as f64 * 1e-6);
        }
        Ok(result.into())
    }

    fn lengths(&self, set: &Set) -> Outcome<Value> {
        println!(
            "\n4 texts of so many tokens, 10 prompt rows\n| tokens per text | rows | ms per step | µs per row | CPU time of all cores per row, µs |\n|--:|--:|--:|--:|--:|"
        );
        let mut results = Vec::new();
        for tokens in [16, 32, 64, 128, 256, 500] {
            let mut ours = Ours::new(&self.compute, &self.weights, &set.of_length(tokens, 4), 4)?;
            let rows = mean(&ours.rows());
            ours.step(0)?;
            let cpu = common::cpu_seconds();
            let steps = (1..=self.args.repeats).map(|i| Ok(ours.step(i)?.0)).collect::<Outcome<Vec<f64>>>()?;
            let cpu = common::cpu_seconds().zip(cpu).map(|(end, begin)| (end - begin) / steps.len() as f64);
            let seconds = median(steps);
            let of_row = |seconds: f64| format!("{:.0}", 1e6 * seconds / rows);
            let cpu_text = cpu.map_or_else(String::new, of_row);
            println!("| {tokens} | {rows:.0} | {:.1} | {} | {cpu_text} |", 1e3 * seconds, of_row(seconds));
            results.push(json!({ "tokens": tokens, "rows": rows, "seconds": seconds, "cpu_seconds": cpu }));
        }
        Ok(results.into())
    }
}

async fn run(args: Args) -> Outcome<()> {
    common::warn_of_load();
    let sets = common::sets()?;
    let bench = Bench::new(args).await?;
    let gpu = bench.encoder.gpu();
    println!("adapter: {} ({}, {})", gpu.name(), gpu.info.driver, gpu.info.driver_info);
    println!("copies move {:.1} GB/s, read and written", bench.bandwidth * 1e-9);
    for choice in bench.encoder.tiles().choices() {
        let way = if choice.transposed { "forward" } else { "gradient" };
        println!("  {} -> {}, {way}, up to {} rows: {}", choice.k, choice.n, choice.rows, choice.tile.name());
    }
    let mut results = Map::new();
    for part in &bench.args.only {
        let value = match part.as_str() {
            "kernels" => {
                let mut all = Vec::new();
                for name in &bench.args.sets {
                    let set = sets.get(name).ok_or_else(|| format!("no set {name} in batches.json"))?;
                    for &size in &bench.args.batches {
                        all.push(bench.kernels(name, set, size).await?);
                    }
                }
                Value::from(all)
            }
            "memory" => bench.memory(&sets["imdb"])?,
            "lengths" => bench.lengths(&sets["imdb"])?,
            other => return Err(format!("--only {other}: kernels, memory or lengths").into()),
        };
        results.insert(part.clone(), value);
    }
    if let Some(path) = &bench.args.json {
        let all = json!({
            "version": env!("CARGO_PKG_VERSION"), "adapter": gpu.name(), "copy_bytes_per_second": bench.bandwidth, "driver": gpu.info.driver_info,
            "load": common::load(), "results": results,
        });
        std::fs::write(path, format!("{all:#}\n"))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let args = Args::parse();
    // `cargo test --all-targets` also runs this, without `--bench`.
    if !args.bench {
        println!("run by cargo bench --bench step");
        return ExitCode::SUCCESS;
    }
    match pollster::block_on(run(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
