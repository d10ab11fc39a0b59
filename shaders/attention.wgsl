// ctx = softmax(q k^T / sqrt(head size)) v for every row and head, over the rows of the row's example; keeps the logarithm of
// the softmax's denominator. Online softmax (Milakov and Gimelshein 2018), four keys at a time: one pass over the keys, no
// matrix of scores.
#include "lib/batch.wgsl"
#include "lib/rows.wgsl"
#include "lib/heads.wgsl"

@group(0) @binding(0) var<storage, read> rows: array<RowInfo>;
@group(0) @binding(1) var<storage, read> blocks: array<u32>;
@group(0) @binding(2) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> ctx: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> lse: array<f32>;

// One workgroup makes a block of rows of one head, ROWS of them a thread.
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
  var q$r: Head;
  var sum$r: Head;
#for $i < QUADS
  q$r[$i] = qkv[query$r + $iu] * params.scale;
  sum$r[$i] = vec4<f32>(0.0);
#end
  // The largest score so far, and the denominator relative to it.
  var largest$r = -3.0e38;
  var denominator$r = 0.0;
#end
  for (var s = info.start; s < info.end; s += 4u) {
    let keys = thirds_at(s, last, 1u, head);
    let values = thirds_at(s, last, 2u, head);
    let exists = vec4<u32>(s, s + 1u, s + 2u, s + 3u) < vec4<u32>(info.end);
#for $r < ROWS
    var score$r = vec4<f32>(0.0);
#end
#for $i < QUADS
    let k$i = mat4x4<f32>(qkv[keys.x + $iu], qkv[keys.y + $iu], qkv[keys.z + $iu], qkv[keys.w + $iu]);
#for $r < ROWS
    score$r += q$r[$i] * k$i;
#end
#end
#for $r < ROWS
    score$r = select(vec4<f32>(-3.0e38), score$r, exists);
    let before$r = largest$r;
    largest$r = max(max(before$r, max(score$r.x, score$r.y)), max(score$r.z, score$r.w));
    let shrink$r = exp(before$r - largest$r);
    let p$r = select(vec4<f32>(0.0), exp(score$r - largest$r), exists);
    denominator$r = denominator$r * shrink$r + (p$r.x + p$r.y + p$r.z + p$r.w);
#end
#for $i < QUADS
    let v$i = mat4x4<f32>(qkv[values.x + $iu], qkv[values.y + $iu], qkv[values.z + $iu], qkv[values.w + $iu]);
#for $r < ROWS
    sum$r[$i] = sum$r[$i] * shrink$r + v$i * p$r;
#end
#end
  }
#for $r < ROWS
  if (row$r < info.end) {
    let out$r = head_at(row$r, head);
#for $i < QUADS
    ctx[out$r + $iu] = sum$r[$i] / denominator$r;
#end
    lse[row$r * params.heads + head] = largest$r + log(denominator$r);
  }
#end
}
