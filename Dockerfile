# HUMAIN on the CPU. It installs what tools/bazelw needs, and calls it; see docs/running.md.
#
#     docker build -t humain .
#     docker run --rm -v humain-cache:/home/humain/.cache humain run //tasks:simple -- --config=:smoke
#
# Bazel fetches wheels and builds when it runs. It needs a sandbox for its actions: --security-opt seccomp=unconfined
# lets it make one where the engine does not by itself.
FROM debian:12-slim

# What tools/bazelw would install, so that it can run as a user who is not root. Debian keeps no old versions to pin.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        bazel-bootstrap ca-certificates g++ git libc6-dev python3.11 python3-pip-whl \
    && rm -rf /var/lib/apt/lists/*
# The folder of the cache is there, so that a volume laid over it belongs to the user too; that of the workspace, since
# COPY may leave it to root.
RUN useradd --uid 1000 --create-home humain \
    && install --directory --owner=humain --group=humain /home/humain/.cache /home/humain/workspace
COPY --chown=humain . /home/humain/workspace
USER 1000
WORKDIR /home/humain/workspace
ENTRYPOINT ["tools/bazelw"]
CMD ["run", "//tasks:simple"]
