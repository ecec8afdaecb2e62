"""Joins every flight out of New York in 2013 with weather, planes and carriers, and writes features per route."""

import argparse
import json
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

parser = argparse.ArgumentParser()
parser.add_argument("--input", type=Path, default=Path("/opt/ml/processing/input/nyc"))
parser.add_argument("--output", type=Path, default=Path("/opt/ml/processing/output"))
parser.add_argument("--min-flights", type=int, default=100)
args = parser.parse_args()

flights = pd.read_csv(args.input / "flights.csv.zip")
weather = pd.read_csv(args.input / "weather.csv")
planes = pd.read_csv(args.input / "planes.csv")[["tailnum", "year", "seats"]].rename(columns={"year": "built"})
airlines = pd.read_csv(args.input / "airlines.csv").rename(columns={"name": "carrier_name"})
print(f"{len(flights)} flights, {len(weather)} weather hours, {len(planes)} planes", file=sys.stderr)

joined = (
    flights.merge(weather.drop(columns=["year", "time_hour"]), on=["origin", "month", "day", "hour"], how="left")
    .merge(planes, on="tailnum", how="left")
    .merge(airlines, on="carrier", how="left")
)
joined["route"] = joined["origin"] + "-" + joined["dest"]
joined["late"] = joined["arr_delay"] > 15
joined["cancelled"] = joined["dep_time"].isna()
joined["age"] = 2013 - joined["built"]
joined["speed"] = joined["distance"] / joined["air_time"] * 60

by_route = joined.groupby(["route", "carrier_name"])
features = by_route.agg(
    flights=("flight", "size"),
    late=("late", "mean"),
    cancelled=("cancelled", "mean"),
    delay_mean=("dep_delay", "mean"),
    delay_p90=("dep_delay", lambda delays: delays.quantile(0.9)),
    speed=("speed", "median"),
    age=("age", "mean"),
    wind=("wind_speed", "mean"),
).reset_index()
features = features[features["flights"] >= args.min_flights].sort_values(["route", "carrier_name"])

hourly = joined.groupby(["month", "hour"])["dep_delay"].describe(percentiles=[0.5]).reset_index()

for name in ("features", "report"):
    (args.output / name).mkdir(parents=True, exist_ok=True)
pq.write_table(
    pa.Table.from_pandas(features, preserve_index=False), args.output / "features" / "routes.parquet", compression="zstd"
)
hourly.to_csv(args.output / "features" / "hourly.csv", index=False)
report = {
    "flights": len(flights),
    "routes": int(features["route"].nunique()),
    "weather_found": float(joined["temp"].notna().mean()),
    "worst": features.nlargest(5, "late")[["route", "carrier_name", "late"]].to_dict("records"),
}
(args.output / "report" / "report.json").write_text(json.dumps(report, indent=2))
print(json.dumps(report))
