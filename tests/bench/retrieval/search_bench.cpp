// How long a scope of so many chunks takes to search: by vectors, exactly and through its graph, and how much
// the graph finds of what an exact search finds; and by words. A line of each table for each number that is
// given.
#include "knowledge/scope_vectors.hpp"
#include "knowledge/scope_words.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fmt/format.h>
#include <fstream>
#include <malloc.h>
#include <random>
#include <string>

using namespace npcchat;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kDimensions = 384;
constexpr std::size_t kDegrees = 32; // of freedom around a topic: sentences do not fill all dimensions
constexpr std::size_t kTopics = 500;
// The machine may be slower for some seconds: what the median and the best of some rounds took is said.
constexpr std::size_t kRounds = 5;
constexpr std::size_t kQueries = 300; // of a round
constexpr std::size_t kFound = 10;
constexpr std::size_t kFoundByWords = 20; // as many as a chat asks for

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

// Words without the commonest, which the database leaves out: the one of rank r is as frequent as 1 / (r +
// 50).
class Words {
  public:
    static constexpr std::size_t kOfChunk = 100;
    static constexpr std::size_t kOfQuestion = 8;

    std::vector<CountedWord> chunk() {
        std::array<std::uint64_t, kOfChunk> words;
        std::ranges::generate(words, [this] { return word(); });
        std::ranges::sort(words);
        std::vector<CountedWord> counted;
        for (const std::uint64_t one : words) {
            if (counted.empty() || counted.back().word != one) counted.push_back({one, 0});
            ++counted.back().times;
        }
        return counted;
    }

    // Of words that a chunk may well have.
    std::vector<std::uint64_t> question() {
        std::vector<std::uint64_t> words(kOfQuestion);
        std::ranges::generate(words, [this] { return word(); });
        return words;
    }

  private:
    std::uint64_t word() {
        constexpr double kFlat = 50;
        constexpr double kVocabulary = 200'000;
        const double part = std::uniform_real_distribution<double>()(random_);
        const double rank = kFlat * (std::pow(kVocabulary / kFlat + 1, part) - 1);
        return static_cast<std::uint64_t>(rank) * 0x9E3779B97F4A7C15; // spread as the hashes of words are
    }
    std::mt19937_64 random_{12};
};

double seconds_since(Clock::time_point begun) {
    return std::chrono::duration<double>(Clock::now() - begun).count();
}

// https://man7.org/linux/man-pages/man5/proc_pid_status.5.html
double resident_mib() {
    malloc_trim(0);
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("VmRSS:")) return std::atof(line.c_str() + 6) / 1024;
    }
    return 0;
}

double percentile(std::vector<double> values, double part) {
    std::ranges::sort(values);
    return values[static_cast<std::size_t>(part * static_cast<double>(values.size() - 1))];
}

// Milliseconds of searches, by round.
class Timings {
  public:
    void begin_round() { rounds_.emplace_back(); }
    template <class Search> auto time(Search search) {
        const auto begun = Clock::now();
        auto found = search();
        rounds_.back().push_back(seconds_since(begun) * 1e3);
        return found;
    }
    // p50 and p99 of the median round, and p99 of the best one.
    std::string text() const {
        std::vector<double> middles;
        std::vector<double> ends;
        for (const auto& round : rounds_) {
            middles.push_back(percentile(round, .5));
            ends.push_back(percentile(round, .99));
        }
        return fmt::format(" {:>9.2f} {:>8.2f} {:>8.2f}", percentile(middles, .5), percentile(ends, .5),
                           percentile(ends, 0));
    }

  private:
    std::vector<std::vector<double>> rounds_;
};

void measure_vectors(std::size_t count) {
    const double memory = resident_mib();
    Sentences sentences;
    ScopeVectors scope(kDimensions, 1);
    for (std::size_t i = 0; i < count; ++i)
        scope.add(static_cast<std::int64_t>(i), sentences.next());
    const auto begun = Clock::now();
    while (scope.claim_growth() || scope.grow(1s))
        continue;
    const double built = seconds_since(begun);
    const double taken = resident_mib() - memory;
    fmt::print(stderr, "{} vectors are in the graph\n", count);
    Timings exact;
    Timings near;
    std::size_t both = 0;
    for (std::size_t round = 0; round < kRounds; ++round) {
        exact.begin_round();
        near.begin_round();
        for (std::size_t i = 0; i < kQueries; ++i) {
            const Vector query = sentences.next();
            const auto all = exact.time([&] { return scope.scan(query, kFound); });
            const auto some = near.time([&] { return scope.nearest(query, kFound); });
            for (const Ranked& one : all)
                both += static_cast<std::size_t>(std::ranges::count(some, one.id, &Ranked::id));
        }
    }
    fmt::print("{:>10} {:>8.1f} {:>8.0f}{}{} {:>10.3f}\n", count, built, taken, exact.text(), near.text(),
               static_cast<double>(both) / (kFound * kQueries * kRounds));
    std::fflush(stdout);
}

void measure_words(std::size_t count) {
    const double memory = resident_mib();
    Words words;
    const auto scope = std::make_shared<ScopeWords>();
    for (std::size_t i = 0; i < count; ++i)
        scope->add(static_cast<std::int64_t>(i), words.chunk());
    const double taken = resident_mib() - memory;
    Timings ranked;
    for (std::size_t round = 0; round < kRounds; ++round) {
        ranked.begin_round();
        for (std::size_t i = 0; i < kQueries; ++i) {
            const auto question = words.question();
            ranked.time([&] { return ScopeWords::best({scope}, question, kFoundByWords); });
        }
    }
    fmt::print("{:>10} {:>8} {:>8.0f}{}\n", count, "", taken, ranked.text());
    std::fflush(stdout);
}

} // namespace

int main(int argc, char** argv) {
    const auto times = [](std::string_view name) {
        return fmt::format(" {:>9} {:>8} {:>8}", name, "p99", "best p99");
    };
    fmt::print("Milliseconds: of the median of {} rounds of {} searches, and the best one's p99\n", kRounds,
               kQueries);
    fmt::print("{:>10} {:>8} {:>8}{}{} {:>10}\n", "vectors", "build s", "MiB", times("exact p50"),
               times("graph p50"), "recall@10");
    for (int i = 1; i < argc; ++i)
        measure_vectors(std::strtoul(argv[i], nullptr, 10));
    fmt::print("{:>10} {:>8} {:>8}{}\n", "chunks", "", "MiB", times("words p50"));
    for (int i = 1; i < argc; ++i)
        measure_words(std::strtoul(argv[i], nullptr, 10));
}
