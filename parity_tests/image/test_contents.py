"""What is in the image: exactly what its manifest says, and nothing that only a build needs."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from parity_tests.image.conftest import Started

# Debian's own, from passwd, login, mount and util-linux. Pods forbid their use (no-new-privileges); nothing may join them.
SETUID = {"chage", "chfn", "chsh", "expiry", "gpasswd", "mount", "newgrp", "passwd", "su", "umount", "unix_chkpwd"}


def _lines(as_root: Started, command: str) -> list[str]:
    """The lines that a command prints as root; it must not fail."""
    return str(as_root.host.check_output(command)).splitlines()


def test_the_manifests_debian_packages_are_those_of_dpkg(as_root: Started, manifest: Mapping[str, Any]) -> None:
    """image.json is true: every installed Debian package at its version, and no other."""
    installed = _lines(as_root, r"dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\n'")
    found = {name: version for name, version, status in (line.split() for line in installed) if status == "installed"}
    assert len(found) > 50
    assert manifest["debian"] == found


def test_the_manifests_python_packages_are_those_of_the_venv(as_root: Started, manifest: Mapping[str, Any]) -> None:
    """image.json is true: what the venv's own importlib.metadata finds, at its version, and no other."""
    program = """
import importlib.metadata, json
print(json.dumps({each.metadata["Name"]: each.version for each in importlib.metadata.distributions()}))
"""
    found = json.loads(as_root.host.check_output("/opt/venv/bin/python -c %s", program))
    told = manifest["python"]
    assert len(found) > 15
    normal = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found.items()}
    assert {name: entry if isinstance(entry, str) else entry["version"] for name, entry in told.items()} == normal


def test_the_manifest_can_be_read_by_everybody_and_changed_by_nobody(as_root: Started) -> None:
    """A team's script may look into it; only a build writes it."""
    file = as_root.host.file("/opt/lyftlearn/image.json")
    assert (file.user, file.group, file.mode) == ("root", "root", 0o644)


@pytest.mark.parametrize("tool", ["gcc", "cc", "g++", "c++", "make", "ld", "as", "cmake", "rustc", "git", "curl", "wget", "uv"])
def test_there_is_no_build_tool(as_root: Started, tool: str) -> None:
    """Wheels need no compiler; what a build needs stays in its stage."""
    assert not as_root.host.exists(tool)


@pytest.mark.parametrize(
    "place",
    [
        "/var/lib/apt/lists",
        "/var/cache/apt/archives",
        "/var/log",
        "/root/.cache",
        "/home",
        "/tmp",  # noqa: S108 - in the image
        "/run/secrets",
        "/usr/share/doc",
        "/usr/share/man",
        "/usr/local/share/ca-certificates",
    ],
)
def test_nothing_is_left_in(as_root: Started, place: str) -> None:
    """Package lists, caches, docs, logs, build secrets and the build machine's certificates are in no layer."""
    if as_root.host.file(place).exists:
        assert _lines(as_root, f"find {place} -type f -size +0 ! -path '/usr/share/doc/*/copyright'") == []


def test_the_venv_has_no_headers_static_libraries_or_test_suites(as_root: Started) -> None:
    """Nothing imports them, and they would be a tenth of the image."""
    unwanted = "-name '*.a' -o -name '*.h' -o -name '*.hpp' -o -name '*.pxd' -o -name '*.pyx' -o -type d -name tests"
    assert _lines(as_root, rf"find /opt/venv \( {unwanted} \)") == []


def test_every_module_of_the_venv_is_compiled(as_root: Started) -> None:
    """Otherwise a container compiles at every start, in a place where a restricted pod may not keep the result.

    pip is left out: no job imports it, and its bytecode would be 10 MB.
    """
    program = """
import importlib.util, pathlib, sys
site = pathlib.Path(sys.argv[1])
missing = [str(p) for p in site.rglob("*.py") if not pathlib.Path(importlib.util.cache_from_source(str(p))).exists()]
print(len(list(site.rglob("*.py"))), *missing)
"""
    site = "/opt/venv/lib/python3.11/site-packages"
    count, *missing = as_root.host.check_output("/opt/venv/bin/python -c %s %s", program, site).split()
    assert int(count) > 1000
    assert [path for path in missing if "/site-packages/pip/" not in path] == []


def test_nothing_new_is_setuid_or_setgid(as_root: Started) -> None:
    """A file with another's privileges is a way out of a restricted pod's identity."""
    found = _lines(as_root, r"find / -xdev -type f -perm /6000")
    assert found
    assert {path.rpartition("/")[2] for path in found} <= SETUID


def test_only_scratch_directories_are_writable_by_everybody(as_root: Started) -> None:
    """Group 0 is how a pod's UID gets its rights; the world gets none."""
    scratch = {"/tmp", "/var/tmp", "/run/lock"}  # noqa: S108 - Debian's own
    assert set(_lines(as_root, r"find / -xdev \( -type d -o -type f \) -perm -0002")) <= scratch


def test_the_shim_is_compiled_and_belongs_to_root(as_root: Started) -> None:
    """It starts without compiling, and nobody but a build can change it."""
    assert _lines(as_root, r"find /opt/lyftlearn \( ! -user root -o ! -group root -o -perm /0022 \)") == []
    sources = _lines(as_root, r"find /opt/lyftlearn/lyftlearn_runtime -name '*.py' -printf '%f\n'")
    compiled = _lines(as_root, r"find /opt/lyftlearn/lyftlearn_runtime -name '*.pyc' -printf '%f\n'")
    assert sources
    assert sorted(name.split(".")[0] for name in compiled) == sorted(name.split(".")[0] for name in sources)


def test_the_shim_uses_debians_python_and_nothing_of_the_team(as_root: Started) -> None:
    """`-I -S`: no PYTHON* variable, no site-packages and no .pth file of a team can break the start."""
    first = as_root.host.file("/opt/lyftlearn/bin/entrypoint").content_string.splitlines()[0]
    assert re.fullmatch(r"#!/usr/bin/python3 -(IS|SI|I -S|S -I)", first)


@pytest.mark.parametrize(
    ("name", "uid", "gid", "home"),
    [("lyftlearn", 10001, 0, "/home/lyftlearn"), ("sagemaker-user", 1000, 100, "/home/sagemaker-user")],
)
def test_the_users_of_the_image_exist(as_root: Started, name: str, uid: int, gid: int, home: str) -> None:
    """A pod's default UID and Studio's user have a name and a home of their own."""
    user = as_root.host.user(name)
    assert (user.uid, user.gid, user.home) == (uid, gid, home)
    assert as_root.host.file(home).is_directory
