#!/usr/bin/env python3
"""Writes efficient.json and efficient.safetensors beside this script: EPT on DePT, and partial encoders, on the tiny encoder.

    python3 efficient.py            # writes the files
    python3 efficient.py --check    # writes them to a temporary folder and compares byte by byte

Needs tiny/, tiny.json and tiny.safetensors, which generate.py writes. What is in the files: README.md beside this script. All sums
run in f64 and are rounded at the end, as in generate.py.
"""
import copy
import filecmp
import json
import math
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file

from generate import F64, draw, load_bert, logits_of, save, save_json

HERE = Path(__file__).resolve().parent
LONGEST, RANK, SCALE, ATTENTION, SPACES, WIDTH, HIDDEN = 59, 4, 8.0, 6, 2, 3, 32
SHAPES = {
    "update_rows": ((LONGEST, RANK), 0.3),
    "update_basis": ((RANK, HIDDEN), 0.2),
    "fusion_query": ((HIDDEN, ATTENTION), 0.5),
    "fusion_key": ((HIDDEN, ATTENTION), 0.9),
    "space_down": ((HIDDEN, SPACES * WIDTH), 0.3),
    "space_up": ((SPACES * WIDTH, HIDDEN), 0.3),
    "gate_weight": ((SPACES, HIDDEN), 1.0),
    "gate_bias": ((1, SPACES), 1.0),
}
# Layers that stay, and of both layers the neurons that stay.
PARTS = {"depth": ([1], 64), "width": ([0, 1], 24), "both": ([0], 24)}


def reconstructed(p, fusion=True, spaces=True, gate=True):
    """P^ as the formulas have it, space by space, with A B as one matrix."""
    prompt, known = p["prompt"], p["update_rows"] @ p["update_basis"]
    out = prompt
    if fusion:
        scores = (prompt @ p["fusion_query"]) @ (known @ p["fusion_key"]).T / math.sqrt(ATTENTION)
        out = out + torch.softmax(scores, dim=1) @ known
    if spaces:
        g = torch.softmax(p["gate_weight"] @ prompt.mean(0) + p["gate_bias"][0], dim=0) if gate else torch.full((SPACES,), 1 / SPACES)
        for j in range(SPACES):
            one = slice(j * WIDTH, (j + 1) * WIDTH)
            out = out + g[j] * torch.relu(prompt @ p["space_down"][:, one]) @ p["space_up"][one]
    return out


def logits(model, ids, p, weight, bias):
    """Class scores of one text, mean head: alpha A B is added to its word embeddings, P^ stands before them."""
    update = SCALE / math.sqrt(RANK) * p["update_rows"] @ p["update_basis"]
    words = model.get_input_embeddings()(torch.tensor(ids)) + update[: len(ids)]
    states = model(inputs_embeds=torch.cat([reconstructed(p), words])[None], output_hidden_states=True).hidden_states
    return logits_of(model, "mean", states, len(p["prompt"]), weight, bias)


def part(model, layers, neurons):
    """A copy of the encoder with these layers, and of each of them these neurons."""
    model = copy.deepcopy(model)
    for layer, kept in zip(model.encoder.layer, neurons):
        inside, outside = layer.intermediate.dense, layer.output.dense
        inside.weight.data, inside.bias.data, outside.weight.data = inside.weight[kept], inside.bias[kept], outside.weight[:, kept]
    model.encoder.layer = torch.nn.ModuleList(model.encoder.layer[i] for i in layers)
    model.config.num_hidden_layers = len(layers)
    return model


def write(out):
    model = load_bert(HERE / "tiny")
    facts, golden = json.loads((HERE / "tiny.json").read_text()), load_file(HERE / "tiny.safetensors")
    examples = [(e["tokens"], e["label"]) for e in facts["examples"]]
    start = {name: golden[name].to(F64) for name in ("prompt", "head.weight", "head.bias")}
    p = {"prompt": start["prompt"]} | {n: draw(shape, std, f"efficient.{n}") for n, (shape, std) in SHAPES.items()}
    direction = draw((5, HIDDEN), 1.0, "efficient.direction")
    tensors = {n: t for n, t in p.items() if n != "prompt"} | {"direction": direction}

    for name, switches in {
        "all": {}, "no_fusion": {"fusion": False}, "no_spaces": {"spaces": False}, "no_gate": {"gate": False},
    }.items():
        leaves = {n: t.clone().requires_grad_() for n, t in p.items()}
        hat = reconstructed(leaves, **switches)
        tensors[f"hat.{name}"] = hat
        grads = torch.autograd.grad((hat * direction).sum(), list(leaves.values()), allow_unused=True)
        tensors |= {f"hat.{name}.grad.{n}": g for n, g in zip(leaves, grads) if g is not None}

    leaves = {n: t.clone().requires_grad_() for n, t in p.items()}
    head = [start["head.weight"].clone().requires_grad_(), start["head.bias"].clone().requires_grad_()]
    scores = torch.stack([logits(model, ids, leaves, *head) for ids, _ in examples])
    loss = torch.nn.functional.cross_entropy(scores, torch.tensor([label for _, label in examples]))
    grads = torch.autograd.grad(loss, [*leaves.values(), *head])
    tensors["logits"] = scores
    tensors |= {f"grad.{n}": g for n, g in zip([*leaves, "head.weight", "head.bias"], grads)}

    generator = torch.Generator().manual_seed(7)
    neurons = {n: [sorted(torch.randperm(64, generator=generator)[:n].tolist()) for _ in range(2)] for n in (24, 64)}
    with torch.no_grad():
        for name, (layers, kept) in PARTS.items():
            small = part(model, layers, neurons[kept])
            rows = [small(inputs_embeds=torch.cat([start["prompt"], model.get_input_embeddings()(torch.tensor(ids))])[None])[0] for ids, _ in examples]
            tensors[f"partial.{name}"] = torch.cat(rows, dim=1)[0]

    save(out / "efficient.safetensors", tensors)
    (out / "efficient.safetensors").chmod(0o644)
    settings = {"longest": LONGEST, "rank": RANK, "scale": SCALE, "attention": ATTENTION, "spaces": SPACES, "space_width": WIDTH}
    parts = {name: {"layers": layers, "neurons": neurons[kept]} for name, (layers, kept) in PARTS.items()}
    save_json(out / "efficient.json", settings | {"loss": loss.item(), "partial": parts})


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    if "--check" not in sys.argv:
        sys.exit(write(HERE))
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        other = [n for n in ("efficient.json", "efficient.safetensors") if not filecmp.cmp(Path(folder) / n, HERE / n, shallow=False)]
    print(f"2 files, {len(other)} differ", *other)
    sys.exit(bool(other))
