// How long a scope of so many vectors takes to search, exactly and through its graph, and how much the graph
// finds of what an exact search finds. One line of a table for each number of vectors that is given.
#include "knowledge/scope_vectors.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <random>
#include <string>

using namespace npcchat;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kDimensions = 384;
constexpr std::size_t kDegrees = 32; // of freedom around a topic: sentences do not fill all dimensions
constexpr std::size_t kTopics = 500;
constexpr std::size_t kQueries = 300;
constexpr std::size_t kFound = 10;

class Sentences {
  public:
    Vector next() {
        const std::size_t topic = random_() % kTopics * kDimensions;
        std::array<float, kDegrees> degrees;
        std::ranges::generate(degrees, [this] { return normal_(random_); });
        std::vector<float> values(kDimensions);
        for (std::size_t i = 0; i < kDimensions; ++i) {
            float value = topics_[topic + i] + 0.1F * normal_(random_);
            for (std::size_t k = 0; k < kDegrees; ++k)
                value += 0.2F * degrees[k] * directions_[i * kDegrees + k];
            values[i] = value;
        }
        return quantize(values).value();
    }

  private:
    std::vector<float> numbers(std::size_t count) {
        std::vector<float> values(count);
        std::ranges::generate(values, [this] { return normal_(random_); });
        return values;
    }
    std::minstd_rand random_{11};
    std::normal_distribution<float> normal_;
    std::vector<float> topics_ = numbers(kTopics * kDimensions);
    std::vector<float> directions_ = numbers(kDimensions * kDegrees);
};

double seconds_since(Clock::time_point begun) {
    return std::chrono::duration<double>(Clock::now() - begun).count();
}

// https://man7.org/linux/man-pages/man5/proc_pid_status.5.html
double resident_mib() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("VmRSS:")) return std::atof(line.c_str() + 6) / 1024;
    }
    return 0;
}

double percentile(std::vector<double>& values, double part) {
    std::ranges::sort(values);
    return values[static_cast<std::size_t>(part * static_cast<double>(values.size() - 1))];
}

void measure(std::size_t count) {
    const double memory = resident_mib();
    Sentences sentences;
    ScopeVectors scope(kDimensions, 1);
    for (std::size_t i = 0; i < count; ++i)
        scope.add(static_cast<std::int64_t>(i), sentences.next());
    const auto begun = Clock::now();
    while (scope.claim_growth() || scope.grow(1s))
        continue;
    const double built = seconds_since(begun);
    std::vector<double> exact;
    std::vector<double> near;
    std::size_t both = 0;
    for (std::size_t i = 0; i < kQueries; ++i) {
        const Vector query = sentences.next();
        const auto first = Clock::now();
        const auto all = scope.scan(query, kFound);
        exact.push_back(seconds_since(first) * 1e3);
        const auto second = Clock::now();
        const auto some = scope.nearest(query, kFound);
        near.push_back(seconds_since(second) * 1e3);
        for (const Ranked& one : all)
            both += static_cast<std::size_t>(std::ranges::count(some, one.id, &Ranked::id));
    }
    fmt::print("{:>10} {:>9.1f} {:>9.0f} {:>10.2f} {:>10.2f} {:>10.2f} {:>10.2f} {:>10.3f}\n", count, built,
               resident_mib() - memory, percentile(exact, .5), percentile(exact, .99), percentile(near, .5),
               percentile(near, .99), static_cast<double>(both) / (kFound * kQueries));
    std::fflush(stdout);
}

} // namespace

int main(int argc, char** argv) {
    fmt::print("{:>10} {:>9} {:>9} {:>21} {:>21} {:>10}\n", "vectors", "build s", "MiB", "exact p50, p99 ms",
               "graph p50, p99 ms", "recall@10");
    for (int i = 1; i < argc; ++i)
        measure(std::strtoul(argv[i], nullptr, 10));
}
