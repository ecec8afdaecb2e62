"""Ranks cars and stamps the ranking with the numeric id of its owner."""

import json
import os

import pandas as pd
from sklearn.ensemble import RandomForestRegressor

cars = pd.read_json(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "cars.json")).dropna()
X = cars[["Cylinders", "Displacement", "Horsepower", "Weight_in_lbs"]].to_numpy(dtype=float)
model = RandomForestRegressor(600, random_state=0).fit(X, cars["Miles_per_Gallon"])
best = cars.assign(score=model.predict(X)).nlargest(10, "score")
print("ranked", len(cars), "cars")
with open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "ranking.json"), "w") as f:
    json.dump({"owner": os.getuid(), "best": best[["Name", "score"]].to_dict("records")}, f, indent=1)
