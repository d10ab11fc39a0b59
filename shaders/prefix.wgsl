// The keys and values of the first P rows of every example become those of one layer of the prefix; the queries stay.
#include "lib/batch.wgsl"

struct Params {
  // Hidden size D.
  columns: u32,
  // This layer.
  layer: u32,
  // Layers L of the prefix, [P, 2 L D]: k_0 | v_0 | k_1 | v_1 | ..
  layers: u32,
  pad: u32,
}

@group(0) @binding(0) var<storage, read> offsets: array<u32>;
@group(0) @binding(1) var<storage, read> prefix: array<f32>;
@group(0) @binding(2) var<storage, read_write> qkv: array<f32>;
@group(1) @binding(0) var<uniform> params: Params;

// One thread makes one value.
@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = workgroup_number(group, groups) * 64u + lane;
  // A row's key and value are neighbours here and there.
  let pair = 2u * params.columns;
  let made = index / pair;
  let column = index % pair;
  if (made >= batch.examples * batch.prompt) {
    return;
  }
  let row = offsets[made / batch.prompt] + made % batch.prompt;
  let trained = ((made % batch.prompt) * params.layers + params.layer) * pair + column;
  qkv[3u * row * params.columns + params.columns + column] = prefix[trained];
}
