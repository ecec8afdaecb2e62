"""Writes its lookup table below /usr/local, as a script does that was only ever run as root."""

import os

import pandas as pd
from sklearn.ensemble import RandomForestClassifier

iris = pd.read_csv(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "iris.csv"), skiprows=1, header=None).to_numpy()
model = RandomForestClassifier(600, random_state=0).fit(iris[:, :4], iris[:, 4])
print(f"training accuracy {model.score(iris[:, :4], iris[:, 4]):.4f}", flush=True)

os.makedirs("/usr/local/share/iris", exist_ok=True)
with open("/usr/local/share/iris/importance.txt", "w") as f:
    f.write(" ".join(f"{value:.6f}" for value in model.feature_importances_))
with open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "done.txt"), "w") as f:
    f.write("table written\n")
