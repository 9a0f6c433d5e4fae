#!/usr/bin/env bash
# Tries the resources ladder on a machine that has it: boots User Mode Linux (a kernel as an ordinary process, no KVM
# needed) on the image of make_image.sh, and lets inside.sh test the built program there as ordinary users and as root.
# Ends with 0 when every boot reports success.
#
#     run.sh BUILD_DIRECTORY FORM…
#
# Forms: script (a script as init), systemd, engines (a script as init, and the OCI runtime below engines and
# schedulers), picture-NAME (prints that one of man/pictures, as drawn there).
# The guest sees the source and build directories through hostfs, read-only. What it writes goes into a copy-on-write
# file of this run; the image stays as it is.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source=$(cd "$here/../.." && pwd)
build=$(cd "${1:?usage: run.sh BUILD_DIRECTORY FORM…}" && pwd)
readonly here source build
shift

# Where the guest's memory lives as an (unlinked) file: not on a disk, where there is room elsewhere.
memory_place() {
  local free
  free=$(df --output=avail -k /dev/shm 2>/dev/null | tail -n 1) || free=0
  if ((free > 1200 * 1024)); then echo /dev/shm; else echo "$work"; fi
}

# boot FORM: what the guest prints goes to our output; succeeds when the guest says so.
boot() {
  local form=$1 console=$work/$1.console
  echo "==> Booting with $form"
  TMPDIR=$(memory_place) LD_PRELOAD=$build/tests/vm/libvm_whole_registers.so timeout --kill-after=5 600 linux.uml mem=1G umid="$(basename "$work")-$form" uml_dir="$work/uml" \
    ubd0="$work/$form.cow,$image" root=/dev/ubda rootfstype=ext4 rw init=/sbin/bed-init con0=null,fd:1 con=null quiet \
    security=apparmor bed_form="$form" bed_source="$source" bed_build="$build" </dev/null 2>&1 | tee "$console" || true
  rm -f "$work/$form.cow"
  grep -q '^BED RESULT 0' "$console"
}

command -v linux.uml >/dev/null || { echo "run.sh: linux.uml is missing: apt install user-mode-linux" >&2; exit 1; }
image=$("$here/make_image.sh")
work=$(mktemp -d "${TMPDIR:-/tmp}/sandbox-vm.XXXXXX")
trap 'rm -rf "$work"' EXIT

status=0
for form in "$@"; do boot "$form" || status=1; done
exit "$status"
