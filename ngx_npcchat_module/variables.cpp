#include "log_fields.hpp"
#include "module.hpp"

namespace npcchat {

std::string_view auth_status(Auth auth) noexcept {
    switch (auth) {
    case Auth::unseen:
        return {};
    case Auth::none:
        return "NONE";
    case Auth::pending:
        return "PENDING";
    case Auth::hit:
        return "HIT";
    case Auth::miss:
        return "MISS";
    case Auth::stale:
        return "STALE";
    case Auth::denied:
        return "DENIED";
    case Auth::error:
        return "ERROR";
    }
    return {};
}

std::string_view limit_status(Limit limit) noexcept {
    switch (limit) {
    case Limit::unseen:
        return {};
    case Limit::passed:
        return "PASSED";
    case Limit::delayed:
        return "DELAYED";
    case Limit::rejected:
        return "REJECTED";
    case Limit::delayed_dry_run:
        return "DELAYED_DRY_RUN";
    case Limit::rejected_dry_run:
        return "REJECTED_DRY_RUN";
    case Limit::exempt:
        return "EXEMPT";
    }
    return {};
}

ngx_int_t set_value(ngx_http_variable_value_t* v, std::string_view text) noexcept {
    v->data = ngx_text(text).data;
    v->len = static_cast<unsigned>(text.size()) & 0x0FFFFFFF;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = text.empty();
    return NGX_OK;
}

std::string_view route_name(ngx_http_request_t* r, const RequestContext& ctx) noexcept {
    if (ctx.route < 0) return {};
    return view(static_cast<ngx_str_t*>(main_conf(r)->metrics->names.elts)[ctx.route]);
}

std::string_view decoded_log_field(ngx_http_request_t* r, const RequestContext& ctx,
                                   std::string_view name) noexcept {
    std::string_view field = log_field(view(ctx.log_fields), name);
    if (field.find('%') == std::string_view::npos) return field;

    char* text = pool_array<char>(r->pool, field.size());
    if (text == nullptr) return {};
    std::size_t size = percent_decode(field, text);
    return size != malformed_percent ? std::string_view(text, size) : std::string_view{};
}

namespace {

using Getter = std::string_view (*)(const RequestContext&);

/// Of a request that was never ours there is nothing to say.
template <Getter get>
ngx_int_t known_variable(ngx_http_request_t* r, ngx_http_variable_value_t* v, uintptr_t) {
    const RequestContext* ctx = find_context(r);
    return set_value(v, ctx != nullptr ? get(*ctx) : std::string_view{});
}

/// What every request has, also one that nginx refused before any phase.
template <Getter get>
ngx_int_t made_variable(ngx_http_request_t* r, ngx_http_variable_value_t* v, uintptr_t) {
    const RequestContext* ctx = get_context(r);
    return ctx != nullptr ? set_value(v, get(*ctx)) : NGX_ERROR;
}

/// A field of what the sidecar said for the log.
template <const std::string_view& name>
ngx_int_t log_field_variable(ngx_http_request_t* r, ngx_http_variable_value_t* v, uintptr_t) {
    const RequestContext* ctx = find_context(r);
    return set_value(v, ctx != nullptr ? decoded_log_field(r, *ctx, name) : std::string_view{});
}

ngx_int_t route_variable(ngx_http_request_t* r, ngx_http_variable_value_t* v, uintptr_t) {
    const RequestContext* ctx = find_context(r);
    return set_value(v, ctx != nullptr ? route_name(r, *ctx) : std::string_view{});
}

ngx_int_t user_id_variable(ngx_http_request_t* r, ngx_http_variable_value_t* v, uintptr_t) {
    const RequestContext* ctx = find_context(r);
    if (ctx == nullptr || !ctx->known()) return set_value(v, {});
    auto* text = pool_array<u_char>(r->pool, NGX_INT64_LEN);
    if (text == nullptr) return NGX_ERROR;
    u_char* end = ngx_sprintf(text, "%L", ctx->identity.id);
    return set_value(v, {reinterpret_cast<char*>(text), static_cast<std::size_t>(end - text)});
}

std::string_view get_user(const RequestContext& ctx) {
    return ctx.identity.name;
}
std::string_view get_role(const RequestContext& ctx) {
    return ctx.known() ? role_name(ctx.identity.role) : std::string_view{};
}
std::string_view get_auth_status(const RequestContext& ctx) {
    return auth_status(ctx.auth);
}
std::string_view get_limit_status(const RequestContext& ctx) {
    return limit_status(ctx.limit);
}
std::string_view get_request_id(const RequestContext& ctx) {
    return view(ctx.request_id);
}
std::string_view get_plan(const RequestContext& ctx) {
    return ctx.identity.plan;
}
std::string_view get_trace_id(const RequestContext& ctx) {
    return slice(view(ctx.traceparent), trace_id_begin, trace_id_size);
}
std::string_view get_path(const RequestContext& ctx) {
    return view(ctx.path);
}

constexpr struct {
    std::string_view name;
    ngx_http_get_variable_pt get;
} variables[] = {
    {"npcchat_user", known_variable<get_user>},
    {"npcchat_user_id", user_id_variable},
    {"npcchat_role", known_variable<get_role>},
    {"npcchat_auth_status", known_variable<get_auth_status>},
    {"npcchat_limit_status", known_variable<get_limit_status>},
    {"npcchat_request_id", made_variable<get_request_id>},
    {"npcchat_path", made_variable<get_path>},
    {"npcchat_plan", known_variable<get_plan>},
    {"npcchat_route", route_variable},
    {"npcchat_trace_id", made_variable<get_trace_id>},
    {"npcchat_npc", log_field_variable<protocol::log_npc>},
    {"npcchat_chat", log_field_variable<protocol::log_chat>},
    {"npcchat_model", log_field_variable<protocol::log_model>},
    {"npcchat_tokens_in", log_field_variable<protocol::log_tokens_in>},
    {"npcchat_tokens_out", log_field_variable<protocol::log_tokens_out>},
    {"npcchat_log", log_line_variable},
};

} // namespace

ngx_int_t add_variables(ngx_conf_t* cf) noexcept {
    for (const auto& [text, get] : variables) {
        ngx_str_t name = ngx_text(text);
        ngx_http_variable_t* variable = ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOCACHEABLE);
        if (variable == nullptr) return NGX_ERROR;
        variable->get_handler = get;
    }

    auto* mcf = static_cast<MainConf*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_npcchat_module));
    const auto index_of = [cf](std::string_view text) {
        ngx_str_t name = ngx_text(text);
        return ngx_http_get_variable_index(cf, &name);
    };
    mcf->upstream_times = {index_of("upstream_connect_time"), index_of("upstream_header_time"),
                           index_of("upstream_response_time")};
    const auto& times = mcf->upstream_times;
    const bool found = times.connect >= 0 && times.header >= 0 && times.response >= 0;
    return found ? NGX_OK : NGX_ERROR;
}

} // namespace npcchat
