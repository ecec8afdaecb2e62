"""A user with a name, and a home that can be written to, for whatever UID the platform chose."""

from __future__ import annotations

import os
import pwd

from lyftlearn_runtime import contract, files
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# libnss-extrausers, README: its place, and the groups that it takes.
_EXTRA_USERS = "/var/lib/extrausers"
_FIRST_ID = 500
_USERS_GID = 100
# What writes below HOME on import, and where it goes when HOME had to be moved.
_CACHES = {"XDG_CACHE_HOME": ".cache", "MPLCONFIGDIR": ".cache/matplotlib", "NUMBA_CACHE_DIR": ".cache/numba"}


def user_variables(environ: Mapping[str, str], uid: int) -> dict[str, str]:
    """HOME, USER and LOGNAME as far as there are no usable ones, and caches where HOME had to move.

    The first of these that can be written to becomes HOME: the one that is set, the image's, the one of /etc/passwd,
    a private one below /tmp.
    """
    entry = passwd_entry(uid)
    name = entry.pw_name if entry else _name(uid)
    found = {key: name for key in ("USER", "LOGNAME") if not environ.get(key)}
    home = environ.get("HOME", "")
    usable = next((one for one in (home, contract.HOME, entry.pw_dir if entry else "") if one and files.is_writable(one)), None)
    if usable is None:
        usable = f"/tmp/home-{uid}"  # noqa: S108 - the only place that is left; private by its mode
        try:
            os.makedirs(usable, mode=0o700, exist_ok=True)
        except OSError:
            return found
    if usable != home:
        found["HOME"] = usable
        found.update({key: os.path.join(usable, below) for key, below in _CACHES.items() if not environ.get(key)})
    return found


def add_passwd_entry(uid: int, gid: int, home: str) -> None:
    """Gives a UID that /etc/passwd does not know a row that `pwd`, `id`, ssh and a JVM find.

    Not in /etc/passwd: who could write there could become root. The image's name service asks libnss-extrausers too, which
    gives no name to a UID below 500, and whose directory is a link to a place in memory. It takes no group below 500 but
    100 either, so a row says 100 where the process has group 0; the process itself is not changed. An image without it
    leaves a script with USER and LOGNAME, which `getpass.getuser()` reads.
    """
    if passwd_entry(uid) is not None:
        return
    group = gid if gid >= _FIRST_ID else _USERS_GID
    try:
        files.replace(f"{os.readlink(_EXTRA_USERS)}/passwd", f"{_name(uid)}:x:{uid}:{group}::{home}:/bin/sh\n".encode())
    except (OSError, ShimError):
        return  # another image, or no memory-backed directory: nothing of the contract but this row is lost


def _name(uid: int) -> str:
    """A name that is nobody else's."""
    return f"lyftlearn-{uid}"


def passwd_entry(uid: int) -> pwd.struct_passwd | None:
    """The row of the user, None for a UID that has none."""
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return None
