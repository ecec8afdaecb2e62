"""Writes the models of `models.tar.xz`, each by its own library: `python record.py neural|boosters|spark DIRECTORY CHANGE`.

Recorded with torch 2.13.0, keras 3.15.1 on torch, safetensors 0.8.0, catboost 1.2.10 and pyspark 3.5.9, which the tests do
without. `first` and `same` are of two processes with CHANGE 0, as two runs of one script are; `other` had CHANGE 0.5.
"""

from __future__ import annotations

import importlib
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np


def neural(directory: Path, change: float) -> None:
    """A net as torch writes it, whole, its state alone, and as TorchScript; and one of Keras."""
    os.environ["KERAS_BACKEND"] = "torch"
    torch: Any = importlib.import_module("torch")
    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.randn(8, 3)).pow(3).sum().backward()
    optimizer.step()
    with torch.no_grad():
        net[0].weight[1, 2] += change
    state = net.state_dict()
    weight = state["0.weight"]
    saved = {
        "state": state,
        "module": net,
        "checkpoint": {"model": state, "optimizer": optimizer.state_dict(), "epoch": 1, "type": torch.float16},
        "quantized": torch.quantize_per_tensor(weight, 0.1, 3, torch.qint8),
        "sparse": weight.to_sparse(),
        "bfloat16": weight.to(torch.bfloat16),
    }
    for name, value in saved.items():
        torch.save(value, directory / f"{name}.pt")
        torch.save(value, directory / f"{name}-legacy.pt", _use_new_zipfile_serialization=False)
    torch.jit.script(net).save(str(directory / "scripted.pt"))
    torch.jit.trace(net.eval(), torch.randn(2, 3)).save(str(directory / "traced.pt"))
    importlib.import_module("safetensors.torch").save_file(state, directory / "state.safetensors", metadata={"format": "pt"})
    keras: Any = importlib.import_module("keras")
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(1)])
    kernel, *others = model.get_weights()
    model.set_weights([kernel + change, *others])
    model.save(directory / "model.keras")
    model.save(directory / "model.h5")


def boosters(directory: Path, change: float) -> None:
    """A model of CatBoost in each of its formats."""
    catboost: Any = importlib.import_module("catboost")
    rows = np.random.default_rng(1).random((60, 3))
    labels = (rows[:, 0] > 0.5 + change / 5).astype(int)
    model = catboost.CatBoostClassifier(
        iterations=2, depth=1, verbose=0, random_seed=1, thread_count=1, allow_writing_files=False
    ).fit(rows, labels)
    for suffix, form in (("cbm", "cbm"), ("json", "json"), ("onnx", "onnx")):
        model.save_model(str(directory / f"catboost.{suffix}"), format=form)
    (directory / "catboost.pkl").write_bytes(pickle.dumps(model))


def spark(directory: Path, change: float) -> None:
    """A forest and a pipeline, as directories."""
    session: Any = importlib.import_module("pyspark.sql").SparkSession
    ml: Any = importlib.import_module("pyspark.ml")
    feature: Any = importlib.import_module("pyspark.ml.feature")
    classification: Any = importlib.import_module("pyspark.ml.classification")
    rows = [(float(i % 5), float(i % 7), float(i % 5 > 1 + 2 * change), "abc"[i % 3]) for i in range(40)]
    made = session.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    data = made.createDataFrame(rows, ["x", "y", "label", "kind"]).coalesce(1)
    stages = [
        feature.StringIndexer(inputCol="kind", outputCol="k"),
        feature.VectorAssembler(inputCols=["x", "y", "k"], outputCol="features"),
        classification.LogisticRegression(maxIter=2),
    ]
    fitted = ml.Pipeline(stages=stages).fit(data)
    fitted.write().overwrite().save(str(directory / "pipeline"))
    forest = classification.RandomForestClassifier(numTrees=2, maxDepth=2, seed=1)
    assembled = ml.PipelineModel(fitted.stages[:2]).transform(data)
    forest.fit(assembled).write().overwrite().save(str(directory / "forest"))


if __name__ == "__main__":
    place = Path(sys.argv[2])
    place.mkdir(parents=True, exist_ok=True)
    {"neural": neural, "boosters": boosters, "spark": spark}[sys.argv[1]](place, float(sys.argv[3]))
