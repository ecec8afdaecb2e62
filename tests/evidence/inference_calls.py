"""Runs where the inference toolkit is: calls what it is told to, of the toolkit or of what stands in for it.

`inference_calls.py [DIRECTORY]`: with a directory the package of the same name in it is taken. Each call comes as a pickle
on stdin, a pair of `module.function` and arguments; what came of it goes back as one, in plain values.
"""

import importlib
import pickle
import sys

import numpy
import scipy.sparse

if len(sys.argv) > 1:
    sys.path.insert(0, sys.argv[1])


def plain(value):
    """A value without numpy's types, but with their names."""
    if scipy.sparse.issparse(value):
        return ("sparse", value.format, plain(value.toarray()))
    if isinstance(value, (numpy.ndarray, numpy.generic)):
        return ("array", value.dtype.str if value.dtype.names is None else str(value.dtype), value.shape, repr(value.tolist()))
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    return value if isinstance(value, (str, bytes, int, float, list, dict, type(None))) else repr(value)


def outcome(name, arguments):
    """What a call returns, or the kind of what it raises."""
    module, _, function = name.rpartition(".")
    try:
        return ("returned", plain(getattr(importlib.import_module("sagemaker_inference." + module), function)(*arguments)))
    except Exception as error:  # noqa: BLE001
        return ("raised", type(error).__name__, str(getattr(error, "status_code", "")))


while True:
    try:
        call = pickle.load(sys.stdin.buffer)  # noqa: S301
    except EOFError:
        break
    sys.stdout.buffer.write(pickle.dumps(outcome(*call)))
    sys.stdout.buffer.flush()
