"""Learns the digits in epochs, each with a checkpoint; on SIGTERM it ends after the epoch, and goes on from there later."""

import os
import signal
import sys

import joblib
import numpy as np
import pandas as pd
from sklearn.linear_model import SGDClassifier

EPOCHS = 12
CHECKPOINT = "/opt/ml/checkpoints/state.joblib"
is_asked_to_end = False


def on_sigterm(signum, frame):
    global is_asked_to_end
    is_asked_to_end = True


signal.signal(signal.SIGTERM, on_sigterm)

table = pd.read_csv(os.path.join(os.environ["SM_CHANNEL_DIGITS"], "digits.csv.gz"), header=None).to_numpy()
X, y = table[:, :-1] / 16, table[:, -1].astype(int)
if os.path.exists(CHECKPOINT):
    epoch, model = joblib.load(CHECKPOINT)
else:
    epoch, model = 0, SGDClassifier(loss="log_loss", random_state=5)
while epoch < EPOCHS:
    for _ in range(10):
        model.partial_fit(X, y, classes=range(10))
    epoch += 1
    joblib.dump((epoch, model), CHECKPOINT + ".partial")
    os.replace(CHECKPOINT + ".partial", CHECKPOINT)
    print(f"epoch {epoch}: accuracy {model.score(X, y):.4f}", flush=True)
    if is_asked_to_end:
        sys.exit(143)
joblib.dump(model, os.path.join(os.environ["SM_MODEL_DIR"], "model.joblib"))
np.save(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "rows.npy"), X[:300])
