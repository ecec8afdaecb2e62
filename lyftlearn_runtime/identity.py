"""A user with a name, and a home that can be written to, for whatever UID the platform chose."""

from __future__ import annotations

import os
import pwd

from lyftlearn_runtime import contract
from lyftlearn_runtime.files import is_writable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# What writes below HOME on import, and where it goes when HOME had to be moved.
_CACHES = {"XDG_CACHE_HOME": ".cache", "MPLCONFIGDIR": ".cache/matplotlib", "NUMBA_CACHE_DIR": ".cache/numba"}


def variables(environ: Mapping[str, str], uid: int) -> dict[str, str]:
    """HOME, USER and LOGNAME as far as there are no usable ones, and caches where HOME had to move.

    The first of these that can be written to becomes HOME: the one that is set, the image's, the one of /etc/passwd,
    a private one below /tmp. `getpass.getuser()` works from LOGNAME for a UID without a row in /etc/passwd;
    `pwd.getpwuid()` does not, and no row can be added on a read-only root.
    """
    row = row_of(uid)
    name = row.pw_name if row else "lyftlearn"
    found = {key: name for key in ("USER", "LOGNAME") if not environ.get(key)}
    home = environ.get("HOME", "")
    usable = next((one for one in (home, contract.HOME, row.pw_dir if row else "") if one and is_writable(one)), None)
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


def row_of(uid: int) -> pwd.struct_passwd | None:
    """The row of /etc/passwd, None for a UID that has none."""
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return None
