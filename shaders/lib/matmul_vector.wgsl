// Operands of a product four values at a time: K is a multiple of 4, and so is N where w is [K, N].
@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> w: array<vec4<f32>>;

// Rows and columns past the end repeat the last one: what is made of them is never stored. The callers keep `quad` below
// ceil(K / 4). Where a row or column begins is worked out apart from the loads, because not every compiler moves it out of a
// loop.

// Begin of row `row` of a.
fn a_begin(row: u32) -> u32 {
  return min(row, batch.rows - 1u) * (params.k / 4u);
}

// a[row, 4 quad ..]
fn load_a(begin: u32, quad: u32) -> vec4<f32> {
  return a[begin + quad];
}

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
