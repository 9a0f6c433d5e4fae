#!/usr/bin/env bash
# Makes the disk of the virtual machine that run.sh boots, unless it is there already, and prints its path:
# a small Debian (of this machine's release and mirror) with systemd, as an ext4 image in
# ${SANDBOX_VM_CACHE:-${XDG_CACHE_HOME:-~/.cache}/sandbox-vm}. Works as root, and as an ordinary user with a range of
# subordinate ids. The image's name holds a digest of all that decides about its content.
set -euo pipefail

readonly here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly cache=${SANDBOX_VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sandbox-vm}
readonly modules=/usr/lib/uml/modules
readonly packages=(
  systemd systemd-sysv dbus dbus-user-session libpam-systemd  # a user manager to ask for a scope
  uidmap kmod iproute2 procps python3 busybox-static          # what the program and its tests use
  libarchive13 libcurl4 libfmt9 libfuse3-3 libseccomp2 libslirp0 libssl3 libstdc++6 libyaml-0-2
  podman containerd slurm-wlm munge apparmor                  # what calls the OCI runtime, and what it applies
)

# The machine's own sources, but for those of other vendors.
sources() {
  local vendor
  vendor=$(. /etc/os-release && echo "${ID^}")
  apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' "Origin: $vendor" | sort -u
}

# Root of a user namespace in which the owners of the tree exist.
as_tree_root() {
  if ((EUID == 0)); then "$@"; else unshare --map-root-user --map-auto -- "$@"; fi
}

# Commands of a mmdebstrap hook, which has the tree's root in $1. Of the users only the first gets subordinate ids.
configure_tree() {
  cat <<COMMANDS
set -e
for version in $1/*; do depmod -b "\$1" "\${version##*/}"; done
chroot "\$1" systemctl enable bed.service
chroot "\$1" systemctl mask console-getty.service getty@.service apt-daily.timer apt-daily-upgrade.timer
chroot "\$1" useradd -m -s /bin/bash range
chroot "\$1" useradd -m -s /bin/bash one
sed -i /^one:/d "\$1/etc/subuid" "\$1/etc/subgid"
rm -f "\$1/etc/resolv.conf"
COMMANDS
}

make_image() {
  local work=$1 list
  list=$(sources)
  if [[ -z $list ]] && ((EUID == 0)); then  # no Release file was ever fetched, so that no vendor is known
    apt-get update -q >&2
    list=$(sources)
  fi
  if [[ -z $list ]]; then
    echo "make_image.sh: apt knows no packages of this distribution; run 'apt-get update' as root" >&2
    return 1
  fi
  cp -r "$here/guest" "$work/guest"
  mmdebstrap --quiet --variant=minbase --keyring=/usr/share/keyrings --include="$(IFS=,; echo "${packages[*]}")" \
    --customize-hook="copy-in $modules /usr/lib" \
    --customize-hook="copy-in $work/guest/bed-init /usr/sbin" \
    --customize-hook="copy-in $work/guest/bed.service /etc/systemd/system" \
    --customize-hook="$(configure_tree "$modules")" \
    "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$work/tree.tar" - <<<"$list" >&2
  as_tree_root sh -euc 'mkdir "$1/tree" && tar -x -C "$1/tree" -f "$1/tree.tar" && rm "$1/tree.tar" &&
    mke2fs -q -t ext4 -m 0 -O ^has_journal -d "$1/tree" "$1/image" 3G >&2 && rm -rf "$1/tree"' sh "$work"
}

main() {
  local image work
  image=$cache/$(cat "${BASH_SOURCE[0]}" "$here"/guest/* <(ls "$modules") | sha256sum | cut -c1-16).ext4
  if [[ ! -e $image ]]; then
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/work.XXXXXX")
    trap "as_tree_root rm -rf '$work'" EXIT
    make_image "$work"
    chmod 644 "$work/image"
    mv "$work/image" "$image"
  fi
  echo "$image"
}

main
