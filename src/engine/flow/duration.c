#include "engine/flow/duration.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS INT64_C(86400000)
#define LONGEST_MS (INT64_C(36500) * DAY_MS)

static const struct {
    const char *name;
    int64_t ms;
} units[] = {{"days", DAY_MS},
             {"hours", 3600000},
             {"minutes", 60000},
             {"seconds", 1000},
             {"milliseconds", 1}};

static enum errcode in_range(double ms, int64_t *out, struct err *err)
{
    if (ms < 0)
        return err_set(err, ERR_INVALID, "a duration cannot be negative");
    if (!(ms <= (double)LONGEST_MS))
        return err_set(err, ERR_INVALID, "a duration cannot be longer than 100 years");
    *out = llround(ms);
    return ERR_OK;
}

static enum errcode parse_object(const json_t *value, int64_t *ms, struct err *err)
{
    const char *key;
    json_t *part;
    double sum = 0;

    if (json_object_size(value) == 0)
        return err_set(err, ERR_INVALID,
                       "an empty duration: give days, hours, minutes, seconds "
                       "or milliseconds");
    json_object_foreach((json_t *)(uintptr_t)value, key, part)
    {
        size_t i = 0;

        while (i < sizeof units / sizeof *units && strcmp(units[i].name, key) != 0)
            i++;
        if (i == sizeof units / sizeof *units)
            return err_set(
                err, ERR_INVALID,
                "\"%.60s\" is no unit: use days, hours, minutes, seconds or milliseconds", key);
        if (!json_is_integer(part))
            return err_set(err, ERR_INVALID, "\"%s\" of a duration must be an integer", key);
        if (json_integer_value(part) < 0)
            return err_set(err, ERR_INVALID, "a duration cannot be negative");
        sum += (double)json_integer_value(part) * (double)units[i].ms;
    }
    return in_range(sum, ms, err);
}

/* Milliseconds of a designator, in the date part or behind the T; 0 for one that is none. */
static double designator(char c, bool time)
{
    switch (c) {
    case 'Y':
        return time ? 0 : 365.0 * (double)DAY_MS;
    case 'M':
        return time ? 60000.0 : 30.0 * (double)DAY_MS;
    case 'W':
        return time ? 0 : 7.0 * (double)DAY_MS;
    case 'D':
        return time ? 0 : (double)DAY_MS;
    case 'H':
        return time ? 3600000.0 : 0;
    case 'S':
        return time ? 1000.0 : 0;
    default:
        return 0;
    }
}

/* Designators in their order; each at most once. */
static int rank(char c, bool time)
{
    const char *order = time ? "HMS" : "YMWD";
    const char *at = strchr(order, c);

    return (time ? 10 : 0) + (int)(at != NULL ? at - order : 0);
}

static enum errcode parse_iso(const char *text, int64_t *ms, struct err *err)
{
    const char *p = text;
    bool time = false, any = false, fraction = false;
    int last = -1;
    double sum = 0;

    if (*p++ != 'P')
        goto bad;
    while (*p != '\0') {
        if (*p == 'T' && !time) {
            time = true;
            any = false;
            p++;
            continue;
        }
        size_t digits = strspn(p, "0123456789"), len = digits;
        if (digits == 0 || digits > 15 || fraction)
            goto bad;
        if (p[len] == '.' || p[len] == ',') {
            size_t more = strspn(p + len + 1, "0123456789");

            if (p[len] == ',' || more == 0)
                goto bad;
            fraction = true;
            len += 1 + more;
        }
        double unit = designator(p[len], time);
        if (unit == 0 || rank(p[len], time) <= last)
            goto bad;
        last = rank(p[len], time);
        sum += strtod(p, NULL) * unit;
        p += len + 1;
        any = true;
    }
    if (!any)
        goto bad;
    return in_range(sum, ms, err);
bad:
    return err_set(err, ERR_INVALID, "\"%.60s\" is no ISO 8601 duration like PT30S or P1DT12H",
                   text);
}

enum errcode duration_parse(const json_t *value, int64_t *ms, struct err *err)
{
    *ms = 0;
    if (json_is_object(value))
        return parse_object(value, ms, err);
    if (json_is_string(value))
        return parse_iso(json_string_value(value), ms, err);
    return err_set(err, ERR_INVALID, "a duration is an object of units or an ISO 8601 string");
}
