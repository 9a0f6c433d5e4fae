/* least_server FD [DIRECTORY]: what a FUSE server costs that has nothing to do. Serves an opened and mounted /dev/fuse
   with a copy of DIRECTORY in memory, and takes changes as a file system would that never looks at a disk; what is
   written is not kept. One thread, which never sleeps; it ends with the mount. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <search.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MOST = 1 << 20, FOREVER = 86400 };

struct node {
  struct fuse_attr attr;
  struct node *parent;
  char *name, *content; /* of a file; of a symbolic link its target */
  struct node **children;
  size_t count, room;
};

static union {
  struct fuse_in_header header;
  char bytes[MOST + 4096];
} request;
static char page[MOST];
static int device;
static void *names;         /* tsearch(3): nodes by parent and name */
static struct node *root;
static unsigned long number = FUSE_ROOT_ID;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void answer(const void *data, size_t size, int error) {
  struct fuse_out_header header = {sizeof header + (unsigned)size, -error, request.header.unique};
  struct iovec parts[] = {{&header, sizeof header}, {(void *)data, size}};
  if (writev(device, parts, 2) < 0 && errno != ENOENT) _exit(1);
}

static int by_place(const void *a, const void *b) {
  const struct node *left = a, *right = b;
  if (left->parent != right->parent) return left->parent < right->parent ? -1 : 1;
  return strcmp(left->name, right->name);
}

static struct node *child(struct node *parent, const char *name) {
  const struct node wanted = {.parent = parent, .name = (char *)name};
  void *found = tfind(&wanted, &names, by_place);
  return found == NULL ? NULL : *(struct node **)found;
}

static struct node *add(struct node *parent, const char *name, const struct fuse_attr *attr) {
  struct node *made = calloc(1, sizeof *made);
  made->attr = *attr;
  made->attr.ino = number++;
  made->parent = parent;
  made->name = strdup(name);
  if (parent == NULL) return made;
  if (parent->count == parent->room) {
    parent->room = parent->room == 0 ? 16 : parent->room * 2;
    parent->children = realloc(parent->children, parent->room * sizeof *parent->children);
  }
  parent->children[parent->count++] = made;
  tsearch(made, &names, by_place);
  return made;
}

static void take_away(struct node *gone) {
  struct node *parent = gone->parent;
  tdelete(gone, &names, by_place);
  for (size_t i = 0; i < parent->count; ++i) {
    if (parent->children[i] == gone) parent->children[i] = parent->children[--parent->count];
  }
}

static void load(struct node *directory, int fd) {
  DIR *stream = fdopendir(fd);
  if (stream == NULL) fail("fdopendir");
  for (struct dirent *entry; (entry = readdir(stream)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    struct stat status;
    if (fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0) fail("fstatat");
    const struct fuse_attr attr = {.size = (uint64_t)status.st_size, .blocks = (uint64_t)status.st_blocks,
                                   .atime = (uint64_t)status.st_atime, .mtime = (uint64_t)status.st_mtime,
                                   .ctime = (uint64_t)status.st_ctime, .mode = status.st_mode, .blksize = 4096,
                                   .nlink = (uint32_t)status.st_nlink};
    struct node *made = add(directory, entry->d_name, &attr);
    if (S_ISDIR(status.st_mode)) load(made, openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY));
    if (S_ISLNK(status.st_mode)) {
      made->content = calloc(1, (size_t)status.st_size + 1);
      if (readlinkat(fd, entry->d_name, made->content, (size_t)status.st_size) < 0) fail("readlinkat");
    }
    if (!S_ISREG(status.st_mode)) continue;
    made->content = malloc((size_t)status.st_size + 1);
    const int file = openat(fd, entry->d_name, O_RDONLY);
    for (size_t got = 0; got < (size_t)status.st_size;) {
      const ssize_t more = read(file, made->content + got, (size_t)status.st_size - got);
      if (more <= 0) fail("read");
      got += (size_t)more;
    }
    close(file);
  }
  closedir(stream);
}

static struct node *node_of(uint64_t id) { return id == FUSE_ROOT_ID ? root : (struct node *)id; }

static struct fuse_entry_out entry_of(struct node *of) {
  struct fuse_entry_out entry = {.entry_valid = FOREVER, .attr_valid = FOREVER};
  if (of == NULL) return entry; /* the absence may be kept */
  entry.nodeid = (uint64_t)of;
  entry.attr = of->attr;
  return entry;
}

static void answer_entry(struct node *of) {
  const struct fuse_entry_out entry = entry_of(of);
  answer(&entry, sizeof entry, 0);
}

static void answer_attributes(struct node *of) {
  const struct fuse_attr_out out = {.attr_valid = FOREVER, .attr = of->attr};
  answer(&out, sizeof out, 0);
}

static void make(struct node *parent, const char *name, mode_t mode, const char *target) {
  const struct fuse_attr attr = {.mode = mode, .nlink = S_ISDIR(mode) ? 2 : 1, .blksize = 4096,
                                 .size = target == NULL ? 0 : strlen(target)};
  struct node *made = add(parent, name, &attr);
  if (target != NULL) made->content = strdup(target);
  answer_entry(made);
}

static void read_directory(struct node *of, const struct fuse_read_in *in, int plus) {
  size_t used = 0;
  for (uint64_t i = in->offset; i < of->count; ++i) {
    struct node *item = of->children[i];
    const size_t length = strlen(item->name), before = plus ? offsetof(struct fuse_direntplus, dirent) : 0;
    const size_t size = FUSE_DIRENT_ALIGN(before + FUSE_NAME_OFFSET + length);
    if (used + size > in->size) break;
    memset(page + used, 0, size);
    if (plus) *(struct fuse_entry_out *)(page + used) = entry_of(item);
    struct fuse_dirent *entry = (struct fuse_dirent *)(page + used + before);
    *entry = (struct fuse_dirent){item->attr.ino, i + 1, (uint32_t)length, item->attr.mode >> 12};
    memcpy(entry->name, item->name, length);
    used += size;
  }
  answer(page, used, 0);
}

static void change(struct node *of, const struct fuse_setattr_in *in) {
  if (in->valid & FATTR_MODE) of->attr.mode = (of->attr.mode & S_IFMT) | (in->mode & 07777);
  if (in->valid & FATTR_SIZE) of->attr.size = in->size;
  if (in->valid & FATTR_ATIME) of->attr.atime = in->atime;
  if (in->valid & FATTR_MTIME) of->attr.mtime = in->mtime;
  answer_attributes(of);
}

static void read_file(struct node *of, const struct fuse_read_in *in) {
  const uint64_t end = of->attr.size < in->offset + in->size ? of->attr.size : in->offset + in->size;
  answer(of->content + in->offset, in->offset < end ? end - in->offset : 0, 0);
}

static void write_file(struct node *of, const struct fuse_write_in *in) {
  const struct fuse_write_out out = {.size = in->size};
  if (of->attr.size < in->offset + in->size) of->attr.size = in->offset + in->size;
  answer(&out, sizeof out, 0);
}

static void serve(void) {
  static const struct fuse_init_out init = {
      FUSE_KERNEL_VERSION, FUSE_KERNEL_MINOR_VERSION, .max_readahead = MOST, .max_background = 64, .max_write = MOST,
      .time_gran = 1, .max_pages = MOST / 4096,
      .flags = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_PARALLEL_DIROPS |
               FUSE_NO_OPEN_SUPPORT | FUSE_NO_OPENDIR_SUPPORT | FUSE_CACHE_SYMLINKS | FUSE_MAX_PAGES |
               FUSE_HANDLE_KILLPRIV_V2};
  static const struct fuse_statfs_out status = {.st = {.bsize = 4096, .namelen = 255, .frsize = 4096}};
  struct node *of = node_of(request.header.nodeid);
  const void *argument = &request.header + 1;
  const char *name = argument;
  switch (request.header.opcode) {
    case FUSE_INIT: return answer(&init, sizeof init, 0);
    case FUSE_STATFS: return answer(&status, sizeof status, 0);
    case FUSE_LOOKUP: return answer_entry(child(of, name));
    case FUSE_GETATTR: return answer_attributes(of);
    case FUSE_SETATTR: return change(of, argument);
    case FUSE_READLINK: return answer(of->content, of->attr.size, 0);
    case FUSE_READ: return read_file(of, argument);
    case FUSE_WRITE: return write_file(of, argument);
    case FUSE_READDIR: return read_directory(of, argument, 0);
    case FUSE_READDIRPLUS: return read_directory(of, argument, 1);
    case FUSE_MKNOD: return make(of, name + sizeof(struct fuse_mknod_in), ((const struct fuse_mknod_in *)argument)->mode, NULL);
    case FUSE_MKDIR:
      return make(of, name + sizeof(struct fuse_mkdir_in), S_IFDIR | ((const struct fuse_mkdir_in *)argument)->mode, NULL);
    case FUSE_SYMLINK: return make(of, name, S_IFLNK | 0777, name + strlen(name) + 1);
    case FUSE_UNLINK:
    case FUSE_RMDIR: take_away(child(of, name)); return answer(NULL, 0, 0);
    case FUSE_GETXATTR: return answer(NULL, 0, ENODATA);
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET: return; /* these have no answer */
    default: return answer(NULL, 0, ENOSYS);
  }
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  device = atoi(argv[1]);
  root = add(NULL, "", &(struct fuse_attr){.mode = S_IFDIR | 0755, .nlink = 2});
  if (argc > 2) load(root, open(argv[2], O_RDONLY | O_DIRECTORY));
  fcntl(device, F_SETFL, O_RDWR | O_NONBLOCK);
  for (;;) {
    const ssize_t size = read(device, &request, sizeof request);
    if (size < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOENT)) continue;
    if (size < 0) return errno == ENODEV ? 0 : 1; /* unmounted */
    serve();
  }
}
