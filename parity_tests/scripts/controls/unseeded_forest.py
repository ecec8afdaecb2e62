"""A forest without a seed: the same class and parameters, another model every time."""

import os

import joblib
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier

cancer = pd.read_csv(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "breast_cancer.csv"), skiprows=1, header=None).to_numpy()
model = RandomForestClassifier(300, max_features=3).fit(cancer[:, :-1], cancer[:, -1])
joblib.dump(model, os.path.join(os.environ["SM_MODEL_DIR"], "model.joblib"))
np.save(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "X.npy"), cancer[:, :-1])
print("trained", len(model.estimators_), "trees")
