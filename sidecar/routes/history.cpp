// What was said in a chat: all of it for the admin, one's own chats for everybody.
#include "account/names.hpp"
#include "base/ids.hpp"
#include "routes/body.hpp"
#include "routes/routes.hpp"

#include <fmt/format.h>

namespace npcchat::routes {
namespace {

// A user as a history's path names it: by digests, so that no key passes from the edge to here.
struct PathUser {
    std::string digest;        // of the segment as it was sent: a key's
    std::string folded_digest; // of the segment in lower case: a name's
};

PathUser path_user_of(const Request& request) {
    const auto space = request.path_user.find(' ');
    if (space != std::string_view::npos) {
        return {std::string(request.path_user.substr(0, space)),
                std::string(request.path_user.substr(space + 1))};
    }
    const std::string& segment = request.params.front();
    return {sha256_hex(segment), sha256_hex(fold_name(segment))};
}

Task<Result<User>> find_path_user(Services& services, PathUser path_user) {
    if (equal_constant_time(path_user.digest, services.config.admin_key_digest)) {
        co_return User{kAdminId, std::string(kAdminName), "", 0};
    }
    auto owner = co_await services.catalog.find_key(std::move(path_user.digest));
    if (!owner) co_return std::unexpected(std::move(owner.error()));
    if (*owner) co_return std::move((*owner)->user);
    auto user = co_await services.catalog.find_user_by_name(std::move(path_user.folded_digest));
    if (!user) co_return std::unexpected(std::move(user.error()));
    if (!*user) co_return fail(404, "Unknown user");
    co_return std::move(**user);
}

enum class View { admin, own };

void append_message(std::string& body, const Message& message, View view) {
    body += R"({"role": )";
    body += message.speaker == Speaker::user ? R"("user")" : R"("assistant")";
    body += R"(, "text": )";
    append_json_string(body, message.text);
    body += R"(, "time": )";
    append_json_string(body, rfc3339(message.at));
    if (view == View::admin && !message.scratchpad.empty()) {
        body += R"(, "scratchpad": )";
        append_json_string(body, message.scratchpad);
    }
    body += '}';
}

std::string history_json(const std::string& chat_id, const std::string& user, const ChatHistory& history,
                         View view) {
    const std::string npc_id = history.npc_id.value_or("");
    std::string body =
        fmt::format(R"({{"chat_id": {}, "user_id": {}, "npc_id": {}, "history": [)", json_string(chat_id),
                    json_string(user), npc_id.empty() ? "null" : json_string(npc_id));
    for (std::size_t i = 0; i < history.messages.size(); ++i) {
        if (i > 0) body += ", ";
        append_message(body, history.messages[i], view);
    }
    body += ']';
    if (view == View::admin) body += R"(, "summary": )" + json_string(history.memory);
    body += '}';
    return body;
}

Task<Result<Response>> answer_history(Services& services, UserId user_id, std::string user,
                                      std::string chat_id, View view) {
    if (!is_chat_id(chat_id)) co_return fail(404, "Unknown chat_id");
    const auto history = co_await services.sessions.history(ChatKey{user_id, chat_id});
    if (!history) co_return std::unexpected(history.error());
    if (!*history) co_return fail(404, "Unknown chat_id");
    co_return json_response(history_json(chat_id, user, **history, view));
}

} // namespace

Task<Result<Response>> history_of_user(Services& services, Request& request) {
    auto user = co_await find_path_user(services, path_user_of(request));
    if (!user) co_return std::unexpected(std::move(user.error()));
    co_return co_await answer_history(services, user->id, std::move(user->name), request.params[1],
                                      View::admin);
}

Task<Result<Response>> own_history(Services& services, Request& request) {
    const Identity& identity = *request.identity;
    co_return co_await answer_history(services, identity.id, identity.name, request.params[0], View::own);
}

} // namespace npcchat::routes
