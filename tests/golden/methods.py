#!/usr/bin/env python3
"""Writes methods.json and methods.safetensors: what PyTorch, transformers and PEFT compute for the prompt methods that do not
join at the word embeddings.

    python3 methods.py            # writes the files
    python3 methods.py --check    # compares them with what is here byte by byte

On the tiny encoder that generate.py writes, and with its conventions: sums in f64, rounded to f32 at the end. What is in each
file: README.md beside this script.
"""
import argparse
import filecmp
import sys
import tempfile
from pathlib import Path

import peft
import torch
import transformers
from tokenizers import Tokenizer
from transformers import BertForSequenceClassification

import fixtures
from generate import F64, FEATURE_SCALE, draw, encode, load_bert, padded, save, save_json

HERE = Path(__file__).resolve().parent
LENGTH, CLASSES, NEURONS = 5, 3, 6
KINDS = ["none", "naive", "mean", "average", "max"]
# Text rows: one, fewer than the prompt's, as many, one more, no multiple, many.
ROWS, ROWS_HIDDEN = [1, 3, 5, 6, 12, 23], 12


def generator(kind, hidden, name):
    """The trained tensors of a generator, or the free rows."""
    if kind == "none":
        return {"prompt": draw((LENGTH, hidden), 1.0, f"{name}.prompt")}
    outputs = LENGTH * hidden if kind in ("naive", "mean") else hidden
    shapes = {"down": (NEURONS, hidden), "up": (outputs, NEURONS)}
    made = {}
    for part, shape in shapes.items():
        made[f"generator.{part}.weight"] = draw(shape, 0.4, f"{name}.{part}.weight")
        made[f"generator.{part}.bias"] = draw(shape[:1], 0.4, f"{name}.{part}.bias")
    return made


def linear(tensors, part):
    """A torch.nn.Linear that holds these leaves."""
    weight, bias = tensors[f"generator.{part}.weight"], tensors[f"generator.{part}.bias"]
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0], dtype=F64)
    del layer.weight, layer.bias
    layer.weight, layer.bias = weight, bias
    return layer


def generated(kind, tensors, rows):
    """Prompt rows [P, D] of one text's rows [n, D] (Liu et al. 2022, late prompt tuning, and the authors' code)."""
    if kind == "none":
        return tensors["prompt"]
    down, up = linear(tensors, "down"), linear(tensors, "up")
    if kind in ("naive", "mean"):
        row = rows[0] if kind == "naive" else rows.mean(0)
        return up(torch.relu(down(row))).reshape(LENGTH, rows.shape[1])
    pool = {"average": torch.nn.AdaptiveAvgPool1d, "max": torch.nn.AdaptiveMaxPool1d}[kind](LENGTH)
    return up(torch.relu(pool(down(rows).T[None])[0].T))


def leaves(tensors):
    return {name: t.clone().requires_grad_() for name, t in tensors.items()}


def gradients(key, value, trained):
    """`KEY.grad.NAME` of a scalar."""
    return {f"{key}.grad.{name}": g for name, g in zip(trained, torch.autograd.grad(value, list(trained.values())))}


def golden_generators():
    """Each generator on random rows: what it makes, and the gradient of the product of that with a constant."""
    rows = draw((sum(ROWS), ROWS_HIDDEN), 1.0, "methods.rows")
    weights = draw((len(ROWS) * LENGTH, ROWS_HIDDEN), 1.0, "methods.weights")
    out = {"rows": rows, "weights": weights}
    for kind in KINDS[1:]:
        start = generator(kind, ROWS_HIDDEN, f"methods.{kind}")
        trained = leaves(start)
        made = torch.cat([generated(kind, trained, part) for part in rows.split(ROWS)])
        out |= {f"{kind}.{name}": t for name, t in start.items()} | {f"{kind}.made": made}
        out |= gradients(kind, (made * weights).sum(), trained)
    return out


def layer_of(layer, rows):
    """One transformer layer on [1, n, D]."""
    made = layer(rows)
    return made[0] if isinstance(made, tuple) else made


def late_loss(model, kind, entry, examples, trained):
    """Mean cross-entropy with a prompt that joins after `entry` layers, under the mean head."""
    scores = []
    for ids, _ in examples:
        rows = model.embeddings(torch.tensor([ids]))
        for layer in model.encoder.layer[:entry]:
            rows = layer_of(layer, rows)
        rows = torch.cat([generated(kind, trained, rows[0])[None], rows], dim=1)
        for layer in model.encoder.layer[entry:]:
            rows = layer_of(layer, rows)
        features = rows[0].mean(0) * FEATURE_SCALE
        scores.append(torch.nn.functional.linear(features, trained["head.weight"], trained["head.bias"]))
    labels = torch.tensor([label for _, label in examples])
    scores = torch.stack(scores)
    return torch.nn.functional.cross_entropy(scores, labels), scores


def golden_late(folder, examples, head):
    """Loss, class scores and gradients of each generator at each layer."""
    model = load_bert(folder)
    out, losses = {}, {}
    for kind in KINDS:
        start = generator(kind, model.config.hidden_size, f"methods.late.{kind}")
        out |= {f"late.{kind}.{name}": t for name, t in start.items()}
        for entry in range(model.config.num_hidden_layers):
            key = f"late.{kind}.{entry}"
            trained = leaves(start | head)
            loss, scores = late_loss(model, kind, entry, examples, trained)
            out |= {f"{key}.logits": scores} | gradients(key, loss, trained)
            losses[key] = loss.item()
    return out, losses


def golden_deep(folder, examples, head):
    """The same of PEFT's own PREFIX_TUNING, on one padded batch."""
    base = BertForSequenceClassification.from_pretrained(folder, num_labels=CLASSES, dtype=F64)
    config = peft.PrefixTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=LENGTH)
    model = peft.get_peft_model(base, config).eval()
    classifier = model.base_model.classifier.modules_to_save["default"]
    trained = {
        "prefix": model.prompt_encoder["default"].embedding.weight,
        "head.weight": classifier.weight,
        "head.bias": classifier.bias,
    }
    if sorted(map(id, trained.values())) != sorted(id(p) for p in model.parameters() if p.requires_grad):
        raise SystemExit("PEFT trains other parameters than the prefix and the head")
    prefix = draw(tuple(trained["prefix"].shape), 0.7, "methods.prefix")
    for name, value in ({"prefix": prefix} | head).items():
        trained[name].data = value.clone()
    made = model(**padded(examples))
    return {"deep.prefix": prefix, "deep.logits": made.logits} | gradients("deep", made.loss, trained), made.loss.item()


def write(out):
    """Both files."""
    tokenizer = Tokenizer.from_file(str(HERE / "tiny" / "tokenizer.json"))
    examples = [(encode(tokenizer, text), label) for text, label in fixtures.TINY_TEXTS]
    head = {"head.weight": draw((CLASSES, 32), 0.1, "head.weight"), "head.bias": draw((CLASSES,), 0.1, "head.bias")}
    late, losses = golden_late(HERE / "tiny", examples, head)
    deep, losses["deep"] = golden_deep(HERE / "tiny", examples, head)
    save(out / "methods.safetensors", golden_generators() | head | late | deep)
    save_json(
        out / "methods.json",
        {
            "prompt_length": LENGTH,
            "bottleneck": NEURONS,
            "feature_scale": FEATURE_SCALE,
            "rows": ROWS,
            "rows_hidden": ROWS_HIDDEN,
            "examples": [{"tokens": ids, "label": label} for ids, label in examples],
            "losses": losses,
        },
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) if args.check else HERE
        write(out)
        names = ["methods.json", "methods.safetensors"]
        (out / names[1]).chmod(0o644)
        if args.check:
            other = [name for name in names if not filecmp.cmp(out / name, HERE / name, shallow=False)]
            print(f"{len(names)} files, {len(other)} differ", *other)
            sys.exit(bool(other))


if __name__ == "__main__":
    main()
