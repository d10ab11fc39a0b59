#!/usr/bin/env python3
"""Writes the golden files beside this script: what PyTorch, transformers and PEFT compute, for the tests to compare with.

    python3 generate.py --minilm DIR --data DIR            # writes the files
    python3 generate.py --minilm DIR --data DIR --check    # writes them to a temporary folder and compares byte by byte

--minilm holds config.json, tokenizer.json and model.safetensors of all-MiniLM-L6-v2; --data holds the text files that
MINILM_TEXTS names. What is in each file: README.md beside this script.

All sums run in f64 on one thread and are rounded to f32 at the end, so the files are the truth to f32 and do not depend on the
machine's matrix library. Dropout is off everywhere, in training too.
"""
import argparse
import csv
import filecmp
import json
import math
import os
import re
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy
import peft
import safetensors
import tokenizers
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import AutoTokenizer, BertForSequenceClassification, BertModel

import fixtures

SEED = 20260101
F64 = torch.float64
FEATURE_SCALE = 8.0
OPTIM = {"prompt_lr": 2e-2, "head_lr": 5e-3, "weight_decay": 0.01, "clip_norm": 1.0, "warmup_fraction": 0.06, "steps": 10}
VERSIONS = {m.__name__: m.__version__.split("+")[0] for m in (torch, transformers, peft, safetensors, tokenizers, numpy)}


# --- the model: transformers' BertModel, one unpadded text at a time ---------------------------------------------------


def hidden_states(model, ids, prompt=None):
    """[embeddings, layer 1, ..., layer L] of one text, each [1, P + n, D]; prompt rows stand before [CLS]."""
    rows = model.get_input_embeddings()(torch.tensor(ids))
    rows = rows if prompt is None else torch.cat([prompt, rows])
    return model(inputs_embeds=rows[None], output_hidden_states=True).hidden_states


def logits_of(model, kind, states, length, weight, bias):
    """Class scores [C] of one text from its last hidden states [1, P + n, D]."""
    rows = states[-1][0]
    match kind:
        case "mean":
            features = rows.mean(0) * FEATURE_SCALE
        case "cls":
            features = rows[length] * FEATURE_SCALE
        case "peft":
            features = torch.tanh(model.pooler.dense(rows[0]))
    return torch.nn.functional.linear(features, weight, bias)


def batch_loss(model, kind, batch, prompt, weight, bias):
    """Mean cross-entropy over (ids, label) pairs, class scores [B, C], and the hidden states of every text."""
    states = [hidden_states(model, ids, prompt) for ids, _ in batch]
    logits = torch.stack([logits_of(model, kind, s, len(prompt), weight, bias) for s in states])
    return torch.nn.functional.cross_entropy(logits, torch.tensor([label for _, label in batch])), logits, states


def golden_gradients(model, kind, batch, prompt, weight, bias):
    """Loss and a dict of logits and gradients at one point; `grad.prompted.i` is packed as the hidden states are."""
    leaves = [t.clone().requires_grad_() for t in (prompt, weight, bias)]
    loss, logits, states = batch_loss(model, kind, batch, *leaves)
    layers = list(zip(*states))
    grads = torch.autograd.grad(loss, leaves + [rows for layer in layers for rows in layer])
    out = {f"{kind}.logits": logits}
    out |= {f"{kind}.grad.{name}": g for name, g in zip(("prompt", "head.weight", "head.bias"), grads)}
    per_layer = [grads[3 + i * len(batch) : 3 + (i + 1) * len(batch)] for i in range(len(layers))]
    return loss.item(), out, [torch.cat(rows, dim=1)[0] for rows in per_layer]


# --- training ----------------------------------------------------------------------------------------------------------


def schedule(step, steps):
    """The factor on both learning rates at optimizer step `step`, counted from 0."""
    warmup = math.ceil(OPTIM["warmup_fraction"] * steps)
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))


def train(prompt, head, loss_of, batches):
    """AdamW over the leaves in place; the loss and the gradient's norm before clipping, of every step."""
    groups = [{"params": [prompt], "lr": OPTIM["prompt_lr"]}, {"params": head, "lr": OPTIM["head_lr"]}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-8, weight_decay=OPTIM["weight_decay"])
    losses, norms = [], []
    for step, batch in enumerate(batches):
        optimizer.param_groups[0]["lr"] = OPTIM["prompt_lr"] * schedule(step, len(batches))
        optimizer.param_groups[1]["lr"] = OPTIM["head_lr"] * schedule(step, len(batches))
        optimizer.zero_grad()
        loss = loss_of(batch)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_([prompt, *head], OPTIM["clip_norm"]).item())
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "gradient_norms": norms}


def golden_training(model, kind, examples, order, prompt, weight, bias):
    """Ten steps from copies of the leaves: the record, and the final tensors."""
    leaves = [t.clone().requires_grad_() for t in (prompt, weight, bias)]
    batches = [[examples[i] for i in step] for step in order]
    record = train(leaves[0], leaves[1:], lambda batch: batch_loss(model, kind, batch, *leaves)[0], batches)
    return record, {f"{kind}.trained.{n}": t.detach() for n, t in zip(("prompt", "head.weight", "head.bias"), leaves)}


# --- the PEFT library --------------------------------------------------------------------------------------------------


def padded(batch):
    """What a tokenizer hands to a model: ids and mask [B, longest], and labels."""
    longest = max(len(ids) for ids, _ in batch)
    ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in batch])
    mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in batch])
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor([label for _, label in batch])}


def golden_peft(folder, examples, order, prompt, weight, bias):
    """The same ten steps through `peft` on padded batches; writes `peft_adapter/`."""
    base = BertForSequenceClassification.from_pretrained(folder / "tiny", num_labels=len(weight), dtype=F64)
    base.config._name_or_path = base.name_or_path = "tiny"
    config = peft.PromptTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=len(prompt), base_model_name_or_path="tiny")
    model = peft.get_peft_model(base, config).eval()
    head = model.base_model.classifier.modules_to_save["default"]
    trained = [model.prompt_encoder["default"].embedding.weight, head.weight, head.bias]
    for parameter, value in zip(trained, (prompt, weight, bias)):
        parameter.data = value.clone()
    if sorted(map(id, trained)) != sorted(id(p) for p in model.parameters() if p.requires_grad):
        raise SystemExit("PEFT trains other parameters than the prompt and the head")
    batches = [[examples[i] for i in step] for step in order]
    record = train(trained[0], trained[1:], lambda batch: model(**padded(batch)).loss, batches)
    final = [t.detach().clone() for t in trained]
    model.to(torch.float32).save_pretrained(folder / "peft_adapter")

    base = BertForSequenceClassification.from_pretrained(folder / "tiny", num_labels=len(weight), dtype=F64)
    loaded = peft.PeftModel.from_pretrained(base, folder / "peft_adapter").to(F64).eval()
    with torch.no_grad():
        logits = torch.cat([loaded(**padded([example])).logits for example in examples])
    return record, final, logits


# --- the golden files --------------------------------------------------------------------------------------------------


def agree(what, a, b, tolerance):
    """Stops the script where two ways to the same numbers differ (written so that NaN fails)."""
    error = max((x - y).abs().max().item() for x, y in zip(a, b, strict=True))
    if not error <= tolerance:
        raise SystemExit(f"{what}: {error:.3e} apart, allowed {tolerance:.0e}")
    print(f"{what}: {error:.1e} apart")


def load_bert(folder, weights="model.safetensors", dtype=F64):
    """BertModel with the weights of one file, each of which must fit."""
    config = transformers.BertConfig.from_pretrained(folder)
    model = BertModel(config)
    state = {name: tensor for name, tensor in load_file(folder / weights).items() if not name.endswith("position_ids")}
    missing = model.load_state_dict(state, strict=False)
    if missing.unexpected_keys or [n for n in missing.missing_keys if not n.endswith(("position_ids", "token_type_ids"))]:
        raise SystemExit(f"{weights}: {missing}")
    return model.to(dtype).eval().requires_grad_(False)


def agree_f32(what, model, kind, examples, order, start, record):
    """That ten steps in f32 stay close to those in f64: a run that amplifies rounding would be no use as a reference."""
    single = golden_training(model.to(torch.float32), kind, examples, order, *(t.to(torch.float32) for t in start))[0]
    losses = [[torch.tensor(r["losses"], dtype=F64)] for r in (single, record)]
    agree(f"{what}, {kind} head, ten losses: f32 and f64", *losses, 1e-4)
    model.to(F64)


def packed(model, examples, prompt=None):
    """Hidden states of all texts, one after another: a list over layers of [sum(P + n_i), D]."""
    with torch.no_grad():
        return [torch.cat(layer, dim=1)[0] for layer in zip(*(hidden_states(model, ids, prompt) for ids, _ in examples))]


def draw(shape, std, name):
    """Normal numbers of a stream of their own, rounded to f32 so that the files hold exactly what was used."""
    random = numpy.random.default_rng([SEED, *name.encode()])
    return torch.from_numpy(random.normal(0, std, shape).astype(numpy.float32)).to(F64)


def digits(value):
    """Numbers for JSON: nine digits, as many as an f32 needs."""
    match value:
        case float():
            return float(f"{value:.9g}")
        case list():
            return [digits(v) for v in value]
        case dict():
            return {k: digits(v) for k, v in value.items()}
    return value


def save(path, tensors):
    """Tensors as f32."""
    save_file({name: t.detach().to(torch.float32).contiguous().clone() for name, t in tensors.items()}, path)


def save_json(path, value):
    """Indented, but a list of numbers on one line."""
    text = json.dumps({"versions": VERSIONS} | digits(value), indent=1, ensure_ascii=True)
    text = re.sub(r"\[[-+.\de,\s]*\]", lambda numbers: " ".join(numbers[0].split()).replace("[ ", "[").replace(" ]", "]"), text)
    path.write_text(text + "\n", encoding="utf-8")


def encode(tokenizer, text):
    """Ids with the special tokens, at most 128, unpadded."""
    tokenizer.no_padding()
    tokenizer.enable_truncation(128)
    return tokenizer.encode(text).ids


def listed(texts, examples):
    """Texts, token ids and labels for JSON."""
    return [{"text": t, "tokens": ids, "label": label} for t, (ids, label) in zip(texts, examples, strict=True)]


def tiny(out):
    """The tiny encoder and everything computed with it."""
    folder = out / "tiny"
    fixtures.write_tiny(folder, draw)
    model = load_bert(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    hub = AutoTokenizer.from_pretrained(folder)
    examples = [(encode(tokenizer, text), label) for text, label in fixtures.TINY_TEXTS]
    if [hub(text)["input_ids"] for text, _ in fixtures.TINY_TEXTS] != [ids for ids, _ in examples]:
        raise SystemExit("transformers tokenises otherwise than tokenizers")
    prompt, weight, bias = draw((5, 32), 0.4, "prompt"), draw((3, 32), 0.1, "head.weight"), draw((3,), 0.1, "head.bias")
    order = fixtures.TINY_ORDER

    tensors = {"prompt": prompt, "head.weight": weight, "head.bias": bias}
    tensors |= {f"hidden.{i}": rows for i, rows in enumerate(packed(model, examples))}
    tensors |= {f"prompted.{i}": rows for i, rows in enumerate(packed(model, examples, prompt))}
    for kind in ("f16", "bf16"):
        tensors[f"hidden.{kind}.2"] = packed(load_bert(folder, f"model-{kind}.safetensors"), examples)[-1]
    losses, training = {}, {}
    for kind in ("mean", "cls", "peft"):
        losses[kind], gradients, rows = golden_gradients(model, kind, examples, prompt, weight, bias)
        training[kind], trained = golden_training(model, kind, examples, order, prompt, weight, bias)
        tensors |= gradients | trained | {f"{kind}.grad.prompted.{i}": g for i, g in enumerate(rows)}
        agree_f32("tiny", model, kind, examples, order, (prompt, weight, bias), training[kind])

    record, final, logits = golden_peft(out, examples, order, prompt, weight, bias)
    names = ["peft.trained.prompt", "peft.trained.head.weight", "peft.trained.head.bias"]
    agree("peft head, ten steps: the library and the formula", final, [tensors[n] for n in names], 1e-9)
    agree("peft head, losses", *([torch.tensor(r["losses"])] for r in (record, training["peft"])), 1e-9)
    training["peft"] = record
    tensors |= dict(zip(names, final)) | {"adapter.logits": logits}
    save(out / "tiny.safetensors", tensors)
    save_json(
        out / "tiny.json",
        {
            "prompt_length": 5,
            "classes": 3,
            "feature_scale": FEATURE_SCALE,
            "examples": listed([text for text, _ in fixtures.TINY_TEXTS], examples),
            "losses": losses,
            "training": OPTIM | {"order": order, "schedule": [schedule(s, 10) for s in range(10)]} | training,
        },
    )


def data_rows(path):
    """Rows of a UTF-8 text file as lists of cells, counted from 0: CSV, or tab-separated without quoting."""
    text = path.read_bytes().decode("utf-8")
    if path.suffix == ".csv":
        return list(csv.reader(text.splitlines(keepends=True)))
    return [line.rstrip("\r").split("\t") for line in text.split("\n")]


def minilm(out, folder, data):
    """The real encoder on real texts."""
    model = load_bert(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    hub = AutoTokenizer.from_pretrained(folder)
    texts = [data_rows(data / file)[row][column] for file, row, column in fixtures.MINILM_TEXTS]
    labels = fixtures.MINILM_LABELS
    examples = [(encode(tokenizer, text), label) for text, label in zip(texts, labels, strict=True)]
    # A prompt on the scale of the word embeddings; a head whose scores on features x 8 are of order 1.
    shapes = {"prompt": ((10, 384), 0.05), "head.weight": ((7, 384), 0.02), "head.bias": ((7,), 0.1)}
    prompt, weight, bias = (draw(shape, std, f"minilm.{name}") for name, (shape, std) in shapes.items())
    order = fixtures.MINILM_ORDER

    tensors = {"prompt": prompt, "head.weight": weight, "head.bias": bias}
    plain, prompted = packed(model, examples), packed(model, examples, prompt)
    tensors |= {"hidden.6": plain[6], "prompted.3": prompted[3], "prompted.6": prompted[6]}
    loss, gradients, _ = golden_gradients(model, "mean", examples, prompt, weight, bias)
    record, trained = golden_training(model, "mean", examples, order, prompt, weight, bias)
    agree_f32("MiniLM", model, "mean", examples, order, (prompt, weight, bias), record)
    trained = {name: t for name, t in trained.items() if name != "mean.trained.head.weight"}
    save(out / "minilm.safetensors", tensors | gradients | trained)
    agree("MiniLM: f32 and f64", [packed(load_bert(folder, dtype=torch.float32), examples)[6]], [plain[6]], 1e-5)
    save_json(
        out / "minilm.json",
        {
            "prompt_length": 10,
            "classes": 7,
            "feature_scale": FEATURE_SCALE,
            "examples": listed(texts, examples),
            "losses": {"mean": loss},
            "training": OPTIM | {"order": order, "schedule": [schedule(s, 10) for s in range(10)], "mean": record},
        },
    )

    cases = []
    for text in fixtures.nasty_texts():
        ids = hub(text, truncation=True, max_length=128)["input_ids"]
        if encode(tokenizer, text) != ids:
            raise SystemExit(f"transformers tokenises otherwise than tokenizers: {text!r}")
        cases.append({"text": text, "tokens": ids})
    save_json(out / "tokens.json", {"max_tokens": 128, "cases": cases})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minilm", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    pins = dict(line.split("==") for line in (Path(__file__).parent / "requirements.txt").read_text().split() if "==" in line)
    if pins != VERSIONS:
        raise SystemExit(f"requirements.txt pins {pins}, installed are {VERSIONS}")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    here = Path(__file__).resolve().parent
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) if args.check else here
        tiny(out)
        minilm(out, args.minilm, args.data)
        for path in out.rglob("*.safetensors"):
            path.chmod(0o644)
        if args.check:
            made = sorted(p.relative_to(out) for p in out.rglob("*") if p.is_file())
            other = [str(p) for p in made if not (here / p).is_file() or not filecmp.cmp(out / p, here / p, shallow=False)]
            print(f"{len(made)} files, {len(other)} differ", *other)
            sys.exit(bool(other))


if __name__ == "__main__":
    main()
