#include "io/renewal.hpp"

#include <boost/asio/redirect_error.hpp>

namespace npcchat {

struct Renewal::State {
    State(Executor executor, Clock::duration every, std::function<Task<void>()> renew)
        : timer(executor), every(every), renew(std::move(renew)) {}

    static Task<void> run(std::shared_ptr<State> self) {
        while (!self->ended) {
            boost::system::error_code ended_early;
            self->timer.expires_after(self->every);
            co_await self->timer.async_wait(asio::redirect_error(use_task, ended_early));
            if (!self->ended) co_await self->renew();
        }
    }

    Timer timer;
    Clock::duration every;
    std::function<Task<void>()> renew;
    bool ended = false;
};

Renewal::Renewal(Executor executor, Clock::duration every, std::function<Task<void>()> renew)
    : state_(std::make_shared<State>(executor, every, std::move(renew))) {
    spawn(executor, "renewal", [state = state_] { return State::run(state); });
}

Renewal::~Renewal() {
    state_->ended = true;
    state_->timer.cancel();
}

} // namespace npcchat
