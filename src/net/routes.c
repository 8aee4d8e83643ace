#include "net/routes.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define BOTH (DOOR_INGRESS | DOOR_ADMIN)
#define INGRESS DOOR_INGRESS
#define ADMIN DOOR_ADMIN

/* First match wins: what is spelled out stands before what has a parameter there. */
static const struct route table[] = {
    {BOTH, "GET", "/health", ROLE_READ, BODY_NONE, false, admin_health},

    {INGRESS, "GET", "/", ROLE_READ, BODY_NONE, false, ingress_index},
    {INGRESS, "POST", "/:service", ROLE_OPERATE, BODY_CONFIG, true, ingress_call},
    {INGRESS, "POST", "/:service/send", ROLE_OPERATE, BODY_CONFIG, true, ingress_send},
    {INGRESS, "GET", "/:service/:id/output", ROLE_READ, BODY_NONE, false, ingress_output},
    {INGRESS, "GET", "/:service/:id/attach", ROLE_READ, BODY_NONE, false, ingress_attach},

    {ADMIN, "GET", "/services", ROLE_READ, BODY_NONE, false, admin_services},
    {ADMIN, "GET", "/services/:service", ROLE_READ, BODY_NONE, false, admin_service},
    {ADMIN, "GET", "/services/:service/instances/:id", ROLE_READ, BODY_NONE, false,
     admin_service_instance},
    {ADMIN, "DELETE", "/services/:service/instances/:id", ROLE_OPERATE, BODY_SMALL, false,
     admin_cancel},
    {ADMIN, "GET", "/deployments", ROLE_READ, BODY_NONE, false, admin_deployments},
    {ADMIN, "POST", "/deployments", ROLE_ADMIN, BODY_SMALL, false, admin_deployments_post},

    {ADMIN, "GET", "/instances", ROLE_READ, BODY_NONE, false, admin_list},
    {ADMIN, "POST", "/instances", ROLE_OPERATE, BODY_CONFIG, true, admin_start},
    {ADMIN, "GET", "/instances/:id", ROLE_READ, BODY_NONE, false, admin_instance},
    {ADMIN, "GET", "/instances/:id/journal", ROLE_READ, BODY_NONE, false, admin_journal},
    {ADMIN, "GET", "/instances/:id/output", ROLE_READ, BODY_NONE, false, admin_output},
    {ADMIN, "GET", "/instances/:id/attach", ROLE_READ, BODY_NONE, false, admin_attach},
    {ADMIN, "POST", "/instances/:id/cancel", ROLE_OPERATE, BODY_SMALL, false, admin_cancel},
    {ADMIN, "POST", "/instances/:id/kill", ROLE_ADMIN, BODY_SMALL, false, admin_kill},
    {ADMIN, "POST", "/instances/:id/pause", ROLE_OPERATE, BODY_SMALL, false, admin_pause},
    {ADMIN, "POST", "/instances/:id/resume", ROLE_OPERATE, BODY_SMALL, false, admin_resume},
    {ADMIN, "POST", "/instances/:id/restart", ROLE_OPERATE, BODY_SMALL, true, admin_restart},
    {ADMIN, "POST", "/instances/:id/purge", ROLE_ADMIN, BODY_SMALL, false, admin_purge},
    {ADMIN, "POST", "/instances/:id/signals/:name", ROLE_OPERATE, BODY_CONFIG, false, admin_signal},

    {ADMIN, "GET", "/agents", ROLE_READ, BODY_NONE, false, admin_agents},
    {ADMIN, "GET", "/stats", ROLE_READ, BODY_NONE, false, admin_stats},
    {ADMIN, "GET", "/doctor", ROLE_READ, BODY_NONE, false, admin_doctor},
    {ADMIN, "POST", "/release", ROLE_ADMIN, BODY_SMALL, false, admin_release},
    {ADMIN, "GET", "/events", ROLE_READ, BODY_NONE, false, feed_open},
};
enum { TABLE_SIZE = sizeof table / sizeof *table };

/* Does `path` (still escaped) match? Equal segments are compared as they are: nothing that is
 * spelled out in the table needs an escape. */
static bool matches(const char *pattern, const char *path)
{
    for (;;) {
        size_t p = strcspn(pattern + 1, "/"), s = strcspn(path + 1, "/");

        if (pattern[1] == ':' ? s == 0 : p != s || memcmp(pattern + 1, path + 1, p) != 0)
            return false;
        pattern += p + 1;
        path += s + 1;
        if (*pattern == '\0' || *path == '\0')
            return *pattern == *path;
    }
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool routes_decode(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; from++) {
        int c = (unsigned char)*from;

        if (c == '%') {
            int high = hex(from[1]), low = high < 0 ? -1 : hex(from[2]);

            if (low < 0)
                return false;
            c = high * 16 + low;
            from += 2;
        }
        if (c < 0x20 || c == 0x7f)
            return false;
        *to++ = (char)c;
    }
    *to = '\0';
    return true;
}

/* Cuts the parameters out of a path that matches. */
static bool cut(const char *pattern, char *path, const char *param[ROUTE_PARAMS])
{
    size_t count = 0;

    for (bool last = false; !last;) {
        char *segment = path + 1;
        size_t len = strcspn(segment, "/");
        bool is_param = pattern[1] == ':';

        pattern += strcspn(pattern + 1, "/") + 1;
        path = segment + len;
        last = *path == '\0';
        if (is_param && count < ROUTE_PARAMS) {
            *path = '\0'; /* the next round starts behind it */
            if (!routes_decode(segment))
                return false;
            param[count++] = segment;
        }
    }
    return true;
}

enum errcode routes_find(enum door_kind door, const char *method, char *path,
                         const char *param[ROUTE_PARAMS], const struct route **out, struct err *err)
{
    bool known = false;

    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    if (path[0] != '/')
        return err_set(err, ERR_NOT_FOUND, "the path must begin with a slash");
    for (size_t i = 0; i < TABLE_SIZE; i++) {
        const struct route *r = &table[i];

        if ((r->doors & door) == 0 || !matches(r->pattern, path))
            continue;
        if (strcmp(r->method, method) != 0) {
            known = true;
            continue;
        }
        if (!cut(r->pattern, path, param))
            return err_set(err, ERR_INVALID, "the path has a bad %%-escape or a control character");
        *out = r;
        return ERR_OK;
    }
    if (known)
        return err_set(err, ERR_METHOD, "%.20s is not allowed here; see the Allow header", method);
    return err_set(err, ERR_NOT_FOUND, "nothing at this path; \"routes\" lists what is near");
}

void routes_allow(enum door_kind door, const char *path, struct buf *out)
{
    for (size_t i = 0; i < TABLE_SIZE; i++) {
        const struct route *r = &table[i];

        if ((r->doors & door) == 0 || !matches(r->pattern, path) ||
            (out->data != NULL && strstr(out->data, r->method) != NULL))
            continue;
        buf_printf(out, "%s%s%s", out->len > 0 ? ", " : "", r->method,
                   strcmp(r->method, "GET") == 0 ? ", HEAD" : "");
    }
}

json_t *routes_nearby(enum door_kind door, const char *path)
{
    json_t *near = json_array(), *all = json_array();
    size_t first = path[0] == '/' ? strcspn(path + 1, "/") + 1 : 0;

    for (size_t i = 0; i < TABLE_SIZE; i++) {
        const struct route *r = &table[i];
        json_t *line;

        if ((r->doors & door) == 0)
            continue;
        line = json_sprintf("%s %s", r->method, r->pattern);
        json_array_append(all, line);
        if (strncmp(r->pattern, path, first) == 0 && strchr("/", r->pattern[first]) != NULL)
            json_array_append(near, line);
        json_decref(line);
    }
    if (json_array_size(near) > 0) {
        json_decref(all);
        return near;
    }
    json_decref(near);
    return all;
}
