"""Fits the risk model and writes its report."""

import argparse
import json
import os

import joblib
import numpy as np
import pandas as pd
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.model_selection import cross_val_predict

parser = argparse.ArgumentParser()
parser.add_argument("--table", required=True)
parser.add_argument("--title", required=True)
parser.add_argument("--notes", required=True)
parser.add_argument("--quantiles", type=json.loads, required=True)
parser.add_argument("--trees", type=int, default=100)
args = parser.parse_args()

table = pd.read_csv(args.table)
X, y = table.drop(columns="target").to_numpy(), table["target"].to_numpy()
predictions = {}
for quantile in args.quantiles:
    model = GradientBoostingRegressor(loss="quantile", alpha=quantile, n_estimators=args.trees, random_state=0)
    predictions[str(quantile)] = cross_val_predict(model, X, y, cv=5)
    model.fit(X, y)
    joblib.dump(model, os.path.join(os.environ["SM_MODEL_DIR"], f"risk-{quantile}.joblib"))
    print(f"quantile {quantile}: {np.mean(y <= predictions[str(quantile)]):.4f} of patients are below")

np.save(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "X.npy"), X[:150])
pd.DataFrame(predictions).to_parquet(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "predictions.parquet"), index=False)
with open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "report.json"), "w", encoding="utf-8") as f:
    json.dump({"title": args.title, "notes": args.notes.splitlines()}, f, ensure_ascii=False, indent=1)
