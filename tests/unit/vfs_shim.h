/* A VFS over the default one that passes everything on. A test replaces entries of shim_io before
 * it calls shim_install. */
#ifndef TESTS_VFS_SHIM_H
#define TESTS_VFS_SHIM_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct shim_file {
    sqlite3_file base;
    bool is_log;   /* the write-ahead log */
    bool is_store; /* the log or the database, not what is made beside them */
    void *extra;   /* the test's */
    sqlite3_file *real;
};

static inline sqlite3_file *shim_real(sqlite3_file *f)
{
    return ((struct shim_file *)(void *)f)->real;
}

static int shim_close(sqlite3_file *f)
{
    sqlite3_file *real = shim_real(f);
    int rc = real->pMethods != NULL ? real->pMethods->xClose(real) : SQLITE_OK;

    free(real);
    return rc;
}

static int shim_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
    return shim_real(f)->pMethods->xRead(shim_real(f), to, n, at);
}

static int shim_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at)
{
    return shim_real(f)->pMethods->xWrite(shim_real(f), from, n, at);
}

static int shim_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return shim_real(f)->pMethods->xTruncate(shim_real(f), size);
}

static int shim_sync(sqlite3_file *f, int flags)
{
    return shim_real(f)->pMethods->xSync(shim_real(f), flags);
}

static int shim_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return shim_real(f)->pMethods->xFileSize(shim_real(f), size);
}

static int shim_lock(sqlite3_file *f, int level)
{
    return shim_real(f)->pMethods->xLock(shim_real(f), level);
}

static int shim_unlock(sqlite3_file *f, int level)
{
    return shim_real(f)->pMethods->xUnlock(shim_real(f), level);
}

static int shim_reserved(sqlite3_file *f, int *held)
{
    return shim_real(f)->pMethods->xCheckReservedLock(shim_real(f), held);
}

static int shim_control(sqlite3_file *f, int op, void *arg)
{
    return shim_real(f)->pMethods->xFileControl(shim_real(f), op, arg);
}

static int shim_sector(sqlite3_file *f)
{
    return shim_real(f)->pMethods->xSectorSize(shim_real(f));
}

static int shim_traits(sqlite3_file *f)
{
    return shim_real(f)->pMethods->xDeviceCharacteristics(shim_real(f));
}

static int shim_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **to)
{
    return shim_real(f)->pMethods->xShmMap(shim_real(f), page, size, extend, to);
}

static int shim_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
    return shim_real(f)->pMethods->xShmLock(shim_real(f), at, n, flags);
}

static void shim_shm_barrier(sqlite3_file *f)
{
    shim_real(f)->pMethods->xShmBarrier(shim_real(f));
}

static int shim_shm_unmap(sqlite3_file *f, int remove)
{
    return shim_real(f)->pMethods->xShmUnmap(shim_real(f), remove);
}

static sqlite3_io_methods shim_io = {.iVersion = 2,
                                     .xClose = shim_close,
                                     .xRead = shim_read,
                                     .xWrite = shim_write,
                                     .xTruncate = shim_truncate,
                                     .xSync = shim_sync,
                                     .xFileSize = shim_size,
                                     .xLock = shim_lock,
                                     .xUnlock = shim_unlock,
                                     .xCheckReservedLock = shim_reserved,
                                     .xFileControl = shim_control,
                                     .xSectorSize = shim_sector,
                                     .xDeviceCharacteristics = shim_traits,
                                     .xShmMap = shim_shm_map,
                                     .xShmLock = shim_shm_lock,
                                     .xShmBarrier = shim_shm_barrier,
                                     .xShmUnmap = shim_shm_unmap};
static sqlite3_vfs shim_vfs;

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
    struct shim_file *file = (struct shim_file *)(void *)f;
    sqlite3_vfs *under = vfs->pAppData;

    memset(file, 0, sizeof *file);
    file->real = calloc(1, (size_t)under->szOsFile);
    file->is_log = (flags & SQLITE_OPEN_WAL) != 0;
    file->is_store = name != NULL && strstr(name, ".new") == NULL &&
                     (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_DB)) != 0;
    int rc = under->xOpen(under, name, file->real, flags, out);
    if (rc == SQLITE_OK)
        file->base.pMethods = &shim_io;
    else
        free(file->real);
    return rc;
}

static inline void shim_install(void)
{
    sqlite3_vfs *under = sqlite3_vfs_find(NULL);

    shim_vfs = *under;
    shim_vfs.zName = "shim";
    shim_vfs.szOsFile = sizeof(struct shim_file);
    shim_vfs.pAppData = under;
    shim_vfs.xOpen = shim_open;
    sqlite3_vfs_register(&shim_vfs, 1);
}

static inline void shim_remove(void)
{
    sqlite3_vfs_unregister(&shim_vfs);
}

#endif
