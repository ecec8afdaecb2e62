"""Runs inside the image that made a model: opens the model and writes what it predicts, as JSON.

It imports nothing of this project. Its arguments are the model's path, the request (JSON: `given`, whether somebody chose the
rows) and the paths of files with rows; the first of them on which the model predicts is used. A model runs code, so what is
written is the model's own word; it is read as such.
"""

import base64
import itertools
import json
import os
import sys
import warnings

METHODS = ("predict", "predict_proba", "decision_function", "transform", "score_samples")
# Of data that nobody chose, so many rows tell two models apart.
FOUND_ROWS = 1000
CODE_DIR = "/opt/ml/code"
MAX_NESTING = 3


class BoosterModel:
    """A booster that is opened from its own file, with the methods of an estimator."""

    def __init__(self, predict):
        self.predict = predict


def open_model(path):
    """The model of a file, by what the file begins with, or is called."""
    with open(path, "rb") as file:
        start = file.read(8)
    if start.startswith(b"tree\n"):
        import lightgbm

        return BoosterModel(lightgbm.Booster(model_file=path).predict)
    if path.endswith(".onnx"):
        return open_onnx(path)
    if path.endswith((".keras", ".h5")):
        import keras

        return BoosterModel(keras.models.load_model(path, compile=False).predict)
    if start[:1] == b"{" or path.endswith((".ubj", ".xgb", ".bst")):
        import xgboost

        booster = xgboost.Booster(model_file=path)
        return BoosterModel(lambda rows: booster.predict(xgboost.DMatrix(rows)))
    return open_skops(path) if start.startswith(b"PK") else open_pickle(path)


def open_skops(path):
    """An estimator that skops wrote."""
    import skops.io

    return skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))


def open_pickle(path):
    """Whatever a pickle makes, in an image with or without joblib."""
    try:
        import joblib
    except ImportError:
        import pickle

        with open(path, "rb") as file:
            return pickle.load(file)
    return joblib.load(path)


def open_onnx(path):
    """A model that gives each output of an ONNX file as a column of its own."""
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (only,) = session.get_inputs()

    def run(rows):
        found = session.run(None, {only.name: np.asarray(rows, dtype="float64" if "double" in only.type else "float32")})
        return [list(map(str, each)) if isinstance(each, list) else each.tolist() for each in found]

    return BoosterModel(run)


def find_models(value, path="", depth=0):
    """The models in what was opened, with where they are: itself, or those in a bundle that a team made."""
    if any(callable(getattr(value, name, None)) for name in METHODS):
        yield path, value
    elif depth < MAX_NESTING:
        if isinstance(value, dict):
            items = value.items()
        elif isinstance(value, (list, tuple)):
            items = enumerate(value)
        else:
            items = getattr(value, "__dict__", {}).items()
        for name, item in items:
            yield from find_models(item, "%s/%s" % (path, name), depth + 1)


def read_rows(path):
    """The rows of a file: an array of numpy, or a table of pandas."""
    import numpy as np

    if path.endswith(".npy"):
        return np.load(path, allow_pickle=False)
    if path.endswith(".npz"):
        with np.load(path, allow_pickle=False) as arrays:
            return arrays[arrays.files[0]]
    import pandas

    if path.endswith(".parquet"):
        return pandas.read_parquet(path)
    return (
        pandas.read_json(path, lines=path.endswith(".jsonl")) if path.endswith((".json", ".jsonl")) else pandas.read_csv(path)
    )


def row_forms(rows, model, given):
    """The rows in the forms that a model may take, each with its name: a table holds more than what a model is fitted on."""
    as_they_are = [("", lambda: rows)]
    narrowed = []
    names, count = getattr(model, "feature_names_in_", None), getattr(model, "n_features_in_", None)
    if hasattr(rows, "columns"):
        if names is not None and set(names) <= set(rows.columns):
            narrowed.append(("its columns", lambda: rows[list(names)]))
        numbers = rows.select_dtypes("number")
        if count is not None and numbers.shape[1] >= count:
            narrowed.append(("the first %d columns of numbers" % count, numbers.iloc[:, :count].to_numpy))
        words = rows.select_dtypes(exclude="number")
        if words.shape[1]:
            narrowed.append(("the first column of words", lambda: words.iloc[:, 0].astype(str).tolist()))
    elif count is not None and getattr(rows, "ndim", 0) == 2 and rows.shape[1] > count:
        narrowed.append(("the first %d columns" % count, lambda: rows[:, :count]))
    return as_they_are + narrowed if given else narrowed + as_they_are


def predict(model, rows):
    """What each method gives, and how the others failed."""
    done, failed = {}, {}
    for name in METHODS:
        try:
            method = getattr(model, name, None)
            if callable(method):
                done[name] = to_data(method(rows))
        except Exception as error:
            failed[name] = describe(error)
    return done, failed


def to_data(value):
    """A result as JSON: a sparse matrix, an array of numbers, a table, or items one by one."""
    import numpy as np

    if hasattr(value, "tocsr"):
        matrix = value.tocsr().copy()
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
        parts = {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr}
        return {
            "kind": "sparse matrix",
            "shape": list(matrix.shape),
            "parts": {name: to_data(part) for name, part in parts.items()},
        }
    if hasattr(value, "columns") and hasattr(value, "iloc"):
        columns = {str(number): to_data(np.asarray(value.iloc[:, number])) for number in range(value.shape[1])}
        return {"kind": "table", "parts": {"columns": to_data([str(name) for name in value.columns]), **columns}}
    try:
        array = np.asarray(value)
    except ValueError:  # rows of several lengths
        return {"kind": "list", "parts": {str(position): to_data(item) for position, item in enumerate(value)}}
    if array.dtype.kind in "biufcmMSU" and array.dtype.char != "g":
        raw = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
        return {"kind": "array", "dtype": array.dtype.str, "shape": list(array.shape), "base64": raw}
    items = array.ravel().tolist()
    if items and all(isinstance(item, float) for item in items):
        return to_data(np.asarray(items, dtype=float).reshape(array.shape))
    return {"kind": "items", "shape": list(array.shape), "items": [item_text(item) for item in items]}


def item_text(item):
    """One item with its type. An object that only its address tells apart cannot be compared."""
    text = repr(item)
    if " at 0x" in text and not isinstance(item, (str, bytes)):
        raise TypeError("predictions are objects of %s, which have no values" % type(item))
    return "%s %s" % (type(item).__name__, text)


def describe(error):
    """An error by its kind and its words."""
    return ("%s: %s" % (type(error).__name__, error))[:500]


def predictions(model_path, given, candidates):
    """What the models of a file predict on the first of the files of rows that they take."""
    found = list(itertools.islice(find_models(open_model(model_path)), 50))
    if not found:
        return {"error": "it has no method that predicts"}
    results, failures = [], []
    for path, model in found:
        done = {}
        for candidate in candidates:
            try:
                rows = read_rows(candidate)
                forms = row_forms(rows if given else rows[:FOUND_ROWS], model, given)
            except Exception as error:
                failures.append("%s: %s" % (os.path.basename(candidate), describe(error)))
                continue
            for form, make in forms:
                done, failed = predict(model, make())
                if done:
                    label = os.path.basename(candidate) + (", " + form if form else "")
                    results.append({"model": path, "rows": label, "values": done, "failed": failed})
                    break
                failures.extend("%s%s: %s" % (path and path + " ", name, why) for name, why in failed.items())
            if done:
                break
        if not done and not results:
            continue
        if not done:
            results.append({"model": path, "rows": "", "values": {}, "failed": {"": failures[-1] if failures else "no rows"}})
    return {"models": results} if results else {"error": failures[0] if failures else "it takes none of the rows"}


def main():
    """Writes the predictions to what was standard output; what a model prints goes to standard error."""
    output = os.dup(1)
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    sys.path.append(CODE_DIR)
    model, request, *candidates = sys.argv[1:]
    try:
        reply = predictions(model, json.loads(request)["given"], candidates)
    except BaseException as error:  # a model may also exit
        reply = {"error": describe(error)}
    with os.fdopen(output, "w", encoding="utf-8", errors="backslashreplace") as file:
        json.dump(reply, file)
    os._exit(0)  # nothing that a model left behind keeps the container


if __name__ == "__main__":
    main()
