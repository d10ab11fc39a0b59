// Gradient of attention at the keys and values: with p = exp(score - lse) and ds = p (d_ctx v - delta) of every row that
// attends to this one, d_k = scale sum(ds q) and d_v = sum(p d_ctx). Writes the last two thirds of d_qkv only.
#include "lib/batch.wgsl"
#include "lib/rows.wgsl"
#include "lib/heads.wgsl"

@group(0) @binding(0) var<storage, read> rows: array<RowInfo>;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> d_ctx: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> lse: array<f32>;
@group(0) @binding(4) var<storage, read> delta: array<f32>;
@group(0) @binding(5) var<storage, read> offsets: array<u32>;
@group(0) @binding(6) var<storage, read_write> d_qkv: array<vec4<f32>>;

// One thread makes one row of one head, going over the queries of its example. Where only prompt rows are made, batch.rows is
// their number.
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
  let made = index % batch.rows;
  var row = made;
  if (params.prompt_only == 1u) {
    row = offsets[made / batch.prompt] + made % batch.prompt;
  }
  let info = rows[row];

  var k: Head;
  var v: Head;
  var d_k: Head;
  var d_v: Head;
  let key = third_at(row, 1u, head);
  let value = third_at(row, 2u, head);
  for (var i = 0u; i < QUADS; i++) {
    k[i] = qkv[key + i] * params.scale;
    v[i] = qkv[value + i];
    d_k[i] = vec4<f32>(0.0);
    d_v[i] = vec4<f32>(0.0);
  }
  for (var s = info.start; s < info.end; s++) {
    let query = third_at(s, 0u, head);
    let out = head_at(s, head);
    var score = 0.0;
    var d_p = 0.0;
    for (var i = 0u; i < QUADS; i++) {
      score += dot(qkv[query + i], k[i]);
      d_p += dot(d_ctx[out + i], v[i]);
    }
    let p = exp(score - lse[s * params.heads + head]);
    let d_score = p * (d_p - delta[s * params.heads + head]) * params.scale;
    for (var i = 0u; i < QUADS; i++) {
      d_k[i] += d_score * qkv[query + i];
      d_v[i] += p * d_ctx[out + i];
    }
  }
  let d_key = third_at(made, 1u, head);
  let d_value = third_at(made, 2u, head);
  for (var i = 0u; i < QUADS; i++) {
    d_qkv[d_key + i] = d_k[i];
    d_qkv[d_value + i] = d_v[i];
  }
}
