"""Why it failed, left without any secret where each platform looks for it.

`/opt/ml/output/failure` becomes FailureReason of a training job, `/opt/ml/output/message` ExitMessage of a processing job,
the first 1,024 characters of either (SageMaker developer guide, your-algorithms-training-algo-output and API reference,
ProcessingJob). `/dev/termination-log` becomes the container's message in a pod, the last 4,096 bytes (Kubernetes,
determine-reason-pod-failure). A script that writes one of them knows nothing of the others, so they say the same.
"""

from __future__ import annotations

import os

from lyftlearn_runtime.log import log_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from lyftlearn_runtime.redact import Redactor

FAILURE_FILE = "/opt/ml/output/failure"
MESSAGE_FILE = "/opt/ml/output/message"
TERMINATION_LOG = "/dev/termination-log"
FAILURE_CHARACTERS = 1024
TERMINATION_BYTES = 4096
# More of a script's own words than any platform shows is not read.
_READ_BYTES = 1 << 16


class Tail:
    """The last bytes of a stream, with its secrets masked before anything is cut."""

    def __init__(self, secrets: Collection[str]) -> None:
        # None as long as there is nothing to mask.
        self._redactor: Redactor | None = None
        self._kept = bytearray()
        self.add_secrets(secrets)

    def feed(self, data: bytes) -> None:
        """Takes the next chunk."""
        self._keep(self._redactor.feed(data) if self._redactor else data)

    def add_secrets(self, secrets: Collection[str]) -> None:
        """Masks these from the next chunk on, too."""
        if not secrets:
            return
        if self._redactor is None:
            from lyftlearn_runtime.redact import Redactor  # noqa: PLC0415 - only where there are secrets

            self._redactor = Redactor(())
        self._redactor.add_secrets(secrets)

    def text(self) -> str:
        """The end of the stream, once it has ended."""
        if self._redactor:
            self._keep(self._redactor.flush())
        return bytes(self._kept).decode("utf-8", "replace").strip()

    def _keep(self, data: bytes) -> None:
        self._kept += data
        del self._kept[:-TERMINATION_BYTES]


def write_reason(head: str, tail: str, secrets: Collection[str], *, is_processing: bool) -> None:
    """Leaves the reason wherever nobody has left one: the script's own words, else `head` and the end of its stderr."""
    masked = _masked(head.encode("utf-8", "replace"), secrets).decode()
    places = [MESSAGE_FILE, FAILURE_FILE] if is_processing else [FAILURE_FILE]
    own = [_own_words(path, secrets) for path in (*places, TERMINATION_LOG)]
    said = next((one for one in own if one), None)
    for path, has in zip(places, own):  # noqa: B905 - `strict` needs Python 3.10; `own` is one longer
        if not has and os.path.isdir(os.path.dirname(path)):
            text = said[:FAILURE_CHARACTERS] if said else compose(masked, tail, FAILURE_CHARACTERS)
            _leave(path, text)
    if not own[-1] and os.path.exists(TERMINATION_LOG):
        room = TERMINATION_BYTES - len(masked.encode()) - 1
        _leave(TERMINATION_LOG, said or compose(masked, _last_bytes(tail, room), TERMINATION_BYTES))


def compose(head: str, tail: str, limit: int) -> str:
    """`head` and as much of the end of `tail` as there is room for, in characters."""
    room = limit - len(head) - 1
    return f"{head}\n{tail[-room:]}" if tail and room > 0 else head[:limit]


def _last_bytes(text: str, size: int) -> str:
    return text.encode("utf-8", "replace")[-size:].decode("utf-8", "ignore") if size > 0 else ""


def _own_words(path: str, secrets: Collection[str]) -> str:
    """What the script has left there itself, "" when nothing. A secret in it is masked in the file too."""
    try:
        with open(path, "rb") as file:
            data = file.read(_READ_BYTES)
    except OSError:
        return ""
    masked = _masked(data, secrets)
    text = masked.decode("utf-8", "replace")
    if masked != data:
        _leave(path, text)
    return text


def _masked(data: bytes, secrets: Collection[str]) -> bytes:
    from lyftlearn_runtime.secret_forms import Finder  # noqa: PLC0415 - only after a failure

    return Finder(secrets).mask(data)


def _leave(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="utf-8", errors="replace", newline="") as file:
            file.write(text)
    except OSError as error:
        log_line(f"{path} cannot be written: {error.strerror}")
