/* Stands between a program and the operating system (LD_PRELOAD): writes down every change to files below a folder, in
 * the order in which it happened, and when it was made to last; fails syncs and moves the wall clock when told so.
 *
 *   SHIM_FOLDER  what is written down is below this folder
 *   SHIM_LOG     where it is written down
 *   SHIM_CLOCK   a file whose text is added to the wall clock, in milliseconds
 *   SHIM_EIO     while this file is there, syncs of files below the folder fail
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static int log_file = -2;

static void *next_of(const char *name) { return dlsym(RTLD_NEXT, name); }

/* The path behind a descriptor, below the folder and without it; 0 when it is somewhere else. */
static int place_of(int fd, char *place) {
  const char *folder = getenv("SHIM_FOLDER");
  char link[64], path[PATH_MAX];
  if (!folder) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  if (n <= 0) return 0;
  path[n] = 0;
  size_t length = strlen(folder);
  if (strncmp(path, folder, length) != 0 || path[length] != '/') return 0;
  strcpy(place, path + length + 1);
  return 1;
}

static int name_of(const char *path, char *place) {
  const char *folder = getenv("SHIM_FOLDER");
  if (!folder) return 0;
  size_t length = strlen(folder);
  if (strncmp(path, folder, length) != 0 || path[length] != '/') return 0;
  strncpy(place, path + length + 1, PATH_MAX - 1);
  place[PATH_MAX - 1] = 0;
  return 1;
}

/* One line of the log: kind, place, offset, length, bytes. */
static void note(char kind, const char *place, uint64_t offset, const void *bytes, uint64_t length, int has_bytes) {
  if (log_file == -2) {
    const char *path = getenv("SHIM_LOG");
    log_file = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
  }
  if (log_file < 0) return;
  uint16_t named = (uint16_t)strlen(place);
  struct iovec parts[] = {{&kind, 1},      {&named, 2},       {(void *)place, named},
                          {&offset, 8},    {&length, 8},      {(void *)bytes, has_bytes ? length : 0}};
  syscall(SYS_writev, log_file, parts, 6);
}

static uint64_t place_in(int fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags >= 0 && (flags & O_APPEND)) {
    struct stat state;
    return fstat(fd, &state) == 0 ? (uint64_t)state.st_size : 0;
  }
  off_t at = lseek(fd, 0, SEEK_CUR);
  return at < 0 ? 0 : (uint64_t)at;
}

static ssize_t written(int fd, const void *bytes, size_t length, int64_t offset) {
  char place[PATH_MAX];
  ssize_t (*at)(int, const void *, size_t, off64_t) = next_of("pwrite64");
  ssize_t (*here)(int, const void *, size_t) = next_of("write");
  if (!place_of(fd, place)) return offset < 0 ? here(fd, bytes, length) : at(fd, bytes, length, offset);
  pthread_mutex_lock(&order);
  uint64_t from = offset < 0 ? place_in(fd) : (uint64_t)offset;
  ssize_t n = offset < 0 ? here(fd, bytes, length) : at(fd, bytes, length, offset);
  int failed = errno;
  if (n > 0) note('W', place, from, bytes, (uint64_t)n, 1);
  pthread_mutex_unlock(&order);
  errno = failed;
  return n;
}

ssize_t write(int fd, const void *bytes, size_t length) { return written(fd, bytes, length, -1); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return written(fd, bytes, length, offset); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
  return written(fd, bytes, length, offset);
}

static int cut(int fd, off64_t length, const char *name) {
  char place[PATH_MAX];
  int (*really)(int, off64_t) = next_of(name);
  if (!place_of(fd, place)) return really(fd, length);
  pthread_mutex_lock(&order);
  int end = really(fd, length);
  int failed = errno;
  if (end == 0) note('T', place, (uint64_t)length, "", 0, 0);
  pthread_mutex_unlock(&order);
  errno = failed;
  return end;
}

int ftruncate(int fd, off_t length) { return cut(fd, length, "ftruncate"); }
int ftruncate64(int fd, off64_t length) { return cut(fd, length, "ftruncate64"); }

static int synced(int fd, const char *name) {
  char place[PATH_MAX];
  int (*really)(int) = next_of(name);
  if (!place_of(fd, place)) return really(fd);
  const char *eio = getenv("SHIM_EIO");
  if (eio && access(eio, F_OK) == 0) {
    errno = EIO;
    return -1;
  }
  /* What lasts is what was written before the call; that it lasts is known when it is over. */
  pthread_mutex_lock(&order);
  note('B', place, 0, "", 0, 0);
  pthread_mutex_unlock(&order);
  int end = really(fd);
  int failed = errno;
  pthread_mutex_lock(&order);
  if (end == 0) note('S', place, 0, "", 0, 0);
  pthread_mutex_unlock(&order);
  errno = failed;
  return end;
}

int fsync(int fd) { return synced(fd, "fsync"); }
int fdatasync(int fd) { return synced(fd, "fdatasync"); }

int unlink(const char *path) {
  char place[PATH_MAX];
  int (*really)(const char *) = next_of("unlink");
  if (!name_of(path, place)) return really(path);
  pthread_mutex_lock(&order);
  int end = really(path);
  int failed = errno;
  if (end == 0) note('U', place, 0, "", 0, 0);
  pthread_mutex_unlock(&order);
  errno = failed;
  return end;
}

int rename(const char *from, const char *to) {
  char place[PATH_MAX], there[PATH_MAX];
  int (*really)(const char *, const char *) = next_of("rename");
  if (!name_of(from, place) || !name_of(to, there)) return really(from, to);
  pthread_mutex_lock(&order);
  int end = really(from, to);
  int failed = errno;
  if (end == 0) note('R', place, 0, there, strlen(there), 1);
  pthread_mutex_unlock(&order);
  errno = failed;
  return end;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  int end = (int)syscall(SYS_clock_gettime, clock, time);
  const char *path = getenv("SHIM_CLOCK");
  if (end != 0 || clock != CLOCK_REALTIME || !path) return end;
  char text[32] = {0};
  int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return end;
  ssize_t n = syscall(SYS_read, file, text, sizeof text - 1);
  syscall(SYS_close, file);
  if (n <= 0) return end;
  int64_t moved = strtoll(text, 0, 10);
  int64_t nanos = time->tv_nsec + (moved % 1000) * 1000000;
  time->tv_sec += moved / 1000 + (nanos < 0 ? -1 : nanos / 1000000000);
  time->tv_nsec = nanos < 0 ? nanos + 1000000000 : nanos % 1000000000;
  return end;
}
