"""Which objects an S3 URI stands for, and the files that they become.

A URI that does not end in `/` is an object's, a folder's or the beginning of names, in this order: the SageMaker SDK's local
mode tries the object first (sagemaker-python-sdk, `download_folder`), and what the service makes of the beginning of names
keeps whole names (seen in aws/sagemaker-python-sdk#3612).
"""

from __future__ import annotations

import os

from lyftlearn_runtime import contract
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from lyftlearn_runtime.aws.s3 import S3, ListedObject


def list_uri(s3: S3, bucket: str, key: str) -> list[ListedObject]:
    """The objects that `s3://bucket/key` stands for: those below a folder never come with what has a name that begins alike."""
    listed = s3.list_objects(bucket, key)
    if not key or key.endswith("/"):
        return list(listed)
    first = next(listed, None)  # S3 lists by name: the object itself would be the first
    if first is None or first.key == key:
        return [first] if first else []
    return list(s3.list_objects(bucket, key + "/")) or [first, *listed]


def file_paths(directory: str, key: str, objects: Iterable[ListedObject]) -> dict[str, ListedObject]:
    """Path → object, for what `list_uri` gave for a key. Folders' markers are no files.

    Raises ShimError for names that are no paths below the directory, and for two that no file system has side by side.
    """
    paths = {}  # type: dict[str, ListedObject]
    for listed in objects:
        if listed.key.endswith("/"):
            continue
        name = _name(key, listed.key)
        if not {".", ".."}.isdisjoint(name.split("/")):
            message = f"the object name {listed.key!r} is no path below {directory}: it has `.` or `..` in it"
            raise ShimError(message, contract.EXIT_CONFIG)
        path = os.path.normpath(os.path.join(directory, name))
        if path in paths:
            raise _cannot_both_be_files(paths[path], listed)
        paths[path] = listed
    for path, listed in paths.items():
        above = os.path.dirname(path)
        while len(above) > len(directory):
            if above in paths:
                raise _cannot_both_be_files(paths[above], listed)
            above = os.path.dirname(above)
    return paths


def _name(key: str, object_key: str) -> str:
    """An object's name as a file: from the folder on that `key` is, or that it lies in."""
    folder = key if key.endswith("/") else key + "/"
    start = len(folder) if object_key.startswith(folder) else key.rfind("/") + 1
    return object_key[start:].lstrip("/")


def _cannot_both_be_files(one: ListedObject, other: ListedObject) -> ShimError:
    return ShimError(f"the objects {one.key!r} and {other.key!r} cannot both be files; rename one", contract.EXIT_CONFIG)
