"""Trains the temperature model of our weather service. Runs as a Job; app.toml is its ConfigMap."""

import hashlib
import hmac
import json
import os
import tomllib
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import statsd
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.model_selection import TimeSeriesSplit, cross_val_score

CONFIG = Path(os.environ.get("WEATHER_TRAINER_CONFIG", "/etc/weather-trainer/app.toml"))
TOKEN = Path("/var/run/weather-trainer/signing-key")


def features(frame, lags):
    columns = {f"{name}_{lag}": frame[name].shift(lag) for name in ("temp_max", "temp_min", "wind") for lag in lags}
    season = 2 * np.pi * frame["date"].dt.day_of_year / 365.25
    return pd.DataFrame({**columns, "sin": np.sin(season), "cos": np.cos(season)})


def main():
    with CONFIG.open("rb") as f:
        config = tomllib.load(f)
    metrics = statsd.StatsClient("localhost", 8125, prefix=config["metrics"]["prefix"])

    frame = pd.read_csv(config["data"]["path"], parse_dates=["date"])
    X = features(frame, config["model"]["lags"])
    usable = X.notna().all(axis=1)
    X, y = X[usable].to_numpy(), frame.loc[usable, "temp_max"].to_numpy()
    metrics.gauge("rows", len(y))

    model = GradientBoostingRegressor(**config["model"]["parameters"])
    with metrics.timer("cross_validation"):
        scores = cross_val_score(model, X, y, cv=TimeSeriesSplit(config["model"]["splits"]), scoring="neg_mean_absolute_error")
    for score in scores:
        metrics.incr("folds")
        print(f"fold error {-score:.4f} degrees")
    with metrics.timer("fit"):
        model.fit(X, y)
    metrics.gauge("error_millidegrees", int(-scores.mean() * 1000))

    # Stations are known outside only by a keyed pseudonym; the release is signed for the model server.
    station = hmac.new(os.environ["STATION_SALT"].encode(), config["data"]["station"].encode(), hashlib.sha256).hexdigest()[:12]
    forecast = model.predict(X[-14:]).round(6).tolist()
    signature = hmac.new(TOKEN.read_bytes(), json.dumps(forecast).encode(), hashlib.sha256).hexdigest()

    target = Path(config["output"]["model_dir"])
    joblib.dump(model, target / "temperature.joblib")
    np.save(target / "probe.npy", X[::20])
    release = {"station": station, "forecast": forecast, "signature": signature, "greeting": config["output"]["greeting"]}
    (target / "release.json").write_text(json.dumps(release, ensure_ascii=False, indent=1))
    metrics.incr("released")
    print(f"released the model of station {station}")


if __name__ == "__main__":
    main()
