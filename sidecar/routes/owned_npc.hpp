// The NPC that a request is about, for those who may change it.
#pragma once

#include "http/message.hpp"
#include "services.hpp"

namespace npcchat {

// The NPC of the path's first parameter, where the caller owns it or is the admin; else 403 or 404. Read from
// the catalog, not from the cache: who changes an NPC sees the change.
Task<Result<Npc>> owned_npc(Services& services, const Request& request);

} // namespace npcchat
