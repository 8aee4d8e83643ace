#include "net/guard.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Length of the name in "name:port" or "[v6]:port", 0 when the rest is no port. */
static size_t name_length(const char *host)
{
    size_t name = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    const char *rest;

    if (host[0] == '[' && host[name - 1] != ']')
        return 0;
    rest = host + name;
    if (*rest == '\0')
        return name;
    if (*rest++ != ':')
        return 0;
    size_t digits = strspn(rest, "0123456789");

    return digits > 0 && digits <= 5 && rest[digits] == '\0' ? name : 0;
}

static bool same_name(const char *host, size_t len, const char *name)
{
    return strlen(name) == len && strncasecmp(host, name, len) == 0;
}

static bool is_literal(const char *host, size_t len)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char address[16];

    if (host[0] == '[') {
        host++;
        len -= 2;
    }
    if (len >= sizeof text)
        return false;
    memcpy(text, host, len);
    text[len] = '\0';
    return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

bool guard_host_ok(const struct guard *g, const char *host)
{
    static const char *const loopback[] = {"127.0.0.1", "localhost", "[::1]"};
    size_t len = name_length(host);

    if (len == 0)
        return false;
    for (size_t i = 0; i < sizeof loopback / sizeof *loopback; i++)
        if (same_name(host, len, loopback[i]))
            return true;
    for (size_t i = 0; i < g->host_count; i++)
        if (same_name(host, len, g->hosts[i]) || strcasecmp(host, g->hosts[i]) == 0)
            return true;
    return g->any_literal && is_literal(host, len);
}

bool guard_is_json(const char *type)
{
    size_t len;

    if (type == NULL)
        return false;
    len = strcspn(type, "; \t");
    if (len == 16 && strncasecmp(type, "application/json", 16) == 0)
        return true;
    return len > 17 && strncasecmp(type, "application/", 12) == 0 &&
           strncasecmp(type + len - 5, "+json", 5) == 0;
}

bool guard_has_body(const struct guard_request *r)
{
    return r->encoding_count > 0 || (r->content_length != NULL &&
                                     strspn(r->content_length, "0") != strlen(r->content_length));
}

/* A page may call us only from our own origin, and only under a Host that was accepted. */
static bool same_origin(const char *origin, const char *host)
{
    if (strncasecmp(origin, "http://", 7) == 0)
        origin += 7;
    else if (strncasecmp(origin, "https://", 8) == 0)
        origin += 8;
    else
        return false;
    return strcasecmp(origin, host) == 0;
}

static enum errcode check_framing(const struct guard_request *r, struct err *err)
{
    if (r->length_count > 1 || r->encoding_count > 1)
        return err_set(err, ERR_INVALID,
                       "more than one Content-Length or Transfer-Encoding header; send one");
    if (r->length_count > 0 && r->encoding_count > 0)
        return err_set(err, ERR_INVALID,
                       "both Content-Length and Transfer-Encoding; send one of them");
    if (r->length_count > 0 && (r->content_length[0] == '\0' ||
                                r->content_length[strspn(r->content_length, "0123456789")] != '\0'))
        return err_set(err, ERR_INVALID, "Content-Length is not a number");
    if (r->host_count > 1)
        return err_set(err, ERR_INVALID, "more than one Host header; send one");
    return ERR_OK;
}

static enum errcode check_browser(const struct guard *g, const struct guard_request *r,
                                  struct err *err)
{
    if (r->host == NULL)
        return err_set(err, ERR_INVALID, "no Host header; send one, such as Host: localhost");
    if (!guard_host_ok(g, r->host))
        return err_set(err, ERR_MISDIRECTED,
                       "the Host \"%.100s\" is not one of this server's names; add it to "
                       "server.hosts in the configuration",
                       r->host);
    if (r->origin != NULL && !same_origin(r->origin, r->host))
        return err_set(err, ERR_FORBIDDEN,
                       "requests of web pages from elsewhere (Origin \"%.100s\") are refused",
                       r->origin);
    if (r->fetch_site != NULL && strcasecmp(r->fetch_site, "same-origin") != 0 &&
        strcasecmp(r->fetch_site, "none") != 0)
        return err_set(
            err, ERR_FORBIDDEN,
            "requests of web pages from elsewhere (Sec-Fetch-Site \"%.40s\") are refused",
            r->fetch_site);
    return ERR_OK;
}

enum errcode guard_check(const struct guard *g, const struct guard_request *r, struct err *err)
{
    enum errcode code = check_framing(r, err);

    if (code != ERR_OK)
        return code;
    if (!g->local && (code = check_browser(g, r, err)) != ERR_OK)
        return code;
    if (guard_has_body(r) && !guard_is_json(r->content_type))
        return err_set(err, ERR_MEDIA_TYPE,
                       "the body must be JSON; send the header Content-Type: application/json");
    return ERR_OK;
}
