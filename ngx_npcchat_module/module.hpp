// What the module's files share: configuration, what is known of a request, and each concern's entry points.
#pragma once

#include "digest.hpp"
#include "identity.hpp"
#include "key_cache.hpp"
#include "limit.hpp"
#include "metrics.hpp"
#include "ngx.hpp"
#include "traceparent.hpp"

extern "C" {
extern ngx_module_t ngx_http_npcchat_module;
extern ngx_module_t ngx_http_npcchat_filter_module;
}

namespace npcchat {

/// `npcchat` in a location. The values are those of the directive's enumeration.
enum Mode : ngx_uint_t {
    mode_off,      ///< not ours: untouched
    mode_open,     ///< no key is needed or looked at
    mode_optional, ///< a known key gives an identity; without one the request goes on
    mode_on        ///< a key is needed
};

/// Indices of nginx's own variables.
struct UpstreamTimes {
    ngx_int_t connect;
    ngx_int_t header;
    ngx_int_t response;
};

struct MainConf {
    ngx_shm_zone_t* keys; ///< its data is a KeyZone; null: not configured
    ngx_str_t secret;     ///< of X-Npcchat-Secret; `data` null: not configured
    MetricsZone* metrics;
    bool metrics_shown; ///< by `npcchat_metrics`
    UpstreamTimes upstream_times;
};

struct ServerConf {
    /// Some location of the server is not off: its requests are stripped, masked and counted.
    bool used;
};

struct LocationConf {
    ngx_uint_t mode;  ///< Mode
    ngx_uint_t role;  ///< Role
    ngx_str_t lookup; ///< URI of the internal location that asks the sidecar for a key
    ngx_flag_t edge_report;
    ngx_str_t route_name; ///< of `npcchat_route`; `data` null: the location's own
    ngx_int_t route;      ///< number of the route that requests are counted under

    ngx_array_t* limits; ///< of LimitConf; null: none
    ConcurrencyConf concurrency;
    ngx_uint_t limit_status;    ///< of a refusal
    ngx_uint_t limit_log_level; ///< NGX_LOG_*, of a refusal
    ngx_flag_t limit_dry_run;   ///< counted and logged, but nothing is refused
};

/// Where a request stands with its key.
enum class Auth : unsigned char {
    unseen,  ///< not looked at
    none,    ///< there is no usable key
    pending, ///< the sidecar is being asked
    hit,
    miss, ///< known after a lookup
    stale,
    denied, ///< unknown key
    error   ///< the lookup failed
};

enum class Limit : unsigned char {
    unseen,
    passed,
    delayed,
    rejected,
    delayed_dry_run,
    rejected_dry_run,
    exempt ///< the admin, or a user without limits
};

struct RateLimitHeaders;

/// A request's target as the client sent it, while a masked one stands in its place.
struct RawTarget {
    ngx_str_t uri;
    ngx_str_t unparsed_uri;
    ngx_str_t request_line;
    const u_char* masked; ///< of the URI in its place, to tell whether it was rewritten since
};

struct Waiter;

/// Characters of a request id that is made here.
inline constexpr std::size_t made_id_size = 32;

/// What is known of a main request. It hangs on the request's pool, for internal redirects clear modules'
/// contexts.
struct RequestContext {
    ngx_str_t path;       ///< as the client asked for it, without keys, fit for a log; empty: not known
    std::string_view key; ///< the client's, in its Authorization; empty: none that is usable
    ngx_str_t request_id;
    ngx_str_t traceparent;
    ngx_str_t path_user;  ///< value of X-Npcchat-Path-User; empty: none
    ngx_str_t log_fields; ///< value of X-Npcchat-Log in the sidecar's answer; empty: none
    RawTarget* raw;       ///< null: nothing was masked
    Digest digest;
    Identity identity;
    Waiter* waiter;                     ///< while it waits for a lookup
    std::int64_t first_byte = -1;       ///< milliseconds until the answer's header was sent; -1: it was not
    ngx_int_t route = -1;               ///< as LocationConf's, of the first location; -1: none was found
    const RateLimitHeaders* rate_limit; ///< null: the answer has none
    Auth auth;
    Limit limit;
    bool canonical;      ///< the path has one reading only
    bool own_request_id; ///< the client's is absent or unusable
    bool own_traceparent;
    bool ids_sent; ///< the client's headers have a request id or a trace, whether or not they are usable
    bool authorization_ours; ///< the Authorization is in one of our forms
    bool active;             ///< has been in a location that is not off
    bool headers_set;        ///< our headers are among those of the request
    bool challenged;         ///< our WWW-Authenticate is among those of the answer
    bool unmasked;           ///< what `raw` has is in place again
    /// With a NUL behind them, as nginx's headers have it; empty: the client's are used.
    char made_request_id[made_id_size + 1];
    char made_traceparent[traceparent_size + 1];

    bool known() const noexcept { return auth == Auth::hit || auth == Auth::miss || auth == Auth::stale; }
};

inline MainConf* main_conf(ngx_http_request_t* r) noexcept {
    return static_cast<MainConf*>(ngx_http_get_module_main_conf(r, ngx_http_npcchat_module));
}

inline ServerConf* server_conf(ngx_http_request_t* r) noexcept {
    return static_cast<ServerConf*>(ngx_http_get_module_srv_conf(r, ngx_http_npcchat_module));
}

inline LocationConf* location_conf(ngx_http_request_t* r) noexcept {
    return static_cast<LocationConf*>(ngx_http_get_module_loc_conf(r, ngx_http_npcchat_module));
}

inline KeyZone* key_zone(const MainConf* conf) noexcept {
    return static_cast<KeyZone*>(conf->keys->data);
}

// request.cpp
/// The main request's context, where it has one.
RequestContext* find_context(ngx_http_request_t* r) noexcept;
/// The same, made where it is missing; null where there is no memory.
RequestContext* get_context(ngx_http_request_t* r) noexcept;

// directives.cpp
char* set_key_cache(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
char* set_secret_file(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
char* set_lookup(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
char* set_error_page(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
char* set_route(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
char* set_metrics(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;

// limit_directives.cpp
char* set_limit_zone(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
char* set_limit(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
char* set_concurrency(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
void init_limits(LocationConf& conf) noexcept;
void merge_limits(const LocationConf& parent, LocationConf& conf) noexcept;
/// When all zones are known: checks that the limits have theirs, and works out what does not depend on users.
char* complete_limits(ngx_conf_t* cf, const LocationConf& conf) noexcept;

// auth.cpp
/// Decides `ctx->auth` by what the cache has of `ctx->digest`, and starts a lookup where one is due.
/// `elsewhere`: it is pending, and another worker asks. NGX_OK or NGX_ERROR.
ngx_int_t consult_cache(ngx_http_request_t* r, RequestContext* ctx, KeyQuery query, bool& elsewhere) noexcept;
/// After a lookup that found the key's user. NGX_OK or NGX_ERROR.
ngx_int_t accept_identity(ngx_http_request_t* r, RequestContext* ctx, const Identity& identity) noexcept;
/// Takes our challenge out of the answer to a request that was let in all the same.
void drop_challenge(ngx_http_request_t* r, RequestContext* ctx) noexcept;

// lookup.cpp
/// Asks the sidecar for `ctx->digest`, as the cache has told to, and tells the cache and all who wait. The
/// request itself need not.
void start_lookup(ngx_http_request_t* r, const RequestContext* ctx, std::uint64_t changes) noexcept;

// waiting.cpp
/// Has a request wait until `ctx->auth` is decided; then nginx runs its phases again. `elsewhere`: another
/// worker asks, which cannot wake this one. NGX_OK or NGX_ERROR.
ngx_int_t wait_for_key(ngx_http_request_t* r, RequestContext* ctx, bool elsewhere) noexcept;
/// One of this worker's requests that wait for a key, for the caller to decide: it goes on when the caller
/// has returned to nginx's loop. Null: there is none any more.
ngx_http_request_t* take_waiting(const Digest& digest) noexcept;
/// The request goes on without being woken.
void stop_waiting(RequestContext* ctx) noexcept;

// metrics.cpp
void note_first_byte(ngx_http_request_t* r, RequestContext* ctx) noexcept;
void count_lookup(ngx_http_request_t* r, LookupResult result) noexcept;

// limit.cpp
/// NGX_DECLINED, NGX_AGAIN where the request has to wait, or the status of a refusal.
ngx_int_t limit_request(ngx_http_request_t* r, RequestContext* ctx) noexcept;

// mask.cpp
/// Replaces the user of a history path in all that nginx remembers of the request line. NGX_OK or NGX_ERROR.
ngx_int_t mask_history_user(ngx_http_request_t* r, RequestContext* ctx) noexcept;
/// Puts back what `mask_history_user` replaced. NGX_OK or NGX_ERROR.
ngx_int_t unmask_history_user(ngx_http_request_t* r, RequestContext* ctx) noexcept;
/// Makes `ctx->path` of a decoded path: escaped and without keys. NGX_OK or NGX_ERROR.
ngx_int_t set_log_path(ngx_http_request_t* r, RequestContext* ctx, ngx_str_t uri) noexcept;
/// Ends a request's lines in the error log: as nginx does it, in our locations without keys, query strings
/// and referrers.
void set_log_handler(ngx_http_request_t* r) noexcept;

// variables.cpp
/// As logs have it, in capitals; empty: it was not looked at, or there is no such value.
std::string_view auth_status(Auth auth) noexcept;
std::string_view limit_status(Limit limit) noexcept;
/// The name of the route that a request counts under; empty: none.
std::string_view route_name(ngx_http_request_t* r, const RequestContext& ctx) noexcept;
/// What the sidecar said of `name` for the log; empty: nothing.
std::string_view decoded_log_field(ngx_http_request_t* r, const RequestContext& ctx,
                                   std::string_view name) noexcept;
/// NGX_OK. An empty text is "not found", which logs write as `-`.
ngx_int_t set_value(ngx_http_variable_value_t* v, std::string_view text) noexcept;
ngx_int_t add_variables(ngx_conf_t* cf) noexcept;

// log_line.cpp
ngx_int_t log_line_variable(ngx_http_request_t* r, ngx_http_variable_value_t* v, uintptr_t data) noexcept;

// abi.cpp
/// Whether the nginx that runs lays out its connections as the headers do that this module was built with.
bool same_layout(ngx_log_t* log) noexcept;

// Phase and content handlers.
ngx_int_t post_read_handler(ngx_http_request_t* r) noexcept;
ngx_int_t rewrite_handler(ngx_http_request_t* r) noexcept;
ngx_int_t preaccess_handler(ngx_http_request_t* r) noexcept;
ngx_int_t access_handler(ngx_http_request_t* r) noexcept;
ngx_int_t precontent_handler(ngx_http_request_t* r) noexcept;
ngx_int_t error_page_handler(ngx_http_request_t* r) noexcept;
ngx_int_t metrics_handler(ngx_http_request_t* r) noexcept;
ngx_int_t log_phase_handler(ngx_http_request_t* r) noexcept;

} // namespace npcchat
