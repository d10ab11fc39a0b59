// Written by `cargo xtask types` from the crate's types: change those.

/** Everything a run depends on, besides the data, the encoder and the device. */
export type RunConfig = {
  /** Where texts and labels are, and how they are split. */
  data: DataConfig,
  /** The prompt. */
  prompt: PromptConfig,
  /** From hidden states to class scores. */
  head: HeadConfig,
  /** The optimizer and its budget. */
  optim: OptimConfig,
  /** Held-out evaluation. */
  eval: EvalConfig,
  /** Every random draw comes from it (at most 2^53 - 1, so that JavaScript keeps it exactly). */
  seed: number,
  /** Where the encoder runs. */
  device: DeviceChoice,
  /** Activation recomputation on the GPU. */
  recompute: Recompute,
};

/** Where texts and labels are, and how they are split. */
export type DataConfig = {
  /** Name of the text column, or its number counted from 1; guessed if absent. */
  text_column: string | null,
  /** Name of the label column, or its number counted from 1; guessed if absent. */
  label_column: string | null,
  /** Row of the file with the names of the columns, counted from 1; 0 where no row has them; found by looking if absent. */
  header_row: number | null,
  /** Name of the sheet of a workbook; the first with content if absent. */
  sheet: string | null,
  /** Labels that look the same (`Spam` and `spam`, `card_lost` and `card lost`) are one class. */
  merge_labels: boolean,
  /** Name of the column that says which rows are held out, or its number counted from 1; found by looking if absent, not
  * used if it is empty or `none`. */
  split_column: string | null,
  /** Share of the rows held out, stratified by class; not used when a held-out file or a split column is given. */
  held_out_fraction: number,
  /** Maximum length of a text in tokens, with `[CLS]` and `[SEP]`; longer texts are truncated and counted. */
  max_tokens: number,
};

/** The prompt. */
export type PromptConfig = {
  /** Which method. */
  method: Method,
  /** Virtual tokens P. */
  length: number,
  /** Initialisation of the rows. */
  init: PromptInit,
  /** Of [`Method::Late`]. */
  late: LateConfig,
  /** Of [`Method::Progressive`]. */
  progressive: ProgressiveConfig,
  /** Of [`Method::Efficient`]. */
  efficient: EfficientConfig,
  /** Of [`Method::Ensemble`]. */
  ensemble: EnsembleConfig,
  /** Pruning after the training, then another round of training; none if absent. */
  prune: PruneConfig | null,
  /** Of [`Method::Auto`]. */
  auto: AutoConfig,
};

/** The methods that a run can use. */
export type Method = "probe" | "prompt" | "late" | "progressive" | "efficient" | "deep" | "ensemble" | "auto";

/** Initialisation of the prompt rows (Lester et al. 2021, section 3.2). */
export type PromptInit = "random" | "vocabulary" | "labels" | { "text": string };

/** Settings of [`Method::Late`]. */
export type LateConfig = {
  /** Layers k below the prompt, 0 to L - 1; half of them if absent. */
  layer: number | null,
  /** Generator of the prompt. */
  generator: Generator,
  /** The row that [`Generator::Naive`] reads. */
  reads: Reads,
  /** Neurons c of the generator's bottleneck. */
  bottleneck: number,
  /** Learning rate of the generator; free rows take `optim.prompt_lr`. */
  generator_lr: number,
  /** Hidden states kept between epochs, in MiB of the memory that the encoder computes in; 0 keeps none. */
  cache_mb: number,
};

/** Generator of the prompt of [`Method::Late`] (Liu et al. 2022, late prompt tuning, section 3). */
export type Generator = "none" | "naive" | "average" | "max";

/** The row that [`Generator::Naive`] reads: the authors' code has the first, `[CLS]`; the mean is what sentence encoders are trained for. */
export type Reads = "first" | "mean";

/** Settings of [`Method::Progressive`]: the stages before the full encoder, which has the rest of the steps. */
export type ProgressiveConfig = {
  /** The method that is trained; one that starts below the lowest layer. */
  base: Method,
  /** How the encoder is reduced. */
  shrink: Shrink,
  /** Stages in order. */
  stages: Array<StageConfig>,
  /** What happens to the head. */
  head: HeadTransition,
  /** Steps of [`HeadTransition::Refit`], taken from those of the stage. */
  refit_steps: number,
  /** Training texts that neurons are scored on, at most. */
  score_texts: number,
};

/** How the encoder is reduced in the stages of [`Method::Progressive`]. */
export type Shrink = "depth" | "width" | "compound";

/** One stage on a partial encoder. */
export type StageConfig = {
  /** Share of the steps. */
  share: number,
  /** Share of the layers, of the neurons, or of both that is kept. */
  size: number,
};

/** What happens to the head where the encoder grows: a head fitted to a partial encoder is wrong for the larger one. */
export type HeadTransition = "carry" | "refit" | "reset";

/** Settings of [`Method::Efficient`]; with `fusion` off and no `spaces` it is DePT (Shi and Lipani 2024). */
export type EfficientConfig = {
  /** Rank r of the update `A B` of the text embeddings. */
  rank: number,
  /** The update is multiplied by this over the root of r. */
  scale: number,
  /** Learning rate of A and B. */
  low_rank_lr: number,
  /** Whether the text embeddings are updated at all. */
  update: boolean,
  /** Whether the prompt attends to the low-rank knowledge. */
  fusion: boolean,
  /** Width a of that attention. */
  attention: number,
  /** Spaces S that the prompt is projected into; 0: none. */
  spaces: number,
  /** Width b of a space. */
  space_width: number,
  /** Whether a gate weighs the spaces; else each has the same weight. */
  gate: boolean,
  /** Learning rate of fusion, spaces and gate. */
  module_lr: number,
};

/** Settings of [`Method::Ensemble`]. */
export type EnsembleConfig = {
  /** Prompts N, each with a head of its own. */
  members: number,
  /** How they vote. */
  vote: Vote,
};

/** How an ensemble votes. */
export type Vote = "mean" | "majority";

/** Pruning of a trained prompt, then training what is left again from where it was (Ma et al. 2022, XPrompt). */
export type PruneConfig = {
  /** Share of the prompt rows that is pruned, the least important first. */
  tokens: number,
  /** Pieces k that a row is cut into. */
  pieces: number,
  /** Share of the pieces left that is pruned. */
  piece_share: number,
};

/** Settings of [`Method::Auto`]: short runs of some methods, then the best. */
export type AutoConfig = {
  /** Candidate methods. */
  candidates: Array<Method>,
  /** Share of the steps of a whole run that all trials have together. */
  share: number,
  /** Training rows that a trial learns from at most. */
  rows: number,
};

/** From hidden states to class scores. */
export type HeadConfig = {
  /** What the head reads. */
  kind: HeadKind,
  /** Features are multiplied by this before the linear layer (not with [`HeadKind::Peft`], whose features go in as they
  * are): rows of a small encoder are short vectors, and a larger scale lets the head learn as fast as the prompt. */
  feature_scale: number,
};

/** What the head reads. */
export type HeadKind = "mean" | "text" | "cls" | "peft";

/** AdamW (Loshchilov and Hutter 2019) with two learning rates, and its budget. */
export type OptimConfig = {
  /** Learning rate of the prompt. */
  prompt_lr: number,
  /** Learning rate of the head. */
  head_lr: number,
  /** Decoupled weight decay. */
  weight_decay: number,
  /** Batch size: examples per step. */
  batch_size: number,
  /** Optimizer steps; wins over `epochs`. */
  steps: number | null,
  /** Epochs: passes over the training set, used where `steps` is absent. */
  epochs: number,
  /** Share of the steps in which the learning rates rise from zero. */
  warmup_fraction: number,
  /** Schedule afterwards. */
  schedule: Schedule,
  /** Gradient clipping: gradients with a larger global norm are scaled down to it. */
  clip_norm: number,
};

/** Learning-rate schedule after the warm-up. */
export type Schedule = "cosine" | "linear" | "constant";

/** Held-out evaluation and early stopping. The best parameters by held-out loss are kept in any case. */
export type EvalConfig = {
  /** Evaluations in a run, evenly spaced, the last one at its end. */
  evaluations: number,
  /** Early stopping after this many evaluations without a lower held-out loss; never if absent. */
  patience: number | null,
};

/** Where the encoder runs. */
export type DeviceChoice = "auto" | "gpu" | "cpu";

/** Whether a training step on the GPU saves all activations for its backward pass, or recomputes the largest: less than half of
* the memory for about 20 % more time, and the same losses. */
export type Recompute = "auto" | "on" | "off";

/** Settings that belong together. */
export type SettingGroup = {
  /** The heading of the group. */
  title: string,
  /** In the order in which they are shown. */
  options: Array<Setting>,
};

/** A setting. */
export type Setting = {
  /** Where it is in the config, such as `optim.batch_size`. */
  path: string,
  /** The name that is shown. */
  label: string,
  /** Its other names: in the Hugging Face Trainer, PEFT, SetFit, PyTorch and scikit-learn, and what else people search for. */
  also: Array<string>,
  /** What it does, in a sentence or two. */
  help: string,
  /** The unit of its number, if it has one; of a share, what it is a percentage of. */
  unit: string | null,
  /** What is used if it is left out; none where it is required. */
  absent: string | null,
  /** Its type and limits. */
  kind: SettingKind,
  /** Where it applies: where all conditions of one of these lists hold. Everywhere, if there is none. */
  when: Array<Array<Condition>>,
};

/** The type of a setting, and its limits. */
export type SettingKind = { "type": "integer",
  /** Between which bounds. */
  limits: Limits,
} | { "type": "decimal",
  /** Between which bounds. */
  limits: Limits,
} | { "type": "percent",
  /** Between which bounds, as in the config. */
  limits: Limits,
} | { "type": "choice",
  /** The words. */
  choices: Array<Choice>,
} | { "type": "choice_or_text",
  /** The words; the one that asks for the text is `text`. */
  choices: Array<Choice>,
} | { "type": "list",
  /** The words. */
  choices: Array<Choice>,
} | { "type": "switch" } | { "type": "part" } | { "type": "column" } | { "type": "sheet" } | { "type": "stages",
  /** Of the share of the steps. */
  share: Limits,
  /** Of the share of the encoder. */
  size: Limits,
};

/** Bounds of a number; those that are not there are not bounded. */
export type Limits = {
  /** The smallest that is allowed. */
  minimum: number | null,
  /** It must be larger than this. */
  above: number | null,
  /** The largest that is allowed. */
  maximum: number | null,
  /** It must be smaller than this. */
  below: number | null,
};

/** A word of a setting. */
export type Choice = {
  /** In the config. */
  value: string,
  /** The name that is shown. */
  label: string,
  /** What it does, where that takes a sentence. */
  help: string,
  /** The paper it is from, if there is one. */
  source: string,
};

/** Something that may hold for a config: the value at a path is one of these, or none of those. */
export type Condition = {
  /** Whose value. */
  path: string,
  /** It must be one of these, if there are any. */
  one_of: Array<Plain>,
  /** It must be none of these. */
  none_of: Array<Plain>,
};

/** A value that a condition compares with. */
export type Plain = string | boolean | number | null;

/** An [`Error`] as plain data. */
export type Problem = {
  /** Stable code, see [`Error::code`]. */
  code: string,
  /** What is wrong and where. */
  message: string,
  /** What to do. */
  hint: string,
  /** Row of the data file, counted from 1 with the header. */
  row?: number,
  /** Column of the data file. */
  column?: string,
};

/** What can be said about the GPU before anything is loaded. */
export type DeviceReport = {
  /** Whether there is an adapter at all. */
  gpu: boolean,
  /** Its name, or an empty text. */
  name: string,
  /** Whether it is computed by the CPU. */
  software: boolean,
  /** Bytes of the largest buffer that a kernel can be given; 0 without an adapter. */
  largest_buffer: number,
  /** What automatic choice will do, and why. */
  reason: string,
};

/** A data file as it was read, with the columns that were guessed or chosen. */
export type TableView = {
  /** Names of the columns. */
  columns: Array<string>,
  /** Rows, without the header. */
  rows: number,
  /** Whether the file names the columns. */
  has_header: boolean,
  /** Row of the file with the names; none where there is none. */
  header_row: number | null,
  /** The first rows of the file as they stand, before a header was looked for: the rows that can be it. Of a long cell the
  * beginning. Empty where the format names every value. */
  head: Array<FileLine>,
  /** Names of the sheets of a workbook; empty for other files. */
  sheets: Array<string>,
  /** The sheet that was read. */
  sheet: string | null,
  /** What kind of file it is. */
  format: Format,
  /** How its letters were written. */
  encoding: string,
  /** What stands between two cells. */
  separator: string,
  /** The first rows, at most 20, cell by cell; of a long cell the beginning. */
  preview: Array<Array<string>>,
  /** Index of the column of the texts. */
  text_column: number,
  /** Index of the column of the labels. */
  label_column: number,
  /** Columns that could be the texts, the chosen one first; only it where no other comes close, or where it was named. */
  text_candidates: Array<number>,
  /** Columns that could be the labels, the chosen one first; only it where no other comes close, or where it was named. */
  label_candidates: Array<number>,
  /** Classes; the report has the first 2,000 of more. */
  class_count: number,
  /** What was found in its rows. */
  report: DataReport,
};

/** A row of a file as it stands. */
export type FileLine = {
  /** Its row number, as [`Table::row_numbers`] counts and [`DataConfig::header_row`] names it. */
  row: number,
  /** Its cells. */
  cells: Array<string>,
};

/** A kind of table file. */
export type Format = "text" | "jsonl" | "json" | "xlsx";

/** What became of the rows of a file. Every row is counted once:
* `rows = usable + empty + unlabelled + ragged + duplicates + contradictory + leaked + set_aside`. */
export type DataReport = {
  /** Rows of the file, without the header. */
  rows: number,
  /** Rows that are used, for training or held out. */
  usable: number,
  /** Rows without a text: not used. */
  empty: number,
  /** Rows with a text but no label: not used. */
  unlabelled: number,
  /** Rows with more cells than columns: not used, because nobody can tell which cell is which. */
  ragged: number,
  /** Rows that repeat the text and the label of an earlier one: not used, the earlier one is. Texts are the same if they
  * differ only in case, white space, invisible characters and Unicode form. */
  duplicates: number,
  /** Rows whose text occurs with different labels: none of them is used, because at most one can be right. */
  contradictory: number,
  /** Training rows whose text is held out by a second file or by a split column: not used. Always 0 without these. */
  leaked: number,
  /** Rows of a part that the split column neither trains on nor holds out, such as the dev part beside a test part: not used. */
  set_aside: number,
  /** Usable rows of each class, in the order of the labels. */
  classes: Array<ClassCount>,
  /** Labels that look the same: merged to one class, or not. */
  similar_labels: Array<LabelGroup>,
  /** How long the usable texts are. */
  lengths: Lengths,
  /** What the user should know, a sentence each. */
  notes: Array<string>,
  /** What the user should do before training, a sentence each. */
  advice: Array<string>,
};

/** A class and how many usable rows it has. */
export type ClassCount = {
  /** The label as it stands in the file; of labels that are merged, one of them. */
  name: string,
  /** Usable rows. */
  count: number,
};

/** Labels that look the same. */
export type LabelGroup = {
  /** The class that they are, or would be merged into. */
  name: string,
  /** The labels as they stand in the file, with their rows that have a text. */
  labels: Array<ClassCount>,
  /** Whether they are one class. Those that are not would be with `data.merge_labels`. */
  merged: boolean,
};

/** How long the usable texts are, in characters. */
export type Lengths = {
  /** The shortest text. */
  shortest: number,
  /** The text in the middle; of two the longer one. */
  median: number,
  /** The longest text. */
  longest: number,
};

/** A file of a [`Joined`] table. */
export type Part = {
  /** Name of the file. */
  name: string,
  /** Rows, without a header. */
  rows: number,
  /** Row number of its first row in the joined table. */
  first_row: number,
  /** What the reader should know about the file. */
  notes: Array<string>,
};

/** A change of the label of a row. */
export type Edit = {
  /** Row as [`Table::row_numbers`] has it, and with it every report. */
  row: number,
  /** Its new label; none takes the row out. */
  label: string | null,
};

/** What was counted so far. */
export type TokenCount = {
  /** Texts that are counted. */
  done: number,
  /** Texts in all. */
  texts: number,
  /** Tokens of those that are counted, with `[CLS]` and `[SEP]`, before any is cut. */
  tokens: number,
  /** Longest text in tokens that is taken whole. */
  limit: number,
  /** Texts that are longer and lose their end. */
  long: number,
  /** Tokens that they lose together. */
  cut: number,
  /** Tokens that stand for a word which the encoder's vocabulary lacks (`[UNK]`), of those that it takes in. */
  unknown: number,
  /** Texts without any token besides `[CLS]` and `[SEP]`. */
  empty: number,
  /** What the user should know about these, once all texts are counted. */
  notes: Array<string>,
};

/** The files of an encoder, as paths below the folder that was given. */
export type FolderChoice = {
  /** The folder that they lie in: empty for the one that was given. */
  folder: string,
  /** `config.json`. */
  config: string,
  /** `tokenizer.json`, or the `vocab.txt` that one is to be made of. */
  tokenizer: string,
  /** `tokenizer_config.json`, where it is there. */
  tokenizer_config: string | null,
  /** `added_tokens.json`, where it is there and belongs to a `vocab.txt`. */
  added_tokens: string | null,
  /** The weights, or their shards in order. */
  weights: Array<string>,
};

/** What the model makes of a text. */
export type Prediction = {
  /** The most likely class. */
  label: string,
  /** All classes, the most likely first. */
  probabilities: Array<LabelProbability>,
};

/** A class and how likely it is. */
export type LabelProbability = {
  /** Class name. */
  label: string,
  /** Probability, 0 to 1. */
  probability: number,
};

/** What is known before anything is classified. */
export type FileView = {
  /** Names of the columns. */
  columns: Array<string>,
  /** Rows, without the header. */
  rows: number,
  /** The column that is classified, counted from 0. */
  text_column: number,
  /** The column with the right labels, where there is one. */
  label_column: number | null,
  /** The first rows, cell by cell. */
  preview: Array<Array<string>>,
  /** What the reader should know about the file. */
  notes: Array<string>,
};

/** How far it is, and what came of it. */
export type FileProgress = {
  /** Rows that are done. */
  done: number,
  /** Rows of the file. */
  rows: number,
  /** Rows without a text, which get no label. */
  empty: number,
  /** Rows with a text whose right label the file has. */
  judged: number,
  /** Of these, the rows whose label was found. */
  right: number,
  /** Of these, the rows whose right label is none of the classes. */
  unknown: number,
  /** Rows of each class, in the order of the classes. */
  counts: Array<[string, number]>,
};

/** Both ends of an interval. */
export type Interval = {
  /** Lower end. */
  low: number,
  /** Upper end. */
  high: number,
};

/** The answers whose confidence is in a range. */
export type Bin = {
  /** Lower end. */
  low: number,
  /** Upper end. */
  high: number,
  /** Answers in it. */
  count: number,
  /** Their mean confidence; 0 for none. */
  confidence: number,
  /** Share of them that is right; 0 for none. */
  accuracy: number,
};

/** One thing that happened in a run. */
export type RunEvent = { "event": "started",
  /** Examples that are trained on. */
  train_rows: number,
  /** Examples that are only evaluated on. */
  held_out_rows: number,
  /** Class names, in the order of the logits. */
  classes: Array<string>,
  /** Optimizer steps of the whole run. */
  steps: number,
  /** Where the encoder runs. */
  device: string,
  /** Why there. */
  device_reason: string,
  /** Held-out accuracy of always answering the most frequent training class. */
  majority_accuracy: number,
  /** Trained numbers in the prompt. */
  prompt_parameters: number,
  /** Trained numbers in the head. */
  head_parameters: number,
  /** Texts longer than the limit, which were cut. */
  truncated_texts: number,
} | { "event": "preparing",
  /** Texts and steps so far. */
  done: number,
  /** Of all. */
  total: number,
} | { "event": "probe",
  /** Held-out accuracy. */
  accuracy: number,
  /** Held-out macro-F1. */
  macro_f1: number,
} | { "event": "step",
  /** Counted from 1. */
  step: number,
  /** Of the whole run. */
  steps: number,
  /** Mean cross-entropy of the batch before the update. */
  loss: number,
  /** Learning rate of the prompt in this step. */
  learning_rate: number,
  /** Rows through the encoder a second (prompt rows count), over the last group. */
  tokens_per_second: number,
  /** Since the run started. */
  seconds: number,
  /** Until the last step, at the pace so far. */
  seconds_left: number,
  /** Bytes that the training takes where the encoder computes: its weights, the activations of a step, cached hidden states. */
  memory_bytes: number,
} | { "event": "eval",
  /** After this many steps. */
  step: number,
  /** Mean held-out cross-entropy. */
  loss: number,
  /** Held-out accuracy. */
  accuracy: number,
  /** Held-out macro-F1. */
  macro_f1: number,
  /** Of an ensemble: the mean accuracy of its members, each alone. */
  members_accuracy?: number,
  /** The lowest held-out loss so far: these parameters are kept. */
  best: boolean,
} | { "event": "stage",
  /** Counted from 1. */
  stage: number,
  /** Of all. */
  stages: number,
  /** Layers of the encoder now. */
  layers: number,
  /** Feed-forward neurons of each layer now. */
  neurons: number,
  /** Steps until the next stage or the end. */
  steps: number,
} | { "event": "pruned",
  /** Rows that are left. */
  rows: number,
  /** Pieces of rows that are left. */
  pieces: number,
  /** Of all. */
  of: number,
} | { "event": "trying",
  /** Which now, by its name in the settings. */
  method: string,
  /** Steps of all trials so far. */
  done: number,
  /** Steps of all trials. */
  total: number,
} | { "event": "trial",
  /** Which, by its name in the settings. */
  method: string,
  /** Its lowest held-out loss. */
  loss: number,
  /** Held-out accuracy there. */
  accuracy: number,
  /** Time that it took. */
  seconds: number,
} | { "event": "chosen",
  /** Which, by its name in the settings. */
  method: string,
  /** Why, in a sentence that says what the trials took. */
  reason: string,
  /** Time that all trials took together. */
  seconds: number,
} | { "event": "warning",
  /** What, and what to do. */
  message: string,
} | { "event": "measuring",
  /** Texts so far. */
  done: number,
  /** Of all. */
  total: number,
} | { "event": "done",
  /** Held-out accuracy. */
  accuracy: number,
  /** Held-out macro-F1. */
  macro_f1: number,
  /** Held-out accuracy of the linear probe. */
  probe_accuracy: number,
  /** Held-out accuracy of the majority class. */
  majority_accuracy: number,
  /** Optimizer steps done. */
  steps: number,
  /** Since the run started. */
  seconds: number,
  /** Where the encoder ran. */
  device: string,
  /** Stopped before its last step, by the user or for lack of progress. */
  stopped_early: boolean,
  /** Figures by class, in the order of the logits. */
  per_class: Array<ClassMetrics>,
  /** Held-out examples by true class (rows) and predicted class (columns). */
  confusion: Array<Array<number>>,
};

/** Figures of one class; each is 0 where it would be 0 / 0. */
export type ClassMetrics = {
  /** Its name. */
  label: string,
  /** Of the rows predicted as this class, the share that is. */
  precision: number,
  /** Of the rows of this class, the share that was found. */
  recall: number,
  /** Harmonic mean of precision and recall. */
  f1: number,
  /** Rows of this class. */
  support: number,
};

/** One thing that happened in a comparison. */
export type CompareEvent = { "event": "planned",
  /** All cells; the others are told by their index in it. */
  cells: Array<Cell>,
} | { "event": "cell_started",
  /** Which. */
  cell: number,
  /** Its variant. */
  name: string,
  /** Its seed. */
  seed: number,
} | { "event": "run",
  /** Which cell. */
  cell: number,
  /** What. */
  run: RunEvent,
} | { "event": "cell_done",
  /** Which. */
  cell: number,
  /** What it came to. */
  result: CellResult,
  /** The table with it. */
  rows: Array<Row>,
} | { "event": "cell_failed",
  /** Which. */
  cell: number,
  /** Why, and what to do. */
  error: string,
} | { "event": "done",
  /** The table. */
  rows: Array<Row>,
};

/** A variant under a seed. */
export type Cell = {
  /** The variant as it was written. */
  name: string,
  /** The seed of its split, its order and its first values. */
  seed: number,
};

/** What a run came to. */
export type CellResult = {
  /** The variant as it was written. */
  name: string,
  /** Its seed. */
  seed: number,
  /** Held-out accuracy of the best parameters. */
  accuracy: number,
  /** Held-out macro-F1. */
  macro_f1: number,
  /** Of an ensemble: mean held-out accuracy of its members, each alone. */
  members_accuracy?: number,
  /** Lowest held-out loss; none where nothing was trained. */
  loss: number | null,
  /** The same figures on further files. */
  tests: Array<TestResult>,
  /** Held-out evaluations on the way. */
  curve: Array<Point>,
  /** Trained numbers beside the head. */
  prompt_parameters: number,
  /** Trained numbers of the head. */
  head_parameters: number,
  /** Training time, evaluations left out. */
  training_seconds: number,
  /** Time of the whole run. */
  seconds: number,
  /** Floating-point operations of the training, in the encoder. */
  flops: number,
  /** Those of the evaluations. */
  evaluation_flops: number,
  /** Most memory that the encoder took, where it computes. */
  peak_bytes: number,
  /** Bytes of the adapter's tensors. */
  adapter_bytes: number,
  /** Steps of a whole round of its schedule; 0 where nothing was trained. */
  planned_steps: number,
  /** Steps done. */
  steps: number,
  /** Steps of the best parameters. */
  best_step: number,
  /** Method that was trained, where the variant chooses one. */
  chosen: string | null,
  /** Where the encoder ran. */
  device: string,
};

/** Figures on a further file. */
export type TestResult = {
  /** The file's name. */
  name: string,
  /** Share of its rows that are right. */
  accuracy: number,
  /** Mean of the classes' F1. */
  macro_f1: number,
};

/** A held-out evaluation on the way. */
export type Point = {
  /** Training time so far, evaluations left out. */
  seconds: number,
  /** Steps so far. */
  step: number,
  /** Held-out accuracy. */
  accuracy: number,
  /** Held-out loss. */
  loss: number,
};

/** A variant over its seeds. */
export type Row = {
  /** The variant as it was written. */
  name: string,
  /** Seeds that are done. */
  seeds: number,
  /** Held-out accuracy. */
  accuracy: Spread,
  /** Held-out macro-F1. */
  macro_f1: Spread,
  /** Lowest held-out loss; none where nothing was trained. */
  loss: Spread | null,
  /** Further files. */
  tests: Array<TestRow>,
  /** Accuracy against the first variant; none for itself. */
  difference: Difference | null,
  /** Trained numbers beside the head: the most of any seed. */
  prompt_parameters: number,
  /** Trained numbers of the head. */
  head_parameters: number,
  /** Training time in seconds, evaluations left out. */
  training_seconds: Spread,
  /** Time of the whole run in seconds. */
  seconds: Spread,
  /** Mean floating-point operations of the training, in the encoder. */
  flops: number,
  /** Most memory of any seed. */
  peak_bytes: number,
  /** Largest adapter of any seed. */
  adapter_bytes: number,
  /** Mean steps. */
  steps: number,
};

/** Figures on a further file over seeds. */
export type TestRow = {
  /** The file's name. */
  name: string,
  /** Accuracy. */
  accuracy: Spread,
  /** Macro-F1. */
  macro_f1: Spread,
};

/** Mean and standard deviation over seeds (n - 1 in its denominator, 0 for a single seed). */
export type Spread = {
  /** Mean. */
  mean: number,
  /** Standard deviation. */
  deviation: number,
};

/** Mean difference to the first variant over the seeds that both have. */
export type Difference = {
  /** Mean of the differences in held-out accuracy. */
  mean: number,
  /** Standard error of that mean; none for a single seed. */
  error: number | null,
  /** Seeds. */
  seeds: number,
};
