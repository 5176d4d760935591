# One image for the service and for training. Plain instructions only: it builds with the legacy builder too.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# hnswlib is the one dependency without a wheel. It would build for the CPU of this machine (-march=native);
# x86-64-v3 (AVX2) runs on other machines too. Elsewhere: --build-arg HNSWLIB_FLAGS=
ARG HNSWLIB_FLAGS=-march=x86-64-v3
RUN apt-get update && apt-get install -y --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/venv
WORKDIR /src
COPY requirements.lock ./
RUN HNSWLIB_NO_NATIVE=1 CXXFLAGS="${HNSWLIB_FLAGS}" \
    /opt/venv/bin/python -m pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY service service
COPY training training
RUN /opt/venv/bin/python -m pip install --no-cache-dir --no-deps . \
 # compiled kernels are keyed by the time stamps of their sources: whole seconds survive every registry
 && find /opt/venv -name '*.py' -path '*-packages/service/*' -exec touch -d 2024-01-01T00:00:00Z {} + \
 && find /opt/venv -name '*.py' -path '*-packages/training/*' -exec touch -d 2024-01-01T00:00:00Z {} +

FROM ${PYTHON_IMAGE}
RUN useradd --system --uid 10001 --user-group --no-create-home candgen \
 && mkdir -p /store /cache/tmp && chown -R candgen:candgen /store /cache
COPY --from=build /opt/venv /opt/venv
COPY deploy/entrypoint.sh /usr/local/bin/candgen-entrypoint
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    CANDGEN_STORE=/store \
    CANDGEN_HOST=0.0.0.0 \
    CANDGEN_PORT=8000 \
    NUMBA_CACHE_DIR=/tmp/candgen-numba
WORKDIR /
# the kernels of the request path are compiled here, and copied to a writable place at start (numba wants one)
RUN chmod 755 /usr/local/bin/candgen-entrypoint \
 && NUMBA_CACHE_DIR=/opt/numba-cache python -c 'from service import rehearsal; rehearsal.compile_kernels()' \
 && chmod -R a+rX /opt/numba-cache
USER candgen
EXPOSE 8000
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/candgen-entrypoint"]
CMD ["python", "-m", "service"]
