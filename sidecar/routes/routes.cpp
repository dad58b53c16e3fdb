#include "routes/routes.hpp"

#include "common/protocol.hpp"

#include <array>

namespace npcchat {

std::span<const Route> public_routes() {
    using enum Access;
    static constexpr std::array kRoutes = {
        Route{"POST", "/chat_npc", key, routes::chat_npc},
        Route{"POST", "/chat", key, routes::chat},
        Route{"POST", "/end_chat_session", key, routes::end_chat_session},
        Route{"GET", "/chat/{chat_id}/history", key, routes::own_history},
        Route{"GET", "/chat/{user}/{chat_id}/history", admin, routes::history_of_user},
        Route{"POST", "/create_npc", key, routes::create_npc},
        Route{"GET", "/npcs", key, routes::list_npcs},
        Route{"GET", "/npcs/{npc_id}", key, routes::get_npc},
        Route{"PUT", "/npcs/{npc_id}", key, routes::put_npc},
        Route{"DELETE", "/npcs/{npc_id}", key, routes::delete_npc},
        Route{"POST", "/npcs/{npc_id}/documents", key, routes::add_npc_document, Body::document},
        Route{"GET", "/npcs/{npc_id}/documents", key, routes::list_npc_documents},
        Route{"GET", "/npcs/{npc_id}/documents/{document_id}", key, routes::get_npc_document},
        Route{"DELETE", "/npcs/{npc_id}/documents/{document_id}", key, routes::delete_npc_document},
        Route{"POST", "/worlds/{world}/documents", key, routes::add_world_document, Body::document},
        Route{"GET", "/worlds/{world}/documents", key, routes::list_world_documents},
        Route{"GET", "/worlds/{world}/documents/{document_id}", key, routes::get_world_document},
        Route{"DELETE", "/worlds/{world}/documents/{document_id}", key, routes::delete_world_document},
        Route{"POST", "/rag", key, routes::rag},
        Route{"POST", "/add_to_rag_db", key, routes::add_to_rag_db, Body::document},
        Route{"GET", "/documents", admin, routes::list_shared_documents},
        Route{"GET", "/documents/{document_id}", admin, routes::get_shared_document},
        Route{"DELETE", "/documents/{document_id}", admin, routes::delete_shared_document},
        Route{"GET", "/reindex", admin, routes::get_reindex},
        Route{"POST", "/reindex", admin, routes::start_reindex},
        Route{"POST", "/v1/chat/completions", key, routes::chat_completions},
        Route{"POST", "/v1/embeddings", key, routes::embeddings},
        Route{"GET", "/v1/models", key, routes::list_models},
        Route{"GET", "/v1/models/{+model}", key, routes::get_model},
        Route{"POST", "/signup", open, routes::signup},
        Route{"POST", "/api_key", open, routes::api_key},
        Route{"POST", "/verify_token", key, routes::verify_token},
        Route{"GET", "/usage", key, routes::usage},
        Route{"GET", "/users", admin, routes::list_users},
        Route{"DELETE", "/users/{name}", admin, routes::delete_user},
        Route{"GET", "/users/{name}/plan", admin, routes::get_plan},
        Route{"PUT", "/users/{name}/plan", admin, routes::put_plan},
        Route{"GET", "/metrics", open, routes::metrics},
        Route{"GET", "/healthz", open, routes::healthz},
        Route{"GET", "/readyz", open, routes::readyz},
        Route{"GET", "/docs", open, routes::docs_page},
        Route{"GET", "/docs/{file}", open, routes::docs_asset},
        Route{"GET", "/openapi.json", open, routes::openapi},
    };
    return kRoutes;
}

std::span<const Route> key_routes() {
    static constexpr std::array kRoutes = {Route{"GET", protocol::key_path, Access::open, routes::find_key}};
    return kRoutes;
}

} // namespace npcchat
