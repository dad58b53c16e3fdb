#include "knowledge/retrieval.hpp"

#include "services.hpp"

namespace npcchat {

Task<Result<std::vector<Passage>>> retrieve(Services& services, ScopeIds scopes, const std::string& question,
                                            RetrievalOptions options) {
    auto found = co_await services.documents.search_words(scopes, question, options.retrieve);
    if (found && found->size() > static_cast<std::size_t>(options.keep))
        found->resize(static_cast<std::size_t>(options.keep));
    co_return found;
}

} // namespace npcchat
