#include "net/reply.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/printable.h"

enum { REPLY_VALUES_MAX = 1000000, UNKNOWN = 0xfffd };

/* ---- text ---- */

/* Reads one character and moves `*at` behind it; UNKNOWN (and one byte) where there is none. */
static uint32_t next_char(const char *text, size_t len, size_t *at)
{
    uint32_t c;
    size_t wide = printable_decode(text + *at, len - *at, &c);

    *at += wide > 0 ? wide : 1;
    return wide > 0 ? c : UNKNOWN;
}

static size_t encode(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = len - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(lead[len] | c);
    return len;
}

void reply_harmless(const char *text, size_t len, char *out, size_t size)
{
    size_t n = 0;

    for (size_t at = 0; at < len;) {
        uint32_t c = next_char(text, len, &at);
        char bytes[4];

        if (c == ' ' || (c >= '\t' && c <= '\r')) {
            if (n == 0 || out[n - 1] == ' ')
                continue;
            c = ' ';
        }
        size_t wide = encode(printable_is_hostile(c) ? UNKNOWN : c, bytes);
        if (n + wide >= size)
            break;
        memcpy(out + n, bytes, wide);
        n += wide;
    }
    while (n > 0 && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
}

/* A string of the same text, valid UTF-8 without U+0000. */
static json_t *text_json(const char *text, size_t len)
{
    if (memchr(text, '\0', len) == NULL) {
        json_t *whole = json_stringn(text, len);

        if (whole != NULL)
            return whole;
    }
    struct buf b;
    buf_init(&b, len * 3);
    for (size_t at = 0; at < len;) {
        char bytes[4];
        uint32_t c = next_char(text, len, &at);

        buf_add(&b, bytes, encode(c == 0 ? UNKNOWN : c, bytes));
    }
    json_t *out = json_stringn(b.data != NULL ? b.data : "", b.len);
    buf_fini(&b);
    return out;
}

json_t *reply_base64(const char *data, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *s = (const unsigned char *)data;
    char *text = mem_zalloc((len + 2) / 3 * 4 + 1);
    size_t n = 0;

    for (size_t i = 0; i < len; i += 3) {
        uint32_t v = (uint32_t)s[i] << 16;

        if (i + 1 < len)
            v |= (uint32_t)s[i + 1] << 8;
        if (i + 2 < len)
            v |= s[i + 2];
        text[n++] = digits[v >> 18];
        text[n++] = digits[v >> 12 & 63];
        text[n++] = i + 1 < len ? digits[v >> 6 & 63] : '=';
        text[n++] = i + 2 < len ? digits[v & 63] : '=';
    }
    json_t *out = json_stringn_nocheck(text, n);
    free(text);
    return out;
}

/* ---- content ---- */

/* A million values cost some 100 MB; 16 MiB of "[0,0,0,…" hold eight million. */
static bool too_many_values(const char *text, size_t len)
{
    size_t count = 0;
    bool in_string = false;

    if (len <= REPLY_VALUES_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == ',' || c == '[' || c == '{'))
            count++;
    }
    return count > REPLY_VALUES_MAX;
}

/* The media type without its parameters: "application/problem+json; charset=utf-8" -> 24. */
static size_t media_len(const char *type)
{
    size_t len = strcspn(type, "; \t");

    return len;
}

enum errcode reply_content(const char *type, const char *body, size_t len, json_t **out,
                           struct err *err)
{
    size_t tlen = type != NULL ? media_len(type) : 0;
    struct err why;

    if (len == 0) {
        *out = json_null();
        return ERR_OK;
    }
    if (tlen >= 4 && strncasecmp(type + tlen - 4, "json", 4) == 0) {
        if (too_many_values(body, len))
            return err_set(err, ERR_COMMUNICATION, "its JSON holds more than %d values",
                           REPLY_VALUES_MAX);
        if (json_parse(body, len, "the answer", out, &why) != ERR_OK)
            return err_set(err, ERR_COMMUNICATION, "%s", why.text);
        return ERR_OK;
    }
    *out = tlen >= 5 && strncasecmp(type, "text/", 5) == 0 ? text_json(body, len)
                                                           : reply_base64(body, len);
    return ERR_OK;
}

json_t *reply_headers(CURL *easy)
{
    json_t *out = json_object();
    struct curl_header *h = NULL;

    while ((h = curl_easy_nextheader(easy, CURLH_HEADER, -1, h)) != NULL) {
        char name[128];
        size_t n = 0;

        for (; h->name[n] != '\0' && n + 1 < sizeof name; n++) {
            unsigned char c = (unsigned char)h->name[n];

            name[n] = c > ' ' && c < 0x7f ? (char)tolower(c) : '?';
        }
        name[n] = '\0';
        json_t *value = text_json(h->value, strlen(h->value));
        const char *before = json_str(out, name, NULL);
        if (before != NULL) {
            char *joined = mem_printf("%s, %s", before, json_string_value(value));

            json_decref(value);
            value = json_string(joined);
            free(joined);
        }
        json_object_set_new(out, name, value);
    }
    return out;
}
