"""Requests and manifests as text: the same text for the same workload."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

import yaml

from lyftlearn_image.sanitize import HIDDEN, dump_json

if TYPE_CHECKING:
    from lyftlearn_image.platforms.launch import Compiled

# Plain words that are a number or a flag to kubectl's reader, and a text to PyYAML (go.yaml.in/yaml/v2, resolve.go).
NO_TEXT_TO_KUBECTL = re.compile(r"[yYnN]|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0[oO][0-7]+")
# Whatever some reader may take for no text: YAML 1.1's and 1.2's flags, nulls and numbers, in any case and of any base, with
# signs and separators (`1_000`, `1,000`, `0x1p-2`), dates and sexagesimals. Quotes too many cost nothing.
_AMBIGUOUS = re.compile(
    r"[-+]?\.?(y|n|yes|no|on|off|true|false|null|nan|inf|infinity)"
    r"|[-+]?[0-9.][0-9a-fobptxz_:., +-]*|[-+=~]|<<",
    re.IGNORECASE,
)
_BREAKS = re.compile(r"[\r\x85\u2028\u2029\ufeff]")


def as_text(compiled: Compiled) -> str:
    """YAML documents for Kubernetes; for SageMaker a JSON object of the actions with their requests, in order."""
    if compiled.target == "kubernetes":
        return as_yaml(*compiled.documents)
    return _json(dict(compiled.requests()))


def as_json(compiled: Compiled) -> str:
    """Everything that was compiled, for programs."""
    if compiled.target == "kubernetes":
        documents: dict[str, Any] = {"manifests": list(compiled.documents)}
    else:
        documents = {"requests": [{"action": action, "request": request} for action, request in compiled.requests()]}
    objects = [
        {"uri": uri, "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "content": data.decode()}
        for uri, data in compiled.objects.items()
    ]
    return _json({"target": compiled.target, **documents, "objects": objects, "outputs": dict(compiled.outputs)})


def as_yaml(*documents: Any) -> str:
    """YAML documents in the order of their keys."""
    written = yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    # They stand in double quotes only, where YAML has this escape.
    return HIDDEN.sub(lambda match: f"\\U{ord(match[0]):08X}", written)


def _json(document: Any) -> str:
    return dump_json(document) + "\n"


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as they are read, and no anchors: kubectl takes both, people only one."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        """Every value is written where it stands."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # PyYAML folds lines at these outside of double quotes, and reads them back as blanks.
    style = "|" if "\n" in text else "'" if _AMBIGUOUS.fullmatch(text) else None
    style = '"' if _BREAKS.search(text) or HIDDEN.search(text) else style
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
