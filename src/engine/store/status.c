/* Names of the numbers in the store, and the ids of instances. */
#include <string.h>

#include "engine/store/store.h"

static const char *const statuses[STATUS_COUNT] = {
#define X(status, number, name) [status] = name,
    STATUS_TABLE(X)
#undef X
};

static const char *const reasons[REASON_COUNT] = {
#define X(reason, number, name) [reason] = name,
    REASON_TABLE(X)
#undef X
};

const char *status_name(unsigned status)
{
    return status < STATUS_COUNT ? statuses[status] : NULL;
}

const char *reason_name(unsigned reason)
{
    return reason < REASON_COUNT ? reasons[reason] : NULL;
}

int status_from_name(const char *name)
{
    for (int i = 0; i < STATUS_COUNT; i++) {
        if (strcmp(statuses[i], name) == 0)
            return i;
    }
    return -1;
}

/* Crockford's digits in the order of their values: ids sort as numbers do. */
static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
static const char prefix[] = "inst_";
enum { PREFIX_LEN = 5, NUM_DIGITS = 13, TAG_DIGITS = 8 };

static void put_digits(char *out, uint64_t value, int count)
{
    for (int i = count - 1; i >= 0; i--, value >>= 5)
        out[i] = digits[value & 31];
}

static bool get_digits(const char *in, int count, uint64_t *value)
{
    *value = 0;
    for (int i = 0; i < count; i++) {
        const char *digit = in[i] != '\0' ? strchr(digits, in[i]) : NULL;

        if (digit == NULL || *value >> 58 != 0)
            return false;
        *value = *value << 5 | (uint64_t)(digit - digits);
    }
    return true;
}

void instance_id_format(int64_t num, uint64_t tag, char id[INSTANCE_ID_SIZE])
{
    memcpy(id, prefix, PREFIX_LEN);
    put_digits(id + PREFIX_LEN, (uint64_t)num, NUM_DIGITS);
    put_digits(id + PREFIX_LEN + NUM_DIGITS, tag, TAG_DIGITS);
    id[INSTANCE_ID_SIZE - 1] = '\0';
}

bool instance_id_parse(const char *id, int64_t *num, uint64_t *tag)
{
    uint64_t value;

    if (strnlen(id, INSTANCE_ID_SIZE) != INSTANCE_ID_SIZE - 1 ||
        strncmp(id, prefix, PREFIX_LEN) != 0 || !get_digits(id + PREFIX_LEN, NUM_DIGITS, &value) ||
        !get_digits(id + PREFIX_LEN + NUM_DIGITS, TAG_DIGITS, tag))
        return false;
    *num = (int64_t)value;
    return true;
}
