features = @FEATURES@
probabilities = (weight @ features + bias).softmax(-1)
print(dict(zip(labels, probabilities.tolist())))
