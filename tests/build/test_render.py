"""The Dockerfile: the same text for the same description, and nothing breaks out of its instruction."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given, settings, strategies as st

from lyftlearn_image.build.context import build_context, build_key
from lyftlearn_image.build.render import quoted, render
from lyftlearn_image.build.spec import ImageSpec, load_spec

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGES = Path(__file__).resolve().parents[2] / "images"
SPEC = load_spec("lyftlearn", IMAGES)
LINE = st.text(st.characters(blacklist_categories=("Cc", "Cs")), max_size=40)
INSTRUCTION = re.compile(r"^(FROM|ARG|RUN|COPY|ENV|LABEL|SHELL|WORKDIR|ENTRYPOINT|CMD)\b", re.MULTILINE)


def test_the_dockerfile_is_the_golden_one(golden: Callable[[str, str], None]) -> None:
    """What the class renders to is reviewed as prose."""
    golden("lyftlearn.Dockerfile", render(SPEC, IMAGES))


def test_hadolint_has_nothing_to_say(tmp_path: Path) -> None:
    """The field's linter finds no fault, but for ignores that stand with their reason."""
    (tmp_path / "Dockerfile").write_text(render(SPEC, IMAGES))
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([str(hadolint), str(tmp_path / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@settings(max_examples=50)
@given(st.dictionaries(st.from_regex(r"[A-Z]{1,6}", fullmatch=True), LINE, max_size=3), LINE)
def test_values_stay_in_their_instruction(environment: dict[str, str], description: str) -> None:
    """Whatever a value holds, the number of instructions follows from the description alone."""
    spec = ImageSpec.model_validate({**SPEC.model_dump(), "environment": environment, "description": description})
    text = render(spec, IMAGES)
    assert text == render(spec, IMAGES)
    plain = render(spec.model_copy(update={"environment": dict.fromkeys(environment, "x"), "description": "x"}), IMAGES)
    assert INSTRUCTION.findall(text) == INSTRUCTION.findall(plain)
    assert len(text.splitlines()) == len(plain.splitlines()) or "\x85" in text or "\u2028" in text or "\u2029" in text


@given(LINE)
def test_a_quoted_value_means_itself(value: str) -> None:
    """Undoing the escapes gives the value back, and no quote or dollar is left bare."""
    inside = quoted(value)[1:-1]
    assert re.sub(r"\\(.)", r"\1", inside) == value
    assert not re.search(r'(?<!\\)(?:\\\\)*["$]', inside)


def test_the_key_follows_every_byte_of_the_context() -> None:
    """A change in any file, or of the image below, is a change of the key; nothing else is."""
    context = build_context(SPEC, IMAGES)
    key = build_key(context, "sha256:1")
    assert key == build_key(build_context(SPEC, IMAGES), "sha256:1")
    assert key != build_key(context, "sha256:2")
    for name in context:
        assert build_key({**context, name: context[name] + b" "}, "sha256:1") != key


def test_the_shim_comes_after_the_packages() -> None:
    """A change of the shim's code rebuilds only the last, small layers."""
    text = render(SPEC, IMAGES)
    assert text.index("COPY --from=builder /opt/venv") < text.index("COPY lyftlearn_runtime/")
    assert "USER" not in INSTRUCTION.findall(text)
    assert text.endswith('ENTRYPOINT ["/opt/lyftlearn/bin/entrypoint"]\nCMD []\n')
