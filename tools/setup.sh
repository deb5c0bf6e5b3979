#!/bin/sh
# Installs what Tidemark's build and tests need and this machine lacks: Debian packages, then the
# UI's npm modules. Looks for each command, header or module first, so a second run does nothing.
# Uses sudo only when not root. Prints what it does.
set -eu
cd "$(dirname "$0")/.."

# package: the file or command that shows it is there
NEEDED='
meson:meson
ninja-build:ninja
pkg-config:pkg-config
gcc:gcc
g++:g++
python3:python3
curl:curl
zstd:zstd
brotli:brotli
nodejs:node
npm:npm
clang:clang
clang-tidy:clang-tidy
clang-format:clang-format
chromium:chromium
libclang-rt-14-dev:/usr/lib/llvm-14/lib/clang/14.0.6/lib/linux/libclang_rt.fuzzer-x86_64.a
libmicrohttpd-dev:/usr/include/microhttpd.h
libcurl4-openssl-dev:/usr/include/*/curl/curl.h
libfyaml-dev:/usr/include/libfyaml.h
libjansson-dev:/usr/include/jansson.h
libre2-dev:/usr/include/re2/re2.h
libsnappy-dev:/usr/include/snappy-c.h
libzstd-dev:/usr/include/zstd.h
libdeflate-dev:/usr/include/libdeflate.h
zlib1g-dev:/usr/include/zlib.h
libxxhash-dev:/usr/include/xxhash.h
libroaring-dev:/usr/include/roaring/roaring.h
libjemalloc-dev:/usr/include/jemalloc/jemalloc.h
libcmocka-dev:/usr/include/cmocka.h
libgnutls28-dev:/usr/include/gnutls/gnutls.h
'

present() {
    case $1 in
    /*) for f in $1; do [ -e "$f" ] && return 0; done; return 1 ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

missing=
for line in $NEEDED; do
    present "${line#*:}" || missing="$missing ${line%%:*}"
done

if [ -n "$missing" ]; then
    root=
    [ "$(id -u)" = 0 ] || root=sudo
    echo "setup: installing Debian packages:$missing"
    $root apt-get update -qq
    # shellcheck disable=SC2086 # A list of words is meant.
    DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends $missing
fi

stamp=ui/node_modules/.tidemark-lock
if ! cmp -s ui/package-lock.json "$stamp"; then
    echo "setup: installing the UI's npm modules"
    (cd ui && npm ci --no-audit --no-fund --loglevel=error)
    cp ui/package-lock.json "$stamp"
fi
