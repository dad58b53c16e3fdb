#include "knowledge/embedder.hpp"

#include "base/json.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fmt/format.h>

namespace npcchat {
namespace {

using namespace std::chrono_literals;

constexpr int kAnswerDepth = 4;

std::string texts_json(const std::vector<std::string>& texts) {
    std::string json = "[";
    for (const std::string& text : texts) {
        if (&text != &texts.front()) json += ",";
        append_json_string(json, text);
    }
    return json + "]";
}

std::unexpected<Error> malformed() {
    return fail(502, "The embedder's answer is malformed");
}

Error error_of(HttpFailure failure) {
    if (failure == HttpFailure::timed_out) return Error{504, "The embedder did not answer in time", 0, {}};
    return Error{503, "The embedder cannot be reached", 1, {}};
}

// Reads lists of lists of numbers: a library that makes an object of each number would keep the loop from
// others for milliseconds.
class VectorReader {
  public:
    explicit VectorReader(std::string_view text) : text_(text) {}

    // Nothing where the text is anything else, or a list is empty.
    std::optional<std::vector<std::vector<float>>> read() {
        std::vector<std::vector<float>> vectors;
        const bool done = list([&] {
            std::vector<float>& numbers = vectors.emplace_back();
            if (vectors.size() > 1) numbers.reserve(vectors.front().size());
            return list([&] { return number(numbers.emplace_back()); });
        });
        skip_space();
        if (!done || at_ != text_.size()) return std::nullopt;
        return vectors;
    }

  private:
    template <class Item> bool list(Item item) {
        if (!take('[')) return false;
        do {
            if (!item()) return false;
        } while (take(','));
        return take(']');
    }

    bool number(float& number) {
        skip_space();
        double value = 0;
        const char* begin = text_.data() + at_;
        const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
        at_ += static_cast<std::size_t>(end - begin);
        number = static_cast<float>(value);
        return error == std::errc() && std::isfinite(number);
    }

    bool take(char wanted) {
        skip_space();
        if (at_ == text_.size() || text_[at_] != wanted) return false;
        ++at_;
        return true;
    }

    void skip_space() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }

    std::string_view text_;
    std::size_t at_ = 0;
};

Result<std::vector<std::vector<float>>> parse_vectors(const std::string& body, std::size_t wanted) {
    auto vectors = VectorReader(body).read();
    if (!vectors) return malformed();
    if (vectors->size() != wanted) {
        return fail(502, fmt::format("The embedder gave {} vectors for {} texts", vectors->size(), wanted));
    }
    for (const auto& vector : *vectors) {
        if (vector.size() != vectors->front().size())
            return fail(502, "The embedder's vectors have different numbers of dimensions");
    }
    return std::move(*vectors);
}

// The answer is sorted by score: `index` says which text is meant.
Result<std::vector<double>> parse_ranks(const std::string& body, std::size_t wanted) {
    const auto json = read_json(body, kAnswerDepth);
    if (!json || !json_is_array(json->get()) || json_array_size(json->get()) != wanted) return malformed();
    std::vector<double> scores(wanted);
    std::vector<bool> seen(wanted);
    for (std::size_t i = 0; i < wanted; ++i) {
        const json_t* one = json_array_get(json->get(), i);
        const json_t* index = json_object_get(one, "index");
        const json_t* score = json_object_get(one, "score");
        if (!json_is_integer(index) || !json_is_number(score)) return malformed();
        const auto place = static_cast<std::size_t>(json_integer_value(index));
        if (place >= wanted || seen[place]) return malformed();
        seen[place] = true;
        scores[place] = json_number_value(score);
    }
    return scores;
}

} // namespace

// https://huggingface.co/BAAI/bge-small-en-v1.5, and its larger kin.
std::string_view query_prefix(std::string_view model) {
    model.remove_prefix(model.rfind('/') + 1);
    const auto has = [&](std::string_view part) {
        return !std::ranges::search(model, part, [](char one, char other) {
                    return (one >= 'A' && one <= 'Z' ? one - 'A' + 'a' : one) == other;
                }).empty();
    };
    const bool is_english_bge = has("bge-") && has("-en");
    return is_english_bge ? "Represent this sentence for searching relevant passages: " : "";
}

Task<Result<std::string>> Embedder::post(const std::string& url, std::string body,
                                         std::chrono::milliseconds limit) {
    HttpRequest request;
    request.url = url;
    request.headers = {"Content-Type: application/json"};
    request.body = std::move(body);
    request.timeouts = {std::min<std::chrono::milliseconds>(limit, 2s), limit, limit, limit};
    auto answer = co_await http_.post(std::move(request));
    if (!answer) co_return std::unexpected(error_of(answer.error()));
    if (answer->status == 200) co_return std::move(answer->body);
    // Too many texts (422), or too long (413): which of the two, and how many would do, it does not say.
    if (answer->status == 413 || answer->status == 422 || answer->status == 400)
        co_return fail(413, fmt::format("The embedder refused the texts with status {}", answer->status));
    const int wait = answer->retry_after ? static_cast<int>(answer->retry_after->count()) : 1;
    if (answer->status == 429 || answer->status == 503) co_return fail(503, "The embedder is busy", wait);
    co_return fail(502, fmt::format("The embedder answered with status {}", answer->status));
}

Task<Result<std::vector<std::vector<float>>>> Embedder::embed(const std::vector<std::string>& texts,
                                                              std::chrono::milliseconds limit) {
    std::string body = R"({"inputs": )" + texts_json(texts) + R"(, "truncate": true})";
    const auto answer = co_await post(embed_url_, std::move(body), limit);
    if (!answer) co_return std::unexpected(answer.error());
    co_return parse_vectors(*answer, texts.size());
}

Task<Result<std::vector<std::vector<float>>>> Embedder::embed_all(const std::vector<std::string>& texts,
                                                                  std::chrono::milliseconds limit_of_a_call) {
    std::vector<std::vector<float>> vectors;
    std::size_t step = kMaxTexts;
    while (vectors.size() < texts.size()) {
        const auto begin = texts.begin() + static_cast<std::ptrdiff_t>(vectors.size());
        const std::size_t count = std::min(step, texts.size() - vectors.size());
        const std::vector<std::string> some(begin, begin + static_cast<std::ptrdiff_t>(count));
        auto embedded = co_await embed(some, limit_of_a_call);
        if (embedded) {
            std::ranges::move(*embedded, std::back_inserter(vectors));
        } else if (embedded.error().status == 413 && count > 1) {
            step = count / 2;
        } else {
            co_return std::unexpected(std::move(embedded.error()));
        }
    }
    co_return vectors;
}

Task<std::string> Embedder::model_name() {
    HttpRequest request;
    const std::string_view url = std::string_view(embed_url_).substr(0, embed_url_.find('?'));
    request.url = std::string(url.substr(0, url.rfind('/'))) + "/info";
    request.timeouts = {2s, 5s, 5s, 5s};
    request.is_get = true;
    const auto answer = co_await http_.post(std::move(request));
    if (!answer || answer->status != 200) co_return "";
    const auto json = read_json(answer->body, kJsonMaxDepth);
    if (!json) co_return "";
    const char* name = json_string_value(json_object_get(json->get(), "model_id"));
    co_return name ? name : "";
}

Task<Result<std::vector<double>>> Embedder::rerank(const std::string& query,
                                                   const std::vector<std::string>& texts,
                                                   std::chrono::milliseconds limit) {
    std::string body = R"({"query": )" + json_string(query) + R"(, "texts": )" + texts_json(texts) +
                       R"(, "truncate": true})";
    const auto answer = co_await post(rerank_url_, std::move(body), limit);
    if (!answer) co_return std::unexpected(answer.error());
    co_return parse_ranks(*answer, texts.size());
}

} // namespace npcchat
