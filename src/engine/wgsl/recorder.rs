//! Commands that are recorded once and replayed for every batch: a [`Step`] is one dispatch with its pipeline and bindings, whose
//! size is computed from the batch when it is replayed.

use crate::engine::GradRows;

/// Parameters that change from batch to batch, in the layout that `shaders/lib/batch.wgsl` declares.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, bytemuck::Pod, bytemuck::Zeroable)]
pub struct BatchSize {
    /// Packed rows T.
    pub rows: u32,
    /// Examples B.
    pub examples: u32,
    /// Prompt rows P of each example.
    pub prompt: u32,
    /// Number of blocks of rows in the attention kernels.
    pub blocks: u32,
}

impl BatchSize {
    /// The same batch with its prompt rows, `[B P]`, instead of all rows.
    #[must_use]
    pub fn prompt_rows(self) -> Self {
        Self { rows: self.prompts(true), ..self }
    }

    /// Number of prompt rows: of all examples, or shared by all.
    #[must_use]
    pub fn prompts(self, per_example: bool) -> u32 {
        if per_example { self.examples * self.prompt } else { self.prompt }
    }
}

/// Threads per workgroup, in kernels with one result per thread.
pub const THREADS: u32 = 64;

/// The amount of work of a dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// One workgroup per packed row.
    Rows,
    /// One workgroup per prompt row.
    PromptRows {
        /// Whether all examples have their own rows, `[B P]`, instead of shared ones, `[P]`.
        per_example: bool,
    },
    /// A number of threads per prompt row.
    PromptThreads {
        /// Threads per row.
        each: u32,
        /// Whether all examples have their own rows, `[B P]`, instead of shared ones, `[P]`.
        per_example: bool,
    },
    /// A number of workgroups, independent of the batch.
    Groups(u32),
    /// A number of threads per packed row.
    RowThreads(u32),
    /// A number of threads per example.
    ExampleThreads(u32),
    /// A number of workgroups per block of rows.
    Blocks(u32),
    /// Tiles of packed rows, several side by side.
    Tiles {
        /// Packed rows per tile.
        rows: u32,
        /// Number of tiles side by side.
        across: u32,
    },
}

impl Work {
    /// Number of workgroups for a batch.
    #[must_use]
    pub fn workgroups(self, batch: BatchSize) -> u64 {
        let threads = |things: u32, each: u32| (u64::from(things) * u64::from(each)).div_ceil(u64::from(THREADS));
        match self {
            Self::Rows => u64::from(batch.rows),
            Self::PromptRows { per_example } => u64::from(batch.prompts(per_example)),
            Self::PromptThreads { each, per_example } => threads(batch.prompts(per_example), each),
            Self::Groups(groups) => u64::from(groups),
            Self::RowThreads(each) => threads(batch.rows, each),
            Self::ExampleThreads(each) => threads(batch.examples, each),
            Self::Blocks(each) => u64::from(batch.blocks) * u64::from(each),
            Self::Tiles { rows, across } => u64::from(batch.rows.div_ceil(rows)) * u64::from(across),
        }
    }
}

/// Maximum number of workgroups per dimension of a dispatch, in WebGPU's default limits.
pub const MOST_WORKGROUPS: u64 = 65_535;

/// Folds a line of workgroups into two dimensions, with as few extra ones as possible. The shaders' `workgroup_number` unfolds
/// it. More than 65,535^2 workgroups do not occur: their output buffers would be larger than any device can bind.
#[must_use]
pub fn fold(workgroups: u64) -> (u32, u32) {
    let high = workgroups.div_ceil(MOST_WORKGROUPS).max(1);
    let wide = workgroups.div_ceil(high);
    (wide as u32, high as u32)
}

/// Lower bounds for the cost of a dispatch: FLOPs that its result requires, and bytes of its operands read and written once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// FLOPs per row.
    pub flops_per_row: u64,
    /// FLOPs per pair of rows of the same example; there are `sum(n_i^2)` pairs.
    pub flops_per_pair: u64,
    /// Bytes per row.
    pub bytes_per_row: u64,
    /// Bytes independent of the rows: weights.
    pub bytes: u64,
}

/// One dispatch.
#[derive(Debug, Clone)]
pub struct Step {
    /// The kernel's name, with the sizes of a product.
    pub label: String,
    /// Lower bounds of its cost.
    pub cost: Cost,
    pub(super) rows: GradRows,
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) buffers: wgpu::BindGroup,
    pub(super) uniforms: wgpu::BindGroup,
    pub(super) work: Work,
}

impl Step {
    /// The same dispatch with its cost.
    #[must_use]
    pub fn costing(self, cost: Cost) -> Self {
        Self { cost, ..self }
    }

    /// The size of the batch for this dispatch.
    #[must_use]
    pub fn size(&self, batch: BatchSize) -> BatchSize {
        match self.rows {
            GradRows::All => batch,
            GradRows::Prompt => batch.prompt_rows(),
        }
    }

    /// Records the dispatch for a batch.
    pub fn replay(&self, pass: &mut wgpu::ComputePass<'_>, batch: BatchSize) {
        let (wide, high) = fold(self.work.workgroups(self.size(batch)));
        if wide == 0 {
            return;
        }
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.buffers, &[]);
        pass.set_bind_group(1, &self.uniforms, &[]);
        pass.dispatch_workgroups(wide, high, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_cover_the_line_within_the_limit() {
        for workgroups in [0, 1, 2, 64, 65_534, 65_535, 65_536, 65_537, 131_070, 131_071, 1_000_003, 65_535 * 65_535] {
            let (wide, high) = fold(workgroups);
            assert!(u64::from(wide) <= MOST_WORKGROUPS && u64::from(high) <= MOST_WORKGROUPS, "{workgroups}");
            let covered = u64::from(wide) * u64::from(high);
            assert!(covered >= workgroups && covered < workgroups + u64::from(high), "{workgroups}");
        }
    }

    #[test]
    fn work_rounds_up() {
        let batch = BatchSize { rows: 65, examples: 3, prompt: 5, blocks: 6 };
        assert_eq!(Work::Rows.workgroups(batch), 65);
        assert_eq!(Work::PromptRows { per_example: false }.workgroups(batch), 5);
        assert_eq!(Work::PromptRows { per_example: true }.workgroups(batch), 15);
        assert_eq!(Work::PromptThreads { each: 13, per_example: false }.workgroups(batch), 2);
        assert_eq!(Work::PromptThreads { each: 13, per_example: true }.workgroups(batch), 4);
        assert_eq!(Work::Groups(9).workgroups(batch), 9);
        assert_eq!(Work::RowThreads(12).workgroups(batch), 13);
        assert_eq!(Work::ExampleThreads(21).workgroups(batch), 1);
        assert_eq!(Work::Blocks(12).workgroups(batch), 72);
        assert_eq!(Work::Tiles { rows: 64, across: 7 }.workgroups(batch), 14);
    }
}
