"""Laws of the parsers that need no network: whatever they read, only ShimError comes out, and what comes back is sound."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import tempfile
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import atheris
from documents import json_of, text_of, variable_of

from lyftlearn_runtime import (
    bundle,
    cgroup,
    cluster,
    context,
    contract,
    deadline,
    environment,
    execve,
    hyperparameters,
    last_known_good,
    metrics,
    parallel,
    program,
    redact,
    references,
    refresh,
    resolver,
    secret_forms,
    sources,
)
from lyftlearn_runtime.errors import ShimError
from lyftlearn_runtime.sources import local_file

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACE = tempfile.mkdtemp(prefix="lyftlearn-fuzz-")
_FILE = os.path.join(PLACE, "input.json")  # noqa: PTH118 - the shim takes texts
# No identity and no time: nothing leaves this machine.
_NOWHERE = {"AWS_EC2_METADATA_DISABLED": "true", contract.FETCH_TIMEOUT: "2", contract.MEMORY_DIR: PLACE}
_BUNDLE_WORDS = (
    "version", "job", "name", "kind", "training", "processing", "instance_type", "environment", "hyperparameters", "files",
    "path", "/etc/keys/one", "content", "secret", "aws-sm://one", "mode", "0400", "owner", "1000:0", "channels", "mounted",
    "downloads", "uploads", "uri", "s3://bucket/key", "text",
)  # fmt: skip
_CLUSTER_WORDS = (
    "hosts", "algo-1", "algo-2", "current_host", "current_instance_type", "current_group_name", "instance_groups",
    "instance_group_name", "instance_type", "network_interface_name", "train", "TrainingInputMode",
)  # fmt: skip
_VALUE_WORDS = (
    "epochs", "sagemaker_program", "sagemaker_job_name", "_tuning_objective_metric", "a-b", "x", "[1, 2]", '{"a": {"b": 1}}',
    "true", "text", "train.py", "1e5",
)  # fmt: skip
LOCAL_FILE, KEEPER, SEVERAL = local_file, last_known_good, parallel  # imported here so that they are instrumented


def _write(data: bytes) -> None:
    with open(_FILE, "wb") as file:  # noqa: PTH123 - pathlib would be a third of the time of an input
        file.write(data)


def _is_text(value: object) -> bool:
    """Whether it can be written to a file and be the name of one."""
    return isinstance(value, str) and "\0" not in os.fsencode(value).decode("latin-1")


def law_of_references(data: bytes) -> None:
    """A reference is taken apart without a loss or refused; and resolved, in a variable's value or as a set, or refused."""
    text = text_of(data)
    variables = {"REFERENCE": text, contract.REFERENCES: "REFERENCE", **_NOWHERE}
    references.reference_variables(variables)
    try:
        parsed = references.parse(text)
    except ShimError:
        return
    assert parsed.text == text
    assert parsed.item.name
    assert text.startswith(f"{parsed.scheme}://{parsed.item.name}")
    assert text.endswith(parsed.key)
    if parsed.scheme == "file" and os.path.exists(parsed.item.name):  # noqa: PTH110 - a name that is no path, perhaps
        return  # a device of this machine may have no end
    for texts, sets in (([text], []), ([], [text])):
        found, message = references.NOTHING, ""
        try:
            found = resolver.resolve(texts, variables, sets)
        except ShimError as error:
            message = error.message
        assert "the source failed" not in message
        assert all(value is None or isinstance(value, str) for value in found.values.values())


def law_of_bundles(data: bytes) -> None:
    """What a launch bundle gives can be written, is of the right types, and has modes and owners that there are."""
    document = json_of(data, _BUNDLE_WORDS)
    if document.startswith(b"{") and data[1:2] > b"\x10":
        document = b'{"version": 1, ' + document[1:] if document != b"{}" else b'{"version": 1}'
    _write(document)
    try:
        found = bundle.read({contract.BUNDLE: f"{_FILE}#sha256={hashlib.sha256(document).hexdigest()}"})
    except ShimError:
        return
    for one in found.files:
        assert one.path.startswith("/")
        assert os.path.basename(one.path) not in {"", ".", ".."}  # noqa: PTH119 - as the shim asks
        assert _is_text(one.path)
        assert isinstance(one.secret if one.content is None else one.content, str)
        assert one.content is None or one.content.encode("utf-8", "surrogateescape") is not None
        assert 0 <= one.mode <= 0o7777
        assert one.owner is None or all(0 <= number < (1 << 32) - 1 for number in one.owner)
    assert all(_is_text(path) for path in found.mounted)
    assert all(_is_text(one.path) and _is_text(one.uri) for one in (*found.downloads, *found.uploads))
    assert all(isinstance(value, str) for value in found.environment.values())
    own = {f"A{number}": value for number, value in enumerate(found.environment.values())}
    with contextlib.suppress(ShimError):
        execve.fit_variables(own, {}, 0)


def law_of_hyperparameters(data: bytes) -> None:
    """One typed set has every shape: strings that decode to the same values, variables and arguments."""
    _write(json_of(data, _VALUE_WORDS))
    try:
        values = hyperparameters.read(_FILE)
        again = hyperparameters.decode(hyperparameters.encode(values))
        assert hyperparameters.dumps(again) == hyperparameters.dumps(values)
        own = hyperparameters.script_values(values)
        derived = hyperparameters.sm_variables(own)
        assert all(isinstance(text, str) for text in derived.values())
        execve.fit_variables({}, derived, 0)
        for style in contract.ARGUMENT_STYLES:
            words, left = execve.fit_arguments(sorted(own), hyperparameters.arguments(own, style))
            assert all(execve.size_of(word) is not None for word in words)
            assert set(left) <= set(own)
        program.resolve(["train"], {}, values, PLACE)
    except ShimError:
        return


def law_of_clusters(data: bytes) -> None:
    """A resourceconfig.json, and an inputdataconfig.json, give variables that are texts, or are refused."""
    _write(json_of(data, _CLUSTER_WORDS))
    context._names_an_app(_FILE)
    try:
        document = cluster.read_config("input.json", PLACE)
        here = cluster.parse_resource_config(document)
        assert all(isinstance(host, str) for host in (*here.hosts, here.host))
        script = program.Program(["true"], "", [], [], None)
        job = environment.TrainingJob("", {}, here, document, document, cgroup.cpu_count(None), 0, script)
        found = environment.training_variables(job)
    except ShimError:
        return
    assert all(isinstance(name, str) and isinstance(text, str) for name, text in found.items())


def law_of_settings(data: bytes) -> None:
    """Each variable that tells the shim what to do is understood or refused."""
    text = variable_of(data)
    for ask in (
        refresh.parse,
        metrics.parse_gateway,
        environment.variable_name,
        sources.load,
        lambda value: deadline.fetch_timeout({contract.FETCH_TIMEOUT: value}),
        lambda value: deadline.hosts_timeout({contract.HOSTS_TIMEOUT: value}),
        lambda value: context.detect({contract.CONTEXT: value}, [value], lambda _: False),
        lambda value: program.resolve(["train"], {contract.PROGRAM: value}, {}, PLACE),
        lambda value: program.resolve(["train"], {contract.PROGRAM: "x", contract.ARGUMENTS: value}, {}, PLACE),
        lambda value: execve.fit_variables({value: value}, {value + "B": value}, 0),
        lambda value: bundle.read({contract.BUNDLE: value}) if "s3://" not in value else None,
    ):
        with contextlib.suppress(ShimError):
            ask(text)


def law_of_redaction(data: bytes, redactor: type = redact.Redactor) -> None:
    """No secret is left, however it is encoded and wherever a chunk ends; what stands between the masks is all there is."""
    source = atheris.FuzzedDataProvider(data)
    secrets = [one for one in (_secret(source) for _ in range(source.ConsumeIntInRange(1, 3))) if secret_forms.is_maskable(one)]
    stream = b"".join(_piece(source, secrets) for _ in range(source.ConsumeIntInRange(1, 6)))
    masking = redactor(secrets)
    found = b""
    while stream:
        size = source.ConsumeIntInRange(1, 12) if source.remaining_bytes() else len(stream)
        found += masking.feed(stream[:size])
        stream = stream[size:]
    found += masking.flush()
    # A secret may be a part of the mask itself, or of the mask and its neighbours; that tells nothing.
    for rest in found.split(secret_forms.MASK.encode()):
        for secret in secrets:
            assert not any(form in rest for form in _forms(secret)), "a secret is left"


def _secret(source: atheris.FuzzedDataProvider) -> str:
    if source.ConsumeBool():
        return source.ConsumeBytes(source.ConsumeIntInRange(4, 16)).decode("utf-8", "surrogateescape")
    return source.ConsumeUnicode(source.ConsumeIntInRange(4, 12))


def _piece(source: atheris.FuzzedDataProvider, secrets: list[str]) -> bytes:
    """Some bytes, or one of the secrets in one of its forms."""
    number = source.ConsumeIntInRange(0, 2 * len(secrets))
    if number >= len(secrets):
        return source.ConsumeBytes(source.ConsumeIntInRange(0, 8))
    forms = sorted(_forms(secrets[number]))
    return forms[source.ConsumeIntInRange(0, len(forms) - 1)]


def _forms(secret: str) -> Iterator[bytes]:
    """The forms in which programs print a text, made by the library's own functions."""
    try:
        raw = secret.encode("utf-8", "surrogateescape")
        yield from (quote(raw, safe="").encode(), quote(raw).encode(), quote_plus(raw).encode())
    except UnicodeEncodeError:
        raw = secret.encode("utf-8", "surrogatepass")
    yield raw
    yield base64.b64encode(raw).rstrip(b"=")
    yield base64.urlsafe_b64encode(raw).rstrip(b"=")
    yield quote(base64.b64encode(raw).rstrip(b"=")).encode()
    yield quote(base64.b64encode(raw).rstrip(b"="), safe="").encode()
    yield json.dumps(secret)[1:-1].encode()
    yield json.dumps(secret, ensure_ascii=False)[1:-1].encode("utf-8", "backslashreplace")
    yield repr(secret)[1:-1].encode("utf-8", "backslashreplace")


LAWS = {
    "references": law_of_references,
    "bundles": law_of_bundles,
    "hyperparameters": law_of_hyperparameters,
    "clusters": law_of_clusters,
    "settings": law_of_settings,
    "redaction": law_of_redaction,
}
