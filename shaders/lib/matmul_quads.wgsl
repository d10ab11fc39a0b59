// The rows of a product four values at a time: K and N are multiples of 4.
alias Value = vec4<f32>;
@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;

// Rows and columns past the end repeat the last one: what is made of them is never stored. The callers keep `quad` below K / 4.
// Where a row or column begins is worked out apart from the loads, because not every compiler moves it out of a loop.

// Begin of row `row` of a.
fn a_begin(row: u32) -> u32 {
  return min(row, row_count() - 1u) * (params.k / 4u);
}

// a[row, 4 quad ..]
fn load_a(begin: u32, quad: u32) -> vec4<f32> {
  return a[begin + quad];
}

// out[row, column ..]
fn store_row(row: u32, column: u32, values: vec4<f32>) {
  if (row < row_count() && column < params.n) {
    finish((row * params.n + column) / 4u, column / 4u, values);
  }
}
