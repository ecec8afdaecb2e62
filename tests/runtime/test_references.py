"""References as values: taken apart without a loss, and told from every other value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from lyftlearn_runtime import contract, references
from lyftlearn_runtime.errors import ShimError

if TYPE_CHECKING:
    from random import Random

# What a name or a key may hold, and what ends each part before it.
WORDS = st.characters(exclude_categories=["Cs"], exclude_characters="\0?#&=")
FLAGS = ("optional", "last-known-good")


def option_texts(*, extra: str = "") -> st.SearchStrategy[str]:
    """Names or values of options; `default=` ends the options, so it is in none of them."""
    return st.text(WORDS | st.sampled_from(list(extra) or [" "]), min_size=1, max_size=8).filter(
        lambda text: "default" not in text and text not in FLAGS
    )


@given(st.text().filter(lambda text: text.partition("://")[0] not in {"aws-sm", "aws-ssm", "aws-ssm-path", "confidant"}))
def test_nothing_else_is_a_reference(value: str) -> None:
    """A URL, a path, a sentence: taken as they are."""
    assert not references.is_reference(value)


@given(
    st.sampled_from(["aws-sm", "aws-ssm", "aws-ssm-path", "confidant", "downward", "s3", "file", "env", "vault"]),
    st.text(WORDS | st.sampled_from("&=/:"), min_size=1),
    st.dictionaries(option_texts(), option_texts(extra="=?/:"), max_size=3),
    st.permutations(FLAGS).flatmap(lambda flags: st.sampled_from([[], list(flags[:1]), list(flags)])),
    st.none() | st.text(WORDS | st.sampled_from("?&=/:")),
    st.text(WORDS | st.sampled_from("?&=/:#")),
    st.randoms(use_true_random=False),
)
def test_what_a_reference_is_made_of_is_what_it_is_taken_apart_into(  # noqa: PLR0913, PLR0917 - its parts
    scheme: str, name: str, options: dict[str, str], flags: list[str], default: str | None, key: str, order: Random
) -> None:
    """Whatever the parts hold and however the options are ordered: none is lost, none is changed."""
    written = [*(f"{option}={value}" for option, value in options.items()), *flags]
    order.shuffle(written)
    written += [] if default is None else [f"default={default}"]
    text = f"{scheme}://{name}" + (f"?{'&'.join(written)}" if written else "") + (f"#{key}" if key else "")
    found = references.parse(text)
    assert found == references.Reference(
        text,
        scheme,
        references.Item(name, tuple(sorted(options.items()))),
        key,
        is_optional="optional" in flags,
        default=default,
        keeps_last_known_good="last-known-good" in flags,
    )


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("aws-sm://", "the reference aws-sm:// has no name; expected aws-sm://name or aws-sm://name#key"),
        ("aws-sm://?optional#key", "has no name"),
        ("aws-sm://a\0b", r"the reference 'aws-sm://a\x00b' has a character that no name has"),
        ("aws-sm://a#\0", "has a character that no name has"),
        ("aws-sm://a\ud800", "has a character that no name has"),
        ("aws-sm://a#\ud800", "has a character that no name has"),
        ("aws-sm://a?optional=yes", "has the option 'optional'; expected ?optional, ?last-known-good"),
        ("aws-sm://a?last-known-good=1", "has the option 'last-known-good'"),
        ("aws-sm://a?version", "has the option 'version'; expected ?optional, ?last-known-good, an option of the source"),
        ("aws-sm://a?version=", "has the option 'version'"),
        ("aws-sm://a?=x&optional=", None),
        ("aws-sm://a?stage=x&later", "has the option 'later'"),
    ],
)
def test_a_malformed_reference_is_shown_with_what_is_wrong(reference: str, told: str | None) -> None:
    """It holds no secret, and who wrote it has to find it."""
    if told is None:
        assert references.parse(reference).is_optional
        return
    with pytest.raises(ShimError) as caught:
        references.parse(reference)
    assert told in caught.value.message
    assert caught.value.exit_code == contract.EXIT_CONFIG


def test_a_byte_that_is_no_text_may_be_in_a_name() -> None:
    """A variable may hold any byte."""
    assert references.parse("file:///a\udcff").item.name == "/a\udcff"


def test_an_option_whose_name_ends_in_default_is_an_option() -> None:
    """Only the option `default` itself begins a text that may hold anything."""
    assert references.parse("x://a?nodefault=1").item.options == (("nodefault", "1"),)
    assert references.parse("x://a?nodefault=1").default is None
    assert references.parse("x://a?b=1&default=c&d=2").default == "c&d=2"


def test_the_variables_that_are_references() -> None:
    """By a scheme that no value has by accident, or because they are named; what tells the shim what to do is none."""
    environ = {
        "A": "aws-sm://a", "B": "s3://bucket/key", "C": "s3://bucket/other", "D": "no reference", "E": "aws-sm:/a",
        "URL": "https://host/", contract.REFERENCES: "D,B , X", contract.BUNDLE: "aws-sm://a", contract.ENV_FROM: "confidant://a",
    }  # fmt: skip
    assert references.reference_variables(environ) == ["A", "B"]
    del environ[contract.REFERENCES]
    assert references.reference_variables(environ) == ["A"]


def test_the_first_mark_ends_the_scheme() -> None:
    """A name may hold what looks like one more."""
    assert references.parse("file:///a://b").item.name == "/a://b"


@given(st.sampled_from(contract.CLEAR_SCHEMES), st.text())
def test_a_clear_scheme_makes_a_reference(scheme: str, rest: str) -> None:
    """Whatever follows it; not without its mark."""
    assert references.is_reference(f"{scheme}://{rest}")
    assert references.is_reference(f"{scheme}://{rest}://")
    assert not references.is_reference(scheme)
    assert not references.is_reference(f"{scheme}:/{rest.lstrip('/')}")
