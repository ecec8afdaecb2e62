"""Puts measurements and target into one table."""

import sys
from pathlib import Path

import pandas as pd

NAMES = ["age", "sex", "bmi", "bp", "tc", "ldl", "hdl", "tch", "ltg", "glu"]

source, destination = Path(sys.argv[1]), sys.argv[2]
table = pd.read_csv(source / "diabetes_data_raw.csv.gz", sep=r"\s+", names=NAMES)
table["target"] = pd.read_csv(source / "diabetes_target.csv.gz", header=None)[0]
table.to_csv(destination, index=False)
print(f"prepared {len(table)} patients")
