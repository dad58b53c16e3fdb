#include "knowledge/relevance.hpp"

#include <array>
#include <cmath>
#include <numeric>

namespace npcchat {
namespace {

constexpr double kDeviations = 1.5;

constexpr auto kMessages = std::to_array<std::string_view>(
    {"Hello!", "Good evening to you.", "Thank you very much, goodbye.", "How are you today?",
     "Tell me something interesting.", "I do not know what to say.", "What is your name?",
     "Yes, that sounds good to me.", "Where can I buy fresh bread around here?",
     "Who won the war against the northern tribes?", "My computer does not start any more.",
     "How long does it take to boil an egg?", "Is it going to rain tomorrow?", "I lost my keys in the park.",
     "Which train goes to the airport?", "Can you sing a song for me?"});
constexpr auto kPassages = std::to_array<std::string_view>(
    {"The library opens at nine and closes at six, except on Sundays.",
     "Copper melts at 1085 degrees and conducts heat well.",
     "The old bridge was built by monks in the twelfth century.",
     "Whales feed on krill and travel thousands of miles each year.",
     "To reset the device, hold the button for ten seconds.",
     "The duke has two daughters and no son to follow him.",
     "Mix flour, butter and sugar, and bake it for half an hour.",
     "A contract is void where one of the parties is under age.",
     "The left engine failed shortly after the plane had taken off.",
     "Violins are tuned in fifths, from the lowest string to the highest.",
     "Inflation rose to four per cent in the second quarter.",
     "The key to the cellar hangs behind the kitchen door.", "Roses should be cut back hard in late winter.",
     "The goalkeeper saved two penalties in the final.",
     "Patients take one tablet in the morning with water.",
     "The dragon sleeps on its gold beneath the northern mountain."});

double product(const std::vector<float>& left, const std::vector<float>& right) {
    return std::inner_product(left.begin(), left.end(), right.begin(), 0.0);
}

double cosine(const std::vector<float>& left, const std::vector<float>& right) {
    const double lengths = std::sqrt(product(left, left) * product(right, right));
    return lengths > 0 ? product(left, right) / lengths : 0;
}

} // namespace

std::vector<std::string> unrelated_texts(std::string_view prefix) {
    std::vector<std::string> texts;
    for (const std::string_view message : kMessages)
        texts.push_back(std::string(prefix).append(message));
    texts.insert(texts.end(), kPassages.begin(), kPassages.end());
    return texts;
}

double unrelated_below(std::span<const std::vector<float>> vectors) {
    double sum = 0;
    double squares = 0;
    for (const auto& message : vectors.first(kMessages.size())) {
        for (const auto& passage : vectors.subspan(kMessages.size())) {
            const double similarity = cosine(message, passage);
            sum += similarity;
            squares += similarity * similarity;
        }
    }
    constexpr auto kPairs = static_cast<double>(kMessages.size() * kPassages.size());
    const double mean = sum / kPairs;
    return mean + kDeviations * std::sqrt(std::max(0.0, squares / kPairs - mean * mean));
}

} // namespace npcchat
