// Operands of a product one value at a time, for any K and N.
alias Value = f32;
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;

// Functions as in matmul_vector.wgsl. Values past K count nothing: the one of a is 0, the one of w any that exists.

fn a_begin(row: u32) -> u32 {
  return min(row, row_count() - 1u) * params.k;
}

fn load_a(begin: u32, quad: u32) -> vec4<f32> {
  let last = params.k - 1u;
  let k = 4u * quad;
  return vec4<f32>(
    a[begin + k],
    select(0.0, a[begin + min(k + 1u, last)], k + 1u <= last),
    select(0.0, a[begin + min(k + 2u, last)], k + 2u <= last),
    select(0.0, a[begin + min(k + 3u, last)], k + 3u <= last),
  );
}

fn w_begin(column: u32) -> u32 {
  if (TRANSPOSED) {
    return min(column, params.n - 1u) * params.k;
  }
  return min(column, params.n - 1u);
}

fn load_w_column(begin: u32, quad: u32) -> vec4<f32> {
  let last = params.k - 1u;
  let k = 4u * quad;
  return vec4<f32>(w[begin + k], w[begin + min(k + 1u, last)], w[begin + min(k + 2u, last)], w[begin + min(k + 3u, last)]);
}

fn load_w_row(begin: u32, k: u32) -> vec4<f32> {
  let base = min(k, params.k - 1u) * params.n;
  let last = params.n - 1u;
  return vec4<f32>(
    w[base + begin],
    w[base + min(begin + 1u, last)],
    w[base + min(begin + 2u, last)],
    w[base + min(begin + 3u, last)],
  );
}

fn store_row(row: u32, column: u32, values: vec4<f32>) {
  if (row >= row_count()) {
    return;
  }
  let at = row * params.n + column;
  if (column < params.n) {
    finish(at, column, values.x);
  }
  if (column + 1u < params.n) {
    finish(at + 1u, column + 1u, values.y);
  }
  if (column + 2u < params.n) {
    finish(at + 2u, column + 2u, values.z);
  }
  if (column + 3u < params.n) {
    finish(at + 3u, column + 3u, values.w);
  }
}
