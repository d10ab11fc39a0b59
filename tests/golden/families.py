#!/usr/bin/env python3
"""Writes `families/` beside this script: a tiny random encoder of every family as transformers saves it, and what transformers
computes with it. Run as generate.py is, without arguments or with --check.

For every family and two texts (token ids): the hidden states without and with a prompt, the gradients of prompt and head of one
batch, and ten training steps. The file's names and conventions are those of `tiny.safetensors`.
"""
import argparse
import filecmp
import json
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

from generate import F64, VERSIONS, agree, draw, golden_gradients, golden_training, hidden_states

COMMON = {"vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}

# Every number differs from its default and from its neighbours, so that a confusion of two shows.
FAMILIES = {
    "roberta": transformers.RobertaConfig(
        **COMMON, max_position_embeddings=50, type_vocab_size=1, pad_token_id=1, layer_norm_eps=1e-5, hidden_act="gelu"
    ),
    "distilbert": transformers.DistilBertConfig(
        vocab_size=60, dim=16, n_layers=2, n_heads=2, hidden_dim=24, max_position_embeddings=48, activation="relu"
    ),
    # Longer than the largest distance with a bucket of its own.
    "mpnet": transformers.MPNetConfig(**COMMON, max_position_embeddings=200, layer_norm_eps=1e-5),
    "electra": transformers.ElectraConfig(**COMMON, embedding_size=8, max_position_embeddings=48),
    "albert": transformers.AlbertConfig(
        **{**COMMON, "num_hidden_layers": 4}, num_hidden_groups=2, embedding_size=8, max_position_embeddings=48, hidden_act="gelu_new"
    ),
    # Of four layers, the first and the last see everything.
    "modernbert": transformers.ModernBertConfig(
        **{**COMMON, "num_hidden_layers": 4}, max_position_embeddings=64, local_attention=10, pad_token_id=0, bos_token_id=1,
        eos_token_id=2, cls_token_id=1, sep_token_id=2,
    ),
    "nomic_bert": transformers.NomicBertConfig(**COMMON, max_position_embeddings=48),
}
PROMPT, CLASSES = 3, 3
# [CLS] and [SEP] are whatever ids they are; no id is that of the padding in any family.
LENGTHS = {"mpnet": [5, 170], "modernbert": [4, 40]}


class Masked(torch.nn.Module):
    """ModernBERT with prompt rows that every row sees, and that see every row, in spite of the windows."""

    def __init__(self, model, prompt):
        super().__init__()
        self.model, self.prompt = model, prompt

    def get_input_embeddings(self):
        return self.model.get_input_embeddings()

    def forward(self, inputs_embeds, output_hidden_states):
        rows = torch.arange(inputs_embeds.shape[1])
        prompt = 0 if self.prompt is None else self.prompt
        near = (rows[:, None] - rows[None]).abs() <= self.model.config.local_attention // 2
        seen = near | (rows < prompt)[:, None] | (rows < prompt)[None]
        hidden = torch.where(seen, 0.0, float("-inf")).to(F64)[None, None]
        masks = {"full_attention": torch.zeros_like(hidden), "sliding_attention": hidden}
        return self.model(inputs_embeds=inputs_embeds, attention_mask=masks, output_hidden_states=output_hidden_states)


def tiny(name, config):
    """The model with random weights, each of its own stream; norms around 1."""
    config._attn_implementation = "eager"
    model = transformers.AutoModel.from_config(config)
    with torch.no_grad():
        for key, weight in model.named_parameters():
            norm = weight.dim() == 1 and key.endswith("weight")
            spread = 0.4 if "embedding" in key or "relative" in key else 0.3
            weight.copy_((1 if norm else 0) + draw(tuple(weight.shape), spread, f"{name}.{key}"))
    return model.to(F64).eval().requires_grad_(False)


def write(folder):
    (folder / "families").mkdir()
    record = {"versions": VERSIONS, "families": {}}
    for name, config in FAMILIES.items():
        model = tiny(name, config)
        home = folder / "families" / name
        model.to(torch.float32).save_pretrained(home)
        (home / "generation_config.json").unlink(missing_ok=True)
        model.to(F64)
        if name == "modernbert":
            loaded = model
            model = Masked(loaded, 0)
        lengths = LENGTHS.get(name, [6, 31])
        texts = [[3 + (7 * i + 5 * n) % 57 for i in range(n)] for n in lengths]
        examples = list(zip(texts, [2, 0]))
        width = model.get_input_embeddings().weight.shape[1]
        prompt = draw((PROMPT, width), 0.5, f"{name}.prompt")
        weight, bias = draw((CLASSES, COMMON["hidden_size"]), 0.3, f"{name}.head"), draw((CLASSES,), 0.2, f"{name}.bias")
        with torch.no_grad():
            plain = [torch.cat(layer, dim=1)[0] for layer in zip(*(hidden_states(model, ids) for ids in texts))]
            if name == "modernbert":
                model.prompt = PROMPT
                own = loaded(torch.tensor(texts[1])[None]).last_hidden_state[0]
                agree("modernbert: the mask of transformers and this one", [own], [plain[-1][lengths[0]:]], 1e-12)
            prompted = [torch.cat(layer, dim=1)[0] for layer in zip(*(hidden_states(model, ids, prompt) for ids in texts))]
        out = {f"plain.{i}": rows for i, rows in enumerate(plain)} | {f"prompted.{i}": rows for i, rows in enumerate(prompted)}
        out |= {"prompt": prompt, "head.weight": weight, "head.bias": bias}
        loss, gradients, _ = golden_gradients(model, "mean", examples, prompt, weight, bias)
        out |= gradients
        order = [[0, 1], [1], [0], [1, 0], [0, 1], [1], [0, 1], [0], [1, 0], [0, 1]]
        training, trained = golden_training(model, "mean", examples, order, prompt, weight, bias)
        out |= trained
        save_file({key: t.to(torch.float32).contiguous().clone() for key, t in out.items()}, folder / "families" / f"{name}.safetensors")
        record["families"][name] = {"tokens": texts, "labels": [2, 0], "loss": loss, "order": order, **training}
    text = json.dumps(record, indent=1)
    (folder / "families" / "families.json").write_text(text + "\n")


def differences(made, here):
    """The files that are not the same."""
    files = [path.relative_to(made) for path in sorted(made.rglob("*")) if path.is_file()]
    return [str(p) for p in files if not (here / p).is_file() or not filecmp.cmp(made / p, here / p, shallow=False)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    here = Path(__file__).parent
    torch.set_num_threads(1)
    if parser.parse_args().check:
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder))
            other = differences(Path(folder) / "families", here / "families")
            sys.exit(f"differ: {', '.join(other)}" if other else 0)
    write(here)
