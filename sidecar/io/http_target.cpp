#include "io/http_target.hpp"

#include "base/base64.hpp"

#include <fmt/format.h>

namespace npcchat {
namespace {

struct CurlFree {
    void operator()(char* text) const { curl_free(text); }
};

// Empty where the URL has none.
std::string part(CURLU* url, CURLUPart which, unsigned flags = 0) {
    char* text = nullptr;
    if (curl_url_get(url, which, &text, flags) != CURLUE_OK) return {};
    const std::unique_ptr<char, CurlFree> kept(text);
    return kept.get();
}

} // namespace

std::optional<HttpTarget> HttpTarget::parse(const std::string& text) {
    HttpTarget target;
    target.url_.reset(curl_url());
    CURLU* url = target.url_.get();
    if (curl_url_set(url, CURLUPART_URL, text.c_str(), CURLU_GUESS_SCHEME) != CURLUE_OK) return std::nullopt;
    const std::string scheme = part(url, CURLUPART_SCHEME);
    if (scheme != "http" && scheme != "https") return std::nullopt;
    target.is_tls_ = scheme == "https";
    const std::string host = part(url, CURLUPART_HOST);
    target.origin_ = fmt::format("{}://{}:{}", scheme, host, part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT));
    std::string authority = host;
    if (const std::string port = part(url, CURLUPART_PORT, CURLU_NO_DEFAULT_PORT); !port.empty())
        authority += ':' + port;
    std::string path = part(url, CURLUPART_PATH);
    if (const std::string query = part(url, CURLUPART_QUERY); !query.empty()) path += '?' + query;
    std::string headers = fmt::format("Host: {}\r\nAccept: */*\r\n", authority);
    const std::string user = part(url, CURLUPART_USER, CURLU_URLDECODE);
    const std::string password = part(url, CURLUPART_PASSWORD, CURLU_URLDECODE);
    if (!user.empty() || !password.empty()) {
        const std::string both = user + ':' + password;
        headers += fmt::format("Authorization: Basic {}\r\n",
                               to_base64({reinterpret_cast<const unsigned char*>(both.data()), both.size()}));
    }
    target.get_ = fmt::format("GET {} HTTP/1.1\r\n{}", path, headers);
    target.post_ = fmt::format("POST {} HTTP/1.1\r\n{}", path, headers);
    return target;
}

} // namespace npcchat
