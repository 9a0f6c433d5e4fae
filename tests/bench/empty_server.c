/* empty_server FD: what a FUSE request costs when answering it costs nothing. Serves an opened and mounted /dev/fuse:
   one directory, of which the kernel remembers nothing. One thread, which never sleeps; it ends with the mount. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static union {
  struct fuse_in_header header;
  char bytes[1 << 17];
} request;

static void answer(int device, const void *data, size_t size, int error) {
  struct fuse_out_header header = {sizeof header + (unsigned)size, -error, request.header.unique};
  struct iovec parts[] = {{&header, sizeof header}, {(void *)data, size}};
  if (writev(device, parts, 2) < 0 && errno != ENOENT) _exit(1);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  const int device = atoi(argv[1]);
  const struct fuse_init_out init = {FUSE_KERNEL_VERSION, FUSE_KERNEL_MINOR_VERSION, .max_write = 1 << 16};
  struct fuse_attr_out attributes = {.attr = {.ino = FUSE_ROOT_ID, .mode = S_IFDIR | 0755, .nlink = 2}};
  fcntl(device, F_SETFL, O_RDWR | O_NONBLOCK);
  for (;;) {
    const ssize_t size = read(device, &request, sizeof request);
    if (size < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOENT)) continue;
    if (size < 0) return errno == ENODEV ? 0 : 1; /* unmounted */
    switch (request.header.opcode) {
      case FUSE_INIT:
        answer(device, &init, sizeof init, 0);
        break;
      case FUSE_GETATTR:
        answer(device, &attributes, sizeof attributes, 0);
        break;
      case FUSE_FORGET:
      case FUSE_BATCH_FORGET:
        break;
      default:
        answer(device, NULL, 0, ENOSYS);
    }
  }
}
