#include "model/place_queue.hpp"

namespace npcchat {

PlaceQueue::Ticket PlaceQueue::enter(std::move_only_function<void()> wake) {
    const std::scoped_lock lock(mutex_);
    waiting_.push_back({next_, std::move(wake)});
    return next_++;
}

bool PlaceQueue::leave(Ticket ticket) {
    const std::scoped_lock lock(mutex_);
    return std::erase_if(waiting_, [ticket](const Waiting& one) { return one.ticket == ticket; }) > 0;
}

void PlaceQueue::wake_one() {
    std::list<Waiting> first;
    {
        const std::scoped_lock lock(mutex_);
        if (waiting_.empty()) return;
        first.splice(first.begin(), waiting_, waiting_.begin());
    }
    first.front().wake();
}

std::size_t PlaceQueue::size() const {
    const std::scoped_lock lock(mutex_);
    return waiting_.size();
}

} // namespace npcchat
