// Password hashes by crypt(3), on a thread of their own: each costs tens of milliseconds.
#pragma once

#include "base/error.hpp"
#include "io/worker.hpp"

#include <string>

namespace npcchat {

class Passwords {
  public:
    Passwords();

    // All three answer 503 where too many others wait.

    // A yescrypt hash with a fresh salt. `password` is without NUL and under 512 bytes (crypt's own limit).
    Task<Result<std::string>> hash(std::string password);

    // Whether `password` is the one that `hash` (yescrypt, or the seed's bcrypt) was made of. Never for an
    // empty hash.
    Task<Result<bool>> verify(std::string password, std::string hash);

    // Takes the time that verify() takes: for names that nobody has.
    Task<Result<void>> verify_nobody(std::string password);

    // True for hashes that are to be made anew once their password is known.
    static bool is_outdated(const std::string& hash);

    void stop() { worker_.stop(); } // see Worker::stop

  private:
    template <class Job> auto run(Job job) -> Task<Result<std::invoke_result_t<Job&>>>;

    std::string nobodys_hash_;
    Worker worker_;
};

} // namespace npcchat
