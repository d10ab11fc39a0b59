//! The optimised f32 implementation: the same mathematics as the twins, and tested against them.
//!
//! Between two attentions, the rows of a layer are independent. A task therefore takes a block of rows, small enough to stay in
//! the cache, through all products, norms and activation functions up to the next attention; the weights are stored in the order
//! in which they are read. Code inside `dispatch` is compiled for every vector width, and the widest one of the machine is used.
//!
//! Every sum has a fixed order, whatever the number of threads and the size of the blocks.

use std::cell::RefCell;

use pulp::WithSimd;
#[cfg(not(target_family = "wasm"))]
use rayon::prelude::*;

pub mod attention;
pub mod encoder;
mod layer;
mod product;

pub use encoder::{Activations, FastEncoder};

/// Runs `work`, compiled for the machine's widest vectors.
pub(super) fn dispatch<W: WithSimd>(work: W) -> W::Output {
    // pulp's own choice excludes AVX2, unless a feature is enabled that would build gemm and burn again.
    #[cfg(target_arch = "x86_64")]
    if pulp::x86::V4::try_new().is_none()
        && let Some(v3) = pulp::x86::V3::try_new()
    {
        return pulp::Simd::vectorize(v3, work);
    }
    pulp::Arch::new().dispatch(work)
}

/// The processor and its vector instructions as used here; with other ones, a product may be rounded differently.
#[must_use]
pub fn vectors() -> String {
    #[cfg(target_arch = "x86_64")]
    let vectors = match (pulp::x86::V4::try_new(), pulp::x86::V3::try_new()) {
        (Some(_), _) => ", AVX-512",
        (None, Some(_)) => ", AVX2",
        _ => "",
    };
    #[cfg(not(target_arch = "x86_64"))]
    let vectors = "";
    format!("{}{vectors}", std::env::consts::ARCH)
}

/// Calls `f` for every item, natively in parallel.
fn for_each<T: Send>(items: Vec<T>, f: impl Fn(T) + Send + Sync) {
    #[cfg(not(target_family = "wasm"))]
    items.into_par_iter().with_max_len(1).for_each(f);
    #[cfg(target_family = "wasm")]
    items.into_iter().for_each(f);
}

/// Maximum number of rows per task: its activations and a panel of weights share the second-level cache. In wasm, `gemm` packs
/// the weights for every block.
const BLOCK: usize = if cfg!(target_family = "wasm") { 192 } else { 48 };

/// Number of rows per task, such that every thread has the same number of tasks.
fn block_rows(rows: usize) -> usize {
    #[cfg(not(target_family = "wasm"))]
    let threads = rayon::current_num_threads();
    #[cfg(target_family = "wasm")]
    let threads = 1;
    let tasks = threads * rows.div_ceil(threads * BLOCK).max(1);
    rows.div_ceil(tasks).max(1)
}

/// Passes `f` a buffer of each size. The buffers belong to the thread, are reused by its next task, and contain old values.
fn with_scratch<const N: usize>(sizes: [usize; N], f: impl FnOnce([&mut [f32]; N])) {
    thread_local! {
        static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    }
    SCRATCH.with_borrow_mut(|scratch| {
        let total = sizes.iter().sum();
        if scratch.len() < total {
            scratch.resize(total, 0.0);
        }
        let mut rest = &mut scratch[..];
        f(sizes.map(|size| split_off(&mut rest, size)));
    });
}

/// Splits off the first `size` elements of `rest`.
fn split_off<'a>(rest: &mut &'a mut [f32], size: usize) -> &'a mut [f32] {
    let (first, tail) = std::mem::take(rest).split_at_mut(size);
    *rest = tail;
    first
}
