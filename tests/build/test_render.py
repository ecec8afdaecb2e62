"""The Dockerfile: the same text for the same description, and nothing breaks out of its instruction."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest
import yaml
from hypothesis import given, strategies as st

from lyftlearn_image.build import spec as description
from lyftlearn_image.build.context import build_context, build_key
from lyftlearn_image.build.render import labels, quoted, render
from lyftlearn_image.build.spec import ImageSpec, load_spec
from lyftlearn_image.errors import InvalidInputError
from lyftlearn_image.yamlfile import parse
from tests.examples import examples

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGES = Path(__file__).resolve().parents[2] / "images"
SPEC = load_spec("lyftlearn", IMAGES)
TRICKY = [
    '"',
    "\\",
    "\\\\",
    "$HOME",
    "${HOME:-x}",
    "a\\",
    "'",
    "`id`",
    "; rm -rf /",
    "# no comment",
    " x ",
    "naïve 🩺",
    "--a=b",
]


def text_of(alias: Any) -> st.SearchStrategy[str]:
    """Strings that one of the description's types accepts."""
    (pattern,) = (one.pattern for one in get_args(alias) if hasattr(one, "pattern"))
    return st.from_regex(pattern, fullmatch=True)


LINES = st.one_of(st.sampled_from(TRICKY), text_of(description.OneLine))
USERS = st.fixed_dictionaries(
    {
        "name": text_of(description.UserName),
        "uid": st.integers(1, 65535),
        "gid": st.integers(0, 65535),
        "home": text_of(description.HomePath),
    }
)
SPECS = st.builds(
    ImageSpec.model_validate,
    st.fixed_dictionaries(
        {
            "name": text_of(description.ClassName),
            "description": LINES,
            "version": text_of(description.Version),
            "base": st.fixed_dictionaries(
                {
                    "image": text_of(description.ImageName),
                    "digest": text_of(description.Digest),
                    "bootstrap": st.just("bookworm"),
                }
            ),
            "python": st.fixed_dictionaries({"version": text_of(description.PythonVersion)}),
            "apt": st.fixed_dictionaries(
                {key: st.lists(text_of(description.AptPackage), max_size=3) for key in ("run", "build")}
            ),
            "users": st.tuples(
                st.lists(USERS, max_size=3, unique_by=(lambda user: user["name"], lambda user: user["uid"])),
            ).map(lambda found: found[0]),
            "entrypoint": st.lists(LINES, min_size=1, max_size=3),
            "environment": st.dictionaries(
                text_of(description.VariableName).filter(lambda name: name not in {"PATH", "HOME"}), LINES, max_size=3
            ),
            "labels": st.dictionaries(text_of(description.LabelName), LINES, max_size=3),
        }
    ),
)


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """The instructions and their arguments, as Docker reads them: comments out, continued lines joined."""
    lines = [line for line in dockerfile.split("\n") if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\[ \t]*\n", " ", "\n".join(lines))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.split("\n") if line)]


def test_the_dockerfile_is_the_golden_one(golden: Callable[[str, str], None]) -> None:
    """What the class renders to is reviewed as prose."""
    golden("lyftlearn.Dockerfile", render(SPEC, IMAGES))


def test_hadolint_has_nothing_to_say(tmp_path: Path) -> None:
    """The field's linter finds no fault, but for ignores that stand with their reason; a fault that we plant, it finds."""
    text = render(SPEC, IMAGES)
    assert lint(tmp_path, text) == ""
    assert "DL3020" in lint(tmp_path, text.replace("COPY entrypoints/", "ADD entrypoints/"))


def lint(folder: Path, dockerfile: str) -> str:
    """What hadolint says of a Dockerfile."""
    (folder / "Dockerfile").write_text(dockerfile)
    hadolint = Path(sys.executable).parent / "hadolint"
    return subprocess.run([str(hadolint), str(folder / "Dockerfile")], capture_output=True, text=True, check=False).stdout


@examples(30)
@given(SPECS, st.booleans())
def test_any_description_gives_the_instructions_of_its_keys_and_no_other(spec: ImageSpec, bootstrapped: bool) -> None:  # noqa: FBT001
    """Whatever the values hold: one ENV a variable, one LABEL a label, and each value quoted as a whole."""
    text = render(spec, IMAGES, bootstrapped=bootstrapped)
    assert text == render(
        parse(yaml.safe_dump(spec.model_dump(mode="json")), ImageSpec, name="x"), IMAGES, bootstrapped=bootstrapped
    )
    found = instructions(text)
    skeleton = [one for one in instructions(render(SPEC, IMAGES)) if one[0] not in {"ENV", "LABEL"}]
    assert [one[0] for one in found if one[0] not in {"ENV", "LABEL"}] == [one[0] for one in skeleton]
    own = [f"{name}={quoted(value)}" for name, value in sorted(spec.environment.items())]
    assert [rest for word, rest in found if word == "ENV"][1:] == own
    told = labels(spec, bootstrapped=bootstrapped)
    assert [rest for word, rest in found if word == "LABEL"] == [f"{name}={quoted(value)}" for name, value in told.items()]
    assert [json.loads(rest) for word, rest in found if word == "ENTRYPOINT"] == [list(spec.entrypoint)]


@examples(20)
@given(SPECS)
def test_any_description_gives_shell_that_parses_and_words_that_stay_whole(spec: ImageSpec) -> None:
    """The shell that the image has reads every RUN, and each package, user and home arrives as one word."""
    runs = [re.sub(r"--mount=\S+", "", rest) for word, rest in instructions(render(spec, IMAGES)) if word == "RUN"]
    for run in runs:
        subprocess.run(["sh", "-n", "-c", run], check=True)
    build_words, run_words = shlex.split(runs[0]), shlex.split(runs[3])
    assert all(package in build_words or f"{package};" in build_words for package in spec.apt.build)
    assert all(package in run_words or f"{package};" in run_words for package in spec.apt.run)
    for user in spec.users:
        at = next(i for i, word in enumerate(run_words) if word == "--uid" and run_words[i + 1] == str(user.uid))
        expected = ["--uid", str(user.uid), "--gid", str(user.gid), "--home-dir", user.home, "--no-create-home"]
        assert run_words[at : at + 7] == expected
        assert run_words[at + 9] == f"{user.name};"


@given(LINES)
def test_a_quoted_value_means_itself(value: str) -> None:
    """Undoing the escapes gives the value back, and no quote or dollar is left bare."""
    inside = quoted(value)[1:-1]
    assert re.sub(r"\\(.)", r"\1", inside) == value
    assert not re.search(r'(?<!\\)(?:\\\\)*["$]', inside)


def test_the_engine_reads_every_value_as_it_was_written(engine: None, docker_cli: Callable[..., str], tmp_path: Path) -> None:
    """Docker's own parser gives back each variable, label and argument, whatever characters it has."""
    names = {f"V{number}": value for number, value in enumerate(TRICKY)}
    spec = ImageSpec.model_validate(
        {**SPEC.model_dump(), "environment": names, "labels": {f"v{n}": v for n, v in enumerate(TRICKY)}, "entrypoint": TRICKY}
    )
    kept = [line for line in render(spec, IMAGES).split("\n") if line.startswith(("ENV V", "LABEL", "ENTRYPOINT"))]
    (tmp_path / "Dockerfile").write_text("\n".join(["FROM scratch", *kept, ""]))
    tag = f"lyftlearn-test-{uuid.uuid4().hex[:8]}:1"
    docker_cli("build", "-q", f"--tag={tag}", str(tmp_path))
    try:
        found = json.loads(docker_cli("image", "inspect", tag))[0]["Config"]
    finally:
        docker_cli("image", "rm", tag)
    assert dict(variable.split("=", 1) for variable in found["Env"] if variable.startswith("V")) == names
    assert found["Labels"] == labels(spec)
    assert found["Entrypoint"] == TRICKY


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
    assert "USER" not in [word for word, _ in instructions(text)]
    assert text.endswith('ENTRYPOINT ["/opt/lyftlearn/bin/entrypoint"]\nCMD []\n')


def test_a_bootstrapped_base_is_told_and_no_digest_is_claimed() -> None:
    """The digest of a registry's image is said of that image alone: in labels, in the facts of the manifest."""
    own = json.loads(build_context(SPEC, IMAGES, bootstrapped=True)["image-facts.json"])["base"]
    assert own == {"image": "debian:bookworm-slim", "bootstrapped_from": "bookworm"}
    assert "org.opencontainers.image.base.digest" not in labels(SPEC, bootstrapped=True)
    assert labels(SPEC, bootstrapped=True)["dev.lyftlearn.bootstrapped-from"] == "bookworm"
    assert json.loads(build_context(SPEC, IMAGES)["image-facts.json"])["base"]["digest"] == SPEC.base.digest
    assert labels(SPEC)["org.opencontainers.image.base.digest"] == SPEC.base.digest


def test_a_folder_with_classes_alone_uses_the_toolkits_template(tmp_path: Path) -> None:
    """Somebody's own `images/` needs an image.yaml and a lock; a template of their own, if there is one, wins."""
    assert render(SPEC, tmp_path) == render(SPEC, IMAGES)
    (tmp_path / "Dockerfile.j2").write_text("FROM {{ spec.base.image }}\n")
    assert render(SPEC, tmp_path) == "FROM debian:bookworm-slim\n"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        pytest.param("FROM x\n{% if %}\n", "Dockerfile.j2, line 2", id="syntax"),
        pytest.param("FROM {{ spec.bse }}\n", "bse", id="a name that is not there"),
    ],
)
def test_a_template_that_is_wrong_is_told_with_its_place(tmp_path: Path, template: str, expected: str) -> None:
    """People may write a template; a mistake in it is no traceback."""
    (tmp_path / "Dockerfile.j2").write_text(template)
    with pytest.raises(InvalidInputError, match=re.escape(expected)):
        render(SPEC, tmp_path)
