"""Gradient boosting with LightGBM on the breast cancer data, with early stopping on a validation split."""

import argparse
import os

import lightgbm as lgb
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold

parser = argparse.ArgumentParser()
parser.add_argument("--learning-rate", type=float, default=0.1)
parser.add_argument("--num-leaves", type=int, default=31)
parser.add_argument("--rounds", type=int, default=100)
parser.add_argument("--folds", type=int, default=5)
parser.add_argument("--seed", type=int, default=1)
args = parser.parse_args()

data = pd.read_csv(f"{os.environ['SM_CHANNEL_TRAIN']}/breast_cancer.csv", skiprows=1, header=None)
X, y = data.iloc[:, :-1].to_numpy(), data.iloc[:, -1].to_numpy()

params = {
    "objective": "binary",
    "metric": "auc",
    "learning_rate": args.learning_rate,
    "num_leaves": args.num_leaves,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "seed": args.seed,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": int(os.environ["SM_NUM_CPUS"]),
    "verbosity": -1,
}

out_of_fold = np.zeros(len(y))
folds = KFold(args.folds, shuffle=True, random_state=args.seed)
for number, (train, valid) in enumerate(folds.split(X)):
    booster = lgb.train(
        params,
        lgb.Dataset(X[train], y[train]),
        num_boost_round=args.rounds,
        valid_sets=[lgb.Dataset(X[valid], y[valid])],
        callbacks=[lgb.early_stopping(50, verbose=False)],
    )
    out_of_fold[valid] = booster.predict(X[valid])
    print(f"fold {number}: {booster.best_iteration} rounds, auc {roc_auc_score(y[valid], out_of_fold[valid]):.6f}")

final = lgb.train(params, lgb.Dataset(X, y), num_boost_round=args.rounds)
print(f"oof:auc={roc_auc_score(y, out_of_fold):.6f};")

final.save_model(f"{os.environ['SM_MODEL_DIR']}/model.txt")
np.save(f"{os.environ['SM_OUTPUT_DATA_DIR']}/out_of_fold.npy", out_of_fold)
gain = pd.DataFrame({"feature": final.feature_name(), "gain": final.feature_importance("gain")})
gain.to_csv(f"{os.environ['SM_OUTPUT_DATA_DIR']}/gain.csv", index=False)
