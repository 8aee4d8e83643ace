/* JSON Schema: what it says, in which dialect, and that neither schema nor value can hurt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "engine/flow/schema.h"

static json_t *parsed(const char *text)
{
    json_error_t at;
    json_t *value = json_loads(text, JSON_DECODE_ANY, &at);

    if (value == NULL)
        fail_msg("%s: %s", text, at.text);
    return value;
}

static struct schema *make(const char *text)
{
    struct schema *s;
    struct err err;
    json_t *document = parsed(text);

    if (schema_new(document, &s, &err) != ERR_OK)
        fail_msg("%s: %s", text, err.text);
    json_decref(document); /* the schema keeps nothing of it */
    return s;
}

static void check(const char *schema, const char *value, bool expected)
{
    struct schema *s = make(schema);
    struct err err = {0};
    json_t *v = parsed(value);
    enum errcode code = schema_check(s, v, &err);

    if ((code == ERR_OK) != expected)
        fail_msg("%s with %s: %s", schema, value, expected ? err.text : "is taken");
    if (!expected && (code != ERR_INVALID || err.text[0] == '\0'))
        fail_msg("%s with %s: code %d and \"%s\"", schema, value, code, err.text);
    json_decref(v);
    schema_free(s);
}

static void yes(const char *schema, const char *value)
{
    check(schema, value, true);
}

static void no(const char *schema, const char *value)
{
    check(schema, value, false);
}

static void wrong(const char *schema, const char *word)
{
    struct schema *s;
    struct err err;
    json_t *document = parsed(schema);

    if (schema_new(document, &s, &err) != ERR_INVALID)
        fail_msg("%s is taken", schema);
    assert_null(s);
    if (strstr(err.text, word) == NULL)
        fail_msg("\"%s\" does not say %s", err.text, word);
    json_decref(document);
}

static void keywords(void **state)
{
    static const char *const person =
        "{\"type\":\"object\",\"required\":[\"name\"],\"properties\":{\"name\":{\"type\":"
        "\"string\"},"
        "\"age\":{\"type\":\"integer\",\"minimum\":0}},\"additionalProperties\":false}";

    (void)state;
    yes(person, "{\"name\":\"x\",\"age\":3}");
    no(person, "{\"age\":3}");
    no(person, "{\"name\":3}");
    no(person, "{\"name\":\"x\",\"age\":-1}");
    no(person, "{\"name\":\"x\",\"age\":1.5}");
    no(person, "{\"name\":\"x\",\"more\":1}");
    no(person, "[]");
    no("{\"type\":\"string\"}", "1"); /* nothing is converted */
    no("{\"type\":\"number\"}", "\"1\"");
    no("{\"type\":\"boolean\"}", "\"true\"");
    yes("{\"type\":[\"string\",\"null\"]}", "null");
    yes("{\"enum\":[1,\"a\",null,{\"b\":[1]}]}", "{\"b\":[1]}");
    no("{\"enum\":[1,\"a\"]}", "2");
    yes("{\"const\":{\"a\":1}}", "{\"a\":1}");
    no("{\"const\":1}", "2");
    yes("{\"items\":{\"type\":\"integer\"},\"maxItems\":2}", "[1,2]");
    no("{\"items\":{\"type\":\"integer\"},\"maxItems\":2}", "[1,2,3]");
    no("{\"items\":{\"type\":\"integer\"}}", "[1,\"2\"]");
    no("{\"contains\":{\"const\":5}}", "[1,2]");
    no("{\"propertyNames\":{\"maxLength\":2}}", "{\"abc\":1}");
    yes("{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"number\"}]}", "1");
    no("{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"number\"}]}", "1");
    no("{\"not\":{\"type\":\"string\"}}", "\"x\"");
    no("{\"if\":{\"required\":[\"a\"]},\"then\":{\"required\":[\"b\"]}}", "{\"a\":1}");
    no("{\"multipleOf\":0.5}", "0.7");
    yes("{\"maximum\":9223372036854775807}", "9223372036854775807");
    no("{\"maxLength\":1}", "\"\xc3\xa9\xc3\xa9\"");
    yes("{\"maxLength\":2}", "\"\xc3\xa9\xc3\xa9\""); /* characters, not bytes */
    yes("true", "1");
    no("false", "1");
    yes("{}", "null");
}

static void unique_items(void **state)
{
    struct schema *s = make("{\"uniqueItems\":true}");
    struct err err;
    json_t *many = json_array();

    (void)state;
    no("{\"uniqueItems\":true}", "[1,2,{\"a\":1},3,{\"a\":1}]");
    yes("{\"uniqueItems\":true}", "[1,\"1\",[1],true]");
    yes("{\"uniqueItems\":false}", "[1,1]");
    yes("{\"uniqueItems\":true}", "\"aa\"");
    for (int i = 0; i < 100000; i++)
        json_array_append_new(many, json_integer(i));
    assert_int_equal(schema_check(s, many, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "more than 2000 items"));
    json_decref(many);
    schema_free(s);
}

static void formats(void **state)
{
    (void)state;
    yes("{\"format\":\"date\"}", "\"2024-02-29\"");
    no("{\"format\":\"date\"}", "\"2024-13-01\"");
    yes("{\"format\":\"date-time\"}", "\"2022-07-18T16:52:45.5+02:00\"");
    no("{\"format\":\"date-time\"}", "\"2022-07-18 16:52:45\"");
    yes("{\"format\":\"time\"}", "\"16:52:45Z\"");
    no("{\"format\":\"time\"}", "\"25:00:00Z\"");
    yes("{\"format\":\"unknown\"}", "\"x\"");
}

static void patterns(void **state)
{
    (void)state;
    yes("{\"pattern\":\"^[a-z]+$\"}", "\"abc\"");
    no("{\"pattern\":\"^[a-z]+$\"}", "\"aBc\"");
    no("{\"pattern\":\"^[a-z]+$\"}", "\"abc\\n\""); /* $ is the very end */
    no("{\"pattern\":\"^[a-z]+$\"}", "\"1\\nabc\"");
    yes("{\"pattern\":\"b\"}", "\"abc\""); /* not anchored */
    yes("{\"pattern\":\"^\\\\d{3}-\\\\$[$]$\"}", "\"123-$$\"");
    yes("{\"pattern\":\"^\\\\u00e9[[]$\"}", "\"\xc3\xa9[\"");
    no("{\"pattern\":\"^\\\\d$\"}", "\"\xd9\xa3\""); /* only ASCII digits */
    yes("{\"pattern\":\"^.$\"}", "\"\xe2\x82\xac\"");
    yes("{\"pattern\":\"^(?<y>a|b)(?=c)\"}", "\"bc\"");
    yes("{\"pattern\":\"^a\"}", "5"); /* only texts */
    yes("{\"patternProperties\":{\"^x-\":{\"type\":\"string\"}},\"additionalProperties\":false}",
        "{\"x-a\":\"b\"}");
    no("{\"patternProperties\":{\"^x-\":{\"type\":\"string\"}},\"additionalProperties\":false}",
       "{\"x-a\":1}");
    no("{\"patternProperties\":{\"^x-\":{}},\"additionalProperties\":false}", "{\"y-a\":1}");
    wrong("{\"pattern\":\"(\"}", "pattern \"(\" is not valid");
    wrong("{\"properties\":{\"a\":{\"pattern\":\"[\"}}}", "pattern");
    wrong("{\"patternProperties\":{\"*\":{}}}", "pattern");
}

static void references(void **state)
{
    static const char *const tree =
        "{\"$defs\":{\"node\":{\"type\":\"object\",\"required\":[\"v\"],\"properties\":{\"v\":"
        "{\"type\":\"integer\"},\"next\":{\"$ref\":\"#/$defs/node\"}}}},\"$ref\":\"#/$defs/node\"}";
    static const char *const self =
        "{\"properties\":{\"c\":{\"$ref\":\"#\"}},\"additionalProperties\":false}";

    (void)state;
    yes(tree, "{\"v\":1,\"next\":{\"v\":2,\"next\":{\"v\":3}}}");
    no(tree, "{\"v\":1,\"next\":{\"v\":2,\"next\":{\"v\":\"3\"}}}");
    no(tree, "{\"next\":{\"v\":1}}");
    yes(self, "{\"c\":{\"c\":{}}}");
    no(self, "{\"c\":{\"d\":{}}}");
    yes("{\"$id\":\"https://example.com/s\",\"properties\":{\"id\":{\"$ref\":"
        "\"#/definitions/a~1b\"}},\"definitions\":{\"a/b\":{\"type\":\"string\"}}}",
        "{\"id\":\"x\"}");
    wrong("{\"$ref\":\"https://example.com/s.json\"}", "only references inside");
    wrong("{\"$ref\":\"file:///etc/passwd\"}", "only references inside");
    wrong("{\"$ref\":\"other.json#/a\"}", "only references inside");
    wrong("{\"$ref\":\"#name\"}", "only references inside");
    wrong("{\"$ref\":5}", "only references inside");
    wrong("{\"$ref\":\"#/none\"}", "leads nowhere");
}

static void dialects(void **state)
{
    static const char *const both = "{\"dependentSchemas\":{\"a\":{\"required\":[\"b\"]}},"
                                    "\"dependentRequired\":{\"c\":[\"d\"]}}";

    (void)state;
    /* 2020-12, which holds where nothing else is said */
    no("{\"prefixItems\":[{\"type\":\"string\"}],\"items\":{\"type\":\"integer\"}}",
       "[\"a\",\"b\"]");
    yes("{\"prefixItems\":[{\"type\":\"string\"}],\"items\":{\"type\":\"integer\"}}", "[\"a\",1]");
    no("{\"prefixItems\":[{}],\"items\":false}", "[1,2]");
    no("{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"a\":1}");
    no(both, "{\"a\":1}");
    no(both, "{\"c\":1}");
    no("{\"$defs\":{\"s\":{\"type\":\"string\"}},\"properties\":{\"a\":{\"$ref\":\"#/$defs/s\","
       "\"maxLength\":1}}}",
       "{\"a\":\"xx\"}");
    wrong("{\"unevaluatedProperties\":false}", "not supported");
    wrong("{\"allOf\":[{\"minContains\":2}]}", "not supported");
    yes("{\"properties\":{\"unevaluatedProperties\":{\"type\":\"string\"}}}",
        "{\"unevaluatedProperties\":\"x\"}"); /* only a name */
    /* draft 7: what stands beside $ref is passed over */
    yes("{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"definitions\":{\"s\":{}},"
        "\"properties\":{\"a\":{\"$ref\":\"#/definitions/s\",\"maxLength\":1}}}",
        "{\"a\":\"xx\"}");
    /* draft 4 */
    no("{\"maximum\":5,\"exclusiveMaximum\":true}", "5");
    yes("{\"maximum\":5,\"exclusiveMaximum\":false}", "5");
    no("{\"minimum\":5,\"exclusiveMinimum\":true}", "5");
    no("{\"exclusiveMinimum\":5}", "5");
}

static void bad_schemas(void **state)
{
    static const char *const bad[] = {
        "1",
        "null",
        "[]",
        "\"x\"",
        "{\"type\":5}",
        "{\"type\":\"text\"}",
        "{\"required\":\"a\"}",
        "{\"properties\":[]}",
        "{\"minLength\":-1}",
        "{\"maximum\":\"5\"}",
        "{\"allOf\":{}}",
        "{\"enum\":5}",
        "{\"items\":5}",
        "{\"allOf\":[5]}",
        "{\"multipleOf\":0}",
        "{\"multipleOf\":0.0}",
        "{\"multipleOf\":-1}",
        "{\"pattern\":5}",
        "{\"not\":5}",
        "{\"properties\":{\"a\":5}}",
        "{\"allOf\":{},\"$ref\":\"#/x\",\"x\":{}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        wrong(bad[i], "the schema is not valid: ");
}

static void without_end(void **state)
{
    struct buf b;

    (void)state;
    wrong("{\"$ref\":\"#\"}", "without end");
    wrong("{\"allOf\":[{\"$ref\":\"#\"}]}", "without end");
    wrong("{\"properties\":{\"x\":{\"not\":{\"$ref\":\"#/properties/x\"}}}}", "without end");
    wrong("{\"definitions\":{\"a\":{\"$ref\":\"#/definitions/b\"},"
          "\"b\":{\"$ref\":\"#/definitions/a\"}},\"$ref\":\"#/definitions/a\"}",
          "without end");
    wrong("{\"dependencies\":{\"a\":{\"$ref\":\"#\"}}}", "without end");
    buf_init(&b, 1 << 20); /* doubles at each step */
    buf_str(&b, "{\"$ref\":\"#/$defs/a0\",\"$defs\":{\"a40\":{}");
    for (int i = 0; i < 40; i++)
        buf_printf(&b,
                   ",\"a%d\":{\"allOf\":[{\"$ref\":\"#/$defs/a%d\"},{\"$ref\":\"#/$defs/a%d\"}]}",
                   i, i + 1, i + 1);
    buf_str(&b, "}}");
    wrong(b.data, "");
    buf_clear(&b); /* a long chain */
    buf_str(&b, "{\"$ref\":\"#/$defs/a0\",\"$defs\":{\"a3000\":{}");
    for (int i = 0; i < 3000; i++)
        buf_printf(&b, ",\"a%d\":{\"$ref\":\"#/$defs/a%d\"}", i, i + 1);
    buf_str(&b, "}}");
    wrong(b.data, "");
    buf_fini(&b);
}

/* A long text, or one made for backtracking, neither overflows the stack nor holds up the loop. */
static void hostile_texts(void **state)
{
    static const char *const schemas[] = {
        "{\"pattern\":\"^(a|b)*$\"}",
        "{\"pattern\":\"^(a+)+$\"}",
        "{\"pattern\":\"(a*)*c\"}",
        "{\"patternProperties\":{\"^(a|a)*$\":{}}}",
        "{\"propertyNames\":{\"pattern\":\"^(a+)+$\"}}",
        "{\"format\":\"date\"}",
        "{\"format\":\"date-time\"}",
        "{\"format\":\"time\"}",
    };
    size_t len = 1 << 20;
    char *text = malloc(len + 1);

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++) {
        struct schema *s = make(schemas[i]);
        struct err err;

        memset(text, strstr(schemas[i], "format") != NULL ? '1' : 'a', len);
        text[len - 1] = '!';
        text[len] = '\0';
        json_t *value = json_pack("[s{s:i}]", text, text, 1);
        (void)schema_check(s, json_array_get(value, 0), &err);
        (void)schema_check(s, json_array_get(value, 1), &err);
        json_decref(value);
        schema_free(s);
    }
    free(text);
    no("{\"pattern\":\"^(a+)+$\"}", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"");
}

static void messages(void **state)
{
    struct schema *s = make("{\"properties\":{\"a\":{\"items\":{\"type\":\"integer\"}}}}");
    struct err err;
    json_t *value = parsed("{\"a\":[1,\"x\"]}");

    (void)state;
    assert_int_equal(schema_check(s, value, &err), ERR_INVALID);
    assert_non_null(strstr(err.text, "/a"));
    assert_int_equal(schema_check(s, value, NULL), ERR_INVALID);
    json_decref(value);
    schema_free(s);
    schema_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keywords),      cmocka_unit_test(unique_items),
        cmocka_unit_test(formats),       cmocka_unit_test(patterns),
        cmocka_unit_test(references),    cmocka_unit_test(dialects),
        cmocka_unit_test(bad_schemas),   cmocka_unit_test(without_end),
        cmocka_unit_test(hostile_texts), cmocka_unit_test(messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
