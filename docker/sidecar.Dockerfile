# npcchat's sidecar. Built from the repository's root:
#   docker build -f docker/sidecar.Dockerfile -t npcchat-sidecar .
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${BASE_IMAGE} AS build
WORKDIR /src
COPY scripts/bootstrap scripts/bootstrap
COPY scripts/lib/common.sh scripts/lib/common.sh
RUN ./scripts/bootstrap image && rm -rf /var/lib/apt/lists/* /var/cache/apt
COPY . .
RUN cmake --preset default -DBUILD_TESTING=OFF \
    && cmake --build build --target npcchat-sidecar \
    && DESTDIR=/out cmake --install build --prefix / --strip --component sidecar

FROM ${BASE_IMAGE}
# The libraries that the program is linked with, certificates to trust models by, and curl for the health checks.
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates curl libcurl4 libfmt9 \
        libhiredis0.14 libjansson4 libjemalloc2 libpq5 libsqlite3-0 libssl3 libstdc++6 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/cache/debconf/*-old /var/log/* /usr/share/doc /usr/share/man \
    && groupadd --gid 10001 npcchat \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin npcchat \
    && install -d -m 0750 -o npcchat -g npcchat /run/npcchat /var/lib/npcchat
COPY --from=build /out/usr/bin/npcchat-sidecar /usr/local/bin/
COPY docker/sidecar-health docker/sidecar-migrate docker/wait-for-edge /usr/local/bin/

# /run/npcchat is shared with the edge. /var/lib/npcchat is written to only where DATABASE_URL or ADMIN_KEY is not set.
ENV STATE_DIR=/var/lib/npcchat \
    SIDECAR_LISTEN=unix:/run/npcchat/sidecar.sock EDGE_SECRET_FILE=/run/npcchat/edge.secret
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["sidecar-health"]
ENTRYPOINT ["npcchat-sidecar"]
