// What metrics are made of: buckets, statuses, the sidecar's words for the log.
#include "histogram.hpp"
#include "log_fields.hpp"
#include "statuses.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace npcchat {
namespace {

TEST(Histogram, ABoundBelongsToItsBucket) {
    for (std::size_t i = 0; i < histogram_bounds.size(); ++i) {
        EXPECT_EQ(histogram_bucket(histogram_bounds[i].milliseconds), i);
        EXPECT_EQ(histogram_bucket(histogram_bounds[i].milliseconds + 1), i + 1);
    }
    EXPECT_EQ(histogram_bucket(0), 0U);
    EXPECT_EQ(histogram_bucket(UINT64_MAX), histogram_bounds.size());
}

TEST(Histogram, BoundsRiseAndAreWrittenInSeconds) {
    for (std::size_t i = 0; i < histogram_bounds.size(); ++i) {
        double seconds = std::strtod(std::string(histogram_bounds[i].seconds).c_str(), nullptr);
        EXPECT_DOUBLE_EQ(seconds, static_cast<double>(histogram_bounds[i].milliseconds) / 1000);
        if (i > 0) {
            EXPECT_GT(histogram_bounds[i].milliseconds, histogram_bounds[i - 1].milliseconds);
        }
    }
}

TEST(Histogram, CountsAndSums) {
    Histogram histogram = {};
    for (std::uint64_t milliseconds : {0, 1, 2, 130000})
        histogram.observe(milliseconds);
    EXPECT_EQ(histogram.sum, 130003U);
    EXPECT_EQ(histogram.buckets[0], 2U);
    EXPECT_EQ(histogram.buckets[1], 1U);
    EXPECT_EQ(histogram.buckets[histogram_bounds.size()], 1U);
}

TEST(Statuses, EveryStatusHasOneLabelOfItsClass) {
    for (std::size_t status = 100; status < 600; ++status) {
        std::string_view label = status_labels[status_index(status)];
        std::string code = std::to_string(status);
        EXPECT_TRUE(label == code || label == code.substr(0, 1) + "xx") << status << " is " << label;
        EXPECT_EQ(status_class(status_index(status)), status / 100);
    }
    EXPECT_EQ(status_labels[status_index(429)], "429");
    EXPECT_EQ(status_labels[status_index(418)], "4xx");
}

TEST(Statuses, WhatIsNone) {
    for (std::size_t status : {0, 9, 99, 600, 65535}) {
        EXPECT_EQ(status_labels[status_index(status)], "none");
        EXPECT_EQ(status_class(status_index(status)), 0U);
    }
}

TEST(LogFields, AreFoundByName) {
    constexpr std::string_view text = "npc=a%3Bb;chat=c;model=org/m;in=0;out=34";
    EXPECT_EQ(log_field(text, "npc"), "a%3Bb");
    EXPECT_EQ(log_field(text, "chat"), "c");
    EXPECT_EQ(log_field(text, "model"), "org/m");
    EXPECT_EQ(log_field(text, "in"), "0");
    EXPECT_EQ(log_field(text, "out"), "34");
    EXPECT_EQ(log_field("x=a=b", "x"), "a=b");
}

TEST(LogFields, OrAreEmpty) {
    for (std::string_view text : {"", ";", ";;", "npc", "npc;", "xnpc=1", "npcx=1", "=1", "np=1", "chat=npc"})
        EXPECT_EQ(log_field(text, "npc"), "") << text;
    EXPECT_EQ(log_field("npc=", "npc"), "");
    EXPECT_EQ(log_field("npc=;npc=2", "npc"), "");
}

} // namespace
} // namespace npcchat
