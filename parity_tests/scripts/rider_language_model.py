"""A character trigram model of rider messages. The whole training text comes as the hyperparameter `corpus`.

SageMaker's hyperparameters.json holds every value as a string; ours are JSON inside.
"""

import hashlib
import json
import os
from collections import Counter

import numpy as np

with open("/opt/ml/input/config/hyperparameters.json", encoding="utf-8") as f:
    hyperparameters = {name: json.loads(value) for name, value in json.load(f).items()}

documents = [
    message
    for year in hyperparameters["corpus"].values()
    for month in year.values()
    for day in month
    for conversation in day
    for message in conversation
]
text = "\n\n".join(documents)
print(f"{len(documents)} messages, {len(text.encode())} bytes, sha256 {hashlib.sha256(text.encode()).hexdigest()[:16]}")

alphabet = {character: index for index, character in enumerate(sorted(set(text)))}
codes = np.fromiter((alphabet[character] for character in text), dtype=np.int64, count=len(text))
size = len(alphabet)
counts = np.bincount((codes[:-2] * size + codes[1:-1]) * size + codes[2:], minlength=size**3).reshape(size, size, size)
bigrams = np.bincount(codes[:-1] * size + codes[1:], minlength=size**2).reshape(size, size)

smoothing = hyperparameters["smoothing"]
probability = (counts + smoothing) / (counts.sum(axis=2, keepdims=True) + smoothing * size)
perplexity = float(np.exp(-np.log(probability[codes[:-2], codes[1:-1], codes[2:]]).mean()))
print(f"perplexity {perplexity:.6f} with {size} characters")

rng = np.random.default_rng(hyperparameters["seed"])
letters = list(alphabet)
state = (codes[0], codes[1])
sample = []
for _ in range(hyperparameters["sample_characters"]):
    following = rng.choice(size, p=probability[state])
    sample.append(letters[following])
    state = (state[1], following)

words = Counter(word.lower() for message in documents for word in message.split())
np.savez_compressed(os.path.join(os.environ["SM_MODEL_DIR"], "trigrams.npz"), bigrams=bigrams, counts=counts)
with open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "summary.json"), "w", encoding="utf-8") as f:
    json.dump(
        {
            "perplexity": perplexity,
            "alphabet": "".join(alphabet),
            "sample": "".join(sample),
            "words": words.most_common(50),
            "keys": sorted(hyperparameters),
        },
        f,
        ensure_ascii=False,
        indent=1,
    )
