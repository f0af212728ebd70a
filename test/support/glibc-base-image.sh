#!/bin/sh
# Makes a base image for the executable out of this machine's own glibc, where no public one can be pulled.
# Usage: glibc-base-image.sh NAME
#
# Bun's executables need the C library and nothing else, so the image holds that, the resolver's parts, certificates,
# a user without rights and a place to write: what distroless/base-debian12:nonroot holds, as far as we use it.
set -eu

name=${1:?usage: glibc-base-image.sh NAME}
case $(uname -m) in
  x86_64) triplet=x86_64-linux-gnu loader=/lib64/ld-linux-x86-64.so.2 ;;
  aarch64) triplet=aarch64-linux-gnu loader=/lib/ld-linux-aarch64.so.1 ;;
  *) echo "glibc-base-image.sh knows no libraries for $(uname -m)" >&2 && exit 1 ;;
esac

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree$(dirname "$loader")" "$tree/lib/$triplet" "$tree/etc/ssl/certs" "$tree/tmp" "$tree/home/nonroot"
cp -L "$loader" "$tree$loader"
for library in libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1 libresolv.so.2 libnss_files.so.2 libnss_dns.so.2; do
  cp -L "/lib/$triplet/$library" "$tree/lib/$triplet/"
done
[ ! -e /etc/ssl/certs/ca-certificates.crt ] || cp -L /etc/ssl/certs/ca-certificates.crt "$tree/etc/ssl/certs/"
printf 'root:x:0:0::/:/x\nnonroot:x:65532:65532::/home/nonroot:/x\n' >"$tree/etc/passwd"
printf 'hosts: files dns\n' >"$tree/etc/nsswitch.conf"
chmod 1777 "$tree/tmp"
chown 65532:65532 "$tree/home/nonroot"
tar -C "$tree" -c . | docker import - "$name" >/dev/null
