# npcchat's edge: nginx with the module. Built from the repository's root:
#   docker build -f docker/edge.Dockerfile -t npcchat-edge .
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${BASE_IMAGE} AS build
WORKDIR /src
COPY scripts/bootstrap scripts/bootstrap
COPY scripts/lib/common.sh scripts/lib/common.sh
RUN ./scripts/bootstrap image && rm -rf /var/lib/apt/lists/* /var/cache/apt
COPY . .
RUN cmake --preset default -DBUILD_TESTING=OFF \
    && cmake --build build --target ngx_http_npcchat_module \
    && DESTDIR=/out cmake --install build --prefix / --strip --component module

FROM ${BASE_IMAGE}
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends nginx \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/cache/debconf/*-old /var/log/* /usr/share/doc /usr/share/man \
    && groupadd --gid 10001 npcchat \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin npcchat \
    && install -d -m 0750 -o npcchat -g npcchat /run/npcchat
COPY --from=build /out/usr/lib/nginx/modules/ngx_http_npcchat_module.so /usr/lib/nginx/modules/
COPY conf/nginx.conf conf/npcchat-http.conf conf/npcchat-server.conf /usr/share/npcchat/conf/
COPY scripts/lib/common.sh scripts/lib/settings.sh scripts/lib/nginx-conf.sh /usr/share/npcchat/scripts/lib/
COPY docker/edge-start docker/edge-health /usr/local/bin/

# /run/npcchat is shared with the sidecar: its sockets and the secret that it makes. All else that is written goes
# below /tmp, so that the root can be read-only.
ENV BIND=0.0.0.0 PORT=8001 STATE_DIR=/tmp/npcchat NPCCHAT_BUILD_DIR=/usr/lib/nginx/modules \
    SIDECAR_LISTEN=unix:/run/npcchat/sidecar.sock EDGE_SECRET_FILE=/run/npcchat/edge.secret
USER 10001:10001
EXPOSE 8001
# nginx finishes the requests that it has begun.
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 CMD ["edge-health"]
ENTRYPOINT ["edge-start"]
