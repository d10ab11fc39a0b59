// Operands of a product four values at a time, w from a buffer.
#include "lib/matmul_quads.wgsl"
@group(0) @binding(1) var<storage, read> w: array<vec4<f32>>;

// Begin of column `column`, for w [N, K]; of four columns (a multiple of 4) for w [K, N].
fn w_begin(column: u32) -> u32 {
  if (TRANSPOSED) {
    return min(column, params.n - 1u) * (params.k / 4u);
  }
  return min(column, params.n - 4u) / 4u;
}

// w [N, K]: w[column, 4 quad ..]
fn load_w_column(begin: u32, quad: u32) -> vec4<f32> {
  return w[begin + quad];
}

// w [K, N]: w[k, column ..]
fn load_w_row(begin: u32, k: u32) -> vec4<f32> {
  return w[k * (params.n / 4u) + begin];
}
