// out = a w * gelu'(out), w [K, N]: out holds the input of the activation before.
#include "lib/gelu.wgsl"
const TRANSPOSED: bool = false;

@group(0) @binding(4) var<storage, read_write> out: array<Value>;

fn finish(at: u32, column: u32, value: Value) {
  out[at] = value * gelu_grad(out[at]);
}
