// out = a w^T + bias + extra, w [N, K].
const TRANSPOSED: bool = true;

@group(0) @binding(2) var<storage, read> bias: array<Value>;
@group(0) @binding(3) var<storage, read> extra: array<Value>;
@group(0) @binding(4) var<storage, read_write> out: array<Value>;

fn finish(at: u32, column: u32, value: Value) {
  out[at] = value + bias[column] + extra[at];
}
