"""Runs inside the image that made the models, and describes them as JSON. It imports nothing of this project.

It connects to the socket of its first argument and waits for a pair of open files. Each pair gets a process of its own,
forked when the libraries are loaded already: a model runs code, and the next one must not see what it did.
"""

import contextlib
import hashlib
import json
import os
import signal
import socket
import sys

import joblib
import numpy as np

SHOWN_VALUES = 2000
REQUEST_BYTES = 1 << 16


def to_json(value):
    """A value as JSON; of an array its values up to a size, else a digest of them."""
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        summary = {"dtype": str(value.dtype), "shape": list(value.shape)}
        # "g" is numpy's longdouble, which no number of JSON can hold.
        if value.size <= SHOWN_VALUES and value.dtype.kind in "biufU" and value.dtype.char != "g":
            summary["values"] = value.tolist()
        else:
            summary["digest"] = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
            if value.dtype.kind in "iuf":
                summary["mean"] = float(np.nanmean(value))
        return summary
    if isinstance(value, np.generic):
        item = value.item()
        return repr(item) if isinstance(item, np.generic) else to_json(item)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    return repr(value) if isinstance(value, (complex, bytes)) else f"{type(value).__module__}.{type(value).__qualname__}"


def fitted_attributes(model):
    """The attributes that fitting made: those whose names end with an underscore."""
    names = [name for name in sorted(vars(model)) if name.endswith("_") and not name.startswith("_")]
    return {name: to_json(getattr(model, name)) for name in names}


def read_rows(file, suffix):
    """The rows to predict on."""
    if suffix == ".npy":
        return np.load(file, allow_pickle=False)
    import pandas

    return pandas.read_parquet(file) if suffix == ".parquet" else pandas.read_csv(file)


def describe_model(file, inputs, suffix):
    """Class, parameters, fitted attributes and predictions of one model."""
    model = joblib.load(file)
    description = {
        "class": f"{type(model).__module__}.{type(model).__qualname__}",
        "parameters": to_json(model.get_params(deep=True)) if hasattr(model, "get_params") else {},
        "fitted": fitted_attributes(model) if hasattr(model, "__dict__") else {},
    }
    if inputs:
        data = read_rows(inputs, suffix)
        for method in ("predict", "predict_proba", "transform"):
            if hasattr(model, method):
                description[method] = to_json(np.asarray(getattr(model, method)(data)))
    return description


def send_description(connection, request, descriptors):
    """Describes one pair and sends it, or what went wrong."""
    signal.alarm(request["timeout_s"])
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(os.fdopen(one, "rb")) for one in descriptors]
        half = len(files) // 2
        try:
            pair = [
                describe_model(group[0], group[1] if half > 1 else None, request["suffix"])
                for group in (files[:half], files[half:])
            ]
            reply = {"models": pair}
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
    connection.sendall(json.dumps(reply).encode())


def load_libraries():
    """What most models need. A model that needs more imports it by itself."""
    for name in ("sklearn.ensemble", "sklearn.pipeline", "pandas"):
        try:
            __import__(name)
        except ImportError:
            continue


def main():
    """Takes pairs until nobody listens any more."""
    load_libraries()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(sys.argv[1])
            data, descriptors, _, _ = socket.recv_fds(connection, REQUEST_BYTES, 4)
            if not data:
                return
            if os.fork() == 0:
                send_description(connection, json.loads(data), descriptors)
                os._exit(0)
            for one in descriptors:
                os.close(one)


if __name__ == "__main__":
    main()
