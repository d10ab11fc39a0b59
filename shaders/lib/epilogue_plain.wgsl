// out = a w, w [K, N].
const TRANSPOSED: bool = false;

@group(0) @binding(4) var<storage, read_write> out: array<f32>;

fn finish(row: u32, column: u32, value: f32) {
  out[row * params.n + column] = value;
}
