"""The causes of failures that are no matter of a step, by the words of programs: most were said here, some are documented."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given, strategies as st

from lyftlearn_image.build.causes import Kind, find_cause, find_silent_proxy
from lyftlearn_image.build.proxies import address_of, proxy_addresses, proxy_for
from lyftlearn_image.build.reference import require_reference
from lyftlearn_image.errors import BuildError, InvalidInputError, UnavailableError

PROXIES = {"HTTP_PROXY": "http://somebody:planted@192.0.2.3:3128", "https_proxy": "192.0.2.3:3128"}
ROOT = "/var/lib/docker"
HEAD = 'failed to do request: Head "https://nowhere.invalid/v2/x/manifests/y"'

# Who said it (Docker 20.10's and 26.1's BuildKit, their classic builder, Podman 4.3) → its words, the kind, what is told.
SAID = {
    "20.10": (
        f"[internal] load metadata for nowhere.invalid/x:y\nERROR: {HEAD}: dial tcp: lookup nowhere.invalid: no such host",
        Kind.BASE_IMAGE,
        "the base image nowhere.invalid/x:y cannot be pulled: its registry does not answer",
    ),
    "20.10, no such tag": (
        "[internal] load metadata for 127.0.0.1:5057/x:y\nERROR: 127.0.0.1:5057/x:y: not found",
        Kind.BASE_IMAGE,
        "the base image 127.0.0.1:5057/x:y cannot be pulled: its registry has no such image or tag",
    ),
    "26.1": (
        ("ERROR: failed to solve: debian:nosuch: failed to resolve source metadata for docker.io/library/debian:nosuch: "
        "docker.io/library/debian:nosuch: not found"),
        Kind.BASE_IMAGE,
        "the base image debian:nosuch cannot be pulled: its registry has no such image or tag",
    ),
    "26.1, denied": (
        ("ERROR: failed to solve: x/y: failed to resolve source metadata for docker.io/x/y:latest: pull access denied, "
        "repository does not exist or may require authorization: server message: insufficient_scope: authorization failed"),
        Kind.BASE_IMAGE,
        "the base image docker.io/x/y:latest cannot be pulled: there is none, or you may not read it",
    ),
    "classic": (
        "Step 1/1 : FROM 127.0.0.1:5057/x:y\nmanifest for 127.0.0.1:5057/x:y not found: manifest unknown: manifest unknown",
        Kind.BASE_IMAGE,
        "the base image 127.0.0.1:5057/x:y cannot be pulled: its registry has no such image or tag",
    ),
    "classic, closed": (
        ('Step 1/1 : FROM 127.0.0.1:5059/x:y\nGet "http://127.0.0.1:5059/v2/": dial tcp 127.0.0.1:5059: connect: '
        "connection refused"),
        Kind.BASE_IMAGE,
        "the base image 127.0.0.1:5059/x:y cannot be pulled: its registry does not answer",
    ),
    "podman": (
        ("STEP 1/1: FROM debian:nosuchtag\nTrying to pull docker.io/library/debian:nosuchtag...\ncreating build container: "
        "initializing source docker://debian:nosuchtag: pinging container registry registry.example.test: Get "
        '"https://registry.example.test/v2/": dial tcp: lookup registry.example.test on 192.0.2.53:53: no such host'),
        Kind.BASE_IMAGE,
        "the base image debian:nosuchtag cannot be pulled: its registry does not answer",
    ),
    "podman, TLS": (
        ("STEP 1/1: FROM r:1/x:y\ncreating build container: initializing source docker://r:1/x:y: pinging registry r:1"
        ': Get "https://r:1/v2/": http: server gave HTTP response to HTTPS client'),
        Kind.BASE_IMAGE,
        "the base image r:1/x:y cannot be pulled: its registry's certificate is not trusted by the engine",
    ),
    "an engine's proxy": (
        (f"[internal] load metadata for nowhere.invalid/x:y\nERROR: {HEAD}: proxyconnect tcp: dial tcp 127.0.0.1:9: connect: "
        "connection refused"),
        Kind.PROXY,
        "the engine's own proxy 127.0.0.1:9 does not answer",
    ),
    "uv": (
        ("error: Failed to fetch: https://i.example/simple/six/\n  cause: client error (Connect)\n  cause: tunnel error: "
        "failed to create underlying connection\n  cause: tcp connect error\n  cause: Connection refused (os error 111)"),
        Kind.PROXY,
        "the proxy 192.0.2.3:3128 does not answer",
    ),
    "20.10, a name": (
        ("failed to solve with frontend dockerfile.v0: failed to create LLB definition: failed to parse stage name "
        '"Debian:Foo:bar": invalid reference format: repository name must be lowercase'),
        Kind.REFERENCE,
        '"Debian:Foo:bar" is no name of an image',
    ),
    "26.1, a tag": ('ERROR: invalid tag "Foo:bar:baz": invalid reference format', Kind.REFERENCE, '"Foo:bar:baz" is no name'),
    "podman, a name": ("creating build container: invalid reference format", Kind.REFERENCE, "a name is no name of an image"),
    "26.1, full": (
        "failed to copy files: userspace copy failed: write /data/overlay2/snn/merged/big: no space left on device",
        Kind.DISK,
        "the disk is full: /data/overlay2/snn/merged/big",
    ),
    "classic, full": ("Error response from daemon: write /Dockerfile: no space left on device", Kind.DISK, f"is full: {ROOT}"),
    "an old client": (
        ('ERROR: Error response from daemon: {"message":"client version 1.12 is too old. Minimum supported API version is 1.24,'
        ' please upgrade your client to a newer version"}: driver not connecting'),
        Kind.VERSION,
        "the docker client is too old for the engine",
    ),
    "an old engine": (
        "Error response from daemon: client version 1.50 is too new. Maximum supported API version is 1.41",
        Kind.VERSION,
        "the docker client is too new for the engine",
    ),
    "podman, BuildKit": ("failed to dial gRPC: unable to upgrade to h2c, received 404", Kind.NO_BUILDKIT, "cannot build with"),
}  # fmt: skip
# What a step said, which had these proxies.
SAID_IN_A_STEP = {
    "apt": "W: Failed to fetch http://mirror.example.test/x  Could not connect to 192.0.2.3:3128 (192.0.2.3). - connect (111: "
    "Connection refused)\nE: Unable to locate package nosuch",
    "pip": "WARNING: Retrying after connection broken by 'ProxyError('Cannot connect to proxy.', NewConnectionError(...))'",
    "curl": "curl: (7) Failed to connect to 192.0.2.3:3128 port 3128 after 0 ms: Couldn't connect to server",
}


@pytest.mark.parametrize("who", SAID)
def test_every_engines_words_give_the_kind(who: str) -> None:
    """One line that names what it is about, the program's own words, and what to do."""
    words, kind, what = SAID[who]
    cause = find_cause(words, PROXIES, ROOT)
    assert cause is not None
    assert cause.kind is kind
    assert what in cause.what
    assert "\n" not in cause.what + cause.words
    assert cause.words in words
    assert cause.hint


@pytest.mark.parametrize("who", SAID_IN_A_STEP)
def test_a_proxy_that_a_step_does_not_reach_is_told_with_its_variable(who: str) -> None:
    """Not a package that there is not, which apt says in the end; and never with the proxy's password."""
    cause = find_cause(SAID_IN_A_STEP[who], PROXIES, ROOT, is_a_step=True)
    assert cause is not None
    error = cause.error("log")
    assert isinstance(error, UnavailableError)
    assert "the proxy 192.0.2.3:3128 does not answer" in str(error)
    assert "planted" not in str(error)


def test_a_step_that_fills_the_disk_is_told_with_the_engines_directory() -> None:
    """The step's own path means nothing outside; /dev/shm of its container is small, and its own matter."""
    cause = find_cause("dd: error writing '/x': No space left on device", {}, ROOT, is_a_step=True)
    assert cause is not None
    assert cause.what == f"the disk is full: {ROOT}"
    assert isinstance(cause.error(), BuildError)
    assert find_cause("write /dev/shm/x: No space left on device", {}, ROOT, is_a_step=True) is None


@pytest.mark.parametrize("who", [who for who, (_, kind, _) in SAID.items() if kind not in {Kind.DISK, Kind.PROXY}])
def test_what_a_step_says_of_images_is_about_its_own(who: str) -> None:
    """A RUN that pulls or builds something itself is not our base image."""
    assert find_cause(SAID[who][0], {}, ROOT, is_a_step=True) is None


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"]), max_size=200), st.booleans())
def test_any_words_at_all_are_looked_at(words: str, is_a_step: bool) -> None:  # noqa: FBT001 - generated
    """No text of a program is a fault of ours."""
    cause = find_cause(words, PROXIES, ROOT, is_a_step=is_a_step)
    assert cause is None or cause.what


def test_a_proxy_of_which_nobody_speaks_is_asked_itself() -> None:
    """Pip without retries says only that it found nothing; where the proxy listens, that is not its fault."""
    words = "ERROR: No matching distribution found for six==1.0"
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listens = {"HTTPS_PROXY": f"http://a:b@127.0.0.1:{listening.getsockname()[1]}"}
        assert find_silent_proxy(words, listens) is None
    cause = find_silent_proxy(words, listens)
    assert cause is not None
    assert cause.kind is Kind.PROXY
    assert find_silent_proxy("AssertionError", listens) is None


@pytest.mark.parametrize(
    ("proxy", "address"),
    [
        ("http://u:p@proxy.example:3128/", "proxy.example:3128"),
        ("proxy.example:3128", "proxy.example:3128"),
        ("https://proxy.example", "proxy.example:443"),
        ("http://[::1]:8080", "[::1]:8080"),
        ("http://x:y", ""),
        ("", ""),
    ],
)
def test_a_proxys_address_has_no_credentials(proxy: str, address: str) -> None:
    """Host and port, as error messages of others name them."""
    assert address_of(proxy) == address
    assert proxy_addresses({"HTTPS_PROXY": proxy}) == ({address: "HTTPS_PROXY"} if address else {})


def test_no_proxy_is_heeded() -> None:
    """An index that is asked directly needs no proxy."""
    environment = {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "index.example,10.0.0.0/8"}
    assert proxy_for("https://files.example.test/simple", environment) == "p:1"
    assert proxy_for("https://index.example/simple", environment) == ""
    assert proxy_for("http://files.example.test/simple", environment) == ""


@pytest.mark.parametrize(
    "text", ["debian", "debian:bookworm-slim", "r.example:5000/a/b_c:1.2-x", f"a@sha256:{'0' * 64}", "localhost/x", "[::1]:5/x"]
)
def test_a_name_of_an_image_is_taken(text: str) -> None:
    """As the grammar of references has it."""
    require_reference(text, where="--tag")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Team:1", "lower case"),
        ("team:1:2", "'team:1' is no name"),
        ("team:", "'' is no tag"),
        ("team:a b", "is no tag"),
        ("-team", "is no name"),
        ("", "is no name"),
        ("a@sha256:12", "is no digest"),
    ],
)
def test_what_names_no_image_is_told_by_its_wrong_part(text: str, problem: str) -> None:
    """With where it stands, before an engine is asked."""
    with pytest.raises(InvalidInputError, match=problem) as caught:
        require_reference(text, where="--tag")
    assert caught.value.where == "--tag"
