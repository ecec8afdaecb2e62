"""A Debian base image made from Debian's packages (mmdebstrap), for machines that reach no registry.

It follows Debian's own slim images: the packages of priority `required` and apt, no documentation, no translations,
apt set up for containers. Source of each setting: debuerreotype, scripts/debuerreotype-minimizing-config and
scripts/.slimify-excludes. Two runs with the same packages give the same image id.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lyftlearn_image.build.causes import find_cause
from lyftlearn_image.build.engine import apt_install
from lyftlearn_image.build.secrets import without_credentials
from lyftlearn_image.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping

# What the slim images leave out. It stays in the image as dpkg's configuration, so that it holds for later installs too.
_DPKG_OPTIONS = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/linda/*",
    "path-exclude=/usr/share/lintian/*",
    "path-exclude=/usr/share/locale/*",
    "path-include=/usr/share/locale/locale.alias",
    "path-exclude=/usr/share/man/*",
)
_FILES = {
    "/etc/apt/apt.conf.d/docker-autoremove-suggests": 'Apt::AutoRemove::SuggestsImportant "false";\n',
    "/etc/apt/apt.conf.d/docker-clean": (
        'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb'
        ' /var/cache/apt/*.bin || true"; };\n'
        'Dir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\n'
    ),
    "/etc/apt/apt.conf.d/docker-gzip-indexes": 'Acquire::GzipIndexes "true";\n',
    "/etc/apt/apt.conf.d/docker-no-languages": 'Acquire::Languages "none";\n',
}
# No package may start a service while an image is built.
_POLICY = "#!/bin/sh\nexit 101\n"
# mmdebstrap brings the host's own of these; the engine mounts a container's over them.
_HOST_FILES = ("/etc/resolv.conf", "/etc/hostname")
# mmdebstrap's own cleaning is skipped for these: it asks apt where its caches are, and docker-clean says nowhere.
_LEFT_OVERS = (
    "/var/lib/apt/lists/*",
    "/var/cache/apt/*",
    "/var/cache/debconf/*-old",
    "/var/lib/dpkg/*-old",
    "/var/log/apt",
    "/var/cache/ldconfig/aux-cache",
)
_MERGED_USR = "/usr/share/mmdebstrap/hooks/maybe-merged-usr"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# The time of every file that no package dates, and of the image: Debian 12's release. A moving time would give the same
# packages another id each day.
_EPOCH = 1686355200
_ERROR_LINES = 8


def recipe(suite: str) -> str:
    """A digest of how this module makes the base of a suite; an image with another one is made anew."""
    parts = [suite, *_DPKG_OPTIONS, *(f"{name}={text}" for name, text in _FILES.items()), _POLICY, str(_EPOCH)]
    return f"{suite}-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:12]}"


def bootstrap(suite: str, layer: Path) -> None:
    """Writes the root file system of a minimal Debian `suite` as the tar archive `layer`.

    Packages come from the host's own Debian mirrors where it has some for that suite, else from Debian's. Raises
    UnavailableError when mmdebstrap is not there and cannot be installed, BuildError with mmdebstrap's last lines.
    """
    if not shutil.which("mmdebstrap"):
        apt_install(("mmdebstrap", "debian-archive-keyring"), wanted_for="to make the base image from Debian's packages")
    with tempfile.TemporaryDirectory(prefix="lyftlearn-bootstrap-") as directory:
        mirrors = host_mirrors(suite)
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--hook-dir={_MERGED_USR}", "--skip=cleanup/apt"]
        command += [f"--dpkgopt={option}" for option in _DPKG_OPTIONS]
        command += [f"--customize-hook={hook}" for hook in _hooks(mirrors, Path(directory))]
        command += [suite, str(layer), *(["-"] if mirrors else [])]
        environment = {**os.environ, **_host_proxies(), "SOURCE_DATE_EPOCH": str(_EPOCH), "TMPDIR": directory}
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment, input="\n".join(mirrors) or None
        )
    if done.returncode:
        lines = [without_credentials(line) for line in done.stderr.strip().splitlines()[-_ERROR_LINES:]]
        if cause := find_cause(
            "\n".join(lines), {**os.environ, **_host_proxies()}, is_a_step=True, engine_root=tempfile.gettempdir()
        ):
            raise cause.error(f"while Debian {suite} was made from its packages")
        raise BuildError(
            f"mmdebstrap could not make Debian {suite} from its packages",
            where="\n".join(lines),
            hint="Does apt reach a Debian mirror here? Check apt's sources, and http_proxy.",
        )


def host_mirrors(suite: str) -> list[str]:
    """The host's apt sources of Debian's own packages for a suite, one line each; none where it has no such source.

    Other projects use Debian's suite names too: only a source whose Release file says `Origin: Debian` is Debian's.
    """
    if not shutil.which("apt-get"):
        return []
    form = "$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)"
    command = ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wanted = {suite, f"{suite}-updates", f"{suite}-security"}
    found = []
    for line in done.stdout.splitlines():
        uri, release, component, origin = line.split(" ", 3)
        if release in wanted and component == "main" and origin == "Debian":
            found.append(f"deb {uri.rstrip('/')} {release} main")
    return list(dict.fromkeys(found))


def pack(layer: Path, archive: Path, *, tag: str, labels: Mapping[str, str]) -> str:
    """Writes `archive`, an image of one layer as `docker load` reads it; its id, which depends on the content alone.

    `docker import` would put the hour into the image, and so give the same layer another id each time.
    """
    with layer.open("rb") as stream:
        diff_id = hashlib.file_digest(stream, "sha256").hexdigest()
    created = datetime.fromtimestamp(_EPOCH, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    config = {
        "architecture": _architecture(),
        "os": "linux",
        "created": created,
        "config": {"Cmd": ["bash"], "Env": [f"PATH={_PATH}"], "Labels": dict(labels)},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff_id}"]},
        "history": [{"created": created, "created_by": "mmdebstrap --variant=minbase", "comment": labels.get("title", "")}],
    }
    raw = json.dumps(config, sort_keys=True, separators=(",", ":")).encode()
    image_id = hashlib.sha256(raw).hexdigest()
    manifest = [{"Config": f"{image_id}.json", "RepoTags": [tag], "Layers": ["layer.tar"]}]
    with tarfile.open(archive, "w") as tar:
        for name, data in ((f"{image_id}.json", raw), ("manifest.json", json.dumps(manifest).encode())):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
        tar.add(layer, arcname="layer.tar")
    return f"sha256:{image_id}"


def _hooks(mirrors: list[str], directory: Path) -> list[str]:
    """What mmdebstrap does at the end: our files in, the host's files out."""
    files = {**_FILES, "/usr/sbin/policy-rc.d": _POLICY}
    if mirrors:
        # The mirrors stay, for apt must work in the image as it does here; a password in their address does not.
        files["/etc/apt/sources.list"] = "".join(f"{without_credentials(line)}\n" for line in mirrors)
    hooks = []
    for position, (place, text) in enumerate(files.items()):
        source = directory / str(position)
        source.write_text(text, encoding="utf-8")
        source.chmod(0o755 if place.startswith("/usr/sbin/") else 0o644)
        hooks.append(f"upload {source} {place}")
    modes = "chmod 0755 $1/usr/sbin/policy-rc.d && chmod 0644 " + " ".join(f"$1{place}" for place in _FILES)
    gone = " ".join(f"$1{place}" for place in (*_HOST_FILES, *_LEFT_OVERS))
    return [*hooks, modes, f"rm -rf {gone}"]


def _host_proxies() -> dict[str, str]:
    """The proxies of the host's apt configuration as variables, for mmdebstrap reads none of it; the environment wins."""
    found: dict[str, str] = {}
    for scheme in ("http", "https"):
        command = ["apt-config", "dump", "--format", "%v%n", f"Acquire::{scheme}::Proxy"]
        if shutil.which("apt-config") and f"{scheme}_proxy" not in os.environ:
            value = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
            if value and value != "DIRECT":
                found[f"{scheme}_proxy"] = value
    return found


def _architecture() -> str:
    """Docker's name of this machine's architecture; for those that the images are made for it is Debian's own."""
    return subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
