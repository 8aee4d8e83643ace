#include "keys.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/mem.h"

struct key_entry {
    char *key;
    uint64_t print;
    bool working;  /* some connection is at it */
    bool answered; /* status and text are set */
    unsigned status;
    char *text;
    uint32_t requests, executions;
    UT_hash_handle hh; /* uthash keeps the order of insertion: the first is the oldest */
};

struct keys {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct key_entry *table;
    size_t bytes; /* of all texts */
};

struct keys *keys_new(void)
{
    struct keys *k = mem_zalloc(sizeof *k);

    pthread_mutex_init(&k->lock, NULL);
    pthread_cond_init(&k->changed, NULL);
    return k;
}

static void drop(struct keys *k, struct key_entry *e)
{
    HASH_DEL(k->table, e);
    k->bytes -= e->text != NULL ? strlen(e->text) : 0;
    free(e->text);
    free(e->key);
    free(e);
}

void keys_free(struct keys *k)
{
    struct key_entry *e, *next;

    if (k == NULL)
        return;
    HASH_ITER(hh, k->table, e, next)
    {
        drop(k, e);
    }
    pthread_cond_destroy(&k->changed);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

/* Forgets the oldest beyond the limits, never one that is being worked on or was just answered. */
static void forget_old(struct keys *k, const struct key_entry *keep)
{
    struct key_entry *e, *next;

    HASH_ITER(hh, k->table, e, next)
    {
        if (HASH_COUNT(k->table) <= KEYS_MAX && k->bytes <= KEYS_BYTES)
            return;
        if (e != keep && !e->working)
            drop(k, e);
    }
}

static struct key_entry *find_or_add(struct keys *k, const char *key, uint64_t print)
{
    struct key_entry *e = NULL;

    HASH_FIND_STR(k->table, key, e);
    if (e == NULL) {
        e = mem_zalloc(sizeof *e);
        e->key = mem_strdup(key);
        e->print = print;
        HASH_ADD_KEYPTR(hh, k->table, e->key, strlen(e->key), e);
    }
    return e;
}

enum keys_verdict keys_begin(struct keys *k, const char *key, uint64_t print,
                             struct key_entry **entry, unsigned *status, char **text)
{
    enum keys_verdict verdict;
    bool counted = false;
    struct key_entry *e;

    pthread_mutex_lock(&k->lock);
    /* Looked up again after each wait: the entry may have been forgotten meanwhile. */
    while (true) {
        e = find_or_add(k, key, print);
        if (!counted)
            e->requests++;
        counted = true;
        if (!e->working)
            break;
        pthread_cond_wait(&k->changed, &k->lock);
    }
    if (e->print != print) {
        verdict = KEYS_MISUSE;
    } else if (e->answered) {
        *status = e->status;
        *text = mem_strdup(e->text);
        verdict = KEYS_ANSWER;
    } else {
        e->working = true;
        e->executions++;
        *entry = e;
        verdict = KEYS_WORK;
    }
    pthread_mutex_unlock(&k->lock);
    return verdict;
}

void keys_done(struct keys *k, struct key_entry *entry, unsigned status, const char *text)
{
    pthread_mutex_lock(&k->lock);
    entry->working = false;
    entry->answered = true;
    entry->status = status;
    entry->text = mem_strdup(text);
    k->bytes += strlen(text);
    forget_old(k, entry);
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
}

void keys_failed(struct keys *k, struct key_entry *entry)
{
    pthread_mutex_lock(&k->lock);
    entry->working = false;
    forget_old(k, entry);
    pthread_cond_broadcast(&k->changed);
    pthread_mutex_unlock(&k->lock);
}

void keys_stats(struct keys *k, json_t **executions, json_t **requests)
{
    struct key_entry *e, *next;

    *executions = json_object();
    *requests = json_object();
    pthread_mutex_lock(&k->lock);
    HASH_ITER(hh, k->table, e, next)
    {
        json_object_set_new(*executions, e->key, json_integer(e->executions));
        json_object_set_new(*requests, e->key, json_integer(e->requests));
    }
    pthread_mutex_unlock(&k->lock);
}
