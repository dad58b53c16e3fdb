// Answers as server-sent events.
#pragma once

#include "chat/deltas.hpp"
#include "http/answer_stream.hpp"
#include "http/message.hpp"

namespace npcchat {

// Deltas that go to the client; what an event looks like is the route's.
class EventDeltas : public Deltas {
  public:
    explicit EventDeltas(AnswerStream& stream) : stream_(stream) {}
    bool flush() override { return stream_.flush(); }
    Task<void> caught_up() override { return stream_.caught_up(); }

  protected:
    AnswerStream& stream_;
};

// The last events of a streamed answer.
inline Response event_response(std::string events) {
    Response response;
    response.body = std::move(events);
    response.content_type = "text/event-stream";
    return response;
}

} // namespace npcchat
