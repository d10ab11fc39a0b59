/** Values of a run, on purpose other than the crate's defaults: the page must not know those. */
import type { RunConfig } from "../../src/contract";

export const config: RunConfig = {
  data: { text_column: null, label_column: null, header_row: null, sheet: null, merge_labels: false, split_column: null, held_out_fraction: 0.07, max_tokens: 64 },
  prompt: {
    method: "prompt",
    length: 3,
    init: "random",
    late: { layer: null, generator: "max", reads: "mean", bottleneck: 11, generator_lr: 0.003, cache_mb: 77 },
    progressive: {
      base: "deep",
      shrink: "depth",
      stages: [
        { share: 0.3, size: 0.4 },
        { share: 0.1, size: 0.7 },
      ],
      head: "refit",
      refit_steps: 7,
      score_texts: 300,
    },
    efficient: {
      rank: 5,
      scale: 3,
      low_rank_lr: 0.0004,
      update: true,
      fusion: true,
      attention: 9,
      spaces: 3,
      space_width: 6,
      gate: false,
      module_lr: 0.002,
    },
    ensemble: { members: 4, vote: "majority" },
    prune: null,
    auto: { candidates: ["late", "prompt"], share: 0.35, rows: 400 },
  },
  head: { kind: "cls", feature_scale: 2 },
  optim: {
    prompt_lr: 0.004,
    head_lr: 0.001,
    weight_decay: 0,
    batch_size: 7,
    steps: null,
    epochs: 2,
    warmup_fraction: 0.1,
    schedule: "linear",
    clip_norm: 2,
  },
  eval: { evaluations: 3, patience: null },
  seed: 9,
  device: "cpu",
  recompute: "off",
};

export const pruning = { tokens: 0.3, pieces: 12, piece_share: 0.15 };
