// h[t] = LN(source + position): source is a row of the prompt, or of the word table plus, where there is an update, its row for
// this place in the text; position counts from the first row of the example.
#include "lib/batch.wgsl"
#include "lib/rows.wgsl"
#include "lib/reduce.wgsl"

struct Params {
  // Hidden size D.
  columns: u32,
  // Epsilon of the norm.
  eps: f32,
  // 1: the i-th text row of an example takes row i of the update. 0: there is none.
  update: u32,
  pad: u32,
}

@group(0) @binding(0) var<storage, read> rows: array<RowInfo>;
@group(0) @binding(1) var<storage, read> table: array<f32>;
@group(0) @binding(2) var<storage, read> prompt: array<f32>;
@group(0) @binding(3) var<storage, read> update: array<f32>;
@group(0) @binding(4) var<storage, read> position: array<f32>;
@group(0) @binding(5) var<storage, read> gamma: array<f32>;
@group(0) @binding(6) var<storage, read> beta: array<f32>;
@group(0) @binding(7) var<storage, read_write> h: array<f32>;
@group(1) @binding(0) var<uniform> params: Params;

// The host has checked that the sources and positions of a batch exist, and a row of the update for every text row.
fn input(row: u32, column: u32) -> f32 {
  let info = rows[row];
  let place = position[(row - info.start) * params.columns + column];
  let at = (info.source & ~PROMPT_BIT) * params.columns + column;
  if ((info.source & PROMPT_BIT) != 0u) {
    return prompt[at] + place;
  }
  if (params.update == 1u) {
    return table[at] + update[(row - info.start - batch.prompt) * params.columns + column] + place;
  }
  return table[at] + place;
}

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
  let size = f32(params.columns);
  var sum = 0.0;
  for (var c = lane; c < params.columns; c += LANES) {
    sum += input(row, c);
  }
  let mean = workgroup_sums(lane, vec2<f32>(sum, 0.0)).x / size;
  var squares = 0.0;
  for (var c = lane; c < params.columns; c += LANES) {
    let centred = input(row, c) - mean;
    squares += centred * centred;
  }
  let variance = workgroup_sums(lane, vec2<f32>(squares, 0.0)).x / size;
  let rstd = 1.0 / sqrt(variance + params.eps);
  for (var c = lane; c < params.columns; c += LANES) {
    h[row * params.columns + c] = (input(row, c) - mean) * rstd * gamma[c] + beta[c];
  }
}
