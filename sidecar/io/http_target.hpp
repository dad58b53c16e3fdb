// Where requests go: a URL, taken apart by libcurl.
#pragma once

#include <curl/curl.h>
#include <memory>
#include <optional>
#include <string>

namespace npcchat {

class HttpTarget {
  public:
    // Nothing where it is no URL of HTTP. Without a scheme it is taken for http.
    static std::optional<HttpTarget> parse(const std::string& url);

    bool is_tls() const { return is_tls_; }
    CURLU* url() const { return url_.get(); }

    // Scheme, host and port: connections to one are as good for all URLs with the same.
    const std::string& origin() const { return origin_; }

    // A request's head up to the headers that differ between requests (RFC 9112, 3).
    const std::string& head(bool is_get) const { return is_get ? get_ : post_; }

  private:
    struct UrlCleanup {
        void operator()(CURLU* url) const { curl_url_cleanup(url); }
    };

    HttpTarget() = default;

    std::unique_ptr<CURLU, UrlCleanup> url_;
    bool is_tls_ = false;
    std::string origin_;
    std::string get_, post_;
};

} // namespace npcchat
