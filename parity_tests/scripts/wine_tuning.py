"""One trial: a support vector machine on the wines, which prints its cross-validated score."""

import argparse
import os

import joblib
import pandas as pd
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

parser = argparse.ArgumentParser()
parser.add_argument("-C", type=float, required=True)
parser.add_argument("--degree", type=int, required=True)
parser.add_argument("--kernel", required=True)
parser.add_argument("--folds", type=int, default=5)
args, _ = parser.parse_known_args()

table = pd.read_csv(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "wine_data.csv"), skiprows=1, header=None).to_numpy()
X, y = table[:, :-1], table[:, -1].astype(int)
model = make_pipeline(StandardScaler(), SVC(C=args.C, degree=args.degree, kernel=args.kernel))
score = cross_val_score(model, X, y, cv=args.folds).mean()
print(f"C {args.C}, degree {args.degree}, {args.kernel}")
print(f"validation:accuracy={score:.6f};")
joblib.dump(model.fit(X, y), os.path.join(os.environ["SM_MODEL_DIR"], "model.joblib"))
pd.DataFrame(X[:50]).to_csv(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "rows.csv"), index=False, header=False)
