// Gradient of attention at the queries: with p = exp(score - lse) and ds = p (d_ctx v - delta), d_q = scale sum(ds k).
// Keeps delta = sum(d_ctx ctx) of each head. Writes the first third of d_qkv only.
#include "lib/batch.wgsl"
#include "lib/rows.wgsl"
#include "lib/heads.wgsl"

@group(0) @binding(0) var<storage, read> rows: array<RowInfo>;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> ctx: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> d_ctx: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> lse: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_qkv: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> delta: array<f32>;

// One thread makes one row of one head, going over the keys of its example.
@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = workgroup_number(group, groups) * 64u + lane;
  if (index >= batch.rows * params.heads) {
    return;
  }
  let head = index / batch.rows;
  let row = index % batch.rows;
  let info = rows[row];

  var q: Head;
  var d_out: Head;
  var d_q: Head;
  let query = third_at(row, 0u, head);
  let out = head_at(row, head);
  var own = 0.0;
  for (var i = 0u; i < QUADS; i++) {
    q[i] = qkv[query + i] * params.scale;
    d_out[i] = d_ctx[out + i];
    d_q[i] = vec4<f32>(0.0);
    own += dot(d_out[i], ctx[out + i]);
  }
  let denominator = lse[row * params.heads + head];
  for (var s = info.start; s < info.end; s++) {
    let key = third_at(s, 1u, head);
    let value = third_at(s, 2u, head);
    var score = 0.0;
    var d_p = 0.0;
    for (var i = 0u; i < QUADS; i++) {
      score += dot(q[i], qkv[key + i]);
      d_p += dot(d_out[i], qkv[value + i]);
    }
    let d_score = exp(score - denominator) * (d_p - own) * params.scale;
    for (var i = 0u; i < QUADS; i++) {
      d_q[i] += d_score * qkv[key + i];
    }
  }
  for (var i = 0u; i < QUADS; i++) {
    d_qkv[query + i] = d_q[i];
  }
  delta[row * params.heads + head] = own;
}
