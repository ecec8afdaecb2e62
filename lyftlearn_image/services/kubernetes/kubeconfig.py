"""The client of a cluster, by a kubeconfig's context."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lyftlearn_image.errors import InvalidInputError

if TYPE_CHECKING:
    from lightkube import Client


def open_client(context: str | None) -> Client:
    """A client of a kubeconfig's context; of the current one when none is named."""
    try:
        import lightkube  # noqa: PLC0415 - an extra
    except ImportError:
        raise InvalidInputError(
            "lightkube is not installed", hint="Install the extra: pip install 'lyftlearn-image[kubernetes]'"
        ) from None
    from lyftlearn_image.services.kubernetes.api_errors import translate_errors  # noqa: PLC0415 - needs the extra

    with translate_errors(f"reading the context {context or '(current)'}"):
        config = lightkube.KubeConfig.from_env()
        if context is not None and context not in config.contexts:
            known = ", ".join(sorted(config.contexts)) or "none"
            raise InvalidInputError(f"the kubeconfig has no context {context}", hint=f"It has: {known}.")
        chosen = config.get(context_name=context)
    if chosen is None or chosen.user is None:
        raise InvalidInputError(
            f"the context {context or '(current)'} names no user",
            hint="Complete the kubeconfig, as `aws eks update-kubeconfig` does.",
        )
    return lightkube.Client(config=chosen)
