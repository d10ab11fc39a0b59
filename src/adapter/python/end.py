if __name__ == "__main__":
    for line in sys.stdin:
        text = line.rstrip("\n")
        found = classify(text)
        print(json.dumps({"text": text, "label": max(found, key=found.get), "probabilities": found}, ensure_ascii=False))
