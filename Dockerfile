# The images of Sluice. What is in them, how large they are and how to run them: docs/containers.md.

ARG PYTHON=3.12-slim-bookworm

# What pyproject.toml says of packages, apart: a change elsewhere in it installs nothing anew.
FROM python:${PYTHON} AS requirements
COPY pyproject.toml ./
RUN mkdir /requirements && sed '/^\[project.scripts\]/,$d' pyproject.toml > /requirements/pyproject.toml

# Packages are installed from the lock, by the uv that the lock pins. pyproject.toml says which ones a target
# needs, the lock which version of each, and with which hash.
FROM python:${PYTHON} AS installer
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV=/opt/sluice \
    UV_CACHE_DIR=/cache/uv PIP_CACHE_DIR=/cache/pip
WORKDIR /build
COPY installer.lock ./
RUN --mount=type=cache,target=/cache \
    pip install --quiet --root-user-action=ignore --require-hashes --requirement installer.lock \
    && uv venv --quiet "$VIRTUAL_ENV"
COPY requirements.lock overrides.txt ./
COPY --from=requirements /requirements ./

FROM installer AS gateway-packages
RUN --mount=type=cache,target=/cache \
    uv pip install --require-hashes --constraint requirements.lock --override overrides.txt \
    --requirement pyproject.toml --extra telemetry

FROM installer AS worker-packages
RUN --mount=type=cache,target=/cache \
    uv pip install --require-hashes --constraint requirements.lock --override overrides.txt \
    --requirement pyproject.toml --extra telemetry --extra flows --extra docker

FROM installer AS stand-ins-packages
RUN --mount=type=cache,target=/cache \
    uv pip install --prefix /stand-ins --constraint requirements.lock aiosmtpd 'moto[server,s3,sqs]' rich

# Our own code, as the wheel that is released; the only part that a change of code builds anew.
FROM installer AS code
RUN --mount=type=cache,target=/cache \
    uv pip install --quiet --system --constraint requirements.lock setuptools
COPY README.md LICENSE pyproject.toml ./
COPY app app
COPY flows flows
COPY migrations migrations
RUN uv build --quiet --wheel --no-build-isolation --python /usr/local/bin/python --out-dir /dist \
    && uv pip install --quiet --no-deps --prefix /code /dist/*.whl

FROM python:${PYTHON} AS base
RUN useradd --uid 10001 --user-group --no-log-init --create-home --home-dir /var/lib/sluice sluice \
    && install --directory --owner=sluice --group=sluice /var/lib/sluice/mail /var/lib/sluice/run-settings
ENV PATH=/opt/sluice/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/lib/sluice
USER 10001:10001
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"

# Receives, dispatches, follows, migrates. No Prefect, no OCR.
FROM base AS gateway
LABEL org.opencontainers.image.title="sluice-gateway" \
    org.opencontainers.image.description="The ingestion gateway in front of a self-hosted Prefect"
COPY --from=gateway-packages /opt/sluice /opt/sluice
COPY --from=code /code /opt/sluice
ENV SLUICE_HTTP_HOST=0.0.0.0 SLUICE_HTTP_PORT=8080 SLUICE_OPS_HOST=0.0.0.0 SLUICE_OPS_PORT=8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/readyz', timeout=4)"]
ENTRYPOINT ["sluice"]
CMD ["serve"]

# Polls a work pool, and is the container of one flow run. No health check: it would run in those, too.
FROM base AS worker
LABEL org.opencontainers.image.title="sluice-worker" \
    org.opencontainers.image.description="Sluice's flows, the engines that read documents, and Prefect's workers"
COPY --from=worker-packages /opt/sluice /opt/sluice
COPY --from=code /code /opt/sluice
COPY prefect.yaml ./
COPY deploy deploy
CMD ["prefect", "worker", "start", "--pool", "sluice"]

# What takes the place of AWS and of the mail server on a machine that has neither. Never deployed.
FROM base AS stand-ins
LABEL org.opencontainers.image.title="sluice-stand-ins" \
    org.opencontainers.image.description="Stand-ins for S3, SNS, a mail server and an underwriting tool"
COPY --from=worker-packages /opt/sluice /opt/sluice
COPY --from=stand-ins-packages /stand-ins /opt/sluice
COPY --from=code /code /opt/sluice
