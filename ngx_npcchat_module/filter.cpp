// The sidecar's answers: revocations are taken in, and what is between edge and sidecar goes no further.
#include "headers.hpp"
#include "module.hpp"
#include "rate_limit_headers.hpp"

namespace npcchat {

namespace {

ngx_http_output_header_filter_pt next_header_filter;

using KeyChange = void (*)(KeyZone& zone, const Digest& digest) noexcept;

void change_keys(ngx_http_request_t* r, std::string_view list, KeyChange change) noexcept {
    const MainConf* mcf = main_conf(r);
    if (mcf->keys == nullptr) return;

    while (!list.empty()) {
        std::size_t end = list.find(',');
        std::string_view text = slice(list, 0, end);
        list = end == std::string_view::npos ? std::string_view{} : slice(list, end + 1);
        while (text.starts_with(' '))
            text.remove_prefix(1);
        while (text.ends_with(' '))
            text.remove_suffix(1);

        if (auto digest = parse_hex(text)) {
            change(*key_zone(mcf), *digest);
        } else {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0, "malformed digest in the sidecar's answer");
        }
    }
}

ngx_int_t header_filter(ngx_http_request_t* r) noexcept {
    if (r != r->main || !server_conf(r)->used) return next_header_filter(r);
    RequestContext* ctx = find_context(r);
    if (ctx == nullptr) return next_header_filter(r);
    note_first_byte(r, ctx);
    if (!ctx->active) return next_header_filter(r);

    for_each_header(r->headers_out.headers, [r, ctx](ngx_table_elt_t& header) {
        if (header.hash == 0 || !is_reserved_header(header)) return true;
        if (has_name(header, protocol::revoke_header)) change_keys(r, view(header.value), key_cache_revoke);
        if (has_name(header, protocol::forget_header)) change_keys(r, view(header.value), key_cache_forget);
        if (has_name(header, protocol::log_header)) ctx->log_fields = header.value;
        header.hash = 0;
        return true;
    });
    if (ctx->rate_limit != nullptr && add_rate_limit_headers(r, *ctx->rate_limit) != NGX_OK) return NGX_ERROR;
    return next_header_filter(r);
}

ngx_int_t init_filter(ngx_conf_t*) noexcept {
    next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = header_filter;
    return NGX_OK;
}

ngx_http_module_t filter_module_context = {
    .preconfiguration = nullptr,
    .postconfiguration = init_filter,
    .create_main_conf = nullptr,
    .init_main_conf = nullptr,
    .create_srv_conf = nullptr,
    .merge_srv_conf = nullptr,
    .create_loc_conf = nullptr,
    .merge_loc_conf = nullptr,
};

} // namespace

} // namespace npcchat

/// A module of its own: filters need a place in nginx's order of modules, and phase handlers another.
ngx_module_t ngx_http_npcchat_filter_module = {
    NGX_MODULE_V1,
    &npcchat::filter_module_context,
    nullptr, // directives
    NGX_HTTP_MODULE,
    nullptr, // init master
    nullptr, // init module
    nullptr, // init process
    nullptr, // init thread
    nullptr, // exit thread
    nullptr, // exit process
    nullptr, // exit master
    NGX_MODULE_V1_PADDING,
};
