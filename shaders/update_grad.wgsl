// d_update[i]: the gradients of the i-th text row of every example that has one, each through the norm of its embedding, summed in
// the order of the examples. The norms' inputs are made again.
#include "lib/batch.wgsl"
#include "lib/rows.wgsl"
#include "lib/reduce.wgsl"

struct Params {
  // Hidden size D.
  columns: u32,
  // Epsilon of the norm.
  eps: f32,
  // Rows N of the update.
  length: u32,
  pad: u32,
}

@group(0) @binding(0) var<storage, read> offsets: array<u32>;
@group(0) @binding(1) var<storage, read> rows: array<RowInfo>;
@group(0) @binding(2) var<storage, read> d_h: array<f32>;
@group(0) @binding(3) var<storage, read> table: array<f32>;
@group(0) @binding(4) var<storage, read> update: array<f32>;
@group(0) @binding(5) var<storage, read> position: array<f32>;
@group(0) @binding(6) var<storage, read> gamma: array<f32>;
@group(0) @binding(7) var<storage, read_write> d_update: array<f32>;
@group(1) @binding(0) var<uniform> params: Params;

// The norm's input of a packed row, which is the i-th of its text.
fn input(row: u32, i: u32, column: u32) -> f32 {
  let word = table[rows[row].source * params.columns + column] + update[i * params.columns + column];
  return word + position[(batch.prompt + i) * params.columns + column];
}

// One workgroup makes one row of d_update. A thread keeps the sum of its columns there, where only it reads and writes them.
@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = workgroup_number(group, groups);
  if (i >= params.length) {
    return;
  }
  let size = f32(params.columns);
  let base = i * params.columns;
  for (var c = lane; c < params.columns; c += LANES) {
    d_update[base + c] = 0.0;
  }
  for (var example = 0u; example < batch.examples; example++) {
    let row = offsets[example] + batch.prompt + i;
    // The same for the whole workgroup, so that the barriers below are met by all of it or none.
    if (row >= offsets[example + 1u]) {
      continue;
    }
    var sum = 0.0;
    for (var c = lane; c < params.columns; c += LANES) {
      sum += input(row, i, c);
    }
    let mean = workgroup_sums(lane, vec2<f32>(sum, 0.0)).x / size;
    var squares = 0.0;
    for (var c = lane; c < params.columns; c += LANES) {
      let centred = input(row, i, c) - mean;
      squares += centred * centred;
    }
    let variance = workgroup_sums(lane, vec2<f32>(squares, 0.0)).x / size;
    let rstd = 1.0 / sqrt(variance + params.eps);
    var sums = vec2<f32>(0.0);
    for (var c = lane; c < params.columns; c += LANES) {
      let g = d_h[row * params.columns + c] * gamma[c];
      sums += vec2<f32>(g, g * (input(row, i, c) - mean) * rstd);
    }
    let means = workgroup_sums(lane, sums) / size;
    for (var c = lane; c < params.columns; c += LANES) {
      let normal = (input(row, i, c) - mean) * rstd;
      d_update[base + c] += rstd * (d_h[row * params.columns + c] * gamma[c] - means.x - normal * means.y);
    }
  }
}
