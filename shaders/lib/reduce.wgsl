// Threads of a workgroup that share one row; a power of two.
override LANES: u32 = 64;

var<workgroup> partial: array<vec2<f32>, LANES>;

// Two sums over the workgroup at once, the same in every thread, in a fixed order. All threads must call it.
fn workgroup_sums(lane: u32, value: vec2<f32>) -> vec2<f32> {
  partial[lane] = value;
  workgroupBarrier();
  for (var width = LANES / 2u; width > 0u; width /= 2u) {
    if (lane < width) {
      partial[lane] += partial[lane + width];
    }
    workgroupBarrier();
  }
  let sums = partial[0];
  // The next call overwrites what slower threads still have to read.
  workgroupBarrier();
  return sums;
}
