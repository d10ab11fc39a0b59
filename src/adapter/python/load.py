import json, torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

base, folder = @BASE@, "."
labels = json.load(open(f"{folder}/@MANIFEST@", encoding="utf-8"))["labels"]
tensors = load_file(f"{folder}/@TENSORS@")
weight, bias = tensors["base_model.classifier.weight"], tensors["base_model.classifier.bias"]
tokenizer, encoder = AutoTokenizer.from_pretrained(base), AutoModel.from_pretrained(base).eval()
torch.set_grad_enabled(False)
longest = min(@MAX_TOKENS@, encoder.config.max_position_embeddings - @LENGTH@)
ids = tokenizer("a text", truncation=True, max_length=longest, return_tensors="pt").input_ids
words = encoder.get_input_embeddings()(ids)[0]
