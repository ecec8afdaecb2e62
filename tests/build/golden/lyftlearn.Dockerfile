# Rendered by lyftlearn-image from images/lyftlearn/image.yaml. Edit that file, not this one.
ARG BASE_IMAGE=debian:bookworm-slim@sha256:78d2f66e0fec9e5a39fb2c72ea5e052b548df75602b5215ed01a17171529f706

FROM ${BASE_IMAGE} AS builder
SHELL ["/bin/sh", "-euxc"]
ENV DEBIAN_FRONTEND=noninteractive
# Caches are mounts: nothing of them reaches a layer. Debian's release is what fixes the versions, and image.json has them.
# hadolint ignore=DL3008
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \
    rm -f /etc/apt/apt.conf.d/docker-clean; \
    apt-get update -q; \
    apt-get install -y -q --no-install-recommends ca-certificates python3 python3-venv; \
    python3 -m venv --without-pip /opt/venv; \
    python3 -m venv /opt/installer
COPY requirements.lock /opt/requirements.lock
# A corporate CA bundle and a private index come as build secrets; both are optional.
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=ca-bundle \
    --mount=type=secret,id=pip-conf \
    if [ -s /run/secrets/ca-bundle ]; then export PIP_CERT=/run/secrets/ca-bundle; fi; \
    if [ -s /run/secrets/pip-conf ]; then export PIP_CONFIG_FILE=/run/secrets/pip-conf; fi; \
    /opt/installer/bin/pip --python /opt/venv/bin/python install -q --no-compile --require-hashes --only-binary :all: \
      -r /opt/requirements.lock
# Out goes what no job imports: test suites (not numpy.testing), headers, static libraries, botocore's examples, and the
# copies that pyarrow's wheel has of its own libraries, for a wheel has no links. Bytecode is made here once,
# for otherwise every container compiles at each start, in a place that it may not write to.
RUN packages=/opt/venv/lib/python3.11/site-packages; \
    find "$packages" -depth -type d \( -path '*/tests' -o -path '*/pyarrow/include' -o -path '*/numpy/*/include' \) -exec rm -rf {} +; \
    find "$packages" -type f \( -name '*.a' -o -name '*.pxd' -o -name '*.pyx' -o -name '*.pyi' -o -name '*.h' -o -name '*.hpp' \) -delete; \
    find "$packages" -type f -name examples-1.json -delete; \
    for name in pyarrow/libarrow_python pyarrow/libarrow_python_flight pyarrow/libarrow_python_parquet_encryption; do \
      for copy in "$packages/$name".so.*; do \
        if cmp -s "$packages/$name.so" "$copy"; then ln -s -f "$(basename "$name").so" "$copy"; fi; \
      done; \
    done; \
    /opt/venv/bin/python -m compileall -q -j 0 -x site-packages/pip/ /opt/venv/lib; \
    chgrp -R 0 /opt/venv; \
    chmod -R g=u /opt/venv

FROM ${BASE_IMAGE}
SHELL ["/bin/sh", "-euxc"]
# hadolint ignore=DL3008
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt/lists,sharing=locked \
    export DEBIAN_FRONTEND=noninteractive; \
    rm -f /etc/apt/apt.conf.d/docker-clean; \
    apt-get update -q; \
    apt-get install -y -q --no-install-recommends python3 libpython3-stdlib ca-certificates libgomp1; \
    useradd --uid 10001 --gid 0 --home-dir /home/lyftlearn --no-create-home --shell /bin/bash lyftlearn; \
    install -d -m 0775 -o 0 -g 0 /home/lyftlearn; \
    useradd --uid 1000 --gid 100 --home-dir /home/sagemaker-user --no-create-home --shell /bin/bash sagemaker-user; \
    install -d -m 0775 -o 1000 -g 100 /home/sagemaker-user; \
    install -d -m 0775 -o 0 -g 0 /opt/ml /opt/ml/code /opt/ml/model /opt/ml/checkpoints /opt/ml/config /opt/ml/processing \
      /opt/ml/input /opt/ml/input/config /opt/ml/input/data /opt/ml/output /opt/ml/output/data; \
    rm -rf /var/log/apt /var/log/dpkg.log /var/log/alternatives.log /var/cache/debconf/*-old /var/lib/dpkg/*-old \
      /usr/share/doc /usr/share/man /var/cache/ldconfig/aux-cache
COPY --from=builder /opt/venv /opt/venv
COPY entrypoints/ /opt/lyftlearn/bin/
COPY lyftlearn_runtime/ /opt/lyftlearn/lyftlearn_runtime/
COPY manifest.py image-facts.json /opt/lyftlearn/
ARG SOURCE_DATE_EPOCH=0
# Whatever umask the builder has: no user of the image may change what starts every container.
RUN chmod -R u=rwX,go=rX /opt/lyftlearn; \
    chmod 0755 /opt/lyftlearn/bin/*; \
    /usr/bin/python3 -I -S -m compileall -q --invalidation-mode unchecked-hash /opt/lyftlearn/lyftlearn_runtime; \
    /usr/bin/python3 -I /opt/lyftlearn/manifest.py; \
    rm /opt/lyftlearn/manifest.py /opt/lyftlearn/image-facts.json
ENV PATH=/opt/venv/bin:/opt/lyftlearn/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/home/lyftlearn
ENV LANG="C.UTF-8"
ENV TZ="UTC"
ENV PYTHONUNBUFFERED="1"
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
