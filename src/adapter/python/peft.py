import json
from peft import PeftModel
from transformers import AutoModelForSequenceClassification, AutoTokenizer

base, folder = @BASE@, "."
labels = json.load(open(f"{folder}/@MANIFEST@", encoding="utf-8"))["labels"]
tokenizer = AutoTokenizer.from_pretrained(base)
model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=len(labels))
longest = min(@MAX_TOKENS@, model.config.max_position_embeddings - @LENGTH@)
model = PeftModel.from_pretrained(model, folder).eval()
batch = tokenizer("a text", truncation=True, max_length=longest, return_tensors="pt")
probabilities = model(**batch).logits.softmax(-1)[0]
print(dict(zip(labels, probabilities.tolist())))
