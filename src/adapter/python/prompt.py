words = torch.cat([tensors["prompt_embeddings"], words])
rows = encoder(inputs_embeds=words[None]).last_hidden_state[0]
