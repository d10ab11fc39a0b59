words += (tensors["softprompt.update_rows"] @ tensors["softprompt.update_basis"])[: len(words)]
