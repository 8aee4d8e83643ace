#include "net/target.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "net/egress.h"

void target_fini(struct target *t)
{
    free(t->url);
    *t = (struct target){0};
}

/* ---- query ---- */

static void add_escaped(struct buf *b, const char *text, size_t len)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

    for (size_t i = 0; i < len; i++) {
        if (text[i] != '\0' && strchr(plain, text[i]) != NULL)
            buf_add(b, text + i, 1);
        else
            buf_printf(b, "%%%02X", (unsigned char)text[i]);
    }
}

static void add_pair(struct buf *b, char *separator, const char *key, const json_t *value)
{
    buf_add(b, separator, 1);
    *separator = '&';
    add_escaped(b, key, strlen(key));
    buf_str(b, "=");
    if (json_is_string(value)) {
        add_escaped(b, json_string_value(value), json_string_length(value));
    } else {
        char *text = json_text(value);

        add_escaped(b, text, strlen(text));
        free(text);
    }
}

/* Arrays repeat the key, null omits it. */
static void add_query(struct buf *b, json_t *query)
{
    char separator = b->data != NULL && strchr(b->data, '?') != NULL ? '&' : '?';
    const char *key;
    json_t *value, *element;
    size_t i;

    json_object_foreach(query, key, value)
    {
        if (json_is_array(value)) {
            json_array_foreach(value, i, element)
            {
                if (!json_is_null(element))
                    add_pair(b, &separator, key, element);
            }
        } else if (!json_is_null(value)) {
            add_pair(b, &separator, key, value);
        }
    }
}

/* Takes over the buffer. */
static enum errcode finish(struct buf *b, const json_t *spec, struct target *out, struct err *err)
{
    if (spec != NULL)
        add_query(b, json_object_get(spec, "query"));
    if (b->full) {
        buf_fini(b);
        return err_set(err, ERR_TOO_LARGE, "the URL of the call is longer than %d bytes",
                       TARGET_URL_MAX);
    }
    out->url = buf_steal(b, NULL);
    return ERR_OK;
}

/* ---- kinds ---- */

static bool is_clean(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f)
            return false;
    return true;
}

static enum errcode resolve_agent(struct agents *agents, const json_t *spec, struct target *out,
                                  struct err *err)
{
    const char *name = json_str(spec, "agent", "");
    const json_t *path = json_object_get(spec, "path");
    struct agent *agent = agents_by_name(agents, name);
    struct buf b;

    if (agent == NULL)
        return err_set(err, ERR_NOT_FOUND, "there is no agent named \"%.100s\"", name);
    if (agent->shown_url == NULL)
        return err_set(err, ERR_CONFIG, "the URL of agent %.100s is not valid", name);
    if (path != NULL && !json_is_string(path))
        return err_set(err, ERR_INVALID, "the path of a call of agent %.100s is not a string",
                       name);
    const char *text = path != NULL ? json_string_value(path) : "";
    size_t len = path != NULL ? json_string_length(path) : 0;
    if (!is_clean(text, len))
        return err_set(err, ERR_INVALID,
                       "the path of a call of agent %.100s holds a space or control character",
                       name);
    buf_init(&b, TARGET_URL_MAX);
    buf_str(&b, agent->config->url);
    if (len > 0 && text[0] != '/' && text[0] != '?') /* never "host" + "@elsewhere" */
        buf_str(&b, "/");
    const char *fragment = memchr(text, '#', len);
    buf_add(&b, text, fragment != NULL ? (size_t)(fragment - text) : len);
    out->agent = agent;
    return finish(&b, spec, out, err);
}

struct parts {
    char *scheme, *host, *port, *path, *query, *user, *all; /* libcurl's */
    unsigned port_number;
};

static void parts_fini(struct parts *p)
{
    curl_free(p->scheme);
    curl_free(p->host);
    curl_free(p->port);
    curl_free(p->path);
    curl_free(p->query);
    curl_free(p->user);
    curl_free(p->all);
}

/* One parser (libcurl's own) for the check and for the call, so that they cannot disagree. */
static enum errcode parse_url(const char *text, struct parts *p, struct err *err)
{
    CURLU *url = curl_url();
    CURLUcode code = url == NULL ? CURLUE_OUT_OF_MEMORY : CURLUE_OK;

    *p = (struct parts){0};
    if (code == CURLUE_OK)
        code = curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);
    if (code == CURLUE_OK)
        code = curl_url_get(url, CURLUPART_SCHEME, &p->scheme, 0);
    if (code == CURLUE_OK)
        code = curl_url_get(url, CURLUPART_HOST, &p->host, 0);
    if (code == CURLUE_OK)
        code = curl_url_get(url, CURLUPART_PORT, &p->port, CURLU_DEFAULT_PORT);
    if (code == CURLUE_OK)
        code = curl_url_get(url, CURLUPART_PATH, &p->path, 0);
    if (code == CURLUE_OK) {
        curl_url_get(url, CURLUPART_QUERY, &p->query, 0);
        curl_url_get(url, CURLUPART_USER, &p->user, 0);
        curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0);
        code = curl_url_get(url, CURLUPART_URL, &p->all, 0);
        p->port_number = (unsigned)strtoul(p->port, NULL, 10);
    }
    curl_url_cleanup(url);
    if (p->scheme != NULL && strcmp(p->scheme, "http") != 0 && strcmp(p->scheme, "https") != 0)
        return err_set(err, ERR_INVALID, "URLs of calls are http or https, not \"%.20s\"",
                       p->scheme);
    if (code != CURLUE_OK)
        return err_set(err, ERR_INVALID, "the URL of the call is not valid: %s",
                       curl_url_strerror(code));
    return ERR_OK;
}

/* Sets agent and URL; `*taken` says that the URL was put behind the agent's own. */
static enum errcode choose(struct agents *agents, const struct config *config,
                           const struct parts *p, struct target *out, struct buf *b,
                           struct err *err)
{
    out->agent = agents_by_origin(agents, p->scheme, p->host, p->port_number);
    if (out->agent == NULL) {
        out->agent = agents_by_host(agents, p->host, p->port_number);
        if (out->agent != NULL && out->agent->shown_url != NULL) {
            buf_str(b, out->agent->config->url);
            buf_str(b, p->path);
            if (p->query != NULL)
                buf_printf(b, "?%s", p->query);
            return ERR_OK;
        }
    }
    if (p->user != NULL)
        return err_set(err, ERR_INVALID,
                       "the URL of the call to %.100s holds credentials; use authentication",
                       p->host);
    buf_str(b, p->all);
    if (out->agent != NULL)
        return ERR_OK;
    if (!egress_host_allowed(config, p->host, p->port_number))
        return err_set(err, ERR_FORBIDDEN,
                       "%.100s:%u is no registered agent and the configuration ([egress]) does "
                       "not allow calls to it",
                       p->host, p->port_number);
    out->agent = agents_for_origin(agents, p->scheme, p->host, p->port_number);
    return ERR_OK;
}

static enum errcode resolve_url(struct agents *agents, const struct config *config, const char *url,
                                const json_t *spec, struct target *out, struct err *err)
{
    struct parts p;
    struct buf b;

    buf_init(&b, TARGET_URL_MAX);
    enum errcode code = parse_url(url, &p, err);
    if (code == ERR_OK)
        code = choose(agents, config, &p, out, &b, err);
    parts_fini(&p);
    if (code != ERR_OK) {
        buf_fini(&b);
        return code;
    }
    return finish(&b, spec, out, err);
}

enum errcode target_from_url(struct agents *agents, const struct config *config, const char *url,
                             struct target *out, struct err *err)
{
    *out = (struct target){0};
    return resolve_url(agents, config, url, NULL, out, err);
}

enum errcode target_resolve(struct agents *agents, const struct config *config, const json_t *spec,
                            struct target *out, struct err *err)
{
    const char *kind = json_str(spec, "kind", "");
    const json_t *uri = json_object_get(spec, "uri");

    *out = (struct target){0};
    if (strcmp(kind, "agent") == 0)
        return resolve_agent(agents, spec, out, err);
    if (strcmp(kind, "http") != 0)
        return err_set(err, ERR_INVALID, "there is no call of kind \"%.40s\"", kind);
    if (!json_is_string(uri) || strlen(json_string_value(uri)) != json_string_length(uri))
        return err_set(err, ERR_INVALID, "the call has no URI");
    return resolve_url(agents, config, json_string_value(uri), spec, out, err);
}

/* ---- comparing and showing ---- */

bool target_same_origin(const char *a, const char *b)
{
    struct parts pa, pb;
    bool same = parse_url(a, &pa, NULL) == ERR_OK;

    same = parse_url(b, &pb, NULL) == ERR_OK && same;
    same = same && strcmp(pa.scheme, pb.scheme) == 0 && strcasecmp(pa.host, pb.host) == 0 &&
           pa.port_number == pb.port_number;
    parts_fini(&pa);
    parts_fini(&pb);
    return same;
}

char *target_public(const char *text)
{
    CURLU *url = curl_url();
    char *shown = NULL;

    if (url != NULL && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK) {
        curl_url_set(url, CURLUPART_USER, NULL, 0);
        curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
        curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0);
        curl_url_get(url, CURLUPART_URL, &shown, 0);
    }
    char *out = mem_strdup(shown != NULL ? shown : "");
    curl_free(shown);
    curl_url_cleanup(url);
    return out;
}

void target_show(const char *url, char *out, size_t size)
{
    struct parts p;

    if (parse_url(url, &p, NULL) == ERR_OK)
        snprintf(out, size, "%s://%s:%u%.200s", p.scheme, p.host, p.port_number, p.path);
    else
        snprintf(out, size, "(a URL that cannot be read)");
    parts_fini(&p);
}
