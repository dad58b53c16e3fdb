// Every route of the sidecar, one function each, one file a resource.
#pragma once

#include "http/router.hpp"
#include "services.hpp"

#include <span>

namespace npcchat {

std::span<const Route> public_routes(); // what the edge proxies
std::span<const Route> key_routes();    // what the edge itself asks, on a socket of its own

namespace routes {

// users.cpp
Task<Result<Response>> signup(Services& services, Request& request);
Task<Result<Response>> api_key(Services& services, Request& request);
Task<Result<Response>> verify_token(Services& services, Request& request);

// plans.cpp
Task<Result<Response>> list_users(Services& services, Request& request);
Task<Result<Response>> get_plan(Services& services, Request& request);
Task<Result<Response>> put_plan(Services& services, Request& request);
Task<Result<Response>> delete_user(Services& services, Request& request);

// usage.cpp
Task<Result<Response>> usage(Services& services, Request& request);

// npcs.cpp
Task<Result<Response>> create_npc(Services& services, Request& request);
Task<Result<Response>> list_npcs(Services& services, Request& request);
Task<Result<Response>> get_npc(Services& services, Request& request);
Task<Result<Response>> put_npc(Services& services, Request& request);
Task<Result<Response>> delete_npc(Services& services, Request& request);

// documents.cpp
Task<Result<Response>> add_npc_document(Services& services, Request& request);
Task<Result<Response>> list_npc_documents(Services& services, Request& request);
Task<Result<Response>> get_npc_document(Services& services, Request& request);
Task<Result<Response>> delete_npc_document(Services& services, Request& request);
Task<Result<Response>> add_world_document(Services& services, Request& request);
Task<Result<Response>> list_world_documents(Services& services, Request& request);
Task<Result<Response>> get_world_document(Services& services, Request& request);
Task<Result<Response>> delete_world_document(Services& services, Request& request);
Task<Result<Response>> add_to_rag_db(Services& services, Request& request);
Task<Result<Response>> list_shared_documents(Services& services, Request& request);
Task<Result<Response>> get_shared_document(Services& services, Request& request);
Task<Result<Response>> delete_shared_document(Services& services, Request& request);

// reindex.cpp
Task<Result<Response>> get_reindex(Services& services, Request& request);
Task<Result<Response>> start_reindex(Services& services, Request& request);

// chat.cpp
Task<Result<Response>> rag(Services& services, Request& request);
Task<Result<Response>> chat_npc(Services& services, Request& request);
Task<Result<Response>> chat(Services& services, Request& request);
Task<Result<Response>> end_chat_session(Services& services, Request& request);

// openai.cpp
Task<Result<Response>> list_models(Services& services, Request& request);
Task<Result<Response>> get_model(Services& services, Request& request);
Task<Result<Response>> chat_completions(Services& services, Request& request);
Task<Result<Response>> embeddings(Services& services, Request& request);

// history.cpp
Task<Result<Response>> history_of_user(Services& services, Request& request);
Task<Result<Response>> own_history(Services& services, Request& request);

// operations.cpp
Task<Result<Response>> metrics(Services& services, Request& request);
Task<Result<Response>> healthz(Services& services, Request& request);
Task<Result<Response>> readyz(Services& services, Request& request);
Task<Result<Response>> docs_page(Services& services, Request& request);
Task<Result<Response>> docs_asset(Services& services, Request& request);
Task<Result<Response>> openapi(Services& services, Request& request);

// keys.cpp
Task<Result<Response>> find_key(Services& services, Request& request);

} // namespace routes
} // namespace npcchat
