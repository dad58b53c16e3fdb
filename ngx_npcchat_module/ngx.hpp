// nginx's headers as C++ sees them, and the few conversions between nginx's types and ours.
#pragma once

#include <cstring>
#include <string_view>

extern "C" {
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
}

namespace npcchat {

inline std::string_view view(const ngx_str_t& text) noexcept {
    return {reinterpret_cast<const char*>(text.data), text.len};
}

/// For text that outlives the request, such as a literal: nginx's strings are never const.
inline ngx_str_t ngx_text(std::string_view text) noexcept {
    return {text.size(), reinterpret_cast<u_char*>(const_cast<char*>(text.data()))};
}

/// Memory of a pool, not initialised; null where there is none.
template <typename T> T* pool_array(ngx_pool_t* pool, std::size_t count) noexcept {
    return static_cast<T*>(ngx_pnalloc(pool, count * sizeof(T)));
}

/// A copy in the pool, with a NUL behind it as nginx's headers have; `data` is null where there is no memory.
inline ngx_str_t pool_copy(ngx_pool_t* pool, std::string_view text) noexcept {
    u_char* copy = pool_array<u_char>(pool, text.size() + 1);
    if (copy == nullptr) return {0, nullptr};
    if (!text.empty()) std::memcpy(copy, text.data(), text.size());
    copy[text.size()] = '\0';
    return {text.size(), copy};
}

/// Calls `visit(ngx_table_elt_t&)` for each header until it returns false.
template <typename Visit> void for_each_header(ngx_list_t& list, Visit visit) noexcept {
    for (ngx_list_part_t* part = &list.part; part != nullptr; part = part->next) {
        auto* header = static_cast<ngx_table_elt_t*>(part->elts);
        for (ngx_uint_t i = 0; i < part->nelts; ++i) {
            if (!visit(header[i])) return;
        }
    }
}

} // namespace npcchat
