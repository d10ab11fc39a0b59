//! The engine on the CPU: one plain function per kernel (the "twin" of `shaders/NAME.wgsl`), and the encoder built from them.
//!
//! Every twin is generic over [`Scalar`]. In f64, the shaders and the finite differences are checked against the twins; `fast` is
//! the optimised f32 implementation. A twin takes the shader's bindings in the same order, inputs first, and writes every element
//! of its outputs, whatever they contained before; a binding that a variant does not use is an empty slice. All matrices are
//! row-major; the shape letters are those of [`crate::engine`]. Slices of the wrong length are a programming error and panic.
//!
//! Rows are processed in parallel natively and sequentially in wasm. No sum is ever split between threads, so a machine always
//! gives the same bits.

use std::borrow::Cow;
use std::fmt::Debug;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

#[cfg(not(target_family = "wasm"))]
use rayon::prelude::*;

pub mod attention;
pub mod attention_grad_key;
pub mod attention_grad_query;
pub mod embed;
pub mod embed_grad;
pub mod encoder;
pub mod fast;
pub mod insert;
pub mod insert_grad;
pub mod layer_norm;
pub mod layer_norm_grad;
pub mod matmul;
pub mod neuron_scores;
pub mod pool;
pub mod pool_grad;
pub mod prefix;
pub mod prefix_grad;
mod routed_input;
pub mod twin;
pub mod update_grad;

pub use encoder::{CpuEncoder, Saved};
pub use fast::{Activations, FastEncoder};

/// A floating-point number of the twins: f32 or f64.
pub trait Scalar:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + Sum
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;

    /// The nearest number of this type.
    fn from_f64(value: f64) -> Self;
    /// The same number as f64.
    fn to_f64(self) -> f64;
    /// Exponential function. NaN stays NaN; f32 saturates at about 1e-38 and 1e38 instead of reaching 0 and infinity.
    fn exp(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Hyperbolic tangent.
    fn tanh(self) -> Self;
    /// Error function: within 1e-7 in f32, within 1e-15 in f64. NaN stays NaN.
    fn erf(self) -> Self;
    /// Stored weights as numbers of this type: f32 borrows them, f64 copies them.
    fn weights(stored: &[f32]) -> Cow<'_, [Self]>;
}

impl Scalar for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    fn from_f64(value: f64) -> Self {
        value as Self
    }

    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    /// Cephes `expf`, without branches and calls so that loops over it vectorise: `2^n e^r`, |r| <= ln(2) / 2.
    #[inline(always)]
    fn exp(self) -> Self {
        // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits of the mantissa.
        const ROUND: f32 = 12_582_912.0;
        const LN2_HIGH: f32 = 0.693_359_4;
        const LN2_LOW: f32 = -2.121_944_4e-4;
        let x = self.clamp(-87.0, 88.0);
        let rounded = x * std::f32::consts::LOG2_E + ROUND;
        let n = rounded - ROUND;
        let r = x - n * LN2_HIGH - n * LN2_LOW;
        let tail = [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5];
        let p = tail.iter().fold(1.987_569_1e-4, |p, c| p * r + c);
        let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
        (p * r * r + r + 1.0) * power
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        self.sqrt()
    }

    fn tanh(self) -> Self {
        self.tanh()
    }

    /// `1 - exp(-x q(x))` for x >= 0, with the polynomial q fitted by least squares to `-ln(erfc(x)) / x` on 0..4 (weighted for
    /// the largest absolute error, Lawson's iteration), without branches and calls so that loops over it vectorise.
    #[inline(always)]
    fn erf(self) -> Self {
        let x = self.abs();
        let tail = [-3.088_138_2e-4, 1.032_434_3e-3, 5.368_877e-4, -1.958_392_6e-2, 0.102_919_6, 0.636_597_75, 1.128_380_3];
        let q = tail.iter().fold(3.144_179_6e-5, |q, c| q * x + c);
        (1.0 - Scalar::exp(-x * q)).copysign(self)
    }

    fn weights(stored: &[f32]) -> Cow<'_, [Self]> {
        Cow::Borrowed(stored)
    }
}

impl Scalar for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    fn from_f64(value: f64) -> Self {
        value
    }

    fn to_f64(self) -> f64 {
        self
    }

    fn exp(self) -> Self {
        self.exp()
    }

    fn sqrt(self) -> Self {
        self.sqrt()
    }

    fn tanh(self) -> Self {
        self.tanh()
    }

    fn erf(self) -> Self {
        libm::erf(self)
    }

    fn weights(stored: &[f32]) -> Cow<'_, [Self]> {
        Cow::Owned(stored.iter().map(|&value| f64::from(value)).collect())
    }
}

/// Number of partial sums of a reduction: enough for the compiler to use vector registers, in a fixed order.
const LANES: usize = 8;

/// `sum(f(a_i, b_i))` over two slices of the same length.
#[inline(always)]
fn sum_of<F: Scalar>(a: &[F], b: &[F], f: impl Fn(F, F) -> F) -> F {
    let mut lanes = [F::ZERO; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(&a, &b)| f(a, b)).sum::<F>();
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += f(a[lane], b[lane]);
        }
    }
    lanes.into_iter().sum::<F>() + rest
}

/// `sum(a_i b_i)`.
#[inline(always)]
fn dot<F: Scalar>(a: &[F], b: &[F]) -> F {
    sum_of(a, b, |a, b| a * b)
}

/// `y += scale x`.
#[inline(always)]
fn add_scaled<F: Scalar>(y: &mut [F], scale: F, x: &[F]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += scale * x;
    }
}

/// Rows per task of a thread: few enough to divide a small batch, enough to outweigh the overhead.
#[cfg(not(target_family = "wasm"))]
const ROWS_PER_TASK: usize = 8;

/// Calls `f(t, row t of x)` for every row of `x` `[T, width]`.
fn for_rows<F: Scalar>(x: &mut [F], width: usize, f: impl Fn(usize, &mut [F]) + Send + Sync) {
    #[cfg(not(target_family = "wasm"))]
    let rows = x.par_chunks_exact_mut(width).with_min_len(ROWS_PER_TASK);
    #[cfg(target_family = "wasm")]
    let rows = x.chunks_exact_mut(width);
    rows.enumerate().for_each(|(t, x)| f(t, x));
}

/// Calls `f(t, row t of x, row t of y)` for every row of `x` `[T, x_width]` and `y` `[T, y_width]`, like [`for_rows`].
fn for_row_pairs<F: Scalar>(
    (x, x_width): (&mut [F], usize),
    (y, y_width): (&mut [F], usize),
    f: impl Fn(usize, &mut [F], &mut [F]) + Send + Sync,
) {
    #[cfg(not(target_family = "wasm"))]
    let rows = x.par_chunks_exact_mut(x_width).zip(y.par_chunks_exact_mut(y_width)).with_min_len(ROWS_PER_TASK);
    #[cfg(target_family = "wasm")]
    let rows = x.chunks_exact_mut(x_width).zip(y.chunks_exact_mut(y_width));
    rows.enumerate().for_each(|(t, (x, y))| f(t, x, y));
}

/// Row `t` of `x` `[T, width]`.
#[inline(always)]
fn row<F>(x: &[F], width: usize, t: usize) -> &[F] {
    &x[t * width..][..width]
}
