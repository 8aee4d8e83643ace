#include "model.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

enum { ANSWER_MAX = 1024 * 1024, SECONDS = 60 };

static size_t receive(char *data, size_t size, size_t count, void *arg)
{
    return buf_add(arg, data, size * count) ? count : 0;
}

static enum errcode post_json(const struct options *o, const char *url, const char *request,
                              struct buf *answer, struct err *err)
{
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    long status = 0;

    if (o->model_key != NULL) {
        char *bearer = mem_printf("Authorization: Bearer %s", o->model_key);

        headers = curl_slist_append(headers, bearer);
        free(bearer);
    }
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)SECONDS);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    CURLcode result = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (result != CURLE_OK)
        return err_set(err, ERR_UNAVAILABLE, "model: %s", curl_easy_strerror(result));
    if (status != 200)
        return err_set(err, ERR_UNAVAILABLE, "model: HTTP status %ld", status);
    return ERR_OK;
}

static enum errcode answer_text(const struct buf *answer, char **text, struct err *err)
{
    json_t *root = NULL;
    enum errcode code =
        json_parse(answer->len > 0 ? answer->data : "", answer->len, "model answer", &root, err);
    const json_t *choice = json_array_get(json_object_get(root, "choices"), 0);
    const char *content =
        json_string_value(json_object_get(json_object_get(choice, "message"), "content"));

    if (code != ERR_OK || content == NULL)
        code = err_set(err, ERR_UNAVAILABLE, "model: an answer without choices[0].message.content");
    else
        *text = mem_strdup(content);
    json_decref(root);
    return code;
}

enum errcode model_ask(const struct options *o, const char *role, const char *question, char **text,
                       struct err *err)
{
    json_t *request =
        json_pack("{s:s, s:i, s:[{s:s, s:s}, {s:s, s:s}]}", "model",
                  o->model != NULL ? o->model : "default", "temperature", 0, "messages", "role",
                  "system", "content", role, "role", "user", "content", question);
    size_t url_len = strlen(o->model_url);
    struct buf answer;

    *text = NULL;
    if (request == NULL)
        return err_set(err, ERR_INVALID, "model: the question is not UTF-8");
    while (url_len > 0 && o->model_url[url_len - 1] == '/')
        url_len--;
    char *url = mem_printf("%.*s/chat/completions", (int)url_len, o->model_url);
    char *body = json_text(request);
    buf_init(&answer, ANSWER_MAX);
    enum errcode code = post_json(o, url, body, &answer, err);
    if (code == ERR_OK)
        code = answer_text(&answer, text, err);
    buf_fini(&answer);
    free(body);
    free(url);
    json_decref(request);
    return code;
}
