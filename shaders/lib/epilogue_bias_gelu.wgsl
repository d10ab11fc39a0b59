// pre = a w^T + bias, out = gelu(pre), w [N, K].
#include "lib/gelu.wgsl"
const TRANSPOSED: bool = true;

@group(0) @binding(2) var<storage, read> bias: array<Value>;
@group(0) @binding(4) var<storage, read_write> out: array<Value>;
@group(0) @binding(5) var<storage, read_write> pre: array<Value>;

fn finish(at: u32, column: u32, value: Value) {
  let u = value + bias[column];
  pre[at] = u;
  out[at] = gelu(u);
}
