// out = a w * gelu'(extra), w [K, N].
#include "lib/gelu.wgsl"
const TRANSPOSED: bool = false;

@group(0) @binding(3) var<storage, read> extra: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

fn finish(row: u32, column: u32, value: f32) {
  let at = row * params.n + column;
  out[at] = value * gelu_grad(extra[at]);
}
