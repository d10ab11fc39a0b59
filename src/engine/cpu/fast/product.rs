//! Matrix products with a frozen or a freshly packed right-hand side.
//!
//! Natively, the right-hand side is stored in panels: as many columns as two vectors hold, row after row. A tile of the result
//! then stays in registers for its whole sum. In wasm, the crate `gemm` multiplies the weights: V8 reaches 40 GFLOP/s with its
//! kernels and 24 with this one, which is used there only for the small products of the attention.

use std::sync::OnceLock;

use pulp::{Simd, WithSimd};

use crate::engine::cpu::matmul::MatmulSize;
#[cfg(not(target_family = "wasm"))]
use crate::engine::cpu::matmul::timed;
use crate::model::spec::LinearWeights;

/// Width of a panel in vectors.
const VECTORS: usize = 2;

/// Columns of a panel.
#[inline(always)]
pub(super) fn panel_width<S: Simd>(_: S) -> usize {
    VECTORS * S::F32_LANES
}

/// [`panel_width`] for the vectors that [`super::dispatch`] uses.
pub(super) fn vector_panel() -> usize {
    struct Width;
    impl WithSimd for Width {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> usize {
            panel_width(simd)
        }
    }
    super::dispatch(Width)
}

/// Length of a `[k, n]` matrix in panels of `width` columns.
pub(super) fn packed_len(k: usize, n: usize, width: usize) -> usize {
    n.div_ceil(width) * width * k
}

/// Packs `[k, n]`, row l at `source[l stride..]`, into panels; columns beyond n become 0.
#[inline(always)]
pub(super) fn pack(source: &[f32], stride: usize, k: usize, n: usize, width: usize, panels: &mut [f32]) {
    for (first, panel) in (0..n).step_by(width).zip(panels.chunks_exact_mut((k * width).max(1))) {
        let used = width.min(n - first);
        for (l, to) in panel.chunks_exact_mut(width).enumerate() {
            to[..used].copy_from_slice(&source[l * stride + first..][..used]);
            to[used..].fill(0.0);
        }
    }
}

/// Packs the transpose of `[n, k]`, row j at `source[j stride..]`, into panels; columns beyond n become 0.
#[inline(always)]
pub(super) fn pack_transposed(source: &[f32], stride: usize, k: usize, n: usize, width: usize, panels: &mut [f32]) {
    for (first, panel) in (0..n).step_by(width).zip(panels.chunks_exact_mut((k * width).max(1))) {
        let used = width.min(n - first);
        for (l, to) in panel.chunks_exact_mut(width).enumerate() {
            for (j, to) in to[..used].iter_mut().enumerate() {
                *to = source[(first + j) * stride + l];
            }
            to[used..].fill(0.0);
        }
    }
}

/// The right-hand side `[k, n]` of a product.
#[derive(Clone, Copy)]
pub(super) struct Panels<'a> {
    pub(super) data: &'a [f32],
    pub(super) k: usize,
    pub(super) n: usize,
}

/// The left-hand side: element (i, l) is `data[i stride + l]`, or `data[l stride + i]` if `TRANSPOSED`.
#[derive(Clone, Copy)]
pub(super) struct Left<'a, const TRANSPOSED: bool> {
    data: &'a [f32],
    stride: usize,
}

/// Rows of a matrix, `stride` elements apart.
pub(super) fn rows(data: &[f32], stride: usize) -> Left<'_, false> {
    Left { data, stride }
}

/// The same, transposed.
pub(super) fn columns(data: &[f32], stride: usize) -> Left<'_, true> {
    Left { data, stride }
}

/// R rows of the result and one panel.
struct Tile<'a, const TRANSPOSED: bool, const R: usize> {
    a: Left<'a, TRANSPOSED>,
    first: usize,
    panel: &'a [f32],
    k: usize,
    out: &'a mut [f32],
    stride: usize,
    width: usize,
    add: bool,
}

impl<const TRANSPOSED: bool, const R: usize> WithSimd for Tile<'_, TRANSPOSED, R> {
    type Output = ();

    #[allow(clippy::needless_range_loop, clippy::manual_memcpy, reason = "iterators and slices of the sums keep them in memory")]
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { a, first, panel, k, out, stride, width, add } = self;
        let (panel, _) = S::as_simd_f32s(panel);
        let panel = &panel.as_chunks::<VECTORS>().0[..k];
        let zero = [simd.splat_f32s(0.0); VECTORS];
        let mut sums = [zero; R];
        if add {
            for r in 0..R {
                let mut line = zero;
                bytemuck::cast_slice_mut(&mut line)[..width].copy_from_slice(&out[r * stride..][..width]);
                for v in 0..VECTORS {
                    sums[r][v] = line[v];
                }
            }
        }
        // Only with indices everywhere, and each element loaded where it is used, do the sums stay in registers.
        if TRANSPOSED {
            for l in 0..k {
                let column = &a.data[l * a.stride + first..][..R];
                for r in 0..R {
                    add_product(simd, &mut sums[r], column[r], panel[l]);
                }
            }
        } else {
            let rows: [&[f32]; R] = std::array::from_fn(|r| &a.data[(first + r) * a.stride..][..k]);
            for l in 0..k {
                for r in 0..R {
                    add_product(simd, &mut sums[r], rows[r][l], panel[l]);
                }
            }
        }
        if width == panel_width(simd) {
            for r in 0..R {
                let (out, _) = S::as_mut_simd_f32s(&mut out[r * stride..][..VECTORS * S::F32_LANES]);
                for v in 0..VECTORS {
                    out[v] = sums[r][v];
                }
            }
        } else {
            for r in 0..R {
                let mut line = zero;
                for v in 0..VECTORS {
                    line[v] = sums[r][v];
                }
                out[r * stride..][..width].copy_from_slice(&bytemuck::cast_slice(&line)[..width]);
            }
        }
    }
}

/// `sums += a w`, fused if the machine supports it.
#[inline(always)]
fn add_product<S: Simd>(simd: S, sums: &mut [S::f32s; VECTORS], a: f32, w: [S::f32s; VECTORS]) {
    let a = simd.splat_f32s(a);
    for v in 0..VECTORS {
        // Without relaxed SIMD, wasm has no fused operation, and pulp would emulate one.
        sums[v] = if cfg!(target_family = "wasm") {
            simd.add_f32s(sums[v], simd.mul_f32s(a, w[v]))
        } else {
            simd.mul_add_e_f32s(a, w[v], sums[v])
        };
    }
}

/// `out = a w` (`out += a w` if `add`) for m rows; row i of the result begins at `out[i stride]`. `epilogue(i, j, part)` then
/// receives every part of a row while it is in the cache: `part[0]` is element (i, j).
#[inline(always)]
pub(super) fn product<S: Simd, const TRANSPOSED: bool>(
    simd: S,
    a: Left<'_, TRANSPOSED>,
    m: usize,
    w: Panels<'_>,
    (out, stride): (&mut [f32], usize),
    add: bool,
    mut epilogue: impl FnMut(usize, usize, &mut [f32]),
) {
    let Panels { data, k, n } = w;
    let panel_width = panel_width(simd);
    // Rows of a tile: as many as fit into the registers beside a row of the panel.
    let tile = match S::REGISTER_COUNT {
        _ if cfg!(target_family = "wasm") => 4,
        32.. => 12,
        _ => 6,
    };
    for (column, panel) in (0..n).step_by(panel_width).zip(data.chunks_exact((k * panel_width).max(1))) {
        let width = panel_width.min(n - column);
        for first in (0..m).step_by(tile) {
            let count = tile.min(m - first);
            let out = &mut out[first * stride + column..];
            macro_rules! tiles {
                ($($r:literal)*) => {
                    match count {
                        $($r => simd.vectorize(Tile::<TRANSPOSED, $r> { a, first, panel, k, out, stride, width, add }),)*
                        _ => {}
                    }
                };
            }
            match tile {
                12 => tiles!(1 2 3 4 5 6 7 8 9 10 11 12),
                6 => tiles!(1 2 3 4 5 6),
                _ => tiles!(1 2 3 4),
            }
            for r in 0..count {
                epilogue(first + r, column, &mut out[r * stride..][..width]);
            }
        }
    }
}

/// The frozen weight of one product in the forms in which the passes read it, each created when first needed.
#[derive(Debug, Default)]
pub(super) struct Frozen {
    forward: OnceLock<Vec<f32>>,
    backward: OnceLock<Vec<f32>>,
}

/// A frozen weight as the right-hand side of a product.
#[derive(Clone, Copy)]
pub(super) struct Weight<'a> {
    panels: Panels<'a>,
    transposed: bool,
}

impl Frozen {
    /// `w^T` `[inputs, outputs]`, for `a w^T`.
    pub(super) fn forward<'a>(&'a self, linear: &'a LinearWeights) -> Weight<'a> {
        let n = linear.bias.len();
        let k = linear.weight.len() / n;
        Weight::new(&self.forward, &linear.weight, k, n, true)
    }

    /// `w` `[outputs, inputs]`, for `d_out w`.
    pub(super) fn backward<'a>(&'a self, linear: &'a LinearWeights) -> Weight<'a> {
        let k = linear.bias.len();
        let n = linear.weight.len() / k;
        Weight::new(&self.backward, &linear.weight, k, n, false)
    }
}

#[cfg(not(target_family = "wasm"))]
impl<'a> Weight<'a> {
    fn new(packed: &'a OnceLock<Vec<f32>>, weight: &'a [f32], k: usize, n: usize, transposed: bool) -> Self {
        let data = packed.get_or_init(|| {
            let width = vector_panel();
            let mut panels = vec![0.0; packed_len(k, n, width)];
            if transposed {
                pack_transposed(weight, k, k, n, width, &mut panels);
            } else {
                pack(weight, n, k, n, width, &mut panels);
            }
            panels
        });
        Self { panels: Panels { data, k, n }, transposed }
    }

    /// `out = a w` for all rows of `a`, and the epilogue as in [`product`].
    #[inline(always)]
    pub(super) fn product<S: Simd>(self, simd: S, a: &[f32], out: &mut [f32], epilogue: impl FnMut(usize, usize, &mut [f32])) {
        let Panels { k, n, .. } = self.panels;
        let m = a.len() / k;
        timed(self.transposed, MatmulSize { m, n, k }, || product(simd, rows(a, k), m, self.panels, (out, n), false, epilogue));
    }
}

#[cfg(target_family = "wasm")]
impl<'a> Weight<'a> {
    fn new(_: &'a OnceLock<Vec<f32>>, data: &'a [f32], k: usize, n: usize, transposed: bool) -> Self {
        Self { panels: Panels { data, k, n }, transposed }
    }

    /// `out = a w` for all rows of `a`, and the epilogue as in [`product`].
    #[inline(always)]
    pub(super) fn product<S: Simd>(self, _: S, a: &[f32], out: &mut [f32], mut epilogue: impl FnMut(usize, usize, &mut [f32])) {
        use crate::engine::cpu::matmul::product;
        let Self { panels: Panels { data, k, n }, transposed } = self;
        let m = a.len() / k;
        if m == 1 {
            // gemm sums a single row in another order, so a row's bits would depend on the number of rows in its block.
            let mut twice = vec![0.0; 2 * n];
            product(&[a, a].concat(), data, &mut twice, transposed, MatmulSize { m: 2, n, k });
            out.copy_from_slice(&twice[..n]);
        } else {
            product(a, data, out, transposed, MatmulSize { m, n, k });
        }
        out.chunks_exact_mut(n).enumerate().for_each(|(i, row)| epilogue(i, 0, row));
    }
}
