// out = a w * gelu'(out), w [K, N]: out holds the input of the activation before.
#include "lib/gelu.wgsl"
const TRANSPOSED: bool = false;

@group(0) @binding(4) var<storage, read_write> out: array<f32>;

fn finish(row: u32, column: u32, value: f32) {
  let at = row * params.n + column;
  out[at] = value * gelu_grad(out[at]);
}
