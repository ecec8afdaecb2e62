"""A user with a name, and a home that can be written to, for whatever UID the platform chose."""

from __future__ import annotations

import os
import pwd

from lyftlearn_runtime import contract

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# What writes below HOME on import, and where it goes when HOME had to be moved.
_CACHES = {"XDG_CACHE_HOME": ".cache", "MPLCONFIGDIR": ".cache/matplotlib", "NUMBA_CACHE_DIR": ".cache/numba"}


def variables(environ: Mapping[str, str], uid: int) -> dict[str, str]:
    """HOME, USER and LOGNAME as far as the workload has not set usable ones, and caches where HOME had to move.

    `getpass.getuser()` works from LOGNAME for a UID without a row in /etc/passwd; `pwd.getpwuid()` does not.
    """
    row = _row(uid)
    name = row.pw_name if row else "lyftlearn"
    found = {key: name for key in ("USER", "LOGNAME") if not environ.get(key)}
    home = environ.get("HOME", "")
    usable = next((one for one in (home, contract.HOME, row.pw_dir if row else "") if one and is_writable(one)), None)
    if usable is None:
        usable = "/tmp/home-%d" % uid  # noqa: S108 - the only place that is left; private by its mode
        try:
            os.makedirs(usable, mode=0o700, exist_ok=True)
        except OSError:
            return found
    if usable != home:
        found["HOME"] = usable
        found.update({key: os.path.join(usable, below) for key, below in _CACHES.items() if not environ.get(key)})
    return found


def is_writable(directory: str) -> bool:
    """Whether a file can be made there (asked of the kernel, which also knows of read-only mounts)."""
    return directory != "/" and os.path.isdir(directory) and os.access(directory, os.W_OK | os.X_OK)


def _row(uid: int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return None
