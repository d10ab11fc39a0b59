// Gradient of attention at the queries: with p = exp(score - lse), delta = sum(p d_ctx v) and ds = p (d_ctx v - delta),
// d_q = scale sum(ds k). Keeps delta. Writes the first third of d_qkv only.
#include "lib/batch.wgsl"
#include "lib/rows.wgsl"
#include "lib/heads.wgsl"

@group(0) @binding(0) var<storage, read> rows: array<RowInfo>;
@group(0) @binding(1) var<storage, read> blocks: array<u32>;
@group(0) @binding(2) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> d_ctx: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> lse: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_qkv: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> delta: array<f32>;

// One workgroup makes a block of rows of one head, ROWS of them a thread, going once over the keys of the example: delta is
// only known at the end, so the sum is kept in two parts, sum(p (d_ctx v) k) and sum(p k).
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

#for $r < ROWS
  let row$r = first + $ru * LANES + lane;
  let query$r = third_at(min(row$r, last), 0u, head);
  let out$r = head_at(min(row$r, last), head);
  let lse$r = lse[min(row$r, last) * params.heads + head];
  var own$r = 0.0;
  var q$r: Head;
  var d_out$r: Head;
  var weighted$r: Head;
  var plain$r: Head;
#for $i < QUADS
  q$r[$i] = qkv[query$r + $iu] * params.scale;
  d_out$r[$i] = d_ctx[out$r + $iu];
  weighted$r[$i] = vec4<f32>(0.0);
  plain$r[$i] = vec4<f32>(0.0);
#end
#end
  for (var s = info.start; s < info.end; s += 4u) {
    let keys = thirds_at(s, last, 1u, head);
    let values = thirds_at(s, last, 2u, head);
    let exists = vec4<u32>(s, s + 1u, s + 2u, s + 3u) < vec4<u32>(info.end);
#for $r < ROWS
    var score$r = vec4<f32>(-lse$r);
    var d_p$r = vec4<f32>(0.0);
#end
#for $i < QUADS
    let k$i = mat4x4<f32>(qkv[keys.x + $iu], qkv[keys.y + $iu], qkv[keys.z + $iu], qkv[keys.w + $iu]);
    let v$i = mat4x4<f32>(qkv[values.x + $iu], qkv[values.y + $iu], qkv[values.z + $iu], qkv[values.w + $iu]);
#for $r < ROWS
    score$r += q$r[$i] * k$i;
    d_p$r += d_out$r[$i] * v$i;
#end
#end
#for $r < ROWS
    let p$r = select(vec4<f32>(0.0), exp(score$r), exists);
    let p_d_p$r = p$r * d_p$r;
    own$r += p_d_p$r.x + p_d_p$r.y + p_d_p$r.z + p_d_p$r.w;
#end
#for $i < QUADS
#for $r < ROWS
    weighted$r[$i] += k$i * p_d_p$r;
    plain$r[$i] += k$i * p$r;
#end
#end
  }
#for $r < ROWS
  if (row$r < info.end) {
    delta[row$r * params.heads + head] = own$r;
    var made$r = row$r;
    if (params.prompt_only == 1u) {
      made$r = info.example * batch.prompt + row$r - info.start;
    }
    if (params.prompt_only == 0u || row$r < info.start + batch.prompt) {
      let d_query$r = third_at(made$r, 0u, head);
#for $i < QUADS
      d_qkv[d_query$r + $iu] = (weighted$r[$i] - own$r * plain$r[$i]) * params.scale;
#end
    }
  }
#end
}
