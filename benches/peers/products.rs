//! The matrix products inside our step on the CPU against the crate `gemm` alone.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Mutex;
use std::time::Instant;

use gemm::Parallelism;
use log::{LevelFilter, Log, Metadata, Record};
use serde_json::{Value, json};
use softprompt::engine::compute::Compute;
use softprompt::engine::cpu::matmul::TIMES;
use softprompt::rng::Rng;

use crate::{Bench, Outcome, median};

/// A product `[m, k] x [k, n]`, with its weight stored as `[n, k]` if `transposed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    transposed: bool,
    m: usize,
    n: usize,
    k: usize,
}

impl Shape {
    fn flop(self) -> f64 {
        2.0 * (self.m * self.n * self.k) as f64
    }
}

/// Collects the log lines of the CPU engine about its products.
struct Listener(Mutex<Vec<(Shape, f64)>>);

static LISTENER: Listener = Listener(Mutex::new(Vec::new()));

impl Listener {
    /// The products since the last call: shape and seconds.
    fn take(&self) -> Vec<(Shape, f64)> {
        self.0.lock().map(|mut told| std::mem::take(&mut *told)).unwrap_or_default()
    }
}

impl Log for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == TIMES
    }

    fn log(&self, record: &Record<'_>) {
        let text = record.args().to_string();
        let (transposed, numbers) = text.split_once(' ').unwrap_or_default();
        let numbers: Vec<usize> = numbers.split(' ').filter_map(|number| number.parse().ok()).collect();
        if let (true, &[m, n, k, nanoseconds], Ok(mut told)) = (self.enabled(record.metadata()), &numbers[..], self.0.lock()) {
            told.push((Shape { transposed: transposed == "true", m, n, k }, nanoseconds as f64 * 1e-9));
        }
    }

    fn flush(&self) {}
}

/// Operands for `gemm` alone, as large as the largest product.
#[derive(Default)]
struct Operands {
    a: Vec<f32>,
    w: Vec<f32>,
    out: Vec<f32>,
}

impl Operands {
    fn grow(&mut self, Shape { m, n, k, .. }: Shape) {
        let mut rng = Rng::stream(0, "products");
        let mut fill = |values: &mut Vec<f32>, size: usize| {
            let new = size.saturating_sub(values.len());
            values.extend((0..new).map(|_| rng.normal() as f32));
        };
        fill(&mut self.a, m * k);
        fill(&mut self.w, n * k);
        fill(&mut self.out, m * n);
    }

    /// Seconds of one product by the library.
    #[allow(unsafe_code, reason = "gemm has no safe entry")]
    fn time(&mut self, shape: Shape) -> f64 {
        self.grow(shape);
        let Shape { transposed, m, n, k } = shape;
        let (column_stride, row_stride) = if transposed { (k as isize, 1) } else { (1, n as isize) };
        let (out, a, w) = (self.out.as_mut_ptr(), self.a.as_ptr(), self.w.as_ptr());
        let begin = Instant::now();
        // SAFETY: `grow` made `a` at least [m, k], `w` [k, n] and `out` [m, n]; the strides address rows and columns within.
        unsafe {
            let threads = Parallelism::Rayon(0);
            let (n_stride, k_stride) = (n as isize, k as isize);
            gemm::gemm(
                m,
                n,
                k,
                out,
                1,
                n_stride,
                false,
                a,
                1,
                k_stride,
                w,
                column_stride,
                row_stride,
                0f32,
                1f32,
                false,
                false,
                false,
                threads,
            );
        }
        let seconds = begin.elapsed().as_secs_f64();
        black_box(&self.out);
        seconds
    }
}

/// Seconds per row of the products of one kind: the shape, over all rows of the batch.
#[derive(Default)]
struct Times {
    /// Rows of a step, summed over the layers.
    rows: usize,
    inside: Vec<f64>,
    alone: Vec<f64>,
    alone_other_way: Vec<f64>,
}

/// The steps of one set: every product inside each step, then one of each kind alone.
fn measure(bench: &Bench, compute: &Compute, set: &str, size: usize) -> Outcome<(f64, BTreeMap<Shape, Times>)> {
    let mut ours = bench.ours(compute, set, size)?;
    let mut operands = Operands::default();
    let (mut step, mut times) = (0.0, BTreeMap::<Shape, Times>::new());
    let (batches, rows) = (ours.batches.len(), ours.rows());
    for index in 0..batches {
        ours.step(index)?;
    }
    for index in 0..batches {
        let mut seconds = Vec::new();
        for _ in 0..bench.args.repeats {
            LISTENER.take();
            seconds.push(ours.step(index)?.0);
            let told = LISTENER.take();
            if told.is_empty() {
                return Err("the CPU engine reported no product".into());
            }
            // The step's products are blocks of rows on the threads; the library gets all rows of a batch and all threads.
            let mut kinds = BTreeMap::<Shape, (usize, f64)>::new();
            for (shape, inside) in told {
                let kind = kinds.entry(Shape { m: rows[index], ..shape }).or_default();
                *kind = (kind.0 + shape.m, kind.1 + inside / bench.args.threads as f64);
            }
            for (shape, (rows, inside)) in kinds {
                let entry = times.entry(shape).or_default();
                entry.rows = rows;
                entry.inside.push(inside / rows as f64);
                // The library may store the weight in either way: the faster one counts.
                entry.alone.push(operands.time(shape) / shape.m as f64);
                entry.alone_other_way.push(operands.time(Shape { transposed: !shape.transposed, ..shape }) / shape.m as f64);
            }
        }
        step += median(seconds);
    }
    Ok((step, times))
}

/// A kind of product, over all batches.
#[derive(Default)]
struct Total {
    flop: f64,
    inside: f64,
    alone: f64,
}

pub(crate) fn run(bench: &Bench) -> Outcome<Value> {
    log::set_logger(&LISTENER).map_err(|error| error.to_string())?;
    log::set_max_level(LevelFilter::Trace);
    let compute = Compute::cpu(&bench.weights);
    let spec = &bench.weights.spec;
    let names: BTreeMap<(bool, usize, usize), &str> = [
        ((true, 3 * spec.hidden, spec.hidden), "query, key, value"),
        ((true, spec.hidden, spec.hidden), "attention out"),
        ((true, spec.ffn, spec.hidden), "feed-forward in"),
        ((true, spec.hidden, spec.ffn), "feed-forward out"),
        ((false, spec.ffn, spec.hidden), "d feed-forward out"),
        ((false, spec.hidden, spec.ffn), "d feed-forward in"),
        ((false, spec.hidden, spec.hidden), "d attention out"),
        ((false, spec.hidden, 3 * spec.hidden), "d query, key, value"),
    ]
    .into();
    println!("\nmatrix products of our step on the CPU, the crate gemm alone; {} threads, GFLOP/s", bench.args.threads);
    println!("{:9} {:>5} {:20} {:>8} {:>8} {:>8} {:>6}", "set", "batch", "product", "of step", "in step", "alone", "ratio");
    let mut rows = Vec::new();
    for (set, size) in bench.tasks(&["snips", "sms_spam"], &[16, 32])? {
        let (step, times) = measure(bench, &compute, &set, size)?;
        let mut totals = BTreeMap::<&str, Total>::new();
        for (shape, times) in times {
            let name = names.get(&(shape.transposed, shape.n, shape.k)).copied().unwrap_or("other");
            let rows = times.rows as f64;
            let alone = median(times.alone).min(median(times.alone_other_way));
            for name in [name, "all"] {
                let total = totals.entry(name).or_default();
                total.flop += rows * shape.flop() / shape.m as f64;
                total.inside += rows * median(times.inside.clone());
                total.alone += rows * alone;
            }
        }
        for name in names.values().copied().chain(["other", "all"]) {
            let Some(total) = totals.get(name) else { continue };
            let (share, inside, alone) = (total.inside / step, total.flop / total.inside * 1e-9, total.flop / total.alone * 1e-9);
            let ratio = inside / alone;
            println!("{set:9} {size:5} {name:20} {:7.1}% {inside:8.0} {alone:8.0} {ratio:6.2}", 100.0 * share);
            rows.push(json!({
                "set": set, "batch": size, "product": name, "share_of_step": share, "gflops": inside,
                "gemm_gflops": alone, "ratio": ratio,
            }));
        }
    }
    log::set_max_level(LevelFilter::Off);
    Ok(json!({ "rows": rows }))
}
