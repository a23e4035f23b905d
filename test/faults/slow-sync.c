/*
 * Preloaded into a server (LD_PRELOAD): each sync of a file takes as many ms longer as the file that HOOFBEAT_SYNC_MS names
 * says at that moment; a disk that is slow, for whoever asks it.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void wait_for_disk(void) {
  const char *name = getenv("HOOFBEAT_SYNC_MS");
  FILE *file = name == NULL ? NULL : fopen(name, "r");
  long ms = 0;
  if (file == NULL) return;
  if (fscanf(file, "%ld", &ms) != 1) ms = 0;
  fclose(file);
  if (ms > 0) {
    struct timespec time = {ms / 1000, (ms % 1000) * 1000000L};
    nanosleep(&time, NULL);
  }
}

int fsync(int fd) {
  wait_for_disk();
  return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
  wait_for_disk();
  return (int)syscall(SYS_fdatasync, fd);
}
