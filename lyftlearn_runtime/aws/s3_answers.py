"""What S3 answers, read: refusals become errors that say what to do."""

from __future__ import annotations

from lyftlearn_runtime import contract
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from lyftlearn_runtime.aws.request import Response

_ERRORS = {
    403: ("access denied; the job's role needs s3:{0}", contract.EXIT_ACCESS_DENIED),
    404: ("there is no such bucket or object", contract.EXIT_UNAVAILABLE),
    412: ("it was changed while it was being downloaded; start again", contract.EXIT_UNAVAILABLE),
    301: ("the bucket is in another region; set AWS_REGION", contract.EXIT_CONFIG),
}


def good_body(response: Response, place: str, action: str) -> bytes:
    """The body of a response that is good; ShimError that says what S3 has against it."""
    if 200 <= response.status < 300:
        return bytes(response.body)
    why, code = _ERRORS.get(response.status, (f"S3 answered {response.status}", contract.EXIT_UNAVAILABLE))
    raise ShimError(f"{place}: {why.format(action)}", code)


def document(answer: bytes, place: str) -> Element:
    """The XML of an answer. ShimError for what is none, and for an error that comes with a good status."""
    import xml.etree.ElementTree as ET  # noqa: PLC0415 - only for listings and large files

    try:
        root = ET.fromstring(answer)  # noqa: S314 - S3's own answer over a checked channel
    except (ET.ParseError, ValueError, LookupError):  # the latter two for encodings that there are not
        raise ShimError(f"{place}: S3 gave no answer that can be read", contract.EXIT_UNAVAILABLE) from None
    if tag(root) == "Error":  # CompleteMultipartUpload tells a late failure with status 200
        raise ShimError(f"{place}: S3 says {text(root, 'Code')}", contract.EXIT_UNAVAILABLE)
    return root


def size(item: Element, place: str) -> int:
    """The size of a listed object, in bytes."""
    found = text(item, "Size")
    if not (found.isascii() and found.isdigit()):
        raise ShimError(f"{place}: S3 names an object without a size", contract.EXIT_UNAVAILABLE)
    return int(found)


def tag(element: Element) -> str:
    """Its name without the namespace, which some servers leave out."""
    return element.tag.rpartition("}")[2]


def text(element: Element, name: str) -> str:
    """The text of the first element of a name below it; "" where there is none."""
    return next((one.text or "" for one in element.iter() if tag(one) == name), "")
