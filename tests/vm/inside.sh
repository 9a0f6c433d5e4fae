#!/bin/sh
# Runs as root in the test machine (see run.sh): makes the machine usable, lets ordinary users test in it, prints
# "BED RESULT <status>" and switches it off. /bed/form says what for: see the forms in run.sh. All but "systemd" have been
# booted without any manager.
set -u
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
given=$(cat /bed/form)
case $given in
  power) exec sh /bed/source/tests/vm/power_inside.sh ;;
  systemd) form=systemd ;;
  *) form=script ;;
esac
status=0

prepare_script_form() {
  mount -t sysfs sys /sys
  mount -t securityfs security /sys/kernel/security
  mount -t tmpfs -o mode=755 run /run
  mountpoint -q /dev || mount -t devtmpfs dev /dev
  mkdir -p /dev/pts /dev/shm /dev/mqueue
  mount -t devpts -o ptmxmode=666 devpts /dev/pts
  mount -t tmpfs -o mode=1777 shm /dev/shm
  mount -t mqueue mqueue /dev/mqueue
  mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
  echo '+cpu +memory +pids +io' >/sys/fs/cgroup/cgroup.subtree_control
}

# What a manager gives away with a subtree (cgroups(7), "Cgroups delegation").
delegate() {
  mkdir "/sys/fs/cgroup/$1"
  (cd "/sys/fs/cgroup/$1" && chown "$1:" . cgroup.procs cgroup.subtree_control cgroup.threads)
}

# as_user USER COMMAND…: in the user's cgroup; the environment says what the tests find.
as_user() {
  user=$1
  shift
  (
    if [ "$form" = script ]; then
      # Tests before have given controllers to children: then it takes no process (cgroups(7), no internal processes).
      echo '-cpu -memory -pids -io' >"/sys/fs/cgroup/$user/cgroup.subtree_control"
      sh -c 'echo $PPID' >"/sys/fs/cgroup/$user/cgroup.procs"
      rung=delegated
    else
      rung=scope
    fi
    exec runuser -u "$user" -- env -i HOME="/home/$user" USER="$user" LOGNAME="$user" PATH="$PATH" LANG=C.UTF-8 \
      XDG_RUNTIME_DIR="/run/user/$(id -u "$user")" BED_RUNG="$rung" PYTHONDONTWRITEBYTECODE=1 "$@"
  ) </dev/null || { echo "BED: '$*' as $user failed"; status=1; }
}

# Root itself, in its own cgroup.
as_root() {
  rung=delegated
  if [ "$form" = systemd ]; then rung=scope; fi
  env -i HOME=/root PATH="$PATH" LANG=C.UTF-8 BED_RUNG="$rung" PYTHONDONTWRITEBYTECODE=1 "$@" </dev/null ||
    { echo "BED: '$*' as root failed"; status=1; }
}

wait_for_bus() {
  for _ in $(seq 120); do
    if [ -S "/run/user/$(id -u "$1")/bus" ]; then return; fi
    sleep 0.5
  done
  echo "BED: no user session of $1"
  status=1
}

if [ "$form" = script ]; then prepare_script_form; fi
ip link set lo up
ip address add 192.0.2.1/32 dev lo  # getaddrinfo(3) with AI_ADDRCONFIG wants more than 127.0.0.1
echo localhost >/proc/sys/kernel/hostname
echo 127.0.0.1 localhost >/etc/hosts
for module in fuse overlay tun; do modprobe "$module"; done
chmod 666 /dev/fuse /dev/net/tun
for user in range one; do
  if [ "$form" = script ]; then
    delegate "$user"
    install -d -m 700 -o "$user" -g "$user" "/run/user/$(id -u "$user")"
  else
    loginctl enable-linger "$user"
    wait_for_bus "$user"
  fi
done

program=/bed/build/bin/sandbox
tests=/bed/source/tests
case $given in
  picture-*) as_user range python3 /bed/source/man/pictures/make.py --print "$program" "${given#picture-}" ;;
  engines)
    for user in range one; do
      as_user "$user" python3 "$tests/cli/podman_test.py" "$program"
      as_user "$user" python3 "$tests/cli/containerd_test.py" "$program" Containerd.test_limits Containerd.test_pause
    done
    as_root python3 "$tests/cli/containerd_test.py" "$program" Containerd.test_limits Containerd.test_pause
    ;;
  *)
    for user in range one; do
      for what in limits systemd oci_limits; do as_user "$user" python3 "$tests/vm/${what}_test.py" "$program"; done
    done
    as_root python3 "$tests/vm/oci_rootful_test.py" "$program"
    if [ "$form" = systemd ]; then as_root python3 "$tests/cli/slurm_test.py" "$program"; fi
    ;;
esac
if [ "$given" = script ]; then
  as_user range /bed/build/tests/unit/cgroup/test_cgroup_delegated
  as_user one /bed/build/tests/unit/userns/test_userns
  as_user one python3 "$tests/cli/road_test.py" "$program"
fi
echo "BED RESULT $status"
sync
halt -f -f 2>/dev/null || halt -f
