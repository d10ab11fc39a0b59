// out = a w^T + bias + extra, w [N, K].
const TRANSPOSED: bool = true;

@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> extra: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

fn finish(row: u32, column: u32, value: f32) {
  let at = row * params.n + column;
  out[at] = value + bias[column] + extra[at];
}
