// A connected socket of any family.
#pragma once

#include "io/task.hpp"

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>

namespace npcchat {

using Socket = asio::basic_stream_socket<asio::generic::stream_protocol, Executor>;

} // namespace npcchat
