"""Counts departures by local hour: the container's time zone decides which hour that is."""

import sys
import time
from pathlib import Path

import pandas as pd

source, destination = Path(sys.argv[1]), Path(sys.argv[2])
flights = pd.read_csv(source / "flights.csv.zip", usecols=["time_hour", "origin", "distance"])
seconds = pd.to_datetime(flights["time_hour"], utc=True).astype("datetime64[s, UTC]").astype("int64")
local = {second: time.localtime(second).tm_hour for second in seconds.unique()}
table = (
    flights.assign(local_hour=seconds.map(local))
    .groupby(["origin", "local_hour"], as_index=False)
    .agg(departures=("distance", "size"), miles=("distance", "sum"))
)
destination.mkdir(parents=True, exist_ok=True)
table.to_parquet(destination / "hours.parquet", index=False)
print(len(flights), "departures,", int(table["miles"].sum()), "miles")
