// JSON Schema: valijson over a copy of the values in RapidJSON, which has an adapter.
#include "engine/flow/schema.h"

#define VALIJSON_USE_EXCEPTIONS 1
#include <exception>
#include <memory>
#include <string>

#include <valijson/adapters/rapidjson_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

struct schema {
    valijson::Schema root;
};

namespace {

using Value = rapidjson::Value;
using Document = rapidjson::Document;

Value convert(const json_t *from, Document::AllocatorType &memory)
{
    switch (json_typeof(from)) {
    case JSON_OBJECT: {
        Value to(rapidjson::kObjectType);
        const char *key;
        json_t *part;
        json_object_foreach (const_cast<json_t *>(from), key, part)
            to.AddMember(Value(key, memory), convert(part, memory), memory);
        return to;
    }
    case JSON_ARRAY: {
        Value to(rapidjson::kArrayType);
        for (size_t i = 0; i < json_array_size(from); i++)
            to.PushBack(convert(json_array_get(from, i), memory), memory);
        return to;
    }
    case JSON_STRING:
        return Value(json_string_value(from),
                     static_cast<rapidjson::SizeType>(json_string_length(from)), memory);
    case JSON_INTEGER:
        return Value(static_cast<int64_t>(json_integer_value(from)));
    case JSON_REAL:
        return Value(json_real_value(from));
    case JSON_TRUE:
        return Value(true);
    case JSON_FALSE:
        return Value(false);
    default:
        return Value();
    }
}

// References to elsewhere are never followed.
const Document *fetch(const std::string &uri)
{
    throw std::runtime_error("the schema refers to \"" + uri +
                             "\": only references inside the document are allowed");
}

void dispose(const Document *)
{
}

// "<root>[a][0]" becomes "/a/0".
std::string pointer(const std::vector<std::string> &context)
{
    std::string text;

    for (const auto &part : context) {
        if (part == "<root>")
            continue;
        size_t skip = part.size() > 1 && part.front() == '[' ? 1 : 0;
        text += "/" + part.substr(skip, part.size() - 2 * skip);
    }
    return text.empty() ? "/" : text;
}

} // namespace

extern "C" enum errcode schema_new(const json_t *document, struct schema **out, struct err *err)
{
    *out = nullptr;
    try {
        Document copy;
        copy.CopyFrom(convert(document, copy.GetAllocator()), copy.GetAllocator());
        if (!copy.IsObject() && !copy.IsBool())
            return err_set(err, ERR_INVALID, "a schema must be an object or a boolean");
        auto made = std::make_unique<struct schema>();
        if (copy.IsBool()) {
            bool all = copy.GetBool();

            copy.SetObject();
            if (!all)
                copy.AddMember("not", Value(rapidjson::kObjectType), copy.GetAllocator());
        }
        valijson::SchemaParser parser(valijson::SchemaParser::kDraft7);
        valijson::adapters::RapidJsonAdapter adapter(copy);
        parser.populateSchema<valijson::adapters::RapidJsonAdapter>(adapter, made->root, fetch,
                                                                    dispose);
        *out = made.release();
        return ERR_OK;
    } catch (const std::exception &e) {
        return err_set(err, ERR_INVALID, "the schema is not valid: %.300s", e.what());
    }
}

extern "C" void schema_free(struct schema *s)
{
    delete s;
}

extern "C" enum errcode schema_check(const struct schema *s, const json_t *value, struct err *err)
{
    try {
        Document copy;
        Value root = convert(value, copy.GetAllocator());
        valijson::adapters::RapidJsonAdapter adapter(root);
        valijson::Validator validator(valijson::Validator::kStrongTypes);
        valijson::ValidationResults results;

        if (validator.validate(s->root, adapter, &results))
            return ERR_OK;
        std::string text;
        valijson::ValidationResults::Error error;
        for (int n = 0; n < 5 && results.popError(error); n++)
            text += (n > 0 ? "; " : "") + pointer(error.context) + ": " + error.description;
        return err_set(err, ERR_INVALID, "%.480s", text.c_str());
    } catch (const std::exception &e) {
        return err_set(err, ERR_INVALID, "the value cannot be checked: %.300s", e.what());
    }
}
