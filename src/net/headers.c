#include "net/headers.h"

#include <string.h>
#include <strings.h>

/* They say where a message ends or whom the connection belongs to. */
static const char *const reserved[] = {
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "proxy-authorization",
    "proxy-connection",
};

void headers_init(struct headers *h)
{
    h->count = 0;
    buf_init(&h->text, HEADERS_BYTES_MAX);
}

void headers_fini(struct headers *h)
{
    if (h->text.data != NULL)
        explicit_bzero(h->text.data, h->text.cap);
    buf_fini(&h->text);
}

void headers_clear(struct headers *h)
{
    h->count = 0;
    buf_clear(&h->text);
}

static bool is_token(const char *name)
{
    static const char token[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~";

    return name[0] != '\0' && strspn(name, token) == strlen(name);
}

static bool is_value(const char *value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)value[i];

        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static const struct header *find(const struct headers *h, const char *name, size_t len)
{
    for (size_t i = 0; i < h->count; i++)
        if (h->lines[i].name_len == len &&
            strncasecmp(h->text.data + h->lines[i].at, name, len) == 0)
            return &h->lines[i];
    return NULL;
}

enum errcode headers_add(struct headers *h, const char *name, const char *value, size_t len,
                         bool secret, struct err *err)
{
    size_t name_len = strlen(name);

    if (!is_token(name))
        return err_set(err, ERR_INVALID, "the call has a header whose name is not valid");
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (strcasecmp(name, reserved[i]) == 0)
            return err_set(err, ERR_INVALID, "the header %s is not the document's to set", name);
    if (!is_value(value, len))
        return err_set(err, ERR_INVALID,
                       "the value of header %.60s holds a line end or control character", name);
    if (find(h, name, name_len) != NULL)
        return ERR_OK;
    if (h->count >= HEADERS_MAX)
        return err_set(err, ERR_TOO_LARGE, "the call has more than %d headers", HEADERS_MAX);
    h->lines[h->count] = (struct header){.at = h->text.len, .name_len = name_len, .secret = secret};
    buf_add(&h->text, name, name_len);
    buf_add(&h->text, len > 0 ? ": " : ";", len > 0 ? 2 : 1); /* libcurl's form for no value */
    buf_add(&h->text, value, len);
    if (!buf_add(&h->text, "", 1))
        return err_set(err, ERR_TOO_LARGE, "the headers of the call are larger than %d bytes",
                       HEADERS_BYTES_MAX);
    h->count++;
    return ERR_OK;
}

const char *headers_get(const struct headers *h, const char *name)
{
    const struct header *line = find(h, name, strlen(name));

    if (line == NULL)
        return NULL;
    const char *after = h->text.data + line->at + line->name_len;
    return after[0] == ';' ? "" : after + 2;
}

struct curl_slist *headers_list(struct headers *h, bool with_secrets)
{
    struct curl_slist *first = NULL, *last = NULL;

    for (size_t i = 0; i < h->count; i++) {
        if (h->lines[i].secret && !with_secrets)
            continue;
        struct curl_slist *node = &h->nodes[i];

        *node = (struct curl_slist){.data = h->text.data + h->lines[i].at};
        if (last != NULL)
            last->next = node;
        else
            first = node;
        last = node;
    }
    return first;
}
