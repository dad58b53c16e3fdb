# The stub model of the tests, to try npcchat without a model: it quotes what it is asked, and says that it is a stub.
#   docker build -f docker/stub-model.Dockerfile -t npcchat-stub-model .
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${BASE_IMAGE}
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/cache/debconf/*-old /var/log/* /usr/share/doc /usr/share/man
COPY tests/stub_model/*.py /usr/share/npcchat/stub_model/
ENV PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8000
ENTRYPOINT ["python3", "/usr/share/npcchat/stub_model/stub_model.py", "--host", "0.0.0.0", "--port", "8000"]
