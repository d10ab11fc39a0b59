// ctx = softmax(q k^T / sqrt(HEAD_SIZE)) v for every row and head, over the rows of the row's example; keeps the logarithm of
// the softmax's denominator. Online softmax (Milakov and Gimelshein 2018): one pass over the keys, no matrix of scores.
#include "lib/batch.wgsl"
#include "lib/rows.wgsl"
#include "lib/heads.wgsl"

@group(0) @binding(0) var<storage, read> rows: array<RowInfo>;
@group(0) @binding(1) var<storage, read> qkv: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> ctx: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> lse: array<f32>;

// One thread makes one row of one head. Neighbours have the same head and mostly the same example: they read the same keys.
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
  var sum: Head;
  let query = third_at(row, 0u, head);
  for (var i = 0u; i < QUADS; i++) {
    q[i] = qkv[query + i] * params.scale;
    sum[i] = vec4<f32>(0.0);
  }
  // The largest score so far, and the denominator relative to it.
  var largest = -3.0e38;
  var denominator = 0.0;
  for (var s = info.start; s < info.end; s++) {
    let key = third_at(s, 1u, head);
    var score = 0.0;
    for (var i = 0u; i < QUADS; i++) {
      score += dot(q[i], qkv[key + i]);
    }
    let before = largest;
    largest = max(largest, score);
    let shrink = exp(before - largest);
    let p = exp(score - largest);
    denominator = denominator * shrink + p;
    let value = third_at(s, 2u, head);
    for (var i = 0u; i < QUADS; i++) {
      sum[i] = sum[i] * shrink + p * qkv[value + i];
    }
  }
  let out = head_at(row, head);
  for (var i = 0u; i < QUADS; i++) {
    ctx[out + i] = sum[i] / denominator;
  }
  lse[row * params.heads + head] = largest + log(denominator);
}
