// An answer of server-sent events that goes out while it is still being made, in HTTP/1.1's chunks.
#pragma once

#include "http/socket.hpp"
#include "io/cancellation.hpp"

#include <string>
#include <string_view>

namespace npcchat {

class AnswerStream {
  public:
    static constexpr auto kPingAfter = std::chrono::seconds(15);

    // A client that cannot be written to requests the cancellation.
    AnswerStream(Socket& socket, Cancellation& cancellation, std::string_view request_id)
        : socket_(socket), cancellation_(cancellation), request_id_(request_id) {}

    // For handlers. The answer is to be a stream: from now on a silence of kPingAfter is broken by a comment.
    // The head, a 200, goes out with what comes first. `headers`: more lines for it, each with its CRLF.
    void announce(std::string headers = {});

    // Whole events, sent by the next flush(). False where the client is behind: await caught_up() before
    // anything more is put in, so that what waits stays bounded.
    void put(std::string_view events);
    bool flush();
    Task<void> caught_up();

    // For the server.
    bool has_begun() const { return begun_; }
    void ping_if_silent(Clock::time_point now);
    // When the client must have taken something.
    Clock::time_point write_by() const { return write_by_; }
    // Sends `last` and the end. False where nothing can follow on this connection.
    Task<bool> finish(std::string_view last);

  private:
    void begin_chunk();
    void end_chunk();
    void send();

    Socket& socket_;
    Cancellation& cancellation_;
    std::string_view request_id_;
    std::string headers_;
    std::string out_;       // what waits to be sent
    std::size_t chunk_ = 0; // where in it the chunk begins that is being filled
    bool in_chunk_ = false;
    bool announced_ = false;
    bool begun_ = false;
    bool broken_ = false;
    Clock::time_point last_sent_{};
    Clock::time_point write_by_ = Clock::time_point::max();
};

} // namespace npcchat
