members, classes = [], len(labels)
parts = tensors["prompt_embeddings"].split(@LENGTH@), weight.split(classes), bias.split(classes)
for prompt, weight, bias in zip(*parts):
    rows = encoder(inputs_embeds=torch.cat([prompt, words])[None]).last_hidden_state[0]
    features = @FEATURES@
    members.append((weight @ features + bias).softmax(-1))
members = torch.stack(members)
probabilities = @VOTE@
print(dict(zip(labels, probabilities.tolist())))
