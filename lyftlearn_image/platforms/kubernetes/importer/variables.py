"""The variables of a container: texts, references in the place of secrets, and those of a compiled manifest."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lyftlearn_image import clear_secrets
from lyftlearn_image.platforms.kubernetes.container_env import DOWNWARD
from lyftlearn_image.platforms.kubernetes.expansion import expand
from lyftlearn_image.platforms.kubernetes.importer.documents import keys_of, texts_of
from lyftlearn_image.platforms.kubernetes.importer.fields import Left
from lyftlearn_runtime import contract

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.platforms.kubernetes.importer.documents import Documents
    from lyftlearn_image.platforms.kubernetes.importer.fields import Fields

_BATCH = (
    "SAGEMAKER_BATCH",
    "SAGEMAKER_BATCH_STRATEGY",
    "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS",
    "SAGEMAKER_MAX_PAYLOAD_IN_MB",
)
_UNKNOWN = re.compile(r"\$\(([^)]+)\)")


@dataclass
class Variables:
    """What was read so far. `compiled` are the variables that our own compiler made."""

    environment: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    kubernetes_secrets: dict[str, str] = field(default_factory=dict)
    secret_sets: list[str] = field(default_factory=list)
    compiled: dict[str, str] = field(default_factory=dict)
    known: Mapping[str, str] = field(default_factory=dict)

    def set(self, name: str, value: str) -> None:
        """A clear text, which wins over what was there."""
        self.forget(name)
        self.environment[name] = value

    def set_secret(self, name: str, reference: str, place: str = "") -> None:
        """A reference, and the Secret that has the value on Kubernetes."""
        self.forget(name)
        self.secrets[name] = reference
        if place:
            self.kubernetes_secrets[name] = place

    def forget(self, name: str) -> None:
        """Removes what was there under the name."""
        for values in (self.environment, self.secrets, self.kubernetes_secrets):
            values.pop(name, None)

    def drop_batch(self) -> None:
        """Forgets what batch transform's compiler adds; the workload's options say it."""
        self.environment = {name: value for name, value in self.environment.items() if name not in _BATCH}

    def expand(self, text: str, place: Fields, key: str) -> str:
        """A text with its `$(VAR)` in place; what refers to a secret is told."""
        for name in _UNKNOWN.findall(text.replace("$$", "")):
            if name in self.secrets:
                place.left.append(
                    Left(f"{place.place}.{key}", f"it holds $({name}), a secret", f"Read {name} in the script instead.")
                )
        return expand(text, {**self.environment, **self.compiled})


def read(container: Fields, documents: Documents, known: Mapping[str, str]) -> Variables:
    """The variables of envFrom, then those of env, as a kubelet layers them. `known` are references that are said already."""
    env = Variables(known=known)
    for source in container.items("envFrom"):
        prefix = str(source.take("prefix", ""))
        if config_map := source.take("configMapRef"):
            _read_config_map(env, prefix, source.below(config_map, "configMapRef"), documents)
        if secret := source.take("secretRef"):
            _read_secret(env, prefix, source.below(secret, "secretRef"), documents)
        source.finish()
    for entry in container.items("env"):
        name = str(entry.take("name", ""))
        if source := entry.take("valueFrom"):
            _read_value_from(env, name, entry.below(source, "valueFrom"), documents)
        else:
            _read_value(env, name, entry)
        entry.finish()
    return env


def _read_value(env: Variables, name: str, entry: Fields) -> None:
    value = env.expand(str(entry.take("value", "")), entry, "value")
    if name in contract.COMPILED_VARIABLES:
        env.compiled[name] = value
        return
    scheme = value.partition("://")[0]
    named = env.compiled.get(contract.REFERENCES, "").split(",")
    if scheme in contract.CLEAR_SCHEMES or (name in named and "://" in value):
        env.set_secret(name, value)
    elif what := clear_secrets.what_secret(name, value):
        env.set_secret(name, f"aws-sm://{name}")
        why = f"its clear value looks like {what}, and is not repeated"
        entry.left.append(
            Left(f"{entry.place}.value", why, f"Put it into Secrets Manager under the name {name}, and renew it.")
        )
    else:
        env.set(name, value)


def _read_value_from(env: Variables, name: str, source: Fields, documents: Documents) -> None:
    if key_ref := source.take("configMapKeyRef"):
        fields = source.below(key_ref, "configMapKeyRef")
        map_name, key = str(fields.take("name", "")), str(fields.take("key", ""))
        is_optional = bool(fields.take("optional"))
        config_map = documents.get("ConfigMap", map_name)
        value = texts_of(config_map).get(key) if config_map else None
        if value is not None:
            env.set(name, value)
        elif not (is_optional and config_map):
            why = f"the ConfigMap {map_name} {'has no text under' if config_map else 'is not in the file, nor'} {key}"
            fields.leave("", why, f"Add the ConfigMap to the file, or {name} to `environment`.")
        fields.finish()
    elif field_ref := source.take("fieldRef"):
        fields = source.below(field_ref, "fieldRef")
        fields.take_if("apiVersion", "v1")
        env.set_secret(name, f"{DOWNWARD}{fields.take('fieldPath', '')}")
        fields.finish()
    elif resource_ref := source.take("resourceFieldRef"):
        fields = source.below(resource_ref, "resourceFieldRef")
        env.set_secret(name, f"{DOWNWARD}{fields.take('resource', '')}")
        fields.take("containerName")
        fields.take_if("divisor", "0", "1", 0, 1)
        fields.finish()
    elif key_ref := source.take("secretKeyRef"):
        fields = source.below(key_ref, "secretKeyRef")
        secret, key = str(fields.take("name", "")), str(fields.take("key", ""))
        option = "?optional" if fields.take("optional") else ""
        documents.get("Secret", secret)
        if name in env.known:
            env.set_secret(name, env.known[name], f"{secret}#{key}")
            return
        env.set_secret(name, f"aws-sm://{secret}{option}#{key}", f"{secret}#{key}")
        fields.leave(
            "", f"SageMaker has no Kubernetes Secrets; {name} is the reference aws-sm://{secret}{option}#{key} there",
            f"Put the secret {secret} with the key {key} into Secrets Manager, or change the reference.",
        )  # fmt: skip
        fields.finish()
    source.finish()


def _read_config_map(env: Variables, prefix: str, source: Fields, documents: Documents) -> None:
    name = str(source.take("name", ""))
    is_optional = bool(source.take("optional"))
    config_map = documents.get("ConfigMap", name)
    if config_map is None and not is_optional:
        source.leave("", f"the ConfigMap {name} is not in the file", "Add it to the file, and import again.")
    for key, value in (texts_of(config_map) if config_map else {}).items():
        if value is None:
            source.leave("", f"{key} of the ConfigMap {name} is no text", "Put it into S3, or into the image.")
        elif what := clear_secrets.what_secret(prefix + key, value):
            env.set_secret(prefix + key, f"aws-sm://{name}#{key}")
            why = f"{key} of the ConfigMap {name} looks like {what}, and is not repeated"
            source.leave("", why, f"Put it into Secrets Manager: the secret {name} with the key {key}.")
        else:
            env.set(prefix + key, value)
    source.finish()


def _read_secret(env: Variables, prefix: str, source: Fields, documents: Documents) -> None:
    name = str(source.take("name", ""))
    option = "?optional" if source.take("optional") else ""
    secret = documents.get("Secret", name)
    advice = f"Put the secret {name} into Secrets Manager, as a JSON object with the same keys."
    if secret:
        for key in keys_of(secret):
            env.set_secret(prefix + key, f"aws-sm://{name}{option}#{key}", f"{name}#{key}")
        source.leave("", f"SageMaker has no Kubernetes Secrets; the keys of {name} are references there", advice)
    elif prefix:
        source.leave("", f"the keys of the Secret {name} are not in the file, and get a prefix", "Name each under `secrets`.")
    else:
        env.secret_sets.append(f"aws-sm://{name}{option}")
        source.leave("", f"SageMaker has no Kubernetes Secrets; all of {name} is one set of variables there", advice)
    source.finish()
