// Operands of a product four values at a time, w from a texture whose texel (x, y) is w[y, 4 x ..]. For adapters computed by a
// CPU: they read a texel as one vector, but a value of a buffer lane by lane, each with its own bounds check.
#include "lib/matmul_quads.wgsl"
@group(0) @binding(1) var w: texture_2d<f32>;

// Functions as in matmul_vector.wgsl.

fn w_begin(column: u32) -> u32 {
  if (TRANSPOSED) {
    return min(column, params.n - 1u);
  }
  return min(column, params.n - 4u) / 4u;
}

fn load_w_column(begin: u32, quad: u32) -> vec4<f32> {
  return textureLoad(w, vec2<u32>(quad, begin), 0);
}

fn load_w_row(begin: u32, k: u32) -> vec4<f32> {
  return textureLoad(w, vec2<u32>(begin, k), 0);
}
