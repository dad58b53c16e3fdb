// The headers between edge and sidecar in a request's list of headers.
#pragma once

#include "module.hpp"

namespace npcchat {

/// The name of a header that is set, with what nginx keeps of it worked out beforehand.
class HeaderName {
  public:
    consteval explicit HeaderName(std::string_view name) : name_(name) {
        for (char c : name) {
            lowcase_[size_++] = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
            hash_ = ngx_hash(hash_, static_cast<u_char>(lowcase_[size_ - 1]));
        }
    }

    ngx_str_t name() const noexcept { return ngx_text(name_); }
    constexpr std::size_t size() const noexcept { return size_; }
    u_char* lowcase() const noexcept { return ngx_text({lowcase_, size_}).data; }
    ngx_uint_t hash() const noexcept { return hash_; }

  private:
    std::string_view name_;
    char lowcase_[32] = {};
    std::size_t size_ = 0;
    ngx_uint_t hash_ = 0;
};

namespace header {
inline constexpr HeaderName secret{protocol::secret_header};
inline constexpr HeaderName user{protocol::user_header};
inline constexpr HeaderName role{protocol::role_header};
inline constexpr HeaderName plan{protocol::plan_header};
inline constexpr HeaderName address{protocol::address_header};
inline constexpr HeaderName path_user{protocol::path_user_header};
inline constexpr HeaderName edge{protocol::edge_header};
inline constexpr HeaderName key{protocol::key_header};
inline constexpr HeaderName request_id{protocol::request_id_header};
inline constexpr HeaderName traceparent{traceparent_header};
inline constexpr HeaderName tracestate{tracestate_header};
inline constexpr HeaderName authorization{"Authorization"};
} // namespace header

/// Whether a header has this name, in any case.
inline bool has_name(const ngx_table_elt_t& header, std::string_view name) noexcept {
    return header.key.len == name.size() &&
           ngx_strncasecmp(header.key.data, ngx_text(name).data, name.size()) == 0;
}

/// The same for a request's header. These have their names in lower case too: nginx's proxying modules rely
/// on it.
inline bool is_named(const ngx_table_elt_t& header, const HeaderName& name) noexcept {
    return header.key.len == name.size() && header.lowcase_key != nullptr &&
           std::memcmp(header.lowcase_key, name.lowcase(), name.size()) == 0;
}

/// The first character of a header's name, a letter in lower case; 0: it has none.
inline u_char first_letter(const ngx_table_elt_t& header) noexcept {
    return header.key.len != 0 ? static_cast<u_char>(header.key.data[0] | 0x20) : u_char{0};
}

/// Begins with `X-Npcchat-`, in any case.
inline bool is_reserved_header(const ngx_table_elt_t& header) noexcept {
    constexpr std::string_view prefix = protocol::header_prefix;
    return first_letter(header) == 'x' && header.key.len >= prefix.size() &&
           ngx_strncasecmp(header.key.data, ngx_text(prefix).data, prefix.size()) == 0;
}

/// Takes the reserved headers out of a list, so that no proxying module sees them. Those that stay do not
/// move: nginx points to them (`headers_in.host`). NGX_OK or NGX_ERROR.
ngx_int_t remove_reserved_headers(ngx_list_t& list) noexcept;

/// Adds a header to a request; `value` must live as long as the request. NGX_OK or NGX_ERROR.
ngx_int_t push_header(ngx_list_t& list, const HeaderName& name, ngx_str_t value) noexcept;

/// Sets what the sidecar is told of a request, and takes the client's key away. NGX_OK or NGX_ERROR.
ngx_int_t set_request_headers(ngx_http_request_t* r, RequestContext* ctx) noexcept;

/// Takes away again what `set_request_headers` set, before a location that is not ours. NGX_OK or NGX_ERROR.
ngx_int_t clear_request_headers(ngx_http_request_t* r, RequestContext* ctx) noexcept;

/// Gives a subrequest a list of headers of its own without ours, where it goes to a location that is not ours
/// and the main request has them. NGX_OK or NGX_ERROR.
ngx_int_t hide_request_headers(ngx_http_request_t* sr, const RequestContext* ctx) noexcept;

} // namespace npcchat
