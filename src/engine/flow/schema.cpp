// JSON Schema: valijson over a copy of the values in RapidJSON, which has an adapter. No exception
// leaves this file.
#include "engine/flow/schema.h"

#include <cctype>
#include <exception>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "engine/flow/schema_regex.hpp"

#define VALIJSON_USE_EXCEPTIONS 1 // it ends the process otherwise
#include <valijson/adapters/rapidjson_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include <rapidjson/pointer.h> // after valijson, which makes its assertions exceptions

struct schema {
    valijson::Schema root;
};

namespace
{

using Value = rapidjson::Value;
using Document = rapidjson::Document;
using Memory = Document::AllocatorType;
using Adapter = valijson::adapters::RapidJsonAdapter;

// What is applied to one and the same value, all references followed.
enum { APPLIED_MAX = 10000, APPLIED_DEPTH_MAX = 100, UNIQUE_MAX = 2000 };

Value convert(const json_t *from, Memory &memory)
{
    switch (json_typeof(from)) {
    case JSON_OBJECT: {
        Value to(rapidjson::kObjectType);
        const char *key;
        json_t *part;
        json_object_foreach(const_cast<json_t *>(from), key, part)
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

// ---- drafts ------------------------------------------------------------------------------------
// valijson reads draft 7. What other drafts spell differently is rewritten; what draft 7 cannot say
// is refused, since a keyword that is passed over lets wrong values in.

const char *const one_schema[] = {
    "additionalProperties", "additionalItems", "items", "not", "if", "then", "else", "contains",
    "propertyNames"};
const char *const many_schemas[] = {"allOf", "anyOf", "oneOf", "items"};
const char *const named_schemas[] = {"properties", "patternProperties", "definitions", "$defs",
                                     "dependencies"};
const char *const unsupported[] = {"unevaluatedProperties", "unevaluatedItems", "$dynamicRef",
                                   "$recursiveRef",         "minContains",      "maxContains"};
// valijson converts where it can: "5" would do for a number, {} for an array.
const struct {
    const char *kind;
    bool (Value::*is)() const;
    std::vector<const char *> keys;
} kinds[] = {
    {"a number",
     &Value::IsNumber,
     {"maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum", "multipleOf", "maxLength",
      "minLength", "maxItems", "minItems", "maxProperties", "minProperties"}},
    {"an array", &Value::IsArray, {"allOf", "anyOf", "oneOf", "enum", "required"}},
    {"an object",
     &Value::IsObject,
     {"properties", "patternProperties", "definitions", "$defs", "dependencies"}},
    {"a text", &Value::IsString, {"pattern", "format"}},
    {"true or false", &Value::IsBool, {"uniqueItems"}},
};

Value *get(Value &object, const char *key)
{
    auto found = object.FindMember(key);

    return found != object.MemberEnd() ? &found->value : nullptr;
}

// Calls `each` with every schema directly inside `schema`.
template <typename F> void inside(Value &schema, F each)
{
    if (!schema.IsObject())
        return;
    for (const char *key : one_schema) {
        if (Value *part = get(schema, key); part != nullptr && part->IsObject())
            each(*part);
    }
    for (const char *key : many_schemas) {
        if (Value *parts = get(schema, key); parts != nullptr && parts->IsArray())
            for (Value &part : parts->GetArray())
                each(part);
    }
    for (const char *key : named_schemas) {
        if (Value *parts = get(schema, key); parts != nullptr && parts->IsObject())
            for (auto &member : parts->GetObject())
                each(member.value);
    }
}

void rename(Value &schema, const char *from, const char *to, Memory &memory)
{
    auto found = schema.FindMember(from);

    if (found == schema.MemberEnd())
        return;
    Value moved(std::move(found->value));
    schema.RemoveMember(from);
    schema.RemoveMember(to);
    schema.AddMember(Value(to, memory), moved, memory);
}

// Draft 4: exclusiveMaximum: true beside maximum.
void rewrite_bound(Value &schema, const char *exclusive, const char *bound, Memory &memory)
{
    Value *flag = get(schema, exclusive);

    if (flag == nullptr || !flag->IsBool())
        return;
    bool is_exclusive = flag->GetBool();
    schema.RemoveMember(exclusive);
    if (is_exclusive)
        rename(schema, bound, exclusive, memory);
}

// 2019: dependencies became two keywords.
void rewrite_dependencies(Value &schema, const char *key, Memory &memory)
{
    Value *parts = get(schema, key);

    if (parts == nullptr || !parts->IsObject())
        return;
    if (get(schema, "dependencies") == nullptr) {
        rename(schema, key, "dependencies", memory);
        return;
    }
    Value moved(std::move(*parts));
    schema.RemoveMember(key);
    Value &all = *get(schema, "dependencies");
    for (auto &member : moved.GetObject()) {
        if (!all.IsObject() || all.HasMember(member.name))
            throw std::runtime_error("\"" + std::string(key) + "\" beside another dependency");
        all.AddMember(member.name, member.value, memory);
    }
}

// 2019: what stands beside $ref holds as well.
void rewrite_reference(Value &schema, Memory &memory)
{
    Value *all = get(schema, "allOf");
    Value part(rapidjson::kObjectType);

    if (get(schema, "$ref") == nullptr || schema.MemberCount() == 1)
        return;
    if (all != nullptr && !all->IsArray())
        throw std::runtime_error("\"allOf\" must be an array");
    part.AddMember("$ref", Value(*get(schema, "$ref"), memory), memory);
    schema.RemoveMember("$ref");
    if (get(schema, "allOf") == nullptr)
        schema.AddMember("allOf", Value(rapidjson::kArrayType), memory);
    get(schema, "allOf")->PushBack(part, memory);
}

void check_keywords(Value &schema)
{
    for (const char *key : unsupported) {
        if (get(schema, key) != nullptr)
            throw std::runtime_error("\"" + std::string(key) +
                                     "\" is not supported by this runtime");
    }
    for (const auto &kind : kinds) {
        for (const char *key : kind.keys) {
            if (Value *value = get(schema, key); value != nullptr && !(value->*kind.is)())
                throw std::runtime_error("\"" + std::string(key) + "\" must be " + kind.kind);
        }
    }
    // valijson divides by it
    if (Value *number = get(schema, "multipleOf"); number != nullptr && !(number->GetDouble() > 0))
        throw std::runtime_error("\"multipleOf\" must be greater than 0");
    if (Value *ref = get(schema, "$ref"); ref != nullptr) {
        std::string text = ref->IsString() ? ref->GetString() : "";

        if (text != "#" && text.compare(0, 2, "#/") != 0)
            throw std::runtime_error("$ref \"" + text.substr(0, 100) +
                                     "\": only references inside the document are allowed "
                                     "(\"#/$defs/name\")");
    }
    if (Value *pattern = get(schema, "pattern"); pattern != nullptr && pattern->IsString())
        schema_regex::expression test(pattern->GetString());
    if (Value *named = get(schema, "patternProperties"); named != nullptr && named->IsObject())
        for (auto &member : named->GetObject())
            schema_regex::expression test(member.name.GetString());
}

void normalise(Value &schema, bool modern, Memory &memory)
{
    if (!schema.IsObject())
        return;
    schema.RemoveMember("$id"); // all references are from the root
    schema.RemoveMember("id");
    rewrite_bound(schema, "exclusiveMaximum", "maximum", memory);
    rewrite_bound(schema, "exclusiveMinimum", "minimum", memory);
    if (get(schema, "prefixItems") != nullptr) {
        rename(schema, "items", "additionalItems", memory);
        rename(schema, "prefixItems", "items", memory);
    }
    rewrite_dependencies(schema, "dependentRequired", memory);
    rewrite_dependencies(schema, "dependentSchemas", memory);
    if (modern)
        rewrite_reference(schema, memory);
    check_keywords(schema);
    inside(schema, [&](Value &part) { normalise(part, modern, memory); });
}

// ---- schemas without end -----------------------------------------------------------------------

struct Extent {
    long applied, depth;
};

// Measures what one value is checked against, so that references in a circle, and those that double
// at each step, are refused when the schema is made.
class Measure
{
  public:
    explicit Measure(Value &root) : root(root)
    {
    }

    void all(Value &schema)
    {
        of(schema);
        inside(schema, [&](Value &part) { all(part); });
    }

  private:
    Value &root;
    std::unordered_map<const Value *, Extent> known;
    std::unordered_set<const Value *> active;

    void add(Extent &sum, Value &part)
    {
        Extent more = of(part);

        sum.applied += more.applied;
        sum.depth = std::max(sum.depth, more.depth + 1);
        if (sum.applied > APPLIED_MAX || sum.depth > APPLIED_DEPTH_MAX)
            throw std::runtime_error("the schema applies too many schemas to one value");
    }

    // "#/a%20b" is the pointer "/a b".
    static std::string decode(const std::string &fragment)
    {
        std::string text;

        for (size_t i = 1; i < fragment.size(); i++) {
            bool escaped = fragment[i] == '%' && i + 2 < fragment.size() &&
                           isxdigit(static_cast<unsigned char>(fragment[i + 1])) &&
                           isxdigit(static_cast<unsigned char>(fragment[i + 2]));

            text += escaped ? static_cast<char>(std::stoi(fragment.substr(i + 1, 2), nullptr, 16))
                            : fragment[i];
            i += escaped ? 2 : 0;
        }
        return text;
    }

    Value &resolve(const Value &ref)
    {
        std::string text = decode(ref.GetString());
        rapidjson::Pointer pointer(text.c_str(), text.size());
        Value *found = pointer.IsValid() ? pointer.Get(root) : nullptr;

        if (found == nullptr)
            throw std::runtime_error("$ref \"" + std::string(ref.GetString()).substr(0, 100) +
                                     "\" leads nowhere");
        return *found;
    }

    Extent of(Value &schema)
    {
        if (auto found = known.find(&schema); found != known.end())
            return found->second;
        Extent sum = {1, 1};
        if (!schema.IsObject())
            return sum;
        if (active.size() > APPLIED_DEPTH_MAX || !active.insert(&schema).second)
            throw std::runtime_error("the schema refers to itself without end");
        if (Value *ref = get(schema, "$ref"); ref != nullptr && ref->IsString())
            add(sum, resolve(*ref));
        for (const char *key : {"not", "if", "then", "else"}) {
            if (Value *part = get(schema, key); part != nullptr)
                add(sum, *part);
        }
        for (const char *key : {"allOf", "anyOf", "oneOf"}) {
            if (Value *parts = get(schema, key); parts != nullptr && parts->IsArray())
                for (Value &part : parts->GetArray())
                    add(sum, part);
        }
        if (Value *parts = get(schema, "dependencies"); parts != nullptr && parts->IsObject())
            for (auto &member : parts->GetObject())
                add(sum, member.value);
        active.erase(&schema);
        known[&schema] = sum;
        return sum;
    }
};

// ---- valijson ----------------------------------------------------------------------------------

// References to elsewhere are never followed; check_keywords says so before.
const Document *fetch(const std::string &uri)
{
    throw std::runtime_error("the schema refers to \"" + uri + "\"");
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

bool is_modern(Value &schema)
{
    Value *dialect = schema.IsObject() ? get(schema, "$schema") : nullptr;

    return dialect == nullptr || !dialect->IsString() ||
           std::string(dialect->GetString()).find("/draft-0") == std::string::npos;
}

// As an object: valijson wants one at the root.
void make_object(Value &schema, Memory &memory)
{
    bool all = !schema.IsFalse();

    if (schema.IsObject())
        return;
    if (!schema.IsBool())
        throw std::runtime_error("it must be an object or a boolean");
    schema.SetObject();
    if (!all)
        schema.AddMember("not", Value(rapidjson::kObjectType), memory);
}

} // namespace

// valijson compares every item with every other.
template <> bool valijson::ValidationVisitor<Adapter>::visit(const UniqueItemsConstraint &)
{
    unsigned long at = 0;

    if (!m_target.isArray())
        return true;
    if (m_target.getArraySize() > UNIQUE_MAX)
        throw ::std::runtime_error("more than 2000 items are not checked for being unique");
    const auto items = m_target.asArray();
    for (auto outer = items.begin(); outer != items.end(); ++outer, at++) {
        auto inner = outer;

        for (++inner; inner != items.end(); ++inner) {
            if (!outer->equalTo(*inner, true))
                continue;
            if (m_results != nullptr)
                m_results->pushError(m_context,
                                     "Item " + ::std::to_string(at) + " is there more than once.");
            return false;
        }
    }
    return true;
}

extern "C" enum errcode schema_new(const json_t *document, struct schema **out, struct err *err)
{
    *out = nullptr;
    try {
        Document copy;
        copy.CopyFrom(convert(document, copy.GetAllocator()), copy.GetAllocator());
        auto made = std::make_unique<struct schema>();
        valijson::SchemaParser parser(valijson::SchemaParser::kDraft7);

        make_object(copy, copy.GetAllocator());
        normalise(copy, is_modern(copy), copy.GetAllocator());
        Measure(copy).all(copy);
        parser.populateSchema<Adapter>(Adapter(copy), made->root, fetch, dispose);
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
        valijson::Validator validator(valijson::Validator::kStrongTypes);
        valijson::ValidationResults results;

        if (validator.validate(s->root, Adapter(root), &results))
            return ERR_OK;
        std::string text;
        valijson::ValidationResults::Error error;
        for (int n = 0; n < 5 && results.popError(error); n++)
            text += (n > 0 ? "; " : "") + pointer(error.context) + ": " + error.description;
        return err_set(err, ERR_INVALID, "%.480s",
                       text.empty() ? "the value is not what the schema says" : text.c_str());
    } catch (const std::exception &e) {
        return err_set(err, ERR_INVALID, "the value cannot be checked: %.300s", e.what());
    }
}
