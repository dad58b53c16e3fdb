// Documents: added, listed, read and deleted, of an NPC, of a world, and of those that all may ask.
#include "account/names.hpp"
#include "base/ids.hpp"
#include "base/number.hpp"
#include "base/utf8.hpp"
#include "routes/body.hpp"
#include "routes/owned_npc.hpp"
#include "routes/paging.hpp"
#include "routes/routes.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace npcchat::routes {
namespace {

constexpr std::size_t kMaxLabel = 1024;         // bytes of a title or source
constexpr std::size_t kMaxMetadata = 16 * 1024; // bytes of JSON
constexpr std::size_t kMaxTexts = 1000;         // of one request
constexpr auto kCutLimit = std::chrono::seconds(30);

struct Given {
    std::string title;
    std::string source;
    std::string metadata;
    std::vector<std::string> texts;
};

Result<void> check_text(std::string_view text, std::string_view name) {
    if (text.find_first_not_of(" \t\r\n\v\f") != text.npos) return {};
    return fail(422, fmt::format("{}: a document cannot be empty or only white space", name));
}

Result<std::string> label_of(const Result<std::optional<std::string>>& given) {
    if (!given) return std::unexpected(given.error());
    return given->value_or("");
}

bool is_plain(std::string_view content_type) {
    std::string type(content_type.substr(0, content_type.find(';')));
    std::erase(type, ' ');
    std::ranges::transform(type, type.begin(), [](unsigned char c) { return std::tolower(c); });
    return type == "text/plain" || type == "text/markdown";
}

// Title and source, which may stand in the query.
Result<Given> read_query(const Request& request) {
    Given given;
    for (auto [name, field] : {std::pair("title", &given.title), std::pair("source", &given.source)}) {
        auto value = label_of(query_field(request, name));
        if (!value) return std::unexpected(std::move(value.error()));
        if (value->size() > kMaxLabel)
            return fail(422, fmt::format("{}: must be at most {} bytes", name, kMaxLabel));
        *field = std::move(*value);
    }
    return given;
}

// A body that is the text.
Result<Given> read_plain(Request& request) {
    if (!is_valid_utf8(request.body)) return fail(400, "The document is not UTF-8 text");
    if (request.body.contains('\0'))
        return fail(400, "The document has a NUL byte: send text, no binary file");
    auto given = read_query(request);
    if (!given) return given;
    if (request.body.starts_with("\xEF\xBB\xBF")) request.body.erase(0, 3); // a byte order mark
    if (auto checked = check_text(request.body, "text"); !checked) return std::unexpected(checked.error());
    given->texts.push_back(std::move(request.body));
    return given;
}

// What the body says wins over the query.
Result<Given> read_labels(const Request& request, const json_t* body) {
    auto given = read_query(request);
    if (!given) return given;
    const Fields fields(body);
    for (auto [name, field] : {std::pair("title", &given->title), std::pair("source", &given->source)}) {
        auto value = fields.optional_text(name, 0, kMaxLabel);
        if (!value) return std::unexpected(std::move(value.error()));
        if (*value) *field = std::move(**value);
    }
    if (const json_t* value = json_object_get(body, "metadata"); value && !json_is_null(value)) {
        if (!json_is_object(value)) return fail(422, "metadata: must be an object");
        const std::unique_ptr<char, decltype(&std::free)> text(json_dumps(value, JSON_COMPACT), std::free);
        if (!text || std::string_view(text.get()).size() > kMaxMetadata)
            return fail(422, fmt::format("metadata: must be at most {} bytes", kMaxMetadata));
        given->metadata = text.get();
    }
    return given;
}

Result<Given> read_document(Request& request) {
    if (is_plain(request.content_type)) return read_plain(request);
    const auto body = json_body(request);
    if (!body) return std::unexpected(body.error());
    auto given = read_labels(request, body->get());
    if (!given) return given;
    auto text = Fields(body->get()).text("text", 1, request.body.size());
    if (!text) return std::unexpected(std::move(text.error()));
    if (auto checked = check_text(*text, "text"); !checked) return std::unexpected(checked.error());
    given->texts.push_back(std::move(*text));
    return given;
}

// `text`, or `texts`.
Result<Given> read_documents(Request& request) {
    const auto body = json_body(request);
    if (!body) return std::unexpected(body.error());
    const json_t* texts = json_object_get(body->get(), "texts");
    if (!texts || json_is_null(texts)) return read_document(request);
    if (const json_t* text = json_object_get(body->get(), "text"); text && !json_is_null(text))
        return fail(422, "text: give either text or texts");
    auto given = read_labels(request, body->get());
    if (!given) return given;
    if (!json_is_array(texts) || json_array_size(texts) < 1 || json_array_size(texts) > kMaxTexts)
        return fail(422, fmt::format("texts: must be a list of 1 to {} texts", kMaxTexts));
    for (std::size_t i = 0; i < json_array_size(texts); ++i) {
        const json_t* text = json_array_get(texts, i);
        if (!json_is_string(text)) return fail(422, fmt::format("texts[{}]: must be a text", i));
        given->texts.emplace_back(json_string_value(text), json_string_length(text));
        if (auto checked = check_text(given->texts.back(), fmt::format("texts[{}]", i)); !checked)
            return std::unexpected(checked.error());
    }
    return given;
}

Task<Result<std::vector<AddedDocument>>> add_documents(Services& services, const Scope& scope, Given given) {
    const Executor executor = co_await asio::this_coro::executor;
    auto prepared =
        co_await services.shared.cutter.run(executor, kCutLimit, [given = std::move(given)]() mutable {
            std::vector<NewDocument> documents;
            for (std::string& text : given.texts)
                documents.push_back(
                    prepare_document(given.title, given.source, given.metadata, std::move(text)));
            return documents;
        });
    if (!prepared) co_return std::unexpected(std::move(prepared.error()));
    auto added = co_await services.documents.add(scope, std::move(*prepared));
    if (!added) co_return std::unexpected(std::move(added.error()));
    if (!*added) co_return fail(404, "What the document was for is gone");
    services.shared.words.changed((**added).front().scope_id);
    if (scope.name != Scope::shared().name) services.shared.npcs.documents_added(scope);
    co_return std::move(**added);
}

std::string document_json(const Document& document) {
    return fmt::format(
        R"({{"document_id": {}, "title": {}, "source": {}, "metadata": {}, "bytes": {}, "chunks": {}, )"
        R"("created": "{}")",
        json_string(document.document_id), json_string(document.title), json_string(document.source),
        document.metadata.empty() ? "null" : document.metadata, document.bytes, document.chunks,
        rfc3339(document.created));
}

std::string listed_json(const Document& document) {
    return document_json(document) + "}";
}

std::string cursor_text(const Document& document) {
    return fmt::format("{}-{}", document.created, document.document_id);
}

Result<DocumentCursor> page_start(const Request& request) {
    const auto text = query_field(request, "after");
    if (!text) return std::unexpected(text.error());
    if (!*text || (*text)->empty()) return DocumentCursor();
    const std::string& after = **text;
    const auto dash = std::min(after.find('-'), after.size());
    const auto created = parse_number<Millis>(after.substr(0, dash));
    if (!created || dash == after.size()) return fail(422, "after: must be the `next` of a page");
    return DocumentCursor{*created, after.substr(dash + 1)};
}

// Whose documents a request is about, for those who may read and change them.
using ScopeOf = Task<Result<Scope>> (*)(Services& services, const Request& request);

Task<Result<Scope>> scope_of_npc(Services& services, const Request& request) {
    auto npc = co_await owned_npc(services, request);
    co_return map(std::move(npc), [](const Npc& found) { return Scope::of_npc(found); });
}

// The caller's own world of this name; the admin names another's owner in the query.
Task<Result<Scope>> scope_of_world(Services& services, const Request& request) {
    const std::string& world = request.params.front();
    if (auto name = check_world_name(world); !name)
        co_return fail(404, "No world has such a name, which " + name.error());
    const auto owner = query_field(request, "owner");
    if (!owner) co_return std::unexpected(owner.error());
    const Identity& identity = *request.identity;
    if (!*owner || (*owner)->empty() || fold_name(**owner) == fold_name(identity.name))
        co_return Scope::of_world(identity.id, world);
    if (!identity.is_admin) co_return fail(403, "Only the admin reads and changes others' worlds");
    const auto user = co_await services.catalog.find_user_by_name(sha256_hex(fold_name(**owner)));
    if (!user) co_return std::unexpected(user.error());
    if (!*user) co_return fail(404, "Unknown user");
    co_return Scope::of_world((*user)->id, world);
}

Task<Result<Scope>> shared_scope(Services&, const Request&) {
    co_return Scope::shared();
}

Task<Result<Response>> add_one(Services& services, Request& request, ScopeOf scope_of) {
    const auto scope = co_await scope_of(services, request);
    if (!scope) co_return std::unexpected(scope.error());
    auto given = read_document(request);
    if (!given) co_return std::unexpected(std::move(given.error()));
    request.body = std::string();
    const auto added = co_await add_documents(services, *scope, std::move(*given));
    if (!added) co_return std::unexpected(added.error());
    co_return json_response(fmt::format(R"({{"document_id": {}, "chunks": {}}})",
                                        json_string(added->front().document_id), added->front().chunks),
                            201);
}

Task<Result<Response>> list(Services& services, Request& request, ScopeOf scope_of) {
    const auto limit = page_size(request);
    if (!limit) co_return std::unexpected(limit.error());
    auto after = page_start(request);
    if (!after) co_return std::unexpected(std::move(after.error()));
    const auto scope = co_await scope_of(services, request);
    if (!scope) co_return std::unexpected(scope.error());
    const auto documents = co_await services.documents.list(*scope, std::move(*after), *limit + 1);
    if (!documents) co_return std::unexpected(documents.error());
    co_return json_response(page_json(*documents, *limit, listed_json, cursor_text));
}

Task<Result<Response>> get_one(Services& services, Request& request, ScopeOf scope_of) {
    const auto scope = co_await scope_of(services, request);
    if (!scope) co_return std::unexpected(scope.error());
    const auto document = co_await services.documents.find(*scope, request.params.back());
    if (!document) co_return std::unexpected(document.error());
    if (!*document) co_return fail(404, "Unknown document_id");
    std::string body = document_json(**document) + R"(, "text": )";
    append_json_string(body, (*document)->text);
    co_return json_response(body + "}");
}

Task<Result<Response>> delete_one(Services& services, Request& request, ScopeOf scope_of) {
    const auto scope = co_await scope_of(services, request);
    if (!scope) co_return std::unexpected(scope.error());
    const auto removed = co_await services.documents.remove(*scope, request.params.back());
    if (!removed) co_return std::unexpected(removed.error());
    if (!*removed) co_return fail(404, "Unknown document_id");
    co_return json_response("", 204);
}

} // namespace

Task<Result<Response>> add_npc_document(Services& services, Request& request) {
    return add_one(services, request, scope_of_npc);
}
Task<Result<Response>> list_npc_documents(Services& services, Request& request) {
    return list(services, request, scope_of_npc);
}
Task<Result<Response>> get_npc_document(Services& services, Request& request) {
    return get_one(services, request, scope_of_npc);
}
Task<Result<Response>> delete_npc_document(Services& services, Request& request) {
    return delete_one(services, request, scope_of_npc);
}

Task<Result<Response>> add_world_document(Services& services, Request& request) {
    return add_one(services, request, scope_of_world);
}
Task<Result<Response>> list_world_documents(Services& services, Request& request) {
    return list(services, request, scope_of_world);
}
Task<Result<Response>> get_world_document(Services& services, Request& request) {
    return get_one(services, request, scope_of_world);
}
Task<Result<Response>> delete_world_document(Services& services, Request& request) {
    return delete_one(services, request, scope_of_world);
}

Task<Result<Response>> add_to_rag_db(Services& services, Request& request) {
    if (!request.identity->is_admin && !services.config.open_rag)
        co_return fail(403, "Only the admin adds shared documents here");
    auto given = read_documents(request);
    if (!given) co_return std::unexpected(std::move(given.error()));
    request.body = std::string();
    const auto added = co_await add_documents(services, Scope::shared(), std::move(*given));
    if (!added) co_return std::unexpected(added.error());
    std::string ids;
    std::int64_t chunks = 0;
    for (const AddedDocument& document : *added) {
        ids += (ids.empty() ? "" : ", ") + json_string(document.document_id);
        chunks += document.chunks;
    }
    co_return json_response(fmt::format(R"({{"document_ids": [{}], "chunks": {}}})", ids, chunks));
}
Task<Result<Response>> list_shared_documents(Services& services, Request& request) {
    return list(services, request, shared_scope);
}
Task<Result<Response>> get_shared_document(Services& services, Request& request) {
    return get_one(services, request, shared_scope);
}
Task<Result<Response>> delete_shared_document(Services& services, Request& request) {
    return delete_one(services, request, shared_scope);
}

} // namespace npcchat::routes
