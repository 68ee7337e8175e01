#!/bin/sh
# build.sh [build|load|sizes]: build the images, load them into a cluster, or print their sizes. Called by `make images…`,
# which set the variables; docs/operate.md describes them.
set -eu
cd "$(dirname "$0")/../.."
: "${IMAGES:=service notary connector trial-rabbitmq trial-store trial-outside}"
: "${VERSION:=$(sed -n 's/^version = "\(.*\)"$/\1/p' pyproject.toml)}"
: "${TAG:=$VERSION}"
: "${OUT:=deploy/image/out}"
if [ -z "${BUILDER:-}" ]; then
    for each in docker podman buildah; do
        # A client without a running daemon cannot build.
        if command -v "$each" >/dev/null && "$each" info >/dev/null 2>&1; then
            BUILDER=$each
            break
        fi
    done
fi
[ -n "${BUILDER:-}" ] || { echo "images: neither docker, podman nor buildah works; install one, or set BUILDER" >&2; exit 1; }
case ${BUILDER##*/} in
docker*) own="" ;; # finds Containerfile.dockerignore on its own
podman*) own="--ignorefile deploy/image/Containerfile.dockerignore" ;;
*) own="--ignorefile deploy/image/Containerfile.dockerignore --layers" ;;
esac

build() { # build TARGET [OPTION…]
    target=$1
    shift
    # BUILDER and BUILD_ARGS are lists of words.
    # shellcheck disable=SC2086
    $BUILDER build $own -f deploy/image/Containerfile --target "$target" \
        ${BASE_IMAGE:+--build-arg "BASE_IMAGE=$BASE_IMAGE"} \
        ${BROKER_BASE_IMAGE:+--build-arg "BROKER_BASE_IMAGE=$BROKER_BASE_IMAGE"} \
        --build-arg "VERSION=$VERSION" ${BUILD_ARGS:-} "$@" .
}

save() { # save IMAGE FILE
    rm -f "$2"
    case ${BUILDER##*/} in
    docker*) $BUILDER save -o "$2" "$1" ;;
    # podman's `save` would name the image localhost/…, which the charts do not use.
    *) $BUILDER push --quiet "$1" "docker-archive:$2:$1" ;;
    esac
}

mkdir -p "$OUT"
case ${1:-build} in
build)
    revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
    for image in $IMAGES; do
        build "$image" -t "diwan/$image:$TAG" --build-arg "REVISION=$revision" --build-arg "SOURCE=${SOURCE:-}"
    done
    build bills --output "type=local,dest=$OUT"
    for image in $IMAGES; do echo "diwan/$image:$TAG"; done
    ;;
load)
    [ -n "${LOAD:-}" ] || { echo "images-load: set LOAD to a command that takes image archives, for example LOAD='kind load image-archive'" >&2; exit 2; }
    files=""
    for image in $IMAGES; do
        save "diwan/$image:$TAG" "$OUT/$image.tar"
        files="$files $OUT/$image.tar"
    done
    # shellcheck disable=SC2086
    $LOAD $files
    # shellcheck disable=SC2086
    [ -n "${KEEP_ARCHIVES:-}" ] || rm -f $files
    ;;
sizes) # in a registry, and on a node
    for image in $IMAGES; do
        save "diwan/$image:$TAG" "$OUT/$image.tar"
        printf '%-26s %4d MB compressed, %4d MB on disk\n' "diwan/$image:$TAG" \
            "$(($(gzip -c "$OUT/$image.tar" | wc -c) / 1000000))" "$(($(wc -c <"$OUT/$image.tar") / 1000000))"
        rm -f "$OUT/$image.tar"
    done
    ;;
*) echo "usage: build.sh [build|load|sizes]" >&2; exit 2 ;;
esac
