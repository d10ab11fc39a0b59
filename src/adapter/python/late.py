below = @LAYER@
rows = encoder(inputs_embeds=words[None], output_hidden_states=True).hidden_states[below][0]
@PROMPT@
rows = torch.cat([prompt, rows])
for layer in encoder.encoder.layer[below:]:
    rows = layer(rows[None])[0].view(rows.shape)
