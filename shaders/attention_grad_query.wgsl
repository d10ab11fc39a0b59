// Gradient of attention at the queries: with p = exp(score - lse), delta = sum(p d_ctx v) and ds = p (d_ctx v - delta),
// d_q = scale sum(ds k). Keeps delta. Writes the first third of d_qkv only.
#include "lib/batch.wgsl"
#include "lib/rows.wgsl"
#include "lib/heads.wgsl"

@group(0) @binding(0) var<storage, read> rows: array<RowInfo>;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> d_ctx: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> lse: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_qkv: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> delta: array<f32>;

// One thread makes one row of one head, going once over the keys of its example: delta is only known at the end, so the sum
// is kept in two parts, sum(p (d_ctx v) k) and sum(p k).
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
  var weighted: Head;
  var plain: Head;
  let query = third_at(row, 0u, head);
  let out = head_at(row, head);
  for (var i = 0u; i < QUADS; i++) {
    q[i] = qkv[query + i] * params.scale;
    d_out[i] = d_ctx[out + i];
    weighted[i] = vec4<f32>(0.0);
    plain[i] = vec4<f32>(0.0);
  }
  let denominator = lse[row * params.heads + head];
  var own = 0.0;
  for (var s = info.start; s < info.end; s++) {
    let key = third_at(s, 1u, head);
    let value = third_at(s, 2u, head);
    var score = 0.0;
    var d_p = 0.0;
    for (var i = 0u; i < QUADS; i++) {
      score += dot(q[i], qkv[key + i]);
      d_p += dot(d_out[i], qkv[value + i]);
    }
    let p = exp(score - denominator);
    let p_d_p = p * d_p;
    own += p_d_p;
    for (var i = 0u; i < QUADS; i++) {
      weighted[i] += p_d_p * qkv[key + i];
      plain[i] += p * qkv[key + i];
    }
  }
  delta[row * params.heads + head] = own;
  var made = row;
  if (params.prompt_only == 1u) {
    if ((info.source & PROMPT_BIT) == 0u) {
      return;
    }
    made = info.example * batch.prompt + (info.source & ~PROMPT_BIT);
  }
  let target_at = third_at(made, 0u, head);
  for (var i = 0u; i < QUADS; i++) {
    d_qkv[target_at + i] = (weighted[i] - own * plain[i]) * params.scale;
  }
}
