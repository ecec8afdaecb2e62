"""Trains a random forest on iris, in SageMaker script mode."""

import argparse
import json
import os
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score, train_test_split

COLUMNS = ["sepal_length", "sepal_width", "petal_length", "petal_width", "species"]


def parse_args():
    parser = argparse.ArgumentParser()
    parser.add_argument("--n-estimators", type=int, default=100)
    parser.add_argument("--max-depth", type=int, default=None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
    parser.add_argument("--output-data-dir", default=os.environ["SM_OUTPUT_DATA_DIR"])
    parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
    return parser.parse_args()


def main():
    args = parse_args()
    files = sorted(Path(args.train).glob("*.csv"))
    frame = pd.concat(pd.read_csv(file, skiprows=1, names=COLUMNS) for file in files)
    X, y = frame[COLUMNS[:-1]].to_numpy(), frame["species"].to_numpy()
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=args.seed)

    model = RandomForestClassifier(args.n_estimators, max_depth=args.max_depth, random_state=args.seed)
    folds = StratifiedKFold(5, shuffle=True, random_state=args.seed)
    scores = cross_val_score(model, X_train, y_train, cv=folds)
    print(f"validation:accuracy={scores.mean():.6f};")

    model.fit(X_train, y_train)
    print(f"test:accuracy={model.score(X_test, y_test):.6f};")

    joblib.dump(model, Path(args.model_dir) / "model.joblib")
    output = Path(args.output_data_dir)
    np.save(output / "X_test.npy", X_test)
    metrics = {
        "rows": len(frame),
        "cv_accuracy": scores.tolist(),
        "test_accuracy": model.score(X_test, y_test),
        "importance": dict(zip(COLUMNS, model.feature_importances_.tolist())),
    }
    (output / "metrics.json").write_text(json.dumps(metrics, indent=2))


if __name__ == "__main__":
    main()
