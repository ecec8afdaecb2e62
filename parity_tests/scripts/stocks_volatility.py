"""Bootstraps each stock's volatility and reports it to the node's StatsD agent over plain UDP."""

import json
import os
import socket

import numpy as np
import pandas as pd

settings = json.load(open("/etc/volatility/settings.json"))
agent = (os.environ.get("STATSD_HOST", "localhost"), int(os.environ.get("STATSD_PORT", "8125")))
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def emit(metric, value, kind, **tags):
    suffix = "|#" + ",".join(f"{k}:{v}" for k, v in sorted(tags.items())) if tags else ""
    sock.sendto(f"volatility.{metric}:{value}|{kind}{suffix}".encode(), agent)


prices = pd.read_csv(settings["prices"], parse_dates=["date"], date_format="%b %d %Y")
rng = np.random.default_rng(settings["seed"])
rows = []
for symbol, series in prices.groupby("symbol"):
    returns = np.diff(np.log(series.sort_values("date")["price"].to_numpy()))
    samples = rng.choice(returns, size=(settings["resamples"], len(returns)))
    spread = samples.std(axis=1) * np.sqrt(12)
    low, high = np.quantile(spread, [0.05, 0.95])
    rows.append({"symbol": symbol, "months": len(returns), "volatility": returns.std() * np.sqrt(12), "low": low, "high": high})
    emit("annual", f"{rows[-1]['volatility']:.6f}", "g", symbol=symbol, team=os.environ["TEAM"])
    emit("symbols", 1, "c")

frame = pd.DataFrame(rows)
frame.to_parquet(os.path.join(settings["output"], "volatility.parquet"), index=False)
print(frame.round(4).to_string(index=False))
emit("done", 1, "c", team=os.environ["TEAM"])
