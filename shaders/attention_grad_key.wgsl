// Gradient of attention at the keys and values: with p = exp(score - lse) and ds = p (d_ctx v - delta) of every row that
// attends to this one, d_k = scale sum(ds q) and d_v = sum(p d_ctx). Writes the last two thirds of d_qkv only.
#include "lib/batch.wgsl"
#include "lib/rows.wgsl"
#include "lib/heads.wgsl"

@group(0) @binding(0) var<storage, read> rows: array<RowInfo>;
@group(0) @binding(1) var<storage, read> blocks: array<u32>;
@group(0) @binding(2) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> d_ctx: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> lse: array<f32>;
@group(0) @binding(5) var<storage, read> delta: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_qkv: array<vec4<f32>>;

// One workgroup makes a block of rows of one head, ROWS of them a thread, going over the queries of the example.
@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let number = workgroup_number(group, groups);
  if (number >= batch.blocks * params.heads) {
    return;
  }
  let head = number % params.heads;
  let first = blocks[number / params.heads];
  let info = rows[first];
  let last = info.end - 1u;
  // One past the last row that is made.
  var end = info.end;
  if (params.prompt_only == 1u) {
    end = info.start + batch.prompt;
  }
  if (first >= end) {
    return;
  }

#for $r < ROWS
  let row$r = first + $ru * LANES + lane;
  let key$r = third_at(min(row$r, last), 1u, head);
  let value$r = third_at(min(row$r, last), 2u, head);
  var k$r: Head;
  var v$r: Head;
  var d_k$r: Head;
  var d_v$r: Head;
#for $i < QUADS
  k$r[$i] = qkv[key$r + $iu] * params.scale;
  v$r[$i] = qkv[value$r + $iu];
  d_k$r[$i] = vec4<f32>(0.0);
  d_v$r[$i] = vec4<f32>(0.0);
#end
#end
  for (var s = info.start; s < info.end; s += 4u) {
    let queries = thirds_at(s, last, 0u, head);
    let at = min(vec4<u32>(s, s + 1u, s + 2u, s + 3u), vec4<u32>(last));
    let outs = vec4<u32>(head_at(at.x, head), head_at(at.y, head), head_at(at.z, head), head_at(at.w, head));
    let one = at * params.heads + head;
    let lses = vec4<f32>(lse[one.x], lse[one.y], lse[one.z], lse[one.w]);
    let deltas = vec4<f32>(delta[one.x], delta[one.y], delta[one.z], delta[one.w]);
    let exists = vec4<u32>(s, s + 1u, s + 2u, s + 3u) < vec4<u32>(info.end);
#for $r < ROWS
    var score$r = -lses;
    var d_p$r = -deltas;
#end
#for $i < QUADS
    let query$i = mat4x4<f32>(qkv[queries.x + $iu], qkv[queries.y + $iu], qkv[queries.z + $iu], qkv[queries.w + $iu]);
    let d_out$i = mat4x4<f32>(d_ctx[outs.x + $iu], d_ctx[outs.y + $iu], d_ctx[outs.z + $iu], d_ctx[outs.w + $iu]);
#for $r < ROWS
    score$r += k$r[$i] * query$i;
    d_p$r += v$r[$i] * d_out$i;
#end
#end
#for $r < ROWS
    let p$r = select(vec4<f32>(0.0), exp(score$r), exists);
    let d_score$r = p$r * d_p$r * params.scale;
#end
#for $i < QUADS
#for $r < ROWS
    d_k$r[$i] += query$i * d_score$r;
    d_v$r[$i] += d_out$i * p$r;
#end
#end
  }
#for $r < ROWS
  if (row$r < end) {
    var made$r = row$r;
    if (params.prompt_only == 1u) {
      made$r = info.example * batch.prompt + row$r - info.start;
    }
    let d_key$r = third_at(made$r, 1u, head);
    let d_value$r = third_at(made$r, 2u, head);
#for $i < QUADS
    d_qkv[d_key$r + $iu] = d_k$r[$i];
    d_qkv[d_value$r + $iu] = d_v$r[$i];
#end
  }
#end
}
