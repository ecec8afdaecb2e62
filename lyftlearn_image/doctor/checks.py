"""Every check by its name, in the order of their lines."""

from __future__ import annotations

import importlib
import os
import platform
import sys
from typing import TYPE_CHECKING

from lyftlearn_image import __version__
from lyftlearn_image.doctor import aws, cluster, engine, network
from lyftlearn_image.doctor.checkup import Finding, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lyftlearn_image.doctor.checkup import Check
    from lyftlearn_image.doctor.subject import Subject

# The first and last with which the toolkit is tested.
_FIRST, _LAST = (3, 11), (3, 14)
# A single request gets less than its check, which may make several.
_SHARE = 0.4


def all_checks(subject: Subject, timeout_s: float) -> Mapping[str, Check]:
    """The checks of a subject, none of which has been begun. `timeout_s` is the time of each."""
    _import_libraries()
    share_s = timeout_s * _SHARE
    account = aws.Account(subject, share_s)
    return {
        "Python": check_python,
        "engine": lambda: engine.check_engine(share_s),
        "disk": engine.check_disks,
        "CA": lambda: network.check_ca_bundle(subject.ca_bundle, os.environ),
        "proxy": lambda: network.check_proxies(os.environ, share_s),
        "index": lambda: network.check_index(subject.ca_bundle, os.environ, share_s),
        "credentials": lambda: aws.check_credentials(account),
        "region": lambda: aws.check_region(account),
        "role": lambda: aws.check_role(account),
        "bucket": lambda: aws.check_bucket(account),
        "registry": lambda: aws.check_registry(account),
        "quota": lambda: aws.check_quotas(account),
        "kubeconfig": lambda: cluster.check_cluster(subject),
    }


def _import_libraries() -> None:
    """Loads what several checks use: threads that import a package of circles at once may see half of it."""
    for name in ("boto3", "boto3.exceptions", "docker", "docker.context", "requests", "s3transfer.exceptions"):
        importlib.import_module(name)


def check_python() -> Iterator[Finding]:
    """The interpreter that runs the toolkit."""
    text = f"{platform.python_version()} runs lyftlearn-image {__version__}"
    if _FIRST <= sys.version_info[:2] <= _LAST:
        yield ok("Python", text)
    else:
        hint = "It is tested with {}.{} to {}.{}.".format(*_FIRST, *_LAST)
        yield warning("Python", text, hint)
