#include "headers.hpp"

#include "authorization.hpp"
#include "text_writer.hpp"

namespace npcchat {

namespace {

/// Takes headers out of a list, those that stay do not move. A header in the middle of a part splits the part
/// in two, for nginx points into it. nginx's loops over lists cannot take an empty part but the first, and
/// ngx_list_push needs to know the room of the last one.
template <typename Chosen> ngx_int_t remove_headers(ngx_list_t& list, Chosen chosen) noexcept {
    ngx_list_part_t* previous = nullptr;
    ngx_list_part_t* part = &list.part;
    ngx_uint_t i = 0;
    ngx_uint_t shift = 0; // elements that `part` lost at its front

    while (part != nullptr) {
        auto* header = static_cast<ngx_table_elt_t*>(part->elts);
        while (i < part->nelts && !chosen(header[i]))
            ++i;

        if (i < part->nelts) {
            if (i == part->nelts - 1) {
                --part->nelts;
            } else if (i == 0) {
                part->elts = &header[1];
                --part->nelts;
                ++shift;
            } else {
                auto* rest = static_cast<ngx_list_part_t*>(ngx_palloc(list.pool, sizeof(ngx_list_part_t)));
                if (rest == nullptr) return NGX_ERROR;
                *rest = {&header[i + 1], part->nelts - i - 1, part->next};
                part->nelts = i;
                part->next = rest;
                if (list.last == part) list.last = rest;
                shift += i + 1;
                previous = part;
                part = rest;
                i = 0;
            }
            continue;
        }

        if (part == list.last) list.nalloc -= shift;
        if (part->nelts == 0 && previous != nullptr) {
            previous->next = part->next;
            if (list.last == part) {
                list.last = previous;
                // How much room it has is not known any more: it counts as full.
                list.nalloc = previous->nelts > 0 ? previous->nelts : 1;
            }
        } else {
            previous = part;
        }
        part = part->next;
        shift = 0;
        i = 0;
    }
    return NGX_OK;
}

ngx_int_t push_user(ngx_http_request_t* r, const Identity& identity) noexcept {
    char* memory = pool_array<char>(r->pool, decimal_max + 1 + identity.name.size() + 1);
    if (memory == nullptr) return NGX_ERROR;
    TextWriter out(memory);
    out.write(identity.id, ':', identity.name);
    std::string_view value = out.take();
    out.add('\0');

    ngx_list_t& list = r->headers_in.headers;
    if (push_header(list, header::user, ngx_text(value)) != NGX_OK ||
        push_header(list, header::role, ngx_text(role_name(identity.role))) != NGX_OK) {
        return NGX_ERROR;
    }
    if (identity.plan.empty()) return NGX_OK;
    return push_header(list, header::plan, ngx_text(identity.plan));
}

ngx_int_t push_edge_report(ngx_http_request_t* r) noexcept {
    const MainConf* mcf = main_conf(r);
    u_char* value = pool_array<u_char>(r->pool, totals_text_max);
    if (value == nullptr) return NGX_ERROR;
    u_char* end = write_totals(*mcf->metrics->shared, value);
    *end = '\0';
    return push_header(r->headers_in.headers, header::edge, {static_cast<std::size_t>(end - value), value});
}

ngx_int_t replace_request_id(ngx_http_request_t* r, const RequestContext* ctx) noexcept {
    if (!ctx->own_request_id) return NGX_OK;
    ngx_list_t& list = r->headers_in.headers;
    const auto chosen = [](const ngx_table_elt_t& header) { return is_named(header, header::request_id); };
    if (ctx->ids_sent && remove_headers(list, chosen) != NGX_OK) return NGX_ERROR;
    return push_header(list, header::request_id, ctx->request_id);
}

/// Where the client's trace cannot be gone on with, its state means nothing.
ngx_int_t replace_trace(ngx_http_request_t* r, const RequestContext* ctx) noexcept {
    if (!ctx->own_traceparent) return NGX_OK;
    ngx_list_t& list = r->headers_in.headers;
    const auto chosen = [](const ngx_table_elt_t& header) {
        return is_named(header, header::traceparent) || is_named(header, header::tracestate);
    };
    if (ctx->ids_sent && remove_headers(list, chosen) != NGX_OK) return NGX_ERROR;
    return push_header(list, header::traceparent, ctx->traceparent);
}

} // namespace

ngx_int_t remove_reserved_headers(ngx_list_t& list) noexcept {
    return remove_headers(list, is_reserved_header);
}

ngx_int_t push_header(ngx_list_t& list, const HeaderName& name, ngx_str_t value) noexcept {
    auto* header = static_cast<ngx_table_elt_t*>(ngx_list_push(&list));
    if (header == nullptr) return NGX_ERROR;

    *header = {};
    header->key = name.name();
    header->value = value;
    header->lowcase_key = name.lowcase();
    header->hash = name.hash();
    return NGX_OK;
}

ngx_int_t set_request_headers(ngx_http_request_t* r, RequestContext* ctx) noexcept {
    if (clear_request_headers(r, ctx) != NGX_OK) return NGX_ERROR;

    ngx_list_t& list = r->headers_in.headers;
    if (r->headers_in.authorization != nullptr && ctx->authorization_ours) {
        const auto chosen = [](const ngx_table_elt_t& header) {
            return is_named(header, header::authorization) && find_key(view(header.value)).has_value();
        };
        if (remove_headers(list, chosen) != NGX_OK) return NGX_ERROR;
        r->headers_in.authorization = nullptr;
    }

    ctx->headers_set = true;
    if (replace_request_id(r, ctx) != NGX_OK || replace_trace(r, ctx) != NGX_OK ||
        push_header(list, header::secret, main_conf(r)->secret) != NGX_OK ||
        push_header(list, header::address, r->connection->addr_text) != NGX_OK) {
        return NGX_ERROR;
    }
    const LocationConf* lcf = location_conf(r);
    if (ctx->known() && lcf->mode != mode_open && push_user(r, ctx->identity) != NGX_OK) return NGX_ERROR;
    if (ctx->path_user.len != 0 && push_header(list, header::path_user, ctx->path_user) != NGX_OK) {
        return NGX_ERROR;
    }
    return lcf->edge_report ? push_edge_report(r) : NGX_OK;
}

ngx_int_t clear_request_headers(ngx_http_request_t* r, RequestContext* ctx) noexcept {
    if (!ctx->headers_set) return NGX_OK;
    ctx->headers_set = false;
    return remove_reserved_headers(r->headers_in.headers);
}

ngx_int_t hide_request_headers(ngx_http_request_t* sr, const RequestContext* ctx) noexcept {
    if (!ctx->headers_set) return NGX_OK;

    // Only our own key lookup has the name of a key: what it carries is for the sidecar.
    bool lookup = false;
    for_each_header(sr->headers_in.headers, [&lookup](ngx_table_elt_t& header) {
        lookup = has_name(header, protocol::key_header);
        return !lookup;
    });
    if (lookup) return NGX_OK;

    ngx_list_t own;
    if (ngx_list_init(&own, sr->pool, 20, sizeof(ngx_table_elt_t)) != NGX_OK) return NGX_ERROR;
    bool copied = true;
    for_each_header(sr->headers_in.headers, [&own, &copied](ngx_table_elt_t& header) {
        if (is_reserved_header(header)) return true;
        auto* copy = static_cast<ngx_table_elt_t*>(ngx_list_push(&own));
        copied = copy != nullptr;
        if (copied) *copy = header;
        return copied;
    });
    sr->headers_in.headers = own;
    // A list's first part is inside it, and has moved along.
    if (own.last == &own.part) sr->headers_in.headers.last = &sr->headers_in.headers.part;
    return copied ? NGX_OK : NGX_ERROR;
}

} // namespace npcchat
