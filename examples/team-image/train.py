"""A team's training script: it knows nothing of LyftLearn, SageMaker's SDK or Kubernetes."""

import argparse
import os

import joblib
import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeClassifier

parser = argparse.ArgumentParser()
parser.add_argument("--max-depth", type=int, default=3)
parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
parser.add_argument("--output-data-dir", default=os.environ["SM_OUTPUT_DATA_DIR"])
args = parser.parse_args()

data = pd.read_csv(os.path.join(args.train, "iris.csv"), skiprows=1, header=None)
model = DecisionTreeClassifier(max_depth=args.max_depth, random_state=0).fit(data.iloc[:, :4].to_numpy(), data[4])
np.save(os.path.join(args.output_data_dir, "rows.npy"), data.iloc[::5, :4].to_numpy())
joblib.dump(model, os.path.join(args.model_dir, "model.joblib"))
print(f"accuracy={model.score(data.iloc[:, :4].to_numpy(), data[4]):.3f}")
