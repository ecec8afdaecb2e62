"""Clusters the irises. Nothing here reads the variable that differs, so the result is the same."""

import json
import os

import pandas as pd
from sklearn.mixture import GaussianMixture

iris = pd.read_csv(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "iris.csv"), skiprows=1, header=None).to_numpy()
scores = {}
for components in range(1, 9):
    model = GaussianMixture(components, n_init=20, random_state=0).fit(iris[:, :4])
    scores[components] = model.bic(iris[:, :4])
    print(f"{components} components: bic {scores[components]:.4f}")
with open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "bic.json"), "w") as f:
    json.dump(scores, f)
