/* executed PROGRAM COMMAND…: where the command and its descendants execute PROGRAM until the command has ended: each
   address once, as an offset in the file in hexadecimal, in the order of first execution. By single steps (ptrace(2)), some 100,000 per second: it
   needs no debug information and no counters of the processor, and follows clone3(2) and executions of copies. */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_PROCESSES = 256 };
static struct process {
  pid_t pid;
  unsigned long first, last, offset; /* the mapping of its instructions; none: it executes something else */
} processes[MOST_PROCESSES];

static struct process *process_of(pid_t pid) {
  for (struct process *each = processes; each < processes + MOST_PROCESSES; ++each) {
    if (each->pid == pid) return each;
  }
  return NULL;
}

/* What a process executes that has just called execve(2); a copy is one of the same size. */
static void look_at(struct process *process, long size) {
  char path[64], line[4096];
  struct stat exe;
  process->first = process->last = 0;
  snprintf(path, sizeof path, "/proc/%d/exe", process->pid);
  if (stat(path, &exe) < 0 || exe.st_size != size) return;
  snprintf(path, sizeof path, "/proc/%d/maps", process->pid);
  FILE *maps = fopen(path, "r");
  if (maps == NULL) return;
  while (fgets(line, sizeof line, maps) != NULL) {
    char modes[8];
    unsigned long first, last, offset, inode;
    if (sscanf(line, "%lx-%lx %7s %lx %*s %lu", &first, &last, modes, &offset, &inode) == 5 && modes[2] == 'x' &&
        inode == exe.st_ino) {
      process->first = first, process->last = last, process->offset = offset;
      break;
    }
  }
  fclose(maps);
}

int main(int argc, char **argv) {
  struct stat program;
  if (argc < 3 || stat(argv[1], &program) < 0) return 2;
  unsigned char *seen = calloc((size_t)program.st_size, 1);
  const pid_t command = fork();
  if (command == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    execvp(argv[2], argv + 2);
    _exit(127);
  }
  processes[0].pid = command;
  int status, failed = 1, is_set_up = 0;
  for (pid_t pid; (pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR;) {
    struct process *process = process_of(pid);
    if (!WIFSTOPPED(status)) {
      if (process != NULL) process->pid = 0;
      if (pid != command) continue;
      failed = status;
      break;
    }
    if (process == NULL && (process = process_of(0)) != NULL) *process = (struct process){.pid = pid};
    if (process == NULL) return 1;
    if (!is_set_up) {
      is_set_up = 1;
      ptrace(PTRACE_SETOPTIONS, pid, 0,
             PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC);
      look_at(process, program.st_size);
    }
    int signal = WSTOPSIG(status);
    const int event = status >> 16;
    if (event == PTRACE_EVENT_EXEC) {
      look_at(process, program.st_size);
    } else if (event != 0) {
      unsigned long child = 0;
      ptrace(PTRACE_GETEVENTMSG, pid, 0, &child);
      struct process *born = process_of((pid_t)child);
      if (born == NULL) born = process_of(0);
      if (born == NULL) return 1;
      *born = *process;
      born->pid = (pid_t)child;
    }
    if (event != 0 || signal == SIGTRAP || signal == SIGSTOP) signal = 0;
    const unsigned long at = (unsigned long)ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user_regs_struct, rip), 0);
    if (at >= process->first && at < process->last) {
      const unsigned long offset = at - process->first + process->offset;
      if (!seen[offset]) printf("%lx\n", offset);
      seen[offset] = 1;
    }
    ptrace(process->last == 0 ? PTRACE_CONT : PTRACE_SINGLESTEP, pid, 0, signal);
  }
  return failed != 0;
}
