# snac-eval in a container: docs/containers.md says how it is built and used.
ARG BASE=docker.io/library/python:3.12-slim-bookworm

FROM ${BASE} AS build
# For the CPU. The wheels for CUDA are those of the package index: https://pypi.org/simple
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# Extras of snac-eval, parted by commas: transformers,utmos
ARG EXTRAS=
# Debian keeps no older version of a package, so none can be pinned beside the tag of the base.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY constraints.txt ./
# Torch first: it is large, and changes seldom. What it needs comes with the rest, for its index has
# only some versions of that.
RUN python3 -m venv /opt/snac-eval \
    && /opt/snac-eval/bin/pip install --no-cache-dir --index-url "${TORCH_INDEX}" --no-deps \
        --constraint constraints.txt torch
COPY . ./
RUN /opt/snac-eval/bin/pip install --no-cache-dir --constraint constraints.txt \
        ".${EXTRAS:+[${EXTRAS}]}" \
    && /opt/snac-eval/bin/pip check \
    # Programs that test torch itself.
    && rm -rf /opt/snac-eval/lib/python3*/site-packages/torch/test

FROM ${BASE}
LABEL org.opencontainers.image.title="snac-eval" \
      org.opencontainers.image.description="Evaluation of neural audio codecs" \
      org.opencontainers.image.licenses="MIT"
# Programs to have beside it: "opus-tools ffmpeg" for codecs that are programs, "gcc libc6-dev" for
# the Triton kernels of a GPU.
ARG PACKAGES=
# hadolint ignore=DL3008,SC2086
RUN if [ -n "${PACKAGES}" ]; then \
        apt-get update \
        && apt-get install --yes --no-install-recommends ${PACKAGES} \
        && rm -rf /var/lib/apt/lists/*; \
    fi \
    && groupadd --gid 1000 snac && useradd --uid 1000 --gid snac --no-create-home snac \
    && install --directory --mode 1777 /cache /work
COPY --from=build /opt/snac-eval /opt/snac-eval
# Whoever it runs as, and where all else is read-only, /cache, /work and /tmp are written, no more.
ENV PATH=/opt/snac-eval/bin:${PATH} \
    HOME=/tmp \
    HF_HOME=/cache/huggingface \
    SNAC_EVAL_CACHE=/cache/snac-eval \
    SNAC_EVAL_ENVIRONMENTS=/cache/environments \
    MPLCONFIGDIR=/tmp/matplotlib \
    NUMBA_CACHE_DIR=/cache/numba \
    PYTHONDONTWRITEBYTECODE=1
USER 1000:1000
WORKDIR /work
VOLUME ["/cache"]
# No HEALTHCHECK: a command runs, and ends.
ENTRYPOINT ["snac-eval"]
CMD ["--help"]
