"""A softmax classifier of handwritten digits in plain numpy: momentum, mini-batches, one checkpoint of all arrays."""

import argparse
import gzip
import os
import time

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=200)
parser.add_argument("--batch-size", type=int, default=64)
parser.add_argument("--lr", type=float, default=0.05)
parser.add_argument("--hidden", type=int, default=128)
args = parser.parse_args()

started = time.perf_counter()
with gzip.open(os.path.join(os.environ["SM_CHANNEL_DIGITS"], "digits.csv.gz"), "rt") as f:
    table = np.loadtxt(f, delimiter=",")
images, labels = table[:, :-1] / 16.0, table[:, -1].astype(int)
rng = np.random.default_rng(7)
order = rng.permutation(len(images))
train, test = order[:1400], order[1400:]

weights = {
    "w1": rng.normal(0, 0.1, (64, args.hidden)),
    "b1": np.zeros(args.hidden),
    "w2": rng.normal(0, 0.1, (args.hidden, 10)),
    "b2": np.zeros(10),
}
velocity = {name: np.zeros_like(value) for name, value in weights.items()}


def forward(x):
    hidden = np.maximum(x @ weights["w1"] + weights["b1"], 0)
    scores = hidden @ weights["w2"] + weights["b2"]
    scores -= scores.max(axis=1, keepdims=True)
    probabilities = np.exp(scores)
    return hidden, probabilities / probabilities.sum(axis=1, keepdims=True)


losses = []
for epoch in range(args.epochs):
    rng.shuffle(train)
    for start in range(0, len(train), args.batch_size):
        batch = train[start : start + args.batch_size]
        x, y = images[batch], labels[batch]
        hidden, p = forward(x)
        delta = p.copy()
        delta[np.arange(len(batch)), y] -= 1
        delta /= len(batch)
        back = (delta @ weights["w2"].T) * (hidden > 0)
        gradients = {"w2": hidden.T @ delta, "b2": delta.sum(0), "w1": x.T @ back, "b1": back.sum(0)}
        for name, gradient in gradients.items():
            velocity[name] = 0.9 * velocity[name] - args.lr * gradient
            weights[name] += velocity[name]
    p = forward(images[test])[1]
    losses.append(-np.log(p[np.arange(len(test)), labels[test]]).mean())
    if epoch % 100 == 0:
        print(f"epoch {epoch}: test loss {losses[-1]:.6f}")

p = forward(images[test])[1]
print(f"test accuracy {np.mean(p.argmax(1) == labels[test]):.4f}")
print(f"done in {time.perf_counter() - started:.2f} s")
np.savez(os.path.join(os.environ["SM_MODEL_DIR"], "weights.npz"), **weights)
np.save(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "probabilities.npy"), p.astype(np.float32))
np.savetxt(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "loss.csv"), losses, fmt="%.12g", header="loss", comments="")
