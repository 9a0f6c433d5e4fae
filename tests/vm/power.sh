#!/usr/bin/env bash
# What a command has reported as done survives a power cut: boots User Mode Linux on the image of make_image.sh with a
# disk of its own for the store, lets power_test.py write to it, and kills the machine at a random moment, with all that
# its kernel had not yet written. The next boot checks the store and goes on. Ends with 0 when every check was passed.
#
#     power.sh BUILD_DIRECTORY [CUTS]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source=$(cd "$here/../.." && pwd)
build=$(cd "${1:?usage: power.sh BUILD_DIRECTORY [CUTS]}" && pwd)
cuts=${2:-2}
readonly here source build cuts
PATH=$PATH:/usr/sbin:/sbin

command -v linux.uml >/dev/null || { echo "power.sh: linux.uml is missing: apt install user-mode-linux" >&2; exit 1; }
image=$("$here/make_image.sh")
work=$(mktemp -d "${TMPDIR:-/tmp}/sandbox-power.XXXXXX")
machine=
trap 'stop; rm -rf "$work"' EXIT

truncate -s 600M "$work/disk"
mkfs.ext4 -q -F "$work/disk"

# start DONE WRITE: DONE is the number of the last step that was reported as done.
start() {
  : >"$work/console"
  LD_PRELOAD=$build/tests/vm/libvm_whole_registers.so timeout 300 linux.uml mem=512M umid="$(basename "$work")" \
    uml_dir="$work/uml" ubd0="$work/root.cow,$image" \
    ubd1="$work/disk" root=/dev/ubda rootfstype=ext4 rw init=/sbin/bed-init con0=null,fd:1 con=null quiet selinux=0 \
    bed_form=power bed_source="$source" bed_build="$build" bed_done="$1" bed_write="$2" \
    </dev/null >"$work/console" 2>&1 &
  machine=$!
  disown  # or the shell would report its end
}

# The machine is a session of its own, whose leader has left its number in uml_dir.
stop() {
  local leader
  leader=$(cat "$work/uml/"*/pid 2>/dev/null) && pkill -9 -s "$leader" || true
  while [[ -n $machine ]] && kill -0 "$machine" 2>/dev/null; do sleep 0.05; done
  machine=
  rm -rf "$work/root.cow" "$work/uml"
}

# says WORD: waits until the machine prints a line that begins with it.
says() {
  local deadline=$((SECONDS + 240)) alive=1
  while ((alive && SECONDS < deadline)); do
    kill -0 "$machine" 2>/dev/null || alive=0  # asked before the last look
    if grep -q "^$1" "$work/console"; then return; fi
    sleep 0.05
  done
  tr -d '\r' <"$work/console"
  echo "power.sh: the machine never said '$1'"
  return 1
}

last_done() { tr -d '\r' <"$work/console" | sed -n 's/^DONE //p' | tail -n 1; }

finished=0
for ((cut = 1; cut <= cuts; cut++)); do
  start "$finished" 1
  says CHECKED
  says DONE
  delay=$((RANDOM % 4000 + 100))
  sleep "$((delay / 1000)).$(printf %03d $((delay % 1000)))"
  stop
  finished=$(last_done)
  echo "==> cut $cut: $delay ms after its first step, step $finished was done"
done
start "$finished" 0
says CHECKED
says 'BED RESULT 0'
stop
echo "==> $finished steps, $cuts cuts: nothing that was done is lost"
