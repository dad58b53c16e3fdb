// `npcchat_metrics`: the counters of all workers as Prometheus text (exposition format 0.0.4).
#include "key_cache.hpp"
#include "metrics.hpp"
#include "module.hpp"

namespace npcchat {

namespace {

/// Text in a chain of buffers that grows by lines.
class Page {
  public:
    explicit Page(ngx_pool_t* pool) noexcept : pool_(pool) {}

    /// Appends one line or a part of one, of `line_max` bytes at most.
    template <typename... Args> void write(const char* format, Args... args) noexcept {
        if (!has_room()) return;
        u_char* end = ngx_slprintf(last_->last, last_->end, format, args...);
        size_ += end - last_->last;
        last_->last = end;
    }

    void describe(const char* name, const char* type, const char* help) noexcept {
        write("# HELP npcchat_edge_%s %s\n# TYPE npcchat_edge_%s %s\n", name, help, name, type);
    }

    /// Null where there was no memory.
    ngx_chain_t* finish() noexcept {
        if (failed_ || last_ == nullptr) return nullptr;
        last_->last_buf = 1;
        last_->last_in_chain = 1;
        return first_;
    }
    off_t size() const noexcept { return size_; }

  private:
    static constexpr std::size_t line_max = 512;
    static constexpr std::size_t buffer_size = 16384;

    bool has_room() noexcept {
        if (failed_) return false;
        if (last_ != nullptr && static_cast<std::size_t>(last_->end - last_->last) >= line_max) return true;
        ngx_buf_t* buffer = ngx_create_temp_buf(pool_, buffer_size);
        ngx_chain_t* link = ngx_alloc_chain_link(pool_);
        failed_ = buffer == nullptr || link == nullptr;
        if (failed_) return false;
        *link = {buffer, nullptr};
        *next_ = link;
        next_ = &link->next;
        last_ = buffer;
        return true;
    }

    ngx_pool_t* pool_;
    ngx_chain_t* first_ = nullptr;
    ngx_chain_t** next_ = &first_;
    ngx_buf_t* last_ = nullptr;
    off_t size_ = 0;
    bool failed_ = false;
};

constexpr std::string_view role_labels[] = {"none", protocol::role_user, protocol::role_admin};
constexpr std::string_view lookup_labels[] = {"found", "unknown", "failed"};

/// A label's value, with a backslash before what needs one.
struct Label {
    u_char text[2 * 256];
    std::size_t size = 0;

    explicit Label(std::string_view value) noexcept {
        for (char c : slice(value, 0, 256)) {
            if (c == '\\' || c == '"' || c == '\n') text[size++] = '\\';
            text[size++] = static_cast<u_char>(c == '\n' ? 'n' : c);
        }
    }
    ngx_str_t str() noexcept { return {size, text}; }
};

/// Logs have such words in capitals.
Label lower_case(std::string_view text) noexcept {
    Label label(text);
    ngx_strlow(label.text, label.text, label.size);
    return label;
}

/// Calls `visit(index, name)` for all routes.
template <typename Visit> void for_each_route(const MetricsShared& shared, Visit visit) noexcept {
    std::uint64_t count = __atomic_load_n(&shared.route_count, __ATOMIC_ACQUIRE);
    for (std::size_t i = 0; i < count; ++i) {
        Label label({shared.routes[i].text, shared.routes[i].size});
        ngx_str_t name = label.str();
        visit(i, name);
    }
}

void write_requests(Page& page, const MetricsShared& shared) noexcept {
    page.describe("requests_total", "counter", "Requests ended, by route, status and role of the key.");
    for_each_route(shared, [&](std::size_t route, ngx_str_t& name) {
        for (std::size_t role = 0; role < 3; ++role) {
            for (std::size_t i = 0; i < status_labels.size(); ++i) {
                std::uint64_t count = sum_parts(shared, [=](const MetricsPart& part) -> const std::uint64_t& {
                    return part.routes[route].requests[role][i];
                });
                if (count == 0) continue;
                ngx_str_t status = ngx_text(status_labels[i]);
                ngx_str_t who = ngx_text(role_labels[role]);
                page.write("npcchat_edge_requests_total{route=\"%V\",status=\"%V\",role=\"%V\"} %uL\n", &name,
                           &status, &who, count);
            }
        }
    });
}

void write_histogram(Page& page, const MetricsShared& shared, const char* name, const char* help,
                     Histogram RouteCounts::* histogram) noexcept {
    page.describe(name, "histogram", help);
    for_each_route(shared, [&](std::size_t route, ngx_str_t& label) {
        std::uint64_t counts[histogram_bounds.size() + 1];
        std::uint64_t total = 0;
        for (std::size_t i = 0; i <= histogram_bounds.size(); ++i) {
            total += sum_parts(shared, [=](const MetricsPart& part) -> const std::uint64_t& {
                return (part.routes[route].*histogram).buckets[i];
            });
            counts[i] = total;
        }
        if (total == 0) return;
        for (std::size_t i = 0; i <= histogram_bounds.size(); ++i) {
            ngx_str_t bound = ngx_text(i < histogram_bounds.size() ? histogram_bounds[i].seconds
                                                                   : std::string_view("+Inf"));
            page.write("npcchat_edge_%s_bucket{route=\"%V\",le=\"%V\"} %uL\n", name, &label, &bound,
                       counts[i]);
        }
        std::uint64_t sum = sum_parts(shared, [=](const MetricsPart& part) -> const std::uint64_t& {
            return (part.routes[route].*histogram).sum;
        });
        page.write("npcchat_edge_%s_sum{route=\"%V\"} %uL.%03uL\n", name, &label, sum / 1000, sum % 1000);
        page.write("npcchat_edge_%s_count{route=\"%V\"} %uL\n", name, &label, total);
    });
}

/// One line for each value of an enumeration that has a text.
template <typename Get, typename Text>
void write_results(Page& page, const MetricsShared& shared, const char* name, const char* help,
                   std::size_t count, Get get, Text text) noexcept {
    page.describe(name, "counter", help);
    for (std::size_t i = 0; i < count; ++i) {
        Label label = lower_case(text(i));
        if (label.size == 0) continue;
        ngx_str_t result = label.str();
        std::uint64_t sum =
            sum_parts(shared, [=](const MetricsPart& part) -> const std::uint64_t& { return get(part)[i]; });
        page.write("npcchat_edge_%s{result=\"%V\"} %uL\n", name, &result, sum);
    }
}

void write_counters(Page& page, const MetricsShared& shared) noexcept {
    write_results(
        page, shared, "auth_total", "Requests by what became of their key; hit, miss and stale were let in.",
        std::size(shared.parts[0].auth), [](const MetricsPart& part) { return part.auth; },
        [](std::size_t i) { return auth_status(static_cast<Auth>(i)); });
    write_results(
        page, shared, "key_lookups_total", "Questions to the sidecar whose a key is.",
        std::size(shared.parts[0].lookups), [](const MetricsPart& part) { return part.lookups; },
        [](std::size_t i) { return lookup_labels[i]; });
    write_results(
        page, shared, "limit_total", "Requests by what became of them at the users' limits.",
        std::size(shared.parts[0].limit), [](const MetricsPart& part) { return part.limit; },
        [](std::size_t i) { return limit_status(static_cast<Limit>(i)); });
}

/// Calls `visit(name, pool)` for all of our zones.
template <typename Visit> void for_each_zone(Visit visit) noexcept {
    for (ngx_list_part_t* part = const_cast<ngx_list_part_t*>(&ngx_cycle->shared_memory.part);
         part != nullptr; part = part->next) {
        auto* zones = static_cast<ngx_shm_zone_t*>(part->elts);
        for (ngx_uint_t i = 0; i < part->nelts; ++i) {
            if (zones[i].init != key_zone_init && zones[i].init != limit_zone_init) continue;
            Label label(view(zones[i].shm.name));
            ngx_str_t name = label.str();
            visit(name, *reinterpret_cast<ngx_slab_pool_t*>(zones[i].shm.addr));
        }
    }
}

void write_zones(Page& page, const MainConf& mcf) noexcept {
    page.describe("zone_bytes", "gauge", "Memory of a zone that can be allocated.");
    for_each_zone([&](ngx_str_t& name, const ngx_slab_pool_t& pool) {
        page.write("npcchat_edge_zone_bytes{zone=\"%V\"} %uz\n", &name,
                   static_cast<std::size_t>(pool.end - pool.start));
    });
    page.describe("zone_free_bytes", "gauge", "Whole pages of a zone that nothing is in.");
    for_each_zone([&](ngx_str_t& name, const ngx_slab_pool_t& pool) {
        page.write("npcchat_edge_zone_free_bytes{zone=\"%V\"} %uz\n", &name,
                   static_cast<std::size_t>(pool.pfree * ngx_pagesize));
    });
    if (mcf.keys == nullptr) return;
    KeyCounts counts = key_cache_counts(*key_zone(&mcf));
    page.describe("cached_keys", "gauge", "Keys in the cache, past their time or not.");
    page.write(
        "npcchat_edge_cached_keys{state=\"known\"} %ui\nnpcchat_edge_cached_keys{state=\"unknown\"} %ui\n",
        counts.known, counts.unknown);
}

void write_page(Page& page, const MainConf& mcf) noexcept {
    const MetricsShared& shared = *mcf.metrics->shared;
    write_requests(page, shared);
    write_histogram(page, shared, "request_duration_seconds",
                    "From a request's first byte to the answer's last.", &RouteCounts::whole);
    write_histogram(page, shared, "first_byte_seconds", "From a request's first byte to the answer's header.",
                    &RouteCounts::first_byte);
    write_counters(page, shared);
    write_zones(page, mcf);
    page.describe("counters_since_seconds", "gauge", "When the counters began, in seconds since 1970.");
    page.write("npcchat_edge_counters_since_seconds %uL\n", shared.since);
}

ngx_int_t refuse_method(ngx_http_request_t* r) noexcept {
    auto* header = static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_out.headers));
    if (header == nullptr) return NGX_HTTP_INTERNAL_SERVER_ERROR;
    *header = {};
    header->hash = 1;
    ngx_str_set(&header->key, "Allow");
    ngx_str_set(&header->value, "GET, HEAD");
    return NGX_HTTP_NOT_ALLOWED;
}

} // namespace

ngx_int_t metrics_handler(ngx_http_request_t* r) noexcept {
    if ((r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD)) == 0) return refuse_method(r);
    ngx_int_t rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) return rc;

    Page page(r->pool);
    write_page(page, *main_conf(r));
    ngx_chain_t* out = page.finish();
    if (out == nullptr) return NGX_HTTP_INTERNAL_SERVER_ERROR;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = page.size();
    ngx_str_set(&r->headers_out.content_type, "text/plain; version=0.0.4; charset=utf-8");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = nullptr;
    rc = ngx_http_send_header(r);
    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) return rc;
    return ngx_http_output_filter(r, out);
}

} // namespace npcchat
