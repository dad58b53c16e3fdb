// The sidecar's configuration: read once from the environment, checked, never changed.
#pragma once

#include "io/http_client.hpp"
#include "io/redis_url.hpp"
#include "io/traces.hpp"
#include "model/model_table.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace npcchat {

// "unix:PATH" or "host:port".
struct ListenAddress {
    std::string unix_path; // empty: TCP
    std::string host;
    std::uint16_t port = 0;
};

// Addresses and networks, e.g. "10.0.0.0/8".
class AddressList {
  public:
    static std::expected<AddressList, std::string>
    parse(std::string_view text); // divided by commas or spaces
    bool contains(const std::string& address) const;

  private:
    std::vector<boost::asio::ip::network_v4> v4_;
    std::vector<boost::asio::ip::network_v6> v6_;
};

struct Config {
    std::filesystem::path state_dir;
    ListenAddress listen;
    ListenAddress keys_listen;
    std::string edge_secret;
    std::string admin_key_digest;

    std::string sqlite_path; // one of the two
    std::string postgres_url;
    std::optional<RedisUrl> redis;
    int redis_replicas = 0; // that must have a turn before it is acknowledged
    std::chrono::milliseconds store_timeout{2000};
    std::chrono::milliseconds chat_ttl{};
    // Idle chats move from Redis to the database after this time; 0: they stay, and end there.
    std::chrono::milliseconds archive_after{};

    HttpTimeouts model_timeouts; // for targets that name none
    ModelTablePtr models;        // at the start; see Services::models_table
    std::size_t history_tokens = 0;
    std::size_t knowledge_tokens = 0; // of documents, in a prompt
    bool open_rag = false;            // any key adds shared documents
    std::string embed_url;            // of an embedder and a reranker; empty: none
    std::string rerank_url;
    std::size_t vector_memory = 0; // bytes that vectors may take

    TraceSettings traces;

    bool open_signup = false;
    std::size_t max_body = 0;     // bytes
    std::size_t max_document = 0; // bytes of a body that has documents
    AddressList metrics_allow;
    bool log_messages = false;
    unsigned loops = 1;

    // Makes STATE_DIR, and in it edge.secret (mode 0640) and admin.key (mode 0600) where the environment
    // names neither. The error is a line for the operator.
    static std::expected<Config, std::string> from_environment(const Environment& environment);
};

// The process' own environment.
Environment process_environment();

std::expected<ListenAddress, std::string> parse_listen(std::string_view text);

} // namespace npcchat
