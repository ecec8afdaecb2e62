"""Where references point to: one module a scheme, each with one function.

`fetch(items, environ, deadline)` gets every item of its scheme at once and gives back, for each, its text, a set (a dict
of texts), or the ShimError that it failed with; an error that it raises is that of all its items. An item is a name with
the options that OPTIONS of the module names, as pairs. `deadline` is one of time.monotonic().

A scheme that is not here is looked for among the packages of the image: an entry point of the group `lyftlearn.sources`,
whose name is the scheme and whose value is such a module.
"""

from __future__ import annotations

import importlib

from lyftlearn_runtime import contract
from lyftlearn_runtime.errors import ShimError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MODULES = {
    "aws-sm": "secretsmanager",
    "aws-ssm": "ssm",
    "aws-ssm-path": "ssm_path",
    "confidant": "confidant",
    "s3": "s3_object",
    "downward": "downward_api",
    "file": "local_file",
}
_GROUP = "lyftlearn.sources"


def load(scheme: str) -> Any:
    """The module of a scheme. ShimError when nothing of that name is installed."""
    if scheme in MODULES:
        return importlib.import_module("lyftlearn_runtime.sources." + MODULES[scheme])
    known = ", ".join(sorted((*MODULES, "env")))
    found = _installed(scheme)
    if found is None:
        raise ShimError(f"there is no source {scheme}://; there are {known}, and no package has another", contract.EXIT_CONFIG)
    return found


def _installed(scheme: str) -> Any:
    """The module that a package of the image brings for a scheme; its faults are the package's, and named as such."""
    import glob  # noqa: PLC0415 - only for a scheme of somebody else's
    import importlib.metadata  # noqa: PLC0415 - as above
    import sys  # noqa: PLC0415 - as above

    places = sorted(glob.glob(contract.VENV_DIR + "/lib/python3*/site-packages"))
    for distribution in importlib.metadata.distributions(path=places):
        for point in distribution.entry_points:
            if point.group == _GROUP and point.name == scheme:
                # Behind the standard library, so that a package of the team replaces nothing of ours.
                sys.path.extend(one for one in places if one not in sys.path)
                try:
                    return point.load()
                except Exception as error:  # noqa: BLE001 - whatever somebody else's module does
                    name = distribution.metadata["Name"]
                    raise ShimError(
                        f"the source {scheme}:// of the package {name} cannot be loaded: {type(error).__name__}",
                        contract.EXIT_CONFIG,
                    ) from None
    return None
