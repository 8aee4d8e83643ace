/* LD_PRELOAD: a disk whose flush takes FLUSH_US microseconds (2000), as many real ones do. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static void slow(void)
{
    const char *us = getenv("FLUSH_US");

    usleep(us != NULL ? (useconds_t)atoi(us) : 2000);
}

int fdatasync(int fd)
{
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");

    slow();
    return next(fd);
}

int fsync(int fd)
{
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");

    slow();
    return next(fd);
}
