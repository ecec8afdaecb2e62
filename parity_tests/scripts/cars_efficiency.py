"""Predicts fuel efficiency of cars. Expects the columns of the new export; the old one has other names."""

import json
import os

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import cross_val_score

REQUIRED = ["Cylinders", "Displacement", "Horsepower", "Weight_in_lbs", "Emission_class"]

cars = pd.read_json(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "cars.json")).dropna()
numbers = cars[["Cylinders", "Displacement", "Horsepower", "Weight_in_lbs"]].to_numpy(dtype=float)
baseline = cross_val_score(RandomForestRegressor(150, random_state=0), numbers, cars["Miles_per_Gallon"], cv=5)
with open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "baseline.json"), "w") as f:
    json.dump({"r2": baseline.tolist()}, f)
print(f"baseline r2 {np.mean(baseline):.6f} on {len(cars)} cars", flush=True)

missing = [column for column in REQUIRED if column not in cars]
if missing:
    raise ValueError(f"the export lacks {', '.join(missing)}; it has {', '.join(cars.columns)}")
