"""The image of the pod sandbox: one program that waits for ever, as the pause container of Kubernetes.

The program is assembled here because nothing else is always at hand: a registry with `pause` may be out of reach, the
engine's `--init` only runs beside a program of the image, the image of a pod may have none that waits (distroless), and the
`lyftlearn` base image is not on an engine that runs other images.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import platform
import struct
import tarfile
from typing import TYPE_CHECKING

from lyftlearn_image.errors import UnsupportedError

if TYPE_CHECKING:
    import docker

# rt_sigaction(SIGCHLD, SIG_IGN), so that the kernel takes orphans away; then pause() for ever.
_AMD64 = bytes.fromhex(
    "b80d000000"  # mov eax, 13 (rt_sigaction)
    "bf11000000"  # mov edi, 17 (SIGCHLD)
    "488d3517000000"  # lea rsi, [rip + 23] (the struct behind the code)
    "31d2"  # xor edx, edx
    "41ba08000000"  # mov r10d, 8
    "0f05"  # syscall
    "b822000000"  # again: mov eax, 34 (pause)
    "0f05"  # syscall
    "ebf7"  # jmp again
    "90909090"  # four times nop
)

_ARM64 = struct.pack(
    "<14I",
    0xD2800220,  # mov x0, 17 (SIGCHLD)
    0x100001A1,  # adr x1, 52 bytes on (the struct behind the code)
    0xD2800002,  # mov x2, 0
    0xD2800103,  # mov x3, 8
    0xD28010C8,  # mov x8, 134 (rt_sigaction)
    0xD4000001,  # svc 0
    0xD2800000,  # again: mov x0, 0
    0xD2800001,  # mov x1, 0
    0xD2800002,  # mov x2, 0
    0xD2800003,  # mov x3, 0
    0xD2800928,  # mov x8, 73 (ppoll)
    0xD4000001,  # svc 0
    0x17FFFFFA,  # b again
    0xD503201F,  # nop
)

_SIGACTION_IGNORE = struct.pack("<4Q", 1, 0, 0, 0)  # struct sigaction: SIG_IGN

# Machine → its ELF number (e_machine) and code.
_MACHINES = {"x86_64": (62, _AMD64), "amd64": (62, _AMD64), "aarch64": (183, _ARM64), "arm64": (183, _ARM64)}
_LOAD_ADDRESS = 0x400000
_HEADERS_BYTES = 64 + 56
_REPOSITORY = "lyftlearn-pause"


def pause_program(machine: str) -> bytes:
    """A static ELF program of about 200 bytes that reaps orphans and waits for ever. UnsupportedError for other machines."""
    if machine not in _MACHINES:
        raise UnsupportedError(f"pods are not emulated on the machine {machine}", hint="Use an engine on x86_64 or arm64.")
    number, code = _MACHINES[machine]
    body = code + _SIGACTION_IGNORE
    size = _HEADERS_BYTES + len(body)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01", 2, number, 1, _LOAD_ADDRESS + _HEADERS_BYTES, 64, 0, 0, 64, 56, 1, 0, 0, 0,
    )  # fmt: skip
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _LOAD_ADDRESS, _LOAD_ADDRESS, size, size, 0x1000)
    return header + segment + body


def ensure_pause_image(client: docker.DockerClient) -> str:
    """The tag of the pause image, which is imported where the engine does not have it yet."""
    import docker.errors  # noqa: PLC0415 - takes 150 ms, and most verbs do not need it

    program = pause_program(str(client.info().get("Architecture") or platform.machine()))
    tag = hashlib.sha256(program).hexdigest()[:12]
    reference = f"{_REPOSITORY}:{tag}"
    with contextlib.suppress(docker.errors.ImageNotFound):
        client.images.get(reference)
        return reference
    client.api.import_image_from_data(_archive(program), repository=_REPOSITORY, tag=tag, changes=['ENTRYPOINT ["/pause"]'])
    return reference


def _archive(program: bytes) -> bytes:
    """A tar archive of the root directory: the program alone."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("pause")
        entry.size, entry.mode = len(program), 0o755
        archive.addfile(entry, io.BytesIO(program))
    return packed.getvalue()
