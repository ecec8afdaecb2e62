"""Formats that are no pickles: each by what it holds, written by its own library where that is at hand."""

from __future__ import annotations

import functools
import io
import json
import pickle
import sys
import tempfile
import types
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import lightgbm
import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.numpy
import skops.io
import xgboost
from hypothesis import given, strategies as st

from lyftlearn_image.parity.compare.artifacts import compare_artifacts
from lyftlearn_image.parity.compare.comparator import ComparatorContext
from lyftlearn_image.parity.compare.model_files.process import compare_here
from lyftlearn_image.parity.compare.options import Options
from lyftlearn_image.parity.compare.rule import Rule
from tests.examples import examples
from tests.parity.compare.model_files.pairs_of_models import differences, places
from tests.parity.compare.model_files.test_estimators import KINDS, fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FLOATS = np.array([[1.0, 2.0], [3.0, np.nan]], "f4")


def write_onnx(values: Any, path: Path) -> None:
    """A graph with one tensor in three forms, an attribute, and a graph within it."""
    tensors = [
        onnx.numpy_helper.from_array(values, "raw"),
        onnx.helper.make_tensor("typed", onnx.TensorProto.FLOAT, values.shape, values.ravel()),
        onnx.helper.make_tensor("whole", onnx.TensorProto.INT64, [2], [1, int(np.nan_to_num(values).sum() * 1000)]),
    ]
    below = onnx.helper.make_graph([], "below", [], [], [tensors[0]])
    node = onnx.helper.make_node("If", ["x"], ["y"], then_branch=below, floats=values.ravel().tolist(), text="words")
    graph = onnx.helper.make_graph([node], "graph", [], [], tensors)
    onnx.save(onnx.helper.make_model(graph), path)


def write_hdf5(values: Any, path: Path | io.BytesIO) -> None:
    """Groups, datasets and attributes as Keras has them; h5py notes no times."""
    with h5py.File(path, "w") as file:
        layer = file.create_group("layers/dense")
        layer.attrs["config"] = json.dumps({"units": 2, "bias": bool(np.nan_to_num(values).sum() > 100)})
        layer["kernel"] = values
        layer["names"] = np.array(["a", "b"], dtype=object)
        file["soft"] = h5py.SoftLink("/layers/dense/kernel")


def write_keras(values: Any, path: Path) -> None:
    """An archive as Keras 3 writes it, at another time each time."""
    weights = io.BytesIO()
    write_hdf5(values, weights)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.5.0", "date_saved": str(path.stat().st_mtime_ns)}))
        archive.writestr("config.json", json.dumps({"class_name": "Sequential"}))
        archive.writestr("model.weights.h5", weights.getvalue())


@pytest.fixture(autouse=True, scope="module")
def torch_names() -> Iterator[None]:
    """The names that a torch file refers to; torch itself is 800 MB."""
    modules = {name: types.ModuleType(name) for name in ("torch", "torch._utils")}

    def storage(name: str) -> None:
        setattr(modules["torch"], name, type(name, (), {"__module__": "torch"}))

    for name in ("FloatStorage", "BFloat16Storage"):
        storage(name)

    def _rebuild_tensor_v2(*arguments: Any) -> None:
        raise AssertionError("nothing is called")

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    modules["torch._utils"]._rebuild_tensor_v2 = _rebuild_tensor_v2  # type: ignore[attr-defined]
    sys.modules |= modules
    yield
    for name in modules:
        del sys.modules[name]


class Tensor:
    """Pickled as torch pickles a tensor."""

    def __init__(self, values: Any, kind: str = "FloatStorage", stride: tuple[int, ...] | None = None) -> None:
        self.values, self.kind = values, kind
        self.stride = stride or tuple(step // values.itemsize for step in values.strides)

    def __reduce__(self) -> Any:
        """As torch._tensor has it."""
        rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
        return rebuild, (Storage(self.values, self.kind), 0, self.values.shape, self.stride, False, {})


class Storage:
    """What a tensor refers to by a persistent id."""

    def __init__(self, values: Any, kind: str) -> None:
        self.values, self.kind = values, kind


def torch_pickle(state: Any, keys: Callable[[int], str]) -> tuple[bytes, dict[str, bytes]]:
    """The pickle, and the bytes of each storage by its key."""
    content: dict[str, bytes] = {}

    class Pickler(pickle.Pickler):
        def persistent_id(self, each: Any) -> Any:
            """As torch.serialization has it."""
            if not isinstance(each, Storage):
                return None
            key = keys(len(content))
            content[key] = each.values.tobytes()
            return ("storage", getattr(sys.modules["torch"], each.kind), key, "cpu", each.values.size)

    buffer = io.BytesIO()
    Pickler(buffer, 2).dump(state)
    return buffer.getvalue(), content


def write_torch(state: Any, path: Path) -> None:
    """A state_dict, as torch writes it since 1.6; the identifier is another one each time."""
    data, content = torch_pickle(state, str)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(f"{path.stem}/data.pkl", data)
        archive.writestr(f"{path.stem}/byteorder", "little")
        for key, each in content.items():
            archive.writestr(f"{path.stem}/data/{key}", each)
        archive.writestr(f"{path.stem}/version", "3\n")
        archive.writestr(f"{path.stem}/.data/serialization_id", str(hash(path)))


def write_legacy_torch(state: Any, path: Path) -> None:
    """The same, as older versions write it: keys are addresses, and the storages come in their order."""
    seed = hash(path)
    data, content = torch_pickle(state, lambda number: str(hash((seed, number))))
    with path.open("wb") as file:
        for each in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            pickle.dump(each, file, 2)
        file.write(data)
        pickle.dump(sorted(content), file, 2)
        for key in sorted(content):
            file.write(np.int64(len(content[key]) // 4).tobytes() + content[key])


def torch_state(values: Any) -> Any:
    """A layer's state, with a transposed view of it beside it."""
    return {"weight": Tensor(values), "transposed": Tensor(values, stride=(1, 2)), "epoch": 3}


def write_spark(values: Any, path: Path) -> None:
    """A pipeline of one model: random names, times, and rows in two files whose names are random."""
    seed = abs(hash(path)) % 10**12
    uid, stage = f"PipelineModel_{seed:012x}", f"LogisticRegression_{seed + 1:012x}"
    for directory, about in (
        (path, {"class": "org.apache.spark.ml.PipelineModel", "uid": uid, "paramMap": {"stageUids": [stage]}}),
        (path / "stages" / f"0_{stage}", {"class": "org.apache.spark.ml.LogisticRegressionModel", "uid": stage,
                                          "paramMap": {"probabilityCol": f"{stage}__probability"}}),
    ):  # fmt: skip
        (directory / "metadata").mkdir(parents=True)
        (directory / "metadata" / "_SUCCESS").touch()
        text = json.dumps({**about, "timestamp": seed, "sparkVersion": "3.5.9"})
        (directory / "metadata" / "part-00000").write_text(text + "\n")
    data = path / "stages" / f"0_{stage}" / "data"
    data.mkdir()
    (data / "_SUCCESS").touch()
    for number, row in enumerate(values.tolist()):
        table = pa.table({"coefficients": [row], "intercept": [1.0]})
        pq.write_table(table, data / f"part-{number:05}-{seed:x}-c000.snappy.parquet")


def changed(values: Any) -> Any:
    """The same values but one."""
    other = values.copy()
    other[1, 0] += 1e-3
    return other


def estimator(kind: str) -> tuple[Any, Any, Any]:
    """A model, the same again, and one of another sample."""
    return fit(KINDS[kind], 1), fit(KINDS[kind], 1), fit(KINDS[kind], 2)


ARRAYS = FLOATS, FLOATS.copy(), changed(FLOATS)
STATES = tuple(torch_state(each) for each in ARRAYS)
FORMATS: dict[str, tuple[str, Callable[[Any, Path], object], Callable[[], tuple[Any, Any, Any]]]] = {
    "lightgbm": (".txt", lambda model, path: model.booster_.save_model(path), lambda: estimator("lightgbm")),
    "xgboost, binary": (".ubj", lambda model, path: model.save_model(path), lambda: estimator("xgboost")),
    "xgboost, json": (".json", lambda model, path: model.save_model(path), lambda: estimator("xgboost")),
    "skops": (".skops", skops.io.dump, lambda: estimator("forest")),
    "skops, pipeline": (".skops", skops.io.dump, lambda: estimator("pipeline")),
    "skops, table": (".skops", skops.io.dump, lambda: estimator("column transformer")),
    "safetensors": (
        ".safetensors",
        lambda each, path: safetensors.numpy.save_file({"w": each}, path, {"of": "us"}),
        lambda: ARRAYS,
    ),
    "onnx": (".onnx", write_onnx, lambda: ARRAYS),
    "hdf5": (".h5", write_hdf5, lambda: ARRAYS),
    "keras": (".keras", lambda each, path: (path.touch(), write_keras(each, path)), lambda: ARRAYS),
    "torch": (".pt", write_torch, lambda: STATES),  # type: ignore[dict-item, return-value]
    "torch, legacy": (".pth", write_legacy_torch, lambda: STATES),  # type: ignore[dict-item, return-value]
    "spark": ("", write_spark, lambda: ARRAYS),
}


@pytest.mark.parametrize(("suffix", "write", "make"), FORMATS.values(), ids=FORMATS)
def test_a_format_is_compared_by_its_content(suffix: str, write: Any, make: Any) -> None:
    """Times, random names, addresses and identifiers are no difference, a number is one."""
    model, again, other = make()
    assert differences(model, again, write, suffix=suffix) == ()
    found = differences(model, other, write, suffix=suffix)
    assert found
    assert not any("not comparable" in each.detail for each in found)


@pytest.mark.parametrize("kind", ["safetensors", "onnx", "hdf5", "keras", "torch", "torch, legacy", "spark"])
def test_the_tolerance_applies_within_every_format(kind: str) -> None:
    """To the values of tensors, whatever form they have in the file."""
    suffix, write, make = FORMATS[kind]
    model, _, other = make()
    # ONNX's whole numbers of the test are a thousand times as far apart.
    assert differences(model, other, write, suffix=suffix, atol=2.0) == ()
    assert differences(model, other, write, suffix=suffix, atol=1e-9)


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost, binary", "xgboost, json"])
def test_the_tolerance_applies_to_boosters(kind: str) -> None:
    """Though LightGBM's text has other lengths then."""
    suffix, write, make = FORMATS[kind]
    model, _, _ = make()
    buffer = io.StringIO()
    if kind == "lightgbm":
        text = model.booster_.model_to_string()
        moved = text.replace("leaf_value=", "leaf_value=0.0000000001 ", 1).replace(" ", "", 0)
        first, *rest = moved.partition("leaf_value=0.0000000001 ")[2].split(" ", 1)
        moved = text.replace(f"leaf_value={first}", f"leaf_value={float(first) + 1e-12!r}", 1)
        buffer.write(moved)
        raw = lambda each, path: path.write_text(each)  # noqa: E731
        assert differences(text, moved, raw, suffix=suffix)
        assert differences(text, moved, raw, suffix=suffix, atol=1e-9) == ()
        assert rest
    else:
        other = xgboost.XGBClassifier(n_estimators=4, n_jobs=1)
        other.load_model(model.get_booster().save_raw())
        assert differences(model, other, write, suffix=suffix, rtol=1e-6) == ()


def test_lightgbm_knows_its_own_text() -> None:
    """Every line of it is compared: a change of any character is found."""
    small = lambda: lightgbm.LGBMClassifier(n_estimators=1, num_leaves=4, verbose=-1)  # noqa: E731
    text = fit(small, 1).booster_.model_to_string()
    raw = lambda each, path: path.write_text(each)  # noqa: E731
    assert isinstance(lightgbm.Booster(model_str=text).num_trees(), int)
    lines = text.split("\n")
    for number, line in enumerate(lines[1:], 1):
        if line and not line.startswith("tree_sizes"):
            other = "\n".join([*lines[:number], line + " 7", *lines[number + 1 :]])
            assert differences(text, other, raw), line


def test_a_torch_tensor_is_seen_through_its_strides(tmp_path: Path) -> None:
    """Equal tensors of another layout are other files, and other views of one storage other tensors."""
    assert places(differences({"w": Tensor(FLOATS)}, {"w": Tensor(FLOATS, stride=(1, 2))}, write_torch)) == ["//w/values[0, 1]"]
    beyond = {"w": Tensor(FLOATS, stride=(2, 2))}
    (found,) = differences(beyond, {"w": Tensor(FLOATS)}, write_torch)
    assert "reaches beyond its storage" in found.detail
    half = {"w": Tensor(np.array([1, 2], "<u2"), "BFloat16Storage")}
    assert differences(half, {"w": Tensor(np.array([1, 2], "<u2"), "BFloat16Storage")}, write_torch) == ()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", sorted(FORMATS.keys() - {"spark", "skops", "skops, table"}))
@examples(30)
@given(data=st.data())
def test_damaged_files_of_every_format_end_with_a_difference_or_none(kind: str, data: st.DataObject) -> None:
    """Nothing is raised, and what is cut off is never the same."""
    suffix = FORMATS[kind][0]
    whole = _content(kind)
    start = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:start] + data.draw(st.binary(max_size=4)) + whole[start + data.draw(st.integers(0, 4)) :]
    raw = lambda value, path: path.write_bytes(value)  # noqa: E731
    differences(whole, damaged, raw, suffix=suffix)
    if whole[start:].strip():
        assert differences(whole, whole[:start], raw, suffix=suffix)


@functools.cache
def _content(kind: str) -> bytes:
    suffix, write, make = FORMATS[kind]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, f"model{suffix}")
        write(make()[0], path)
        return path.read_bytes()


def test_a_directory_that_spark_did_not_write_is_not_comparable(tmp_path: Path) -> None:
    """And one with files that nobody knows."""
    write_spark(FLOATS, tmp_path / "model")
    (tmp_path / "other").mkdir()
    (found,) = compare_here(tmp_path / "model", tmp_path / "other", Options())
    assert "other is not a directory that Spark ML wrote" in found.detail
    stage = next((tmp_path / "model" / "stages").iterdir())
    for place in (stage / "data", stage, stage / "metadata", tmp_path / "model", tmp_path / "model" / "stages"):
        (place / "more.bin").touch()
        (found,) = compare_here(tmp_path / "model", tmp_path / "model", Options())
        assert "more.bin, which Spark ML did not write" in found.detail
        (place / "more.bin").unlink()
    assert compare_here(tmp_path / "model", tmp_path / "model", Options()) == ()


@pytest.mark.parametrize("rules", [{}, {"model/*": {"compare": "model"}}, {"model/spark": {"compare": "bytes"}}])
def test_a_directory_of_spark_is_one_artifact(tmp_path: Path, rules: Any) -> None:
    """Though the names of its files are other ones on each side; not where a rule is for a file within it."""
    for side, values in (("a", FLOATS), ("b", FLOATS), ("c", changed(FLOATS))):
        write_spark(values, tmp_path / side / "model" / "spark")
        (tmp_path / side / "model" / "notes.txt").write_text("the same")
    read = {pattern: Rule.model_validate(rule) for pattern, rule in rules.items()}

    def compared(right: str, rules: Any) -> Any:
        sides = [{"model": tmp_path / side / "model"} for side in ("a", right)]
        return compare_artifacts(rules, ComparatorContext(None, *sides))  # type: ignore[arg-type]

    same, other = compared("b", read), compared("c", read)
    assert [each.subject for each in same] == ["model/notes.txt", "model/spark"]
    assert not any(each.counting for each in same)
    assert [each.subject for each in other if each.counting] == ["model/spark"]
    within = {"model/spark/metadata/*": Rule.model_validate({"compare": "json"})}
    assert "model/spark/metadata/part-00000" in [each.subject for each in compared("b", within)]


def test_stages_of_another_order_are_another_model(tmp_path: Path) -> None:
    """Their random names are replaced by numbers in the order of the pipeline."""
    for side in ("a", "b"):
        write_spark(FLOATS if side == "a" else changed(FLOATS), tmp_path / side)
    found = compare_here(tmp_path / "a", tmp_path / "b", Options())
    assert places(found) == ["/stages/0/data/1/coefficients/0"]
