// y = (x - mean) rstd gamma + beta in every row; keeps mean and rstd.
#include "lib/batch.wgsl"
#include "lib/reduce.wgsl"

struct Params {
  // Hidden size D.
  columns: u32,
  // Epsilon of the norm.
  eps: f32,
  pad0: u32,
  pad1: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> gamma: array<f32>;
@group(0) @binding(2) var<storage, read> beta: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<storage, read_write> stats: array<f32>;
@group(1) @binding(0) var<uniform> params: Params;

// One workgroup normalises one row, in two passes: no cancellation where the mean is large.
@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = workgroup_number(group, groups);
  if (row >= batch.rows) {
    return;
  }
  let size = f32(params.columns);
  let base = row * params.columns;
  var sum = 0.0;
  for (var c = lane; c < params.columns; c += LANES) {
    sum += x[base + c];
  }
  let mean = workgroup_sums(lane, vec2<f32>(sum, 0.0)).x / size;
  var squares = 0.0;
  for (var c = lane; c < params.columns; c += LANES) {
    let centred = x[base + c] - mean;
    squares += centred * centred;
  }
  let variance = workgroup_sums(lane, vec2<f32>(squares, 0.0)).x / size;
  let rstd = 1.0 / sqrt(variance + params.eps);
  for (var c = lane; c < params.columns; c += LANES) {
    y[base + c] = (x[base + c] - mean) * rstd * gamma[c] + beta[c];
  }
  if (lane == 0u) {
    stats[2u * row] = mean;
    stats[2u * row + 1u] = rstd;
  }
}
