/* peak COMMAND…: the largest resident size, in KiB, that any process of the command has had: it, its descendants, and
   those whose parents have left them. A program of its own because what is executed by a larger process counts that
   one's size (getrusage(2): the maximum survives execve). */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  const pid_t command = fork();
  if (command == 0) {
    dup2(STDERR_FILENO, STDOUT_FILENO);
    execvp(argv[1], argv + 1);
    _exit(127);
  }
  int failed = 1, status;
  for (pid_t pid; (pid = wait(&status)) > 0;) {
    if (pid == command) failed = status;
  }
  struct rusage usage;
  getrusage(RUSAGE_CHILDREN, &usage);
  printf("%ld\n", usage.ru_maxrss);
  return failed != 0;
}
