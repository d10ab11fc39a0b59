// Written by `cargo xtask types` from the crate's types: change those.

/** Everything that a run depends on, except the data and the encoder. */
export type RunConfig = {
  /** Where texts and labels are, and how they are split. */
  data: DataConfig,
  /** The prompt. */
  prompt: PromptConfig,
  /** From the pooled hidden state to the logits. */
  head: HeadConfig,
  /** The optimizer and its number of steps. */
  optim: OptimConfig,
  /** Held-out evaluation. */
  eval: EvalConfig,
  /** The seed of all random draws (at most 2^53 - 1, which JavaScript represents exactly). */
  seed: number,
  /** The compute device. */
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
  /** Row of the file with the column names, counted from 1; 0 if no row has them; detected if absent. */
  header_row: number | null,
  /** Name of the sheet of a workbook; the first with content if absent. */
  sheet: string | null,
  /** Labels that look the same (`Spam` and `spam`, `card_lost` and `card lost`) are one class. */
  merge_labels: boolean,
  /** Name of the column that says which rows are held out, or its number counted from 1; detected if absent, not used if it is
  * empty or `none`. */
  split_column: string | null,
  /** Share of the rows that is held out, stratified by class; not used with a held-out file or a split column. */
  held_out_fraction: number,
  /** Maximum length of a text in tokens, including `[CLS]` and `[SEP]`; longer texts are truncated and counted. */
  max_tokens: number,
};

/** The prompt. */
export type PromptConfig = {
  /** The method. */
  method: Method,
  /** Prompt length: virtual tokens P. */
  length: number,
  /** Initialisation of the rows. */
  init: PromptInit,
  /** Settings of [`Method::Late`]. */
  late: LateConfig,
  /** Settings of [`Method::Progressive`]. */
  progressive: ProgressiveConfig,
  /** Settings of [`Method::Efficient`]. */
  efficient: EfficientConfig,
  /** Settings of [`Method::Ensemble`]. */
  ensemble: EnsembleConfig,
  /** Pruning after training, then another round of training; none if absent. */
  prune: PruneConfig | null,
  /** Settings of [`Method::Auto`]. */
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
  /** The vector that [`Generator::Naive`] reads. */
  reads: Reads,
  /** Bottleneck size c of the generator. */
  bottleneck: number,
  /** Learning rate of the generator; free rows use `optim.prompt_lr`. */
  generator_lr: number,
  /** Size of the hidden-state cache in MiB, in the memory of the compute device; 0 turns it off. */
  cache_mb: number,
};

/** Generator of the prompt of [`Method::Late`] (Liu et al. 2022, late prompt tuning, section 3). */
export type Generator = "none" | "naive" | "average" | "max";

/** The vector that [`Generator::Naive`] reads. The authors' code reads `[CLS]`; sentence encoders are trained for the mean. */
export type Reads = "first" | "mean";

/** Settings of [`Method::Progressive`]: the stages before the full encoder, which has the remaining steps. */
export type ProgressiveConfig = {
  /** The method that is trained progressively; its prompt must enter below the lowest layer. */
  base: Method,
  /** How the encoder is reduced. */
  shrink: Shrink,
  /** Stages in order. */
  stages: Array<StageConfig>,
  /** What happens to the head. */
  head: HeadTransition,
  /** Steps of [`HeadTransition::Refit`], taken from those of the stage. */
  refit_steps: number,
  /** Maximum number of training texts for scoring neurons. */
  score_texts: number,
};

/** How the encoder is reduced in the stages of [`Method::Progressive`]. */
export type Shrink = "depth" | "width" | "compound";

/** One stage on a partial encoder. */
export type StageConfig = {
  /** Share of the steps. */
  share: number,
  /** Share of the layers, of the neurons, or of both in the partial encoder. */
  size: number,
};

/** What happens to the head when the encoder grows. A head fitted to a partial encoder does not fit a larger one. */
export type HeadTransition = "carry" | "refit" | "reset";

/** Settings of [`Method::Efficient`]; with `fusion` off and 0 `spaces`, it is DePT (Shi and Lipani 2024). */
export type EfficientConfig = {
  /** Rank r of the update `A B` of the text embeddings. */
  rank: number,
  /** The update is multiplied by this over the square root of r. */
  scale: number,
  /** Learning rate of A and B. */
  low_rank_lr: number,
  /** Whether the text embeddings are updated at all. */
  update: boolean,
  /** Prompt fusion: whether the prompt attends to the low-rank update. */
  fusion: boolean,
  /** Attention size a of the prompt fusion. */
  attention: number,
  /** Number of projection spaces S; 0 turns them off. */
  spaces: number,
  /** Dimension b of a projection space. */
  space_width: number,
  /** Whether a trained gate weights the spaces; without it, the weights are equal. */
  gate: boolean,
  /** Learning rate of fusion, projection spaces and gate. */
  module_lr: number,
};

/** Settings of [`Method::Ensemble`]. */
export type EnsembleConfig = {
  /** Number of prompts N, each with its own head. */
  members: number,
  /** How they vote. */
  vote: Vote,
};

/** How an ensemble votes. */
export type Vote = "mean" | "majority";

/** Pruning of a trained prompt, then training the remaining prompt from its current state (Ma et al. 2022, XPrompt). */
export type PruneConfig = {
  /** Share of the prompt rows that is pruned, the least important first. */
  tokens: number,
  /** Pieces k that a row is split into. */
  pieces: number,
  /** Share of the remaining pieces that is pruned. */
  piece_share: number,
};

/** Settings of [`Method::Auto`]: trials of the candidate methods, then a run of the best. */
export type AutoConfig = {
  /** Candidate methods. */
  candidates: Array<Method>,
  /** Trial budget of all trials in total, as a share of the steps of a run. */
  share: number,
  /** Maximum number of training rows in a trial. */
  rows: number,
};

/** From the pooled hidden state to the logits. */
export type HeadConfig = {
  /** Pooling. */
  kind: HeadKind,
  /** The pooled features are multiplied by this before the linear layer (not with [`HeadKind::Peft`]). The hidden states of a
  * small encoder are short vectors; a larger scale lets the head learn as fast as the prompt. */
  feature_scale: number,
};

/** Pooling: what the head reads. */
export type HeadKind = "mean" | "text" | "cls" | "peft";

/** AdamW (Loshchilov and Hutter 2019) with two learning rates, and the number of steps. */
export type OptimConfig = {
  /** Learning rate of the prompt. */
  prompt_lr: number,
  /** Learning rate of the head. */
  head_lr: number,
  /** Decoupled weight decay. */
  weight_decay: number,
  /** Batch size: examples per step. */
  batch_size: number,
  /** Optimizer steps; overrides `epochs`. */
  steps: number | null,
  /** Epochs: passes over the training set, used if `steps` is absent. */
  epochs: number,
  /** Warm-up: share of the steps in which the learning rates rise from zero. */
  warmup_fraction: number,
  /** Schedule after the warm-up. */
  schedule: Schedule,
  /** Gradient clipping: gradients with a larger global norm are scaled down to it. */
  clip_norm: number,
};

/** Learning-rate schedule after the warm-up. */
export type Schedule = "cosine" | "linear" | "constant";

/** Held-out evaluation and early stopping. The parameters with the lowest held-out loss are the result in any case. */
export type EvalConfig = {
  /** Evaluations in a run, evenly spaced, the last one at the end. */
  evaluations: number,
  /** Early stopping after this many evaluations without a lower held-out loss; never if absent. */
  patience: number | null,
};

/** The compute device. */
export type DeviceChoice = "auto" | "gpu" | "cpu";

/** Activation recomputation on the GPU: whether a training step saves all activations for its backward pass, or discards the
* largest and computes them again. This takes less than half of the memory and about 20% more time; the losses are the same. */
export type Recompute = "auto" | "on" | "off";

/** A group of related settings. */
export type SettingGroup = {
  /** The heading of the group. */
  title: string,
  /** In display order. */
  options: Array<Setting>,
};

/** A setting. */
export type Setting = {
  /** Its path in the config, such as `optim.batch_size`. */
  path: string,
  /** The name that is displayed. */
  label: string,
  /** Its other names: in the Hugging Face Trainer, PEFT, SetFit, PyTorch and scikit-learn, and further search terms. */
  also: Array<string>,
  /** What it does, in a sentence or two. */
  help: string,
  /** The unit of a number; for a share, what it is a percentage of. */
  unit: string | null,
  /** What is used if the setting is left out; `None` if it is required. */
  absent: string | null,
  /** Its type and limits. */
  kind: SettingKind,
  /** Where the setting applies: if all conditions of at least one list hold. Without a list, it always applies. */
  when: Array<Array<Condition>>,
};

/** The type of a setting, and its limits. */
export type SettingKind = { "type": "integer",
  /** Its limits. */
  limits: Limits,
} | { "type": "decimal",
  /** Its limits. */
  limits: Limits,
} | { "type": "percent",
  /** Its limits, as in the config. */
  limits: Limits,
} | { "type": "choice",
  /** The choices. */
  choices: Array<Choice>,
} | { "type": "choice_or_text",
  /** The choices; the one for a text is `text`. */
  choices: Array<Choice>,
} | { "type": "list",
  /** The choices. */
  choices: Array<Choice>,
} | { "type": "switch" } | { "type": "part" } | { "type": "column" } | { "type": "sheet" } | { "type": "stages",
  /** Limits of each stage's share of the steps. */
  share: Limits,
  /** Limits of each stage's share of the encoder. */
  size: Limits,
};

/** Limits of a number. An absent limit does not apply. */
export type Limits = {
  /** The smallest allowed value. */
  minimum: number | null,
  /** The value must be larger than this. */
  above: number | null,
  /** The largest allowed value. */
  maximum: number | null,
  /** The value must be smaller than this. */
  below: number | null,
};

/** One of the values of a setting. */
export type Choice = {
  /** The value in the config. */
  value: string,
  /** The name that is displayed. */
  label: string,
  /** What it does, if the label does not say it. */
  help: string,
  /** The paper it comes from, if there is one. */
  source: string,
};

/** A condition on a config: the value at a path is one of some values, or none of some values. */
export type Condition = {
  /** The path. */
  path: string,
  /** The value must be one of these, if there are any. */
  one_of: Array<Plain>,
  /** The value must be none of these. */
  none_of: Array<Plain>,
};

/** A value in a condition. */
export type Plain = string | boolean | number | null;

/** An [`Error`] as plain data. */
export type Problem = {
  /** Stable code, see [`Error::code`]. */
  code: string,
  /** What is wrong and where. */
  message: string,
  /** What to do. */
  hint: string,
  /** Row of the data file, counted from 1 including the header. */
  row?: number,
  /** Column of the data file. */
  column?: string,
};

/** A description of the GPU, before anything is loaded. */
export type DeviceReport = {
  /** Whether there is a GPU adapter. */
  gpu: boolean,
  /** Its name, or an empty string. */
  name: string,
  /** Whether it is a software GPU. */
  software: boolean,
  /** Size of the largest buffer for a kernel in bytes; 0 without a GPU adapter. */
  largest_buffer: number,
  /** What the automatic choice will do, and why. */
  reason: string,
};

/** A data file with its guessed or chosen columns. */
export type TableView = {
  /** Names of the columns. */
  columns: Array<string>,
  /** Rows, without the header. */
  rows: number,
  /** Whether the file has a header. */
  has_header: boolean,
  /** Row of the file with the column names; `None` if there is none. */
  header_row: number | null,
  /** The first rows of the file as they are, before header detection: the candidates for the header. Long cells are truncated.
  * Empty if the format names every value. */
  head: Array<FileLine>,
  /** Names of the sheets of a workbook; empty for other files. */
  sheets: Array<string>,
  /** The sheet that was read. */
  sheet: string | null,
  /** The format of the file. */
  format: Format,
  /** The encoding of the file. */
  encoding: string,
  /** The separator between cells. */
  separator: string,
  /** The first rows, at most 20, cell by cell. Long cells are truncated. */
  preview: Array<Array<string>>,
  /** Index of the text column. */
  text_column: number,
  /** Index of the label column. */
  label_column: number,
  /** Columns that could contain the texts, the chosen one first. Only the chosen one if no other comes close or if it was
  * named. */
  text_candidates: Array<number>,
  /** Columns that could contain the labels, the chosen one first. Only the chosen one if no other comes close or if it was
  * named. */
  label_candidates: Array<number>,
  /** Number of classes. The report lists at most the first 2,000. */
  class_count: number,
  /** The split column in use; `None` for a random split. */
  split: GivenSplit | null,
  /** Why the split column in the settings cannot be used. */
  split_problem: string | null,
  /** Of the report's notes, the one on the labels that [`DataConfig::merge_labels`] merges, or would merge. */
  merge_note: string | null,
  /** What was found in the rows. */
  report: DataReport,
};

/** A row of the file as it is. */
export type FileLine = {
  /** Its row number, as in [`Table::row_numbers`] and [`DataConfig::header_row`]. */
  row: number,
  /** Its cells. */
  cells: Array<string>,
};

/** A format of table files. */
export type Format = "text" | "jsonl" | "json" | "xlsx";

/** How the rows of a file are used. Every row is counted once: `rows = usable + empty + unlabelled + ragged + duplicates +
* contradictory + leaked + set_aside`. */
export type DataReport = {
  /** Rows of the file, without the header. */
  rows: number,
  /** Rows that are used, in the training set or the held-out set. */
  usable: number,
  /** Rows without a text: not used. */
  empty: number,
  /** Rows with a text but no label: not used. */
  unlabelled: number,
  /** Rows with more cells than columns: not used, because it is unclear which cell belongs to which column. */
  ragged: number,
  /** Rows with the text and the label of an earlier row: not used, only the earlier row is. Texts are equal if they differ only
  * in case, white space, invisible characters and Unicode form. */
  duplicates: number,
  /** Rows whose text occurs with different labels: none of them is used, because at most one label can be right. */
  contradictory: number,
  /** Training rows whose text is also held out by a held-out file or a split column: not used. Always 0 without these. */
  leaked: number,
  /** Rows that the split column assigns to neither the training set nor the held-out set, such as dev rows beside test rows:
  * not used. */
  set_aside: number,
  /** Usable rows of each class, in the order of the labels. */
  classes: Array<ClassCount>,
  /** Labels that look the same, whether merged or not. */
  similar_labels: Array<LabelGroup>,
  /** Lengths of the usable texts. */
  lengths: Lengths,
  /** What the user should know, one sentence each. */
  notes: Array<string>,
  /** What the user should do before training, one sentence each. */
  advice: Array<string>,
};

/** The split that a column of the file states, as it is used. */
export type GivenSplit = {
  /** Index of the column. */
  column: number,
  /** Its name. */
  name: string,
  /** Training rows, without those that are not used. */
  training: number,
  /** Held-out rows, without those that are not used. */
  held_out: number,
  /** Rows of parts that are not used, such as dev rows beside test rows. */
  set_aside: number,
  /** Rows without a value; they are training rows. */
  without_value: number,
  /** The values of the training rows, as in the file; at most 20, as of the other parts. */
  training_values: Array<string>,
  /** The values of the held-out rows. */
  held_out_values: Array<string>,
  /** The values of the rows that are set aside. */
  set_aside_values: Array<string>,
};

/** A class and its number of usable rows. */
export type ClassCount = {
  /** The label as in the file; for merged labels, one of them. */
  name: string,
  /** Usable rows. */
  count: number,
};

/** Labels that look the same. */
export type LabelGroup = {
  /** The class that they are, or would be, merged into. */
  name: string,
  /** The labels as in the file, with their number of rows that have a text. */
  labels: Array<ClassCount>,
  /** Whether they are merged. If not, `data.merge_labels` merges them. */
  merged: boolean,
};

/** How long the usable texts are, in characters. */
export type Lengths = {
  /** The shortest text. */
  shortest: number,
  /** The median; of two middle texts, the longer one. */
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
  /** Notes on the file. */
  notes: Array<string>,
};

/** A change to a row's label. */
export type Edit = {
  /** Row number, as in [`Table::row_numbers`] and in every report. */
  row: number,
  /** The new label; `None` removes the row. */
  label: string | null,
};

/** The counts so far. */
export type TokenCount = {
  /** Texts that have been counted. */
  done: number,
  /** Number of all texts. */
  texts: number,
  /** Tokens of the counted texts, including `[CLS]` and `[SEP]`, before truncation. */
  tokens: number,
  /** Maximum number of tokens of a text. */
  limit: number,
  /** Texts that are longer and are truncated. */
  long: number,
  /** Tokens that are lost by truncation, in total. */
  cut: number,
  /** Unknown tokens (`[UNK]`) after truncation: words that the vocabulary lacks. */
  unknown: number,
  /** Texts without any token besides `[CLS]` and `[SEP]`. */
  empty: number,
  /** Notes for the user, once all texts are counted. */
  notes: Array<string>,
};

/** The files of an encoder, as paths below the given folder. */
export type FolderChoice = {
  /** The folder that contains them; empty for the given folder. */
  folder: string,
  /** `config.json`. */
  config: string,
  /** `tokenizer.json`, or the `vocab.txt` that is converted to one. */
  tokenizer: string,
  /** `tokenizer_config.json`, if it exists. */
  tokenizer_config: string | null,
  /** `added_tokens.json`, if it exists and belongs to a `vocab.txt`. */
  added_tokens: string | null,
  /** The weights, or their shards in order. */
  weights: Array<string>,
};

/** The prediction for a text. */
export type Prediction = {
  /** The most likely class. */
  label: string,
  /** All classes, the most likely first. */
  probabilities: Array<LabelProbability>,
};

/** A class and its probability. */
export type LabelProbability = {
  /** Class name. */
  label: string,
  /** Probability, 0 to 1. */
  probability: number,
};

/** What is known before classification. */
export type FileView = {
  /** Names of the columns. */
  columns: Array<string>,
  /** Whether the file has a header. */
  has_header: boolean,
  /** Row of the file with the column names; `None` if there is none. */
  header_row: number | null,
  /** The first rows of the file as they are, before header detection: the candidates for the header. Long cells are truncated.
  * Empty if the file has no header row to choose. */
  head: Array<FileLine>,
  /** Names of the sheets of a workbook; empty for other files. */
  sheets: Array<string>,
  /** The sheet that was read. */
  sheet: string | null,
  /** Rows, without the header. */
  rows: number,
  /** The column that is classified, counted from 0. */
  text_column: number,
  /** The label column, if there is one. */
  label_column: number | null,
  /** The first rows, cell by cell. */
  preview: Array<Array<string>>,
  /** Notes on the file. */
  notes: Array<string>,
};

/** Progress and results so far. */
export type FileProgress = {
  /** Rows that are classified. */
  done: number,
  /** Rows of the file. */
  rows: number,
  /** Rows without a text, which get no label. */
  empty: number,
  /** Rows with a text and a known label. */
  judged: number,
  /** Of these, rows whose prediction is correct. */
  right: number,
  /** Of these, rows whose label is not one of the classes. */
  unknown: number,
  /** Number of rows predicted for each class, in the order of the classes. */
  counts: Array<[string, number]>,
};

/** Both ends of an interval. */
export type Interval = {
  /** Lower end. */
  low: number,
  /** Upper end. */
  high: number,
};

/** The predictions with a confidence in some range. */
export type Bin = {
  /** Lower end. */
  low: number,
  /** Upper end. */
  high: number,
  /** Number of predictions in it. */
  count: number,
  /** Their mean confidence; 0 if there are none. */
  confidence: number,
  /** Their accuracy; 0 if there are none. */
  accuracy: number,
};

/** An event of a run. */
export type RunEvent = { "event": "started",
  /** Number of training rows. */
  train_rows: number,
  /** Number of held-out rows. */
  held_out_rows: number,
  /** Class names, in the order of the logits. */
  classes: Array<string>,
  /** Optimizer steps of the whole run. */
  steps: number,
  /** The device. */
  device: string,
  /** Why this device. */
  device_reason: string,
  /** Held-out accuracy of the majority class. */
  majority_accuracy: number,
  /** Trainable parameters of the prompt. */
  prompt_parameters: number,
  /** Trainable parameters of the head. */
  head_parameters: number,
  /** Texts longer than the limit, which are truncated. */
  truncated_texts: number,
} | { "event": "preparing",
  /** Texts and steps so far. */
  done: number,
  /** Number of all texts and steps. */
  total: number,
} | { "event": "probe",
  /** Held-out accuracy. */
  accuracy: number,
  /** Held-out macro-F1. */
  macro_f1: number,
} | { "event": "step",
  /** Counted from 1. */
  step: number,
  /** Steps of the whole run. */
  steps: number,
  /** Mean cross-entropy of the batch before the update. */
  loss: number,
  /** Learning rate of the prompt in this step. */
  learning_rate: number,
  /** Throughput in packed rows per second (including prompt rows), over the last group. */
  tokens_per_second: number,
  /** Seconds since the start of the run. */
  seconds: number,
  /** Estimated seconds until the last step. */
  seconds_left: number,
  /** Memory of the training in bytes, where the encoder computes: weights, the activations of a step, cached hidden states. */
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
  /** For an ensemble: the mean accuracy of its members individually. */
  members_accuracy?: number,
  /** Whether this is the lowest held-out loss so far. */
  best: boolean,
} | { "event": "stage",
  /** Counted from 1. */
  stage: number,
  /** Number of stages. */
  stages: number,
  /** Layers of the encoder in this stage. */
  layers: number,
  /** Feed-forward neurons per layer in this stage. */
  neurons: number,
  /** Steps until the next stage or the end. */
  steps: number,
} | { "event": "pruned",
  /** Remaining rows. */
  rows: number,
  /** Remaining pieces of rows. */
  pieces: number,
  /** Number of all pieces. */
  of: number,
} | { "event": "trying",
  /** The method, by its name in the settings. */
  method: string,
  /** Steps of all trials so far. */
  done: number,
  /** Steps of all trials. */
  total: number,
} | { "event": "trial",
  /** The method, by its name in the settings. */
  method: string,
  /** Its lowest held-out loss. */
  loss: number,
  /** Accuracy at the lowest loss. */
  accuracy: number,
  /** Duration in seconds. */
  seconds: number,
} | { "event": "chosen",
  /** The method, by its name in the settings. */
  method: string,
  /** The reason in a sentence, including the cost of the trials. */
  reason: string,
  /** Duration of all trials in seconds. */
  seconds: number,
} | { "event": "warning",
  /** What it is, and what to do. */
  message: string,
} | { "event": "measuring",
  /** Texts so far. */
  done: number,
  /** Number of all texts. */
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
  /** Seconds since the start of the run. */
  seconds: number,
  /** The device. */
  device: string,
  /** Whether it ended before its last step. */
  stopped_early: boolean,
  /** Whether that was the user's decision, not early stopping. */
  stopped_by_user: boolean,
  /** Metrics of each class, in the order of the logits. */
  per_class: Array<ClassMetrics>,
  /** Confusion matrix of the held-out rows: labels (rows) by predicted classes (columns). */
  confusion: Array<Array<number>>,
};

/** Metrics of one class; each is 0 where it would be 0 / 0. */
export type ClassMetrics = {
  /** Its name. */
  label: string,
  /** Share of the rows predicted as this class that have its label. */
  precision: number,
  /** Share of the rows with this label that are predicted as this class. */
  recall: number,
  /** Harmonic mean of precision and recall. */
  f1: number,
  /** Number of rows with this label. */
  support: number,
};

/** An event of a comparison. */
export type CompareEvent = { "event": "planned",
  /** All cells; other events refer to them by index. */
  cells: Array<Cell>,
} | { "event": "cell_started",
  /** Index of the cell. */
  cell: number,
  /** Its variant. */
  name: string,
  /** Its seed. */
  seed: number,
} | { "event": "run",
  /** Index of the cell. */
  cell: number,
  /** The event. */
  run: RunEvent,
} | { "event": "cell_done",
  /** Index of the cell. */
  cell: number,
  /** Its result. */
  result: CellResult,
  /** The table including it. */
  rows: Array<Row>,
} | { "event": "cell_failed",
  /** Index of the cell. */
  cell: number,
  /** What is wrong, and what to do. */
  error: string,
} | { "event": "done",
  /** The table. */
  rows: Array<Row>,
};

/** A variant with a seed. */
export type Cell = {
  /** The variant as written by the user. */
  name: string,
  /** The seed of its split, order and initial values. */
  seed: number,
};

/** The result of a run. */
export type CellResult = {
  /** The variant as written by the user. */
  name: string,
  /** Its seed. */
  seed: number,
  /** Held-out accuracy of the best parameters. */
  accuracy: number,
  /** Held-out macro-F1. */
  macro_f1: number,
  /** For an ensemble: the mean held-out accuracy of its members individually. */
  members_accuracy?: number,
  /** Lowest held-out loss; `None` if nothing was trained. */
  loss: number | null,
  /** Metrics on the test files. */
  tests: Array<TestResult>,
  /** Held-out evaluations during the run. */
  curve: Array<Point>,
  /** Trainable parameters without the head. */
  prompt_parameters: number,
  /** Trainable parameters of the head. */
  head_parameters: number,
  /** Training time in seconds, without evaluations. */
  training_seconds: number,
  /** Time of the whole run in seconds. */
  seconds: number,
  /** FLOPs of the training, in the encoder. */
  flops: number,
  /** FLOPs of the evaluations. */
  evaluation_flops: number,
  /** Peak memory of the encoder, where it computes. */
  peak_bytes: number,
  /** Bytes of the adapter's tensors. */
  adapter_bytes: number,
  /** Steps of a whole round of its schedule; 0 if nothing was trained. */
  planned_steps: number,
  /** Steps done. */
  steps: number,
  /** The best step. */
  best_step: number,
  /** The trained method, if the variant selects one automatically. */
  chosen: string | null,
  /** The device. */
  device: string,
};

/** Metrics on a test file. */
export type TestResult = {
  /** The file's name. */
  name: string,
  /** Accuracy. */
  accuracy: number,
  /** Macro-F1. */
  macro_f1: number,
};

/** A held-out evaluation during the run. */
export type Point = {
  /** Training time so far, without evaluations. */
  seconds: number,
  /** Steps so far. */
  step: number,
  /** Held-out accuracy. */
  accuracy: number,
  /** Held-out loss. */
  loss: number,
};

/** A variant, over its seeds. */
export type Row = {
  /** The variant as written by the user. */
  name: string,
  /** Number of finished seeds. */
  seeds: number,
  /** Held-out accuracy. */
  accuracy: Spread,
  /** Held-out macro-F1. */
  macro_f1: Spread,
  /** Lowest held-out loss; `None` if nothing was trained. */
  loss: Spread | null,
  /** Metrics on the test files. */
  tests: Array<TestRow>,
  /** Difference in accuracy to the first variant; `None` for the first itself. */
  difference: Difference | null,
  /** Trainable parameters without the head: the maximum over seeds. */
  prompt_parameters: number,
  /** Trainable parameters of the head. */
  head_parameters: number,
  /** Training time in seconds, without evaluations. */
  training_seconds: Spread,
  /** Time of the whole run in seconds. */
  seconds: Spread,
  /** Mean FLOPs of the training, in the encoder. */
  flops: number,
  /** Peak memory: the maximum over seeds. */
  peak_bytes: number,
  /** Size of the adapter: the maximum over seeds. */
  adapter_bytes: number,
  /** Mean steps. */
  steps: number,
};

/** Metrics on a test file, over seeds. */
export type TestRow = {
  /** The file's name. */
  name: string,
  /** Accuracy. */
  accuracy: Spread,
  /** Macro-F1. */
  macro_f1: Spread,
};

/** Mean and standard deviation over seeds (with n - 1 in the denominator; 0 for a single seed). */
export type Spread = {
  /** Mean. */
  mean: number,
  /** Standard deviation. */
  deviation: number,
};

/** Paired difference to the first variant, over the seeds that both have. */
export type Difference = {
  /** Mean of the differences in held-out accuracy. */
  mean: number,
  /** Standard error of that mean; `None` for a single seed. */
  error: number | null,
  /** Number of seeds. */
  seeds: number,
};
