"""Takes secrets out of a stream, also those that lie across the border of two chunks."""

from __future__ import annotations

from lyftlearn_runtime.secret_forms import MASK, Finder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Redactor:
    """Masks secrets in a stream of bytes. However the stream is cut into chunks, the result is the same.

    `mark` gives what stands in place of the bytes that are masked.
    """

    def __init__(self, secrets: Iterable[str], mark: Callable[[bytes], bytes] = lambda _: MASK.encode()) -> None:
        self._finder = Finder(secrets)
        self._mark = mark
        self._held = b""

    def add_secrets(self, secrets: Iterable[str]) -> None:
        """Masks these secrets, too, from now on."""
        self._finder.add(secrets)

    def feed(self, data: bytes) -> bytes:
        """What is certain after this chunk; the beginning of what may be a secret is held back."""
        self._held += data
        return self._certain(len(self._held) - max(0, self._finder.longest - 1))

    def flush(self) -> bytes:
        """What was held back, at the end of the stream."""
        return self._certain(len(self._held))

    def _certain(self, end: int) -> bytes:
        """Everything before `end`, and a secret that begins before it to its own end; the rest is held."""
        done, position = [], 0
        while position < end:
            found = self._finder.find(self._held, position)
            if found is None or found[0] >= end:
                done.append(self._held[position:end])
                position = end
                break
            done += [self._held[position : found[0]], self._mark(self._held[slice(*found)])]
            position = found[1]
        self._held = self._held[position:]
        return b"".join(done)
