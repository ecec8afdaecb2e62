"""Artifacts: which files there are on each side, and each by its rule."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, strategies as st

from lyftlearn_image.parity.compare.artifacts import compare_artifacts
from lyftlearn_image.parity.compare.comparator import ComparatorContext
from lyftlearn_image.parity.compare.rule import Rule
from lyftlearn_image.parity.differences import Comparison, Difference

FILES = st.dictionaries(
    st.builds(
        "{}{}{}".format, st.sampled_from(["", "a/", "a/b/"]), st.sampled_from("xyz"), st.sampled_from([".txt", ".json", ""])
    ),
    st.integers(0, 9).map(str),
    min_size=1,
    max_size=5,
)


def compare_trees(left: dict[str, str], right: dict[str, str], rules: dict[str, Rule] | None = None) -> tuple[Comparison, ...]:
    """The comparisons of two artifacts `model` with these files."""
    with tempfile.TemporaryDirectory() as directory:
        for side, files in (("left", left), ("right", right)):
            (Path(directory) / side).mkdir()
            for name, text in files.items():
                path = Path(directory) / side / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        sides = [{"model": Path(directory) / side, "lyftlearn": Path(directory)} for side in ("left", "right")]
        return compare_artifacts(rules or {}, ComparatorContext(None, *sides))  # type: ignore[arg-type]


@given(FILES)
def test_a_tree_is_the_same_as_itself(files: dict[str, str]) -> None:
    """Every file is compared, in the order of the names."""
    found = compare_trees(files, files)
    assert [each.subject for each in found] == sorted(f"model/{name}" for name in files)
    assert not any(each.differences for each in found)


@given(FILES, st.data())
def test_a_changed_file_is_told_and_no_other(files: dict[str, str], data: st.DataObject) -> None:
    """By the artifact's name and its path below it."""
    name = data.draw(st.sampled_from(sorted(files)))
    found = compare_trees(files, {**files, name: "10"})
    assert [each.subject for each in found if each.differences] == [f"model/{name}"]


@given(FILES, st.data())
def test_a_missing_file_is_told(files: dict[str, str], data: st.DataObject) -> None:
    """On whichever side it is missing."""
    name = data.draw(st.sampled_from(sorted(files)))
    fewer = {each: text for each, text in files.items() if each != name}
    differing = [each for each in compare_trees(files, fewer) if each.differences]
    assert [(each.subject, each.differences) for each in differing] == [
        (f"model/{name}", (Difference("", "a file", None, "the file is on one side only"),))
    ]
    differing = [each for each in compare_trees(fewer, files) if each.differences]
    assert [(each.subject, each.differences) for each in differing] == [
        (f"model/{name}", (Difference("", None, "a file", "the file is on one side only"),))
    ]


def test_what_the_shim_left_is_not_compared() -> None:
    """Neither its directory within an artifact, nor an artifact of its own."""
    left, right = {".lyftlearn/observation.json": "left", "a/.lyftlearn/b": "left"}, {".lyftlearn/observation.json": "right"}
    assert compare_trees(left, right) == ()


def test_the_first_rule_that_matches_decides() -> None:
    """Also for a file that is on one side only; without a rule it is the suffix."""
    rules = {"model/a.*": Rule(compare="json", atol=1), "model/*.json": Rule(compare="bytes")}
    left, right = {"a.json": "1", "b.json": "1", "c.txt": "1"}, {"a.json": "2", "c.txt": "2"}
    only = Difference("", "a file", None, "the file is on one side only")
    assert compare_trees(left, right, rules) == (
        Comparison("model/a.json", "json", (), "atol 1"),
        Comparison("model/b.json", "bytes", (only,), "exact"),
        Comparison("model/c.txt", "text", (Difference("line 1", "1", "2"),), "exact"),
    )


def test_a_rule_that_matches_nothing_is_a_difference() -> None:
    """What was expected to be compared is not there."""
    rules = {"model/none.npy": Rule(compare="array"), "model/a*": Rule(compare="text")}
    found = compare_trees({"a": "1"}, {"a": "1"}, rules)
    assert found[1:] == (Comparison("model/none.npy", "array", (Difference("", None, None, "no such file on either side"),)),)
    assert not found[0].differences


def test_a_rule_behind_another_one_for_the_same_files_is_a_difference() -> None:
    """It is never applied: whoever wrote it believes that it is."""
    rules = {"model/*": Rule(compare="text"), "model/a": Rule(compare="json", rtol=1.0), "model/b*": Rule(compare="text")}
    found = compare_trees({"a": "1", "b": "1"}, {"a": "1", "b": "1"}, rules)
    assert [(each.subject, *(one.detail for one in each.differences)) for each in found if each.differences] == [
        ("model/a", "never applied: an earlier rule is for model/a"),
        ("model/b*", "never applied: an earlier rule is for model/b"),
    ]


def test_a_link_to_a_directory_is_compared_by_where_it_leads(tmp_path: Path) -> None:
    """The files there are compared where they are, once."""
    sides = []
    for side, target in (("left", "one"), ("right", "two"), ("same", "one")):
        for name in ("one", "two"):
            (tmp_path / side / name).mkdir(parents=True)
            (tmp_path / side / name / "a.txt").write_text("text")
        (tmp_path / side / "latest").symlink_to(target)
        sides.append({"model": tmp_path / side})
    found = compare_artifacts({}, ComparatorContext(None, sides[0], sides[1]))  # type: ignore[arg-type]
    assert [each.subject for each in found] == ["model/latest", "model/one/a.txt", "model/two/a.txt"]
    assert [each.differences for each in found if each.differences] == [
        (Difference("", "a link to one", "a link to two", "what it is"),)
    ]
    assert not any(each.differences for each in compare_artifacts({}, ComparatorContext(None, sides[0], sides[2])))  # type: ignore[arg-type]


def test_what_a_link_out_of_the_tree_became_is_the_same_on_both_sides() -> None:
    """A text that says where it led stands in its place, which is no JSON, and the same bytes all the same."""
    text = "symbolic link to /opt/ml/input/config/hyperparameters.json\n"
    assert not any(each.differences for each in compare_trees({"hp.json": text}, {"hp.json": text}))
    assert any(each.differences for each in compare_trees({"hp.json": text}, {"hp.json": f"{text} "}))
