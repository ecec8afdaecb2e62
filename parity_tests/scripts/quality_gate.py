"""Stops a release when the new model is not good enough: exit status 3 tells the pipeline why."""

import argparse
import json
import os
import sys

import pandas as pd
from sklearn.linear_model import LassoCV
from sklearn.model_selection import cross_val_score

parser = argparse.ArgumentParser()
parser.add_argument("--required-r2", type=float, required=True)
args = parser.parse_args()

channel = os.environ["SM_CHANNEL_DIABETES"]
X = pd.read_csv(os.path.join(channel, "diabetes_data_raw.csv.gz"), sep=r"\s+", header=None).to_numpy()
y = pd.read_csv(os.path.join(channel, "diabetes_target.csv.gz"), header=None)[0].to_numpy()

score = cross_val_score(LassoCV(cv=10, random_state=0), X, y, cv=10).mean()
passed = bool(score >= args.required_r2)
with open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "gate.json"), "w") as f:
    json.dump({"r2": score, "required": args.required_r2, "passed": passed}, f)
if not passed:
    print(f"r2 {score:.4f} is below the required {args.required_r2}", file=sys.stderr)
    with open("/opt/ml/output/failure", "w") as f:
        f.write(f"quality gate: r2 {score:.4f} < {args.required_r2}")
    sys.exit(3)
