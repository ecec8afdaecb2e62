"""Learns from the digits that are there, then waits for more until it is told to stop; saves its model on SIGTERM."""

import os
import signal
import sys
import threading

import joblib
import numpy as np
import pandas as pd
from sklearn.linear_model import SGDClassifier

EPOCHS_PER_CHECKPOINT = 40
checkpoints = os.environ.get("CHECKPOINT_DIR", "/opt/ml/checkpoints")
stop = threading.Event()


def on_sigterm(signum, frame):
    print("SIGTERM: saving the model", flush=True)
    stop.set()


signal.signal(signal.SIGTERM, on_sigterm)

table = pd.read_csv(os.path.join(os.environ["SM_CHANNEL_STREAM"], "digits.csv.gz"), header=None).to_numpy()
X, y = table[:, :-1] / 16, table[:, -1].astype(int)
model = SGDClassifier(loss="log_loss", random_state=3)
seen = 0
for checkpoint, part in enumerate(np.array_split(np.arange(len(X)), 3), start=1):
    for _ in range(EPOCHS_PER_CHECKPOINT):
        model.partial_fit(X[part], y[part], classes=range(10))
    seen += len(part)
    partial = os.path.join(checkpoints, "model.joblib.partial")
    joblib.dump(model, partial)
    os.replace(partial, os.path.join(checkpoints, "model.joblib"))
    print(f"checkpoint {checkpoint}: {seen} digits, accuracy {model.score(X, y):.4f}", flush=True)

print("waiting for more digits", flush=True)
stop.wait()
joblib.dump(joblib.load(os.path.join(checkpoints, "model.joblib")), os.path.join(os.environ["SM_MODEL_DIR"], "model.joblib"))
np.save(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "rows.npy"), X[:300])
print(f"saved after {seen} digits", flush=True)
sys.exit(0)
