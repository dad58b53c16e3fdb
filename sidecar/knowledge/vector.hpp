// Embeddings as they are stored and compared: of unit length, a byte for each dimension.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace npcchat {

// The unit vector is `scale` times `values`, to within half of `scale` in each dimension.
struct Vector {
    float scale = 0;
    std::vector<std::int8_t> values;
};

// Nothing for a vector of no length, or with a number in it that is none.
std::optional<Vector> quantize(std::span<const float> values);

// The scale as 4 bytes, little end first, and the values: in base64 (RFC 4648, section 4).
std::string encode(const Vector& vector);
// Nothing where it is no vector of so many dimensions.
std::optional<Vector> decode(std::string_view text, std::size_t dimensions);

// A record is a vector in memory, wherever it lies: its scale, its values, and what fills a multiple of 4.
std::size_t record_bytes(std::size_t dimensions);
void write_record(const Vector& vector, std::byte* record);

// Of two records of `dimensions`. Bytes are multiplied as fast as the machine that runs it can.
double cosine(const std::byte* left, const std::byte* right, std::size_t dimensions);

} // namespace npcchat
