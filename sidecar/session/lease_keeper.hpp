// Renews the leases of this loop's turns while their models think.
#pragma once

#include "session/session_store.hpp"

#include <list>

namespace npcchat {

class LeaseKeeper {
  public:
    LeaseKeeper(Executor executor, SessionStore& store);

    // Renewed from its making to its end, which does not give the lease back.
    class Hold {
      public:
        Hold(LeaseKeeper& keeper, Lease lease);
        ~Hold();
        Hold(const Hold&) = delete;
        Hold& operator=(const Hold&) = delete;

      private:
        LeaseKeeper& keeper_;
        std::list<Lease>::iterator held_;
    };

  private:
    Task<void> renew_due();

    Executor executor_;
    SessionStore& store_;
    Timer timer_;
    std::list<Lease> held_;
};

} // namespace npcchat
