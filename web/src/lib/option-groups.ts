/**
 * The settings that the page offers, as a list; the method itself stands above them. Defaults and limits are the crate's: the page
 * asks for the first and lets the crate judge every value.
 */
import type { Method, RunConfig } from "../contract";
import { methodName, prunable } from "./methods";
import type { OptionGroup } from "./options";

/** The method whose settings count: that of the whole run, or the one that a growing encoder trains. */
const trained = ({ prompt }: RunConfig) => (prompt.method === "progressive" ? prompt.progressive.base : prompt.method);
const uses = (method: Method) => (config: RunConfig) => trained(config) === method;
const named = (...methods: Method[]) => methods.map((method) => ({ value: method, label: methodName(method) }));
const generated = ({ prompt }: Pick<RunConfig, "prompt">) => prompt.late.generator !== "none";

export const OPTION_GROUPS: OptionGroup[] = [
  {
    title: "Trials",
    shown: ({ prompt }) => prompt.method === "auto",
    options: [
      {
        path: "prompt.auto.candidates",
        label: "Methods to try",
        help: "The one with the lowest loss on held-out rows is taken.",
        kind: "methods",
        choices: named("probe", "prompt", "late", "progressive", "efficient", "deep", "ensemble"),
      },
      {
        path: "prompt.auto.share",
        label: "Trials together",
        help: "On top of the run that follows.",
        kind: "percent",
        unit: "% of its steps",
      },
      { path: "prompt.auto.rows", label: "Rows of a trial", help: "At most.", kind: "integer" },
    ],
  },
  {
    title: "Late prompt",
    shown: uses("late"),
    options: [
      {
        path: "prompt.late.layer",
        label: "Layers below the prompt",
        help: "Empty: half of them. More is faster, fewer lets the prompt do more.",
        kind: "optional",
      },
      {
        path: "prompt.late.generator",
        label: "Made from",
        help: "What the tokens are computed from.",
        kind: "choice",
        choices: [
          { value: "naive", label: "the start of the text" },
          { value: "average", label: "parts of the text, averaged" },
          { value: "max", label: "parts of the text, their largest values" },
          { value: "none", label: "nothing: the same for every text" },
        ],
      },
      {
        path: "prompt.late.bottleneck",
        label: "Width of the generator",
        help: "Wider learns more, and the adapter gets larger.",
        kind: "integer",
        shown: generated,
      },
      {
        path: "prompt.late.generator_lr",
        label: "Its learning rate",
        help: "Smaller if the loss jumps.",
        kind: "decimal",
        shown: generated,
      },
      {
        path: "prompt.late.cache_mb",
        label: "Memory for the lower half",
        help: "So that it is computed only once; 0: every time again.",
        kind: "integer",
        unit: "MiB",
      },
    ],
  },
  {
    title: "Growing encoder",
    shown: ({ prompt }) => prompt.method === "progressive",
    options: [
      {
        path: "prompt.progressive.base",
        label: "What is trained",
        help: "The method that learns while the encoder grows.",
        kind: "choice",
        choices: named("prompt", "efficient", "deep", "ensemble"),
      },
      {
        path: "prompt.progressive.shrink",
        label: "What is left out",
        help: "In the stages before the whole encoder.",
        kind: "choice",
        choices: [
          { value: "compound", label: "layers and neurons" },
          { value: "depth", label: "layers" },
          { value: "width", label: "neurons" },
        ],
      },
      {
        path: "prompt.progressive.stages",
        label: "Stages",
        help: "In order; the whole encoder has the steps that are left.",
        kind: "stages",
      },
      {
        path: "prompt.progressive.head",
        label: "Classifier, when it grows",
        help: "What was fitted to a smaller encoder is not right for the larger one.",
        kind: "choice",
        choices: [
          { value: "carry", label: "goes on" },
          { value: "refit", label: "is trained alone for some steps" },
          { value: "reset", label: "starts again" },
        ],
      },
      {
        path: "prompt.progressive.refit_steps",
        label: "Steps alone",
        help: "Of the stage's steps.",
        kind: "integer",
        shown: ({ prompt }) => prompt.progressive.head === "refit",
      },
      {
        path: "prompt.progressive.score_texts",
        label: "Texts to judge neurons by",
        help: "Those that say least are left out.",
        kind: "integer",
        shown: ({ prompt }) => prompt.progressive.shrink !== "depth",
      },
    ],
  },
  {
    title: "Short prompt",
    shown: uses("efficient"),
    options: [
      {
        path: "prompt.efficient.update",
        label: "Change the words",
        help: "Each position of the text gets a small learned change.",
        kind: "switch",
      },
      {
        path: "prompt.efficient.rank",
        label: "Rank of the change",
        help: "Higher can say more.",
        kind: "integer",
      },
      { path: "prompt.efficient.scale", label: "Its strength", help: "The change is multiplied by it.", kind: "decimal" },
      { path: "prompt.efficient.low_rank_lr", label: "Its learning rate", help: "Smaller if the loss jumps.", kind: "decimal" },
      {
        path: "prompt.efficient.fusion",
        label: "Tell the prompt of it",
        help: "The prompt sees the change of the words.",
        kind: "switch",
      },
      {
        path: "prompt.efficient.attention",
        label: "Width of that",
        help: "Of the attention between the two.",
        kind: "integer",
        shown: ({ prompt }) => prompt.efficient.fusion,
      },
      {
        path: "prompt.efficient.spaces",
        label: "Spaces",
        help: "So many views of the prompt, added up; 0: none.",
        kind: "integer",
      },
      {
        path: "prompt.efficient.space_width",
        label: "Width of a space",
        help: "Narrow ones are small.",
        kind: "integer",
        shown: ({ prompt }) => prompt.efficient.spaces > 0,
      },
      {
        path: "prompt.efficient.gate",
        label: "Weigh the spaces",
        help: "Off: each counts the same.",
        kind: "switch",
        shown: ({ prompt }) => prompt.efficient.spaces > 0,
      },
      {
        path: "prompt.efficient.module_lr",
        label: "Learning rate of these",
        help: "Of what is told and of the spaces.",
        kind: "decimal",
        shown: ({ prompt }) => prompt.efficient.fusion || prompt.efficient.spaces > 0,
      },
    ],
  },
  {
    title: "Several prompts",
    shown: uses("ensemble"),
    options: [
      { path: "prompt.ensemble.members", label: "Prompts", help: "Time and memory grow with them.", kind: "integer" },
      {
        path: "prompt.ensemble.vote",
        label: "They decide by",
        help: "How one answer is made of theirs.",
        kind: "choice",
        choices: [
          { value: "mean", label: "their mean" },
          { value: "majority", label: "a vote" },
        ],
      },
    ],
  },
  {
    title: "Prompt",
    shown: ({ prompt }) => prompt.method !== "probe",
    options: [
      {
        path: "prompt.length",
        label: "Prompt length",
        help: "Learned tokens that join every text. More can say more, and cost time.",
        kind: "integer",
        unit: "tokens",
      },
      {
        path: "prompt.init",
        label: "Starts from",
        help: "What the prompt is before it has learned anything.",
        kind: "choice",
        choices: [
          { value: "labels", label: "the class names" },
          { value: "vocabulary", label: "words of the vocabulary" },
          { value: "random", label: "random numbers" },
          { value: "text", label: "a text of yours" },
        ],
        shown: ({ prompt }) => prompt.method !== "late",
      },
      {
        path: "prompt.prune",
        label: "Prune afterwards",
        help: "What matters least of the trained prompt is left out, and the rest is trained again: a smaller adapter.",
        kind: "switch",
        shown: prunable,
      },
      ...(
        [
          { path: "tokens", label: "Tokens left out", kind: "percent", unit: "% of them", help: "Those that matter least." },
          { path: "pieces", label: "Pieces of a token", kind: "integer", help: "Into which each that is left is cut." },
          { path: "piece_share", label: "Pieces left out", kind: "percent", unit: "% of them", help: "Of those that are left." },
        ] as const
      ).map((option) => ({
        ...option,
        path: `prompt.prune.${option.path}`,
        shown: (config: RunConfig) => prunable(config) && config.prompt.prune != null,
      })),
    ],
  },
  {
    title: "Classifier",
    options: [
      {
        path: "head.kind",
        label: "Classifier reads",
        help: "The mean is best for small encoders; PEFT’s convention makes an adapter that Hugging Face PEFT loads.",
        kind: "choice",
        choices: [
          { value: "mean", label: "the mean of all tokens" },
          { value: "text", label: "the mean of the text" },
          { value: "cls", label: "the [CLS] token" },
          { value: "peft", label: "PEFT’s convention" },
        ],
      },
    ],
  },
  {
    title: "Budget",
    options: [
      { path: "optim.epochs", label: "Passes", help: "Over all rows; also called epochs.", kind: "integer" },
      { path: "optim.steps", label: "Steps", help: "Instead of passes, if given.", kind: "optional" },
      { path: "optim.batch_size", label: "Texts per step", help: "Also called batch size.", kind: "integer" },
      { path: "eval.evaluations", label: "Evaluations", help: "On the held-out rows, in a run.", kind: "integer" },
      {
        path: "eval.patience",
        label: "Stop early after",
        help: "So many evaluations without progress; empty: never.",
        kind: "optional",
      },
    ],
  },
  {
    title: "Learning rates",
    options: [
      {
        path: "optim.prompt_lr",
        label: "Prompt",
        help: "Smaller if the loss jumps.",
        kind: "decimal",
        shown: ({ prompt }) => prompt.method !== "probe" && !(prompt.method === "late" && generated({ prompt })),
      },
      { path: "optim.head_lr", label: "Classifier", help: "The linear layer on top.", kind: "decimal" },
    ],
  },
  {
    title: "Memory",
    shown: ({ prompt }) => prompt.method !== "probe",
    options: [
      {
        path: "recompute",
        label: "Intermediate values",
        help: "Made again, a step needs less than half of the GPU’s memory and a little more time. The result is the same.",
        kind: "choice",
        choices: [
          { value: "auto", label: "made again where they do not fit" },
          { value: "off", label: "kept" },
          { value: "on", label: "made again" },
        ],
      },
    ],
  },
  {
    title: "Data",
    options: [
      {
        path: "data.held_out_fraction",
        label: "Held out",
        help: "Never trained on; the accuracy is measured there.",
        kind: "percent",
        unit: "% of rows",
      },
      {
        path: "data.max_tokens",
        label: "Longest text",
        help: "Longer ones are cut, and counted.",
        kind: "integer",
        unit: "tokens",
      },
      { path: "seed", label: "Seed", help: "The same seed gives the same run.", kind: "integer" },
    ],
  },
];
