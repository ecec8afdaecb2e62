"""Fits extremely randomised trees and notes when it did so."""

import json
import os
import time

import pandas as pd
from sklearn.ensemble import ExtraTreesRegressor

channel = os.environ["SM_CHANNEL_DIABETES"]
X = pd.read_csv(os.path.join(channel, "diabetes_data_raw.csv.gz"), sep=r"\s+", header=None).to_numpy()
y = pd.read_csv(os.path.join(channel, "diabetes_target.csv.gz"), header=None)[0].to_numpy()
model = ExtraTreesRegressor(500, bootstrap=True, oob_score=True, random_state=0).fit(X, y)
print(f"oob r2 {model.oob_score_:.6f}")
with open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "fit.json"), "w") as f:
    json.dump({"r2": model.oob_score_, "trained_at": time.time()}, f)
