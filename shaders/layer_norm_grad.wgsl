// d_x = rstd (g - mean(g) - xhat mean(g xhat)) in every row, with xhat = (x - mean) rstd and g = d_y gamma.
#include "lib/batch.wgsl"
#include "lib/reduce.wgsl"

struct Params {
  // Hidden size D.
  columns: u32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
}

@group(0) @binding(0) var<storage, read> d_y: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> stats: array<f32>;
@group(0) @binding(3) var<storage, read> gamma: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_x: array<f32>;
@group(1) @binding(0) var<uniform> params: Params;

// One workgroup makes one row.
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
  let base = row * params.columns;
  let mean = stats[2u * row];
  let rstd = stats[2u * row + 1u];
  var sums = vec2<f32>(0.0);
  for (var c = lane; c < params.columns; c += LANES) {
    let g = d_y[base + c] * gamma[c];
    sums += vec2<f32>(g, g * (x[base + c] - mean) * rstd);
  }
  let means = workgroup_sums(lane, sums) / f32(params.columns);
  for (var c = lane; c < params.columns; c += LANES) {
    let normal = (x[base + c] - mean) * rstd;
    d_x[base + c] = rstd * (d_y[base + c] * gamma[c] - means.x - normal * means.y);
  }
}
