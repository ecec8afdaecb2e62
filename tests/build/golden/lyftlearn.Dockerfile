# Rendered by lyftlearn-image from images/lyftlearn/image.yaml. Edit that file, not this one.
ARG BASE_IMAGE=debian:bookworm-slim@sha256:78d2f66e0fec9e5a39fb2c72ea5e052b548df75602b5215ed01a17171529f706

FROM ${BASE_IMAGE} AS builder
SHELL ["/bin/sh", "-euxc"]
# Caches are mounts: nothing of them reaches a layer. A corporate CA bundle and a private index come as build secrets; all
# are optional. Debian's release is what fixes the versions of its packages, and image.json has them.
# hadolint ignore=DL3008
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \
    --mount=type=secret,id=ca-bundle \
    export DEBIAN_FRONTEND=noninteractive; \
    if [ -s /run/secrets/ca-bundle ]; then set -- -o Acquire::https::CAInfo=/run/secrets/ca-bundle; fi; \
    rm -f /etc/apt/apt.conf.d/docker-clean; \
    apt-get update -q "$@"; \
    apt-get install -y -q --no-install-recommends "$@" binutils ca-certificates python3 python3-venv; \
    found="$(python3 -c 'import sys; print(*sys.version_info[:2], sep=".")')"; \
    if [ "$found" != 3.11 ]; then \
      echo "image.yaml asks for Python 3.11, and the base image has $found" >&2; exit 1; \
    fi; \
    python3 -m venv --without-pip /opt/venv; \
    python3 -m venv /opt/installer
COPY requirements.lock /opt/requirements.lock
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=ca-bundle \
    --mount=type=secret,id=pip-conf \
    if [ -s /run/secrets/ca-bundle ]; then export PIP_CERT=/run/secrets/ca-bundle; fi; \
    if [ -s /run/secrets/pip-conf ]; then export PIP_CONFIG_FILE=/run/secrets/pip-conf; fi; \
    /opt/installer/bin/pip --python /opt/venv/bin/python install -q --no-compile --require-hashes --only-binary :all: \
      --report /opt/installed.json -r /opt/requirements.lock
# prune.py says what goes out. Bytecode is a tenth of the venv and stays: without it every container would compile at each
# start, in a place that it may not write to.
RUN --mount=type=bind,source=prune.py,target=/run/prune.py \
    /opt/venv/bin/python /run/prune.py /opt/venv/lib/python3.11/site-packages; \
    /opt/venv/bin/python -m compileall -q -j 0 /opt/venv/lib; \
    chgrp -R 0 /opt/venv; \
    chmod -R g=u /opt/venv

FROM ${BASE_IMAGE}
SHELL ["/bin/sh", "-euxc"]
# libnss-extrausers finds the name that the shim gives an arbitrary UID. Without man1 a JVM cannot be installed on top.
# hadolint ignore=DL3008
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \
    --mount=type=secret,id=ca-bundle \
    export DEBIAN_FRONTEND=noninteractive; \
    if [ -s /run/secrets/ca-bundle ]; then set -- -o Acquire::https::CAInfo=/run/secrets/ca-bundle; fi; \
    rm -f /etc/apt/apt.conf.d/docker-clean; \
    apt-get update -q "$@"; \
    apt-get install -y -q --no-install-recommends "$@" python3 libpython3-stdlib libnss-extrausers ca-certificates libgomp1; \
    sed -i 's/^passwd:.*/& extrausers/' /etc/nsswitch.conf; \
    rmdir /var/lib/extrausers; \
    ln -s /dev/shm/lyftlearn-users /var/lib/extrausers; \
    install -d -m 0775 -o 0 -g 0 /home/lyftlearn \
      /opt/ml /opt/ml/code /opt/ml/model /opt/ml/checkpoints /opt/ml/config /opt/ml/processing \
      /opt/ml/input /opt/ml/input/config /opt/ml/input/data /opt/ml/output /opt/ml/output/data; \
    getent group 0 || groupadd --gid 0 lyftlearn; \
    useradd --no-log-init --uid 10001 --gid 0 --home-dir /home/lyftlearn --no-create-home --shell /bin/bash lyftlearn; \
    install -d -m 0775 -o 0 -g 0 /home/lyftlearn; \
    getent group 100 || groupadd --gid 100 sagemaker-user; \
    useradd --no-log-init --uid 1000 --gid 100 --home-dir /home/sagemaker-user --no-create-home --shell /bin/bash sagemaker-user; \
    install -d -m 0775 -o 1000 -g 100 /home/sagemaker-user; \
    find /usr/share/doc -type f ! -name copyright -delete; \
    rm -rf /var/log/apt /var/log/dpkg.log /var/log/alternatives.log /var/cache/debconf/*-old /var/lib/dpkg/*-old \
      /usr/share/man /var/cache/ldconfig/aux-cache; \
    install -d /usr/share/man/man1
COPY --from=builder /opt/venv /opt/venv
COPY entrypoints/ /opt/lyftlearn/bin/
COPY lyftlearn_runtime/ /opt/lyftlearn/lyftlearn_runtime/
ARG SOURCE_DATE_EPOCH
# Whatever umask the builder has: no user of the image may change what starts every container. The .pth file puts modules
# under the names of AWS's packages behind everything that is installed.
RUN --mount=type=bind,source=manifest.py,target=/run/manifest.py \
    --mount=type=bind,source=image-facts.json,target=/run/image-facts.json \
    --mount=type=bind,from=builder,source=/opt/installed.json,target=/run/installed.json \
    chmod -R u=rwX,go=rX /opt/lyftlearn; \
    chmod 0755 /opt/lyftlearn/bin/*; \
    echo /opt/lyftlearn/lyftlearn_runtime/compat > /opt/venv/lib/python3.11/site-packages/lyftlearn.pth; \
    /usr/bin/python3 -I -S -m compileall -q --invalidation-mode unchecked-hash /opt/lyftlearn/lyftlearn_runtime; \
    /usr/bin/python3 -I /run/manifest.py /run/image-facts.json /run/installed.json
ENV PATH=/opt/venv/bin:/opt/lyftlearn/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/home/lyftlearn
ENV LANG="C.UTF-8"
ENV PYTHONUNBUFFERED="1"
ENV TZ="UTC"
LABEL dev.lyftlearn.class="lyftlearn"
LABEL org.opencontainers.image.base.digest="sha256:78d2f66e0fec9e5a39fb2c72ea5e052b548df75602b5215ed01a17171529f706"
LABEL org.opencontainers.image.base.name="debian:bookworm-slim"
LABEL org.opencontainers.image.description="Traditional ML on SageMaker and Kubernetes, unchanged on both."
LABEL org.opencontainers.image.licenses="Apache-2.0"
LABEL org.opencontainers.image.title="LyftLearn"
LABEL org.opencontainers.image.version="0.1.0"
SHELL ["/bin/sh", "-c"]
WORKDIR /opt/ml/code
ENTRYPOINT ["/opt/lyftlearn/bin/entrypoint"]
CMD []
