//! Matrix product with a fused epilogue.

use super::{Scalar, for_row_pairs, for_rows, row};

/// Target of the log lines with the time of each product in nanoseconds, as `transposed m n k ns`, at level trace. Here, a
/// product is a block of rows on one thread, and its time includes the epilogue.
pub const TIMES: &str = "softprompt::products";

/// Runs a product, and logs its time if that is enabled.
#[inline(always)]
pub(super) fn timed<R>(transposed: bool, MatmulSize { m, n, k }: MatmulSize, product: impl FnOnce() -> R) -> R {
    let begin = log::log_enabled!(target: TIMES, log::Level::Trace).then(web_time::Instant::now);
    let result = product();
    if let Some(begin) = begin {
        log::trace!(target: TIMES, "{transposed} {m} {n} {k} {}", begin.elapsed().as_nanos());
    }
    result
}

/// The kind of a product: the orientation of its weight, and what happens to the result before it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Epilogue {
    /// NT, `out = a w^T + bias`.
    Bias,
    /// NT, `out = a w^T + bias + extra`.
    BiasResidual,
    /// NT, `pre = a w^T + bias`, `out = gelu(pre)`.
    BiasGelu,
    /// NN, `out = a w`.
    Plain,
    /// NN, `out = a w + extra`.
    Residual,
    /// NN, `out = a w * gelu'(extra)`.
    GeluGrad,
}

impl Epilogue {
    /// Whether the weight is used transposed, `[N, K]` (forward), rather than as `[K, N]` (input gradient): one copy serves both.
    #[must_use]
    pub fn transposed(self) -> bool {
        matches!(self, Self::Bias | Self::BiasResidual | Self::BiasGelu)
    }
}

/// Sizes of a product: `out` `[m, n]`, sums over k.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatmulSize {
    /// Rows of `a` and `out`.
    pub m: usize,
    /// Columns of `out`.
    pub n: usize,
    /// Columns of `a`.
    pub k: usize,
}

/// A product with its epilogue.
///
/// * `a` `[m, k]`, `w` `[n, k]` (NT) or `[k, n]` (NN), `bias` `[n]` (NT), `extra` `[m, n]` ([`Epilogue::BiasResidual`],
///   [`Epilogue::Residual`], [`Epilogue::GeluGrad`]) -> `out` `[m, n]`, `pre` `[m, n]` ([`Epilogue::BiasGelu`])
#[allow(clippy::too_many_arguments, reason = "the arguments are the shader's bindings, in their order")]
pub fn matmul<F: Scalar>(
    a: &[F],
    w: &[F],
    bias: &[F],
    extra: &[F],
    out: &mut [F],
    pre: &mut [F],
    epilogue: Epilogue,
    size: MatmulSize,
) {
    let n = size.n;
    let product_in = if epilogue == Epilogue::BiasGelu { &mut *pre } else { &mut *out };
    product(a, w, product_in, epilogue.transposed(), size);
    if n == 0 {
        return;
    }
    match epilogue {
        Epilogue::Plain => {}
        Epilogue::Bias => for_rows(out, n, |_, out| add(out, bias)),
        Epilogue::BiasResidual => for_rows(out, n, |t, out| {
            add(out, bias);
            add(out, row(extra, n, t));
        }),
        Epilogue::BiasGelu => {
            assert_eq!(out.len(), pre.len(), "out is [m, n]");
            for_row_pairs((out, n), (pre, n), |_, out, pre| {
                add(pre, bias);
                for (out, &pre) in out.iter_mut().zip(&*pre) {
                    *out = gelu(pre);
                }
            });
        }
        Epilogue::Residual => for_rows(out, n, |t, out| add(out, row(extra, n, t))),
        Epilogue::GeluGrad => for_rows(out, n, |t, out| {
            for (out, &u) in out.iter_mut().zip(row(extra, n, t)) {
                *out *= gelu_grad(u);
            }
        }),
    }
}

#[inline(always)]
fn add<F: Scalar>(y: &mut [F], x: &[F]) {
    assert_eq!(y.len(), x.len(), "bias is [n], extra is [m, n]");
    for (y, &x) in y.iter_mut().zip(x) {
        *y += x;
    }
}

/// `u Phi(u)` with the normal distribution's `Phi` (exact, by `erf`).
#[inline(always)]
pub fn gelu<F: Scalar>(u: F) -> F {
    u * normal_distribution(u)
}

/// `Phi(u) + u phi(u)`.
#[inline(always)]
pub fn gelu_grad<F: Scalar>(u: F) -> F {
    normal_distribution(u) + u * normal_density(u)
}

/// [`gelu`] and [`gelu_grad`], which share most of their computation.
#[inline(always)]
pub(super) fn gelu_and_grad<F: Scalar>(u: F) -> (F, F) {
    let distribution = normal_distribution(u);
    (u * distribution, distribution + u * normal_density(u))
}

#[inline(always)]
fn normal_density<F: Scalar>(u: F) -> F {
    F::from_f64(0.398_942_280_401_432_7) * (-F::from_f64(0.5) * u * u).exp()
}

#[inline(always)]
fn normal_distribution<F: Scalar>(u: F) -> F {
    F::from_f64(0.5) * (F::ONE + (u * F::from_f64(std::f64::consts::FRAC_1_SQRT_2)).erf())
}

/// `out = a w`, or `a w^T` if `transposed`.
///
/// The crate `gemm` takes pointers. It splits the work into tiles of `out` and sums each tile in one thread, so the number of
/// threads does not change the result.
#[allow(unsafe_code, reason = "gemm has no safe entry; the slices' lengths are checked against the sizes above the call")]
pub(super) fn product<F: Scalar>(a: &[F], w: &[F], out: &mut [F], transposed: bool, MatmulSize { m, n, k }: MatmulSize) {
    assert_eq!(Some(a.len()), m.checked_mul(k), "a is [m, k]");
    assert_eq!(Some(w.len()), n.checked_mul(k), "w is [n, k] or [k, n]");
    assert_eq!(Some(out.len()), m.checked_mul(n), "out is [m, n]");
    let (w_column_stride, w_row_stride) = if transposed { (k, 1) } else { (1, n) };
    #[cfg(not(target_family = "wasm"))]
    let parallelism = gemm::Parallelism::Rayon(0);
    #[cfg(target_family = "wasm")]
    let parallelism = gemm::Parallelism::None;
    // SAFETY: gemm reads `a` at row i < m, column l < k, `w` at row l < k, column j < n and writes `out` at i, j, all within
    // the lengths asserted above (strides fit isize because a slice's size does); `out` is borrowed mutably and so overlaps
    // neither; F is f32 or f64, the types gemm supports.
    timed(transposed, MatmulSize { m, n, k }, || unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.as_ptr(),
            1,
            k as isize,
            w.as_ptr(),
            w_column_stride as isize,
            w_row_stride as isize,
            F::ZERO,
            F::ONE,
            false,
            false,
            false,
            parallelism,
        );
    });
}
