#!/bin/sh
# Runs as root in the test machine of power.sh: mounts the disk that the store is on, and lets power_test.py work there.
# The words of the kernel's command line say how far it has come (bed_done) and whether to go on (bed_write).
set -u
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount -t sysfs sys /sys
mount -t tmpfs -o mode=755 run /run
mountpoint -q /dev || mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm /mnt/store
mount -t devpts -o ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t tmpfs -o mode=1777 tmp /tmp
ip link set lo up
for module in fuse overlay; do modprobe "$module"; done
chmod 666 /dev/fuse
status=1
if mount -t ext4 /dev/ubdb /mnt/store; then
  runtime=/run/user/$(id -u range)
  install -d -m 700 -o range -g range "$runtime" /mnt/store/range
  runuser -u range -- env -i HOME=/home/range USER=range LOGNAME=range PATH="$PATH" LANG=C.UTF-8 XDG_RUNTIME_DIR="$runtime" \
    PYTHONDONTWRITEBYTECODE=1 python3 /bed/source/tests/vm/power_test.py /bed/build/bin/sandbox /mnt/store/range \
    "$bed_done" "$bed_write" && status=0
fi
echo "BED RESULT $status"
halt -f -f 2>/dev/null || halt -f
