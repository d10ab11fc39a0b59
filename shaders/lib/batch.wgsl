// What changes from batch to batch; one uniform that every kernel shares. Rust: recorder.rs, BatchSize.
struct Batch {
  // Packed rows T.
  rows: u32,
  // Examples B.
  examples: u32,
  // Prompt rows P of each example.
  prompt: u32,
  // Blocks of rows that attention works on.
  blocks: u32,
}
@group(1) @binding(1) var<uniform> batch: Batch;

// Number of this workgroup. A dispatch has at most 65,535 workgroups a dimension, so the host folds its line of workgroups
// into two dimensions (recorder.rs, fold); the last ones may be too many, every kernel guards against that.
fn workgroup_number(id: vec3<u32>, size: vec3<u32>) -> u32 {
  return id.y * size.x + id.x;
}
