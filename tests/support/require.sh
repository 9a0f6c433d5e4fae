#!/usr/bin/env bash
# Verifies the facilities that the caller declares as present, so that a test which skips itself
# for want of one cannot pass unnoticed:   require.sh userns,tun,overlay,fuse,range
# Runs as the ordinary user who runs the tests.
set -euo pipefail

has_userns() { unshare --user --map-root-user true; }

has_tun() { unshare --user --map-root-user --net ip tuntap add name probe0 mode tap; }

has_fuse() { [[ -r /dev/fuse && -w /dev/fuse ]] && true <>/dev/fuse; }

# A range of subordinate ids that newuidmap and newgidmap grant.
has_range() { unshare --user --map-auto --map-root-user true; }

# The probe directory is in the home, because that is where the store is.
has_overlay() {
  local probe status=0
  probe=$(mktemp -d "$HOME/.overlay-probe.XXXXXX")
  mkdir "$probe"/{lower,upper,work,merged}
  unshare --user --map-root-user --mount mount -t overlay overlay \
    -o "userxattr,lowerdir=$probe/lower,upperdir=$probe/upper,workdir=$probe/work" "$probe/merged" || status=$?
  chmod -R u+rwX "$probe"
  rm -rf "$probe"
  return "$status"
}

failed=0
IFS=, read -r -a facilities <<<"${1:-}"
for facility in "${facilities[@]}"; do
  case "$facility" in
    userns | tun | fuse | overlay | range) ;;
    *)
      echo "require.sh: '$facility' is not one of userns, tun, fuse, overlay, range" >&2
      exit 2
      ;;
  esac
  if "has_$facility"; then
    echo "required facility '$facility': present"
  else
    echo "required facility '$facility': MISSING for user $(id -un)" >&2
    failed=1
  fi
done
exit "$failed"
