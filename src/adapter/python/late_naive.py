g = {name: tensors[f"softprompt.generator.{name}"] for name in ("down.weight", "down.bias", "up.weight", "up.bias")}
inside = torch.relu(g["down.weight"] @ @READ@ + g["down.bias"][0])
prompt = (g["up.weight"] @ inside + g["up.bias"][0]).view(@LENGTH@, -1)
