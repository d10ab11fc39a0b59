//! Activation functions, gates, and their gradients.

use crate::engine::cpu::matmul::{gelu, gelu_grad};
use crate::engine::cpu::{Scalar, for_rows, row};
use crate::program::Activation;

impl Activation {
    /// The function at `x`.
    #[inline(always)]
    pub fn at<F: Scalar>(self, x: F) -> F {
        match self {
            Self::Gelu => gelu(x),
            Self::GeluTanh => F::from_f64(0.5) * x * (F::ONE + inner(x).tanh()),
            Self::QuickGelu => x * sigmoid(F::from_f64(QUICK) * x),
            Self::Relu => {
                if x > F::ZERO {
                    x
                } else {
                    F::ZERO * x
                }
            }
            Self::Silu => x * sigmoid(x),
        }
    }

    /// The derivative at `x`.
    #[inline(always)]
    pub fn slope<F: Scalar>(self, x: F) -> F {
        let swish = |scale: F| {
            let s = sigmoid(scale * x);
            s * (F::ONE + scale * x * (F::ONE - s))
        };
        match self {
            Self::Gelu => gelu_grad(x),
            Self::GeluTanh => {
                let t = inner(x).tanh();
                let slope = F::from_f64(ROOT) * (F::ONE + F::from_f64(3.0 * CUBE) * x * x);
                F::from_f64(0.5) * (F::ONE + t + x * (F::ONE - t * t) * slope)
            }
            Self::QuickGelu => swish(F::from_f64(QUICK)),
            Self::Relu => {
                if x > F::ZERO {
                    F::ONE
                } else {
                    F::ZERO * x
                }
            }
            Self::Silu => swish(F::ONE),
        }
    }
}

/// `sqrt(2 / pi)`.
const ROOT: f64 = 0.797_884_560_802_865_4;
const CUBE: f64 = 0.044_715;
const QUICK: f64 = 1.702;

#[inline(always)]
fn inner<F: Scalar>(x: F) -> F {
    F::from_f64(ROOT) * (x + F::from_f64(CUBE) * x * x * x)
}

#[inline(always)]
fn sigmoid<F: Scalar>(x: F) -> F {
    F::ONE / (F::ONE + (-x).exp())
}

/// `out = f(x)`, both `[T, F]`.
pub fn activation<F: Scalar>(x: &[F], out: &mut [F], function: Activation) {
    assert_eq!(x.len(), out.len(), "out is [T, F]");
    out.iter_mut().zip(x).for_each(|(out, &x)| *out = function.at(x));
}

/// `out = d_out f'(x)`, all `[T, F]`.
pub fn activation_grad<F: Scalar>(d_out: &[F], x: &[F], out: &mut [F], function: Activation) {
    assert_eq!((x.len(), d_out.len()), (out.len(), out.len()), "out is [T, F]");
    out.iter_mut().zip(d_out).zip(x).for_each(|((out, &d_out), &x)| *out = d_out * function.slope(x));
}

/// `out = f(a) b`, `x = a | b` `[T, 2 F]` -> `out` `[T, F]`.
pub fn gate<F: Scalar>(x: &[F], out: &mut [F], function: Activation, neurons: usize) {
    assert_eq!(x.len(), 2 * out.len(), "x is [T, 2 F], out is [T, F]");
    for_rows(out, neurons, |t, out| {
        let (a, b) = row(x, 2 * neurons, t).split_at(neurons);
        out.iter_mut().zip(a).zip(b).for_each(|((out, &a), &b)| *out = function.at(a) * b);
    });
}

/// The gradient of [`gate`]: `d_out` `[T, F]`, `x` `[T, 2 F]` -> `d_x` `[T, 2 F]`.
pub fn gate_grad<F: Scalar>(d_out: &[F], x: &[F], d_x: &mut [F], function: Activation, neurons: usize) {
    assert_eq!((x.len(), 2 * d_out.len()), (d_x.len(), d_x.len()), "d_x is [T, 2 F]");
    for_rows(d_x, 2 * neurons, |t, d_x| {
        let ((a, b), d_out) = (row(x, 2 * neurons, t).split_at(neurons), row(d_out, neurons, t));
        let (d_a, d_b) = d_x.split_at_mut(neurons);
        for (i, &d_out) in d_out.iter().enumerate() {
            d_a[i] = d_out * b[i] * function.slope(a[i]);
            d_b[i] = d_out * function.at(a[i]);
        }
    });
}
