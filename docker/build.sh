#!/usr/bin/env bash
# docker/build.sh NAME:TAG [--build-arg BASE=...]: build the image with docker, podman or buildah, whichever works here.
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1:?wanted the name of the image, such as registry.example/sparkcv:1}
shift

# The commit's time for every file, so that the same sources make the same image.
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
same=(-f docker/Dockerfile -t "$name" "$@" .)
# macOS has no timeout: there a daemon that hangs is waited for.
answers=(docker version)
if command -v timeout >/dev/null; then answers=(timeout 20 docker version); fi
if command -v docker >/dev/null && "${answers[@]}" >/dev/null 2>&1; then
  DOCKER_BUILDKIT=1 exec docker build --build-arg "SOURCE_DATE_EPOCH=$epoch" "${same[@]}"
fi
for tool in podman buildah; do
  if command -v "$tool" >/dev/null; then
    exec "$tool" build --format docker --ignorefile docker/Dockerfile.dockerignore --timestamp "$epoch" "${same[@]}"
  fi
done
echo "docker/build.sh: nothing here builds images; wanted docker with its daemon, podman or buildah on the PATH" >&2
exit 2
