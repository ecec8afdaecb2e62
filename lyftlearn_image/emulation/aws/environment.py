"""What moto is told of a request: what its service knows, and nothing by which moto would take it for another one.

moto takes headers for parameters where there are none, a bucket from the host, a region from the user agent.
"""

from __future__ import annotations

import io
import re
from typing import IO, TYPE_CHECKING, Any

from moto.core.request import PRESERVED_HEADER_NAMES_ENVIRON_KEY, environ_key_for_header

from lyftlearn_image.emulation.aws.blobs import Blob
from lyftlearn_image.emulation.aws.operations import S3, SAGEMAKER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lyftlearn_image.emulation.aws.operation_names import Operation
    from lyftlearn_image.emulation.aws.signature import HttpRequest

# Where the blob is of a request whose body is an object's: the body itself is empty.
BLOB = "lyftlearn.blob"
# Not the host: in a name moto would look for a bucket.
_OF_S3 = re.compile(
    r"x-amz-(?!content-sha256$|decoded-content-length$|trailer$)[a-z0-9._-]+|if-[a-z-]+|content-(?!length$)[a-z0-9-]+|range|"
    r"cache-control|expires|authorization"
)
_OF_OTHERS = re.compile(r"x-amzn?-[a-z0-9-]+|content-type|accept|authorization|host")
# Of SageMaker's API all is passed on, but for what another server says.
_OF_SAGEMAKER = re.compile(r"(?!x-moto-|transfer-encoding$|content-length$)[a-z0-9-]+")
_METADATA = "x-amz-meta-"
_AWS_CHUNKED = "aws-chunked"


def environment(
    environ: Mapping[str, Any], request: HttpRequest, operation: Operation, body: Blob | IO[bytes] | None
) -> dict[str, Any]:
    """The WSGI environment for the application of an operation. A Blob as `body` is the bytes of an object."""
    known = {S3: _OF_S3, SAGEMAKER: _OF_SAGEMAKER}.get(operation.service, _OF_OTHERS)
    called = {name: value for name, value in environ.items() if not name.startswith(("HTTP_", "CONTENT_"))}
    called |= _header_variables({name: value for name, value in request.headers.items() if known.fullmatch(name)})
    stream: IO[bytes] = io.BytesIO()
    if isinstance(body, Blob):
        called[BLOB] = body
    elif body is not None:
        stream = body
    called["CONTENT_LENGTH"] = str(stream.seek(0, io.SEEK_END))
    stream.seek(0)
    called["wsgi.input"] = stream
    return called


def _header_variables(headers: Mapping[str, str]) -> dict[str, Any]:
    """Names with an underscore are those of S3's metadata alone; moto knows them by another variable."""
    variables = dict[str, Any]()
    preserved = dict[str, str]()
    for name in sorted(headers, key=lambda name: "_" in name):
        variable, value = environ_key_for_header(name), headers[name]
        if name == "content-encoding":
            value = ",".join(part for part in map(str.strip, value.split(",")) if part != _AWS_CHUNKED)
        if (name == "content-encoding" and not value) or (
            "_" in name and (variable in variables or not name.startswith(_METADATA))
        ):
            continue
        variables[variable] = value
        if "_" in name:
            preserved[variable] = name
    return {**variables, PRESERVED_HEADER_NAMES_ENVIRON_KEY: preserved}
