#include "config/config.hpp"

#include "base/ids.hpp"
#include "base/number.hpp"
#include "base/percent.hpp"

#include <algorithm>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <ranges>
#include <sys/stat.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

namespace npcchat {
namespace {

namespace ip = boost::asio::ip;

constexpr std::size_t kMaxDocument =
    16UL * 1024 * 1024; // see client_max_body_size in conf/npcchat-server.conf

// Thrown while the environment is read, caught by from_environment.
struct Invalid {
    std::string text;
};

template <class Number>
Number number_from(const Environment& environment, const char* name, Number otherwise, Number min,
                   Number max) {
    const auto text = environment(name);
    if (!text) return otherwise;
    const auto number = parse_number<Number>(*text);
    if (!number || !(*number >= min && *number <= max)) { // so, for NaN
        throw Invalid{fmt::format("{} must be a number from {} to {}", name, min, max)};
    }
    return *number;
}

std::chrono::milliseconds seconds_from(const Environment& environment, const char* name, double otherwise) {
    const double seconds = number_from(environment, name, otherwise, 0.01, 86'400.0);
    return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

std::string first_line(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

// A secret of our own making, kept in a file. Two processes that start together agree: who links the file
// first, wins.
std::string kept_secret(const std::filesystem::path& path, mode_t mode, std::string fresh) {
    if (std::string kept = first_line(path); !kept.empty()) return kept;
    const std::string draft = fmt::format("{}.{}", path.string(), getpid());
    const int file = open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    fresh += '\n';
    const bool written = file >= 0 && fchmod(file, mode) == 0 &&
                         write(file, fresh.data(), fresh.size()) == static_cast<ssize_t>(fresh.size());
    if (file >= 0) close(file);
    if (written) link(draft.c_str(), path.c_str());
    unlink(draft.c_str());
    std::string kept = first_line(path);
    if (kept.empty()) throw Invalid{path.string() + " cannot be written"};
    return kept;
}

std::string admin_key_from(const Environment& environment, const std::filesystem::path& state_dir) {
    const auto given = environment("ADMIN_KEY");
    const std::string key = given ? *given : kept_secret(state_dir / "admin.key", 0600, new_api_key());
    const bool printable = std::ranges::all_of(key, [](unsigned char c) { return c > 0x20 && c < 0x7F; });
    if (key.size() > 256 || !printable) {
        throw Invalid{"ADMIN_KEY must be 1 to 256 printable ASCII characters without spaces"};
    }
    return key;
}

std::string edge_secret_from(const Environment& environment, const std::filesystem::path& state_dir) {
    if (auto secret = environment("EDGE_SECRET")) return *secret;
    const std::filesystem::path path =
        environment("EDGE_SECRET_FILE").value_or((state_dir / "edge.secret").string());
    return kept_secret(path, 0640, random_token(32));
}

ListenAddress listen_from(const char* name, const std::string& text) {
    auto address = parse_listen(text);
    if (!address) throw Invalid{fmt::format("{}: {}", name, address.error())};
    return *address;
}

// Beside the public address, so that one setting moves both.
std::string keys_listen_for(const ListenAddress& listen) {
    if (!listen.unix_path.empty()) return "unix:" + listen.unix_path + ".keys";
    return fmt::format("{}:{}", listen.host, listen.port + 1);
}

void read_stores(Config& config, const Environment& environment) {
    const std::string url =
        environment("DATABASE_URL").value_or("sqlite:" + (config.state_dir / "npcchat.db").string());
    if (url.starts_with("sqlite:"))
        config.sqlite_path = url.substr(sizeof("sqlite:") - 1);
    else if (url.starts_with("postgresql://") || url.starts_with("postgres://"))
        config.postgres_url = url;
    else
        throw Invalid{"DATABASE_URL must be postgresql://… or sqlite:PATH"};
    if (const auto redis = environment("REDIS_URL")) {
        auto parsed = parse_redis_url(*redis);
        if (!parsed) throw Invalid{"REDIS_URL: " + parsed.error()};
        config.redis = std::move(*parsed);
    }
    config.redis_replicas = number_from<int>(environment, "REDIS_WAIT_REPLICAS", 0, 0, 16);
    config.store_timeout = seconds_from(environment, "STORE_TIMEOUT", 2);
    config.chat_ttl = std::chrono::seconds(
        number_from<std::int64_t>(environment, "CHAT_TTL", 30L * 86'400, 1, 100L * 365 * 86'400));
    config.archive_after = std::chrono::seconds(
        number_from<std::int64_t>(environment, "ARCHIVE_AFTER", 86'400, 0, 100L * 365 * 86'400));
    // Those that end before need no archive, and without Redis they are in the database anyway.
    if (!config.redis || config.archive_after >= config.chat_ttl) config.archive_after = {};
}

void read_models(Config& config, const Environment& environment) {
    HttpTimeouts& defaults = config.model_timeouts;
    defaults.connect = seconds_from(environment, "MODEL_CONNECT_TIMEOUT", 5);
    defaults.first_byte = seconds_from(environment, "MODEL_FIRST_TOKEN_TIMEOUT", 60);
    defaults.between_bytes = seconds_from(environment, "MODEL_BETWEEN_TOKENS_TIMEOUT", 60);
    defaults.whole = seconds_from(environment, "MODEL_TIMEOUT", 120);
    auto models = ModelTable::from_environment(environment, defaults);
    if (!models) throw Invalid{models.error()};
    config.models = std::move(*models);
    config.history_tokens = number_from<std::size_t>(environment, "HISTORY_TOKENS", 8192, 0, 1'000'000);
}

bool is_full_url(std::string_view text) {
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (text.starts_with(scheme) && text.size() > scheme.size()) return true;
    }
    return false;
}

std::string url_from(const Environment& environment, const char* name) {
    std::string url = environment(name).value_or("");
    if (!url.empty() && !is_full_url(url))
        throw Invalid{fmt::format("{} must be a full URL, http://… or https://…", name)};
    return url;
}

void read_knowledge(Config& config, const Environment& environment) {
    config.knowledge_tokens = number_from<std::size_t>(environment, "KNOWLEDGE_TOKENS", 1024, 0, 1'000'000);
    config.open_rag = environment("OPEN_RAG").value_or("0") == "1";
    config.embed_url = url_from(environment, "EMBED_URL");
    config.rerank_url = url_from(environment, "RERANK_URL");
    config.vector_memory =
        number_from<std::size_t>(environment, "VECTOR_MEMORY", 1UL << 30, 1UL << 20, 1UL << 40);
}

// OpenTelemetry's own variables: https://opentelemetry.io/docs/specs/otel/protocol/exporter/
void read_traces(Config& config, const Environment& environment) {
    TraceSettings& traces = config.traces;
    traces.endpoint = environment("OTEL_EXPORTER_OTLP_ENDPOINT").value_or("");
    while (traces.endpoint.ends_with('/'))
        traces.endpoint.pop_back();
    if (!traces.endpoint.empty() && !is_full_url(traces.endpoint))
        throw Invalid{"OTEL_EXPORTER_OTLP_ENDPOINT must be http://… or https://…"};
    traces.service = environment("OTEL_SERVICE_NAME").value_or(traces.service);
    const std::string headers = environment("OTEL_EXPORTER_OTLP_HEADERS").value_or("");
    for (const auto part : std::views::split(headers, ',')) {
        const std::string_view pair(part);
        if (pair.empty()) continue;
        const auto equals = pair.find('=');
        const auto value = decode_component(pair.substr(std::min(equals + 1, pair.size())));
        const bool is_line = value && std::ranges::none_of(*value, [](unsigned char c) { return c < 0x20; });
        if (equals == pair.npos || equals == 0 || !is_line)
            throw Invalid{"OTEL_EXPORTER_OTLP_HEADERS must be name=value,name=value…"};
        traces.headers.push_back(fmt::format("{}: {}", pair.substr(0, equals), *value));
    }
}

void read_service(Config& config, const Environment& environment) {
    const std::string listen = environment("SIDECAR_LISTEN")
                                   .value_or("unix:" + (config.state_dir / "run" / "sidecar.sock").string());
    config.listen = listen_from("SIDECAR_LISTEN", listen);
    config.keys_listen = listen_from(
        "SIDECAR_KEYS_LISTEN", environment("SIDECAR_KEYS_LISTEN").value_or(keys_listen_for(config.listen)));
    const std::string signup = environment("SIGNUP").value_or("admin");
    if (signup != "open" && signup != "admin") throw Invalid{"SIGNUP must be open or admin"};
    config.open_signup = signup == "open";
    config.max_body = number_from<std::size_t>(environment, "MAX_BODY", 1024 * 1024, 1024, 1UL << 30);
    config.max_document = std::max(config.max_body, kMaxDocument);
    auto allowed = AddressList::parse(environment("METRICS_ALLOW").value_or(""));
    if (!allowed) throw Invalid{"METRICS_ALLOW: " + allowed.error()};
    config.metrics_allow = std::move(*allowed);
    config.log_messages = environment("LOG_MESSAGES").value_or("0") == "1";
    const unsigned cores = std::clamp(std::thread::hardware_concurrency(), 1U, 256U);
    config.loops = number_from<unsigned>(environment, "LOOPS", cores, 1, 256);
}

} // namespace

std::expected<ListenAddress, std::string> parse_listen(std::string_view text) {
    ListenAddress address;
    if (text.starts_with("unix:")) {
        address.unix_path = text.substr(5);
        if (address.unix_path.empty() || address.unix_path.size() >= sizeof(sockaddr_un::sun_path)) {
            return std::unexpected(fmt::format("the path must be 1 to {} bytes, is {}",
                                               sizeof(sockaddr_un::sun_path) - 1, address.unix_path.size()));
        }
        return address;
    }
    const auto colon = text.rfind(':');
    if (colon == text.npos || colon == 0) return std::unexpected("write unix:PATH or host:port");
    const auto port = parse_number<std::uint16_t>(text.substr(colon + 1));
    if (!port) return std::unexpected("write unix:PATH or host:port");
    address.port = *port;
    address.host = text.substr(0, colon);
    return address;
}

std::expected<AddressList, std::string> AddressList::parse(std::string_view text) {
    AddressList list;
    while (!text.empty()) {
        const auto end = std::min(text.find_first_of(", "), text.size());
        const std::string entry(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (entry.empty()) continue;
        boost::system::error_code error;
        const bool is_v6 = entry.contains(':');
        const bool has_prefix = entry.contains('/');
        if (is_v6)
            list.v6_.push_back(ip::make_network_v6(has_prefix ? entry : entry + "/128", error));
        else
            list.v4_.push_back(ip::make_network_v4(has_prefix ? entry : entry + "/32", error));
        if (error) return std::unexpected("'" + entry + "' is no address or network, such as 10.0.0.0/8");
    }
    return list;
}

bool AddressList::contains(const std::string& text) const {
    boost::system::error_code error;
    const ip::address address = ip::make_address(text, error);
    if (error) return false;
    const auto covers = [](const auto& network, const auto& one) {
        const auto hosts = network.canonical();
        using Network = std::remove_cvref_t<decltype(network)>;
        return Network(one, network.prefix_length()).canonical() == hosts;
    };
    if (address.is_v4()) {
        return std::ranges::any_of(v4_,
                                   [&](const auto& network) { return covers(network, address.to_v4()); });
    }
    return std::ranges::any_of(v6_, [&](const auto& network) { return covers(network, address.to_v6()); });
}

std::expected<Config, std::string> Config::from_environment(const Environment& environment) {
    try {
        Config config;
        config.state_dir = environment("STATE_DIR").value_or("var");
        std::error_code ignored;
        std::filesystem::create_directories(config.state_dir / "run", ignored);
        read_stores(config, environment);
        read_models(config, environment);
        read_knowledge(config, environment);
        read_traces(config, environment);
        read_service(config, environment);
        config.edge_secret = edge_secret_from(environment, config.state_dir);
        config.admin_key_digest = sha256_hex(admin_key_from(environment, config.state_dir));
        return config;
    } catch (Invalid& invalid) {
        return std::unexpected(std::move(invalid.text));
    }
}

Environment process_environment() {
    return [](const char* name) -> std::optional<std::string> {
        const char* value = std::getenv(name);
        if (!value || *value == '\0') return std::nullopt;
        return std::string(value);
    };
}

} // namespace npcchat
