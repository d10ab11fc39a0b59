import inspect
from transformers import DynamicCache

shape = encoder.config
prefix = tensors["prompt_embeddings"].view(@LENGTH@, shape.num_hidden_layers, 2, shape.num_attention_heads, -1)
cache = DynamicCache()
for layer, (key, value) in enumerate(prefix.permute(1, 2, 3, 0, 4)):
    cache.update(key[None], value[None], layer)
mask = torch.ones(1, @LENGTH@ + len(words))
# The name of this argument depends on the version of transformers.
name = "cache" if "cache" in inspect.signature(encoder.forward).parameters else "past_key_values"
rows = encoder(inputs_embeds=words[None], attention_mask=mask, **{name: cache}).last_hidden_state[0]
