#include "chat/turn.hpp"

#include "base/ids.hpp"
#include "base/log.hpp"
#include "chat/quotations.hpp"
#include "chat/tokens.hpp"

#include <algorithm>

namespace npcchat {
namespace {

// Loaded bytes of text for a token of history: the estimate never counts more than 4 bytes as one token.
constexpr std::size_t kBytesPerToken = 4;
// Of an NPC's knowledge, before the budget.
constexpr RetrievalOptions kKnowledgeOptions{.retrieve = 24, .keep = 12, .rerank = true};

Character character_of(const Npc& npc, std::string_view addition = {}) {
    return Character{npc.world_descr, npc.char_descr, npc.has_scratchpad, addition};
}

std::vector<PastMessage> past_messages(std::vector<Message>& messages) {
    std::vector<PastMessage> past;
    past.reserve(messages.size());
    for (Message& message : messages) {
        const bool from_user = message.speaker == Speaker::user;
        past.push_back(
            {from_user ? PastMessage::Role::user : PastMessage::Role::assistant, std::move(message.text)});
    }
    return past;
}

// What was found for the message; nothing, where there is nothing to search.
using Found = std::optional<std::vector<Passage>>;

// Asks no store where neither the NPC nor its world has documents.
Task<Result<Found>> recall(Services& services, const Npc* npc, const TurnRequest& turn) {
    ScopeIds scopes = npc ? npc->knowledge : ScopeIds{};
    RetrievalOptions options = kKnowledgeOptions;
    if (turn.from_documents) {
        options = *turn.from_documents;
        const auto shared = co_await services.documents.scope_id(Scope::shared());
        if (!shared) co_return std::unexpected(shared.error());
        scopes = {*shared, 0};
        if (*shared == 0) co_return std::vector<Passage>();
    }
    if (scopes == ScopeIds{}) co_return std::nullopt;
    auto found = co_await retrieve(services, scopes, turn.message, options);
    if (!found) co_return std::unexpected(std::move(found.error()));
    co_return std::move(*found);
}

// The system message, with as much of what was found as there is room for; the rest of `found` is dropped.
std::string system_for(const Services& services, const Npc* npc, const TurnRequest& turn,
                       std::string_view memory, Found& found, const Budget& budget) {
    const Character character = npc ? character_of(*npc, turn.addition) : Character{};
    std::string system = system_message(npc ? &character : nullptr, memory);
    if (!found) return system;
    const auto quoting = turn.from_documents ? Quoting::answers_only : Quoting::knowledge;
    const std::size_t fixed =
        budget.answer_tokens + estimate_tokens(system) + estimate_tokens(turn.message) + 2 * kMessageTokens;
    std::size_t room = budget.context_tokens > fixed ? budget.context_tokens - fixed : 0;
    if (!turn.from_documents) room = std::min(room, services.config.knowledge_tokens);
    found->resize(quotations_within(*found, quoting, room));
    return system.append(quotation_section(*found, quoting));
}

CompletionRequest request_for(const Services& services, const Npc* npc, const TurnRequest& turn,
                              std::string_view memory, Found& found, std::span<const PastMessage> history,
                              const Budget& budget) {
    auto request = completion_request(
        chat_prompt(system_for(services, npc, turn, memory, found, budget), history, turn.message, budget));
    if (!turn.parameters.empty()) request.members.append(",").append(turn.parameters);
    return request;
}

ReplyOptions options_for(const Npc* npc, const TurnRequest& turn) {
    return {npc ? ThinkingRule::Everywhere : ThinkingRule::OpeningOnly, turn.deltas, turn.cancellation};
}

// What of a prompt is known before the chat is loaded, in tokens.
std::int64_t known_tokens(const Npc* npc, std::string_view message) {
    std::size_t tokens = estimate_tokens(message) + kMessageTokens;
    if (npc) tokens += estimate_tokens(npc->world_descr) + estimate_tokens(npc->char_descr) + kMessageTokens;
    return static_cast<std::int64_t>(tokens);
}

void log_messages(const Services& services, const ChatKey& chat, const Turn& turn) {
    if (!services.config.log_messages) return;
    log(Level::info, "turn",
        {{"user_id", chat.user_id},
         {"chat_id", chat.chat_id},
         {"message", turn.question.text},
         {"response", turn.answer.text}});
}

// From the open chat to the stored turn; an error leaves the lease to the caller.
Task<Result<TurnAnswer>> answer_in(Services& services, Spending& spending, const Model& model, const Npc* npc,
                                   OpenChat& chat, TurnRequest& request, Found found) {
    const Millis asked_at = now_ms();
    const LeaseKeeper::Hold hold(services.leases, chat.lease);
    auto asked = request_for(services, npc, request, chat.memory, found, past_messages(chat.messages),
                             budget_for(services, model));
    auto reply = co_await get_reply(services, spending, model, std::move(asked), options_for(npc, request));
    spending.end();
    if (!reply) co_return std::unexpected(std::move(reply.error()));
    if (request.cancellation && request.cancellation->requested())
        co_return std::unexpected(endpoint_failed(HttpFailure::cancelled));

    Thought& thought = reply->thought;
    Turn turn{npc ? npc->npc_id : "",
              Message{Speaker::user, std::move(request.message), "", asked_at, request.repeat_tag},
              Message{Speaker::assistant, thought.shown, std::move(thought.hidden), now_ms()}};
    log_messages(services, chat.lease.chat, turn);
    auto stored = co_await services.sessions.commit(chat.lease, std::move(turn));
    if (!stored) co_return std::unexpected(std::move(stored.error()));
    co_return TurnAnswer{std::move(thought.shown),
                         chat.lease.chat.chat_id,
                         std::move(reply->model),
                         std::move(reply->finish_reason),
                         reply->usage,
                         std::move(found)};
}

// A turn may have been stored although its sidecar or the store died before saying so. It is looked for among
// what was loaded: who sends it again does so at once.
std::optional<TurnAnswer> answered_before(const OpenChat& chat, const TurnRequest& request,
                                          const Model& model) {
    if (request.repeat_tag.empty()) return std::nullopt;
    const auto question = std::ranges::find(chat.messages, request.repeat_tag, &Message::repeat_tag);
    if (question == chat.messages.end() || std::next(question) == chat.messages.end()) return std::nullopt;
    if (question->at < now_ms() - kAnswerMillis) return std::nullopt;
    const std::string& response = std::next(question)->text;
    if (request.deltas) request.deltas->put(response);
    return TurnAnswer{response, chat.lease.chat.chat_id, model.name, "stop", Usage{}};
}

// A repeat that names no chat has to find the one that the first made.
ChatKey chat_key_for(const TurnRequest& request) {
    if (!request.chat_id.empty()) return {request.user_id, request.chat_id};
    if (!request.repeat_tag.empty()) return {request.user_id, request.repeat_tag.substr(0, 22)};
    return {request.user_id, new_chat_id(), true};
}

// The caller's messages are all that the NPC knows of the conversation, as far as the model's context goes.
Task<Result<TurnAnswer>> answer_without_chat(Services& services, Spending& spending, const Model& model,
                                             const Npc* npc, const TurnRequest& request, Found found) {
    Budget budget = budget_for(services, model);
    budget.history_tokens = budget.context_tokens;
    auto asked = request_for(services, npc, request, "", found, *request.history, budget);
    co_await spending.begin(asked.prompt_estimate, request.bound);
    const auto granted = co_await spending.granted();
    if (!granted) co_return std::unexpected(granted.error());
    auto reply = co_await get_reply(services, spending, model, std::move(asked), options_for(npc, request));
    co_await spending.settled();
    if (!reply) co_return std::unexpected(std::move(reply.error()));
    co_return TurnAnswer{std::move(reply->thought.shown), "",           std::move(reply->model),
                         std::move(reply->finish_reason), reply->usage, std::move(found)};
}

// The memory after this session, by one call to the model, or one for each part of a long transcript.
Task<Result<std::string>> reflect(Services& services, Spending& spending, const Model& model, const Npc* npc,
                                  OpenChat& chat) {
    const Character character = npc ? character_of(*npc) : Character{};
    const Character* self = npc ? &character : nullptr;
    const std::vector<PastMessage> said = past_messages(chat.messages);
    std::string memory = chat.memory;
    const std::size_t tokens = transcript_tokens(self, memory, budget_for(services, model));
    for (const std::string& part : fold_transcript(said, tokens)) {
        auto request = completion_request(reflection_prompts(self, memory, part));
        // Who ends a session may leave at once: it is remembered all the same.
        auto reply = co_await get_reply(services, spending, model, std::move(request), ReplyOptions{});
        if (!reply) co_return std::unexpected(std::move(reply.error()));
        memory = std::move(reply->thought.shown);
    }
    co_return memory;
}

Task<Result<void>> reflect_and_store(Services& services, Spending& spending, OpenChat& chat) {
    const auto model = find_model(services, "");
    if (!model) co_return std::unexpected(model.error());
    std::shared_ptr<const Npc> npc;
    if (const std::string npc_id = chat.npc_id.value_or(""); !npc_id.empty()) {
        auto found = co_await services.shared.npcs.find(services.catalog, npc_id);
        if (!found) co_return std::unexpected(std::move(found.error()));
        npc = std::move(*found);
    }
    const LeaseKeeper::Hold hold(services.leases, chat.lease);
    auto memory = co_await reflect(services, spending, **model, npc.get(), chat);
    spending.end();
    if (!memory) co_return std::unexpected(std::move(memory.error()));
    co_return co_await services.sessions.commit_memory(chat.lease, std::move(*memory), chat.message_count);
}

} // namespace

Task<Result<TurnAnswer>> take_turn(Services& services, TurnRequest request) {
    const auto model = co_await find_model_for(services, request.user_id, request.plan, request.model);
    if (!model) co_return std::unexpected(model.error());
    std::shared_ptr<const Npc> npc;
    if (!request.npc_id.empty()) {
        auto found = co_await services.shared.npcs.find(services.catalog, request.npc_id);
        if (!found) co_return std::unexpected(std::move(found.error()));
        npc = std::move(*found);
    }
    auto found = co_await recall(services, npc.get(), request);
    if (!found) co_return std::unexpected(std::move(found.error()));
    // Both stores are asked at once; what the one has granted is given back where the other refuses.
    Spending spending(services, request.user_id, request.plan, request.trace);
    if (request.history)
        co_return co_await answer_without_chat(services, spending, **model, npc.get(), request,
                                               std::move(*found));
    co_await spending.begin(known_tokens(npc.get(), request.message), request.bound);
    const std::size_t max_bytes = services.config.history_tokens * kBytesPerToken;
    ChatKey key = chat_key_for(request);
    auto chat = co_await services.sessions.open(std::move(key), request.npc_id, max_bytes);
    const auto granted = co_await spending.granted();
    if (!chat) co_return std::unexpected(std::move(chat.error()));
    if (auto before = answered_before(*chat, request, **model)) {
        const auto kept = co_await services.sessions.confirm(chat->lease);
        co_await spending.settled();
        if (!kept) co_return std::unexpected(kept.error());
        co_return std::move(*before);
    }
    if (!granted) {
        co_await services.sessions.release(chat->lease);
        co_return std::unexpected(granted.error());
    }
    if (request.chat_id.empty() && chat->exists) { // made with this key more than a day ago
        co_await services.sessions.release(chat->lease);
        ChatKey fresh{request.user_id, new_chat_id(), true};
        chat = co_await services.sessions.open(std::move(fresh), request.npc_id, max_bytes);
        if (!chat) co_return std::unexpected(std::move(chat.error()));
    }
    auto answer =
        co_await answer_in(services, spending, **model, npc.get(), *chat, request, std::move(*found));
    if (!answer) co_await services.sessions.release(chat->lease);
    co_await spending.settled();
    co_return answer;
}

Task<Result<void>> end_session(Services& services, ChatKey key, RequestPlan plan,
                               std::optional<TraceContext> trace) {
    constexpr std::size_t kAll = std::size_t{1} << 40;
    auto chat = co_await services.sessions.open(std::move(key), std::nullopt, kAll);
    if (!chat) co_return std::unexpected(std::move(chat.error()));
    Result<void> ended;
    if (!chat->exists) {
        ended = fail(400, "Chat history is empty, there is nothing to remember");
    } else if (!chat->messages.empty()) {
        // A memory is never refused: it may leave debts.
        Spending spending(services, chat->lease.chat.user_id, plan, std::move(trace));
        co_await spending.begin_anyway(known_tokens(nullptr, ""));
        ended = co_await reflect_and_store(services, spending, *chat);
        co_await spending.settled();
        if (ended) co_return ended;
    }
    co_await services.sessions.release(chat->lease);
    co_return ended;
}

} // namespace npcchat
