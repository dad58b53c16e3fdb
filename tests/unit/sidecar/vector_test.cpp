#include "knowledge/vector.hpp"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <random>

namespace npcchat {
namespace {

std::vector<float> random_values(std::size_t size, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> values(size);
    for (float& value : values)
        value = normal(random) * 3;
    return values;
}

std::vector<std::byte> record_of(const Vector& vector) {
    std::vector<std::byte> record(record_bytes(vector.values.size()));
    write_record(vector, record.data());
    return record;
}

double cosine(const std::vector<float>& left, const std::vector<float>& right) {
    double both = 0, one = 0, other = 0;
    for (std::size_t i = 0; i < left.size(); ++i) {
        both += left[i] * right[i];
        one += left[i] * left[i];
        other += right[i] * right[i];
    }
    return both / std::sqrt(one * other);
}

TEST(Vector, KeepsTheCosine) {
    for (unsigned seed = 0; seed < 50; ++seed) {
        const auto one = random_values(384, seed);
        const auto other = random_values(384, seed + 1000);
        const auto left = record_of(quantize(one).value());
        const auto right = record_of(quantize(other).value());
        const double product = npcchat::cosine(left.data(), right.data(), 384);
        EXPECT_NEAR(product, cosine(one, other), 0.01);
    }
}

TEST(Vector, TheLargestBytesHaveRoom) {
    for (const std::size_t size : {1U, 31U, 32U, 33U, 64U, 100U, 384U}) {
        std::vector<float> values(size, 1);
        const auto one = record_of(quantize(values).value());
        for (float& value : values)
            value = -1;
        const auto other = record_of(quantize(values).value());
        EXPECT_NEAR(npcchat::cosine(one.data(), one.data(), size), 1, 1e-5) << size;
        EXPECT_NEAR(npcchat::cosine(other.data(), other.data(), size), 1, 1e-5) << size;
        EXPECT_NEAR(npcchat::cosine(one.data(), other.data(), size), -1, 1e-5) << size;
    }
}

TEST(Vector, IsReadAsItWasWritten) {
    for (const std::size_t size : {1U, 2U, 3U, 384U, 512U, 1025U}) {
        const Vector vector = quantize(random_values(size, 3)).value();
        const auto read = decode(encode(vector), size);
        ASSERT_TRUE(read.has_value()) << size;
        EXPECT_EQ(read->values, vector.values);
        EXPECT_EQ(read->scale, vector.scale);
        EXPECT_FALSE(decode(encode(vector), size + 3).has_value());
    }
    EXPECT_FALSE(decode("", 8).has_value());
    EXPECT_FALSE(decode("????????????????", 8).has_value());
}

TEST(Vector, NoDirectionIsNoVector) {
    EXPECT_FALSE(quantize(std::vector<float>{}).has_value());
    EXPECT_FALSE(quantize(std::vector<float>{0, 0}).has_value());
    EXPECT_FALSE(quantize(std::vector<float>{1, std::numeric_limits<float>::infinity()}).has_value());
    EXPECT_FALSE(quantize(std::vector<float>{1, std::numeric_limits<float>::quiet_NaN()}).has_value());
}

} // namespace
} // namespace npcchat
