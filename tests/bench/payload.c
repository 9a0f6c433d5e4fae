/* What the containers of runtime.py run, as a static program: nothing, or with an argument, nothing until a signal. */
#include <unistd.h>

int main(int argc, char **argv) {
  (void)argv;
  if (argc > 1) pause();
  return 0;
}
