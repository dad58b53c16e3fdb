#include "io/task.hpp"

#include "base/log.hpp"

namespace npcchat {

void report_exception(const char* where, std::exception_ptr error) {
    if (!error) return;
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& caught) {
        log(Level::error, "uncaught exception",
            {{"where", where}, {"what", std::string_view(caught.what())}});
    } catch (...) {
        log(Level::error, "uncaught exception", {{"where", where}});
    }
}

} // namespace npcchat
