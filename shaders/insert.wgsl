// h[t]: a row of the prompt, or of the hidden states of the texts that it joins.
#include "lib/batch.wgsl"
#include "lib/rows.wgsl"

struct Params {
  // Hidden size D.
  columns: u32,
  pad0: u32,
  pad1: u32,
  pad2: u32,
}

@group(0) @binding(0) var<storage, read> rows: array<RowInfo>;
@group(0) @binding(1) var<storage, read> prompt: array<f32>;
@group(0) @binding(2) var<storage, read> states: array<f32>;
@group(0) @binding(3) var<storage, read_write> h: array<f32>;
@group(1) @binding(0) var<uniform> params: Params;

// One thread makes one value.
@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = workgroup_number(group, groups) * 64u + lane;
  if (index >= batch.rows * params.columns) {
    return;
  }
  // The host has checked that the sources of a batch exist.
  let source = rows[index / params.columns].source;
  let at = (source & ~PROMPT_BIT) * params.columns + index % params.columns;
  if ((source & PROMPT_BIT) != 0u) {
    h[index] = prompt[at];
  } else {
    h[index] = states[at];
  }
}
