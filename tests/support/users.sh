# Sourced by ./check and ./bench when root starts them: the ordinary users that tests run as, and the device nodes.

# as_user USER COMMAND…: with a clean environment, in the current directory.
as_user() {
  local user=$1 home
  shift
  home=$(getent passwd "$user" | cut -d: -f6)
  runuser -u "$user" -- env -i HOME="$home" USER="$user" LOGNAME="$user" SHELL=/bin/sh LANG=C.UTF-8 TERM=dumb \
    PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin XDG_RUNTIME_DIR="/run/user/$(id -u "$user")" \
    SANDBOX_REQUIRE="${SANDBOX_REQUIRE:-}" SANDBOX_VM_CACHE="${SANDBOX_VM_CACHE:-}" CCACHE_BASEDIR="$PWD" CCACHE_NOHASHDIR=1 "$@"
}

# Gives the user a range of 65536 subordinate ids above all that exist, unless there is one.
ensure_id_range() {
  local user=$1 first
  touch /etc/subuid /etc/subgid
  if grep -q "^$user:" /etc/subuid && grep -q "^$user:" /etc/subgid; then return; fi
  first=$(awk -F: 'BEGIN { end = 100000 } $2 + $3 > end { end = $2 + $3 } END { print end }' /etc/subuid /etc/subgid)
  sed -i "/^$user:/d" /etc/subuid /etc/subgid
  echo "$user:$first:65536" | tee -a /etc/subuid >>/etc/subgid
}

make_users() {
  local user uid
  for user in sbx-range sbx-one; do
    getent passwd "$user" >/dev/null || useradd -m "$user"
    uid=$(id -u "$user")
    install -d -m 0755 /run/user
    install -d -m 0700 -o "$user" -g "$user" "/run/user/$uid"
  done
  ensure_id_range sbx-range
  touch /etc/subuid /etc/subgid
  sed -i '/^sbx-one:/d' /etc/subuid /etc/subgid
}

# Device nodes as a desktop's udev rules leave them; a container may lack them, and may not let us make them.
open_devices() {
  if [[ ! -e /dev/net/tun ]]; then
    mkdir -p /dev/net
    mknod /dev/net/tun c 10 200 || echo "cannot make /dev/net/tun; tests of the network will say so"
  fi
  local device
  for device in /dev/fuse /dev/net/tun; do
    if [[ -e $device ]]; then chmod 666 "$device" || true; fi
  done
}
